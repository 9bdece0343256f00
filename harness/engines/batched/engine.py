"""Engine ``batched``: stacked parameters and autograd in torch, on CPU or CUDA, for any variant and view.

A group is cut into stacks of fixed widths, because the bits of a matrix product may depend on how many are computed
together: missing members are made up by repeating the last one, and their results thrown away. On a CPU each thread
trains one stack at a time with single-threaded arithmetic, which keeps a stack's state in its core's cache; on CUDA
one step is captured as a graph and replayed, and stacks are dealt to all devices of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from harness.engines.base import BLOCK, STACK, Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.batched.inputs import DeviceFeed, HostFeed
from harness.engines.batched.step import Stack
from harness.engines.parallel import cores, flushing_denormals, run_parallel, single_threaded
from harness.engines.snapshot import recorded
from harness.engines.step_options import StepOptions
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Members of a stack. On CPUs 32 is faster where there are enough members for every thread, and 16 saves a lonely
#: one half the work (docs/performance.md); their bits are the same (tests/engines/test_engines.py) ...
WIDTHS = {"cpu": (STACK, 2 * STACK), "cuda": (1024,)}

#: ... but for networks with fewer hidden units, where torch orders a sum by the shape of the whole array: there the
#: largest width serves all, which leaves no tail.
REGULAR_HIDDEN = 16

#: torch computes an activation's elements in vectors, but the last ones of the whole array, up to this many, one by one
#: by another exponential: no member may lie there in one stack and elsewhere in another.
TAIL = 32


class Candidate(NamedTuple):
    """A member with its segment and its row in the group."""

    row: int
    member: Member
    segment: Segment


class Part(NamedTuple):
    """Candidates that are trained in one stack, of this width."""

    candidates: Sequence[Candidate]
    width: int


class BatchedEngine:
    """Stacked members in float32; ``device`` is "cpu" or "cuda"."""

    name = "batched"

    def __init__(self, device: str = "cpu", threads: int | None = None) -> None:
        self.device = device
        self.identity = f"batched/1/{device}"
        self.threads = threads or (cores() if device == "cpu" else 1)

    def unsupported_reason(self, member: Member) -> str | None:
        if self.device == "cuda" and not torch.cuda.is_available():
            return "torch sees no CUDA device"
        return None

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        hidden = {group.shape.hidden, group.shape.units_g}
        parts = [
            part
            for alike in _alike(group.members, segments_of(group, segments))
            for part in _cut(alike, WIDTHS[self.device], hidden, self.threads)
        ]
        works = [partial(self._train_stack, group, part, segments is not None, measure) for part in parts]
        start = time.perf_counter()
        with single_threaded() if self.device == "cpu" else nullcontext():
            results = run_parallel(works, self._pools(), progress)
        result = TrainingResult.concatenated(results, time.perf_counter() - start)
        order = np.argsort([candidate.row for part in parts for candidate in part.candidates])
        return result.take(order.tolist())

    def _pools(self) -> list[ThreadPoolExecutor]:
        """Pools that train stacks: one of ``threads`` on a CPU; else one thread for each CUDA device.

        "cuda" then means the device of the thread.
        """
        if self.device == "cpu":
            return [ThreadPoolExecutor(self.threads)]
        devices = range(torch.cuda.device_count())
        return [ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=(i,)) for i in devices]

    @flushing_denormals()
    def _train_stack(
        self, group: Group, part: Part, with_states: bool, measure: Measure, report: Progress
    ) -> TrainingResult:
        """Train one stack along its members' common segment."""
        candidates = part.candidates
        rows, marks, segment = slice(0, len(candidates)), group.shape.snapshots, candidates[0].segment
        padded = [*candidates, *[candidates[-1]] * (part.width - len(candidates))]
        feed = DeviceFeed(self.device) if self.device == "cuda" else HostFeed(self.device)
        stack = Stack(group, [candidate.member for candidate in padded], feed)
        if segment.start:
            stack.resume(segment.start, [candidate.segment.state for candidate in padded])
        snapshots = {name: np.full((len(candidates), len(marks)), np.nan) for name in SNAPSHOT_COLUMNS}
        step: Callable[[], None] | None = None
        for block in _blocks(segment, marks):
            report(len(block) * len(candidates))
            if stack.watch and not bool(stack.alive_P1.any()):
                continue
            stack.prepare(block)
            if step is None:
                step = captured(stack) if self.device == "cuda" else stack.step
            for _ in block:
                step()
            if block.stop in marks:
                column = marks.index(block.stop)
                values = recorded(stack.record()) | dict(measure(stack.average_PW[rows].cpu().numpy()))
                alive_P = stack.alive_P1[rows, 0].cpu().numpy()
                for name, value in values.items():
                    snapshots[name][:, column] = np.where(alive_P, value[rows], np.nan)
        return TrainingResult(
            theta_g_PW=stack.average_PW[rows].cpu().numpy(),
            theta_d_PW=stack.d.theta_PW[rows].cpu().numpy(),
            stopped_step_P=stack.stopped_step_P[rows].cpu().numpy(),
            stopped_tensor=tuple(stack.stopped_tensors()[rows]),
            snapshots=snapshots,
            seconds=0.0,
            states=stack.member_states(len(candidates)) if with_states else (),
        )


def captured(stack: Stack) -> Callable[[], None]:
    """Capture one step of a CUDA stack as a graph; calling the result replays it. A block must have been prepared."""
    before = [tensor.clone() for tensor in stack.state()]
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # lets cuBLAS and autograd allocate what a capture may not
            stack.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads drive other devices meanwhile
        stack.step()
    for tensor, value in zip(stack.state(), before, strict=True):
        tensor.copy_(value)
    stack.feed.rewind()
    return graph.replay


def _alike(members: Sequence[Member], segments: Sequence[Segment]) -> list[list[Candidate]]:
    """Members by the options of their step and by the steps they are to do; in the order given within each."""
    alike: dict[tuple[StepOptions, int, int], list[Candidate]] = {}
    for row, (member, segment) in enumerate(zip(members, segments, strict=True)):
        key = (StepOptions.of(member), segment.start, segment.stop)
        alike.setdefault(key, []).append(Candidate(row, member, segment))
    return list(alike.values())


def _cut(candidates: Sequence[Candidate], widths: Sequence[int], hidden: set[int], threads: int) -> list[Part]:
    """Consecutive candidates as the parts of a group that are stacks; ``hidden`` are the players' units."""
    if min(hidden) < REGULAR_HIDDEN:
        widths = widths[-1:]
    elif len(candidates) <= threads * widths[0]:
        widths = widths[:1]
    # Activations are arrays of width * (something) * hidden elements: without a remainder there is no tail, else it is
    # of 16 elements, which lie in the last member, and that is a spare one.
    holds = {width: width - any(width * units % TAIL for units in hidden) for width in widths}
    most = holds[widths[-1]]
    pieces = [candidates[i : i + most] for i in range(0, len(candidates), most)]
    return [Part(piece, next(width for width in widths if holds[width] >= len(piece))) for piece in pieces]


def _blocks(segment: Segment, marks: Sequence[int]) -> Iterator[range]:
    """Consecutive ranges of a segment's steps, of at most BLOCK steps each and ending at every snapshot."""
    start = segment.start
    for mark in sorted({*marks, segment.stop}):
        while start < min(mark, segment.stop):
            stop = min(start + BLOCK, mark)
            yield range(start, stop)
            start = stop
