"""The draws of ``harness.data.rng`` inside a training loop: the same Philox counters, one update at a time.

A draw is a level, a whole number below 2^23, and stands for the uniform (level + 1/2)/2^23. Buffers of levels need
room for a multiple of 4, because Philox makes four at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.rng import Stream
from harness.engines.cpu.numeric.jit import I4, NONE, helper, i8, kernel, tuple_type, u8

# Plain numbers, because numba takes no enumeration of another module.
REAL, LATENT_D, LATENT_G, LABELS = (int(s) for s in (Stream.REAL, Stream.LATENT_D, Stream.LATENT_G, Stream.LABELS))
SEGMENT, AROUND, REPLAY = (int(s) for s in (Stream.SEGMENT, Stream.AROUND, Stream.REPLAY))
NOISE_REAL, NOISE_FAKE, NOISE_G = (int(s) for s in (Stream.NOISE_REAL, Stream.NOISE_FAKE, Stream.NOISE_G))

_U = np.uint64
_WORD, _HALF = _U(0xFFFFFFFF), _U(32)
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)  # multipliers and Weyl constants: Salmon 2011, table 2
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)
_UNIT = np.float32(2.0**-23)


class Draw(NamedTuple):
    """One stream at one update of one member.

    The key is the low word of the study seed, the member's seed, and the high word of the study seed.
    """

    key0: np.uint64
    key1: np.uint64
    key2: np.uint64
    stream: int
    update: int


DRAW = tuple_type(Draw, u8, u8, u8, i8, i8)


@kernel(NONE, DRAW, i8, I4)
def draw_levels(draw, count, out):
    """out[:count] = levels."""
    # Philox4x32-10: ten rounds of two multiplications, whose high and low words cross over, with a key that grows.
    for block in range((count + 3) // 4):
        c0, c1, c2, c3 = _U(block), _U(draw.update), _U(draw.stream), draw.key2
        k0, k1 = draw.key0, draw.key1  # 32-bit words in 64, so that a product keeps its high word
        for _ in range(10):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _WORD, (p0 >> _HALF) ^ c3 ^ k1, p0 & _WORD
            k0, k1 = (k0 + _W0) & _WORD, (k1 + _W1) & _WORD
        # The upper 23 of 32 bits: as many as float32 tells apart.
        first = 4 * block
        out[first] = np.int32(c0 >> _U(9))
        out[first + 1] = np.int32(c1 >> _U(9))
        out[first + 2] = np.int32(c2 >> _U(9))
        out[first + 3] = np.int32(c3 >> _U(9))


@kernel(NONE, DRAW, i8, i8, I4)
def _draw_updates(first, updates, count, out):
    """Levels of ``updates`` updates from the first draw's on, ``count`` each, one after the other."""
    for u in range(updates):
        draw = Draw(first.key0, first.key1, first.key2, first.stream, first.update + u)
        draw_levels(draw, count, out[u * count :])


def levels_of(key: NDArray[np.uint64], stream: int, updates: range, count: int) -> NDArray[np.int32]:
    """Levels of a stream at some updates, ``count`` each, for use outside the loop; ``prepare`` comes first."""
    levels = np.empty(len(updates) * count + 4, np.int32)
    key0, key1, key2 = key
    _draw_updates.kernel.dispatcher(Draw(key0, key1, key2, stream, updates.start), len(updates), count, levels)
    return levels[: len(updates) * count]


@helper
def draw_at(run, stream, update):
    """The member's draw from a stream at an update."""
    return Draw(run.key0, run.key1, run.key2, stream, update)


@helper
def uniform(level):
    """(level + 1/2)/2^23, exact in float32."""
    return (np.float32(level) + np.float32(0.5)) * _UNIT


@helper
def draw_uniforms(draw, count, levels, out):
    """out[:count] = uniforms; ``levels`` is scratch."""
    draw_levels(draw, count, levels)
    for i in range(count):
        out[i] = uniform(levels[i])


@helper
def draw_from(table, draw, count, levels, out):
    """out[:count] = quantiles from a table of all levels (``quantile_table``); ``levels`` is scratch."""
    draw_levels(draw, count, levels)
    for i in range(count):
        out[i] = table[levels[i]]
