"""Intervals and tests of the comparison on scipy.stats; every degenerate sample has a named result, never NaN."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.floors import floors

Float64 = NDArray[np.float64]
Method = Literal["BCa", "percentile", "Wilson", "all values equal", "one value", "no values"]
Statistic = Literal["median", "mean", "iqm"]

LEVEL = 0.95
RESAMPLES = 9999


def _iqm(values: Any, axis: int = -1) -> Any:
    return stats.trim_mean(values, 0.25, axis=axis)


#: median; mean; interquartile mean, the mean of the middle half (Agarwal et al. 2021, sec. 4).
STATISTICS: dict[Statistic, Callable[..., Any]] = {"median": np.median, "mean": np.mean, "iqm": _iqm}


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and how that was found; all None where there were no values."""

    estimate: float | None
    low: float | None
    high: float | None
    method: Method


def bootstrap_interval(
    values: Sequence[float] | Float64, statistic: Statistic = "median", *, rng_seed: int = 0
) -> Interval:
    """Bootstrap interval of a statistic of independent values (BCa: Efron 1987, eq. 2.3).

    Percentile where BCa is undefined; the point itself where all values are equal or there is only one.
    The same values give the same interval: the resampling is seeded with ``rng_seed``.
    """
    # Sorted, so that the order of the rows does not decide what the seeded resampling draws.
    sample = np.sort(np.asarray(values, dtype=np.float64))
    if sample.size == 0:
        return Interval(None, None, None, "no values")
    function = STATISTICS[statistic]
    estimate = float(function(sample, axis=-1))
    if sample.size == 1 or float(np.ptp(sample)) == 0.0:
        return Interval(estimate, estimate, estimate, "one value" if sample.size == 1 else "all values equal")
    for method in ("BCa", "percentile"):
        low, high = _resampled(sample, function, method, rng_seed)
        if math.isfinite(low) and math.isfinite(high):
            return Interval(estimate, low, high, "BCa" if method == "BCa" else "percentile")
    raise AssertionError("a percentile interval of finite values is finite")


def _resampled(sample: Float64, function: Callable[..., Any], method: Any, rng_seed: int) -> tuple[float, float]:
    with warnings.catch_warnings():
        # BCa warns where the jackknife does not vary; its NaN is what the caller looks at.
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            (sample,), function, vectorized=True, axis=-1, n_resamples=RESAMPLES, confidence_level=LEVEL, method=method,
            rng=np.random.default_rng(rng_seed),
        )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def success_interval(successes: int, of: int) -> Interval:
    """Share of successes with its score interval (Wilson 1927): within [0, 1], and not a point at 0 or 1."""
    if of == 0:
        return Interval(None, None, None, "no values")
    found = stats.binomtest(successes, of).proportion_ci(LEVEL, method="wilson")
    return Interval(successes / of, float(found.low), float(found.high), "Wilson")


def signed_rank(differences: Sequence[float] | Float64) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that paired differences lie symmetrically about 0.

    Zero differences (two members that both diverged) are ranked and then dropped (Pratt 1959). 1 where all
    differences are 0, or there is but one pair, or none: nothing speaks against symmetry.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if sample.size < 2 or not np.any(sample):
        return 1.0
    found = float(stats.wilcoxon(sample, zero_method="pratt").pvalue)
    return min(found, 1.0) if math.isfinite(found) else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the given order.

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_(j)) (Holm 1979).
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def noise_floor(draws: int) -> float:
    """Expected KS distance of a perfect generator judged by ``draws`` independent draws (``harness.floors``)."""
    return cast(float, floors(draws)["ks_mean"])


def stratified_floor(draws: int) -> float:
    """KS distance of a perfect generator judged on stratified noise: 1/(2n) (``harness.floors``)."""
    return cast(float, floors(draws)["ks_stratified"])
