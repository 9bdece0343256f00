"""The draws of ``harness.data.rng`` inside a training loop: the same numbers, one update at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from harness.data.rng import Stream
from harness.engines.cpu.numeric.jit import I4, NONE, i8, kernel, u8

# Plain numbers, because numba takes no enumeration of another module's.
REAL, LATENT_D, LATENT_G, LABELS = (int(s) for s in (Stream.REAL, Stream.LATENT_D, Stream.LATENT_G, Stream.LABELS))
SEGMENT, AROUND, REPLAY = (int(s) for s in (Stream.SEGMENT, Stream.AROUND, Stream.REPLAY))
NOISE_REAL, NOISE_FAKE, NOISE_G = (int(s) for s in (Stream.NOISE_REAL, Stream.NOISE_FAKE, Stream.NOISE_G))

_U = np.uint64
_WORD, _HALF = _U(0xFFFFFFFF), _U(32)
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)  # Salmon 2011, table 2
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)
_UNIT = np.float32(2.0**-23)


@kernel(NONE, u8, u8, u8, i8, i8, i8, I4)
def draw_levels(key0, key1, key2, stream, update, count, out):
    """out[:count] = the levels, whole numbers below 2^23, of a stream's draws; room for a multiple of 4.

    The key is the low word of the study seed, the member's seed, and the high word of the study seed.
    """
    for block in range((count + 3) // 4):
        c0, c1, c2, c3 = _U(block), _U(update), _U(stream), key2
        k0, k1 = key0, key1
        for _ in range(10):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _WORD, (p0 >> _HALF) ^ c3 ^ k1, p0 & _WORD
            k0, k1 = (k0 + _W0) & _WORD, (k1 + _W1) & _WORD
        place = 4 * block
        out[place] = np.int32(c0 >> _U(9))
        out[place + 1] = np.int32(c1 >> _U(9))
        out[place + 2] = np.int32(c2 >> _U(9))
        out[place + 3] = np.int32(c3 >> _U(9))


@njit(error_model="numpy")
def uniform(level):
    """(level + 1/2)/2^23, exact in float32."""
    return (np.float32(level) + np.float32(0.5)) * _UNIT


@njit(error_model="numpy")
def draw_uniforms(key0, key1, key2, stream, update, count, levels, out):
    """out[:count] = a stream's draws."""
    draw_levels(key0, key1, key2, stream, update, count, levels)
    for i in range(count):
        out[i] = uniform(levels[i])


@njit(error_model="numpy")
def draw_from(table, key0, key1, key2, stream, update, count, levels, out):
    """out[:count] = the quantiles of a stream's draws by a table (``quantiles``)."""
    draw_levels(key0, key1, key2, stream, update, count, levels)
    for i in range(count):
        out[i] = table[levels[i]]
