"""Features of a minibatch, and their derivatives, for every ``data.views.Form``, without torch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from harness.data.views import LEAST_VARIANCE, Form
from harness.engines.cpu.numeric.jit import F4, I8, NONE, b1, f8, helper, i8, kernel, tuple_type

_VALUES, _SQUARES, _DEVIATIONS, _MOMENTS, _ORDER = (form.value for form in Form)
_LEAST_VARIANCE = LEAST_VARIANCE


class FeatureGrid(NamedTuple):
    """Positions of features: number n of decision k at start + n feature_stride + k decision_stride.

    The same code so serves both layouts of a perceptron's inputs (mlp.py).
    """

    values: NDArray[np.float32]
    start: int
    feature_stride: int
    decision_stride: int
    decisions: int


class Ranks(NamedTuple):
    """``order`` (B,): positions of the values in ascending order; and room for as many."""

    order: NDArray[np.int64]
    scratch: NDArray[np.int64]


GRID, RANKS = tuple_type(FeatureGrid, F4, i8, i8, i8, i8), tuple_type(Ranks, I8, I8)


@helper
def _before(x, y):
    return x < y or (math.isnan(y) and not math.isnan(x))


@kernel(NONE, F4, RANKS)
def _rank(x, ranks):
    """Merge sort, bottom up: equal values in the order drawn, nan last, as numpy's and torch's stable sorts do."""
    order, merged = ranks
    count, width = len(x), 1
    for i in range(count):
        order[i] = i
    # Runs of ``width`` ranks are sorted; each pass merges them in pairs.
    while width < count:
        for start in range(0, count, 2 * width):
            middle, stop = min(start + width, count), min(start + 2 * width, count)
            a, b = start, middle
            for position in range(start, stop):
                # "not (later before earlier)", so that equal values keep their order.
                if a < middle and (b >= stop or not _before(x[order[b]], x[order[a]])):
                    merged[position] = order[a]
                    a += 1
                else:
                    merged[position] = order[b]
                    b += 1
        for i in range(count):
            order[i] = merged[i]
        width *= 2


@kernel(types.Tuple((f8, f8, f8, f8, b1)), F4)
def _moments(x):
    """Mean, divisor of the deviations, skewness, kurtosis, and whether the values spread at all."""
    # Shifted by the first value: sums of squares of numbers far from 0 would cancel.
    count, shift = len(x), np.float64(x[0])
    mean = square = third = fourth = 0.0
    for value in x:
        mean += value - shift
    mean /= count
    for value in x:
        square += (value - shift - mean) ** 2
    square /= count
    spreads = square > _LEAST_VARIANCE
    divisor = math.sqrt(square) if spreads else 1.0
    # Of a constant minibatch z is 0, and with it all that follows.
    for value in x:
        z = (value - shift - mean) / divisor
        third += z * z * z
        fourth += z * z * z * z
    return shift + mean, divisor, third / count, fourth / count, spreads


@helper
def _mean(x):
    """The mean, summed in float64 and rounded to float32."""
    mean = 0.0
    for value in x:
        mean += value
    return np.float32(mean / len(x))


@kernel(NONE, i8, F4, GRID, RANKS)
def compute_features(form, x, grid, ranks):
    """Write the features of the values x (B,) into the grid, and for sorted values their ranks."""
    out, start, feature_stride, decision_stride, decisions = grid
    count = len(x)
    if form == _MOMENTS:
        mean, divisor, third, fourth, spreads = _moments(x)
        out[start] = mean
        out[start + feature_stride] = divisor if spreads else 0.0
        out[start + 2 * feature_stride] = third
        out[start + 3 * feature_stride] = fourth - 3
    elif form == _ORDER:
        _rank(x, ranks)
        for i in range(count):
            out[start + i * feature_stride] = x[ranks.order[i]]
    else:
        # The other forms begin with the values themselves: decision k has the k-th run of N.
        width = count // decisions
        for k in range(decisions):
            for n in range(width):
                out[start + n * feature_stride + k * decision_stride] = x[k * width + n]
    if form in (_SQUARES, _DEVIATIONS):
        mean = _mean(x)
        for i in range(count):
            deviation = x[i] - mean
            feature = deviation * deviation if form == _SQUARES else deviation
            out[start + (count + i) * feature_stride] = feature


@kernel(NONE, F4, GRID, F4)
def _moment_slopes(x, grid, out):
    """With z = d/s: ds/dx = z/B, dmean(z^p)/dx = p (z^(p-1) - mean z^(p-1) - mean(z^p) z)/(B s)."""
    mean, divisor, third, fourth, spreads = _moments(x)
    count = len(x)
    slopes, at, step = grid.values, grid.start, grid.feature_stride
    of_mean, of_deviation = slopes[at], slopes[at + step]
    of_skewness, of_kurtosis = slopes[at + 2 * step], slopes[at + 3 * step]
    # mean z^2 is 1 but for rounding where the values spread, and 0 where they do not.
    square = 0.0
    for value in x:
        square += ((value - mean) / divisor) ** 2
    square /= count
    for i in range(count):
        z = (x[i] - mean) / divisor
        # Where the values do not spread the divisor is the constant 1, which has no slope.
        through_3, through_4 = (third * z, fourth * z) if spreads else (0.0, 0.0)
        slope = of_mean + (of_deviation * z if spreads else 0.0)
        slope += of_skewness * 3 * (z * z - square - through_3) / divisor
        slope += of_kurtosis * 4 * (z * z * z - third - through_4) / divisor
        out[i] = slope / count


@kernel(NONE, i8, F4, GRID, RANKS, F4)
def value_slopes(form, x, grid, ranks, out):
    """Slopes in the values (B,) from the slopes in their features; ``ranks`` as ``compute_features`` left them."""
    slopes, start, feature_stride, decision_stride, decisions = grid
    count = len(x)
    if form == _MOMENTS:
        _moment_slopes(x, grid, out)
        return
    if form == _ORDER:
        for i in range(count):
            out[ranks.order[i]] = slopes[start + i * feature_stride]
        return
    width = count // decisions
    for k in range(decisions):
        for n in range(width):
            out[k * width + n] = slopes[start + n * feature_stride + k * decision_stride]
    if form in (_SQUARES, _DEVIATIONS):
        # The mean is a constant to the gradient, as in data/views.py.
        mean = _mean(x)
        for i in range(count):
            slope = slopes[start + (count + i) * feature_stride]
            out[i] += 2 * (x[i] - mean) * slope if form == _SQUARES else slope
