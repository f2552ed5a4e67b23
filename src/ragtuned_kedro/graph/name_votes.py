"""What kind of thing a name names, by votes over the whole corpus.

What the recogniser says of a name, how the name is used and which pronouns follow it all count.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from spacy.tokens import Doc, Span, Token

from ragtuned_kedro.graph.names import Name, NameBook, bare_name, find_names

_TYPE_OF_LABEL = {
    "PERSON": "PERSON",
    "ORG": "ORGANIZATION",
    "GPE": "GEO",
    "LOC": "GEO",
    "FAC": "GEO",
    "EVENT": "EVENT",
    "PRODUCT": "OBJECT",
    "WORK_OF_ART": "OBJECT",
    "LAW": "OBJECT",
}
_TYPE_OF_LAST_WORD = {
    **dict.fromkeys(
        (
            "house road street row lane square mill bridge hill rock bay harbour harbor island "
            "river lake valley farm park school church chapel station tower mountain coast forest"
        ).split(),
        "GEO",
    ),
    **dict.fromkeys(
        (
            "society institute council band company committee club university college bank union "
            "association trust party ministry court watch inc ltd group press"
        ).split(),
        "ORGANIZATION",
    ),
    **dict.fromkeys(
        ["night", "day", "festival", "fair", "war", "cup", "games", "week", "conference"], "EVENT"
    ),
}
_PLACE_WEIGHTS = {
    **dict.fromkeys(["in", "at", "on", "under", "near", "across", "above", "below", "off"], 1.5),
    **dict.fromkeys(("to", "from"), 0.3),
}
_WOMEN = frozenset(
    (
        "sister daughter wife mother widow woman aunt grandmother niece girl queen lady mrs "
        "miss ms postmistress headmistress actress waitress"
    ).split()
)
_MEN = frozenset(
    (
        "brother son husband father widower man uncle grandfather nephew boy king lord mr sir "
        "headmaster actor waiter"
    ).split()
)
_PRONOUN_GENDER = {
    **dict.fromkeys(["he", "him", "his", "himself"], "m"),
    **dict.fromkeys(["she", "her", "hers", "herself"], "f"),
}


def pronoun_gender(token: Token) -> str | None:
    """Return m or f for a third-person singular pronoun, else None."""
    return _PRONOUN_GENDER.get(token.lower_)


def name_types(spans: list[Span], canonical: Mapping[str, str]) -> dict[str, str]:
    """Vote on each name's type; a name that nothing speaks for is OTHER."""
    votes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        name = canonical[bare_name(span)]
        tally = votes[name]
        for token in span:
            if token.ent_type_ in _TYPE_OF_LABEL:
                # A weak vote: the recogniser has never seen these names.
                tally[_TYPE_OF_LABEL[token.ent_type_]] += 0.3 / len(span)
        if span.text != bare_name(span):
            tally["PERSON"] += 3
        if " " in name and span.text == name.split()[0]:
            tally["PERSON"] += 3  # first names are for people
        before = span.doc[span.start - 1].lower_ if span.start else ""
        if before == "the":
            tally["PERSON"] -= 2
        tally["GEO"] += _PLACE_WEIGHTS.get(before, 0)
        if span.root.dep_ == "nsubj" and span.root.head.lemma_ in {"say", "tell", "think", "ask"}:
            tally["PERSON"] += 1
        if any(
            t.lower_ == "who" for c in span.root.children if c.dep_ == "relcl" for t in c.children
        ):
            tally["PERSON"] += 3
        kin = {child.lower_ for child in span.root.children} | {span.root.head.lower_}
        if kin & (_WOMEN | _MEN):
            tally["PERSON"] += 1
        if kind := _TYPE_OF_LAST_WORD.get(span[-1].lower_):
            tally[kind] += 4
    return {
        name: _winner(tally) if max(tally.values(), default=0) > 0 else "OTHER"
        for name, tally in votes.items()
    }


def person_genders(
    docs: list[Doc], canonical: Mapping[str, str], types: Mapping[str, str]
) -> dict[str, str]:
    """Vote on each person's gender by kinship words beside the name and pronouns after it."""
    book = NameBook(canonical, types, {})
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in docs:
        names = [n for n in find_names(doc, book) if types.get(n.canonical) == "PERSON"]
        for name in names:
            root = doc[name.start : name.end].root
            words = {c.lower_ for c in root.children if c.dep_ in {"appos", "compound"}}
            if root.dep_ in {"appos", "attr", "compound", "nsubj"}:
                words.add(root.head.lower_)
            words |= {t.lower_ for t in root.head.children if t.dep_ == "attr"}
            votes[name.canonical].update({"f": 3} if words & _WOMEN else {})
            votes[name.canonical].update({"m": 3} if words & _MEN else {})
        for sentence in doc.sents:
            _vote_by_pronouns(sentence, names, votes)
    return {
        name: _winner(tally) for name, tally in votes.items() if tally and tally["m"] != tally["f"]
    }


def _vote_by_pronouns(sentence: Span, names: list[Name], votes: dict[str, Counter[str]]) -> None:
    """Let each pronoun vote for the only person it can mean; possessives count most.

    An object pronoun says nothing: it never means the subject beside it.
    """
    for token in sentence:
        gender = pronoun_gender(token)
        if gender is None or token.dep_ in {"dobj", "dative", "pobj"}:
            continue
        weight = 4 if token.dep_ == "poss" else 1
        before = {n.canonical for n in names if sentence.start <= n.start < token.i}
        if not before:
            if sentence.start == 0:
                continue
            weight = 1
            last = sentence.doc[sentence.start - 1].sent
            before = {n.canonical for n in names if last.start <= n.start < last.end}
        if len(before) == 1:
            votes[before.pop()][gender] += weight


def _winner(tally: Mapping[str, float]) -> str:
    """Name what got most votes; ties alphabetically."""
    return min(tally, key=lambda key: (-tally[key], key))
