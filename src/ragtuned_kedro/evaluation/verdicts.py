"""Which of two systems answered better, question by question, without a judge."""

import itertools
from collections.abc import Iterator, Sequence

import pandas as pd

from ragtuned_kedro.schemas.evaluation_tables import Verdicts
from ragtuned_kedro.schemas.tables import frame_of

# The criterion of verdicts that follow from QueryScores.
ASSERTION_RECALL = "assertion_recall"
# Scores are means of shares; closer than this is rounding and not a better answer.
_SAME = 1e-9
# What a question is worth to the candidate.
POINTS = {"candidate": 1.0, "tie": 0.5, "baseline": 0.0}


def verdicts_from_scores(scores: pd.DataFrame, *, systems: Sequence[str]) -> pd.DataFrame:
    """Compare every pair of `systems` on the questions that both were asked, as Verdicts.

    The higher share of assertions that hold wins; equal shares are a tie. On an unanswerable
    question the system that says that it does not know wins. Each pair stands there once, with
    the earlier system of the list as candidate; samples of one question are averaged first.
    """
    means = scores.groupby(["system", "query_id"])["score"].mean()
    by_system = {system: means[system].to_dict() for system in systems if system in means}
    rows = [
        {
            "query_id": query_id,
            "criterion": ASSERTION_RECALL,
            "candidate": candidate,
            "baseline": baseline,
            "trial": 0,
            "winner": _winner(by_system[candidate][query_id] - by_system[baseline][query_id]),
            "seats_agree": True,
        }
        for candidate, baseline in itertools.combinations(by_system, 2)
        for query_id in sorted(set(by_system[candidate]) & set(by_system[baseline]))
    ]
    return frame_of(Verdicts, rows)


def points_by_question(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Count what each question gives the candidate: 1 for a win, half for a tie, 0 for a loss.

    Trials of one question are averaged, because the question is the unit of every interval.
    """
    keys = ["criterion", "candidate", "baseline", "query_id"]
    pointed = verdicts.assign(points=verdicts["winner"].map(POINTS).astype(float))
    return pointed.groupby(keys, sort=True)["points"].mean().reset_index()


def both_ways(points: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.Series]]:
    """Yield (criterion, candidate, baseline, points by query_id) for each pair in both orders."""
    for (criterion, candidate, baseline), rows in points.groupby(
        ["criterion", "candidate", "baseline"], sort=False
    ):
        won = rows.set_index("query_id")["points"]
        yield str(criterion), str(candidate), str(baseline), won
        yield str(criterion), str(baseline), str(candidate), 1 - won


def _winner(difference: float) -> str:
    if abs(difference) < _SAME:
        return "tie"
    return "candidate" if difference > 0 else "baseline"
