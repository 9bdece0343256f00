"""Which members are trained side by side: by the engine that serves them, by shape, and by what fits into memory.

A population may be larger than memory: it is then trained in portions. No member's bits depend on who shares its
portion (engines/base.py), so how a population is cut shows in no row.
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
from harness.engines.base import STACK, Bounded, Engine, Measure, Progress, Segment, TrainingResult
from harness.engines.memory import member_bytes
from harness.losses import LOSSES
from harness.members import Group, Member, groups
from harness.store import SNAPSHOT_COLUMNS


@dataclass(frozen=True)
class Course:
    """How far one member has come: what its last leg left, and the snapshots of all its legs.

    ``steps`` are done, ``stopped_step`` is 0 or the step in which it stopped, ``failure`` says in one line why it could
    not be trained any further. ``snapshots`` holds an array (snapshots,) by column.
    """

    member: Member
    engine: Engine
    steps: int
    theta_g_W: NDArray[np.floating]
    theta_d_W: NDArray[np.floating]
    stopped_step: int
    stopped_tensor: str
    snapshots: Mapping[str, NDArray[np.float64]]
    state: object | None
    failure: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the member can go on."""
        return self.failure is None and not self.stopped_step

    def after(self, before: Course | None) -> Course:
        """This course with the snapshots of the legs before."""
        if before is None:
            return self
        snapshots = {n: np.where(np.isnan(v), before.snapshots[n], v) for n, v in self.snapshots.items()}
        return replace(self, snapshots=snapshots)


class Batch(NamedTuple):
    """Members that one engine trains in one call, and the place of each among those that were given."""

    engine: Engine
    group: Group
    places: list[int]


def portions(members: Sequence[Member], trainer: Trainer, available: int | None = None) -> list[Batch]:
    """Members by serving engine and shape, in portions that fit into ``available`` bytes (default: those free now).

    Raises:
        InputError: a member is refused.
    """
    if available is None:
        available = int(psutil.virtual_memory().available)
    by_engine: dict[str, tuple[Engine, list[int]]] = {}
    for place, member in enumerate(members):
        engine = engine_for(trainer, member)
        by_engine.setdefault(engine.identity, (engine, []))[1].append(place)
    found: list[Batch] = []
    for engine, places in by_engine.values():
        waiting: defaultdict[Member, deque[int]] = defaultdict(deque)
        for place in places:
            waiting[members[place]].append(place)
        for group in groups(members[place] for place in places):
            most = fitting(group, engine, available)
            for start in range(0, len(group.members), most):
                part = Group(group.members[start : start + most])
                found.append(Batch(engine, part, [waiting[member].popleft() for member in part.members]))
    return found


def fitting(group: Group, engine: Engine, available: int) -> int:
    """How many members of the group are trained at once: whole stacks, at least one."""
    kinds = {(m.loss, tuple(value > 0 for value in dict(m.settings).values())): m for m in group.members}
    largest = max(member_bytes(m.shape, group.view, LOSSES[m.loss], m.settings) for m in kinds.values())
    most = available // largest
    if isinstance(engine, Bounded):
        most = min(most, engine.capacity(group))
    return max(most // STACK, 1) * STACK


def advance(
    courses: Sequence[tuple[Member, Segment | None, Course | None]],
    trainer: Trainer,
    measure_of: Callable[[Group], Measure],
    progress: Progress,
) -> tuple[list[Course], float]:
    """Train members along their legs (None: the whole training) after their courses so far; the courses then, in the
    order given, and the seconds that training took.

    A portion that memory does not suffice for has courses with a failure.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    found: dict[int, Course] = {}
    seconds = 0.0
    for portion in portions([member for member, _, _ in courses], trainer):
        legs = [courses[place][1] for place in portion.places]
        try:
            trained = _train(portion, legs, measure_of(portion.group), progress)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            for place in portion.places:
                found[place] = _failed(courses[place][0], courses[place][2], portion.engine, reason)
            continue
        seconds += trained.seconds
        for row, (place, leg) in enumerate(zip(portion.places, legs, strict=True)):
            found[place] = _course(portion, trained, row, leg).after(courses[place][2])
    return [found[place] for place in range(len(courses))], seconds


def _train(portion: Batch, legs: Sequence[Segment | None], measure: Measure, progress: Progress) -> TrainingResult:
    wanted = [leg for leg in legs if leg is not None]
    if not wanted:
        return portion.engine.train(portion.group, measure, progress)
    if len(wanted) < len(legs):
        raise ValueError("members with legs and members without stand in one call")
    return portion.engine.train(portion.group, measure, progress, wanted)


def _course(portion: Batch, trained: TrainingResult, row: int, leg: Segment | None) -> Course:
    member = portion.group.members[row]
    return Course(
        member=member,
        engine=portion.engine,
        steps=leg.stop if leg else member.shape.steps,
        theta_g_W=trained.theta_g_PW[row],
        theta_d_W=trained.theta_d_PW[row],
        stopped_step=int(trained.stopped_step_P[row]),
        stopped_tensor=trained.stopped_tensor[row],
        snapshots={name: values[row] for name, values in trained.snapshots.items()},
        state=trained.states[row] if trained.states else None,
    )


def _failed(member: Member, before: Course | None, engine: Engine, reason: str) -> Course:
    if before is not None:
        return replace(before, state=None, failure=reason)
    nothing = np.empty(0)
    snapshots = {name: np.full(len(member.shape.snapshots), np.nan) for name in SNAPSHOT_COLUMNS}
    return Course(member, engine, 0, nothing, nothing, 0, "", snapshots, None, reason)


def _out_of_memory(error: Exception) -> bool:
    # On a CPU torch raises a bare RuntimeError, told from others by its allocator's words alone.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
