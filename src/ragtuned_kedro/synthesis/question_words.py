"""Question words: for a constituent, those that ask for it, and what they ask for."""

import re
from collections.abc import Iterator

from ragtuned_kedro.synthesis.clauses import Clause, Part
from ragtuned_kedro.synthesis.constituents import PersonTest

_TIMES = frozenset({"DATE", "TIME"})
_MONTH = re.compile(
    r"\b(january|february|march|april|may|june|july|august|september|october|november|december|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|christmas|easter|noon|midnight|"
    r"dusk|dawn|\d{4}|o'clock|week|year|month|night|evening|morning|autumn|spring|summer|winter)\b",
    re.IGNORECASE,
)
_DURATION = re.compile(r"\b(minutes?|hours?|days?|weeks?|months?|years?|fortnight|life)\b", re.I)
MONEY = re.compile(r"\b(pounds?|pence|penny|dollars?|euros?|cents?|shillings?)\b|[$£€]", re.I)
_PLACE = frozenset(
    (
        "in on at to from under near across above below off into over along by through behind "
        "beside inside outside round around"
    ).split()
)


def question_words(
    part: Part, clause: Clause, is_person: PersonTest
) -> Iterator[tuple[str, str, str]]:
    """List (what is wanted, question word, words stranded at the end) for a constituent."""
    text, root = part.text, part.root
    if part.role in {"dobj", "dative", "attr", "oprd"}:
        yield from _noun_words(part, clause, is_person)
    elif part.role == "acomp":
        yield "how", "How", ""
        yield "what_like", "What", "like"
    elif part.role in {"xcomp", "ccomp"}:
        yield "what", "What", ("to do" if part.role == "xcomp" and text.startswith("to ") else "")
    elif part.role == "npadvmod" and _MONTH.search(text):
        yield "when", "When", ""
    elif part.role == "advcl":
        mark = next((c.lower_ for c in root.children if c.dep_ in {"mark", "advmod"}), "")
        if mark in {"because", "since", "as", "for", "so"} or text.startswith("to "):
            yield "why", "Why", ""
        elif mark in {"when", "after", "before", "until", "once", "while"}:
            yield "when", "When", ""
    elif part.role in {"prep", "agent"}:
        yield from _prep_words(part, is_person)


def _noun_words(
    part: Part, clause: Clause, is_person: PersonTest
) -> Iterator[tuple[str, str, str]]:
    text, root = part.text, part.root
    if MONEY.search(text):
        yield "how_much", "How much", ""
        yield "how_much", "What sum", ""
        return
    if is_person(root) and part.role != "attr":
        yield "who", "Who", ""
        yield "who", "Whom", ""
        return
    if part.role == "attr" and root.pos_ == "NUM" and is_person(clause.subject_root):
        yield "how_old", "How old", ""
        yield "how_old", "What age", ""
        return
    if part.role == "attr" and is_person(clause.subject_root):
        yield "who", "Who", ""
        yield "what", "What", ""
        return
    yield "what", "What", ""
    if root.pos_ == "NOUN" and any(c.dep_ in {"amod", "compound", "prep"} for c in root.children):
        yield "which", f"What kind of {root.text.lower()}", ""
        yield "which", f"Which {root.text.lower()}", ""


def _prep_words(part: Part, is_person: PersonTest) -> Iterator[tuple[str, str, str]]:
    preposition = part.root.lower_
    target = next((c for c in part.root.children if c.dep_ in {"pobj", "pcomp"}), None)
    if target is None:
        return
    text = part.text
    if part.role == "agent" or (preposition == "by" and is_person(target)):
        yield "who", "Who", "by"
        yield "who", "By whom", ""
    elif target.ent_type_ in _TIMES or _MONTH.search(text):
        if preposition in {"for"} and _DURATION.search(text):
            yield "how_long", "How long", ""
            yield "how_long", "For how long", ""
        else:
            yield "when", "When", ""
            if re.search(r"\d", text):
                yield "when", "On what date", ""
            else:
                yield "when", "At what time", ""
            if preposition in {"until", "since"}:
                yield "when", f"{preposition.capitalize()} when", ""
    elif preposition in {"for", "at"} and MONEY.search(text):
        yield "how_much", "How much", preposition
        yield "how_much", f"{preposition.capitalize()} how much", ""
        yield "how_much", "At what price", ""
    elif is_person(target):
        yield "who", "Who", preposition
        yield "who", f"{preposition.capitalize()} whom", ""
    elif preposition in _PLACE:
        yield "where", "Where", "from" if preposition == "from" else ""
        yield "what", "What", preposition
    elif preposition == "for":
        yield "why", "Why", ""
        yield "what", "What", "for"
    else:
        yield "what", "What", preposition
