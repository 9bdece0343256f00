"""What generators are scored on: the draws of noise behind every score, and what the networks make of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.latent import NOISES, evenly_spread
from harness.data.mlp import Mlp, generate
from harness.data.rng import Stream, uniforms
from harness.engines.cpu import Columns, CompiledGenerator
from harness.engines.parallel import single_threaded

#: Draws behind every committed score, stratified and independent alike.
SCORE_DRAWS = 10_000

#: Independent draws that are kept, because the trials of a search share their seeds: of so many seeds, 80 kB each, in
#: one dimension.
_KEPT = 64

Noise = NDArray[np.float64]


@lru_cache(maxsize=1)
def even_noise(law: str, latent: int) -> Noise:
    """The points of noise (S, Z), the same for all members, that distances are measured on."""
    return evenly_spread(law, SCORE_DRAWS, latent)


def score_noise(study_seed: int, seed: int, law: str, latent: int) -> Noise:
    """The independent draws of noise (S, Z) that a member's KS test is taken on."""
    count = SCORE_DRAWS * latent
    u_C = uniforms(study_seed, torch.tensor([seed]), Stream.SCORE, range(1), count)[0, 0].double().numpy()
    return NOISES[law](u_C.reshape(SCORE_DRAWS, latent))


def ordered_noise(study_seed: int, seed: int, law: str, latent: int) -> Noise:
    """``score_noise`` for those who take it as a set: in one dimension ascending, which nearly sorts a sample, too."""
    return _ascending(study_seed, seed, law) if latent == 1 else score_noise(study_seed, seed, law, latent)


@lru_cache(maxsize=_KEPT)
def _ascending(study_seed: int, seed: int, law: str) -> Noise:
    return np.sort(score_noise(study_seed, seed, law, 1), axis=0)


def samples(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> NDArray[np.floating]:
    """What each generator makes of its own noise (S, Z), as (P, S), in theta's precision.

    One generator at a time, so no bit depends on P: in float32 by what is compiled for this processor, in float64 by
    torch.
    """
    made = _in_float32 if theta_PW.dtype == np.float32 else _in_float64
    return np.stack(made(network, theta_PW, noises))


def _in_float32(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> list[NDArray[np.floating]]:
    sampler = CompiledGenerator(network)
    return [sampler.samples(theta_W, Columns(noise_SZ)) for theta_W, noise_SZ in zip(theta_PW, noises, strict=False)]


def _in_float64(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> list[NDArray[np.floating]]:
    theta = torch.from_numpy(np.ascontiguousarray(theta_PW, dtype=np.float64))
    with single_threaded():
        return [
            generate(network, theta[p : p + 1], torch.from_numpy(noise_SZ))[0].numpy()
            for p, noise_SZ in zip(range(len(theta)), noises, strict=False)
        ]
