"""Community reports by a teacher, finest level first."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ragtuned_kedro.language_models.asked import Reply, calls_table
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.community_tables import CommunityReports, ReportFindings
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from ragtuned_kedro.schemas.teacher_replies import Report

STAGE = "write_reports"
CountTokens = Callable[[str], int]


@dataclass(frozen=True)
class _Context:
    """What a report is written from, and where that came from."""

    text: str
    source: str


def report_with_teacher(
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    asker: Asker,
    prompts: PromptBook,
    count_tokens: CountTokens,
    *,
    language: str,
    max_context_tokens: int,
    max_findings: int,
    max_new_tokens: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write CommunityReports, ReportFindings, Rejections and ModelCalls.

    A report is written from the descriptions of its members and of what connects them, best
    connected first. Where they do not fit into `max_context_tokens`, it is written from the reports
    of its children, so that these come first (GraphRAG's order), or from what fits.
    """
    lines = _member_lines(community_members, entities, relationships)
    children: dict[str, list[str]] = defaultdict(list)
    for row in communities.dropna(subset=["parent_id"]).itertuples():
        children[row.parent_id].append(row.community_id)
    written: dict[str, Reply[Report]] = {}
    sources: dict[str, str] = {}
    calls, rejections = [], []

    def render(community_id: str) -> Prompt:
        below = [written[child] for child in children[community_id] if child in written]
        context = _fit(lines[community_id], below, count_tokens, max_context_tokens)
        # Known only from here: all contexts of a level at once would be as large as its prompts.
        sources[community_id] = context.source
        return prompts["report"].render(
            community_id, context=context.text, language=language, max_findings=max_findings
        )

    for _, level in sorted(communities.groupby("level"), reverse=True):
        asked = Prompts(sorted(level["community_id"]), render)
        answered = asker.ask_all(asked, Report, stage=STAGE, max_new_tokens=max_new_tokens)
        written |= answered.replies
        calls += answered.calls
        rejections += answered.rejections
    reports = [
        _report_row(reply, sources[key], count_tokens) for key, reply in sorted(written.items())
    ]
    findings = [
        row for _, reply in sorted(written.items()) for row in _finding_rows(reply, max_findings)
    ]
    return (
        frame_of(CommunityReports, reports),
        frame_of(ReportFindings, findings),
        frame_of(Rejections, rejections),
        calls_table(calls),
    )


def _member_lines(
    community_members: pd.DataFrame, entities: pd.DataFrame, relationships: pd.DataFrame
) -> dict[str, list[str]]:
    """Describe each community's members and inner relationships, best connected first."""
    rows = {row.entity_id: row for row in entities.itertuples()}
    members = community_members.groupby("community_id")["entity_id"].agg(set).to_dict()
    lines = {}
    for community_id, own in members.items():
        ranked = sorted(own, key=lambda one: (-rows[one].degree, rows[one].name))
        said = [f"{rows[one].name} ({rows[one].type}): {rows[one].description}" for one in ranked]
        inner = relationships[
            relationships["source_id"].isin(own) & relationships["target_id"].isin(own)
        ].sort_values(["weight", "relationship_id"], ascending=[False, True])
        said += [
            f"{rows[one.source_id].name} - {rows[one.target_id].name}: {one.description}"
            for one in inner.itertuples()
        ]
        lines[str(community_id)] = said
    return lines


def _fit(
    lines: list[str], below: list[Reply[Report]], count_tokens: CountTokens, room: int
) -> _Context:
    whole = "\n".join(lines)
    if count_tokens(whole) <= room:
        return _Context(whole, "members")
    told = [f"{reply.record.title}\n{reply.record.summary}" for reply in below]
    candidates, source = (told, "child_reports") if told else (lines, "members_trimmed")
    kept: list[str] = []
    for line in candidates:
        room -= count_tokens(line) + 1
        if room < 0:
            break
        kept.append(line)
    return _Context("\n".join(kept or [candidates[0][:2000]]), source)


def _report_row(reply: Reply[Report], source: str, count_tokens: CountTokens) -> dict[str, Any]:
    report = reply.record
    points = "\n".join(f"- {one.summary} {one.explanation}" for one in report.findings)
    text = f"{report.title}\n\n{report.summary}\n{points}"
    return {
        "community_id": reply.key,
        "title": report.title,
        "summary": report.summary,
        "rating": report.rating,
        "rating_reason": report.rating_reason,
        "text": text,
        "n_tokens": count_tokens(text),
        "context_source": source,
        "call_id": reply.call_id,
    }


def _finding_rows(reply: Reply[Report], most: int) -> list[dict[str, Any]]:
    return [
        {
            "community_id": reply.key,
            "position": position,
            "summary": finding.summary,
            "explanation": finding.explanation,
            "sentence_id": None,
        }
        for position, finding in enumerate(reply.record.findings[:most])
    ]
