"""Intervals and tests of the comparison, on scipy.stats. A degenerate sample has a named result, never NaN.

docs/statistics.md says how often the intervals hold the truth; tests/analysis/test_calibration.py holds it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.metrics.noise_floor import floors

Float64 = NDArray[np.float64]
Method = Literal[
    "order statistics", "range", "BCa", "percentile", "score", "all values equal", "one value", "no values"
]
Statistic = Literal["median", "mean", "iqm"]

LEVEL = 0.95
RESAMPLES = 9999


def _iqm(values: Any, axis: int = -1) -> Any:
    return stats.trim_mean(values, 0.25, axis=axis)


#: median; mean; interquartile mean, the mean of the middle half (Agarwal et al. 2021, sec. 4).
STATISTICS: dict[Statistic, Callable[..., Any]] = {"median": np.median, "mean": np.mean, "iqm": _iqm}


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and the method of that; all None where there were no values."""

    estimate: float | None
    low: float | None
    high: float | None
    method: Method


def interval_of(values: Sequence[float] | Float64, statistic: Statistic = "median", *, rng_seed: int = 0) -> Interval:
    """A statistic of independent values with its interval.

    The median's is ``median_interval``, the others' a bootstrap. The point itself where all values are equal or there
    is only one. The same values give the same interval: the resampling is seeded with ``rng_seed``.
    """
    # Sorted, so that the order of the rows does not decide what the seeded resampling draws.
    sample = np.sort(np.asarray(values, dtype=np.float64))
    if sample.size == 0:
        return Interval(None, None, None, "no values")
    estimate = float(STATISTICS[statistic](sample, axis=-1))
    if sample.size == 1 or float(np.ptp(sample)) == 0.0:
        return Interval(estimate, estimate, estimate, "one value" if sample.size == 1 else "all values equal")
    if statistic == "median":
        return median_interval(sample)
    return _bootstrap(sample, estimate, STATISTICS[statistic], rng_seed)


def median_interval(sample: Float64) -> Interval:
    """Interval of the median from the order statistics of at least two values (Hettmansperger and Sheather 1986).

    [x_(k), x_(n-k+1)] holds the median with probability g_k = 1 - 2 P(Binomial(n, 1/2) < k), whatever the continuous
    law (the sign test, inverted). Between the last k with g_k >= 0.95 and the next, the ends lie at the share lambda =
    (n - k) I / (k + (n - 2k) I), I = (g_k - 0.95)/(g_k - g_(k+1)), of the way in: near 95 % where g_k alone jumps. With
    under six values no k reaches 95 %: their range, which holds the median with probability 1 - 2^(1-n), 94 % at 5.
    """
    x, n = np.sort(sample), sample.size
    estimate = float(np.median(x))
    k = np.arange(1, n // 2 + 1)
    covers = 1 - 2 * stats.binom.cdf(k - 1, n, 0.5)
    if covers[0] < LEVEL:
        return Interval(estimate, float(x[0]), float(x[-1]), "range")
    last = int(np.flatnonzero(covers >= LEVEL)[-1])
    inward = covers[last + 1] if last + 1 < k.size else 0.0
    share = (covers[last] - LEVEL) / (covers[last] - inward)
    outer = last + 1  # k
    part = (n - outer) * share / (outer + (n - 2 * outer) * share)
    low = (1 - part) * x[outer - 1] + part * x[outer]
    high = (1 - part) * x[n - outer] + part * x[n - outer - 1]
    return Interval(estimate, float(low), float(high), "order statistics")


def _bootstrap(sample: Float64, estimate: float, function: Callable[..., Any], rng_seed: int) -> Interval:
    """Bootstrap interval by BCa (Efron 1987, eq. 2.3), percentile where that is undefined, at ``expanded_level``."""
    for method in ("BCa", "percentile"):
        low, high = _resampled(sample, function, method, rng_seed)
        if math.isfinite(low) and math.isfinite(high):
            return Interval(estimate, low, high, "BCa" if method == "BCa" else "percentile")
    raise AssertionError("a percentile interval of finite values is finite")


def expanded_level(n: int) -> float:
    """The level that a bootstrap of n values is asked for, so that it covers 95 %: 2 Phi(t sqrt(n/(n-1))) - 1.

    t is Student's 97.5 % quantile with n - 1 degrees of freedom. Resamples spread by sqrt((n-1)/n) too little, and
    their quantiles are normal ones where Student's are due (Hesterberg 2015, sec. 4.3: the expanded percentile
    interval). 0.962 at n = 32, 0.988 at 8.
    """
    return float(2 * stats.norm.cdf(stats.t.ppf((1 + LEVEL) / 2, n - 1) * math.sqrt(n / (n - 1))) - 1)


def _resampled(sample: Float64, function: Callable[..., Any], method: Any, rng_seed: int) -> tuple[float, float]:
    with warnings.catch_warnings():
        # BCa warns where the jackknife does not vary; the caller looks for its NaN.
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            (sample,), function, vectorized=True, axis=-1, n_resamples=RESAMPLES, method=method,
            confidence_level=expanded_level(sample.size), rng=np.random.default_rng(rng_seed),
        )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def success_interval(successes: int, of: int) -> Interval:
    """Share of successes with its score interval (Wilson 1927): within [0, 1], and not a point at 0 or 1."""
    if of == 0:
        return Interval(None, None, None, "no values")
    interval = stats.binomtest(successes, of).proportion_ci(LEVEL, method="wilson")
    return Interval(successes / of, float(interval.low), float(interval.high), "score")


def probability_of_improvement(arm: Float64, other: Float64) -> tuple[float, float, float]:
    """P(X < Y) + P(X = Y)/2 for a fresh seed of each, with its 95 % interval: estimate, low, high.

    ``arm`` and ``other`` (S,) are scores of the same S seeds, NaN where a seed is missing. The estimate is the mean
    over all n m pairs of seeds, Mann and Whitney's U/(n m) (Agarwal et al. 2021, sec. 4.3, one task). Its variance is
    that of its projections, a_i of the arm's i-th score and b_j of the other's j-th (DeLong et al. 1988), added up seed
    by seed, so that the effect of a seed on both arms counts:

        v = S/(S - 1) * sum over seeds of ((a_s - e)/n + (b_s - e)/m)^2.

    The interval is Wilson's for a share e of e(1 - e)/v trials, with Student's quantile of min(n, m) - 1 degrees of
    freedom. It lies within [0, 1]. Where the arms do not overlap, min(n, m) trials are counted, so it is no point.
    """
    x, y = arm[~np.isnan(arm)], other[~np.isnan(other)]
    n, m = x.size, y.size
    if not n or not m:
        return math.nan, math.nan, math.nan
    nearer = np.where(x[:, None] < y[None, :], 1.0, np.where(x[:, None] == y[None, :], 0.5, 0.0))
    e = float(nearer.mean())
    if min(n, m) < 2:
        return e, math.nan, math.nan
    by_seed = np.zeros(arm.size)
    by_seed[~np.isnan(arm)] += (nearer.mean(axis=1) - e) / n
    by_seed[~np.isnan(other)] += (nearer.mean(axis=0) - e) / m
    seeds = int((~(np.isnan(arm) & np.isnan(other))).sum())
    variance = seeds / (seeds - 1) * float(np.square(by_seed).sum())
    trials = e * (1 - e) / variance if variance > 0 and 0 < e < 1 else float(min(n, m))
    # Beyond four times the seeds the variance is small by chance: few seeds measured it.
    trials = min(max(trials, 1.0), 4.0 * min(n, m))
    z = float(stats.t.ppf((1 + LEVEL) / 2, min(n, m) - 1))
    centre = (e + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(e * (1 - e) / trials + z * z / (4 * trials * trials))
    return e, max(0.0, centre - half), min(1.0, centre + half)


def signed_rank(differences: Sequence[float] | Float64) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that paired differences lie symmetrically about 0.

    Zero differences (two members that both diverged) are ranked and then dropped (Pratt 1959). 1 where all
    differences are 0, or there is but one pair, or none: nothing speaks against symmetry.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if sample.size < 2 or not np.any(sample):
        return 1.0
    p = float(stats.wilcoxon(sample, zero_method="pratt").pvalue)
    return min(p, 1.0) if math.isfinite(p) else 1.0


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
    """Expected KS distance of a perfect generator on ``draws`` independent draws (``harness.metrics.noise_floor``)."""
    return cast(float, floors(draws)["ks_mean"])


def stratified_floor(draws: int) -> float:
    """KS distance of a perfect generator judged on stratified noise: 1/(2n) (``harness.metrics.noise_floor``)."""
    return cast(float, floors(draws)["ks_stratified"])
