"""What generators are scored on: the draws of noise behind every score, and what the networks make of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from harness.engines.cpu import Columns, Sampler
from harness.engines.threads import single_threaded
from harness.networks import Mlp, generate
from harness.noise import NOISES, evenly_spread
from harness.spec import Shape
from harness.streams import Stream, uniforms

#: Draws behind every committed score, stratified and independent alike.
SCORE_DRAWS = 10_000

#: Drawn noises that are kept, because the trials of a search share their seeds: so many, of 80 kB a dimension, in so
#: many dimensions at most.
_KEPT, _KEPT_LATENT = 64, 8

Noise = NDArray[np.float64]


def even_noise(shape: Shape) -> Noise:
    """The points of noise (S, Z), the same for all, that distances are measured on."""
    return _even(shape.noise, shape.latent)


def score_noise(study_seed: int, seed: int, shape: Shape) -> Noise:
    """The independent draws of noise (S, Z) that a member's KS test is taken on."""
    draw = _kept if shape.latent <= _KEPT_LATENT else _drawn
    return draw(study_seed, seed, shape.noise, shape.latent)


def _drawn(study_seed: int, seed: int, law: str, latent: int) -> Noise:
    count = SCORE_DRAWS * latent
    u_C = uniforms(study_seed, torch.tensor([seed]), Stream.SCORE, range(1), count)[0, 0].double().numpy()
    return NOISES[law](u_C.reshape(SCORE_DRAWS, latent))


_kept = lru_cache(maxsize=_KEPT)(_drawn)


@lru_cache(maxsize=1)
def _even(law: str, latent: int) -> Noise:
    return evenly_spread(law, SCORE_DRAWS, latent)


def samples(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> NDArray[np.floating]:
    """What each generator makes of its own noise (S, Z), as (P, S), in theta's precision.

    One generator at a time, so no bit depends on P: in float32 compiled for this processor, in float64 by torch, whose
    exponentials are exact to the last digits.
    """
    made = _in_float32 if theta_PW.dtype == np.float32 else _in_float64
    return np.stack(made(network, theta_PW, noises))


def _in_float32(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> list[NDArray[np.floating]]:
    sampler = Sampler(network)
    return [sampler.samples(theta_W, Columns(noise_SZ)) for theta_W, noise_SZ in zip(theta_PW, noises, strict=False)]


def _in_float64(network: Mlp, theta_PW: NDArray[np.floating], noises: Iterable[Noise]) -> list[NDArray[np.floating]]:
    theta = torch.from_numpy(np.ascontiguousarray(theta_PW, dtype=np.float64))
    with single_threaded():
        return [
            generate(network, theta[p : p + 1], torch.from_numpy(noise_SZ))[0].numpy()
            for p, noise_SZ in zip(range(len(theta)), noises, strict=False)
        ]
