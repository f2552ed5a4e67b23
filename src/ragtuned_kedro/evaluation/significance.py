"""Whether a difference between two systems can be chance."""

from collections.abc import Sequence


def sign_test(points: Sequence[float]) -> float:
    """Give the two-sided p-value that a question is as likely won as lost.

    `points` are above a half where the candidate won, below where it lost; ties decide nothing
    and are left out. Without a decided question nothing speaks against chance: 1.
    """
    from scipy.stats import binomtest

    n_won = sum(one > 0.5 for one in points)
    n_lost = sum(one < 0.5 for one in points)
    return float(binomtest(n_won, n_won + n_lost).pvalue) if n_won + n_lost else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of one family by Holm's step-down method (Holm 1979), in their order.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none falls below one before
    it, and none passes 1.
    """
    n_left = len(p_values)
    adjusted = [0.0] * n_left
    highest = 0.0
    for place in sorted(range(n_left), key=p_values.__getitem__):
        highest = max(highest, p_values[place] * n_left)
        adjusted[place] = min(highest, 1.0)
        n_left -= 1
    return adjusted
