"""Division of a matrix product among a block's threads: rows and columns of each, and parts of the sum.

The choice depends on the sizes alone, never on the device or the population, because the order of a sum is part of
a member's bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

#: Threads of a block: with 255 registers each they fill a multiprocessor's register file.
THREADS = 256

#: Most sums that one thread keeps in registers.
_MOST_SUMS = 40

#: Room for the parts of split sums, in floats; it never sinks below what one part of the columns needs.
SCRATCH_FLOATS = 512

#: What a barrier costs, in instruction slots of a thread; a guess from probes of compiled code, not measured.
_BARRIER_SLOTS = 60


@dataclass(frozen=True)
class Rows:
    """Rows that go through a layer together, kept unit by unit: a thread loads ``pack`` neighbours at once.

    ``stride`` is the distance between units: whole packs, and where rows come in fours an odd number of them, so that
    eight neighbouring units lie in different banks of shared memory.
    """

    count: int

    @property
    def pack(self) -> int:
        return min(self.count, 4) if self.count != 3 else 4

    @property
    def packs(self) -> int:
        return -(-self.count // self.pack)

    @property
    def padded(self) -> int:
        """Rows with those that fill the last pack."""
        return self.pack * self.packs

    @property
    def stride(self) -> int:
        return self.padded if self.pack < 4 or self.packs % 2 else self.padded + 4


@dataclass(frozen=True)
class Tiling:
    """One thread's tile of a product, in packs of rows and in columns, and the number of parts of its sum."""

    packs: int
    columns: int
    split: int


@lru_cache(maxsize=4096)
def product_tiling(rows: Rows, inner: int, columns: int) -> Tiling:
    """Tiling with the fewest instruction slots of the busiest thread: multiplications, loads, and adding up parts."""
    costs: list[tuple[float, Tiling]] = []
    for tile_packs in (1, 2, 3, 4):
        for tile_columns in range(1, 11):
            sums = tile_packs * tile_columns * rows.pack
            if sums > _MOST_SUMS and (tile_packs, tile_columns) != (1, 1):
                continue
            tiles = -(-rows.packs // tile_packs) * -(-columns // tile_columns)
            for split in range(1, min(inner, 16) + 1):
                if split > 1 and split * columns * rows.padded > SCRATCH_FLOATS:
                    break
                waves = -(-tiles * split // THREADS)
                slots = waves * -(-inner // split) * (sums + tile_packs + tile_columns)
                adding = _BARRIER_SLOTS + 2 * split * -(-columns * rows.padded // THREADS) if split > 1 else 0
                costs.append((slots + adding, Tiling(tile_packs, tile_columns, split)))
    return min(costs, key=lambda pair: (pair[0], pair[1].split, pair[1].packs, pair[1].columns))[1]


@lru_cache(maxsize=4096)
def gradient_tiling(rows: Rows, inputs: int, outputs: int) -> tuple[int, int]:
    """Inputs and outputs of one thread's tile of a weight's gradient, a sum over rows."""
    costs = []
    for tile_inputs in range(1, 11):
        for tile_outputs in range(1, 11):
            sums = tile_inputs * tile_outputs
            if sums + tile_outputs > _MOST_SUMS:
                continue
            waves = -(-(-(-inputs // tile_inputs) * -(-outputs // tile_outputs)) // THREADS)
            # A sum too few in flight waits for the one before it; four at once are enough.
            slots = waves * rows.packs * (max(sums, 4) * rows.pack + 4 * (tile_inputs + tile_outputs))
            costs.append((slots, tile_inputs, tile_outputs))
    return min(costs)[1:]
