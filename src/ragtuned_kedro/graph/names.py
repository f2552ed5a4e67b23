"""Proper names: where they stand in a text, and what the corpus as a whole tells about them.

Statistical entity recognition is weak on invented or rare names, so a name is any run of
capitalised words that the corpus treats as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from spacy.tokens import Doc, Span, Token

TITLES = frozenset(
    ("mr mrs ms miss dr doctor prof professor sir lady lord captain rev reverend saint st").split()
)
# The recogniser's labels that are quantities or times, not things with a name.
_NOT_NAMES = frozenset(
    ["DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL", "LANGUAGE", "NORP"]
)


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


def corpus_spans(docs: list[Doc]) -> list[Span]:
    """Find the name spans of all documents, each told by what the others capitalise."""
    inner = frozenset(
        token.text
        for doc in docs
        for span in name_spans(doc)
        for token in span
        if not token.is_sent_start or (len(span) > 1 and token.pos_ == "PROPN")
    )
    return [span for doc in docs for span in name_spans(doc, inner)]


def bare_name(span: Span) -> str:
    """Spell a name without its title; a title alone with a name keeps the name only."""
    words = [t.text for t in span]
    while len(words) > 1 and words[0].lower().rstrip(".") in TITLES:
        words.pop(0)
    return " ".join(words)


def find_names(doc: Doc, book: NameBook) -> list[Name]:
    """Locate every name of the book in a document, in order."""
    known = frozenset(word for surface in book.canonical for word in surface.split())
    names = []
    for span in name_spans(doc, known):
        canonical = book.canonical.get(bare_name(span))
        if canonical:
            names.append(Name(span.start, span.end, span.text, canonical))
    return names
