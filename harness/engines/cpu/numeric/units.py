"""A perceptron on few inputs: one input is a row, and its hidden units lie side by side in vectors.

``net`` and theta are those of rows.py, which is for many inputs. A ``tape`` keeps what each layer was given: at
``places[l]`` a row for each input, of I_l floats, a 1, and zeros up to a whole number of vectors.
"""

from __future__ import annotations

from numba import njit

from harness.engines.cpu.numeric.activations import activate, slope
from harness.engines.cpu.numeric.jit import F4, I8, I8_2, NONE, WORK, b1, f8, i8, kernel
from harness.engines.cpu.numeric.matmul import OUT, VECTOR, ZERO, dot, dots, product
from harness.engines.cpu.numeric.mlp import ACTIVATION
from harness.engines.cpu.numeric.simd import LANES, load, room, store


@njit(error_model="numpy")
def complete(tape, place, units, count):
    """Put the 1 and the zeros behind the ``units`` numbers of each of ``count`` rows."""
    width = room(units)
    for r in range(count):
        tape[place + r * width + units] = 1
        for i in range(units + 1, width):
            tape[place + r * width + i] = 0


@kernel(NONE, I8_2, F4, F4, I8, i8, F4)
def forward(net, theta, tape, places, count, out):
    """Outputs (count,) of the inputs that lie, completed, at places[0] of the tape, which is filled."""
    last = len(net) - 1
    for layer in range(last):
        inputs, outputs, row, start, activation = net[layer]
        width, first = room(outputs), places[layer + 1]
        product(
            tape, first, width, tape, places[layer], 1, room(inputs), theta, start, row, inputs, count,
            row // LANES, VECTOR,
        )  # fmt: skip
        activate(activation, tape, first, width, count, row)
        complete(tape, first, outputs, count)
    inputs, _, _, start, _ = net[last]
    width = room(inputs)
    for r in range(count):
        out[r] = dot(tape, places[last] + r * width, theta, start, width // LANES)


@njit(error_model="numpy")
def _below(theta, start, row, inputs, delta, d0, vectors, number, tape, place, out, o0):
    """Slopes in a layer's inputs: its weights times ``delta``, and times a'(z) where ``number`` is not negative."""
    for i in range(0, inputs, LANES):
        found = dots(theta, start + i * row, row, delta, d0, vectors)
        if number >= 0:
            found = found * slope(number, load(tape, place + i))
        store(out, o0 + i, found)


@njit(error_model="numpy")
def cleared(values, start, stop):
    """values[start:stop] = 0."""
    for i in range(start, stop):
        values[i] = 0


@njit(error_model="numpy")
def _square(h, h0, width, delta, d0, wide, count):
    """The squared norm of the sum of h_r delta_r^T over ``count`` inputs: that of (h_r . h_s)(delta_r . delta_s)."""
    found = 0.0
    for r in range(count):
        for s in range(count):
            inner = dot(h, h0 + r * width, h, h0 + s * width, width // LANES)
            found += float(inner) * dot(delta, d0 + r * wide, delta, d0 + s * wide, wide // LANES)
    return found


@kernel(f8, I8_2, F4, F4, I8, i8, F4, WORK, F4, b1, b1, F4, b1, b1, F4)
def backward(net, theta, tape, places, count, slopes, work, gradient, wants, add, out, reaches, keeps, kept):
    """From the slopes of a loss in the outputs: its gradient, its slopes in the inputs.

    The gradient is written where ``wants``, or added to what stands there where ``add``. ``out`` gets the slopes in
    the inputs where ``reaches``: a row of room(inputs) floats for each input, of which the first ones count. The
    result is the squared norm of the gradient that was written or added. Where ``keeps`` the first layer's gradient is
    not written, but the slopes of its outputs into ``kept``, of which and the inputs it is made (moving.move_factored).
    """
    last = len(net) - 1
    one, other, _ = work
    inputs, _, _, start, _ = net[last]
    width = room(inputs)
    square, begin = 0.0, OUT if add else ZERO
    if wants:
        product(gradient, start, 0, slopes, 0, 1, 0, tape, places[last], width, count, 1, width // LANES, begin)
        for r in range(count):
            for s in range(count):
                inner = dot(tape, places[last] + r * width, tape, places[last] + s * width, width // LANES)
                square += float(inner) * slopes[r] * slopes[s]
    if last == 0:
        for r in range(count if reaches else 0):
            for i in range(0, width, LANES):
                store(out, r * width + i, load(theta, start + i) * slopes[r])
        return square
    activation = net[last - 1, ACTIVATION]
    for r in range(count):
        for i in range(0, width, LANES):
            h = load(tape, places[last] + r * width + i)
            store(one, r * width + i, load(theta, start + i) * slopes[r] * slope(activation, h))
        cleared(one, r * width + inputs, (r + 1) * width)
    for layer in range(last - 1, -1, -1):
        inputs, outputs, row, start, _ = net[layer]
        wide, width, vectors = room(outputs), room(inputs), row // LANES
        if wants:
            if keeps and layer == 0:
                for i in range(0, count * wide, LANES):
                    store(kept, i, load(one, i))
            else:
                product(
                    gradient, start, row, tape, places[layer], width, 1, one, 0, wide, count, inputs + 1, vectors, begin
                )  # fmt: skip
            square += _square(tape, places[layer], width, one, 0, wide, count)
        if layer > 0:
            number = net[layer - 1, ACTIVATION]
            for r in range(count):
                place = places[layer] + r * width
                _below(theta, start, row, inputs, one, r * wide, vectors, number, tape, place, other, r * width)
                cleared(other, r * width + inputs, (r + 1) * width)
            one, other = other, one
        elif reaches:
            for r in range(count):
                _below(theta, start, row, inputs, one, r * wide, vectors, -1, tape, 0, out, r * width)
    return square
