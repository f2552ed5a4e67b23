"""Extractive community reports, finest level first."""

from collections import defaultdict
from collections.abc import Callable

import pandas as pd

from ragtuned_kedro.schemas.community_tables import CommunityReports, ReportFindings
from ragtuned_kedro.schemas.tables import Rejections, frame_of

# A title names this many of the best-connected members.
_N_TITLE_NAMES = 3


def write_reports(
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    entities: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    sentences: pd.DataFrame,
    count_tokens: Callable[[str], int],
    *,
    max_tokens: int,
    max_findings: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write a report on every community from its own sentences: reports, findings, rejections.

    A finding is a statement, and it matters the more members it relates. Where the members'
    statements do not fit into `max_tokens`, a parent is built from the findings of its children's
    reports, so the finest level is written first (GraphRAG's order). The rating is ten times the
    share of the corpus's chunks that the community touches.
    """
    mentions = entity_mentions.assign(folded=entity_mentions["name"].str.casefold())
    folded = dict(zip(entities["name"].str.casefold(), entities["entity_id"], strict=True))
    mentions["entity_id"] = mentions["folded"].map(folded)
    members = community_members.groupby("community_id")["entity_id"].agg(set).to_dict()
    statements = dict(zip(sentences["sentence_id"], sentences["statement"], strict=True))
    order = {sentence_id: n for n, sentence_id in enumerate(sentences["sentence_id"])}
    told_by = mentions.groupby("sentence_id")["entity_id"].agg(set).to_dict()
    names = {row.entity_id: row for row in entities.itertuples()}
    n_chunks = max(1, sentences["chunk_id"].nunique())

    reports, finding_rows, rejected = [], [], []
    findings_of: dict[str, list[str]] = {}
    children: dict[str, list[str]] = defaultdict(list)
    ordered = communities.sort_values(["level", "community_id"], ascending=[False, True])
    for row in ordered.itertuples():
        if isinstance(row.parent_id, str):
            children[row.parent_id].append(row.community_id)
        own = members[row.community_id]
        candidates = [s for s, told in told_by.items() if told & own]
        source = "members"
        if count_tokens(" ".join(statements[s] for s in candidates)) > max_tokens:
            cited = [s for child in children[row.community_id] for s in findings_of.get(child, [])]
            source = "child_reports" if cited else "members_trimmed"
            candidates = list(dict.fromkeys(cited)) or candidates
        ranked = sorted(candidates, key=lambda s: (-len(told_by.get(s, set()) & own), order[s]))
        kept = _fitting(ranked, statements, count_tokens, max_tokens)[:max_findings]
        if not kept:
            rejected.append(_rejection(row.community_id, max_tokens))
            continue
        kept.sort(key=order.__getitem__)
        findings_of[row.community_id] = kept
        best = sorted(
            own, key=lambda e: (names[e].type == "OBJECT", -names[e].degree, names[e].name)
        )
        title = ", ".join(names[e].name for e in best[:_N_TITLE_NAMES])
        text = f"{title}\n\n" + "\n".join(f"- {statements[s]}" for s in kept)
        reports.append(
            {
                "community_id": row.community_id,
                "title": title,
                "summary": statements[max(kept, key=lambda s: (len(told_by[s] & own), -order[s]))],
                "rating": round(10.0 * row.n_chunks / n_chunks, 2)
                if row.n_chunks < n_chunks
                else 10.0,
                "rating_reason": f"touches {row.n_chunks} of {n_chunks} chunks",
                "text": text,
                "n_tokens": count_tokens(text),
                "context_source": source,
                "call_id": None,
            }
        )
        finding_rows += [
            {
                "community_id": row.community_id,
                "position": position,
                "summary": ", ".join(sorted(names[e].name for e in told_by[s] & own)),
                "explanation": statements[s],
                "sentence_id": s,
            }
            for position, s in enumerate(kept)
        ]
    return (
        frame_of(CommunityReports, reports),
        frame_of(ReportFindings, finding_rows),
        frame_of(Rejections, rejected),
    )


def _fitting(
    ranked: list[str], statements: dict[str, str], count_tokens: Callable[[str], int], room: int
) -> list[str]:
    kept = []
    for sentence_id in ranked:
        room -= count_tokens(statements[sentence_id]) + 2
        if room < 0:
            break
        kept.append(sentence_id)
    return kept


def _rejection(community_id: str, max_tokens: int) -> dict:
    return {
        "key": community_id,
        "call_id": None,
        "reason": "nothing_fits",
        "detail": f"no statement about it fits into {max_tokens} tokens",
    }
