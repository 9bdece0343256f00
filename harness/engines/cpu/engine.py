"""The engine: members from a queue, each trained by one thread from its first step to its last.

A thread takes one member and keeps it until its leg ends, so that a member's state stays in the cache of one core.
The loop is compiled once for all shapes, losses and settings (playing.py), and kept on disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from harness.engines.base import Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.cpu.desk import Room
from harness.engines.cpu.entry import prepare
from harness.engines.cpu.layout import Plan
from harness.engines.cpu.state import Shapes
from harness.engines.cpu.trainee import MemberRun, Source
from harness.engines.parallel import cores, flushing_denormals, run_parallel, single_threaded
from harness.engines.step_options import StepOptions, without_torch
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Steps between two signs of life: long enough that calling costs nothing.
_STRETCH = 250


class CpuEngine:
    """One GAN a core, in float32. Refuses what needs torch: direct losses and consensus."""

    name = "cpu"
    identity = "cpu/1"
    device = "cpu"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()

    def unsupported_reason(self, member: Member) -> str | None:
        return without_torch(member)

    def train(
        self, group: Group, measure: Measure, progress: Progress, legs: Sequence[Segment] | None = None
    ) -> TrainingResult:
        job = _Job(group, segments_of(group, legs), measure)
        prepare()
        works = [partial(job.train, place) for place in range(len(group.members))]
        start = time.perf_counter()
        with single_threaded():
            run_parallel(works, [ThreadPoolExecutor(min(self.threads, len(works)))], progress)
        return job.result(time.perf_counter() - start, keep=legs is not None)


class _Job:
    """One call of ``train``: what its members share, and a place for what each leaves."""

    def __init__(self, group: Group, legs: Sequence[Segment], measure: Measure) -> None:
        self.group, self.legs, self.measure = group, legs, measure
        self.plans = (Plan.of(group.generator), Plan.of(group.discriminator))
        self.shapes = Shapes.of(group)
        self.source = Source.of(group, sum(leg.stop - leg.start for leg in legs) * self.shapes.d_steps)
        self._rooms = threading.local()
        self._trainees: list[MemberRun | None] = [None] * len(group.members)
        marks = len(group.shape.snapshots)
        self.snapshots = {name: np.full((len(group.members), marks), np.nan) for name in SNAPSHOT_COLUMNS}

    @flushing_denormals()
    def train(self, place: int, tell: Progress) -> None:
        """Train the member at this place of the group along its leg."""
        leg, marks = self.legs[place], self.group.shape.snapshots
        member = self.group.members[place]
        trainee = MemberRun(self.group, member, self.plans, self.shapes, self.source, leg)
        trainee.enter(self._room(trainee.features))
        self._trainees[place] = trainee
        for stop in _stops(leg, marks):
            done = trainee.advance(stop)
            if trainee.stopped_step:
                tell(leg.stop - done)
                break
            tell(stop - done)
            if stop in marks:
                measured = self.measure(trainee.generator)
                for name, value in (trainee.record() | dict(measured)).items():
                    self.snapshots[name][place, marks.index(stop)] = value[0]
        trainee.leave()

    def result(self, seconds: float, keep: bool) -> TrainingResult:
        """What all members left, in the order of the group."""
        found = [trainee for trainee in self._trainees if trainee is not None]
        return TrainingResult(
            theta_g_PW=np.concatenate([one.generator for one in found]),
            theta_d_PW=np.concatenate([one.discriminator for one in found]),
            stopped_step_P=np.array([one.stopped_step for one in found], dtype=np.int64),
            stopped_tensor=tuple(one.stopped_tensor for one in found),
            snapshots=self.snapshots,
            seconds=seconds,
            states=tuple(None if one.stopped_step else one.state for one in found) if keep else (),
        )

    def _room(self, features: StepOptions) -> Room:
        """The calling thread's room for members of these features."""
        if getattr(self._rooms, "features", None) != features:
            self._rooms.features, self._rooms.room = features, Room.new(self.plans, self.shapes, features)
        room: Room = self._rooms.room
        return room


def _stops(leg: Segment, marks: Sequence[int]) -> list[int]:
    """Where the steps of a leg are cut: at snapshots, at its end, and after every stretch."""
    inner = {mark for mark in marks if leg.start < mark < leg.stop}
    return sorted({*range(leg.start + _STRETCH, leg.stop, _STRETCH), *inner, leg.stop})
