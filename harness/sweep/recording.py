"""Recording of a sweep: its members are retrained from frame to frame, and each frame is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.config import Experiment
from harness.data.mlp import Mlp
from harness.data.rng import Stream, uniforms
from harness.engines.auto import Trainer
from harness.engines.base import Measure, Progress, Segment
from harness.engines.parallel import single_threaded
from harness.errors import InputError, StoreError
from harness.members import Group, Member
from harness.store import HYPERPARAMETERS, Store
from harness.store.recording_file import Recording, read_recording, write_recording
from harness.sweep.batching import MemberProgress, progress_of, train_batches
from harness.sweep.committed import member_of
from harness.sweep.recording_frames import GeneratorUpdate, grid_of, measure_frame, unrecordable_reason
from harness.sweep.training import digest_of

#: The columns of a sweep's rows that define its members, and the digests that their retraining must reach.
_COLUMNS = ("key", "stage", "arm", "trial", "seed", "loss_params", *HYPERPARAMETERS, "digest")


@dataclass(frozen=True)
class RecordedMember:
    """One member's frames in order of step, and the digest of its final parameters."""

    frames: tuple[Mapping[str, Any], ...]
    digest: str


def frames_of(member: Member) -> tuple[int, ...]:
    """The steps of a member's frames: 0, its snapshots, and its last step."""
    return tuple(sorted({0, *member.shape.snapshots, member.shape.steps}))


def record_members(
    members: Sequence[Member], trainer: Trainer, progress: Progress, detailed: int = 0
) -> list[RecordedMember]:
    """Train members of one shape, segment by segment, and measure each of them at every frame until it stops.

    Frames of the first ``detailed`` members have the columns of ``GeneratorUpdate`` too, which take three times as long
    as the others.

    Raises:
        InputError: a member is refused by the engine, cannot be drawn, or does not fit into memory.
    """
    for member in members:
        if reason := unrecordable_reason(member):
            raise InputError(f"{member.loss} cannot be recorded: {reason}")
    with single_threaded():
        recorders = [_MemberRecorder(member, i < detailed) for i, member in enumerate(members)]
    for start, stop in pairwise(frames_of(members[0])):
        running = [recorder for recorder in recorders if recorder.runs]
        segments = [recorder.segment(start, stop) for recorder in running]
        trained = train_batches([recorder.member for recorder in running], trainer, _no_measure, progress, segments)
        with single_threaded():
            for recorder, reached in zip(running, progress_of(trained), strict=True):
                recorder.add_frame(reached)
    return [recorder.result() for recorder in recorders]


def record(store: Store, trainer: Trainer, progress: Progress) -> Recording:
    """The recording of a sweep's search stage: the one in its folder if its digests match, else a new one.

    Raises:
        InputError: as ``record_members``; or the sweep has searched nothing.
        StoreError: the recording there is damaged, or a member ended differently than the sweep's rows say.
    """
    table = store.table(list(_COLUMNS)).to_pylist(maps_as_pydicts="strict")
    rows = sorted((row for row in table if row["stage"] == "search"), key=lambda row: int(row["trial"]))
    if not rows:
        raise InputError(f"{store.folder}: nothing was searched here; there is no grid of settings to record")
    committed = {row["key"]: row["digest"] for row in rows}
    existing = read_recording(store.folder)
    if existing is not None and existing.digests == committed:
        return existing
    experiment = Experiment.from_json(store.describe()["spec"])
    members = [member_of(experiment, row) for row in rows]
    recorded = record_members(members, trainer, progress, sum(row["trial"] == 0 for row in rows))
    for row, member in zip(rows, recorded, strict=True):
        if member.digest != row["digest"]:
            raise StoreError(
                f"{store.folder}: {row['arm']}, seed {row['seed']} ({row['key']}) ended differently when it was "
                "retrained, perhaps on another engine or machine; train the sweep here with `harness sweep ... --fresh`"
            )
    frames = [
        {"key": row["key"], **frame} for row, member in zip(rows, recorded, strict=True) for frame in member.frames
    ]
    grid = grid_of(members[0]).tolist()
    write_recording(store.folder, frames, grid, committed)
    written = read_recording(store.folder)
    assert written is not None  # noqa: S101
    return written


class _MemberRecorder:
    """One member in training: its progress, and the frames so far."""

    def __init__(self, member: Member, detailed: bool) -> None:
        self.member = member
        self.progress: MemberProgress | None = None
        self._update = GeneratorUpdate(member) if detailed else None
        self._frames = [self._frame(0, *_start(member))]

    @property
    def runs(self) -> bool:
        return self.progress is None or self.progress.runs

    def segment(self, start: int, stop: int) -> Segment:
        return Segment(start, stop, None if self.progress is None else self.progress.state)

    def add_frame(self, progress: MemberProgress) -> None:
        if progress.batch.failure is not None:
            raise InputError(f"{self.member.loss} cannot be recorded: {progress.batch.failure}")
        self.progress = progress
        if progress.runs:
            self._frames.append(self._frame(progress.steps, *progress.thetas))

    def result(self) -> RecordedMember:
        return RecordedMember(tuple(self._frames), digest_of(*self.progress.thetas) if self.progress else "")

    def _frame(self, step: int, *thetas: NDArray[np.floating]) -> dict[str, Any]:
        detail = self._update.measure(step, *thetas) if self._update else {}
        return {"step": step} | measure_frame(self.member, *thetas) | detail


def _start(member: Member) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The parameters (W,) of G and D before the first step, in float32."""
    group = Group((member,))

    def initial(network: Mlp, stream: Stream) -> NDArray[np.floating]:
        u_1W = uniforms(member.study_seed, torch.tensor([member.seed]), stream, range(1), network.size)[0]
        theta: NDArray[np.floating] = network.initial(u_1W)[0].float().numpy()
        return theta

    return initial(group.generator, Stream.INITIAL_G), initial(group.discriminator, Stream.INITIAL_D)


def _no_measure(group: Group) -> Measure:
    """Frames are measured between segments, not by the engine."""
    return lambda theta_PW: {}
