"""One frame of a recording: its columns, computed from the parameters of both players."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.rng import Stream
from harness.engines.generate import even_noise, samples
from harness.engines.reference.gradients import Game
from harness.losses import LOSSES
from harness.members import Group, Member
from harness.metrics.distances import ks_distance
from harness.store import QUANTILE_LEVELS

#: Quantile levels of the target between which the grid would lie, and how many of its widths are added on each side.
_TAIL, _MARGIN = 0.001, 0.5

#: Points of the grid that D's decision is drawn over.
GRID = 65


def unrecordable_reason(member: Member) -> str | None:
    """The reason that D's logit and its force on a value cannot be drawn over x; None if they can."""
    variant, settings = LOSSES[member.loss], member.settings
    if Group((member,)).view.inputs(member.shape.batch) != 1:
        return f"view {member.view!r} gives D several values at once; only view 'sample' can be drawn over x"
    if variant.direct is not None:
        return f"{member.loss} trains the generator on a loss of its values, not on D's logits alone"
    for name in ("spectral_norm", "instance_noise", "ema", "consensus"):
        if getattr(settings, name):
            return f"{name} changes what the generator is trained with, and cannot be drawn; set {name} = 0"
    return None


def grid_of(member: Member) -> NDArray[np.float64]:
    """The points (X,) that D's logit is drawn over: the target's range and half as much on each side."""
    low, high = member.target.quantile(np.array([_TAIL, 1 - _TAIL]))
    margin = _MARGIN * (high - low)
    # From -4 to 12 for the seed's N(4, 1.25): whole numbers, so that axes read well.
    return np.linspace(np.floor(low - margin), np.ceil(high + margin), GRID)


def measure_frame(member: Member, theta_g_W: NDArray[np.floating], theta_d_W: NDArray[np.floating]) -> dict[str, Any]:
    """The columns ``ks``, ``values``, ``logits``, ``forces`` and ``curve`` of ``store.recording.FRAMES``.

    The force on a generated value x_k is -d(sum_j L_G(l_j))/dx_k, L_G the generator's loss of a decision and l D's
    logit: minus the batch size times the gradient that comes back to G at its output. It is computed in float64.
    """
    group = Group((member,))
    made_1S = samples(group.generator, theta_g_W[None], [even_noise(member.shape.noise, member.shape.latent)])
    if not np.isfinite(made_1S).all():
        raise ValueError("a generator that was not stopped makes values that are no finite numbers")
    values_Q = np.quantile(made_1S[0].astype(np.float64), QUANTILE_LEVELS, method="hazen")
    parts = group.discriminator.split(torch.from_numpy(theta_d_W.astype(np.float64))[None])

    def decide(x_1B: torch.Tensor) -> torch.Tensor:
        return group.discriminator.forward(parts, group.view.features(x_1B))

    x_1Q = torch.from_numpy(values_Q)[None].requires_grad_()
    logits_1Q = decide(x_1Q)
    with torch.no_grad():
        real_1Q = decide(torch.from_numpy(member.target.quantile(np.array(QUANTILE_LEVELS)))[None])
        slope_1Q = LOSSES[member.loss].generator_slope(real_1Q, logits_1Q, **dict(member.loss_params))
        curve_1X = decide(torch.from_numpy(grid_of(member))[None])
    (gradient_1Q,) = torch.autograd.grad(logits_1Q, x_1Q, slope_1Q)
    return {
        "ks": float(ks_distance(made_1S, member.target)[0]),
        "values": values_Q,
        "logits": logits_1Q[0].detach().numpy(),
        "forces": -gradient_1Q[0].numpy(),
        "curve": curve_1X[0].numpy(),
    }


class GeneratorUpdate:
    """One member's game on the reference engine, to measure the generator's update at given parameters."""

    def __init__(self, member: Member) -> None:
        self._game = Game(Group((member,)), member)
        self._start = self._game.state()

    def measure(self, step: int, theta_g_W: NDArray[np.floating], theta_d_W: NDArray[np.floating]) -> dict[str, float]:
        """The columns from ``through_input`` to ``moved_d`` of ``store.recording.FRAMES``, after ``step`` steps.

        The draws are those of the member's next step, before D moves. The optimizer's state is empty, so ``moved_g`` is
        the change of a first update.
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
        """Set both players to these parameters, with empty optimizer states."""
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
