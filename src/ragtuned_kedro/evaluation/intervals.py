"""How sure a metric is: intervals for means and for shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

# Values that are drawn at once.
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` questions and its interval; no interval where one question says nothing."""

    value: float
    low: float | None
    high: float | None
    n: int
    method: Literal["bootstrap", "wilson", "none"]


def estimate_mean(
    values: Sequence[float], *, n_bootstrap: int, confidence: float, seed: int
) -> Estimate:
    """Estimate a mean by the percentile bootstrap over questions.

    Values that are all 0 or 1 form a share and get Wilson's interval instead: the bootstrap of
    ten zeros is [0, 0], which claims a certainty that ten questions cannot give.

    Raises:
        ValueError: If there is no value.
    """
    if not len(values):
        raise ValueError("a mean needs at least one value")
    if all(value in (0, 1) for value in values):
        return estimate_share(int(sum(values)), len(values), confidence=confidence)
    return _bootstrap(values, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)


def estimate_difference(
    candidate: Sequence[float],
    baseline: Sequence[float],
    *,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> Estimate:
    """Estimate the mean of candidate - baseline; both hold the same questions in the same order.

    Pairing is what makes small differences visible: a question that is hard for one system is
    hard for the other too, and that shared difficulty cancels.

    Raises:
        ValueError: If the two differ in length or are empty.
    """
    if len(candidate) != len(baseline) or not len(candidate):
        raise ValueError(
            f"{len(candidate)} and {len(baseline)} values cannot be paired: "
            "both systems need the same questions, at least one"
        )
    gains = [one - other for one, other in zip(candidate, baseline, strict=True)]
    return _bootstrap(gains, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)


def estimate_share(n_hits: int, n: int, *, confidence: float) -> Estimate:
    """Estimate a share by Wilson's score interval (Wilson 1927), sound for few or no hits."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = n_hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # At no hits (or all) one end is exactly 0 (or 1); rounding must not push it past the value.
    low = min(max(centre - reach, 0.0), share)
    high = max(min(centre + reach, 1.0), share)
    return Estimate(share, low, high, n, "wilson")


def _bootstrap(
    values: Sequence[float], *, n_bootstrap: int, confidence: float, seed: int
) -> Estimate:
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean())
    if len(data) == 1:
        return Estimate(mean, None, None, 1, "none")
    generator = np.random.default_rng(seed)
    # A block at a time keeps memory at some megabytes however many questions there are.
    block = max(1, _BLOCK // len(data))
    sizes = [min(block, n_bootstrap - done) for done in range(0, n_bootstrap, block)]
    drawn = [data[generator.integers(0, len(data), (size, len(data)))].mean(1) for size in sizes]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    # A skewed sample can place both quantiles on one side; the interval always holds its value.
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(data), "bootstrap")
