"""What a judge's verdicts come to, beside how far the judge is to be trusted."""

from collections.abc import Sequence

import pandas as pd

from ragtuned_kedro.evaluation.duels import Duel, Plan
from ragtuned_kedro.evaluation.metric_rows import ANSWERABLE, ANSWERABLE_SCOPES, MetricRows
from ragtuned_kedro.evaluation.win_rates import add_win_rates
from ragtuned_kedro.schemas.evaluation_tables import JudgeChecks, Metrics
from ragtuned_kedro.schemas.judge_replies import CRITERIA
from ragtuned_kedro.schemas.tables import frame_of

# What may come out of each check, and by which criteria it is looked at: a wrong answer need not
# be less friendly.
_RIGHT = {
    "identical": (frozenset({"tie"}), tuple(CRITERIA)),
    "planted": (frozenset({"baseline"}), ("usefulness",)),
    "padded": (frozenset({"tie", "baseline"}), tuple(CRITERIA)),
}


def rate_checks(checks: Sequence[Duel], verdicts: pd.DataFrame, *, n_trials: int) -> pd.DataFrame:
    """Compare the judge's verdicts on `checks` with what is right, as JudgeChecks."""
    keys = ["query_id", "criterion", "candidate", "trial"]
    found = verdicts.set_index(keys)["winner"].to_dict()
    rows = []
    for duel in checks:
        right, criteria = _RIGHT[duel.candidate]
        for criterion in criteria:
            for trial in range(n_trials):
                winner = found.get((duel.query_id, criterion, duel.candidate, trial))
                rows.append(
                    {
                        "check": duel.candidate,
                        "query_id": duel.query_id,
                        "criterion": criterion,
                        "trial": trial,
                        "winner": winner,
                        "is_right": winner in right,
                    }
                )
    return frame_of(JudgeChecks, rows)


def build_judge_metrics(
    queries: pd.DataFrame,
    plan: Plan,
    verdicts: pd.DataFrame,
    checks: pd.DataFrame,
    *,
    judge: str,
    query_set: str,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Build the Metrics of a judgement; `n_missing` counts the questions without a verdict.

    win_rate: as in the comparison without a judge, by the judge's criteria. judge_error: the share
    of checks that the judge got wrong, by check; the question is the unit, and one on which it
    erred in any criterion or trial counts as wrong. seat_disagreement: the share of verdicts that
    are ties only because the two seats did not agree.
    """
    card = MetricRows(query_set, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)
    scope_of = dict(zip(queries["query_id"], queries["scope"], strict=True))
    planned = _planned(plan)

    def count_missing(candidate: str, baseline: str, scope: str, judged: set[str]) -> int:
        scopes = ANSWERABLE_SCOPES if scope == ANSWERABLE else (scope,)
        pair = planned.get(frozenset((candidate, baseline)), set())
        return len({key for key in pair if scope_of[key] in scopes} - judged)

    add_win_rates(card, verdicts, scope_of, n_missing=count_missing)
    _add_trust(card, verdicts, checks, judge)
    return frame_of(Metrics, card.rows)


def _planned(plan: Plan) -> dict[frozenset[str], set[str]]:
    keys = [(one.query_id, one.candidate, one.baseline) for one in plan.duels]
    keys += [tuple(key.split("|")) for key, _, _ in plan.refused]  # type: ignore[misc]
    planned: dict[frozenset[str], set[str]] = {}
    for query_id, candidate, baseline in keys:
        planned.setdefault(frozenset((candidate, baseline)), set()).add(query_id)
    return planned


def _add_trust(card: MetricRows, verdicts: pd.DataFrame, checks: pd.DataFrame, judge: str) -> None:
    for check, rows in checks.groupby("check", sort=True):
        by_question = rows.groupby("query_id").agg(
            error=("is_right", lambda right: float(not right.all())),
            is_missing=("winner", lambda winner: float(winner.isna().any())),
        )
        card.add(
            "judge_error", by_question, "error", judge, criterion=str(check), higher_is_better=False
        )
    torn = verdicts.groupby(["query_id", "baseline"])["seats_agree"].mean()
    frame = pd.DataFrame({"torn": 1.0 - torn.astype(float), "is_missing": 0.0})
    card.add("seat_disagreement", frame, "torn", judge, higher_is_better=False)
