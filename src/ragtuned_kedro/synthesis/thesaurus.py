"""Other words for common words, form by form, so that a question is asked in more than one way.

General English, taken from no corpus. Verbs give four forms (base, third person, past, participle
of the perfect), nouns two (singular, plural), other words one; alternatives stand after a bar.
"""

_VERBS = """
buy buys bought bought | purchase purchases purchased purchased | acquire acquires acquired acquired
sell sells sold sold | part_with parts_with parted_with parted_with
give gives gave given | donate donates donated donated
make makes made made | build builds built built | produce produces produced produced
build builds built built | construct constructs constructed constructed
mend mends mended mended | repair repairs repaired repaired | fix fixes fixed fixed
break breaks broke broken | fracture fractures fractured fractured
begin begins began begun | start starts started started
start starts started started | begin begins began begun
stop stops stopped stopped | give_up gives_up gave_up given_up | cease ceases ceased ceased
finish finishes finished finished | complete completes completed completed
come comes came come | arrive arrives arrived arrived
arrive arrives arrived arrived | turn_up turns_up turned_up turned_up
leave leaves left left | depart departs departed departed | go_away goes_away went_away gone_away
go goes went gone | travel travels travelled travelled
return returns returned returned | come_back comes_back came_back come_back
live lives lived lived | dwell dwells dwelt dwelt | reside resides resided resided
stay stays stayed stayed | lodge lodges lodged lodged
own owns owned owned | possess possesses possessed possessed
keep keeps kept kept | look_after looks_after looked_after looked_after
employ employs employed employed | give_work_to gives_work_to gave_work_to given_work_to
help helps helped helped | assist assists assisted assisted
teach teaches taught taught | instruct instructs instructed instructed
learn learns learned learned | study studies studied studied
write writes wrote written | compose composes composed composed
ask asks asked asked | request requests requested requested
promise promises promised promised | pledge pledges pledged pledged
cost costs cost cost | come_to comes_to came_to come_to
charge charges charged charged | bill bills billed billed
win wins won won | gain gains gained gained
choose chooses chose chosen | pick picks picked picked | select selects selected selected
elect elects elected elected | choose chooses chose chosen
appoint appoints appointed appointed | name names named named
found founds founded founded | establish establishes established established
open opens opened opened | unlock unlocks unlocked unlocked
close closes closed closed | shut shuts shut shut
carry carries carried carried | transport transports transported transported
bring brings brought brought | carry carries carried carried
send sends sent sent | dispatch dispatches dispatched dispatched
find finds found found | discover discovers discovered discovered
show shows showed shown | display displays displayed displayed
count counts counted counted | tally tallies tallied tallied
paint paints painted painted | decorate decorates decorated decorated
play plays played played | perform_on performs_on performed_on performed_on
sing sings sang sung | perform performs performed performed
grow grows grew grown | cultivate cultivates cultivated cultivated
hurt hurts hurt hurt | injure injures injured injured
injure injures injured injured | hurt hurts hurt hurt
fall falls fell fallen | tumble tumbles tumbled tumbled
lead leads led led | head heads headed headed
replace replaces replaced replaced | take_over_from takes_over_from took_over_from taken_over_from
visit visits visited visited | call_on calls_on called_on called_on
meet meets met met | run_into runs_into ran_into run_into
bake bakes baked baked | make makes made made
rent rents rented rented | let lets let let
change changes changed changed | alter alters altered altered
move moves moved moved | shift shifts shifted shifted
raise raises raised raised | increase increases increased increased
lower lowers lowered lowered | reduce reduces reduced reduced
decide decides decided decided | resolve resolves resolved resolved
postpone postpones postponed postponed | put_off puts_off put_off put_off
plan plans planned planned | intend intends intended intended
believe believes believed believed | think thinks thought thought
need needs needed needed | require requires required required
attend attends attended attended | go_to goes_to went_to gone_to
steer steers steered steered | guide guides guided guided
design designs designed designed | plan plans planned planned
"""
_NOUNS = """
boat boats | vessel vessels
ship ships | vessel vessels
house houses | home homes
job jobs | post posts | position positions
work work | labour labour
price prices | cost costs
gift gifts | present presents
prize prizes | award awards
child children | youngster youngsters
boy boys | lad lads
girl girls | lass lasses
man men | fellow fellows
pupil pupils | schoolchild schoolchildren
teacher teachers | schoolteacher schoolteachers
scientist scientists | researcher researchers
dog dogs | hound hounds
cat cats | feline felines
bird birds | feathered_creature feathered_creatures
road roads | way ways | track tracks
path paths | track tracks
street streets | road roads
shop shops | store stores
bakery bakeries | baker's_shop bakers'_shops
school schools | schoolhouse schoolhouses
church churches | chapel chapels
chapel chapels | place_of_worship places_of_worship
clock clocks | timepiece timepieces
picture pictures | painting paintings
portrait portraits | likeness likenesses
letter letters | note notes
book books | volume volumes
petition petitions | appeal appeals
meeting meetings | gathering gatherings
concert concerts | musical_evening musical_evenings
party parties | celebration celebrations
festival festivals | celebration celebrations
vote votes | ballot ballots
quarrel quarrels | dispute disputes
judgement judgements | ruling rulings | verdict verdicts
rule rules | law laws
plan plans | scheme schemes
reason reasons | cause causes
illness illnesses | sickness sicknesses
storm storms | gale gales
gale gales | storm storms
wall walls | barrier barriers
gate gates | barrier barriers
field fields | meadow meadows
farm farms | farmstead farmsteads
hill hills | height heights
rock rocks | crag crags
island islands | isle isles
harbour harbours | port ports
quay quays | wharf wharves
sea seas | water waters
ground grounds | land land
land lands | ground grounds
engine engines | motor motors
room rooms | chamber chambers
bedroom bedrooms | sleeping_room sleeping_rooms
wound wounds | injury injuries
brother brothers | male_sibling male_siblings
sister sisters | female_sibling female_siblings
wife wives | spouse spouses
husband husbands | spouse spouses
apprentice apprentices | trainee trainees
visitor visitors | guest guests
household households | family families
sheep sheep | flock flocks
ewe ewes | sheep sheep
fare fares | ticket_price ticket_prices
lodger lodgers | tenant tenants
lease leases | rental_agreement rental_agreements
cottage cottages | small_house small_houses
telescope telescopes | spyglass spyglasses
stick sticks | cane canes
fuel fuel | something_to_burn something_to_burn
journal journals | diary diaries
"""
_OTHERS = """
big | large
large | big
small | little
little | small
old | aged
young | youthful
quick | fast
quiet | silent
dear | expensive
cheap | inexpensive
glad | pleased
sad | unhappy
angry | cross
broken | damaged
alone | by_oneself
yearly | annual
twice | two_times
"""


def _read(block: str) -> dict[str, tuple[str, ...]]:
    """Map each form of each head word to the same form of its alternatives."""
    others: dict[str, tuple[str, ...]] = {}
    for line in block.strip().splitlines():
        head, *alternatives = [part.split() for part in line.split("|")]
        for place, form in enumerate(head):
            spelled = tuple(a[place].replace("_", " ") for a in alternatives)
            others.setdefault(form, spelled)
    return others


OTHER_WORDS: dict[str, tuple[str, ...]] = _read(_OTHERS) | _read(_NOUNS) | _read(_VERBS)
