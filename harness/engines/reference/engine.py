"""Reference engine: one GAN at a time in float64, to be read in one sitting; the oracle for the other engines.

Three files: the order of updates here, the gradients of what each player minimises in ``gradients.py``, the steps that
an optimizer makes of them in ``optimizers.py``. The script's loop is the order "alternating" with Adam, and nothing
else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from harness.engines.base import Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.reference.gradients import Game, GameState
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS


def alternating(game: Game, step: int) -> str | None:
    """D's updates of a step, then G's, each against the other as it stands."""
    for j in range(game.shape.d_steps):
        gradient = game.discriminator_gradient(step, step * game.shape.d_steps + j)
        if tensor := game.d.first_nonfinite(gradient):
            return tensor
        game.update_d(gradient, step)
    for j in range(game.shape.g_steps):
        gradient = game.generator_gradient(step, step * game.shape.g_steps + j)
        if tensor := game.g.first_nonfinite(gradient):
            return tensor
        game.update_g(gradient, step)
        game.update_average()
    return None


def simultaneous(game: Game, step: int) -> str | None:
    """One update of both players, by gradients taken at the same parameters."""
    gradient_d = game.discriminator_gradient(step, step)
    gradient_g = game.generator_gradient(step, step)
    if tensor := move_both(game, gradient_d, gradient_g, step):
        return tensor
    game.update_average()
    return None


def extragradient(game: Game, step: int) -> str | None:
    """Both look ahead by one update, then step from where they were by the gradients found there.

    The optimizers' moments advance in both halves, each of which has draws of its own.

    Source: Gidel, Berard, Vignoud, Vincent, Lacoste-Julien 2019, arXiv:1802.10551.
    """
    saved = [(player, player.theta_1W.clone()) for player in (game.d, game.g)]
    for update in (2 * step, 2 * step + 1):
        gradient_d = game.discriminator_gradient(step, update)
        gradient_g = game.generator_gradient(step, update)
        with torch.no_grad():
            for player, theta_1W in saved:
                player.theta_1W.copy_(theta_1W)
        if tensor := move_both(game, gradient_d, gradient_g, step):
            return tensor
    game.update_average()
    return None


def move_both(game: Game, gradient_d: Tensor, gradient_g: Tensor, step: int) -> str | None:
    """Update both players, or neither: the tensor that stops the member, D's first."""
    if tensor := game.d.first_nonfinite(gradient_d) or game.g.first_nonfinite(gradient_g):
        return tensor
    game.update_d(gradient_d, step)
    game.update_g(gradient_g, step)
    return None


#: One GAN-step by the name of its order; each returns the tensor that stops the member, or None.
ORDERS: Mapping[str, Callable[[Game, int], str | None]] = MappingProxyType(
    {"alternating": alternating, "simultaneous": simultaneous, "extragradient": extragradient}
)


class ReferenceEngine:
    """The oracle: float64, one member after another."""

    name = "reference"
    identity = "reference/1"
    device = "cpu"

    def unsupported_reason(self, member: Member) -> str | None:
        return None

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        start = time.perf_counter()
        marks = group.shape.snapshots
        snapshots = {c: np.full((len(group.members), len(marks)), np.nan) for c in SNAPSHOT_COLUMNS}
        games = [Game(group, member) for member in group.members]
        stopped = [
            _train_one(game, segment, {name: values[row] for name, values in snapshots.items()}, measure, progress)
            for row, (game, segment) in enumerate(zip(games, segments_of(group, segments), strict=True))
        ]
        ended = () if segments is None else zip(games, stopped, strict=True)
        return TrainingResult(
            theta_g_PW=np.concatenate([game.average_1W.numpy() for game in games]),
            theta_d_PW=np.concatenate([game.d.theta_1W.numpy() for game in games]),
            stopped_step_P=np.array([step for step, _ in stopped], dtype=np.int64),
            stopped_tensor=tuple(name for _, name in stopped),
            snapshots=snapshots,
            seconds=time.perf_counter() - start,
            states=tuple(None if step else game.state() for game, (step, _) in ended),
        )


def _train_one(
    game: Game, segment: Segment, snapshots: Mapping[str, np.ndarray], measure: Measure, progress: Progress
) -> tuple[int, str]:
    """Train along a segment and fill the member's snapshots.

    Returns:
        The step in which the member stopped and the tensor that stopped it, or 0 and an empty name.
    """
    if isinstance(segment.state, GameState):
        game.resume(segment.state)
    marks = game.shape.snapshots
    for step in range(segment.start + 1, segment.stop + 1):
        tensor = ORDERS[game.shape.order](game, step - 1)
        if tensor:
            progress(segment.stop - step + 1)
            return step, tensor
        progress(1)
        if step in marks:
            values = game.record | {k: float(v[0]) for k, v in measure(game.average_1W.numpy()).items()}
            for name, value in values.items():
                snapshots[name][marks.index(step)] = value
    return 0, ""
