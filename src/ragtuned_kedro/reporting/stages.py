"""What each stage took and made: rows, seconds, and what became of every input."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.schemas.tables import StageRows, frame_of

# Which pipeline makes which dataset, in the order in which data walks.
STAGE_OF = {
    "documents": "prepare_corpus",
    "chunks": "prepare_corpus",
    "sentences": "build_graph",
    "entity_mentions": "build_graph",
    "relationship_mentions": "build_graph",
    "entities": "build_graph",
    "relationships": "build_graph",
    "communities": "detect_communities",
    "community_reports": "write_reports",
    "report_findings": "write_reports",
    "training_queries": "synthesize_qa",
    "qa_pairs": "synthesize_qa",
    "qa_evidence": "synthesize_qa",
    "training_examples": "synthesize_qa",
    "reading_questions": "synthesize_qa",
    "evaluation_queries": "ask_questions",
    "assertions": "ask_questions",
    "generated_queries": "generate_questions",
    "base_model.answers": "answer_queries",
    "rag_tuned.answers": "answer_queries",
    "query_scores": "score_answers",
    "recall_verdicts": "score_answers",
    "judgements": "judge_answers",
}

# Stages as data walks, also those whose rows are not counted.
_WALK = (
    "estimate",
    "fetch_model",
    "prepare_corpus",
    "build_graph",
    "detect_communities",
    "write_reports",
    "ask_questions",
    "synthesize_qa",
    "tune_adapter",
    "generate_questions",
    "answer_queries",
    "score_answers",
    "judge_answers",
    "register_model",
    "account_spending",
    "report_results",
)

StageSeconds = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class StageLine:
    """One stage as a reader sees it; `seconds` is null where it was not timed."""

    stage: str
    rows: tuple[tuple[str, int], ...]
    seconds: float | None


@dataclass(frozen=True)
class LedgerLine:
    """Inputs = accepted + losses, for one kind of unit at one stage."""

    stage: str
    unit_kind: str
    n_inputs: int
    n_accepted: int
    losses: tuple[tuple[str, int], ...]


def count_rows(tables: Mapping[str, Sized]) -> pd.DataFrame:
    """Count the rows of each named dataset, as StageRows in the order of the walk."""
    return frame_of(
        StageRows,
        [
            {"stage": stage, "dataset": dataset, "n_rows": len(tables[dataset])}
            for dataset, stage in STAGE_OF.items()
            if dataset in tables
        ],
    )


def stage_lines(stage_rows: pd.DataFrame, stage_seconds: StageSeconds) -> list[StageLine]:
    """Join rows and seconds by stage; a stage that only one of them names is kept."""
    rows: dict[str, list[tuple[str, int]]] = {}
    for row in stage_rows.to_dict("records"):
        rows.setdefault(row["stage"], []).append((row["dataset"], int(row["n_rows"])))
    known = [stage for stage in _WALK if stage in rows or stage in stage_seconds]
    names = [*known, *(stage for stage in stage_seconds if stage not in known)]
    return [
        StageLine(
            stage,
            tuple(rows.get(stage, ())),
            sum(stage_seconds[stage].values()) if stage in stage_seconds else None,
        )
        for stage in names
    ]


def ledger_lines(ledger: pd.DataFrame) -> list[LedgerLine]:
    """Fold a Ledger into one line per stage and unit kind; the largest loss comes first."""
    lines = []
    for (stage, unit_kind), group in ledger.groupby(["stage", "unit_kind"], sort=False):
        counts = {
            str(outcome): int(n) for outcome, n in group.groupby("outcome")["n"].sum().items()
        }
        losses = {cause: n for cause, n in counts.items() if cause != "accepted" and n}
        lines.append(
            LedgerLine(
                str(stage),
                str(unit_kind),
                sum(counts.values()),
                counts.get("accepted", 0),
                tuple(sorted(losses.items(), key=lambda item: (-item[1], item[0]))),
            )
        )
    return lines


def rejection_ledger(
    rejections: pd.DataFrame, *, stage: str, unit_kind: str, n_accepted: int
) -> pd.DataFrame:
    """Count a rejections table by reason, in the columns of a Ledger."""
    counts = rejections["reason"].value_counts().to_dict()
    outcomes = {"accepted": n_accepted, **{str(reason): int(n) for reason, n in counts.items()}}
    return pd.DataFrame(
        [
            {"stage": stage, "unit_kind": unit_kind, "outcome": outcome, "n": n}
            for outcome, n in outcomes.items()
        ]
    )
