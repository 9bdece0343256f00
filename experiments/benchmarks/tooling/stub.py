"""An engine that trains nothing: parameters as trained ones could be, a fixed function of the member."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.engines.base import Leg, Measure, Progress, Trained, legs_of
from harness.networks import Mlp
from harness.population import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Of the weights; the seed's generator then makes values within a few units of its bias.
_SPREAD = 0.3


class StubEngine:
    """Returns at once. ``reached`` is called when it is asked to train."""

    name = "stub"
    identity = "stub/1"
    device = "cpu"

    def __init__(self, reached: Callable[[], None] = lambda: None) -> None:
        self._reached = reached

    def refuses(self, member: Member) -> str | None:
        return None

    def train(self, group: Group, measure: Measure, progress: Progress, legs: Sequence[Leg] | None = None) -> Trained:
        self._reached()
        count, marks = len(group.members), len(group.shape.snapshots)
        progress(sum(leg.stop - leg.start for leg in legs_of(group, legs)))
        return Trained(
            theta_g_PW=np.stack([_generator(group.generator, member) for member in group.members]),
            theta_d_PW=np.zeros((count, group.discriminator.size), np.float32),
            stopped_step_P=np.zeros(count, np.int64),
            stopped_tensor=("",) * count,
            snapshots={name: np.full((count, marks), 0.5) for name in SNAPSHOT_COLUMNS},
            seconds=0.0,
            states=("nothing",) * count if legs is not None else (),
        )


def _generator(network: Mlp, member: Member) -> NDArray[np.float32]:
    """Weights drawn from the member's key, around what makes its values lie about the target's mean."""
    drawn = np.random.default_rng(int(member.key(StubEngine.identity), 16))
    theta_W = drawn.normal(0.0, _SPREAD, network.size).astype(np.float32)
    theta_W[-1] = member.target.quantile(np.array([0.5]))[0]
    return theta_W
