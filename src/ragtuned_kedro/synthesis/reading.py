"""Sentences with their names known: what every question generator reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from spacy.language import Language
from spacy.tokens import Doc, Token

from ragtuned_kedro.synthesis.constituents import NAMES, PersonTest, is_person

_POSSESSIVE = frozenset({"his", "her", "its", "my"})
_PRONOUNS = _POSSESSIVE | {"he", "she", "it", "him", "i", "me", "mine", "hers"}


@dataclass(frozen=True)
class ReadSentence:
    """A parsed sentence; its doc's user_data names pronouns and short names in full."""

    sentence_id: str
    chunk_id: str
    doc_id: str
    position: int
    start_char: int
    text: str
    statement: str
    names: tuple[str, ...]
    doc: Doc


def read_sentences(
    sentences: pd.DataFrame, entity_mentions: pd.DataFrame, nlp: Language
) -> Iterator[ReadSentence]:
    """Parse each sentence and lay the full names of its mentions over the tokens."""
    mentions_of = dict(iter(entity_mentions.groupby("sentence_id")))
    for row, doc in zip(
        sentences.itertuples(), nlp.pipe(sentences["text"].tolist(), batch_size=64), strict=True
    ):
        mentions = mentions_of.get(row.sentence_id)
        names: list[str] = []
        spelled: dict[int, str] = {}
        if mentions is not None:
            for mention in mentions.sort_values("start_char").itertuples():
                if mention.name != mention.name.lower():
                    _lay(doc, mention, row.start_char, spelled, seen=names)
                    names.append(mention.name)
        doc.user_data[NAMES] = spelled
        yield ReadSentence(
            row.sentence_id,
            row.chunk_id,
            row.doc_id,
            int(row.position),
            int(row.start_char),
            row.text,
            row.statement,
            tuple(dict.fromkeys(names)),
            doc,
        )


def _lay(doc: Doc, mention, offset: int, spelled: dict[int, str], *, seen: list[str]) -> None:  # type: ignore[no-untyped-def]
    span = doc.char_span(mention.start_char - offset, mention.end_char - offset)
    if span is None:
        return
    first = span[0]
    if len(span) == 1 and first.lower_ in _PRONOUNS:
        if first.dep_ == "poss" and mention.name in seen:
            return  # "Ansel could not close his fingers" needs no second name
        spelled[first.i] = mention.name + ("'s" if first.dep_ == "poss" else "")
        return
    if {token.text for token in span} <= set(mention.name.split()):
        spelled[first.i] = mention.name
        for token in span[1:]:
            spelled[token.i] = ""
        if len(span) > 1 and first.whitespace_:
            # The blank after the name stands where the surface's last token had its own.
            spelled[span[-1].i] = ""


def person_test(types: Mapping[str, str]) -> PersonTest:
    """Build the test of whether a noun phrase means people."""

    def test(root: Token) -> bool:
        return is_person(root, types)

    return test


def types_of_names(entities: pd.DataFrame) -> dict[str, str]:
    """Map the name of an entity that has one (a word with a capital) to its type."""
    return {row.name: row.type for row in entities.itertuples() if row.name != row.name.lower()}
