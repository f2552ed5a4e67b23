"""When a newly tuned adapter becomes the one to use."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, and why, in words."""

    promote: bool
    reason: str


def local_recall(metrics: pd.DataFrame, system: str) -> float | None:
    """Look up a system's recall on local questions; null where none was asked."""
    found = metrics[
        (metrics["metric"] == "recall")
        & (metrics["system"] == system)
        & (metrics["scope"] == "local")
        & metrics["criterion"].isna()
    ]
    return None if found.empty else float(found["value"].iloc[0])


def decide_promotion(
    challenger: float | None,
    *,
    champion: float | None,
    base: float | None,
    min_gain: float,
) -> Decision:
    """Compare local recalls; the challenger wins by beating its rival by `min_gain` or more.

    The rival is the champion, or the base model where there is no champion yet. A tie is no win,
    even with a `min_gain` of 0. Without local questions nothing changes.
    """
    rival = base if champion is None else champion
    if challenger is None or rival is None:
        return Decision(False, "No local questions were asked, so the champion stays as it is.")
    gain = challenger - rival
    # Recalls are means over questions; a billionth is rounding, not a question.
    won = gain > 1e-9 and gain >= min_gain - 1e-9
    whose = "the base model's" if champion is None else "the champion's"
    margin = f" by {min_gain:.1%} or more" if min_gain else ""
    return Decision(
        won,
        f"Local recall {challenger:.1%} {'beats' if won else 'does not beat'} {whose} "
        f"{rival:.1%}{margin}.",
    )
