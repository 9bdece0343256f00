"""Training members again from frame to frame, and keeping what each frame shows."""

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
from harness.sweep.recording_frames import Half, grid_of, see, unwatchable
from harness.sweep.training import digest_of

#: The columns of a sweep's rows that say which members are recorded, and whether they are the same.
_COLUMNS = ("key", "stage", "arm", "trial", "seed", "loss_params", *HYPERPARAMETERS, "digest")


@dataclass(frozen=True)
class Watched:
    """One member's frames, in the order of its steps, and the digest that it ended with."""

    frames: tuple[Mapping[str, Any], ...]
    digest: str


def frames_of(member: Member) -> tuple[int, ...]:
    """The steps of a member's frames: 0, its snapshots, and its last step."""
    return tuple(sorted({0, *member.shape.snapshots, member.shape.steps}))


def watch(members: Sequence[Member], trainer: Trainer, progress: Progress, taken_apart: int = 0) -> list[Watched]:
    """Train members of one shape, segment by segment, and see each of them at every frame until it stops.

    The first ``taken_apart`` of them are measured by ``Half`` as well, which takes three times as long as to see one.

    Raises:
        InputError: a member is refused by the engine, cannot be drawn, or does not fit into memory.
    """
    for member in members:
        if reason := unwatchable(member):
            raise InputError(f"{member.loss} cannot be recorded: {reason}")
    with single_threaded():
        watching = [_Watching(member, place < taken_apart) for place, member in enumerate(members)]
    for start, stop in pairwise(frames_of(members[0])):
        running = [one for one in watching if one.progress is None or one.progress.runs]
        segments = [one.segment(start, stop) for one in running]
        trained = train_batches([one.member for one in running], trainer, _nothing, progress, segments)
        with single_threaded():
            for one, reached in zip(running, progress_of(trained), strict=True):
                one.arrived(reached)
    return [one.ended() for one in watching]


def record(store: Store, trainer: Trainer, progress: Progress) -> Recording:
    """The recording of a sweep's search stage: the one in its folder where it is still theirs, else made and written.

    Raises:
        InputError: as ``watch``; or the sweep has searched nothing.
        StoreError: the recording there is damaged, or a member ended otherwise than the sweep's rows say.
    """
    table = store.table(list(_COLUMNS)).to_pylist(maps_as_pydicts="strict")
    rows = sorted((row for row in table if row["stage"] == "search"), key=lambda row: int(row["trial"]))
    if not rows:
        raise InputError(f"{store.folder}: nothing was searched here; there is no grid of settings to record")
    committed = {row["key"]: row["digest"] for row in rows}
    found = read_recording(store.folder)
    if found is not None and found.digests == committed:
        return found
    experiment = Experiment.from_json(store.describe()["spec"])
    members = [member_of(experiment, row) for row in rows]
    watched = watch(members, trainer, progress, sum(row["trial"] == 0 for row in rows))
    for row, one in zip(rows, watched, strict=True):
        if one.digest != row["digest"]:
            raise StoreError(
                f"{store.folder}: {row['arm']}, seed {row['seed']} ({row['key']}) ended otherwise when it was trained "
                "again; was the engine or the machine another? `harness sweep ... --fresh` trains the sweep here"
            )
    frames = [{"key": row["key"], **frame} for row, one in zip(rows, watched, strict=True) for frame in one.frames]
    grid = grid_of(members[0]).tolist()
    write_recording(store.folder, frames, grid, committed)
    again = read_recording(store.folder)
    assert again is not None  # noqa: S101
    return again


class _Watching:
    """One member on its way: where it stands, and the frames so far."""

    def __init__(self, member: Member, taken_apart: bool) -> None:
        self.member = member
        self.progress: MemberProgress | None = None
        self._half = Half(member) if taken_apart else None
        self._frames = [self._frame(0, *_start(member))]

    def segment(self, start: int, stop: int) -> Segment:
        return Segment(start, stop, None if self.progress is None else self.progress.state)

    def arrived(self, progress: MemberProgress) -> None:
        if progress.batch.failure is not None:
            raise InputError(f"{self.member.loss} cannot be recorded: {progress.batch.failure}")
        self.progress = progress
        if progress.runs:
            self._frames.append(self._frame(progress.steps, *progress.thetas))

    def ended(self) -> Watched:
        return Watched(tuple(self._frames), digest_of(*self.progress.thetas) if self.progress else "")

    def _frame(self, step: int, *thetas: NDArray[np.floating]) -> dict[str, Any]:
        measured = self._half.measure(step, *thetas) if self._half else {}
        return {"step": step} | see(self.member, *thetas) | measured


def _start(member: Member) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The parameters (W,) of G and D before the first step, in float32."""
    group = Group((member,))

    def initial(network: Mlp, stream: Stream) -> NDArray[np.floating]:
        u_1W = uniforms(member.study_seed, torch.tensor([member.seed]), stream, range(1), network.size)[0]
        theta: NDArray[np.floating] = network.initial(u_1W)[0].float().numpy()
        return theta

    return initial(group.generator, Stream.INITIAL_G), initial(group.discriminator, Stream.INITIAL_D)


def _nothing(group: Group) -> Measure:
    """Frames are measured between segments, not by the engine."""
    return lambda theta_PW: {}
