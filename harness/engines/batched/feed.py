"""Where a step reads the numbers that change from step to step: draws, and the optimisers' step sizes.

They are made for a block of steps at a time. On a CPU the position in the block is a Python number. In a captured
CUDA graph it is a tensor that the graph itself advances, over buffers that never move.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from harness.engines.base import BLOCK


class Feed(Protocol):
    """A block of prepared numbers, first axis: update within the block."""

    device: str

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        """Make ``block``, of at most BLOCK steps, the current one and go to its first step."""

    def rewind(self) -> None:
        """Go back to the first step of the block."""

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        """The numbers of the j-th of ``per_step`` updates of the current step."""

    def advance(self) -> None:
        """Go to the next step of the block."""


class HostFeed:
    """For eager steps: slices of the block, cut once."""

    def __init__(self, device: str) -> None:
        self.device = device

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        self._block = {name: values.unbind(0) for name, values in block.items()}
        self.rewind()

    def rewind(self) -> None:
        self._position = 0

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        return self._block[name][self._position * per_step + j]

    def advance(self) -> None:
        self._position += 1


class DeviceFeed:
    """For captured steps: fixed buffers, read at a position that lives on the device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._buffers: dict[str, Tensor] = {}
        self._position_1 = torch.zeros(1, dtype=torch.int64, device=device)

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        for name, values in block.items():
            if name not in self._buffers:
                self._buffers[name] = values.new_zeros(len(values) // steps * BLOCK, *values.shape[1:])
            self._buffers[name][: len(values)].copy_(values)
        self.rewind()

    def rewind(self) -> None:
        self._position_1.zero_()

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        return self._buffers[name].index_select(0, self._position_1 * per_step + j).squeeze(0)

    def advance(self) -> None:
        self._position_1 += 1
