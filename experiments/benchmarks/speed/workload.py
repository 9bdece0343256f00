"""Workload of every contender: the script's GAN, its initial weights and draws, and the losses it must show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from literal_script import ScriptLoop
from numpy.typing import NDArray

from harness.config import Settings, Shape
from harness.data.mlp import Mlp
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.reference import ReferenceEngine
from harness.members import Group, Member, groups
from speed.contenders import SET_VIEW

#: The losses of a step, by the names that snapshots give them.
LOSSES = ("loss_d_real", "loss_d_fake", "loss_g")

#: Members and steps of the check that all train the same thing, and how far a loss may be off, as a share of it.
CHECKED_MEMBERS, CHECKED_STEPS, TOLERANCE = 2, 20, 1e-4

Array = NDArray[np.float32]
Weights = tuple[list[Array], list[Array]]


def script_group(members: int, steps: int, view: str = SET_VIEW) -> Group:
    """Members at the script's setting that differ in their random seeds, measured once, after the last step."""
    shape, settings = Shape(steps=steps, snapshots=(steps,)), Settings()
    target = Target()  # one for all: scipy takes a millisecond to make a law
    (group,) = groups(Member("seed_exact", (), view, target, 0, seed, shape, settings) for seed in range(members))
    return group


def unmeasured(theta_PW: NDArray[np.floating]) -> Mapping[str, NDArray[np.float64]]:
    """Scores are no part of a step."""
    return {}


def initial_weights(members: int) -> Weights:
    """G's and D's initial weights (P, inputs, outputs) and biases (P, outputs), layer by layer, as in engines."""
    group = script_group(members, 1)

    def parts(network: Mlp, stream: Stream) -> list[Array]:
        u_PW = uniforms(0, torch.arange(members), stream, range(1), network.size)[0]
        split = network.split(network.initial(u_PW).float())
        return [part.squeeze(1).numpy() if i % 2 else part.numpy() for i, part in enumerate(split)]

    return parts(group.generator, Stream.INITIAL_G), parts(group.discriminator, Stream.INITIAL_D)


def draws(members: int, steps: int) -> tuple[Array, Array, Array]:
    """Real minibatches and the noise of D's and of G's update, each (T, P, B), as engines draw them."""
    group = script_group(members, 1)
    seeds_P, batch = torch.arange(members), group.shape.batch
    u_real, z_d, z_g = (
        uniforms(0, seeds_P, stream, range(steps), batch).numpy()
        for stream in (Stream.REAL, Stream.LATENT_D, Stream.LATENT_G)
    )
    return group.target.quantile(u_real.astype(np.float64)).astype(np.float32), z_d, z_g


def write_inputs(path: Path, members: int, steps: int) -> None:
    """Write initial weights and draws to a file, for contenders that have no ``harness.data.rng``."""
    g, d = initial_weights(members)
    parts = {f"{letter}{i}": part for letter, weights in (("g", g), ("d", d)) for i, part in enumerate(weights)}
    real, z_d, z_g = draws(members, steps)
    np.savez(path, allow_pickle=False, real=real, z_d=z_d, z_g=z_g, **parts)


def true_losses(view: str, members: int, steps: int) -> list[list[float]]:
    """The three losses of the last step for each member, in float64.

    They are the literal loop's, or for views that it does not have the reference engine's, which the tests hold to the
    literal loop.
    """
    if view == SET_VIEW:
        return [_literal_losses(seed, steps) for seed in range(members)]
    result = ReferenceEngine().train(script_group(members, steps, view), unmeasured, lambda done: None)
    return [[float(result.snapshots[name][row, -1]) for name in LOSSES] for row in range(members)]


def _literal_losses(seed: int, steps: int) -> list[float]:
    loop = ScriptLoop(SET_VIEW, seed, torch.float64)
    for step in range(steps):
        loop.step(step)
    return [float(loss) for loss in loop.losses[-1]]


def largest_error(losses: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]) -> float:
    """The largest difference as a share of the expected loss; infinite where a loss is no number."""
    difference = np.abs(np.asarray(losses) - np.asarray(expected)) / np.abs(np.asarray(expected))
    return float(np.where(np.isfinite(difference), difference, np.inf).max())
