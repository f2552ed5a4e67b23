"""Extraction by a teacher: what it names must stand in a sentence of the chunk."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ragtuned_kedro.graph.extract import OTHER, normalise_name
from ragtuned_kedro.language_models.asked import calls_table
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.graph_tables import EntityMentions, RelationshipMentions
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from ragtuned_kedro.schemas.teacher_replies import (
    ExtractedEntity,
    ExtractedRelationship,
    Extraction,
)

STAGE = "build_graph.extract"


@dataclass(frozen=True)
class _Place:
    """An occurrence of a name in a sentence; offsets are into Documents.text."""

    sentence_id: str
    chunk_id: str
    start_char: int
    end_char: int
    surface: str


@dataclass(frozen=True)
class _Rules:
    """What an entity may be; a name, one line as it is normalised, stands in later prompts."""

    entity_types: Sequence[str]
    max_name_words: int
    max_name_chars: int

    def is_too_long(self, name: str) -> bool:
        return len(name) > self.max_name_chars or len(name.split()) > self.max_name_words


@dataclass
class _Read:
    """What was accepted and refused so far; rows by id, so that overlapping chunks agree."""

    places: dict[str, dict[str, list[_Place]]] = field(default_factory=dict)
    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    relationships: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejections: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, key: str, call_id: str, reason: str, detail: str) -> None:
        self.rejections.append({"key": key, "call_id": call_id, "reason": reason, "detail": detail})


def extract_with_teacher(
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    asker: Asker,
    prompts: PromptBook,
    *,
    entity_types: Sequence[str],
    max_name_words: int,
    max_name_chars: int,
    language: str,
    n_gleanings: int,
    max_new_tokens: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read Chunks into EntityMentions, RelationshipMentions, ModelCalls and Rejections.

    Every chunk is read once and gleaned `n_gleanings` times (GraphRAG's order). An entity whose
    name does not stand in its chunk is refused as `ungrounded`, one whose name is too long to be
    one as `long_name`, a relationship with an end that is no entity of its chunk as
    `unknown_entity`; a chunk whose reply is unusable is refused itself.
    """
    read, calls = _Read(), []
    rules = _Rules(entity_types, max_name_words, max_name_chars)
    for glean in range(n_gleanings + 1):
        asked = extraction_prompts(
            chunks, prompts, read.places, entity_types=entity_types, language=language, glean=glean
        )
        stage = STAGE if glean == 0 else f"{STAGE}.glean"
        answered = asker.ask_all(asked, Extraction, stage=stage, max_new_tokens=max_new_tokens)
        calls += answered.calls
        read.rejections += answered.rejections
        for chunk in chunks.itertuples():
            reply = answered.replies.get(chunk.chunk_id)
            if reply is not None:
                spans = _sentences_of(chunk, sentences)
                _add_entities(
                    read, chunk, spans, reply.record.entities, reply.call_id, glean, rules
                )
                _add_relationships(read, chunk, reply.record.relationships, reply.call_id, glean)
    return (
        frame_of(EntityMentions, [row for _, row in sorted(read.entities.items())]),
        frame_of(RelationshipMentions, [row for _, row in sorted(read.relationships.items())]),
        calls_table(calls),
        frame_of(Rejections, read.rejections),
    )


def extraction_prompts(
    chunks: pd.DataFrame,
    prompts: PromptBook,
    known: dict[str, dict[str, list[_Place]]] | None = None,
    *,
    entity_types: Sequence[str],
    language: str,
    glean: int = 0,
) -> Prompts:
    """Write the prompt of every chunk; a gleaning shows the names that are `known` by chunk.

    A chunk whose first reading gave nothing usable is not gleaned.
    """
    read = known or {}
    ids, texts = chunks["chunk_id"], chunks["text"]

    def render(place: int) -> Prompt:
        chunk_id = ids.iloc[place]
        values = {"entity_types": entity_types, "language": language}
        if glean:
            values["known"] = sorted(read[chunk_id])
        name = "glean" if glean else "extract"
        return prompts[name].render(chunk_id, document=texts.iloc[place], **values)

    return Prompts([at for at, one in enumerate(ids) if not glean or one in read], render)


def _sentences_of(chunk: Any, sentences: pd.DataFrame) -> list[Any]:
    """List the sentences that lie in a chunk, at least in part."""
    own = sentences[
        (sentences["doc_id"] == chunk.doc_id)
        & (sentences["end_char"] > chunk.start_char)
        & (sentences["start_char"] < chunk.end_char)
    ]
    return list(own.sort_values("position").itertuples())


def _add_entities(
    read: _Read,
    chunk: Any,
    sentences: list[Any],
    entities: Iterable[ExtractedEntity],
    call_id: str,
    glean: int,
    rules: _Rules,
) -> None:
    places_of = read.places.setdefault(chunk.chunk_id, {})
    for entity in entities:
        name = normalise_name(entity.name)
        if rules.is_too_long(name):
            key = f"{chunk.chunk_id}: {name[: rules.max_name_chars]}"
            detail = (
                f"{len(name.split())} words and {len(name)} characters, above "
                f"{rules.max_name_words} or {rules.max_name_chars}"
            )
            read.reject(key, call_id, "long_name", detail)
            continue
        places = _find(name, chunk, sentences)
        if not places:
            key = f"{chunk.chunk_id}: {name}"
            read.reject(key, call_id, "ungrounded", "its name does not stand in the chunk")
            continue
        places_of[name.casefold()] = places
        kind = entity.type.strip().upper()
        for place in places:
            mention_id = content_id(
                "emen", place.sentence_id, place.start_char, place.end_char, name
            )
            row = {
                "mention_id": mention_id,
                "chunk_id": place.chunk_id,
                "sentence_id": place.sentence_id,
                "start_char": place.start_char,
                "end_char": place.end_char,
                "surface": place.surface,
                "name": name,
                "type": kind if kind in rules.entity_types else OTHER,
                "description": entity.description.strip(),
                "glean": glean,
                "call_id": call_id,
            }
            read.entities.setdefault(mention_id, row)


def _find(name: str, chunk: Any, sentences: list[Any]) -> list[_Place]:
    """Find a name in a chunk, in any case and spacing, as whole words."""
    words = r"\s+".join(re.escape(word) for word in name.split())
    places = []
    for found in re.finditer(rf"(?<!\w){words}(?!\w)", chunk.text, re.IGNORECASE) if words else ():
        start = chunk.start_char + found.start()
        home = next((s for s in sentences if s.start_char <= start < s.end_char), None)
        if home is not None:
            end = chunk.start_char + found.end()
            places.append(_Place(home.sentence_id, home.chunk_id, start, end, found[0]))
    return places


def _add_relationships(
    read: _Read,
    chunk: Any,
    relationships: Iterable[ExtractedRelationship],
    call_id: str,
    glean: int,
) -> None:
    places = read.places[chunk.chunk_id]
    for one in relationships:
        key = f"{chunk.chunk_id}: {one.source} -> {one.target}"
        source, target = normalise_name(one.source), normalise_name(one.target)
        strangers = [name for name in (source, target) if name.casefold() not in places]
        if strangers:
            detail = f"not an entity of the chunk: {', '.join(strangers)}"
            read.reject(key, call_id, "unknown_entity", detail)
            continue
        if source.casefold() == target.casefold():
            read.reject(key, call_id, "loop", "it connects an entity with itself")
            continue
        home = _shared_sentence(places[source.casefold()], places[target.casefold()])
        mention_id = content_id("rmen", home.sentence_id, source, target)
        row = {
            "mention_id": mention_id,
            "chunk_id": home.chunk_id,
            "sentence_id": home.sentence_id,
            "source_name": source,
            "target_name": target,
            "description": one.description.strip(),
            "strength": one.strength,
            "glean": glean,
            "call_id": call_id,
        }
        read.relationships.setdefault(mention_id, row)


def _shared_sentence(sources: list[_Place], targets: list[_Place]) -> _Place:
    """Take the first sentence that names both ends, else the first that names the source."""
    named = {place.sentence_id for place in targets}
    return next((place for place in sources if place.sentence_id in named), sources[0])
