"""Batches of members that are trained side by side: by serving engine, by shape, and by what fits into memory.

A population may be larger than memory: it is then trained in several batches. No member's bits depend on who shares its
batch (engines/base.py), so how a population is cut shows in no row.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from harness.engines.auto import Trainer, engine_for
from harness.engines.base import STACK, Bounded, Engine, Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.memory import member_bytes
from harness.losses import LOSSES
from harness.members import Group, Member, groups
from harness.store import SNAPSHOT_COLUMNS


class Batch(NamedTuple):
    """Members that one engine trains in one call, with the index of each among those that were given."""

    engine: Engine
    group: Group
    indices: list[int]


@dataclass(frozen=True)
class TrainedBatch:
    """A batch with the result of training it; rows in the order of the group's members.

    ``steps_P`` are the steps that training came to, also for members that stopped before. ``failure`` says in one line
    why the batch could not be trained, or is None; a failed batch has parameters of no width.
    """

    engine: Engine
    group: Group
    indices: Sequence[int]
    steps_P: NDArray[np.int64]
    result: TrainingResult
    failure: str | None = None

    def take(self, rows: Sequence[int]) -> TrainedBatch:
        """These rows, in this order."""
        return replace(
            self,
            group=Group(tuple(self.group.members[row] for row in rows)),
            indices=[self.indices[row] for row in rows],
            steps_P=self.steps_P[rows],
            result=self.result.take(rows),
        )


@dataclass(frozen=True)
class MemberProgress:
    """One member that may be trained further: its row in the batch that it was trained with last, and its state."""

    batch: TrainedBatch
    row: int
    state: object | None

    @property
    def member(self) -> Member:
        return self.batch.group.members[self.row]

    @property
    def steps(self) -> int:
        """Steps that training came to."""
        return int(self.batch.steps_P[self.row])

    @property
    def runs(self) -> bool:
        """True if the member can go on."""
        return self.batch.failure is None and not self.batch.result.stopped_step_P[self.row]

    def segment(self, stop: int) -> Segment:
        """The steps from here to ``stop``."""
        return Segment(self.steps, stop, self.state)

    @property
    def thetas(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """The parameters (W,) of G and D."""
        return self.batch.result.theta_g_PW[self.row], self.batch.result.theta_d_PW[self.row]

    @property
    def snapshots(self) -> Mapping[str, NDArray[np.float64]]:
        """An array (snapshots,) for each column."""
        return {name: values_PM[self.row] for name, values_PM in self.batch.result.snapshots.items()}


def make_batches(members: Sequence[Member], trainer: Trainer, available: int | None = None) -> list[Batch]:
    """Batches that each fit into ``available`` bytes (default: those free now).

    Raises:
        InputError: a member is refused.
    """
    if available is None:
        available = int(psutil.virtual_memory().available)
    by_engine: dict[str, tuple[Engine, list[int]]] = {}
    for index, member in enumerate(members):
        engine = engine_for(trainer, member)
        by_engine.setdefault(engine.identity, (engine, []))[1].append(index)
    batches: list[Batch] = []
    for engine, indices in by_engine.values():
        waiting: defaultdict[Member, deque[int]] = defaultdict(deque)  # equal members have an index each
        for index in indices:
            waiting[members[index]].append(index)
        for group in groups(members[index] for index in indices):
            size = max_batch(group, engine, available)
            for start in range(0, len(group.members), size):
                part = Group(group.members[start : start + size])
                batches.append(Batch(engine, part, [waiting[member].popleft() for member in part.members]))
    return batches


def max_batch(group: Group, engine: Engine, available: int) -> int:
    """Members of the group that are trained at once: whole stacks, at least one."""
    kinds = {(m.loss, tuple(value > 0 for value in m.settings.columns().values())): m for m in group.members}
    largest = max(member_bytes(m.shape, group.view, LOSSES[m.loss], m.settings) for m in kinds.values())
    most = available // largest
    if isinstance(engine, Bounded):
        most = min(most, engine.capacity(group))
    return max(most // STACK, 1) * STACK


def train_batches(
    members: Sequence[Member],
    trainer: Trainer,
    measure_of: Callable[[Group], Measure],
    progress: Progress,
    segments: Sequence[Segment] | None = None,
) -> list[TrainedBatch]:
    """Train members to their last steps, or each along its segment.

    A batch that memory does not suffice for comes back as failed.

    Raises:
        InputError: a member is refused; nothing was trained.
        ValueError: there is not one segment for each member.
    """
    if segments is not None and len(segments) != len(members):
        raise ValueError(f"{len(segments)} segments for {len(members)} members")
    trained: list[TrainedBatch] = []
    for batch in make_batches(members, trainer):
        subset = None if segments is None else [segments[index] for index in batch.indices]
        trained.append(_train(batch, measure_of(batch.group), progress, subset))
    return trained


def _train(batch: Batch, measure: Measure, progress: Progress, segments: Sequence[Segment] | None) -> TrainedBatch:
    starts_P, stops_P = np.array([(s.start, s.stop) for s in segments_of(batch.group, segments)]).T
    try:
        result = batch.engine.train(batch.group, measure, progress, segments)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return TrainedBatch(*batch, steps_P=starts_P, result=_empty(batch.group), failure=reason)
    return TrainedBatch(*batch, steps_P=stops_P, result=result)


def _empty(group: Group) -> TrainingResult:
    count, marks = len(group.members), len(group.shape.snapshots)
    return TrainingResult(
        theta_g_PW=np.empty((count, 0)),
        theta_d_PW=np.empty((count, 0)),
        stopped_step_P=np.zeros(count, np.int64),
        stopped_tensor=("",) * count,
        snapshots={name: np.full((count, marks), np.nan) for name in SNAPSHOT_COLUMNS},
        seconds=0.0,
    )


def _out_of_memory(error: Exception) -> bool:
    # On a CPU torch raises a bare RuntimeError, told from others by its allocator's words alone.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def seconds_of(trained: Sequence[TrainedBatch]) -> float:
    """Seconds that training the batches took."""
    return sum((batch.result.seconds for batch in trained), 0.0)


def progress_of(trained: Sequence[TrainedBatch]) -> list[MemberProgress]:
    """Progress of every member, in the order in which the members were given."""
    by_index: dict[int, MemberProgress] = {}
    for batch in trained:
        states = batch.result.states or (None,) * len(batch.indices)
        # States are as large as their members: each is let go of when its member goes on, or has ended.
        stateless = replace(batch, result=replace(batch.result, states=()))
        for row, (index, state) in enumerate(zip(batch.indices, states, strict=True)):
            by_index[index] = MemberProgress(stateless, row, state)
    return [by_index[index] for index in range(len(by_index))]
