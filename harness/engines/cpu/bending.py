"""The gradient of a penalty on D's slope in its input, without a graph: a direction carried forward, then backward.

For phi(|g|), g = dD/dx, the derivative in D's parameters is that of g in the fixed direction v = phi'(|g|)/|g| g, that
is of the directional derivative D'(x; v). With z = W^T h + b and h = a(z) in every layer it is carried forward as

    z' = W^T h',  h' = a'(z) z',        h' = v at the inputs,

and with r', r the slopes of its result in h' and h, from r' = w and r = 0 at the last layer, backward as

    s' = a'(z) r',  s = a''(z) z' r' + a'(z) r,        dW += h' s'^T + h s^T,  db += s,        r' <- W s',  r <- W s.

Layout as in rows.py, with zeros where a tape has ones: the derivative of a constant.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from harness.engines.cpu.numeric.activations import curvature, slope
from harness.engines.cpu.numeric.jit import F4, I8, I8_2, MORE, NONE, WORK, i8, kernel
from harness.engines.cpu.numeric.matmul import OUT, ZERO, product
from harness.engines.cpu.numeric.mlp import last_gradient, turned_over
from harness.engines.cpu.numeric.simd import LANES, fma, load, spread, store

_ZERO = np.float32(0)


@njit(error_model="numpy")
def _carried(net, theta, tape, places, stride, along, pushed):
    """h' of every layer into ``along``, whose first places hold v, and z' into ``pushed``."""
    for layer in range(len(net) - 1):
        inputs, outputs, row, start, activation = net[layer]
        first = places[layer + 1]
        product(
            pushed, first, stride, theta, start, row, 1, along, places[layer], stride, inputs, outputs,
            stride // LANES, ZERO,
        )  # fmt: skip
        for i in range(first, first + outputs * stride, LANES):
            store(along, i, load(pushed, i) * slope(activation, load(tape, i)))


@njit(error_model="numpy")
def _bent(number, tape, pushed, place, one, other, count):
    """(r', r) into (s', s), in place, for so many floats."""
    for i in range(0, count, LANES):
        h, r = load(tape, place + i), load(one, i)
        first = slope(number, h)
        bend = curvature(number, h) * load(pushed, place + i) * r
        store(one, i, r * first)
        store(other, i, fma(load(other, i), first, bend))


@kernel(NONE, I8_2, F4, F4, I8, i8, i8, F4, F4, F4, WORK, MORE, F4)
def bend(net, theta, tape, places, stride, count, along, pushed, ones, work, more, gradient):
    """Add the derivative of the sum of D'(x; v) over the ``count`` inputs on the tape to the gradient.

    ``along`` holds v at its first places, and gets h'. ``ones`` (stride,) is 1 for each input and 0 beyond. ``work``
    holds two arrays of slopes and one turned over, ``more`` two arrays of slopes.
    """
    last, vectors = len(net) - 1, stride // LANES
    _carried(net, theta, tape, places, stride, along, pushed)
    inputs, _, _, start, _ = net[last]
    last_gradient(along, places[last], stride, inputs, ones, vectors, gradient, start, True)
    if last == 0:
        return
    one, spare, turned = work
    other, spare_other = more
    for unit in range(inputs):
        weight = spread(theta[start + unit])
        for c in range(0, stride, LANES):
            store(one, unit * stride + c, load(ones, c) * weight)
            store(other, unit * stride + c, spread(_ZERO))
    for layer in range(last - 1, -1, -1):
        inputs, outputs, row, start, activation = net[layer]
        _bent(activation, tape, pushed, places[layer + 1], one, other, outputs * stride)
        for slopes, given in ((one, along), (other, tape)):
            turned_over(slopes, stride, outputs, stride, row, turned)
            product(
                gradient, start, row, given, places[layer], 1, stride, turned, 0, row, count, inputs + 1,
                row // LANES, OUT,
            )  # fmt: skip
        if layer > 0:
            product(spare, 0, stride, theta, start, 1, row, one, 0, stride, outputs, inputs, vectors, ZERO)
            product(spare_other, 0, stride, theta, start, 1, row, other, 0, stride, outputs, inputs, vectors, ZERO)
            one, spare = spare, one
            other, spare_other = spare_other, other
