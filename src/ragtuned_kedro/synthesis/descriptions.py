"""Descriptions: the ways a text says who or what a name is, each a fact to ask about both ways."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Doc, Token

from ragtuned_kedro.synthesis.clauses import Clause, read_clauses
from ragtuned_kedro.synthesis.constituents import NAMES, PersonTest, phrase, referent, tidy

_KIN = re.compile(
    r"\b(sister|brother|mother|father|daughter|son|wife|husband|widow|aunt|uncle|nephew|niece|"
    r"cousin|grandmother|grandfather|grandson|granddaughter)\b"
)
# Nouns that can say what a person is; anything else beside a person's name is not a description.
_ROLE = re.compile(
    r"(er|or|ar|ist|ian|eon|ant|ent|ess|man|woman|smith|wright|monger|keeper|master|mistress)$|"
    r"^(clerk|chief|cook|priest|nurse|head|boss|guard|judge|monk|nun|king|queen|spy|guide|friend|"
    r"twin|boy|girl|child|apprentice|widow|neighbour|first|last|orphan|host|guest|pupil|poet)$"
)
_ARTICLE = re.compile(r"^(an?|some)\s+", re.IGNORECASE)
_UNCERTAIN = re.compile(r"\b(he|she|they|it|his|her|their|its|him|them|this|that|these|those)\b")


@dataclass(frozen=True)
class Description:
    """A phrase that picks out a named thing: "the harbourmaster" for "Nell Tarradine".

    `source` is apposition, copula, calling or deed (a relative clause made of what it did).
    """

    name: str
    text: str
    source: str
    is_person: bool

    @property
    def kinship(self) -> tuple[str, str] | None:
        """Split "Bram's daughter" into ("Bram", "daughter"), where it is a kinship."""
        match = re.match(r"^(.+)'s? (?:\w+ )?(\w+)$", self.text)
        if match and _KIN.fullmatch(match[2]):
            return match[1].removesuffix("'"), match[2]
        match = re.match(r"^the (?:\w+ )?(\w+) of (.+)$", self.text)
        if match and _KIN.fullmatch(match[1]):
            return match[2], match[1]
        return None


def read_descriptions(doc: Doc, is_person: PersonTest) -> Iterator[Description]:
    """Find every description of a name in a sentence whose names are known."""
    found: dict[tuple[str, str], Description] = {}
    for description in _all(doc, is_person):
        text = _definite(description.text)
        if _is_useful(description.name, text):
            kept = Description(description.name, text, description.source, description.is_person)
            found.setdefault((kept.name, kept.text), kept)
    yield from found.values()


def _all(doc: Doc, is_person: PersonTest) -> Iterator[Description]:
    for token in doc:
        if token.dep_ == "appos":
            yield from _apposition(token, is_person)
        if token.dep_ == "oprd" and token.head.lower_ in {"called", "named"}:
            thing = token.head.head
            if thing.pos_ == "NOUN" and (name := spelled_name(token)):
                text = phrase(thing, drop=[token.head])
                yield Description(name, text, "calling", is_person(token))
        yield from _noun_before_name(token, is_person)
    for clause in read_clauses(doc):
        yield from _from_clause(clause, is_person)


def spelled_name(token: Token) -> str | None:
    """Return the full name that a token heads, if it heads one."""
    names = token.doc.user_data.get(NAMES, {})
    span = [t for t in token.lefts if t.dep_ in {"compound", "nmod"} and t.i in names]
    first = span[0] if span else token
    name = names.get(first.i) or names.get(token.i)
    return name.removesuffix("'s") if name else None


def _apposition(token: Token, is_person: PersonTest) -> Iterator[Description]:
    for name_token, other in ((token, token.head), (token.head, token)):
        name = spelled_name(name_token)
        if name is None or other.pos_ != "NOUN" or spelled_name(other):
            continue
        if is_person(name_token) and not (_ROLE.search(other.lower_) or is_person(other)):
            continue
        drop = [token] if other is token.head else []
        drop += [c for c in other.children if c.dep_ == "appos"]
        text = phrase(other, detached=other is token, drop=drop)
        yield Description(name, text, "apposition", is_person(name_token))


def _noun_before_name(token: Token, is_person: PersonTest) -> Iterator[Description]:
    """Read "his terrier Bracket": nouns that stand before a name inside one noun phrase."""
    names = token.doc.user_data.get(NAMES, {})
    if token.i not in names or not names[token.i] or token.i == 0:
        return
    noun = token.nbor(-1)
    if noun.pos_ != "NOUN" or noun.i in names or noun.dep_ not in {"compound", "nmod", "nsubj"}:
        return
    start = noun
    while start.i > 0 and start.nbor(-1).pos_ in {"ADJ", "NOUN", "DET", "PRON", "PROPN", "PART"}:
        start = start.nbor(-1)
        if start.dep_ in {"poss", "det"} and start.pos_ != "PROPN":
            break
    words = token.doc[start.i : noun.i + 1]
    text = "".join(names.get(t.i, t.text) + t.whitespace_ for t in words)
    yield Description(names[token.i].removesuffix("'s"), text, "apposition", is_person(token))


def _from_clause(clause: Clause, is_person: PersonTest) -> Iterator[Description]:
    subject = referent(clause.subject_root)
    name = spelled_name(subject)
    if name is None or clause.is_negated:
        return
    person = is_person(subject)
    if clause.verb.lemma_ == "be" or clause.verb.dep_ == "oprd":
        for part in clause.parts:
            nouns = [part.root, *part.root.conjuncts] if part.role in {"attr", "oprd"} else []
            for noun in nouns:
                if noun.pos_ not in {"NOUN", "PROPN"} or (person and not _ROLE.search(noun.lower_)):
                    continue
                drop = [c for c in noun.children if c.dep_ in {"conj", "cc"}]
                yield Description(name, phrase(noun, drop=drop), "copula", person)
        return
    if any(p.role == "oprd" for p in clause.parts) and clause.verb.lemma_ in {"make", "elect"}:
        part = next(p for p in clause.parts if p.role == "oprd")
        yield Description(name, part.text, "copula", person)
    core = [p for p in clause.parts if p.is_core or p.role == "prep"][:2]
    predicate = clause.predicate(core)
    if 3 <= len(predicate.split()) <= 12 and clause.verb.dep_ != "ccomp":
        opening = "the person who" if person else "the thing that"
        yield Description(name, f"{opening} {predicate}", "deed", person)


def _definite(text: str) -> str:
    text = _ARTICLE.sub("the ", tidy(text))
    text = re.sub(r"^(our|Our|The)\b", "the", text)
    if not re.match(r"^(the |.+'s? )", text):
        text = f"the {text}"
    return text


def _is_useful(name: str, text: str) -> bool:
    return (
        bool(text)
        and 2 <= len(text.split()) <= 14
        and not _UNCERTAIN.search(text)
        and name.lower() not in text.lower()
    )


def ask_description(description: Description) -> Iterator[tuple[str, str, str]]:
    """Yield (question, what it wants, answer): from the description to the name, and back."""
    name, text = description.name, description.text
    says = f"{name} is {text}"
    if description.source == "deed":
        yield f"Who is {text}?" if description.is_person else f"What is {text}?", "who", name
        return
    if description.is_person:
        yield f"Who is {text}?", "who", name
        yield f"What is the name of {text}?", "who", name
        yield f"Name {text}.", "who", name
    else:
        yield f"What is {text} called?", "name", name
        yield f"What is the name of {text}?", "name", name
    yield (f"Who is {name}?" if description.is_person else f"What is {name}?"), "what", says
    if kinship := description.kinship:
        other, _ = kinship
        yield f"How is {name} related to {other}?", "kin", says
        yield f"Who is {name} to {other}?", "kin", says
    elif description.is_person:
        yield f"What is {name}'s role?", "role", says
        yield f"What does {name} do for a living?", "role", says
        yield f"What is {name}'s job?", "role", says
