"""Games of the Dirac-GAN by a variant's text, for the tests that play them."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.dirac.entries import rules_in
from analysis.dirac.game import DiracGame, game, rules_of
from analysis.dirac.play import play
from harness.losses import parse_variant


def made(text: str, needs: dict[str, Any] | None = None, *, biased: bool = True) -> DiracGame:
    """The game of a variant's text under settings."""
    variant, params = parse_variant(text)
    return game(variant, params, rules_of(needs or {}), biased=biased)


def run(text: str, needs: dict[str, Any] | None = None, order: str = "alternating", **how: Any) -> np.ndarray:
    """The states of a run."""
    biased = how.pop("biased", True)
    return play(made(text, needs, biased=biased), rules_in(order, needs or {}), **how)


def forces(played: DiracGame, state: tuple[float, float, float]) -> np.ndarray:
    """The gradients in theta, psi and bias."""
    return np.array([*played.descend_generator(*state), *played.descend_discriminator(*state)], dtype=np.float64)
