"""Estimates are ranges that hold, and every document that was sent is listed."""

import pandas as pd
import pytest

from ragtuned_kedro.language_models.estimate import CallPlan, plan_counted, price_plan
from ragtuned_kedro.reporting.spending import compare_spending, disclose
from ragtuned_kedro.schemas.call_tables import CallEstimates, ModelCalls, Sendings
from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from ragtuned_kedro.schemas.tables import frame_of

SPENDING = SpendingParams(
    currency="EUR",
    prompt_price=2.0,
    completion_price=10.0,
    max_calls=None,
    max_tokens=None,
    max_money=None,
)
SPREAD = {"token_spread": (1.0, 2.0), "reply_share": (0.5, 1.0), "unusable_share": (0.0, 1.0)}


def call(n: int, key: str, *, stage: str = "s", outcome: str = "valid") -> dict:
    return {
        "call_id": f"call-{n}",
        "stage": stage,
        "key": key,
        "model_id": "m",
        "endpoint": "http://10.0.0.1/v1",
        "request_sha": f"sha-{n}",
        "attempt": 0,
        "outcome": outcome,
        "text": "t" if outcome == "valid" else None,
        "n_prompt_tokens": 1000,
        "n_completion_tokens": 100,
        "seconds": 0.1,
        "error": None,
    }


def test_a_counted_plan_prices_its_own_prompts():
    row = price_plan(plan_counted("s", [100, 300], 50), SPENDING, **SPREAD)
    assert (row["basis"], row["calls_low"], row["calls_high"]) == ("counted", 2, 4)
    assert (row["prompt_tokens_low"], row["prompt_tokens_high"]) == (400, 1600)
    assert (row["completion_tokens_low"], row["completion_tokens_high"]) == (50, 200)
    assert row["money_low"] == pytest.approx((400 * 2 + 50 * 10) / 1e6)


def test_estimate_and_actual_stand_side_by_side_and_the_unforeseen_is_listed_too():
    plan = CallPlan("s", (1, 3), (10, 10), 10, is_counted=False)
    row = price_plan(plan, SPENDING, **SPREAD) | {"model_id": "m", "endpoint": "e"}
    calls = [call(1, "a"), call(2, "b", outcome="invalid"), call(3, "c", stage="other")]
    compared = compare_spending(
        [(frame_of(ModelCalls, calls), SPENDING)], frame_of(CallEstimates, [row])
    ).set_index("stage")
    assert compared.loc["s", ["n_calls", "n_unusable"]].tolist() == [2, 1]
    assert compared.loc["s", "money"] == pytest.approx(2 * (2000 + 1000) / 1e6)
    assert compared.loc["s", "calls_high"] == 6
    assert compared.loc["s", "prompt_tokens_high"] == row["prompt_tokens_high"]
    assert pd.isna(compared.loc["other", "calls_high"])


def test_every_model_is_paid_at_its_own_price():
    dear = SPENDING.model_copy(update={"prompt_price": 20.0, "completion_price": 100.0})
    paid = [
        (frame_of(ModelCalls, [call(1, "a")]), SPENDING),
        (frame_of(ModelCalls, [call(2, "b", stage="judge")]), dear),
    ]
    compared = compare_spending(paid, frame_of(CallEstimates, [])).set_index("stage")
    assert compared.loc["judge", "money"] == pytest.approx(10 * compared.loc["s", "money"])


def test_where_no_model_is_asked_both_tables_are_empty():
    none = frame_of(ModelCalls, [])
    assert compare_spending([(none, SPENDING)], frame_of(CallEstimates, [])).empty
    chunks = pd.DataFrame({"chunk_id": ["chunk-1"], "doc_id": ["doc-1"]})
    documents = pd.DataFrame({"doc_id": ["doc-1"], "source_uri": ["1.md"]})
    assert disclose([none], documents, chunks, {}).empty


def test_what_an_answer_may_repeat_is_listed_apart_from_what_was_shown():
    chunks = pd.DataFrame({"chunk_id": ["chunk-1", "chunk-2"], "doc_id": ["doc-1", "doc-2"]})
    documents = pd.DataFrame({"doc_id": ["doc-1", "doc-2"], "source_uri": ["1.md", "2.md"]})
    calls = [
        call(1, "query-1|rag_tuned|base_model|first|0", stage="judge"),
        call(2, "query-2|rag_tuned|base_model|first|0", stage="judge"),
    ]
    listed = disclose(
        [frame_of(ModelCalls, calls)],
        documents,
        chunks,
        {"query-1": ["doc-1"]},
        reciting_stages={"judge"},
    ).set_index("source_uri")
    assert listed["n_calls"].to_dict() == {"1.md": 1, "2.md": 0}
    assert listed["n_possible_calls"].to_dict() == {"1.md": 1, "2.md": 2}


def test_every_document_behind_a_call_is_listed_even_where_the_call_failed():
    chunks = pd.DataFrame({"chunk_id": ["chunk-1", "chunk-2"], "doc_id": ["doc-1", "doc-2"]})
    documents = pd.DataFrame({"doc_id": ["doc-1", "doc-2"], "source_uri": ["1.md", "2.md"]})
    calls = [
        call(1, "chunk-1", stage="read", outcome="invalid"),
        call(2, "local ent-1 chunk-2", stage="ask"),
        call(3, "ent-1", stage="describe"),
        call(4, "who knows", stage="strange"),
    ]
    listed = disclose(
        [frame_of(ModelCalls, calls)], documents, chunks, {"ent-1": ["doc-1", "doc-2"]}
    )
    told = listed.groupby("stage")["source_uri"].agg(list).to_dict()
    assert told == {
        "read": ["1.md"],
        "ask": ["2.md"],
        "describe": ["1.md", "2.md"],
        "strange": ["1.md", "2.md"],
    }
    assert not listed["is_loopback"].any()
    is_strange = listed["stage"] == "strange"
    assert (listed["n_calls"] == 0).tolist() == is_strange.tolist()
    assert (listed["n_possible_calls"] == 1).tolist() == is_strange.tolist()


def test_what_was_sent_is_listed_once_whether_or_not_an_answer_came():
    chunks = pd.DataFrame({"chunk_id": ["chunk-1", "chunk-2"], "doc_id": ["doc-1", "doc-2"]})
    documents = pd.DataFrame({"doc_id": ["doc-1", "doc-2"], "source_uri": ["1.md", "2.md"]})
    answered = call(1, "chunk-1")
    columns = list(Sendings.to_schema().columns)
    sent = [{name: row[name] for name in columns} for row in (answered, call(2, "chunk-2"))]
    listed = disclose(
        [frame_of(Sendings, sent), frame_of(ModelCalls, [answered])], documents, chunks, {}
    )
    assert listed.set_index("source_uri")["n_calls"].to_dict() == {"1.md": 1, "2.md": 1}
    assert listed["n_possible_calls"].tolist() == [0, 0]
