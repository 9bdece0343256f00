"""What D reads of a minibatch, and how its slopes come back to the values: ``views.Form`` without torch.

Number n of decision k stands at ``base + n along + k across``, so that the same code serves both ways in which a
perceptron keeps its inputs (rows.py, units.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

from harness.data.views import LEAST_VARIANCE, Form
from harness.engines.cpu.numeric.jit import F4, I8, NONE, b1, f8, i8, kernel

_VALUES, _SQUARES, _DEVIATIONS, _MOMENTS, _ORDER = (form.value for form in Form)
_LEAST_VARIANCE = LEAST_VARIANCE


@njit(error_model="numpy")
def _before(x, y):
    return x < y or (math.isnan(y) and not math.isnan(x))


@kernel(NONE, F4, I8, I8)
def _ranked(x, ranks, other):
    """The places of the values in ascending order, equal ones in the order drawn, nan last: runs merged in pairs."""
    count, width = len(x), 1
    for i in range(count):
        ranks[i] = i
    while width < count:
        for start in range(0, count, 2 * width):
            middle, stop = min(start + width, count), min(start + 2 * width, count)
            a, b = start, middle
            for place in range(start, stop):
                # not (later < earlier): an equal one keeps its place, and a nan is less than nothing.
                if a < middle and (b >= stop or not _before(x[ranks[b]], x[ranks[a]])):
                    other[place] = ranks[a]
                    a += 1
                else:
                    other[place] = ranks[b]
                    b += 1
        for i in range(count):
            ranks[i] = other[i]
        width *= 2


@kernel(types.Tuple((f8, f8, f8, f8, b1)), F4)
def _moments(x):
    """mean, divisor of the deviations, skewness, kurtosis, whether the values spread at all."""
    count, shift = len(x), np.float64(x[0])
    mean = square = third = fourth = 0.0
    for value in x:
        mean += value - shift
    mean /= count
    for value in x:
        square += (value - shift - mean) ** 2
    square /= count
    spread = square > _LEAST_VARIANCE
    divisor = math.sqrt(square) if spread else 1.0
    for value in x:
        z = (value - shift - mean) / divisor
        third += z * z * z
        fourth += z * z * z * z
    return shift + mean, divisor, third / count, fourth / count, spread


@njit(error_model="numpy")
def _centre(x):
    """The mean of the values, in float32."""
    mean = 0.0
    for value in x:
        mean += value
    return np.float32(mean / len(x))


@kernel(NONE, i8, F4, i8, F4, i8, i8, i8, I8, I8)
def read(form, x, decisions, out, base, along, across, ranks, spare):
    """The features of the values x (B,)."""
    count = len(x)
    if form == _MOMENTS:
        mean, divisor, third, fourth, spread = _moments(x)
        out[base] = mean
        out[base + along] = divisor if spread else 0.0
        out[base + 2 * along] = third
        out[base + 3 * along] = fourth - 3
    elif form == _ORDER:
        _ranked(x, ranks, spare)
        for i in range(count):
            out[base + i * along] = x[ranks[i]]
    else:
        width = count // decisions
        for k in range(decisions):
            for n in range(width):
                out[base + n * along + k * across] = x[k * width + n]
    if form in (_SQUARES, _DEVIATIONS):
        centre = _centre(x)
        for i in range(count):
            deviation = x[i] - centre
            out[base + (count + i) * along] = deviation * deviation if form == _SQUARES else deviation


@kernel(NONE, F4, F4, i8, i8, F4)
def _pulled_moments(x, slopes, base, along, out):
    """With z = d/s: ds/dx = z/B, dmean(z^p)/dx = p (z^(p-1) - mean z^(p-1) - mean(z^p) z)/(B s)."""
    mean, divisor, third, fourth, spread = _moments(x)
    count = len(x)
    first, second, skew, tail = slopes[base], slopes[base + along], slopes[base + 2 * along], slopes[base + 3 * along]
    square = 0.0
    for value in x:
        square += ((value - mean) / divisor) ** 2
    square /= count
    for i in range(count):
        z = (x[i] - mean) / divisor
        # Where the values do not spread the divisor is the number 1 and has no slope.
        bent_3, bent_4 = (third * z, fourth * z) if spread else (0.0, 0.0)
        slope = first + (second * z if spread else 0.0)
        slope += skew * 3 * (z * z - square - bent_3) / divisor
        slope += tail * 4 * (z * z * z - third - bent_4) / divisor
        out[i] = slope / count


@kernel(NONE, i8, F4, i8, F4, i8, i8, i8, I8, F4)
def pulled(form, x, decisions, slopes, base, along, across, ranks, out):
    """The slopes in the values (B,), from those in their features; ``ranks`` are the ones that ``read`` left."""
    count = len(x)
    if form == _MOMENTS:
        _pulled_moments(x, slopes, base, along, out)
        return
    if form == _ORDER:
        for i in range(count):
            out[ranks[i]] = slopes[base + i * along]
        return
    width = count // decisions
    for k in range(decisions):
        for n in range(width):
            out[k * width + n] = slopes[base + n * along + k * across]
    if form in (_SQUARES, _DEVIATIONS):
        centre = _centre(x)
        for i in range(count):
            slope = slopes[base + (count + i) * along]
            out[i] += 2 * (x[i] - centre) * slope if form == _SQUARES else slope
