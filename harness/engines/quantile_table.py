"""Table of a law's quantile function at all the uniforms there are.

``streams.uniforms`` draws (i + 1/2)/2^23 for whole i: there are 2^23 of them. A table with the quantile of each turns
the data of a step into a lookup, with the bits that the function itself would have given, for any law. It pays where
more draws are made than it has entries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.data.latent import NOISES
from harness.data.target import Target

Float64 = NDArray[np.float64]

#: Number of different uniforms, and so of entries of a table: 32 MiB of float32.
LEVELS = 2**23

#: Entries computed at a time, so that the temporary arrays of a law's formula stay small.
_CHUNK = 2**18


def levels(start: int, stop: int) -> Float64:
    """Uniforms (i + 1/2)/2^23 of start <= i < stop, exact in float64 and in float32."""
    return (np.arange(start, stop, dtype=np.float64) + 0.5) / LEVELS


def tabulated(quantile: Callable[[Float64], Float64]) -> NDArray[np.float32]:
    """Quantile of every level in float32, computed in float64 as for a single draw; read-only."""
    table = np.empty(LEVELS, np.float32)
    with np.errstate(over="ignore"):  # beyond float32 a draw is infinite, here as in a single draw
        for start in range(0, LEVELS, _CHUNK):
            table[start : start + _CHUNK] = quantile(levels(start, start + _CHUNK))
    table.setflags(write=False)
    return table


#: The tables of the last few targets that were asked for, the newest last.
_TABLES: dict[Target, NDArray[np.float32]] = {}
_MOST_TABLES = 4
_MAKING = threading.Lock()


def target_table(target: Target) -> NDArray[np.float32]:
    """Table of a target; the last few that were asked for are cached."""
    with _MAKING:
        if target not in _TABLES:
            _TABLES[target] = tabulated(target.quantile)
        _TABLES[target] = table = _TABLES.pop(target)
        for oldest in list(_TABLES)[:-_MOST_TABLES]:
            del _TABLES[oldest]
        return table


def table_worth_having(target: Target, draws: int) -> NDArray[np.float32] | None:
    """Table of a target where it is cached, or is worth making for so many draws; else None."""
    return target_table(target) if target in _TABLES or draws > LEVELS else None


def noise_table(law: str) -> NDArray[np.float32]:
    """Table of a law of the generator's noise: one for all threads, never freed.

    A kernel is given its address alone. Were it made twice at once, one of the two would be freed under it.
    """
    with _MAKING:
        return _noise_table(law)


@lru_cache(maxsize=len(NOISES))
def _noise_table(law: str) -> NDArray[np.float32]:
    return tabulated(NOISES[law])
