"""GraphRAG's global search: every report is asked for its part, and the parts are put together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ragtuned_kedro.answering.evidence import Evidence, Unit, keep_evidence, take_fitting
from ragtuned_kedro.answering.index_folder import Indexed, keep_index
from ragtuned_kedro.answering.reader import Reader, choose_model, open_model
from ragtuned_kedro.answering.systems import Query, System, build_prompt, fill_template
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.embedder import Embed, Embedder, load_embedder
from ragtuned_kedro.retrieval.hybrid import HybridIndex
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, GraphGlobalParams
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder, Completion

_REPORTS, _FINDINGS = "reports", "findings"


@dataclass(frozen=True)
class Report:
    """A community report, or what is shown of it, and how near that is to the query, -1 to 1."""

    report_id: str
    text: str
    n_tokens: int
    score: float


def index_graph_global(
    communities: pd.DataFrame,
    community_reports: pd.DataFrame,
    report_findings: pd.DataFrame,
    embedder_folder: Embedder,
    index_folder: Path,
    answering: AnsweringParams,
    graph_global: GraphGlobalParams,
) -> tuple[Path, pd.DataFrame]:
    """Embed the reports of the level that is asked, and their findings."""
    reports = reports_at(communities, community_reports, level=graph_global.level)
    report_ids, texts = list(reports["community_id"]), list(reports["text"])
    findings = findings_of(report_findings, report_ids)
    finding_ids, said = list(findings), list(findings.values())

    def build(folder: Path) -> list[Indexed]:
        embed = load_embedder(embedder_folder, device=answering.device)
        HybridIndex.build(report_ids, texts, embed).save(folder / _REPORTS)
        HybridIndex.build(finding_ids, said, embed).save(folder / _FINDINGS)
        return [
            Indexed("report", len(reports), int(reports["n_tokens"].sum())),
            Indexed("finding", len(findings), 0),
        ]

    key = ["findings", embedder_folder.revision, report_ids, texts, finding_ids, said]
    return keep_index(index_folder, key, build)


def open_graph_global(
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    prompt: str,
    map_prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    graph_global: GraphGlobalParams,
) -> System:
    """Let the base model answer from its own partial answers over community reports."""
    folder = choose_model(base_model_folder, graph_global.model, base_model_cache)
    model = open_model(folder, base_model, answering)

    def gather(queries: Sequence[Query], asked_model: LanguageModel) -> list[Evidence]:
        asked = [[query.query_id, query.text] for query in queries]
        settings = graph_global.model_dump(mode="json", exclude={"model"})
        key = [settings, asked_model.model_id, prompt, map_prompt, answering.max_new_tokens, asked]
        return keep_evidence(index / "evidence", key, lambda: find(queries, asked_model))

    def find(queries: Sequence[Query], asked_model: LanguageModel) -> list[Evidence]:
        reader = Reader(folder)
        texts = [query.text for query in queries]
        map_room = reader.room(map_prompt, texts, max_new_tokens=graph_global.map_new_tokens)
        reduce_room = reader.room(prompt, texts, max_new_tokens=answering.max_new_tokens)
        embed = load_embedder(embedder_folder, device=answering.device)
        room = min(map_room, graph_global.map_tokens)
        found = nearest_reports(
            HybridIndex.load(index / _REPORTS),
            texts,
            embed,
            reader,
            n_reports=graph_global.n_reports,
        )
        if graph_global.n_findings is not None:
            findings = HybridIndex.load(index / _FINDINGS)
            found = [
                show_findings(
                    reports, findings, scores, reader, n=graph_global.n_findings, room=room
                )
                for reports, scores in zip(found, findings.likeness(texts, embed), strict=True)
            ]
        batches = [list(pack_reports(one, room=room)) for one in found]
        parts = ask_parts(
            queries,
            batches,
            asked_model,
            map_prompt=map_prompt,
            max_new_tokens=graph_global.map_new_tokens,
        )
        return [
            put_together(
                query.query_id,
                *(reports, batched, part),
                reader,
                room=min(reduce_room, graph_global.reduce_tokens),
            )
            for query, reports, batched, part in zip(queries, found, batches, parts, strict=True)
        ]

    return System("graph_global", model, prompt, gather)


def reports_at(communities: pd.DataFrame, reports: pd.DataFrame, *, level: int) -> pd.DataFrame:
    """Choose the reports of one level, best rated first; too deep a level is the deepest."""
    known = communities[communities["community_id"].isin(set(reports["community_id"]))]
    if known.empty:
        return reports.head(0)
    here = known[known["level"] == min(level, int(known["level"].max()))]
    chosen = reports[reports["community_id"].isin(set(here["community_id"]))]
    return chosen.sort_values(["rating", "community_id"], ascending=[False, True])


def nearest_reports(
    index: HybridIndex,
    queries: Sequence[str],
    embed: Embed,
    reader: Reader,
    *,
    n_reports: int | None,
) -> list[list[Report]]:
    """Order the reports by their nearness to each query and keep the first `n_reports`.

    A report's tokens are counted once: the same texts go into every query's prompts.
    """
    sizes = [reader.count_tokens(text) for text in index.texts]
    found = []
    for scores in index.likeness(queries, embed):
        order = np.argsort(-scores, kind="stable")[:n_reports]
        found.append(
            [
                Report(index.unit_ids[at], index.texts[at], sizes[at], float(scores[at]))
                for at in order
            ]
        )
    return found


def findings_of(findings: pd.DataFrame, report_ids: Sequence[str]) -> dict[str, str]:
    """List what the reports found: the report's id, a slash and a position, to the text."""
    ours = findings[findings["community_id"].isin(set(report_ids))]
    ordered = ours.sort_values(["community_id", "position"]).to_dict("records")
    return {f"{row['community_id']}/{row['position']}": row["explanation"] for row in ordered}


def show_findings(
    reports: Sequence[Report],
    findings: HybridIndex,
    likeness: np.ndarray,
    reader: Reader,
    *,
    n: int,
    room: int,
) -> list[Report]:
    """Show of each report the `n` findings nearest to the query, as far as they fit; nearest last.

    Reports share findings; each stands under the first report that has it, and a report without one
    of its own is left out. A model of 135M parameters finds nothing in a whole report: it answers
    with the question's own words (docs/log.md has the figures). `likeness` is (findings,).
    """
    of_report: dict[str, list[int]] = {}
    for at in np.argsort(-likeness, kind="stable"):
        of_report.setdefault(findings.unit_ids[at].rpartition("/")[0], []).append(int(at))
    shown: list[Report] = []
    said: set[str] = set()
    for report in reports:
        own = [at for at in of_report.get(report.report_id, []) if findings.texts[at] not in said]
        if not own:
            continue
        texts = [reader.cut(findings.texts[own[0]], room - 1)]
        texts += [findings.texts[at] for at in own[1:n]]
        sizes = [reader.count_tokens(text) + 1 for text in texts]
        fits = take_fitting(sizes, room=room)
        used = [text for text, fit in zip(texts, fits, strict=True) if fit]
        said.update(findings.texts[at] for at, fit in zip(own, fits, strict=False) if fit)
        n_tokens = sum(size for size, fit in zip(sizes, fits, strict=True) if fit)
        text = "\n".join(reversed(used))
        shown.append(Report(report.report_id, text, n_tokens, float(likeness[own[0]])))
    return shown


def pack_reports(reports: Sequence[Report], *, room: int) -> Iterator[list[Report]]:
    """Fill map prompts of `room` tokens, in order; a report that is larger alone is left out."""
    batch: list[Report] = []
    left = room
    for report in reports:
        if report.n_tokens > room:
            continue
        if report.n_tokens > left:
            yield batch
            batch, left = [], room
        batch.append(report)
        left -= report.n_tokens
    if batch:
        yield batch


def ask_parts(
    queries: Sequence[Query],
    batches: Sequence[Sequence[Sequence[Report]]],
    model: LanguageModel,
    *,
    map_prompt: str,
    max_new_tokens: int,
) -> list[list[Completion]]:
    """Ask every query of each of its batches of reports: one partial answer for each batch."""
    prompts = [
        build_prompt(
            f"{query.query_id}/{at}",
            fill_template(
                map_prompt,
                question=query.text,
                evidence="\n\n".join(report.text for report in batch),
            ),
            system_prompt="",
        )
        for query, batched in zip(queries, batches, strict=True)
        for at, batch in enumerate(batched)
    ]
    replies = iter(model.complete(prompts, max_new_tokens=max_new_tokens))
    return [[next(replies) for _ in batched] for batched in batches]


def put_together(
    query_id: str,
    reports: Sequence[Report],
    batches: Sequence[Sequence[Report]],
    parts: Sequence[Completion],
    reader: Reader,
    *,
    room: int,
) -> Evidence:
    """Make the evidence of the partial answers from what is nearest to the query; it stands last.

    GraphRAG lets the model rate its own partial answers; a model too small to write a number that
    means something would rate at random, so the nearness of what it was shown stands in for it. Not
    that of its answer: nearest to a question is an answer that repeats it. Where every call failed
    there is no evidence, and the error says why.
    """
    said = [at for at, part in enumerate(parts) if part.finish_reason != "error" and part.text]
    ranked = sorted(said, key=lambda at: -max(report.score for report in batches[at]))
    sizes = [reader.count_tokens(parts[at].text) for at in ranked]
    fits = take_fitting(sizes, room=room)
    used = {at for at, fit in zip(ranked, fits, strict=True) if fit}
    home = {report.report_id: at for at, batch in enumerate(batches) for report in batch}
    errors = [part.error for part in parts if part.error]
    return Evidence(
        query_id,
        "\n".join(parts[at].text for at in reversed(ranked) if at in used),
        tuple(
            Unit("report", one.report_id, one.score, one.n_tokens, home.get(one.report_id) in used)
            for one in reports
        ),
        seconds=sum(part.seconds for part in parts),
        n_prompt_tokens=sum(part.n_prompt_tokens for part in parts),
        n_completion_tokens=sum(part.n_completion_tokens for part in parts),
        peak_memory_bytes=max((part.peak_memory_bytes for part in parts), default=0),
        error=errors[0] if parts and len(errors) == len(parts) else None,
    )
