"""What a passage leaves open: questions about its own clauses, things and names without an answer.

A question about something else entirely is told from an answered one by its words alone. What these
ask is about the passage itself, in the words that answered questions use, so that nothing but
reading tells whether it is answered (as the unanswerable questions of SQuAD 2.0, Rajpurkar et al.,
arXiv 1806.03822, which people wrote to that end).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from spacy.tokens import Token

from ragtuned_kedro.synthesis.asking import front
from ragtuned_kedro.synthesis.clauses import UNRESOLVED, Clause, read_clauses
from ragtuned_kedro.synthesis.constituents import PersonTest, phrase
from ragtuned_kedro.synthesis.reading import ReadSentence
from ragtuned_kedro.synthesis.unanswerable import untold_attributes

# Question word, whom it may be asked of (None: anybody and anything), and what betrays an answer.
_TIME = (
    r"\d\S*|january|february|march|april|may|june|july|august|september|october|november|december|"
    r"\w+day|christmas|easter|noon|midnight|dusk|dawn|o'clock|weeks?|years?|months?|nights?|"
    r"evening|morning|afternoon|autumn|spring|summer|winter|days?|hours?|minutes?|when|before|after"
)
_REASON = r"because|so|since|for|as|therefore|to|why|reason"
_PLACE = (
    r"in|at|on|to|from|under|near|across|above|below|off|into|over|along|by|behind|beside|inside|"
    r"outside|round|around|through|where|between|against"
)
_CIRCUMSTANCES = (
    ("When", _TIME),
    ("On what date", _TIME),
    ("In which year", _TIME),
    ("At what hour", _TIME),
    ("How long", _TIME),
    ("Where", _PLACE),
    ("In which room", _PLACE),
    ("Why", _REASON),
    ("For what reason", _REASON),
    ("For how much money", r"pounds?|pence|penny|shillings?|paid|cost|price|[$£€]\d*"),
    ("With whom", r"with|and|together"),
    ("How often", r"every|each|once|twice|often|daily|weekly|times?"),
)
_NUMBER = (
    r"\d\S*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|"
    r"sixty|seventy|eighty|ninety|hundred|thousand|dozen"
)
_DETAILS = (
    (
        "What colour {be} {thing}?",
        r"red|blue|green|yellow|white|black|gr[ae]y|brown|orange|purple|pink|gold|silver|colou?r",
    ),
    ("What did {thing} cost?", r"pounds?|pence|penny|shillings?|paid|cost|price"),
    ("Who made {thing}?", r"made|by|maker|built|build"),
    ("Who built {thing}?", r"made|by|maker|built|build"),
    ("How old {be} {thing}?", r"old|age|years?|since|\d{4}"),
    ("How heavy {be} {thing}?", r"heavy|weigh\w*|tons?|pounds?|stone"),
    ("How large {be} {thing}?", rf"large|big|small|feet|foot|yards?|miles?|{_NUMBER}"),
    ("Who owns {thing}?", r"own\w*|belong\w*|of|his|her|\w+'s"),
    ("What {be} {thing} made of?", r"made|wood\w*|iron|stone|brass|oak|paper|wool|tin|of"),
    ("Where was {thing} bought?", r"bought|sold|from|shop|market"),
    ("What {be} written on {thing}?", r"wr[io]t\w*|read|letters?|name\w*|says?"),
    ("How many people use {thing}?", _NUMBER),
)


def ask_untold(
    passage: str,
    sentences: Sequence[ReadSentence],
    types: Mapping[str, str],
    is_person: PersonTest,
) -> Iterator[tuple[str, str]]:
    """Ask (what is left open, question) of a passage and of the sentences it consists of.

    An attribute of a name, a circumstance of a clause or a detail of a thing: each only where no
    word of the passage could tell it. `types` maps an entity's name to its type.
    """
    names = dict.fromkeys(name for sentence in sentences for name in sentence.names)
    for name in names:
        is_named_person = types.get(name) == "PERSON"
        for n, form in enumerate(untold_attributes(is_named_person, passage)):
            # Every fourth by the first name alone, as people do.
            said = name.split()[0] if is_named_person and n % 4 == 3 else name
            yield "attribute", form.format(*[said] * form.count("{}"))
    for sentence in sentences:
        for clause in read_clauses(sentence.doc):
            for question in _circumstances(clause, passage):
                yield "circumstance", question
        for chunk in sentence.doc.noun_chunks:
            if _is_thing(chunk.root, is_person):
                for question in _details(chunk.root, passage):
                    yield "detail", question


def _circumstances(clause: Clause, passage: str) -> Iterator[str]:
    if clause.is_negated or clause.is_existential or clause.is_copular:
        return
    kept = tuple(p for p in clause.parts if p.is_core and len(p.text.split()) <= 8)
    if any(p.text.lower() in UNRESOLVED for p in kept):
        return
    for question_word, betrays in _CIRCUMSTANCES:
        # Places are told in nearly every passage, so what counts is the clause's own sentence.
        text = clause.verb.sent.text if betrays is _PLACE else passage
        if not _holds(text, betrays):
            for asked in front(question_word, "", "", clause, kept, ""):
                yield asked.text


def _details(noun: Token, passage: str) -> Iterator[str]:
    thing = phrase(noun)
    be = "are" if noun.tag_ == "NNS" else "is"
    for form, betrays in _DETAILS:
        if not _holds(passage, betrays):
            yield form.format(thing=thing, be=be)


def _is_thing(noun: Token, is_person: PersonTest) -> bool:
    """Tell whether a noun is a thing that a question can point to: "the chapel clock"."""
    words = phrase(noun).lower().split()
    return (
        noun.pos_ == "NOUN"
        and noun.ent_type_ not in {"DATE", "TIME", "CARDINAL", "MONEY", "QUANTITY", "ORDINAL"}
        and not is_person(noun)
        and 2 <= len(words) <= 5
        and (words[0] in {"the", "his", "her", "their"} or "'s" in words[0])
    )


def _holds(text: str, betrays: str) -> bool:
    return re.search(rf"(?<!\w)(?:{betrays})(?!\w)", text, re.IGNORECASE) is not None
