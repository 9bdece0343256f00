"""What an optimiser makes of a gradient, in one pass over a player's parameters.

Padding has parameters, gradients and moments of 0, which every one of these keeps.
"""

from __future__ import annotations

import math

import numpy as np

from harness.engines.cpu.kernels import F4, NONE, f4, f8, i8, kernel
from harness.engines.cpu.vectors import LANES, clipped, fma, load, root, spread, store, total

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


@kernel(NONE, i8, F4, F4, F4, F4, F4, f8, f8, f8, i8)
def move(number, theta, gradient, moment, square, previous, rate, beta1, beta2, update):
    """One update, numbered from 1, in place (docs/training-step.md has the formulas).

    Adam's bias corrections are in the rate: with c1 = 1 - beta1^t and c2 = 1 - beta2^t it is
    lr sqrt(c2)/c1 m/(sqrt(v) + eps sqrt(c2)).
    """
    epsilon, keep1, keep2 = EPSILON, 1 - beta1, 1 - beta2
    if number <= _OPTIMISTIC:
        bias = math.sqrt(1 - beta2**update)
        rate, epsilon = rate * bias / (1 - beta1**update), EPSILON * bias
    step, small = spread(_F(-rate)), spread(_F(epsilon))
    decay1, share1, share2 = spread(_F(beta1)), spread(_F(keep1)), spread(_F(keep2))
    two = spread(_F(2))
    for i in range(0, len(theta), LANES):
        g, m, w = load(gradient, i), load(moment, i), load(theta, i)
        if number == _SGD:
            m = fma(m, decay1, g)
            w = fma(m, step, w)
        elif number == _RMSPROP:
            v = load(square, i)
            v = fma(fma(g, g, spread(_F(0)) - v), share2, v)
            store(square, i, v)
            m = fma(m, decay1, g / (root(v) + small))
            w = fma(m, step, w)
        else:
            v = load(square, i)
            m = fma(g - m, share1, m)
            v = fma(fma(g, g, spread(_F(0)) - v), share2, v)
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
