import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtuned_kedro.evaluation.intervals import estimate_difference, estimate_mean, estimate_share
from ragtuned_kedro.evaluation.promotion import decide_promotion, local_recall
from ragtuned_kedro.evaluation.scorecard import build_scorecard, flatten_metrics
from ragtuned_kedro.evaluation.scorecard_plot import plot_scorecard
from ragtuned_kedro.schemas.answering_tables import Answers
from ragtuned_kedro.schemas.evaluation_tables import EvaluationQueries, QueryScores
from ragtuned_kedro.schemas.tables import frame_of

HOW = {"n_bootstrap": 200, "confidence": 0.95, "seed": 3}
SYSTEMS = {"candidate": "rag_tuned", "baseline": "base_model"}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_an_interval_contains_its_value(values: list[float]) -> None:
    estimate = estimate_mean(values, **HOW)
    if estimate.low is not None and estimate.high is not None:
        assert estimate.low <= estimate.value <= estimate.high


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = [0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9]
    assert estimate_mean(values, **HOW) == estimate_mean(values, **HOW)
    assert estimate_mean(values, **HOW) != estimate_mean(values, **(HOW | {"seed": 4}))


def test_an_interval_does_not_depend_on_how_much_is_drawn_at_once(monkeypatch) -> None:
    values = [0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9]
    at_once = estimate_mean(values, **HOW)
    for block in (1, 7 * 33):
        monkeypatch.setattr("ragtuned_kedro.evaluation.intervals._BLOCK", block)
        assert estimate_mean(values, **HOW) == at_once


def test_ten_zeros_are_not_certainty() -> None:
    estimate = estimate_mean([0.0] * 10, **HOW)
    assert estimate.method == "wilson"
    # Wilson's upper end for 0 of 10 at 95 %: z² / (n + z²).
    assert estimate.high == pytest.approx(1.96**2 / (10 + 1.96**2), abs=1e-3)
    assert estimate_share(5, 10, confidence=0.95).low == pytest.approx(0.2366, abs=1e-4)


def test_pairing_makes_a_constant_gain_certain() -> None:
    estimate = estimate_difference([0.6, 0.1, 0.9], [0.5, 0.0, 0.8], **HOW)
    assert (estimate.low, estimate.high) == (pytest.approx(0.1), pytest.approx(0.1))


def _scorecard(questions: list[tuple[str, int, float, float]], *, failed: bool = False):
    """Questions as (scope, n_evidence, base score, tuned score)."""
    queries, answers, scores = [], [], []
    for place, (scope, n_evidence, *values) in enumerate(questions):
        query_id = f"equery-{place}"
        queries.append(
            {
                "query_id": query_id,
                "scope": scope,
                "persona": None,
                "task": None,
                "text": query_id,
                "reference": None,
                "n_evidence": n_evidence,
                "call_id": None,
            }
        )
        for system, value in zip(("base_model", "rag_tuned"), values, strict=True):
            key = {"query_id": query_id, "system": system, "sample": 0}
            answers.append(
                {
                    **key,
                    "text": "",
                    "finish_reason": "error" if failed and place == 0 else "stop",
                    "n_prompt_tokens": 1,
                    "n_completion_tokens": 10,
                    "first_token_seconds": None,
                    "seconds": 0.5,
                    "peak_memory_bytes": 0,
                    "error": None,
                }
            )
            scores.append(
                {
                    **key,
                    "scope": scope,
                    "n_assertions": 1,
                    "n_held": 0,
                    "is_abstention": scope == "unanswerable" and value == 1,
                    "score": value,
                }
            )
    return build_scorecard(
        frame_of(EvaluationQueries, queries),
        frame_of(Answers, answers),
        frame_of(QueryScores, scores),
        **SYSTEMS,
        **HOW,
    )


def _value(metrics: pd.DataFrame, system: str, metric: str, scope: str, criterion=None) -> float:
    rows = metrics[
        (metrics["system"] == system)
        & (metrics["metric"] == metric)
        & (metrics["scope"] == scope)
        & (metrics["criterion"].isna() if criterion is None else metrics["criterion"] == criterion)
    ]
    return float(rows["value"].iloc[0])


def test_recall_is_told_by_scope_and_by_how_often_a_fact_occurs() -> None:
    metrics = _scorecard(
        [("local", 1, 0, 1), ("local", 2, 0, 0), ("global", 5, 0, 0.5), ("unanswerable", 0, 0, 1)]
    )
    assert _value(metrics, "rag_tuned", "recall", "local") == 0.5
    assert _value(metrics, "rag_tuned", "recall", "answerable") == 0.5
    assert _value(metrics, "rag_tuned", "recall", "answerable", "1 document") == 1
    assert _value(metrics, "rag_tuned", "recall", "answerable", "3+ documents") == 0.5
    assert _value(metrics, "base_model", "false_answer_rate", "unanswerable") == 1
    assert _value(metrics, "rag_tuned", "false_answer_rate", "unanswerable") == 0
    assert _value(metrics, "rag_tuned", "recall_gain", "local") == 0.5
    assert "linked" not in set(metrics["scope"].dropna())


def test_failed_answers_are_counted_as_missing() -> None:
    metrics = _scorecard([("local", 1, 0, 0), ("local", 1, 0, 1)], failed=True)
    recall = metrics[(metrics["metric"] == "recall") & (metrics["scope"] == "local")]
    assert recall["n"].tolist() == [2, 2]
    assert recall["n_missing"].tolist() == [1, 1]


def test_zero_questions_give_an_empty_scorecard_that_everything_survives() -> None:
    metrics = _scorecard([])
    assert metrics.empty
    assert flatten_metrics(metrics) == {}
    assert local_recall(metrics, "rag_tuned") is None
    assert plot_scorecard(metrics, **SYSTEMS).layout.annotations


def test_metric_names_are_unique_and_suit_a_tracker() -> None:
    metrics = _scorecard([("local", 4, 0, 1), ("unanswerable", 0, 0, 1)])
    names = flatten_metrics(metrics)
    assert len(names) == len(metrics)
    assert "rag_tuned/recall/answerable/3_or_more_documents" in names
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_/") for name in names)


@pytest.mark.parametrize(
    ("challenger", "champion", "base", "min_gain", "wins"),
    [
        (0.6, 0.5, 0.0, 0.0, True),
        (0.6, 0.5, 0.0, 0.1, True),
        (0.6, 0.5, 0.0, 0.2, False),
        (0.5, 0.5, 0.0, 0.0, False),
        (0.1, None, 0.0, 0.0, True),
        (0.1, None, 0.2, 0.0, False),
        (None, 0.5, None, 0.0, False),
        (None, None, None, 0.0, False),
    ],
)
def test_only_a_win_makes_a_champion(challenger, champion, base, min_gain, wins) -> None:
    decision = decide_promotion(challenger, champion=champion, base=base, min_gain=min_gain)
    assert decision.promote is wins
