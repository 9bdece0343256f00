"""What follows a hidden layer, and its derivatives as functions of its result.

The derivatives are taken from the value h = a(z) alone, so that z need not be kept:

    ==========  ====================  =====================  =======================
    activation  a(z)                  a'(z) by h             a''(z) by h
    ==========  ====================  =====================  =======================
    elu         z, e^z - 1 below 0    1, h + 1 below 0       0, h + 1 below 0
    sigmoid     1/(1 + e^-z)          h (1 - h)              h (1 - h) (1 - 2 h)
    tanh        tanh z                1 - h^2                -2 h (1 - h^2)
    relu        max(z, 0)             1, 0 below 0           0
    leaky_relu  z, z/100 below 0      1, 1/100 below 0       0
    softplus    log(1 + e^z)          s = 1 - e^-h           s (1 - s)
    ==========  ====================  =====================  =======================
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.cpu.kernels import F4, NONE, i8, kernel
from harness.engines.cpu.vectors import (
    LANES,
    SHIFTER,
    clipped,
    fma,
    load,
    size,
    spread,
    store,
    times_power_of_two,
    where_positive,
)

#: The number of each activation, by the names of ``spec.Activation``.
NUMBERS = {"elu": 0, "sigmoid": 1, "tanh": 2, "relu": 3, "leaky_relu": 4, "softplus": 5}
_ELU, _SIGMOID, _TANH, _RELU, _LEAKY, _SOFTPLUS = range(6)

_F = np.float32
_ZERO, _ONE, _TWO, _LEAK = _F(0), _F(1), _F(2), _F(0.01)

#: Beyond these e^x is 0 or infinite in float32.
_LEAST, _MOST = _F(-87.3), _F(88.0)
_SHIFTER = _F(SHIFTER)
_LOG2_E = _F(1 / math.log(2))
# 2^f for |f| <= 1/2, by the polynomial of degree 5 through the Chebyshev points: within 1e-7 of it, relatively.
_POWERS = np.polynomial.Chebyshev.interpolate(np.exp2, 5, domain=[-0.5, 0.5]).convert(kind=np.polynomial.Polynomial)
_P0, _P1, _P2, _P3, _P4, _P5 = (_F(c) for c in _POWERS.coef)
# log(1 + e) = 2 (s + s^3/3 + s^5/5 + ...) with s = e/(2 + e) <= 1/3: after s^13 less than 2e-8 is left.
_S3, _S5, _S7, _S9, _S11, _S13 = (_F(1 / n) for n in range(3, 14, 2))


@njit(error_model="numpy")
def exponential(x):
    """e^x = 2^k 2^f with k + f = x/log 2, within 2e-7 (1 + |x|/5) of it, relatively; nan stays nan.

    x is held within the range of float32.
    """
    x = clipped(x, spread(_LEAST), spread(_MOST))
    shifted = fma(x, spread(_LOG2_E), spread(_SHIFTER))
    f = fma(x, spread(_LOG2_E), -(shifted - _SHIFTER))
    p = fma(f, spread(_P5), spread(_P4))
    p = fma(p, f, spread(_P3))
    p = fma(p, f, spread(_P2))
    p = fma(p, f, spread(_P1))
    p = fma(p, f, spread(_P0))
    return times_power_of_two(p, shifted)


@njit(error_model="numpy")
def _logarithm_of_one_plus(e):
    """log(1 + e) for e in [0, 1]."""
    s = e / (e + _TWO)
    square = s * s
    p = fma(square, spread(_S13), spread(_S11))
    p = fma(p, square, spread(_S9))
    p = fma(p, square, spread(_S7))
    p = fma(p, square, spread(_S5))
    p = fma(p, square, spread(_S3))
    p = fma(p, square, spread(_ONE))
    return s * _TWO * p


@njit(error_model="numpy")
def _relu(z):
    """max(z, 0), a nan where z is one."""
    return where_positive(-z, spread(_ZERO), z)


@njit(error_model="numpy")
def _result(number, z):
    """a(z)."""
    one = spread(_ONE)
    if number == _ELU:
        return where_positive(z, z, exponential(z) - one)
    if number == _SIGMOID:
        return one / (one + exponential(-z))
    if number == _TANH:
        e = exponential(size(z) * -_TWO)
        t = (one - e) / (one + e)
        return where_positive(z, t, -t)
    if number == _RELU:
        return _relu(z)
    if number == _LEAKY:
        return where_positive(z, z, z * _LEAK)
    return _relu(z) + _logarithm_of_one_plus(exponential(-size(z)))


@kernel(NONE, i8, F4, i8, i8, i8, i8)
def activate(number, values, first, step, rows, count):
    """a(z) in place of z, in ``rows`` rows of ``count`` floats, each ``step`` after the last: whole vectors."""
    for row in range(rows):
        start = first + row * step
        for i in range(start, start + count, LANES):
            store(values, i, _result(number, load(values, i)))


@njit(error_model="numpy")
def slope(number, h):
    """a'(z), from h = a(z)."""
    zero, one = spread(_ZERO), spread(_ONE)
    if number == _ELU:
        return where_positive(h, one, h + one)
    if number == _SIGMOID:
        return h * (one - h)
    if number == _TANH:
        return one - h * h
    if number == _RELU:
        return where_positive(h, one, zero)
    if number == _LEAKY:
        return where_positive(h, one, spread(_LEAK))
    return one - exponential(-h)


@njit(error_model="numpy")
def curvature(number, h):
    """a''(z), from h = a(z)."""
    zero, one = spread(_ZERO), spread(_ONE)
    if number == _ELU:
        return where_positive(h, zero, h + one)
    if number == _SIGMOID:
        return h * (one - h) * (one - h * _TWO)
    if number == _TANH:
        return h * -_TWO * (one - h * h)
    if number == _SOFTPLUS:
        s = one - exponential(-h)
        return s * (one - s)
    return zero


@njit(error_model="numpy")
def times_slope(number, values, start, h, h_start, vectors):
    """values *= a'(z) in place, for so many vectors; h = a(z) at ``h_start``."""
    for i in range(0, vectors * LANES, LANES):
        store(values, start + i, load(values, start + i) * slope(number, load(h, h_start + i)))
