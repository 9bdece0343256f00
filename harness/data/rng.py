"""Counter-based random numbers: Philox4x32-10 keyed by (study seed, member seed).

A draw is a pure function of member, step, stream and index. So a member gets the same numbers alone, in any slot of any
population, after a resume and on every engine. There is no state.

    key     = (low word of the study seed, seed of the member)
    counter = (block of four draws, step, stream, high word of the study seed)

The key holds the seed of a member but not its loss. Seed k has the same initial weights, data and noise under every
loss variant, so comparisons between variants are paired.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # Salmon 2011, table 2
_WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, as 32-bit fractions
_ROUNDS = 10

#: The least and the greatest number that ``uniforms`` draws.
EXTREME_DRAWS = (2.0**-24, 1 - 2.0**-24)


class Stream(enum.IntEnum):
    """Purposes of draws. The numbers are part of every result: append, never renumber."""

    INITIAL_G = 0
    INITIAL_D = 1
    REAL = 2
    LATENT_D = 3
    LATENT_G = 4
    LABELS = 5
    SCORE = 6
    SEGMENT = 7  # a penalty's point on the segment between a real and a generated input
    AROUND = 8  # a penalty's offset from a real input
    NOISE_REAL = 9  # instance noise on the real values, ...
    NOISE_FAKE = 10  # ... on the generated ones of D's update, ...
    NOISE_G = 11  # ... and on those of G's update
    REPLAY = 12  # the choice of old generated values for D


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10: four 32-bit words for each counter (four words) under each key (two words).

    Arguments are int64 tensors with values in [0, 2**32) that broadcast against each other; results likewise.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2**64, which keeps both 32-bit halves of the unsigned product exact.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _WORD) ^ c1 ^ k0,
            p1 & _WORD,
            ((p0 >> 32) & _WORD) ^ c3 ^ k1,
            p0 & _WORD,
        )
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return c0, c1, c2, c3


def uniforms(study_seed: int, seeds_P: Tensor, stream: Stream, steps: range, count: int) -> Tensor:
    """Draws u_TPC, uniform on (0, 1): T steps, P members, C = ``count`` draws each; float32.

    u = (w // 2**9 + 1/2) / 2**23 for a 32-bit word w: exact in float32, never 0 or 1, and symmetric about 1/2.
    ``study_seed`` is in [0, 2**63), each seed in [0, 2**32), each step in [0, 2**32).
    """
    device = seeds_P.device
    blocks = torch.arange((count + 3) // 4, device=device).view(1, 1, -1)
    step_T11 = torch.arange(steps.start, steps.stop, steps.step, device=device).view(-1, 1, 1)
    seed_1P1 = seeds_P.to(torch.int64).view(1, -1, 1)
    shape = (len(steps), len(seeds_P), blocks.shape[2])
    high = torch.full((1, 1, 1), study_seed >> 32, device=device)
    low = torch.full((1, 1, 1), study_seed & _WORD, device=device)
    kind = torch.full((1, 1, 1), int(stream), device=device)
    words = philox((blocks, step_T11, kind, high), (low, seed_1P1))
    words_TPb4 = torch.stack([w.expand(shape) for w in words], dim=-1)
    u = ((words_TPb4 >> 9).to(torch.float32) + 0.5) * 2.0**-23
    return u.flatten(2)[..., :count]
