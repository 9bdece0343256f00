"""A perceptron on many inputs: one hidden unit is a row, and the inputs lie side by side in vectors.

A ``net`` has a line for each layer: inputs I, outputs O, stride of a row of weights, where they start in theta, and
the number of the activation. A layer's weights are I + 1 rows of O floats, the last being the bias, so that a bias is
the weight of an input that is always 1. The last layer has one output and no activation, and a stride of 1.

A ``tape`` keeps what each layer was given: at ``places[l]`` there are I_l + 1 rows of ``stride`` floats, the last
all 1. Columns from the number of inputs up to the stride are padding: finite, and cut off by slopes of 0.

Theta, gradients and slopes have zeros where rows are padded to whole vectors, and keep them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from harness.engines.cpu.numeric.activations import activate, slope, times_slope
from harness.engines.cpu.numeric.jit import F4, I8, I8_2, NONE, WORK, b1, i8, kernel
from harness.engines.cpu.numeric.matmul import NUMBER, OUT, ZERO, dot, dots, product, turn
from harness.engines.cpu.numeric.simd import LANES, load, spread, store

INPUTS, OUTPUTS, STRIDE, START, ACTIVATION = range(5)

#: With fewer inputs than this a layer's gradient is made of inner products.
_FEW = 4


@kernel(NONE, I8_2, F4, F4, I8, i8, i8, F4)
def forward(net, theta, tape, places, stride, vectors, out):
    """Outputs of the first ``vectors`` of inputs that lie at places[0] of the tape, which is filled."""
    last = len(net) - 1
    for layer in range(last):
        inputs, outputs, row, start, activation = net[layer]
        first = places[layer + 1]
        product(
            tape, first, stride, theta, start, row, 1, tape, places[layer], stride, inputs, outputs, vectors, NUMBER
        )
        activate(activation, tape, first, stride, outputs, vectors * LANES)
    inputs, _, _, start, _ = net[last]
    product(out, 0, 0, theta, start, 1, 0, tape, places[last], stride, inputs, 1, vectors, NUMBER)


@kernel(NONE, F4, i8, i8, i8, i8, F4)
def turned_over(delta, wide, units, columns, row, out):
    """Slopes (units, wide) as (columns, row), with zeros where units are padded."""
    for unit in range(units, row):
        for c in range(0, columns, LANES):
            store(delta, unit * wide + c, spread(np.float32(0)))
    for unit in range(0, row, LANES):
        for c in range(0, columns, LANES):
            turn(out, c * row + unit, row, delta, unit * wide + c, wide)


@kernel(NONE, F4, i8, i8, i8, F4, i8, F4, i8, b1)
def last_gradient(tape, place, stride, inputs, slopes, vectors, gradient, start, add):
    """The gradient of the last layer: for each of its I + 1 inputs the sum over columns of input times slope."""
    whole = (inputs + 1) - (inputs + 1) % LANES
    for i in range(0, whole, LANES):
        found = dots(tape, place + i * stride, stride, slopes, 0, vectors)
        store(gradient, start + i, load(gradient, start + i) + found if add else found)
    for i in range(whole, inputs + 1):
        single = dot(tape, place + i * stride, slopes, 0, vectors)
        gradient[start + i] = gradient[start + i] + single if add else single


@njit(error_model="numpy")
def _gradient(line, tape, place, stride, count, delta, wide, turned, gradient, add):
    """The gradient of a layer: what it was given times the slopes of its outputs, summed over ``count`` columns."""
    inputs, outputs, row, start, _ = line
    begin = OUT if add else ZERO
    if inputs < _FEW:
        # A block of units at a time against each of the few inputs, along both: nothing is turned over.
        for unit in range(outputs, row):
            for c in range(0, wide, LANES):
                store(delta, unit * wide + c, spread(np.float32(0)))
        for i in range(inputs + 1):
            for unit in range(0, row, LANES):
                found = dots(delta, unit * wide, wide, tape, place + i * stride, wide // LANES)
                here = start + i * row + unit
                store(gradient, here, load(gradient, here) + found if add else found)
        return
    turned_over(delta, wide, outputs, wide, row, turned)
    product(gradient, start, row, tape, place, 1, stride, turned, 0, row, count, inputs + 1, row // LANES, begin)


@kernel(NONE, I8_2, F4, F4, I8, i8, i8, F4, i8, WORK, F4, b1, b1, F4, b1)
def backward(net, theta, tape, places, stride, count, slopes, wide, work, gradient, wants, add, out, reaches):
    """From the slopes of a loss in the outputs of the first ``count`` columns: its gradient, its slopes in the inputs.

    ``slopes`` (wide,) are 0 from ``count`` up to ``wide``, a whole number of vectors. The gradient is written where
    ``wants``, or added to what stands there where ``add``. ``out`` gets the slopes in the inputs, (inputs, wide),
    where ``reaches``. ``work`` holds two arrays of slopes and one turned over, none of them smaller than the widest
    layer needs.
    """
    last, vectors = len(net) - 1, wide // LANES
    one, other, turned = work
    inputs, _, _, start, _ = net[last]
    if wants:
        last_gradient(tape, places[last], stride, inputs, slopes, vectors, gradient, start, add)
    if last == 0:
        if reaches:
            product(out, 0, wide, theta, start, 0, 1, slopes, 0, 0, 1, inputs, vectors, ZERO)
        return
    activation = net[last - 1, ACTIVATION]
    for unit in range(inputs):
        weight = spread(theta[start + unit])
        place = places[last] + unit * stride
        for c in range(0, wide, LANES):
            store(one, unit * wide + c, load(slopes, c) * weight * slope(activation, load(tape, place + c)))
    for layer in range(last - 1, -1, -1):
        inputs, outputs, row, start, _ = net[layer]
        if wants:
            _gradient(net[layer], tape, places[layer], stride, count, one, wide, turned, gradient, add)
        if layer > 0:
            product(other, 0, wide, theta, start, 1, row, one, 0, wide, outputs, inputs, vectors, ZERO)
            for unit in range(inputs):
                times_slope(
                    net[layer - 1, ACTIVATION], other, unit * wide, tape, places[layer] + unit * stride, vectors
                )
            one, other = other, one
        elif reaches:
            product(out, 0, wide, theta, start, 1, row, one, 0, wide, outputs, inputs, vectors, ZERO)
