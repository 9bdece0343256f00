"""Where the numbers of a network and of a member lie: everything is allocated here, once, in aligned float32."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.engines.cpu.numeric.activations import NUMBERS
from harness.engines.cpu.numeric.simd import LANES, padded, room

Float32 = NDArray[np.float32]

_CACHE_LINE = 64


def aligned(count: int, behind: int = 0) -> Float32:
    """So many zeros, in whole vectors, from the start of a cache line; ``behind`` them as many that may be read."""
    whole = np.zeros(padded(count) + behind + _CACHE_LINE // 4, np.float32)
    first = -(whole.ctypes.data // 4) % (_CACHE_LINE // 4)
    return whole[first : first + padded(count)]


class Plan(NamedTuple):
    """A network's layers as lines of ``net`` (rows.py), and the floats that its parameters take with padding."""

    network: Mlp
    net: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, network: Mlp) -> Plan:
        """Layer by layer I + 1 rows of padded(O) floats; the last layer, of one output, I + 1 floats, padded."""
        lines, start = [], 0
        for layer, number in zip(network.layers, (*map(NUMBERS.get, network.activations), -1), strict=True):
            row = 1 if number == -1 else padded(layer.outputs)
            lines.append((layer.inputs, layer.outputs, row, start, number))
            start += padded((layer.inputs + 1) * row)
        return cls(network, np.array(lines, np.int64), start)

    def packed(self, theta_W: NDArray[np.floating]) -> Float32:
        """A row of flat parameters as the engine keeps it, padding 0."""
        # Products with a layer's rows are made in blocks of LANES, of which the last may reach beyond the end.
        found = aligned(self.size, LANES * int(self.net[:, 2].max()))
        for layer, block in zip(self.network.layers, self._blocks(found), strict=True):
            block[:] = theta_W[layer.start : layer.stop].reshape(block.shape)
        return found

    def flat(self, values: Float32) -> Float32:
        """What the engine keeps as a row of flat parameters, without padding."""
        return np.concatenate([block.reshape(-1) for block in self._blocks(values)])

    def _blocks(self, values: Float32) -> list[Float32]:
        """Views (I + 1, O) of each layer's weights and, last, biases."""
        return [
            values[start : start + (inputs + 1) * row].reshape(inputs + 1, row)[:, :outputs]
            for inputs, outputs, row, start, _ in self.net.tolist()
        ]

    @property
    def widest(self) -> int:
        """Rows that the slopes of any layer may need, in whole vectors."""
        return int(room(int(self.net[:, :2].max())))


class Tape(NamedTuple):
    """Room for what the layers of a network are given (rows.py, units.py); stride 0 where units lie side by side."""

    values: Float32
    places: NDArray[np.int64]
    stride: int


def tape_of_rows(plan: Plan, columns: int, ones: bool = True) -> Tape:
    """A tape for inputs that lie side by side: I + 1 rows a layer, the last 1 (0 in a tape of derivatives)."""
    stride, widths = padded(columns), plan.net[:, 0].tolist()
    # A block of LANES rows is read from any of them.
    places = np.cumsum([0, *((width + 1 + LANES) * stride for width in widths)])
    values = aligned(int(places[-1]))
    for place, width in zip(places[:-1].tolist(), widths, strict=True):
        values[place + width * stride : place + (width + 1) * stride] = ones
    return Tape(values, places[:-1].astype(np.int64), stride)


def tape_of_units(plan: Plan, count: int) -> Tape:
    """A tape for few inputs, whose units lie side by side."""
    places = np.cumsum([0, *(room(width) * count for width in plan.net[:, 0].tolist())])
    return Tape(aligned(int(places[-1])), places[:-1].astype(np.int64), 0)
