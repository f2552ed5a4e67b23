"""A sample of the evaluation questions in which every scope keeps its share."""

import math

import pandas as pd

from ragtuned_kedro.schemas.ids import seeded_order


def sample_queries(queries: pd.DataFrame, *, n_questions: int | None, seed: int) -> pd.DataFrame:
    """Choose about `n_questions` EvaluationQueries, in their order; null chooses all of them.

    Each scope gives its share, rounded up, so that no scope is left out. A query is drawn by its
    id: a new question changes little of the sample, and the same seed gives the same one.
    """
    if n_questions is None or n_questions >= len(queries):
        return queries
    share = n_questions / len(queries)
    chosen: set[str] = set()
    for _, ids in queries.groupby("scope")["query_id"]:
        # Rounding first: 0.15 * 20 is a little more than 3.
        n_here = math.ceil(round(share * len(ids), 6))
        chosen.update(seeded_order(ids, seed=seed)[:n_here])
    return queries[queries["query_id"].isin(chosen)].reset_index(drop=True)
