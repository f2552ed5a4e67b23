"""GraphRAG's local search: entities near the question, and what the graph holds around them."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ragtuned_kedro.answering.evidence import Evidence, Unit, keep_evidence, take_fitting
from ragtuned_kedro.answering.index_folder import Indexed, keep_index
from ragtuned_kedro.answering.reader import Reader, choose_model, open_model
from ragtuned_kedro.answering.systems import Query, System
from ragtuned_kedro.answering.vanilla_rag import search_timed
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.embedder import Embedder, load_embedder
from ragtuned_kedro.retrieval.hybrid import Hit, HybridIndex
from ragtuned_kedro.retrieval.neighbourhood import rank_chunks, rank_relationships, rank_reports
from ragtuned_kedro.retrieval.passages import Found, PassageIndex, title_chunks
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, GraphLocalParams
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder

_N_NEAREST_CHUNKS = 20


@dataclass(frozen=True)
class GraphTables:
    """What local search walks over."""

    entities: pd.DataFrame
    relationships: pd.DataFrame
    entity_chunks: pd.DataFrame
    members: pd.DataFrame
    reports: pd.DataFrame


def index_graph_local(
    entities: pd.DataFrame,
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    documents: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    index_folder: Path,
    answering: AnsweringParams,
) -> tuple[Path, pd.DataFrame]:
    """Embed every entity, as name and description, every chunk and every sentence."""
    ordered = entities.sort_values("entity_id")
    entity_ids = list(ordered["entity_id"])
    described = [
        f"{name}: {description}"
        for name, description in zip(ordered["name"], ordered["description"], strict=True)
    ]

    def build(folder: Path) -> list[Indexed]:
        embed = load_embedder(embedder_folder, device=answering.device)
        reader = Reader(base_model_folder)
        HybridIndex.build(entity_ids, described, embed).save(folder / "entities")
        PassageIndex.build(chunks, sentences, documents, embed).save(folder / "passages")
        n_tokens = sum(reader.count_tokens(text) for text in described)
        return [
            Indexed("entity", len(entities), n_tokens),
            Indexed("chunk", len(chunks), int(chunks["n_tokens"].sum())),
            Indexed("sentence", len(sentences), 0),
        ]

    texts = [title_chunks(chunks, documents), list(sentences["sentence_id"])]
    key = ["graph_local", embedder_folder.revision, entity_ids, described, texts]
    return keep_index(index_folder, key, build)


def open_graph_local(
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    entity_chunks: pd.DataFrame,
    community_members: pd.DataFrame,
    community_reports: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    graph_local: GraphLocalParams,
) -> System:
    """Let the base model answer from the neighbourhood of the query's entities."""
    folder = choose_model(base_model_folder, graph_local.model, base_model_cache)
    model = open_model(folder, base_model, answering)
    tables = GraphTables(
        entities, relationships, entity_chunks, community_members, community_reports
    )

    def gather(queries: Sequence[Query], _: LanguageModel) -> list[Evidence]:
        asked = [[query.query_id, query.text] for query in queries]
        graph = [
            fingerprint(frame.to_dict("records"))
            for frame in (relationships, entity_chunks, community_members, community_reports)
        ]
        settings = [graph_local.model_dump(mode="json"), answering.model_dump(mode="json")]
        key = [settings, graph, folder.revision, prompt, asked]
        return keep_evidence(index / "evidence", key, lambda: find(queries))

    def find(queries: Sequence[Query]) -> list[Evidence]:
        reader = Reader(folder)
        embed = load_embedder(embedder_folder, device=answering.device)
        texts = [query.text for query in queries]
        room = reader.room(prompt, texts, max_new_tokens=answering.max_new_tokens)
        passages = PassageIndex.load(index / "passages")
        found, seconds = search_timed(passages, texts, embed, n_chunks=_N_NEAREST_CHUNKS)
        started = time.monotonic()
        entity_index = HybridIndex.load(index / "entities")
        near = entity_index.search(texts, embed, n_hits=graph_local.n_entities)
        seconds += (time.monotonic() - started) / max(1, len(texts))
        context = LocalContext(
            tables,
            passages,
            reader,
            graph_local,
            room=min(room, graph_local.evidence_tokens),
            abstention=answering.abstention,
        )
        return [
            context.evidence(query, entity_hits, one, seconds)
            for query, entity_hits, one in zip(queries, near, found, strict=True)
        ]

    return System("graph_local", model, prompt, gather)


@dataclass(frozen=True)
class LocalContext:
    """How the evidence of one query is put together around its entities.

    Reports, entities and chunks get their shares of the room, and the best relationships what is
    left. Chunks, or the nearest sentences in them, stand last, next to the question, the nearest of
    them last of all. Many descriptions are one of those sentences; it is said once, there. Source:
    GraphRAG's LocalSearchMixedContext, with the one-statement summary in place of a whole report.
    """

    tables: GraphTables
    passages: PassageIndex
    reader: Reader
    settings: GraphLocalParams
    room: int
    abstention: str

    def evidence(
        self, query: Query, entity_hits: list[Hit], found: Found, seconds: float
    ) -> Evidence:
        """Choose, and abstain where not even the nearest sentence is near."""
        started = time.monotonic()
        is_close = found.nearest >= self.settings.min_likeness
        text, units = self.build(entity_hits, found) if is_close else ("", ())
        return Evidence(
            query.query_id,
            text,
            units,
            seconds=seconds + time.monotonic() - started,
            reply=None if is_close else self.abstention,
        )

    def build(self, entity_hits: list[Hit], found: Found) -> tuple[str, tuple[Unit, ...]]:
        """Fill the room; the text reads reports, entities, relationships, chunks."""
        entity_ids = [hit.unit_id for hit in entity_hits]
        reports = rank_reports(self.tables.reports, self.tables.members, entity_ids)
        related = rank_relationships(self.tables.relationships, entity_ids)
        related = related.head(self.settings.n_relationships)
        said: set[str] = set()
        left = self.room

        def fill(part: _Part, share: float | None) -> tuple[list[str], list[Unit]]:
            nonlocal left
            room = left if share is None else min(left, int(self.room * share))
            texts, units = part.fill(self.reader, room, said)
            left -= sum(unit.n_tokens for unit in units if unit.is_used)
            return texts, units

        # Chunks choose first: what is nearest to the question keeps its place beside it.
        chunks = fill(self._chunks(entity_ids, found), self.settings.chunk_share)
        report = _Part("report", _hits(reports, "community_id", "summary", "rating"))
        relationship = _Part(
            "relationship", _hits(related, "relationship_id", "description", "weight")
        )
        around = [
            fill(report, self.settings.report_share),
            fill(_Part("entity", entity_hits), self.settings.entity_share),
            fill(relationship, None),
        ]
        texts = [text for part_texts, _ in around for text in part_texts] + chunks[0][::-1]
        units = [unit for _, part_units in [*around, chunks] for unit in part_units]
        return "\n".join(texts), tuple(units)

    def _chunks(self, entity_ids: list[str], found: Found) -> "_Part":
        near = {hit.unit_id: hit for hit in found.chunks}
        linked = rank_chunks(self.tables.entity_chunks, entity_ids, list(near))
        best = linked[: self.settings.n_chunks]
        if self.settings.n_sentences is not None:
            n_sentences = self.settings.n_sentences
            return _Part(
                "sentence",
                self.passages.best_sentences(found, set(best), n_sentences=n_sentences),
            )
        texts = dict(zip(self.passages.chunks.unit_ids, self.passages.chunks.texts, strict=True))
        return _Part("chunk", [near.get(one, Hit(one, texts[one], float("nan"))) for one in best])


@dataclass(frozen=True)
class _Part:
    """Candidates of one kind, best first."""

    kind: str
    candidates: list[Hit]

    def fill(self, reader: Reader, room: int, said: set[str]) -> tuple[list[str], list[Unit]]:
        """Take what fits, and add it to `said`; what was said before is fetched but not used."""
        sizes = [reader.count_tokens(hit.text) + 1 for hit in self.candidates]
        texts = [hit.text for hit in self.candidates]
        is_new = [text not in said and text not in texts[:at] for at, text in enumerate(texts)]
        costs = [size if new else 0 for size, new in zip(sizes, is_new, strict=True)]
        fits = take_fitting(costs, room=room)
        taken = [fit and new for fit, new in zip(fits, is_new, strict=True)]
        units = [
            Unit(self.kind, hit.unit_id, None if math.isnan(hit.score) else hit.score, size, used)
            for hit, size, used in zip(self.candidates, sizes, taken, strict=True)
        ]
        used_texts = [text for text, used in zip(texts, taken, strict=True) if used]
        said.update(used_texts)
        return used_texts, units


def _hits(frame: pd.DataFrame, unit_id: str, text: str, score: str) -> list[Hit]:
    columns = (frame[unit_id], frame[text], frame[score])
    return [
        Hit(str(one), str(said), float(value)) for one, said, value in zip(*columns, strict=True)
    ]
