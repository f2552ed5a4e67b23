"""Wh-questions about a clause: for each constituent, the questions whose answer it is."""

from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Token

from ragtuned_kedro.synthesis.clauses import UNRESOLVED, Clause, Part
from ragtuned_kedro.synthesis.constituents import PersonTest, phrase, tidy
from ragtuned_kedro.synthesis.question_words import MONEY, question_words

_COLOURS = frozenset(
    (
        "red blue green yellow white black grey gray brown orange purple pink gold golden "
        "silver dark"
    ).split()
)


@dataclass(frozen=True)
class Asked:
    """A question, the kind of thing it asks for, and the words that answer it."""

    text: str
    wants: str
    answer: str


def ask(clause: Clause, is_person: PersonTest) -> Iterator[Asked]:
    """Ask a clause about its subject, its verb and each of its parts, in full and in brief."""
    yield from _about_subject(clause, is_person)
    if clause.is_negated:
        return
    if clause.is_existential:
        yield from _counts(clause)
        return
    gives_reason = False
    for part in clause.parts:
        if part.text.lower() in UNRESOLVED:
            continue
        for wants, question_word, tail in question_words(part, clause, is_person):
            gives_reason |= wants == "why"
            for kept in _selections(clause.without(part)):
                yield from front(question_word, wants, tail, clause, kept, part.text)
    yield from _about_verb(clause)
    yield from _counts(clause)
    yield from _about_money(clause)
    if not gives_reason:
        yield from _about_reason(clause)


def _selections(clause: Clause) -> list[tuple[Part, ...]]:
    """Choose what a question keeps: all, what the verb needs, and that with one adjunct."""
    core = tuple(p for p in clause.parts if p.is_core and len(p.text.split()) <= 8)
    adjuncts = [p for p in clause.parts if not p.is_core and len(p.text.split()) <= 7]
    is_short = sum(len(p.text.split()) for p in clause.parts) <= 14
    chosen = [clause.parts if is_short else core, core]
    chosen += [(*core, adjunct) for adjunct in adjuncts[:2]]
    return list(dict.fromkeys(chosen))


def _about_subject(clause: Clause, is_person: PersonTest) -> Iterator[Asked]:
    person = is_person(clause.subject_root)
    for kept in _selections(clause):
        predicate = clause.predicate(kept)
        if len(predicate.split()) < 3:
            continue
        if person:
            yield Asked(f"Who {predicate}?", "who", clause.subject)
            yield Asked(f"Which person {predicate}?", "who", clause.subject)
            yield Asked(f"Name whoever {predicate}.", "who", clause.subject)
        else:
            yield Asked(f"What {predicate}?", "what", clause.subject)
            if clause.subject_root.pos_ == "NOUN" and len(clause.subject.split()) > 2:
                head = clause.subject_root.text.lower()
                yield Asked(f"Which {head} {predicate}?", "which", clause.subject)


def front(
    question_word: str,
    wants: str,
    tail: str,
    clause: Clause,
    kept: tuple[Part, ...],
    answer: str,
) -> Iterator[Asked]:
    """Move the question word to the front, with inversion, and once more without, indirectly."""
    rest = " ".join(part.text for part in kept)
    first, others, verb = _inverted(clause)
    if len(f"{clause.subject} {verb} {rest}".split()) < 2:
        return
    # A copular clause already asks for little: "What is it?" asks for nothing at all.
    direct = tidy(f"{question_word} {first} {clause.subject} {others} {verb} {rest} {tail}")
    yield Asked(direct + "?", wants, answer)
    plain = tidy(
        f"{question_word[0].lower()}{question_word[1:]} {clause.subject} "
        f"{' '.join(clause.auxiliaries)} {clause.verb_text} {rest} {tail}"
    )
    yield Asked(f"Tell me {plain}.", wants, answer)


def _inverted(clause: Clause) -> tuple[str, str, str]:
    """Split the verb group into what goes before the subject and what stays after it."""
    if clause.auxiliaries:
        first, *others = clause.auxiliaries
        return first, " ".join(others), clause.verb_text
    if clause.verb.lemma_ == "be":
        return clause.verb_form, "", clause.particle
    do = {"VBZ": "does", "VBP": "do"}.get(clause.verb.tag_, "did")
    return do, "", f"{clause.verb.lemma_} {clause.particle}".strip()


def _about_verb(clause: Clause) -> Iterator[Asked]:
    """Ask what somebody did, or what became of something, given one thing to know it by."""
    verb_phrase = clause.predicate(clause.parts)
    if clause.verb.lemma_ == "be" or len(verb_phrase.split()) < 2:
        return
    adjuncts = [p for p in clause.parts if p.role in {"prep", "npadvmod"} and len(p.text) < 40]
    passive = "nsubjpass" in {c.dep_ for c in clause.verb.children}
    for kept in ["", *(p.text for p in adjuncts[:2])]:
        if passive:
            yield Asked(
                tidy(f"What happened to {clause.subject} {kept}") + "?", "event", verb_phrase
            )
            yield Asked(tidy(f"What became of {clause.subject} {kept}") + "?", "event", verb_phrase)
        else:
            first = "has" if "has" in clause.auxiliaries else "did"
            done = "done" if first == "has" else "do"
            yield Asked(
                tidy(f"What {first} {clause.subject} {done} {kept}") + "?", "event", verb_phrase
            )


def _about_money(clause: Clause) -> Iterator[Asked]:
    """Ask for a price by what was paid for, whatever verb the text uses."""
    sum_of = next((p for p in clause.parts if MONEY.search(p.text)), None)
    if sum_of is None:
        return
    passive = any(c.dep_ == "nsubjpass" for c in clause.verb.children)
    bought = [p.text for p in clause.parts if p.role == "dobj" and p is not sum_of]
    for thing in [clause.subject] if passive or not bought else bought:
        yield Asked(f"How much money was paid for {thing}?", "how_much", sum_of.text)
        yield Asked(f"What was the price of {thing}?", "how_much", sum_of.text)
        yield Asked(f"What did {thing} cost?", "how_much", sum_of.text)


def _about_reason(clause: Clause) -> Iterator[Asked]:
    """Ask why, where the sentence gives a reason beside the clause."""
    sentence = clause.verb.sent
    if not any(
        t.lower_ in _REASONS and t.dep_ in {"mark", "cc", "prep", "advmod"} for t in sentence
    ):
        return
    kept = tuple(p for p in clause.parts if p.is_core and len(p.text.split()) <= 8)
    yield from front("Why", "why", "", clause, kept, "")


_REASONS = frozenset({"because", "so", "since", "for", "as", "therefore"})


def _counts(clause: Clause) -> Iterator[Asked]:
    """Ask for numbers, owners and colours inside the noun phrases of the clause."""
    for part in [*clause.parts, None]:
        root = part.root if part else clause.subject_root
        nouns = [t for t in ([root, *root.children]) if t.pos_ == "NOUN"]
        for noun in nouns:
            yield from _whereabouts(noun)
        if part and part.role == "prep":
            nouns = [t for t in root.children if t.dep_ == "pobj" and t.pos_ == "NOUN"]
        for noun in nouns:
            for detail in noun.children:
                yield from _detail(noun, detail, clause, part)


def _whereabouts(noun: Token) -> Iterator[Asked]:
    """Ask where a thing is that is named with its place: "the yard at Dunmarrow"."""
    for preposition in noun.children:
        if preposition.dep_ == "prep" and preposition.lower_ in {"in", "at", "on", "above", "off"}:
            thing = phrase(noun, drop=[preposition])
            if thing.split()[0].lower() in {"the", "our"} or "'s" in thing:
                yield Asked(f"Where is {thing}?", "where", phrase(preposition))


def _detail(noun: Token, detail: Token, clause: Clause, part: Part | None) -> Iterator[Asked]:
    bare = phrase(noun, drop=[detail, *(t for t in noun.children if t.dep_ == "det")])
    if detail.dep_ == "nummod" and detail.like_num:
        word, wants = (
            ("How much money", "how_much")
            if MONEY.search(noun.text)
            else (f"How many {bare}", "how_many")
        )
    elif detail.dep_ == "poss" and detail.pos_ in {"PROPN", "NOUN"}:
        word, wants = f"Whose {bare}", "whose"
    elif detail.dep_ == "amod" and detail.lower_ in _COLOURS:
        word, wants = f"What colour {noun.text.lower()}", "colour"
    else:
        return
    answer = phrase(detail)
    if wants in {"how_many", "how_much"}:
        answer = f"{answer} {bare}"
    if part is None:
        yield Asked(tidy(f"{word} {clause.predicate(clause.parts[:2])}") + "?", wants, answer)
        return
    preposition = f"{part.root.text.lower()} " if part.role == "prep" else ""
    word = word[0].lower() + word[1:] if preposition else word
    kept = tuple(p for p in clause.parts if p is not part and p.is_core)
    question = f"{preposition}{word}"
    yield from front(question[0].upper() + question[1:], wants, "", clause, kept, answer)
