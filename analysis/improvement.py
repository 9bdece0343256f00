"""How probable it is that one arm comes nearer than another: over any two of their seeds, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.intervals import LEVEL
from analysis.rows import by_seed, select, views_of

Float64 = NDArray[np.float64]
COLUMNS = ("arm", "other", "view", "seeds", "estimate", "low", "high")


def improvement(frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """``probability_of_improvement`` of every arm over every other of its view; a row per ordered pair.

    Columns: arm, other, view, seeds (of the arm), estimate, low, high; the ends are NaN where an arm has one seed.
    """
    rows = select(frame).frame
    table = by_seed(rows)
    lines = []
    for view, here in views_of(rows, arms).items():
        for arm, other in permutations(here, 2):
            own, against = table[arm].to_numpy(), table[other].to_numpy()
            found = probability_of_improvement(own, against)
            lines.append((arm, other, view, int((~np.isnan(own)).sum()), *found))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def probability_of_improvement(own: Float64, other: Float64) -> tuple[float, float, float]:
    """P(X < Y) + P(X = Y)/2 for a fresh seed of each, with its 95 % interval: estimate, low, high.

    ``own`` and ``other`` (S,) are scores of the same S seeds, NaN where a seed is missing. The estimate is the mean
    over all n m pairs of seeds, Mann and Whitney's U/(n m) (Agarwal et al. 2021, sec. 4.3, one task). Its variance is
    that of its projections, a_i of the i-th own and b_j of the j-th other score (DeLong et al. 1988), added up seed by
    seed, so that what a seed does to both arms counts:

        v = S/(S - 1) * sum over seeds of ((a_s - e)/n + (b_s - e)/m)^2.

    The interval is Wilson's for a share e of e(1 - e)/v trials, with Student's quantile of min(n, m) - 1 degrees of
    freedom: within [0, 1], and no point where the arms do not overlap, when min(n, m) trials are counted.
    """
    x, y = own[~np.isnan(own)], other[~np.isnan(other)]
    n, m = x.size, y.size
    if not n or not m:
        return math.nan, math.nan, math.nan
    nearer = np.where(x[:, None] < y[None, :], 1.0, np.where(x[:, None] == y[None, :], 0.5, 0.0))
    e = float(nearer.mean())
    if min(n, m) < 2:
        return e, math.nan, math.nan
    push = np.zeros(own.size)
    push[~np.isnan(own)] += (nearer.mean(axis=1) - e) / n
    push[~np.isnan(other)] += (nearer.mean(axis=0) - e) / m
    seeds = int((~(np.isnan(own) & np.isnan(other))).sum())
    variance = seeds / (seeds - 1) * float(np.square(push).sum())
    trials = e * (1 - e) / variance if variance > 0 and 0 < e < 1 else float(min(n, m))
    # Beyond four times the seeds the variance is small by chance: it was measured on few.
    trials = min(max(trials, 1.0), 4.0 * min(n, m))
    z = float(stats.t.ppf((1 + LEVEL) / 2, min(n, m) - 1))
    centre = (e + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(e * (1 - e) / trials + z * z / (4 * trials * trials))
    return e, max(0.0, centre - half), min(1.0, centre + half)
