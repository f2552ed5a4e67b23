"""The comparison in words: one row per system, for the page and for the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.reporting.score_rows import Figure, make_figure

# A difference is called one where chance explains it less often than this.
ALPHA = 0.05
# Which questions, in words; the first are those by hand.
QUERY_SETS = {
    "evaluation_queries": "on the questions by hand",
    "generated_queries": "on generated questions",
}
# What each system answers from; one that is not named here is shown without it.
_MEANINGS = {
    "base_model": "its own weights, untuned",
    "rag_tuned": "the tuned weights alone",
    "nearest_passage": "the nearest sentences, repeated without a model",
    "vanilla_rag": "the base model, shown the nearest sentences",
    "graph_local": "the base model, shown the graph near the question",
    "graph_global": "the base model, shown the community reports",
    "long_context": "the base model, shown as much of the corpus as fits",
    "rag_tuned_retrieval": "the nearest sentences, unless the tuned weights refuse",
}
# Key, metric and scope of each column, in the order shown.
QUALITIES = (
    ("local", "recall", "local"),
    ("linked", "recall", "linked"),
    ("global", "recall", "global"),
    ("answerable", "recall", "answerable"),
    ("unanswerable", "false_answer_rate", "unanswerable"),
)
OVERLAPS = (
    ("token_f1", "token_f1", "answerable"),
    ("rouge_l", "rouge_l", "answerable"),
    ("similarity", "similarity", "answerable"),
    ("wrong_abstention_rate", "wrong_abstention_rate", "answerable"),
)
COSTS = tuple(
    (name, name, None)
    for name in (
        "prompt_tokens",
        "completion_tokens",
        "first_token_seconds",
        "seconds",
        "peak_memory_bytes",
    )
)


@dataclass(frozen=True)
class SystemRow:
    """One system: figures by column key, what it has none for is absent.

    `n` questions were shared by all systems; `n_missing` of its answers failed. `differs` holds
    the keys of the columns in which it and the tuned model differ by more than chance.
    """

    system: str
    label: str
    meaning: str
    is_candidate: bool
    figures: Mapping[str, Figure]
    differs: frozenset[str]
    n: int
    n_missing: int


@dataclass(frozen=True)
class ComparisonRows:
    """All systems, and how many questions of each scope all of them answered."""

    rows: tuple[SystemRow, ...]
    n_by_key: Mapping[str, int]


def comparison_rows(comparison: pd.DataFrame, *, candidate: str, query_set: str) -> ComparisonRows:
    """Lay out `comparison` system by system; no rows where nothing was compared."""
    rows = comparison[comparison["query_set"] == query_set]
    systems = list(dict.fromkeys(rows.loc[rows["baseline"].isna(), "system"]))
    columns = (*QUALITIES, *OVERLAPS, *COSTS)
    found = {
        (row["system"], row["metric"], row["scope"] if isinstance(row["scope"], str) else None): row
        for row in rows[rows["baseline"].isna()].to_dict("records")
    }
    by_key = {
        (system, key): found[system, metric, scope]
        for system in systems
        for key, metric, scope in columns
        if (system, metric, scope) in found
    }
    decided = _decided(rows, candidate)
    return ComparisonRows(
        tuple(_row(system, columns, by_key, decided, candidate) for system in systems),
        {key: int(row["n"]) for (_, key), row in by_key.items()},
    )


def label_of(system: str) -> str:
    """Write a system's name as words."""
    return system.replace("_", " ")


def _row(
    system: str,
    columns: tuple[tuple[str, str, str | None], ...],
    by_key: Mapping[tuple[str, str], dict],
    decided: frozenset[tuple[str, str]],
    candidate: str,
) -> SystemRow:
    own = {key: by_key[system, key] for key, _, _ in columns if (system, key) in by_key}
    answered = own.get("seconds", {"n": 0, "n_missing": 0})
    return SystemRow(
        system,
        label_of(system),
        _MEANINGS.get(system, ""),
        system == candidate,
        {key: make_figure(row, row["metric"]) for key, row in own.items()},
        frozenset(scope for other, scope in decided if other == system),
        int(answered["n"]),
        int(answered["n_missing"]),
    )


def _decided(rows: pd.DataFrame, candidate: str) -> frozenset[tuple[str, str]]:
    """Name (other system, scope) wherever a win rate against `candidate` is not chance."""
    found = rows[
        (rows["metric"] == "win_rate")
        & (rows["criterion"] == "assertion_recall")
        & (rows["system"] == candidate)
        & (rows["p_holm"] < ALPHA)
    ]
    return frozenset(zip(found["baseline"], found["scope"], strict=True))
