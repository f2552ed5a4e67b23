"""Proper names: where they stand, which spelling is whose, and what kind of thing they name.

Statistical entity recognition is weak on invented or rare names, so a name is any run of
capitalised words that the corpus treats as one, and its kind is decided by votes over the whole
corpus: what the recogniser says, how the name is used, and which pronouns follow it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spacy.tokens import Doc, Span, Token

TITLES = frozenset(
    ("mr mrs ms miss dr doctor prof professor sir lady lord captain rev reverend saint st").split()
)
# The recogniser's labels that are quantities or times, not things with a name.
_NOT_NAMES = frozenset(
    ["DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL", "LANGUAGE", "NORP"]
)
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


@dataclass(frozen=True)
class Name:
    """One occurrence of a proper name; `start`/`end` are token offsets into its document."""

    start: int
    end: int
    surface: str
    canonical: str


@dataclass(frozen=True)
class NameBook:
    """What the corpus as a whole tells about its names."""

    canonical: Mapping[str, str]
    types: Mapping[str, str]
    genders: Mapping[str, str]
    with_article: frozenset[str] = frozenset()

    def is_person(self, name: str) -> bool:
        """Tell whether the name is a person's."""
        return self.types.get(name) == "PERSON"


def pronoun_gender(token: Token) -> str | None:
    """Return m or f for a third-person singular pronoun, else None."""
    return _PRONOUN_GENDER.get(token.lower_)


def name_spans(doc: Doc, known: frozenset[str] = frozenset()) -> list[Span]:
    """Find maximal runs of name words, titles included.

    A capital at the start of a sentence proves nothing, so a single word there counts only if it
    is in `known`, the words that are capitalised elsewhere.
    """
    spans: list[Span] = []
    start: int | None = None
    for token in [*doc, None]:
        if token is not None and _is_name_word(token):
            start = token.i if start is None else start
            continue
        if start is not None:
            end = token.i if token is not None else len(doc)
            while (
                start < end and doc[start].is_sent_start and _proves_nothing(doc, start, end, known)
            ):
                start += 1
            if start < end and not all(t.lower_.rstrip(".") in TITLES for t in doc[start:end]):
                spans.append(doc[start:end])
            start = None
    return spans


def _is_name_word(token: Token) -> bool:
    text = token.text
    if not text[0].isupper() or token.lower_ == "i" or token.lower_.startswith("i'"):
        return False
    if token.ent_type_ in _NOT_NAMES or token.is_punct:
        return False
    if token.is_sent_start or token.i == 0 or token.nbor(-1).is_quote:
        return token.pos_ in {"PROPN", "NOUN", "ADJ", "VERB"} and not token.is_stop
    return not token.is_stop or token.pos_ == "PROPN"


def _proves_nothing(doc: Doc, start: int, end: int, known: frozenset[str]) -> bool:
    token = doc[start]
    if token.text in known or token.lower_.rstrip(".") in TITLES:
        return False
    return end - start == 1 or token.pos_ != "PROPN"


def read_names(docs: Iterable[Doc]) -> NameBook:
    """Collect the corpus's names, merge their spellings and decide what each one names."""
    docs = list(docs)
    spans = _all_spans(docs)
    counts = Counter(_words(span) for span in spans)
    canonical = _canonical_spellings(counts, spans)
    types = _types(spans, canonical)
    articles = Counter(
        canonical[_words(s)]
        for s in spans
        if s.start and s.doc[s.start - 1].lower_ == "the" and s.text == canonical[_words(s)]
    )
    full = Counter(canonical[_words(s)] for s in spans if s.text == canonical[_words(s)])
    with_article = frozenset(name for name, n in articles.items() if 2 * n > full[name])
    return NameBook(canonical, types, _genders(docs, canonical, types), with_article)


def find_names(doc: Doc, book: NameBook) -> list[Name]:
    """Locate every name of the book in a document, in order."""
    known = frozenset(word for surface in book.canonical for word in surface.split())
    names = []
    for span in name_spans(doc, known):
        canonical = book.canonical.get(_words(span))
        if canonical:
            names.append(Name(span.start, span.end, span.text, canonical))
    return names


def _all_spans(docs: list[Doc]) -> list[Span]:
    inner = frozenset(
        token.text
        for doc in docs
        for span in name_spans(doc)
        for token in span
        if not token.is_sent_start or (len(span) > 1 and token.pos_ == "PROPN")
    )
    return [span for doc in docs for span in name_spans(doc, inner)]


def _words(span: Span) -> str:
    """Spell a name without its title; a title alone with a name keeps the name only."""
    words = [t.text for t in span]
    while len(words) > 1 and words[0].lower().rstrip(".") in TITLES:
        words.pop(0)
    return " ".join(words)


def _canonical_spellings(counts: Counter[str], spans: list[Span]) -> dict[str, str]:
    """Map each spelling to the full name it stands for.

    A single word stands for a longer name when exactly one longer name starts with it, or, failing
    that, exactly one ends with it; so a family name shared by two people stands for nobody.
    """
    full = [name for name in counts if " " in name]
    titled = {_words(span): span.text for span in spans if span.text != _words(span)}
    canonical = {}
    for name in counts:
        target = name
        if " " not in name:
            starting = {f for f in full if f.split()[0] == name}
            ending = {f for f in full if f.split()[-1] == name}
            for candidates in (starting, ending):
                shortest = _without_extensions(candidates)
                if len(shortest) == 1:
                    target = shortest.pop()
                    break
        canonical[name] = " ".join(titled.get(target, target).split())
    return canonical


def _without_extensions(names: set[str]) -> set[str]:
    """Drop names that only extend another one ("Culver Mill Society" beside "Culver Mill")."""
    return {n for n in names if not any(n != m and n.startswith(m + " ") for m in names)}


def _types(spans: list[Span], canonical: Mapping[str, str]) -> dict[str, str]:
    votes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        name = canonical[_words(span)]
        tally = votes[name]
        for token in span:
            if token.ent_type_ in _TYPE_OF_LABEL:
                # A weak vote: the recogniser has never seen these names.
                tally[_TYPE_OF_LABEL[token.ent_type_]] += 0.3 / len(span)
        if span.text != _words(span):
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


def _winner(tally: Mapping[str, float]) -> str:
    """Name what got most votes; ties alphabetically."""
    return min(tally, key=lambda key: (-tally[key], key))


def _genders(
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
