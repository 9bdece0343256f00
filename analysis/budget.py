"""``python -m analysis.budget SWEEP [-o DIR]``: how good does an arm get when it may be tried k times?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from analysis.intervals import LEVEL

Float64 = NDArray[np.float64]
COLUMNS = ("arm", "trials", "expected", "low", "high", "in_order", "held_out")
RESAMPLES, _AT_ONCE = 400, 50
#: Draws of an arm's trials that all resamples take: from 5,000 trials on there are fewer, and 100 at least.
_DRAWS = 2_000_000


def budget_curves(trials: pd.DataFrame, points: int = 40, rng_seed: int = 0) -> pd.DataFrame:
    """Expected KS of the best of k trials, for up to ``points`` k in equal ratios, from ``Read.trials``.

    The best is chosen by the mean KS of half of a trial's seeds and judged by that of the other half, the two ways
    averaged: a trial that is chosen because its seeds were lucky is not rewarded for it. A trial with one seed is
    chosen and judged by it (``held_out`` is then false, and the curve too good). Columns: arm, trials (k); expected,
    the mean over all sets of k of the arm's trials (``chosen``); low and high, its 95 % bootstrap band over trials;
    in_order, what was in hand after the first k trials in the order in which they were searched. Sets of k are a fair
    budget where trials are drawn at random or by Sobol; a sampler that learns is told by in_order.
    """
    parts = []
    for arm, own in trials.groupby("arm", sort=False):
        ordered = own.sort_values("trial")
        first, second = (ordered[name].to_numpy(np.float64) for name in ("half_a", "half_b"))
        held = ~np.isnan(second)
        second = np.where(held, second, first)
        ranks = np.unique(np.geomspace(1, len(own), points).round().astype(np.intp))
        late = ordered["pruned"].to_numpy(bool)
        curves = [_curve(a, b, late, ranks, rng_seed) for a, b in ((first, second), (second, first))]
        expected, low, high, in_order = np.mean(curves, axis=0)
        parts.append(
            pd.DataFrame(
                {"arm": arm, "trials": ranks, "expected": expected, "low": low, "high": high, "in_order": in_order,
                 "held_out": bool(held.all())}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def chosen(count: int, sizes: NDArray[np.intp]) -> Float64:
    """Probability (sizes, count) that the i-th best of ``count`` trials is the best of k drawn without replacement.

    C(count - i, k - 1)/C(count, k): what Dodge et al. (2019) estimate with replacement, without its bias (Tang et al.
    2020, eq. 5).
    """
    behind, k = count - np.arange(1, count + 1), sizes[:, None].astype(np.float64)
    possible = behind >= k - 1
    with np.errstate(all="ignore"):
        ways = gammaln(behind + 1) - gammaln(k) - gammaln(np.maximum(behind - k + 2, 1))
        of = gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1)
        return np.where(possible, np.exp(ways - of), 0.0)


def _curve(choose: Float64, judge: Float64, late: NDArray[np.bool_], sizes: NDArray[np.intp], rng_seed: int) -> Float64:
    """Expected, low, high and in_order (4, sizes). Trials that were stopped early stand behind all others."""
    count = choose.size
    order = np.lexsort((np.arange(count), choose, late))
    judged, weights = judge[order], chosen(count, sizes)
    rng = np.random.default_rng(rng_seed)
    # Sorted resamples, by how often each trial is drawn; some at a time, for one product of matrices.
    means = [
        weights @ np.stack([np.repeat(judged, np.bincount(rng.integers(0, count, count), minlength=count))
                            for _ in range(_AT_ONCE)]).T
        for _ in range(int(np.clip(_DRAWS // (count * _AT_ONCE), 2, RESAMPLES // _AT_ONCE)))
    ]  # fmt: skip
    low, high = np.quantile(np.concatenate(means, axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    place = np.empty(count, np.intp)
    place[order] = np.arange(count)
    in_hand = judged[np.minimum.accumulate(place)]
    return np.stack([weights @ judged, low, high, in_hand[sizes - 1]])


def main(arguments: Sequence[str] | None = None) -> int:
    """How good does an arm get when it may be tried k times?"""
    # Here, because the section draws what this module computes.
    from analysis.report.sections import budget
    from analysis.script import answered

    return answered("budget", main.__doc__, [budget.section], arguments)


if __name__ == "__main__":
    sys.exit(main())
