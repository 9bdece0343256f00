"""Memory of a network: its layout, and arrays in aligned float32, all of them allocated once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.engines.cpu.numeric.activations import ACTIVATION_IDS
from harness.engines.cpu.numeric.mlp import Activations
from harness.engines.cpu.numeric.simd import LANES, padded, row_length

Float32 = NDArray[np.float32]

_CACHE_LINE = 64


def aligned(count: int, readable_behind: int = 0) -> Float32:
    """Allocate ``count`` zeros, in whole vectors, from the start of a cache line.

    ``readable_behind`` more floats may be read behind them.
    """
    whole = np.zeros(padded(count) + readable_behind + _CACHE_LINE // 4, np.float32)
    first = -(whole.ctypes.data // 4) % (_CACHE_LINE // 4)
    return whole[first : first + padded(count)]


class MlpLayout(NamedTuple):
    """One network in memory: its table of layers (numeric/mlp.py), and its floats with padding."""

    network: Mlp
    layers: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, network: Mlp) -> MlpLayout:
        """Layer by layer I + 1 rows of padded(O) floats; the last layer, of one output, I + 1 floats, padded."""
        table, start = [], 0
        for layer, activation in zip(network.layers, (*map(ACTIVATION_IDS.get, network.activations), -1), strict=True):
            row = 1 if activation == -1 else padded(layer.outputs)
            table.append((layer.inputs, layer.outputs, row, start, activation))
            start += padded((layer.inputs + 1) * row)
        return cls(network, np.array(table, np.int64), start)

    def packed(self, theta_W: NDArray[np.floating]) -> Float32:
        """Lay out a row of flat parameters, with zeros as padding."""
        # Products take a layer's rows in blocks of LANES, of which the last may reach beyond the end.
        values = aligned(self.size, LANES * int(self.layers[:, 2].max()))
        for layer, block in zip(self.network.layers, self._blocks(values), strict=True):
            block[:] = theta_W[layer.start : layer.stop].reshape(block.shape)
        return values

    def flat(self, values: Float32) -> Float32:
        """Undo ``packed``: flat parameters without padding."""
        return np.concatenate([block.reshape(-1) for block in self._blocks(values)])

    def _blocks(self, values: Float32) -> list[Float32]:
        """Views (I + 1, O) of each layer's weights and, last, biases."""
        return [
            values[start : start + (inputs + 1) * row].reshape(inputs + 1, row)[:, :outputs]
            for inputs, outputs, row, start, _ in self.layers.tolist()
        ]

    @property
    def widest(self) -> int:
        """Rows that the delta of any layer may need, in whole vectors."""
        return int(row_length(int(self.layers[:, :2].max())))


def feature_major(layout: MlpLayout, columns: int, ones: bool = True) -> Activations:
    """Allocate activations (I + 1, padded(columns)) a layer, the last row 1, or 0 for derivatives (``ones`` false)."""
    stride, widths = padded(columns), layout.layers[:, 0].tolist()
    # Blocks of LANES rows are read from any row on.
    offsets = np.cumsum([0, *((width + 1 + LANES) * stride for width in widths)])
    values = aligned(int(offsets[-1]))
    for offset, width in zip(offsets[:-1].tolist(), widths, strict=True):
        values[offset + width * stride : offset + (width + 1) * stride] = ones
    return Activations(values, offsets[:-1].astype(np.int64), stride)


def batch_major(layout: MlpLayout, count: int) -> Activations:
    """Allocate activations (count, row_length(I)) a layer."""
    offsets = np.cumsum([0, *(row_length(width) * count for width in layout.layers[:, 0].tolist())])
    return Activations(aligned(int(offsets[-1])), offsets[:-1].astype(np.int64), 0)
