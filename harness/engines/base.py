"""Contract of an engine: what it is given, what it returns, and what it promises.

Promises, held by the conformance tests over every engine:

* A member's result is a function of the member and the engine's version. It is bit for bit the same alone, in any
  population, in any slot, and after a resume, on one machine and device.
* Every engine takes the same draws from ``harness.data.rng``; engines differ by rounding only.
* A member whose gradient's squared norm is not finite stops before that update: its parameters stay the last finite
  ones, the step and the first tensor that is not finite are named, and its neighbours' bits do not change.
* Where both players step from one point (simultaneous, extragradient), a gradient of either that is not finite stops
  both; in the second half of an extragradient step the parameters are those from before the look ahead.
* Step s of a snapshot means: losses, penalty, probabilities, minibatch statistics and gradient norms of the s-th step
  (of its last discriminator and generator update), and the generator as it stands after that step. Losses are the
  variant's, with its direct loss and without penalties; statistics are of values before replay and noise; the norms
  are of whole gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from harness.config import Shape
from harness.data.latent import midpoints
from harness.data.mlp import Mlp
from harness.losses.direct_loss import TABLE, TargetQuantiles
from harness.members import Group, Member

#: Measures generators from their flat parameters (P, W): one value a member for each named measure.
Measure = Callable[[NDArray[np.floating]], Mapping[str, NDArray[np.float64]]]

#: Hears the number of GAN-steps done since its last call; may be called from several threads.
Progress = Callable[[int], None]

#: Minibatches of generated values that the replay buffer holds (``Settings.replay``).
REPLAY_BUFFER = 50

#: Members that a stack of the batched engine holds at least: fewer are padded. The unit in which members are batched.
STACK = 16

#: Steps whose draws the batched engine makes at once: enough to amortise the calls, few enough to stay in cache.
BLOCK = 32


def updates_per_step(shape: Shape) -> tuple[int, int]:
    """Updates of D and of G that a step draws numbers for; a look ahead counts as one."""
    return (2, 2) if shape.order == "extragradient" else (shape.d_steps, shape.g_steps)


def decay_phase(schedule: str, share_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of its decay that a rate has behind it, in [0, 1], at ``share_T`` of the training."""
    phases = {"linear": share_T, "cosine": (1 - np.cos(np.pi * share_T)) / 2}
    return phases[schedule]


def target_quantiles(group: Group) -> TargetQuantiles:
    """Quantiles of the group's target for its direct losses, in float64 on the host."""
    quantiles = (group.target.quantile(midpoints(count)) for count in (group.shape.batch, TABLE))
    return TargetQuantiles(*map(torch.from_numpy, quantiles))


def first_nonfinite_tensor(network: Mlp, gradient_1W: torch.Tensor) -> str | None:
    """Name of the first tensor with which a gradient's squared norm is not finite in its precision, or None."""
    square = gradient_1W.new_zeros(())
    for name, part in zip(network.tensor_names, network.split(gradient_1W), strict=True):
        square = square + part.square().sum()
        if not math.isfinite(square):
            return name
    return None


@dataclass(frozen=True)
class Segment:
    """Part of one member's training: from ``start`` steps done to ``stop`` steps done.

    ``state`` is the member's entry of ``TrainingResult.states`` after the segment of the same engine that ended at
    ``start``; None where ``start`` is 0. An engine reads it and never changes it.

    Raises:
        ValueError: the segment has no step, or a state where it needs none, or none where it needs one.
    """

    start: int
    stop: int
    state: object | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"a segment from step {self.start} to step {self.stop} has no step")
        if (self.start == 0) != (self.state is None):
            raise ValueError(f"a segment from step {self.start} needs {'no state' if self.start == 0 else 'a state'}")


def segments_of(group: Group, segments: Sequence[Segment] | None) -> Sequence[Segment]:
    """Segments of a group's members: those given, or the whole training of each.

    Raises:
        ValueError: there is not one segment for each member, or one ends after the last step.
    """
    if segments is None:
        return [Segment(0, group.shape.steps)] * len(group.members)
    if len(segments) != len(group.members):
        raise ValueError(f"{len(segments)} segments for {len(group.members)} members")
    if any(segment.stop > group.shape.steps for segment in segments):
        raise ValueError(f"a segment ends after the last step, {group.shape.steps}")
    return segments


@dataclass(frozen=True)
class TrainingResult:
    """Result of training a group; rows in the order of the group's members.

    ``theta_g_PW`` is the generator to be scored: its running average where the member asks for one.
    ``stopped_step_P`` is the step in which a member stopped, or 0 for one that trained to the end of its segment.
    ``snapshots`` holds an array (P, snapshots) for each name of ``store.SNAPSHOT_COLUMNS``; NaN stands for "no value":
    after a stop, outside of the member's segment, and where it has no such loss or penalty.
    ``seconds`` is training alone, after any compilation.
    ``states`` is filled where segments were given: the start of each member's next one, None for one that stopped.
    """

    theta_g_PW: NDArray[np.floating]
    theta_d_PW: NDArray[np.floating]
    stopped_step_P: NDArray[np.int64]
    stopped_tensor: tuple[str, ...]
    snapshots: Mapping[str, NDArray[np.float64]]
    seconds: float
    states: tuple[object, ...] = ()

    def take(self, rows: Sequence[int]) -> TrainingResult:
        """These rows, in this order."""
        return TrainingResult(
            theta_g_PW=self.theta_g_PW[rows],
            theta_d_PW=self.theta_d_PW[rows],
            stopped_step_P=self.stopped_step_P[rows],
            stopped_tensor=tuple(self.stopped_tensor[row] for row in rows),
            snapshots={name: values[rows] for name, values in self.snapshots.items()},
            seconds=self.seconds,
            states=tuple(self.states[row] for row in rows) if self.states else (),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[TrainingResult], seconds: float) -> TrainingResult:
        """All rows of the parts, one part after the other, trained in so many seconds."""
        return cls(
            theta_g_PW=np.concatenate([part.theta_g_PW for part in parts]),
            theta_d_PW=np.concatenate([part.theta_d_PW for part in parts]),
            stopped_step_P=np.concatenate([part.stopped_step_P for part in parts]),
            stopped_tensor=tuple(name for part in parts for name in part.stopped_tensor),
            snapshots={n: np.concatenate([part.snapshots[n] for part in parts]) for n in parts[0].snapshots},
            seconds=seconds,
            states=tuple(state for part in parts for state in part.states),
        )


class Engine(Protocol):
    """Trains groups. ``identity`` (name, version, device kind) is part of every member's key."""

    name: str
    identity: str
    device: str

    def unsupported_reason(self, member: Member) -> str | None:
        """Reason why this engine cannot train the member, as a sentence, or None if it can."""

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None, /
    ) -> TrainingResult:
        """Train every member of the group to its last step, or along its segment."""


@runtime_checkable
class Bounded(Protocol):
    """An engine whose own memory, beside the machine's, bounds how many members it can hold at once."""

    def capacity(self, group: Group) -> int:
        """Number of the group's members that the engine's device has room for now."""
