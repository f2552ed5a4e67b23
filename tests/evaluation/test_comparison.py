import itertools
import posixpath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtuned_kedro.evaluation.comparison import build_comparison, flatten_comparison
from ragtuned_kedro.evaluation.overlap import measure_overlaps
from ragtuned_kedro.evaluation.running_costs import break_even, measure_running_costs
from ragtuned_kedro.evaluation.significance import holm, sign_test
from ragtuned_kedro.evaluation.verdicts import points_by_question, verdicts_from_scores
from ragtuned_kedro.schemas.answering_tables import Answers
from ragtuned_kedro.schemas.evaluation_tables import Assertions, EvaluationQueries, QueryScores
from ragtuned_kedro.schemas.tables import frame_of

SYSTEMS = ("base_model", "rag_tuned", "vanilla_rag")


def _query(query_id: str, scope: str = "local", reference: str | None = None) -> dict:
    return {
        "query_id": query_id,
        "scope": scope,
        "persona": None,
        "task": None,
        "text": f"What of {query_id}?",
        "reference": reference,
        "n_evidence": 1,
        "call_id": None,
    }


def _answer(query_id: str, system: str, text: str = "", *, failed: bool = False) -> dict:
    return {
        "query_id": query_id,
        "system": system,
        "sample": 0,
        "text": text,
        "finish_reason": "error" if failed else "stop",
        "n_prompt_tokens": 10,
        "n_completion_tokens": 5,
        "first_token_seconds": None if system == "base_model" else 0.25,
        "seconds": 1.0,
        "peak_memory_bytes": 0 if system == "base_model" else 2_000_000_000,
        "error": "boom" if failed else None,
    }


def _score(query_id: str, system: str, score: float, scope: str = "local") -> dict:
    return {
        "query_id": query_id,
        "system": system,
        "sample": 0,
        "scope": scope,
        "n_assertions": 4,
        "n_held": round(4 * score),
        "is_abstention": False,
        "score": score,
    }


def _compare(
    scores: dict[str, list[float | None]], *, failed: set[tuple[str, str]] = frozenset()
) -> pd.DataFrame:
    """Compare systems by their scores, question by question; null where one was not asked."""
    n = max(len(values) for values in scores.values())
    queries = [_query(f"equery-{place}") for place in range(n)]
    asked = [
        (f"equery-{place}", system, value)
        for system, values in scores.items()
        for place, value in enumerate(values)
        if value is not None
    ]
    scored = frame_of(QueryScores, [_score(*one) for one in asked])
    answers = frame_of(
        Answers, [_answer(key, name, failed=(key, name) in failed) for key, name, _ in asked]
    )
    frame = frame_of(EvaluationQueries, queries)
    return build_comparison(
        frame,
        answers,
        scored,
        measure_overlaps(frame, frame_of(Assertions, []), answers, embed=None),
        verdicts_from_scores(scored, systems=SYSTEMS),
        systems=SYSTEMS,
        query_set="evaluation_queries",
        n_bootstrap=200,
        confidence=0.95,
        seed=1,
    )


def _row(comparison: pd.DataFrame, metric: str, system: str, baseline: str | None = None, **named):
    rows = comparison[(comparison["metric"] == metric) & (comparison["system"] == system)]
    rows = rows[rows["baseline"].isna() if baseline is None else rows["baseline"] == baseline]
    for column, value in named.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_higher_share_of_assertions_wins_and_equal_shares_tie() -> None:
    scores = frame_of(
        QueryScores,
        [
            _score("equery-1", "base_model", 0.25),
            _score("equery-1", "rag_tuned", 0.75),
            _score("equery-2", "base_model", 0.1 + 0.2),
            _score("equery-2", "rag_tuned", 0.3),
            _score("equery-3", "rag_tuned", 1.0),
        ],
    )
    verdicts = verdicts_from_scores(scores, systems=SYSTEMS)
    assert dict(zip(verdicts["query_id"], verdicts["winner"], strict=True)) == {
        "equery-1": "baseline",
        "equery-2": "tie",
    }


def test_a_question_that_only_one_system_was_asked_decides_nothing() -> None:
    comparison = _compare({"base_model": [0, 0, 0, 0], "rag_tuned": [1, 1, None, None]})
    row = _row(comparison, "win_rate", "rag_tuned", "base_model", scope="local")
    assert (row["value"], row["n"]) == (1, 2)
    assert _row(comparison, "recall", "base_model", scope="local")["n"] == 2


def test_quality_is_over_what_all_answered_and_pairs_over_what_both_answered() -> None:
    comparison = _compare(
        {"base_model": [0, 0, 0, 0], "rag_tuned": [1, 1, 1, 0], "vanilla_rag": [1, None, None, 1]}
    )
    assert _row(comparison, "recall", "rag_tuned", scope="local")["value"] == 0.5
    assert _row(comparison, "win_rate", "rag_tuned", "base_model", scope="local")["n"] == 4
    assert _row(comparison, "win_rate", "rag_tuned", "vanilla_rag", scope="local")["n"] == 2


def test_a_system_that_was_not_run_takes_no_part_and_takes_nothing_from_the_others() -> None:
    comparison = _compare({"base_model": [0, 1], "rag_tuned": [1, 1]})
    assert set(comparison["system"]) == {"base_model", "rag_tuned"}
    assert set(comparison["n"]) == {2}


def test_failed_answers_and_unmeasured_costs_are_counted_beside_every_number() -> None:
    comparison = _compare(
        {"base_model": [0, 0, 1], "rag_tuned": [1, 1, 1]}, failed={("equery-0", "base_model")}
    )
    recall = _row(comparison, "recall", "base_model", scope="local")
    assert (recall["n"], recall["n_missing"]) == (3, 1)
    won = _row(comparison, "win_rate", "rag_tuned", "base_model", scope="local")
    assert (won["n"], won["n_missing"]) == (3, 1)
    timed = comparison[comparison["metric"] == "first_token_seconds"]
    assert set(timed["system"]) == {"rag_tuned"}
    assert _row(comparison, "peak_memory_bytes", "rag_tuned")["value"] == 2e9


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 2), min_size=1, max_size=20))
def test_what_one_system_wins_the_other_loses(pairs: list[tuple[float, float]]) -> None:
    comparison = _compare(
        {"base_model": [one for one, _ in pairs], "rag_tuned": [other for _, other in pairs]}
    )
    won = _row(comparison, "win_rate", "rag_tuned", "base_model", scope="local")
    lost = _row(comparison, "win_rate", "base_model", "rag_tuned", scope="local")
    assert won["value"] + lost["value"] == pytest.approx(1)
    assert won["p_holm"] == lost["p_holm"]


def test_ties_alone_prove_nothing_and_ten_wins_of_ten_do() -> None:
    assert sign_test([0.5] * 30) == 1
    assert sign_test([]) == 1
    # Both tails of a fair coin falling ten times on one side.
    assert sign_test([1.0] * 10) == pytest.approx(2 / 2**10)
    assert sign_test([1.0] * 10 + [0.5] * 90) == sign_test([1.0] * 10)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert all(after <= 1 for after in adjusted)
    for one, other in itertools.combinations(range(len(p_values)), 2):
        if p_values[one] < p_values[other]:
            assert adjusted[one] <= adjusted[other]


def test_the_least_of_three_p_values_is_tripled() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_more_pairs_make_the_same_difference_less_certain() -> None:
    two = {"base_model": [0.0] * 12, "rag_tuned": [1.0] * 12}
    alone = _row(_compare(two), "win_rate", "rag_tuned", "base_model", scope="local")
    among = _row(
        _compare(two | {"vanilla_rag": [0.5] * 12}),
        "win_rate",
        "rag_tuned",
        "base_model",
        scope="local",
    )
    assert among["p_holm"] == pytest.approx(3 * alone["p_holm"])


def test_trials_of_one_question_are_one_question() -> None:
    verdicts = pd.DataFrame(
        [
            {"query_id": "equery-1", "criterion": "x", "candidate": "a", "baseline": "b"}
            | {"trial": trial, "winner": winner, "seats_agree": True}
            for trial, winner in enumerate(["candidate", "tie"])
        ]
    )
    assert points_by_question(verdicts)["points"].tolist() == [0.75]


def test_a_tracker_gets_the_pairs_of_the_candidate_under_unique_names() -> None:
    comparison = _compare({"base_model": [0, 0], "rag_tuned": [1, 0], "vanilla_rag": [1, 1]})
    names = flatten_comparison(comparison, candidate="rag_tuned")
    pairs = [name for name in names if "against" in name]
    assert pairs
    assert all("/rag_tuned/" in name for name in pairs)
    kept = comparison[comparison["baseline"].isna() | (comparison["system"] == "rag_tuned")]
    assert len(names) == len(kept)


@pytest.mark.parametrize("model", ["/models/llama", "../llama", "a//b/", "./x:1", "m"])
def test_a_model_known_by_a_path_gets_names_that_a_tracker_takes(model: str) -> None:
    """MLflow refuses a name that reads as the path of another file."""
    row = {"query_set": "q", "system": model, "metric": "judge_error", "scope": None}
    table = pd.DataFrame([row | {"criterion": "planted", "baseline": None, "value": 1.0}])
    (name,) = flatten_comparison(table, candidate="rag_tuned")
    assert posixpath.normpath(name) == name
    assert name.startswith("comparison/q/")
    assert name.endswith("/judge_error/planted")


def test_nothing_answered_gives_an_empty_comparison() -> None:
    comparison = _compare({"base_model": []})
    assert comparison.empty
    costs = measure_running_costs(
        comparison, {}, query_set="evaluation_queries", candidate="rag_tuned"
    )
    assert costs.empty


def _overlap(reference: str | None, asserted: list[str], said: str, *, embed=None, failed=False):
    queries = frame_of(EvaluationQueries, [_query("equery-1", reference=reference)])
    assertions = frame_of(
        Assertions,
        [
            {"query_id": "equery-1", "position": place, "text": text, "aliases": None}
            for place, text in enumerate(asserted)
        ],
    )
    answers = frame_of(Answers, [_answer("equery-1", "rag_tuned", said, failed=failed)])
    return measure_overlaps(queries, assertions, answers, embed=embed).iloc[0]


def test_an_answer_that_is_the_reference_in_other_spelling_overlaps_wholly() -> None:
    row = _overlap(
        "She had thirty-one hives on 3 March.", [], "she had 31 hives on the 3rd of march"
    )
    assert (row["token_f1"], row["rouge_l"]) == (1, 1)
    assert row["reference_source"] == "reference"


def test_overlap_is_a_balance_of_what_is_said_and_what_should_be() -> None:
    row = _overlap("red green", [], "green red blue grey")
    # Two of four words are right and both wanted words are there: 2 · ½ · 1 / (½ + 1).
    assert row["token_f1"] == pytest.approx(2 / 3)
    # In order only one of them is: 2 · ¼ · ½ / (¼ + ½).
    assert row["rouge_l"] == pytest.approx(1 / 3)


def test_without_a_reference_the_assertions_are_it() -> None:
    row = _overlap(None, ["Marta Keel", "March"], "Marta Keel, March")
    assert (row["reference_source"], row["token_f1"]) == ("assertions", 1)


def test_where_nothing_is_to_be_said_nothing_is_measured() -> None:
    row = _overlap(None, [], "It was Marta.")
    assert pd.isna(row["reference_source"])
    assert pd.isna(row["token_f1"])


def test_a_failed_answer_overlaps_with_nothing() -> None:
    row = _overlap("Marta", [], "Marta", embed=_letters, failed=True)
    assert (row["token_f1"], row["rouge_l"], row["similarity"]) == (0, 0, 0)


def _letters(texts: list[str]) -> np.ndarray:
    counts = np.array([[text.lower().count(one) for one in "aemrt "] for text in texts], float)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def test_similarity_is_the_cosine_of_the_embeddings() -> None:
    assert _overlap("Marta", [], "marta", embed=_letters)["similarity"] == pytest.approx(1)
    assert _overlap("Marta", [], "xyz", embed=_letters)["similarity"] == 0
    assert pd.isna(_overlap("Marta", [], "marta")["similarity"])


def test_tuning_pays_off_once_cheaper_answers_have_made_up_for_it() -> None:
    assert break_even(100, 0.5) == 200
    assert break_even(100, 0) is None
    assert break_even(-5, 1) == 0
    comparison = _compare({"base_model": [0, 0], "rag_tuned": [1, 0], "vanilla_rag": [1, 1]})
    slow = comparison.assign(
        value=comparison["value"].where(
            (comparison["metric"] != "seconds") | (comparison["system"] != "vanilla_rag"), 3.0
        )
    )
    index = {"base_model": 0.0, "rag_tuned": 600.0, "vanilla_rag": 100.0}
    costs = measure_running_costs(
        slow, index, query_set="evaluation_queries", candidate="rag_tuned"
    ).set_index("system")
    # 500 seconds more before the first answer, two seconds less with each.
    assert costs.loc["vanilla_rag", "break_even_questions"] == 250
    assert pd.isna(costs.loc["base_model", "break_even_questions"])
    assert pd.isna(costs.loc["rag_tuned", "break_even_questions"])
