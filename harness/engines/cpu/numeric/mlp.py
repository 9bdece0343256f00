"""Perceptrons: what their kernels are given, in two layouts.

* Feature-major (feature_major.py): the inputs of a layer are (I + 1, stride), a row for each feature and the last all
  1, so that vectors run along the inputs of the network. For G, and for D with 4 decisions or more.
* Batch-major (batch_major.py): they are (count, row), a row for each input of the network, then a 1, then zeros up to
  whole vectors. For D with fewer decisions, as when it decides on a whole minibatch: its 2 inputs would leave vectors
  that run along them empty.

The 1 makes a bias the weight of one more input. Theta, gradients and slopes are 0 where rows are padded to whole
vectors, and stay so. A ``delta`` holds the slopes of the loss in a layer's sums z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu.numeric.jit import F4, I8, I8_2, helper, i8, tuple_type
from harness.engines.cpu.numeric.record import floats, word_table, words

#: Columns of a table of layers: inputs I, outputs O, floats between rows of weights, first float in theta, activation.
#: A layer's weights are I + 1 rows of O floats. The last layer has one output, rows of 1 float and no activation (-1).
INPUTS, OUTPUTS, STRIDE, START, ACTIVATION = range(5)


class Weights(NamedTuple):
    """A network: its table of layers (layers, 5), and parameters."""

    layers: NDArray[np.int64]
    theta: NDArray[np.float32]


class Activations(NamedTuple):
    """The inputs of every layer: those of layer l from offsets[l] on. ``stride`` is 0 where they are batch-major."""

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    stride: int


class Scratch(NamedTuple):
    """Room for the deltas of a layer and of the one below, and for a transposed one; each fits the widest layer."""

    delta: NDArray[np.float32]
    below: NDArray[np.float32]
    transposed: NDArray[np.float32]


class Gradient(NamedTuple):
    """Memory for a gradient. If ``first_delta`` is not empty the first layer's part is left as its two factors.

    They are the layer's inputs, among the activations, and its delta (count, row), which goes to ``first_delta``.
    """

    values: NDArray[np.float32]
    first_delta: NDArray[np.float32]


WEIGHTS, ACTIVATIONS = tuple_type(Weights, I8_2, F4), tuple_type(Activations, F4, I8, i8)
SCRATCH, GRADIENT = tuple_type(Scratch, F4, F4, F4), tuple_type(Gradient, F4, F4)


@helper
def weights_of(player, theta):
    """A player's network with the parameters (W,) at address ``theta``."""
    return Weights(word_table(player.layers, player.depth, 5), floats(theta, player.size))


@helper
def activations_of(record, player):
    """The activations of a player's network that a record describes."""
    return Activations(floats(record.values, 1), words(record.offsets, player.depth), record.stride)


@helper
def scratch_of(run):
    """A run's first pair of deltas."""
    return Scratch(floats(run.delta_a, 1), floats(run.delta_b, 1), floats(run.transposed, 1))
