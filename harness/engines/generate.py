"""Samples of generators, and the draws of noise behind every score."""

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

#: Draws behind every committed score, both stratified and independent.
SCORE_DRAWS = 10_000

#: Seeds whose independent draws are cached, because the trials of a search share seeds: 80 kB each, in one dimension.
_CACHED = 64

Noise = NDArray[np.float64]


@lru_cache(maxsize=1)
def even_noise(law: str, latent: int) -> Noise:
    """Points of noise (S, Z), the same for all members, that distances are measured on."""
    return evenly_spread(law, SCORE_DRAWS, latent)


def score_noise(study_seed: int, seed: int, law: str, latent: int) -> Noise:
    """Independent draws of noise (S, Z) for a member's KS test."""
    count = SCORE_DRAWS * latent
    u_C = uniforms(study_seed, torch.tensor([seed]), Stream.SCORE, range(1), count)[0, 0].double().numpy()
    return NOISES[law](u_C.reshape(SCORE_DRAWS, latent))


def ordered_noise(study_seed: int, seed: int, law: str, latent: int) -> Noise:
    """``score_noise`` where order does not matter: ascending in one dimension, which nearly sorts the sample, too."""
    return _ascending(study_seed, seed, law) if latent == 1 else score_noise(study_seed, seed, law, latent)


@lru_cache(maxsize=_CACHED)
def _ascending(study_seed: int, seed: int, law: str) -> Noise:
    return np.sort(score_noise(study_seed, seed, law, 1), axis=0)


def samples(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> NDArray[np.floating]:
    """Sample (P, S) of each generator on its own noise (S, Z), in theta's precision.

    One generator at a time, so no bit depends on P: in float32 by code compiled for this processor, in float64 by
    torch.
    """
    generated = _in_float32 if theta_PW.dtype == np.float32 else _in_float64
    return np.stack(generated(network, theta_PW, noises))


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
