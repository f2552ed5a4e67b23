import pandas as pd

from ragtuned_kedro.evaluation.sample import sample_queries

QUERIES = pd.DataFrame(
    {
        "query_id": [f"equery-{at:02d}" for at in range(20)],
        "scope": ["local"] * 15 + ["global"] * 4 + ["unanswerable"],
    }
)


def test_every_scope_keeps_its_share_and_none_is_left_out():
    sample = sample_queries(QUERIES, n_questions=8, seed=1)
    assert sample["scope"].value_counts().to_dict() == {"local": 6, "global": 2, "unanswerable": 1}


def test_the_same_seed_gives_the_same_sample_in_the_order_of_the_queries():
    sample = sample_queries(QUERIES, n_questions=8, seed=1)
    assert sample.equals(sample_queries(QUERIES.copy(), n_questions=8, seed=1))
    assert sample["query_id"].is_monotonic_increasing


def test_null_and_more_than_there_are_ask_everything():
    assert sample_queries(QUERIES, n_questions=None, seed=1).equals(QUERIES)
    assert sample_queries(QUERIES, n_questions=99, seed=1).equals(QUERIES)
    assert sample_queries(QUERIES.head(0), n_questions=5, seed=1).empty
