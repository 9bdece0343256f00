"""Sweeps that are measured: one arm, the script's loss, as large as a line asks; and an engine that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.config import Experiment
from harness.data.mlp import Mlp
from harness.data.target import Target
from harness.engines.base import Engine, Measure, Progress, Segment, TrainingResult, segments_of
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS, Store
from harness.sweep.plan import Round
from harness.sweep.sweep import Sweep

#: The sampler whose points do not depend on scores: asking costs the least it can.
SOBOL = "sobol"

#: Searched hyper-parameters.
_SPACE = {
    "lr_d": {"low": 1e-5, "high": 1e-2, "log": True},
    "lr_g": {"low": 1e-5, "high": 1e-2, "log": True},
    "beta1": {"low": 0.0, "high": 0.9},
    "ema": {"low": 0.0, "high": 0.999},
}


#: Members to a population where thousands of trials are asked for, as one GPU trains side by side.
THOUSANDS = 1000


def experiment(
    sampler: str, trials: int, steps: int = 4000, seeds: int = 4, population: int | None = None, **train: Any
) -> Experiment:
    """Experiment of one arm with four searched hyper-parameters, in populations of the default size unless given."""
    size = {} if population is None else {"population": population}
    return Experiment.model_validate(
        {
            "name": "overhead",
            "variants": ["non_saturating"],
            **size,
            "train": {"steps": steps, **train},
            "search": {"sampler": sampler, "trials": trials, "seeds": seeds, "space": _SPACE},
            "confirm": {"seeds": seeds},
        }
    )


class Tally:
    """Listener that adds up the seconds of training."""

    def __init__(self) -> None:
        self.seconds, self.members = 0.0, 0

    def advanced(self, gan_steps: int) -> None:
        """Steps are not what is counted here."""

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population is committed."""
        self.seconds += seconds
        self.members += len(rows)


def opened(spec: Experiment, folder: Path, engine: Engine) -> Sweep:
    """The sweep in its folder, begun or taken up."""
    job = Sweep(spec, Store(folder), engine)
    job.open()
    return job


#: Standard deviation of the stub's weights; the script's generator then makes values within a few units of its bias.
_SPREAD = 0.3

#: How many generators are drawn; every member's is one of them, scaled.
_DRAWN = 64


class StubEngine:
    """Engine that trains nothing: parameters as trained ones could be, a fixed function of the member.

    It returns at once. ``reached`` is called when it is asked to train.
    """

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
    theta_W = _weights(network)[key % _DRAWN] * np.float32(1 + (key >> 32) / 2**33)
    theta_W[-1] = _median(member.target)
    return theta_W


@cache
def _weights(network: Mlp) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0.0, _SPREAD, (_DRAWN, network.size)).astype(np.float32)


@cache
def _median(target: Target) -> float:
    return float(target.quantile(np.array([0.5]))[0])
