"""Optimizers and gradient norms: one pass over a player's parameters, in place.

Padding has parameters, gradients and moments of 0, which every update keeps. The formulas are in
docs/training-step.md.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from harness.engines.cpu.numeric.jit import F4, NONE, f4, f8, helper, i8, kernel, player_type, tuple_type
from harness.engines.cpu.numeric.matmul import ROWS
from harness.engines.cpu.numeric.mlp import INPUTS, OUTPUTS, STRIDE
from harness.engines.cpu.numeric.record import floats, word_table
from harness.engines.cpu.numeric.simd import LANES, broadcast, clamp, fma, load, row_length, sqrt, store, sum_lanes

#: Identifier of each optimizer, by the names of ``config.fields.Optimizer``.
OPTIMIZER_IDS = {"adam": 0, "optimistic_adam": 1, "sgd": 2, "rmsprop": 3}
_ADAM, _OPTIMISTIC, _SGD, _RMSPROP = range(4)

#: Default of Kingma and Ba, and of torch.
EPSILON = 1e-8

_F = np.float32


class Rates(NamedTuple):
    """Learning rate and decays of one update; ``number`` counts a player's updates from 1."""

    learning_rate: float
    beta1: float
    beta2: float
    number: int


RATES = tuple_type(Rates, f8, f8, f8, i8)


@kernel(f4, F4)
def squared_norm(gradient):
    """Sum of squares in float32: infinite where it overflows, nan where a number is nan.

    Two sums in turn, because one would wait for each multiply-add to finish before the next.
    """
    even, odd = broadcast(_F(0)), broadcast(_F(0))
    pairs = len(gradient) // (2 * LANES) * (2 * LANES)
    for i in range(0, pairs, 2 * LANES):
        a, b = load(gradient, i), load(gradient, i + LANES)
        even, odd = fma(a, a, even), fma(b, b, odd)
    for i in range(pairs, len(gradient), LANES):
        a = load(gradient, i)
        even = fma(a, a, even)
    return sum_lanes(even + odd)


@helper
def _corrected(rates):
    """Adam's rate and epsilon with the bias corrections c1 = 1 - beta1^t and c2 = 1 - beta2^t in them:

    lr m/c1/(sqrt(v/c2) + eps) = lr sqrt(c2)/c1 m/(sqrt(v) + eps sqrt(c2)).
    """
    bias = math.sqrt(1 - rates.beta2**rates.number)
    return rates.learning_rate * bias / (1 - rates.beta1**rates.number), EPSILON * bias


@helper
def _decays(rates):
    """beta1, beta2, 1 - beta1 and 1 - beta2 in every lane."""
    beta1, beta2 = rates.beta1, rates.beta2
    return broadcast(_F(beta1)), broadcast(_F(beta2)), broadcast(_F(1 - beta1)), broadcast(_F(1 - beta2))


@helper
def _moments(g, m, v, decays):
    """beta1 m + keep1 g and beta2 v + keep2 g^2. In this form nothing of old moments is left where beta is 0."""
    beta1, beta2, keep1, keep2 = decays
    return fma(g, keep1, m * beta1), fma(g * g, keep2, v * beta2)


@kernel(NONE, i8, player_type, i8, RATES)
def update_parameters(optimizer, player, first, rates):
    """One update of a player's parameters from float ``first`` on."""
    size, skipped = player.size - first, 4 * first  # floats, bytes
    theta, gradient = floats(player.theta + skipped, size), floats(player.gradient + skipped, size)
    moment, square = floats(player.moment + skipped, size), floats(player.square + skipped, size)
    previous = floats(player.previous + skipped, size)
    rate, epsilon = rates.learning_rate, EPSILON
    if optimizer <= _OPTIMISTIC:
        rate, epsilon = _corrected(rates)
    step, small, two = broadcast(_F(-rate)), broadcast(_F(epsilon)), broadcast(_F(2))
    decays = _decays(rates)
    # One pass: an update waits for memory, so nothing is read or written twice. The branch is the same in every turn.
    for i in range(0, size, LANES):
        g, m, w = load(gradient, i), load(moment, i), load(theta, i)
        if optimizer == _SGD:
            m = fma(m, decays[0], g)
            w = fma(m, step, w)
        elif optimizer == _RMSPROP:
            _, v = _moments(g, m, load(square, i), decays)
            store(square, i, v)
            m = fma(m, decays[0], g / (sqrt(v) + small))
            w = fma(m, step, w)
        else:
            m, v = _moments(g, m, load(square, i), decays)
            store(square, i, v)
            direction = m / (sqrt(v) + small)
            if optimizer == _ADAM:
                w = fma(direction, step, w)
            else:  # twice this step minus the last (Daskalakis 2018)
                moved = direction * step
                w = fma(moved, two, w) - load(previous, i)
                store(previous, i, moved)
        store(moment, i, m)
        store(theta, i, w)


@kernel(NONE, player_type, ROWS, F4, RATES)
def update_factored(player, h, delta, rates):
    """Adam's update of a first layer whose gradient is h_1 delta_1^T + h_2 delta_2^T, computed as it is used.

    ``h`` are the two rows h (I + 1), ``delta`` the two rows (row_length(O)). Writing the gradient and reading it
    again would be a quarter of the traffic to the second cache, which is what an update waits for.
    """
    layer = word_table(player.layers, player.depth, 5)[0]
    row, size = layer[STRIDE], (layer[INPUTS] + 1) * layer[STRIDE]
    theta, moment, square = floats(player.theta, size), floats(player.moment, size), floats(player.square, size)
    rate, epsilon = _corrected(rates)
    step, small = broadcast(_F(-rate)), broadcast(_F(epsilon))
    decays, wide = _decays(rates), row_length(layer[OUTPUTS])
    # Row i of the gradient is h_1[i] delta_1 + h_2[i] delta_2; both deltas stay in the first cache.
    for i in range(layer[INPUTS] + 1):
        h_1 = broadcast(h.values[h.start + i])
        h_2 = broadcast(h.values[h.start + h.stride + i])
        for j in range(0, row, LANES):
            g = fma(load(delta, wide + j), h_2, load(delta, j) * h_1)
            at = i * row + j
            m, v = _moments(g, load(moment, at), load(square, at), decays)
            store(moment, at, m)
            store(square, at, v)
            store(theta, at, fma(m / (sqrt(v) + small), step, load(theta, at)))


@kernel(NONE, F4, f8)
def clip(theta, bound):
    """Clamp every parameter to [-bound, bound]."""
    low, high = broadcast(_F(-bound)), broadcast(_F(bound))
    for i in range(0, len(theta), LANES):
        store(theta, i, clamp(load(theta, i), low, high))


@kernel(NONE, F4, F4, f8)
def update_average(average, theta, weight):
    """average <- average + weight (theta - average)."""
    share = broadcast(_F(weight))
    for i in range(0, len(theta), LANES):
        a = load(average, i)
        store(average, i, fma(load(theta, i) - a, share, a))
