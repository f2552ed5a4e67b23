"""What will be embedded: counted where it is known, a range where it is not."""

from pathlib import Path

import pytest
import yaml

from ragtuned_kedro.language_models.estimate import CallPlan
from ragtuned_kedro.reporting.embedding_plan import plan_embedding
from ragtuned_kedro.schemas.teaching_parameters import EstimateParams

ROOT = Path(__file__).parents[2]
ASSUMED = EstimateParams(
    **yaml.safe_load((ROOT / "conf/base/parameters_teaching.yml").read_text())["estimate"]
)


def plan(known: list[str], *, n_chunks: int = 0, n_generated: int = 0, n_answers: int = 0):  # type: ignore[no-untyped-def]
    return plan_embedding(
        known,
        n_chunks,
        lambda text: len(text.split()),
        n_generated=n_generated,
        n_answers=n_answers,
        report_tokens=300,
        max_findings=8,
        answer_tokens=80,
        assumed=ASSUMED,
    )


def n_tokens(one: CallPlan, end: int) -> float:
    return one.n_calls[end] * one.prompt_tokens[end]


def test_known_texts_are_counted_and_equal_ones_once():
    one = plan(["a boat", "the ferry came", "a boat"])
    assert one.n_calls == (2, 2)
    assert n_tokens(one, 0) == n_tokens(one, 1) == pytest.approx(5)
    assert one.room == 0


def test_what_is_not_known_yet_only_widens_the_range():
    known = plan(["a boat"])
    for more in ({"n_chunks": 10}, {"n_generated": 5}, {"n_answers": 50}):
        wider = plan(["a boat"], **more)
        assert known.n_calls[0] <= wider.n_calls[0] <= wider.n_calls[1]
        assert wider.n_calls[1] > known.n_calls[1]
        assert n_tokens(known, 0) <= n_tokens(wider, 0) <= n_tokens(wider, 1)


def test_the_demos_own_counts_lie_within_the_range():
    """44 chunks gave 416 entities, 59 reports at one level, 404 findings at both."""
    n_sentences, n_texts = 227, 44 + 2 * 227
    one = plan([str(at) for at in range(n_texts)], n_chunks=44, n_generated=30, n_answers=860)
    fewest, most = n_texts + 416 + 59 + 1, n_texts + 416 + 59 + 404 + 50 + 860
    assert one.n_calls[0] <= fewest < most <= one.n_calls[1]
    assert n_sentences < one.n_calls[0]
