"""The generator's half of a step, taken apart on the reference engine: who gets a gradient, and who moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.rng import Stream
from harness.engines.reference.gradients import Game
from harness.members import Group, Member


class Half:
    """One member's game, put at any parameters of its training and asked for the generator's half of the next step."""

    def __init__(self, member: Member) -> None:
        self._game = Game(Group((member,)), member)
        self._start = self._game.state()

    def measure(self, step: int, theta_g_W: NDArray[np.floating], theta_d_W: NDArray[np.floating]) -> dict[str, float]:
        """The columns from ``through_input`` to ``moved_d`` of ``store.recording.FRAMES``, after ``step`` steps.

        The draws are those of the member's next step, in which D has not moved yet. The optimiser's memory is empty,
        so ``moved_g`` is what a first update would be.
        """
        game = self._game
        self._put(theta_g_W, theta_d_W)
        update_d, update_g = step * game.shape.d_steps, step * game.shape.g_steps
        game.discriminator_gradient(step, update_d)  # draws the real minibatch that G's loss may read
        through_1W = game.generator_gradient(step, update_g)
        uncut = game.view
        game.view = replace(uncut, features=lambda x_1B: uncut.features(x_1B).detach())
        cut_1W = game.generator_gradient(step, update_g)
        game.view = uncut
        left_1W = self._left_on_d(update_g)
        before = [player.theta_1W.clone() for player in (game.g, game.d)]
        game.update_g(through_1W, step)
        moved = [(player.theta_1W - old).abs().max() for player, old in zip((game.g, game.d), before, strict=True)]
        return {
            "through_input": float(through_1W.norm()),
            "input_cut": float(cut_1W.norm()),
            "left_on_d": float(left_1W.norm()),
            "moved_g": float(moved[0]),
            "moved_d": float(moved[1]),
        }

    def _put(self, theta_g_W: NDArray[np.floating], theta_d_W: NDArray[np.floating]) -> None:
        """Both players at these parameters, with optimisers that remember nothing."""
        self._game.resume(self._start)
        with torch.no_grad():
            for player, theta_W in ((self._game.g, theta_g_W), (self._game.d, theta_d_W)):
                player.theta_1W.copy_(torch.from_numpy(theta_W.astype(np.float64)))

    def _left_on_d(self, update: int) -> torch.Tensor:
        """The gradient (1, W) of the generator's mean loss in D's weights, as ``backward()`` leaves it there."""
        game = self._game
        fake_1K = game.decide(game.view.features(game.generate(Stream.LATENT_G, update)))
        with torch.no_grad():
            slope_1K = game.variant.generator_slope(game.decide(game.real_1KN), fake_1K, **game.params)
        return game.d.gradient(fake_1K, slope_1K / fake_1K.shape[1])
