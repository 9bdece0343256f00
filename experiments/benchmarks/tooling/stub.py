"""An engine that trains nothing: parameters as trained ones could be, a fixed function of the member."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.data.target import Target
from harness.engines.base import Measure, Progress, Segment, TrainingResult, segments_of
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Of the weights; the seed's generator then makes values within a few units of its bias.
_SPREAD = 0.3

#: How many generators are drawn; every member's is one of them, scaled.
_DRAWN = 64


class StubEngine:
    """Returns at once. ``reached`` is called when it is asked to train."""

    name = "stub"
    identity = "stub/1"
    device = "cpu"

    def __init__(self, reached: Callable[[], None] = lambda: None) -> None:
        self._reached = reached

    def unsupported_reason(self, member: Member) -> str | None:
        return None

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        self._reached()
        count, marks = len(group.members), len(group.shape.snapshots)
        progress(sum(segment.stop - segment.start for segment in segments_of(group, segments)))
        return TrainingResult(
            theta_g_PW=np.stack([_generator(group.generator, member) for member in group.members]),
            theta_d_PW=np.zeros((count, group.discriminator.size), np.float32),
            stopped_step_P=np.zeros(count, np.int64),
            stopped_tensor=("",) * count,
            snapshots={name: np.full((count, marks), 0.5) for name in SNAPSHOT_COLUMNS},
            seconds=0.0,
            states=("nothing",) * count if segments is not None else (),
        )


def _generator(network: Mlp, member: Member) -> NDArray[np.float32]:
    """One of the drawn weights, scaled by up to a half, by the member's key; its values lie about the target's mean."""
    key = int(member.key(StubEngine.identity), 16)
    theta_W = _drawn(network)[key % _DRAWN] * np.float32(1 + (key >> 32) / 2**33)
    theta_W[-1] = _middle(member.target)
    return theta_W


@cache
def _drawn(network: Mlp) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0.0, _SPREAD, (_DRAWN, network.size)).astype(np.float32)


@cache
def _middle(target: Target) -> float:
    return float(target.quantile(np.array([0.5]))[0])
