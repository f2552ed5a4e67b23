"""What to ask that a corpus does not answer: attributes, names and things to try against it.

Nothing here is taken from any corpus. An attribute comes with the stems of words that would betray
an answer; a name or thing that the corpus uses is never taken.
"""

PERSON_ATTRIBUTES: tuple[tuple[str, str], ...] = (
    ("What is {}'s favourite colour?", "favourite colour"),
    ("How tall is {}?", "tall height feet inch"),
    ("When was {} born?", "born birth"),
    ("On what date is {}'s birthday?", "born birth"),
    ("Where was {} born?", "born birth native"),
    ("Which school did {} attend as a child?", "school learn pupil"),
    ("What is {}'s middle name?", "middle"),
    ("What does {} earn in a year?", "wage earn salary paid pounds week"),
    ("Who did {} marry?", "marr wife husband widow wed"),
    ("What is the name of {}'s wife?", "wife marr widow"),
    ("What is the name of {}'s husband?", "husband marr widow"),
    ("In which year did {} marry?", "marr wed wife husband widow"),
    ("What is {}'s telephone number?", "telephone phone"),
    ("What make of car does {} drive?", "car drive motor"),
    ("Which church does {} belong to?", "church chapel faith"),
    ("What does {} eat for breakfast?", "breakfast eat ate"),
    ("How much does {} weigh?", "weigh heavy stone"),
    ("What size of shoe does {} wear?", "shoe boot"),
    ("What colour are {}'s eyes?", "eyes eye"),
    ("What colour is {}'s hair?", "hair"),
    ("Which newspaper does {} read?", "newspaper paper read"),
    ("What was the name of {}'s grandfather?", "grandfather"),
    ("What was {}'s mother called?", "mother"),
    ("How many children does {} have?", "child son daughter"),
    ("Which party does {} vote for?", "vote party"),
    ("What languages does {} speak?", "language speak"),
    ("Which medal was {} given?", "medal prize honour"),
    ("What did {} study at university?", "universit study studied degree"),
    ("Where did {} spend the war?", "war army"),
    ("Which regiment did {} serve in?", "regiment army war"),
    ("What is {}'s favourite song?", "favourite song"),
    ("Which book is {} reading?", "book read"),
    ("What is {} afraid of?", "afraid fear"),
    ("What did {} dream about?", "dream"),
    ("How much did {} pay for the house?", "house pay paid bought"),
    ("What is the number of {}'s house?", "house lives number"),
    ("Which football team does {} support?", "football team"),
    ("What does {} keep in the cellar?", "cellar"),
    ("Which instrument did {} learn as a child?", "play learn instrument"),
    ("What was {}'s first job?", "first job began"),
    ("Where will {} spend the holidays?", "holiday leave"),
    ("What illness did {} have as a child?", "ill fever sick"),
    ("What did {} inherit?", "inherit left"),
    ("Where is {} buried?", "buried grave die"),
    ("When did {} die?", "die dead death"),
    ("What is {}'s favourite dish?", "favourite dish"),
    ("Which hand does {} write with?", "hand write"),
    ("What nickname did {} have at school?", "nickname called school"),
    ("How did {} meet the person {} married?", "marr wife husband widow met"),
    ("What tattoo does {} have?", "tattoo"),
    ("Which prison was {} sent to?", "prison"),
    ("What debt does {} owe the bank?", "debt bank owe"),
)
THING_ATTRIBUTES: tuple[tuple[str, str], ...] = (
    ("Who designed {}?", "design architect plan"),
    ("What does {} weigh?", "weigh ton heavy"),
    ("How many windows does {} have?", "window"),
    ("What is the telephone number of {}?", "telephone"),
    ("How deep is {}?", "deep depth fathom"),
    ("How long is {}?", "long length feet yard mile"),
    ("What is the motto of {}?", "motto"),
    ("When did {} burn down?", "burn fire"),
    ("How many visitors does {} have in a year?", "visitor"),
    ("Who was the first owner of {}?", "owner own belong first"),
    ("What is the roof of {} made of?", "roof slate thatch"),
    ("Which king visited {}?", "king queen royal"),
    ("What is the insurance on {}?", "insur"),
    ("How many stairs are there in {}?", "stair step"),
    ("Who wrote the song about {}?", "song"),
    ("What treasure was found at {}?", "treasure gold found"),
    ("What was {} called two hundred years ago?", "called name renamed"),
    ("Which film was made at {}?", "film"),
    ("How many rooms does {} have?", "room bedroom"),
    ("Who is buried at {}?", "buried grave"),
    ("What does a ticket to {} cost?", "ticket fare cost"),
    ("Which company insured {}?", "insur company"),
    ("Who was killed at {}?", "kill dead die"),
    ("What time does {} open on Sundays?", "open sunday"),
)
ABSENT_THINGS: tuple[str, ...] = tuple(
    (
        "lighthouse castle railway hospital library cinema airport theatre museum hotel "
        "windmill brewery prison zoo cathedral university tunnel newspaper dentist lawyer "
        "detective bishop circus elephant submarine helicopter wedding earthquake murder "
        "robbery strike bank factory laboratory observatory telegraph radio television computer "
        "satellite monastery convent vineyard orchard distillery tannery pottery gymnasium "
        "stadium casino restaurant pharmacy barber tailor jeweller butcher florist photographer "
        "sculptor poet novelist senator governor ambassador prince princess duke general "
        "colonel sergeant judge jury lottery auction regatta marathon tournament parade "
        "carnival opera ballet orchestra piano violin trumpet drum harp guitar parrot camel "
        "tiger wolf bear peacock"
    ).split()
)
ABSENT_FORMS: tuple[str, ...] = (
    "Who runs the {}?",
    "Where is the {}?",
    "When was the {} first seen?",
    "What is the name of the {}?",
    "Who paid for the {}?",
    "What happened to the {}?",
    "How much did the {} cost?",
    "Why did people talk about the {}?",
    "Who owns the {}?",
    "What did the {} bring?",
    "How many people came to the {}?",
    "Which day was the {} closed?",
)
FIRST_NAMES: tuple[str, ...] = tuple(
    (
        "Agnes Alaric Alma Amos Anselm Beatrix Benno Bertram Brenna Caspar Cecily Clement "
        "Conrad Cora Cyril Dagmar Damaris Dorian Edith Egbert Elspeth Emeric Enid Ernst Esme "
        "Evander Felix Flora Florian Gareth Gerda Greta Guido Hadrian Hanna Harriet Hector "
        "Hilda Horace Ida Ignatius Imelda Inga Ivo Jasper Jemima Jonas Josiah Judith Julius "
        "Konrad Lambert Laurel Leander Leopold Lettice Lionel Lorna Lucian Magda Malachi Marten "
        "Maud Melchior Millicent Mortimer Muriel Natalia Nestor Norbert Octavia Olaf Orson "
        "Ottilie Pascal Percival Petra Phineas Philippa Quentin Ragnar Ralph Reuben Roderick "
        "Rosalind Rowena Rufus Sabine Selma Seraphina Sigrid Simeon Stella Sybil Tabitha "
        "Thaddeus Tobias Ursula Valentin Vera Viola Walter Wilfred Winifred Xavier Yolanda "
        "Zacharias Zelda"
    ).split()
)
FAMILY_NAMES: tuple[str, ...] = tuple(
    (
        "Abernall Ashgrove Barrowmere Bellwether Birkensea Blackmoss Brannock Caldercott "
        "Carrowby Cheveley Coldwater Crabtree Cresswick Daventree Dunholt Eastergate Elverstone "
        "Fairweather Fenwright Fogarth Gallowby Glasspool Grimshole Hallowes Hartnoll "
        "Haverstock Hexworthy Hollinrake Inglethorpe Jessamy Kettlewell Kingsmarsh Lackadale "
        "Lanyard Larkspur Lockhurst Loxley Marchbank Merrivale Middlemoor Netherby Nightingall "
        "Oakenshaw Orrin Pellingham Pennyfeather Quarrington Ravenscar Redfern Rookwood "
        "Saltmarsh Selwick Shadwell Silverdale Skelton Somerlad Stanyon Strickmere Summerhill "
        "Tattersall Thackeray Thornbury Tolliver Underwood Uppingham Vance Wainscott Wetherell "
        "Whitcombe Winterbourne Wolfenden Yarborough Yewdall Zellaby"
    ).split()
)
