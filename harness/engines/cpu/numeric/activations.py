"""Activation functions, and their derivatives as functions of their result.

The derivatives are computed from h = a(z) alone, so that z need not be kept:

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

from harness.engines.cpu.numeric.jit import NONE, helper, i8, kernel
from harness.engines.cpu.numeric.matmul import ROWS
from harness.engines.cpu.numeric.simd import (
    LANES,
    SHIFTER,
    absolute,
    clamp,
    fma,
    load,
    load_wide,
    store,
    times_power_of_two,
    where_positive,
)

#: Identifier of each activation, by the names of ``config.fields.Activation``.
ACTIVATION_IDS = {"elu": 0, "sigmoid": 1, "tanh": 2, "relu": 3, "leaky_relu": 4, "softplus": 5}
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


@helper
def exponential(x):
    """e^x = 2^k 2^f with k + f = x/log 2, to a relative 2e-7 (1 + |x|/5); nan stays nan.

    x is clamped to where e^x is a normal float32.
    """
    x = clamp(x, _LEAST, _MOST)
    # Rounding x/log 2 to a whole number leaves k in the last bits of ``shifted``, and f within 1/2 of 0.
    shifted = fma(x, _LOG2_E, _SHIFTER)
    f = fma(x, _LOG2_E, -(shifted - _SHIFTER))
    p = fma(f, _P5, _P4)
    p = fma(p, f, _P3)
    p = fma(p, f, _P2)
    p = fma(p, f, _P1)
    p = fma(p, f, _P0)
    return times_power_of_two(p, shifted)


@helper
def _logarithm_of_one_plus(e):
    """log(1 + e) for e in [0, 1], by the series of the inverse hyperbolic tangent."""
    s = e / (e + _TWO)
    square = s * s
    p = fma(square, _S13, _S11)
    p = fma(p, square, _S9)
    p = fma(p, square, _S7)
    p = fma(p, square, _S5)
    p = fma(p, square, _S3)
    p = fma(p, square, _ONE)
    return s * _TWO * p


@helper
def _relu(z):
    """max(z, 0); nan stays nan."""
    return where_positive(-z, _ZERO, z)


@helper
def _value(activation, z):
    """a(z)."""
    if activation == _ELU:
        return where_positive(z, z, exponential(z) - _ONE)
    if activation == _SIGMOID:
        return _ONE / (_ONE + exponential(-z))
    if activation == _TANH:
        e = exponential(absolute(z) * -_TWO)
        t = (_ONE - e) / (_ONE + e)
        return where_positive(z, t, -t)
    if activation == _RELU:
        return _relu(z)
    if activation == _LEAKY:
        return where_positive(z, z, z * _LEAK)
    return _relu(z) + _logarithm_of_one_plus(exponential(-absolute(z)))


@kernel(NONE, i8, ROWS, i8, i8)
def activate(activation, block, rows, count):
    """Replace z by a(z) in ``rows`` rows of ``count`` floats, whole vectors; ``block`` says where they lie.

    Four vectors at a time: an exponential is a chain of a dozen operations, each of which waits for the one before.
    """
    values, stride = block.values, block.stride
    if stride == count:  # rows without gaps are one long row
        rows, count = 1, rows * count
    for row in range(rows):
        start = block.start + row * stride
        most = start + count - count % (4 * LANES)
        for i in range(start, most, 4 * LANES):
            store(values, i, _value(activation, load_wide(values, i)))
        for i in range(most, start + count, LANES):
            store(values, i, _value(activation, load(values, i)))


@helper
def derivative(activation, h):
    """a'(z), from h = a(z)."""
    if activation == _ELU:
        return where_positive(h, _ONE, h + _ONE)
    if activation == _SIGMOID:
        return h * (_ONE - h)
    if activation == _TANH:
        return _ONE - h * h
    if activation == _RELU:
        return where_positive(h, _ONE, _ZERO)
    if activation == _LEAKY:
        return where_positive(h, _ONE, _LEAK)
    return _ONE - exponential(-h)


@helper
def second_derivative(activation, h):
    """a''(z), from h = a(z)."""
    if activation == _ELU:
        return where_positive(h, _ZERO, h + _ONE)
    if activation == _SIGMOID:
        return h * (_ONE - h) * (_ONE - h * _TWO)
    if activation == _TANH:
        return h * -_TWO * (_ONE - h * h)
    if activation == _SOFTPLUS:
        s = _ONE - exponential(-h)
        return s * (_ONE - s)
    return h * _ZERO
