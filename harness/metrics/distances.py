"""Distances of samples from the target, the Kolmogorov-Smirnov test, and the treatment of bad samples.

Everything is batched over members (rows) and computed in float64 from sorted rows; the bits of a row do not depend on
its neighbours. The scores of a perfect generator are in ``noise_floor.py``, the p-value of a KS distance in
``ks_pvalue.py``. Letters: P members, S sample size (n in the formulas), x_(i) the i-th smallest value, F the target's
distribution function, Q its inverse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.latent import midpoints
from harness.data.target import Target
from harness.metrics.ks_pvalue import ks_pvalue

Float64 = NDArray[np.float64]
Samples = NDArray[np.floating[Any]]
SampleState = Literal["ordinary", "constant", "nonfinite", "empty"]

#: The columns that ``distances`` returns, in this order.
DISTANCES = ("ks", "w1", "cvm", "ad", "mean", "sd")

#: A sample with a value beyond this is nonfinite: the squares in its variance would leave float64.
LARGEST = 1e150

#: Least log-probability that enters Anderson-Darling, log(1e-300). A point outside a bounded support would make the
#: statistic infinite; it counts as one of probability 1e-300 instead (37 standard deviations out in a Gaussian).
LOG_FLOOR = math.log(1e-300)

#: Below this probability the target itself computes the logarithm: at 1e-3 rounding moves log F(x) by 1e-13.
TAIL = 1e-3

#: Values that are sorted and evaluated together: they and the results fit into the cache of one core.
BLOCK_VALUES = 2**16

#: Up to this number of turns between rising and falling a row is sorted by merging its sorted runs. A generator makes
#: few turns of ascending noise; 10,000 values then take 7 to 110 us instead of 140.
FEW_TURNS = 32


@dataclass(frozen=True, eq=False)
class Scores:
    """The committed columns of P members, by their names in the store; arrays (P,), ``quantiles`` (P, L).

    ``ks``, ``ks_iid`` and ``ks_pvalue`` are numbers for every member. The others are nan if the state is nonfinite or
    empty. Only ``row`` should leave this process: it has None there.
    """

    ks: Float64
    ks_iid: Float64
    ks_pvalue: Float64
    w1: Float64
    cvm: Float64
    ad: Float64
    mean: Float64
    sd: Float64
    sample_state: list[SampleState]
    quantiles: Float64

    def row(self, member: int) -> dict[str, float | str | list[float] | None]:
        """One member's columns as plain values, None in place of every nonfinite number."""
        columns = ("ks", "ks_iid", "ks_pvalue", *DISTANCES[1:])
        row: dict[str, float | str | list[float] | None] = {
            c: finite_or_none(getattr(self, c)[member]) for c in columns
        }
        row["sample_state"] = self.sample_state[member]
        whole = bool(np.isfinite(self.quantiles[member]).all())
        row["quantiles"] = self.quantiles[member].tolist() if whole else None
        return row


def score(stratified_PS: Samples, iid_PS: Samples, target: Target, levels: Sequence[float] = ()) -> Scores:
    """Every committed score of P members.

    ``stratified_PS`` are the generators' samples on ``latent.evenly_spread``. They give all distances, ``sample_state``
    and the quantiles at ``levels`` (each in [0, 1]; x_(i) is the quantile at (i - 1/2)/S). ``iid_PS`` are samples on
    fresh independent noise, of any size. They give the KS test, whose p-value needs independence.
    """
    columns = _measure(stratified_PS, target, levels)
    ks_iid, ks_pvalue = ks_test(iid_PS, target)
    states = sample_states(stratified_PS)
    return Scores(ks_iid=ks_iid, ks_pvalue=ks_pvalue, sample_state=states, **columns)


def distances(x_PS: Samples, target: Target) -> dict[str, Float64]:
    """Distances of each row from the target, and its moments; each (P,).

    With u_i = F(x_(i)):

        ks    max over i of max(i/n - u_i, u_i - (i-1)/n)                       in [1/(2n), 1]
        w1    mean |x_(i) - Q((i - 1/2)/n)|                                    units of x
        cvm   1/(12n) + sum (u_i - (i - 1/2)/n)^2                              in [1/(12n), n/3]
        ad    -n - mean (2i - 1) (log u_i + log(1 - u_(n+1-i)))                >= 0, logs at least LOG_FLOOR
        mean  sd                                                               divisor n, as numpy.std

    A nonfinite or empty row has ks 1 and nan in the others (see ``sample_states``). w1 is infinite if the target's own
    quantiles leave float64.

    Source: Kolmogorov (1933); Anderson and Darling (1954), eq. 2, with F known, unlike scipy.stats.anderson.
    """
    columns = _measure(x_PS, target, ())
    return {name: columns[name] for name in DISTANCES}


def ks_distance(x_PS: Samples, target: Target) -> Float64:
    """The KS distance of each row from the target, (P,), as in ``distances``: one sort and one F."""
    ks_P = np.ones(len(x_PS))
    for members, sorted_PS in _finite_rows(x_PS):
        ks_P[members] = _ks(target.cdf(sorted_PS))
    return ks_P


def ks_test(x_PS: Samples, target: Target) -> tuple[Float64, Float64]:
    """Two-sided one-sample KS test of each row: (statistic, p-value), each (P,).

    The p-value is exact for independent draws and a continuous F (``ks_pvalue.py``), and means nothing for stratified
    ones. A nonfinite or empty row has statistic 1 and p-value 0.
    """
    ks_P = ks_distance(x_PS, target)
    n = x_PS.shape[1]
    return ks_P, ks_pvalue(ks_P, n) if n else np.zeros_like(ks_P)


def sample_states(x_PS: Samples) -> list[SampleState]:
    """The state of each row: empty (no values), nonfinite (nan, infinite or beyond 1e150), constant, or ordinary."""
    members, n = x_PS.shape
    if n == 0:
        return ["empty"] * members
    low_P, high_P = x_PS.min(axis=1).astype(np.float64), x_PS.max(axis=1).astype(np.float64)
    within_P = (np.abs(low_P) <= LARGEST) & (np.abs(high_P) <= LARGEST)
    return [
        "nonfinite" if not within else "constant" if low == high else "ordinary"
        for within, low, high in zip(within_P, low_P, high_P, strict=True)
    ]


def _finite_rows(x_PS: Samples) -> Iterator[tuple[NDArray[np.intp], Float64]]:
    """Row numbers and sorted float64 values of the rows that are neither empty nor nonfinite, block by block."""
    members, n = x_PS.shape
    height = max(1, BLOCK_VALUES // max(1, n))
    for start in range(0, members if n else 0, height):
        # C order, so that sums run along a row and do not depend on the number of rows. The input's precision, because
        # fewer bytes are sorted faster.
        block_PS = np.array(x_PS[start : start + height], order="C")
        for x_S, turns in zip(block_PS, _turns(block_PS), strict=True):
            x_S.sort(kind="stable" if turns <= FEW_TURNS else "quicksort")
        sorted_PS = block_PS.astype(np.float64)
        # nan sorts last, so the two ends are enough.
        finite_P = (np.abs(sorted_PS[:, 0]) <= LARGEST) & (np.abs(sorted_PS[:, -1]) <= LARGEST)
        if finite_P.all():
            yield np.arange(start, start + len(sorted_PS)), sorted_PS
        elif finite_P.any():
            yield start + np.flatnonzero(finite_P), sorted_PS[finite_P]


def _turns(x_PS: Samples) -> NDArray[np.intp]:
    """The number of changes between rising and falling in each row."""
    falls_PS = x_PS[:, 1:] < x_PS[:, :-1]
    return np.asarray(np.count_nonzero(falls_PS[:, 1:] != falls_PS[:, :-1], axis=1))


def _measure(x_PS: Samples, target: Target, levels: Sequence[float]) -> dict[str, Float64]:
    """``distances`` and the quantiles at ``levels``."""
    members, n = x_PS.shape
    columns = {name: np.full(members, np.nan) for name in DISTANCES}
    columns["ks"][:] = 1.0
    columns["quantiles"] = np.full((members, len(levels)), np.nan)
    for rows, sorted_PS in _finite_rows(x_PS):
        u_PS = target.cdf(sorted_PS)
        columns["ks"][rows] = _ks(u_PS)
        columns["cvm"][rows] = 1 / (12 * n) + np.square(u_PS - _steps(n).middle).sum(axis=1)
        columns["ad"][rows] = _anderson_darling(sorted_PS, u_PS, target)
        with np.errstate(over="ignore"):
            columns["w1"][rows] = np.abs(sorted_PS - _quantiles(target, n)).mean(axis=1)
        columns["mean"][rows], columns["sd"][rows] = _moments(sorted_PS)
        columns["quantiles"][rows] = _hazen(sorted_PS, np.asarray(levels))
    return columns


class _Steps(NamedTuple):
    """The steps of the distribution function of n values, each (n,): (i - 1)/n, (i - 1/2)/n, i/n, and 2i - 1."""

    below: Float64
    middle: Float64
    above: Float64
    weights: Float64


@lru_cache(maxsize=2)
def _steps(n: int) -> _Steps:
    i = np.arange(n, dtype=np.float64)
    return _Steps(i / n, midpoints(n), (i + 1) / n, 2 * i + 1)


@lru_cache(maxsize=2)
def _quantiles(target: Target, n: int) -> Float64:
    """The target's own quantiles at the middles of the steps, (n,)."""
    return target.quantile(_steps(n).middle)


def _ks(u_PS: Float64) -> Float64:
    steps = _steps(u_PS.shape[1])
    above_P = (steps.above - u_PS).max(axis=1)
    below_P = (u_PS - steps.below).max(axis=1)
    distance_P: Float64 = np.maximum(above_P, below_P)
    return distance_P


def _anderson_darling(sorted_PS: Float64, u_PS: Float64, target: Target) -> Float64:
    n = sorted_PS.shape[1]
    # Only in a tail the logarithm needs more digits of the probability than F has.
    with np.errstate(divide="ignore"):
        logs_PS, upper_PS = np.log(u_PS), np.log(1 - u_PS)
    for logs, tail, exact in (
        (logs_PS, u_PS < TAIL, target.logcdf),
        (upper_PS, u_PS > 1 - TAIL, target.logsf),
    ):
        logs[tail] = np.maximum(exact(sorted_PS[tail]), LOG_FLOOR)
    logs_PS += upper_PS[:, ::-1]
    logs_PS *= _steps(n).weights
    statistic_P: Float64 = -n - logs_PS.mean(axis=1)
    return statistic_P


def _moments(sorted_PS: Float64) -> tuple[Float64, Float64]:
    # Moments about the median: a constant row has exactly its value and 0, and a large offset costs no digits.
    centre_P = sorted_PS[:, sorted_PS.shape[1] // 2]
    offset_PS = sorted_PS - centre_P[:, None]
    shift_P = offset_PS.mean(axis=1)
    return centre_P + shift_P, np.sqrt(np.square(offset_PS - shift_P[:, None]).mean(axis=1))


def _hazen(sorted_PS: Float64, levels_L: Float64) -> Float64:
    """Quantiles (P, L) by Hazen's definition: x_(i) at (i - 1/2)/n, as in w1, and linear between."""
    n = sorted_PS.shape[1]
    position_L = np.clip(levels_L * n - 0.5, 0, n - 1)
    first_L = position_L.astype(np.intp)
    low_PL, high_PL = sorted_PS[:, first_L], sorted_PS[:, np.minimum(first_L + 1, n - 1)]
    quantile_PL: Float64 = low_PL + (high_PL - low_PL) * (position_L - first_L)
    return quantile_PL


def finite_or_none(value: float) -> float | None:
    """The number, or None for nan and infinities."""
    return float(value) if math.isfinite(value) else None
