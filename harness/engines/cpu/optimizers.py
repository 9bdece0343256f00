"""What an optimiser makes of a gradient, in one pass over a player's parameters.

Padding has parameters, gradients and moments of 0, which every one of these keeps.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.cpu.numeric.jit import F4, NONE, f4, f8, i8, kernel
from harness.engines.cpu.numeric.simd import LANES, clipped, fma, load, root, spread, store, total

#: The number of each optimiser, by the names of ``spec.Optimizer``.
NUMBERS = {"adam": 0, "optimistic_adam": 1, "sgd": 2, "rmsprop": 3}
_ADAM, _OPTIMISTIC, _SGD, _RMSPROP = range(4)

#: Kingma and Ba's and torch's default.
EPSILON = 1e-8

_F = np.float32


@kernel(f4, F4)
def squared_norm(gradient):
    """The sum of squares in float32: infinite where it is beyond that, nan where a number is nan."""
    one, other = spread(_F(0)), spread(_F(0))
    half = len(gradient) // (2 * LANES) * (2 * LANES)
    for i in range(0, half, 2 * LANES):
        a, b = load(gradient, i), load(gradient, i + LANES)
        one, other = fma(a, a, one), fma(b, b, other)
    for i in range(half, len(gradient), LANES):
        a = load(gradient, i)
        one = fma(a, a, one)
    return total(one + other)


@njit(error_model="numpy")
def _corrected(rate, beta1, beta2, update):
    """Adam's rate and epsilon with the corrections c1 = 1 - beta1^t and c2 = 1 - beta2^t in them:

    lr m/c1/(sqrt(v/c2) + eps) = lr sqrt(c2)/c1 m/(sqrt(v) + eps sqrt(c2)).
    """
    bias = math.sqrt(1 - beta2**update)
    return rate * bias / (1 - beta1**update), EPSILON * bias


@njit(error_model="numpy")
def _decays(beta1, beta2):
    """beta1, beta2, 1 - beta1 and 1 - beta2 in every lane."""
    return spread(_F(beta1)), spread(_F(beta2)), spread(_F(1 - beta1)), spread(_F(1 - beta2))


@njit(error_model="numpy")
def _moments(g, m, v, beta1, beta2, keep1, keep2):
    """beta1 m + keep1 g and beta2 v + keep2 g^2: in this form old moments leave nothing behind where beta is 0."""
    return fma(g, keep1, m * beta1), fma(g * g, keep2, v * beta2)


@kernel(NONE, i8, F4, F4, F4, F4, F4, f8, f8, f8, i8)
def move(number, theta, gradient, moment, square, previous, rate, beta1, beta2, update):
    """One update, numbered from 1, in place (docs/training-step.md has the formulas)."""
    epsilon = EPSILON
    if number <= _OPTIMISTIC:
        rate, epsilon = _corrected(rate, beta1, beta2, update)
    step, small = spread(_F(-rate)), spread(_F(epsilon))
    decay1, decay2, keep1, keep2 = _decays(beta1, beta2)
    two = spread(_F(2))
    for i in range(0, len(theta), LANES):
        g, m, w = load(gradient, i), load(moment, i), load(theta, i)
        if number == _SGD:
            m = fma(m, decay1, g)
            w = fma(m, step, w)
        elif number == _RMSPROP:
            _, v = _moments(g, m, load(square, i), decay1, decay2, keep1, keep2)
            store(square, i, v)
            m = fma(m, decay1, g / (root(v) + small))
            w = fma(m, step, w)
        else:
            m, v = _moments(g, m, load(square, i), decay1, decay2, keep1, keep2)
            store(square, i, v)
            direction = m / (root(v) + small)
            if number == _ADAM:
                w = fma(direction, step, w)
            else:
                moved = direction * step
                w = fma(moved, two, w) - load(previous, i)
                store(previous, i, moved)
        store(moment, i, m)
        store(theta, i, w)


@kernel(NONE, F4, F4, F4, i8, i8, F4, i8, i8, F4, i8, f8, f8, f8, i8)
def move_factored(theta, moment, square, weights, row, tape, place, width, delta, wide, rate, beta1, beta2, update):
    """Adam's update of a layer whose gradient is h_1 delta_1^T + h_2 delta_2^T, worked out as it is used.

    ``weights`` rows of ``row`` floats; h stands at ``place`` of the tape, delta at 0, the second of each ``width`` and
    ``wide`` floats behind. A gradient written and read again would be a quarter of the traffic to the second cache,
    which is what an update waits for.
    """
    rate, epsilon = _corrected(rate, beta1, beta2, update)
    step, small = spread(_F(-rate)), spread(_F(epsilon))
    decay1, decay2, keep1, keep2 = _decays(beta1, beta2)
    for i in range(weights):
        first, second = spread(tape[place + i]), spread(tape[place + width + i])
        for j in range(0, row, LANES):
            g = fma(load(delta, wide + j), second, load(delta, j) * first)
            at = i * row + j
            m, v = _moments(g, load(moment, at), load(square, at), decay1, decay2, keep1, keep2)
            store(moment, at, m)
            store(square, at, v)
            store(theta, at, fma(m / (root(v) + small), step, load(theta, at)))


@kernel(NONE, F4, f8)
def clip(theta, bound):
    """Every parameter within [-bound, bound]."""
    low, high = spread(_F(-bound)), spread(_F(bound))
    for i in range(0, len(theta), LANES):
        store(theta, i, clipped(load(theta, i), low, high))


@kernel(NONE, F4, F4, f8)
def average(mean, theta, keep):
    """mean <- mean + keep (theta - mean)."""
    share = spread(_F(keep))
    for i in range(0, len(theta), LANES):
        a = load(mean, i)
        store(mean, i, fma(load(theta, i) - a, share, a))
