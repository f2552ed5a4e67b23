"""The embedded extractor: documents become sentences, entity mentions and relationship mentions."""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from spacy.language import Language
from spacy.tokens import Span, Token

from ragtuned_kedro.graph.coreference import needs_context, resolve_pronouns, state_alone
from ragtuned_kedro.graph.name_book import read_names
from ragtuned_kedro.graph.names import Name, NameBook, find_names
from ragtuned_kedro.schemas.graph_tables import EntityMentions, RelationshipMentions, Sentences
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import frame_of

OTHER = "OTHER"
_DROPPED = frozenset({"det", "poss", "nummod", "predet", "case", "punct"})
# Nouns that name no thing by themselves.
_EMPTY_NOUNS = frozenset(
    (
        "one thing something anything nothing lot bit kind sort way time day week month year "
        "hour minute morning evening night today yesterday tomorrow other rest most half end"
    ).split()
)


@dataclass(frozen=True)
class Mention:
    """An entity at a place in a sentence; `root` anchors it in the dependency tree."""

    root: Token
    start_char: int
    end_char: int
    surface: str
    name: str
    type: str
    is_proper: bool


def extract_mentions(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    nlp: Language,
    *,
    entity_types: Iterable[str],
    max_relationships_per_sentence: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read Documents into Sentences, EntityMentions and RelationshipMentions.

    A named entity is a proper name or a pronoun that certainly means one; any other noun phrase is
    an entity too, so that nearly every sentence hangs on some entity. A type that is not in
    `entity_types` becomes OTHER. Two entities of a sentence are related with a strength of 1 to 10
    that falls with their distance in the dependency tree.
    """
    allowed = frozenset(entity_types)
    docs = list(nlp.pipe(documents["text"].tolist(), batch_size=64))
    book = read_names(docs)
    home = _ChunkFinder(chunks)
    sentence_rows: list[dict] = []
    entity_rows: list[dict] = []
    relationship_rows: list[dict] = []
    for document, doc in zip(documents.itertuples(), docs, strict=True):
        author = document.author if isinstance(document.author, str) else None
        names = find_names(doc, book)
        pronouns = resolve_pronouns(doc, names, book, author)
        previous = ""
        position = 0
        for sentence in doc.sents:
            span = _stripped(sentence)
            if span is None:
                continue
            alone = state_alone(span, names, pronouns, book)
            statement = f"{previous} {alone}" if needs_context(span, pronouns) else alone
            row = {
                "sentence_id": content_id("sent", document.doc_id, span.start_char, span.end_char),
                "doc_id": document.doc_id,
                "chunk_id": home.of(document.doc_id, span.start_char, span.end_char),
                "position": position,
                "start_char": span.start_char,
                "end_char": span.end_char,
                "text": span.text,
                "statement": statement.strip(),
            }
            previous = alone
            position += 1
            sentence_rows.append(row)
            mentions = list(_mentions(span, names, pronouns, book, allowed))
            entity_rows.extend(_entity_rows(mentions, row))
            relationship_rows.extend(
                _relationship_rows(mentions, row, max_relationships_per_sentence)
            )
    return (
        frame_of(Sentences, sentence_rows),
        frame_of(EntityMentions, entity_rows),
        frame_of(RelationshipMentions, relationship_rows),
    )


class _ChunkFinder:
    """Finds the chunk of a document that holds most of a span; the earlier one of equals."""

    def __init__(self, chunks: pd.DataFrame) -> None:
        self._by_doc = {
            doc_id: list(group[["start_char", "end_char", "chunk_id"]].itertuples(index=False))
            for doc_id, group in chunks.sort_values("position").groupby("doc_id")
        }

    def of(self, doc_id: str, start: int, end: int) -> str:
        best = max(
            self._by_doc[doc_id],
            key=lambda chunk: min(end, chunk.end_char) - max(start, chunk.start_char),
        )
        return best.chunk_id


def _stripped(sentence: Span) -> Span | None:
    """Cut blank tokens off a sentence; a sentence of blanks or marks only is none."""
    start, end = sentence.start, sentence.end
    while start < end and sentence.doc[start].is_space:
        start += 1
    while end > start and sentence.doc[end - 1].is_space:
        end -= 1
    span = sentence.doc[start:end]
    return span if any(not t.is_punct for t in span) else None


def normalise_name(surface: str) -> str:
    """Spell a name one way: NFKC, single blanks, trimmed."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", surface)).strip()


def _mentions(
    sentence: Span,
    names: list[Name],
    pronouns: dict[int, str],
    book: NameBook,
    allowed: frozenset[str],
) -> Iterable[Mention]:
    taken: set[int] = set()
    for name in names:
        if sentence.start <= name.start < sentence.end:
            taken.update(range(name.start, name.end))
            yield _proper(sentence.doc[name.start : name.end], name.canonical, book, allowed)
    for position, canonical in pronouns.items():
        if sentence.start <= position < sentence.end:
            taken.add(position)
            yield _proper(sentence.doc[position : position + 1], canonical, book, allowed)
    for chunk in _noun_chunks(sentence):
        words = [t for t in chunk if t.dep_ not in _DROPPED and not t.like_num and not t.is_space]
        if chunk.root.i in taken or not words or any(t.i in taken for t in words):
            continue
        kept = " ".join(t.lower_ for t in words if t != chunk.root)
        common = normalise_name(f"{kept} {chunk.root.lemma_.lower()}")
        kind = "OBJECT" if "OBJECT" in allowed else OTHER
        yield Mention(
            chunk.root, chunk.start_char, chunk.end_char, chunk.text, common, kind, is_proper=False
        )


def _proper(span: Span, canonical: str, book: NameBook, allowed: frozenset[str]) -> Mention:
    kind = book.types.get(canonical, "PERSON")  # a document's author need not be named in a text
    return Mention(
        span.root,
        span.start_char,
        span.end_char,
        span.text,
        normalise_name(canonical),
        kind if kind in allowed else OTHER,
        is_proper=True,
    )


def _noun_chunks(sentence: Span) -> Iterable[Span]:
    for chunk in sentence.doc.noun_chunks:
        root = chunk.root
        if (
            sentence.start <= chunk.start
            and chunk.end <= sentence.end
            and root.pos_ == "NOUN"
            and root.ent_type_ not in {"DATE", "TIME", "CARDINAL", "ORDINAL", "MONEY", "PERCENT"}
            and root.lemma_.lower() not in _EMPTY_NOUNS
        ):
            yield chunk


def _entity_rows(mentions: list[Mention], sentence: dict) -> Iterable[dict]:
    for mention in mentions:
        yield {
            "mention_id": content_id(
                "emen", sentence["sentence_id"], mention.start_char, mention.end_char, mention.name
            ),
            "chunk_id": sentence["chunk_id"],
            "sentence_id": sentence["sentence_id"],
            "start_char": mention.start_char,
            "end_char": mention.end_char,
            "surface": mention.surface,
            "name": mention.name,
            "type": mention.type,
            "description": sentence["statement"],
            "glean": 0,
            "call_id": None,
        }


def _relationship_rows(mentions: list[Mention], sentence: dict, most: int) -> Iterable[dict]:
    strengths: dict[tuple[str, str], float] = {}
    for one, other in itertools.combinations(mentions, 2):
        if one.name.casefold() == other.name.casefold():
            continue
        pair = (one.name, other.name)
        closeness = 10.0 - 1.5 * (_tree_distance(one.root, other.root) - 1)
        named = 1.0 if one.is_proper and other.is_proper else 0.0
        strength = min(10.0, max(1.0, closeness + named))
        strengths[pair] = max(strengths.get(pair, 0.0), strength)
    strongest = sorted(strengths.items(), key=lambda item: (-item[1], item[0]))[:most]
    for (source, target), strength in strongest:
        yield {
            "mention_id": content_id("rmen", sentence["sentence_id"], source, target),
            "chunk_id": sentence["chunk_id"],
            "sentence_id": sentence["sentence_id"],
            "source_name": source,
            "target_name": target,
            "description": sentence["statement"],
            "strength": strength,
            "glean": 0,
            "call_id": None,
        }


def _tree_distance(one: Token, other: Token) -> int:
    """Count the arcs between two tokens of a sentence."""
    above = {token.i: n for n, token in enumerate([one, *one.ancestors])}
    for n, token in enumerate([other, *other.ancestors]):
        if token.i in above:
            return max(1, n + above[token.i])
    return 10
