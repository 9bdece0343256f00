"""One GAN a block: the whole training step in one CUDA kernel, hundreds of steps a launch.

The kernel is compiled at run time for the shape of a group. What a member computes is written down operation by
operation, so its bits depend on neither population, slot, launch length, layout nor number of devices.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from harness.engines.base import Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.cuda.devices import CudaLauncher, Device, Launcher
from harness.engines.cuda.kernel_spec import Plan, kind_of
from harness.engines.cuda.launch import KernelBatch
from harness.engines.cuda.layout import candidates, fitting
from harness.engines.parallel import run_parallel
from harness.engines.step_options import StepOptions, without_torch
from harness.losses import LOSSES
from harness.losses.backends.c_source import refusal
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Steps of a launch; between launches progress is told, and an interrupt is heard.
STEPS = 500


class CudaEngine:
    """``launcher`` is what compiles and launches: CUDA, or the host build. ``steps`` are those of a launch, at most."""

    name = "cuda"

    def __init__(self, launcher: Launcher | None = None, steps: int = STEPS) -> None:
        self.launcher: Launcher = launcher or CudaLauncher()
        self.identity, self.device = self.launcher.identity, self.launcher.device
        self._steps = steps
        self._reasons: dict[tuple[object, ...], str | None] = {}

    def unsupported_reason(self, member: Member) -> str | None:
        """Why the member cannot be trained here, or None."""
        if missing := self.launcher.missing():
            return missing
        # All that a reason may depend on: thousands of members differ in their rates and seeds alone.
        key = (LOSSES[member.loss], member.view, member.shape, StepOptions.of(member), member.settings.ema > 0)
        if key not in self._reasons:
            self._reasons[key] = without_torch(member) or refusal(LOSSES[member.loss]) or self._misfit(member)
        return self._reasons[key]

    def _misfit(self, member: Member) -> str | None:
        """Why no device holds a block of the member's kernel, or None."""
        plan = Plan.of(Group((member,)), [member])
        smallest = min(device.memory for device in self.launcher.devices())
        if fitting(plan, smallest) is not None:
            return None
        least = min(layout.shared_bytes for layout in candidates(plan))
        return f"it needs {least:,} bytes of shared memory a block, and the device grants {smallest:,}"

    def train(
        self, group: Group, measure: Measure, progress: Progress, legs: Sequence[Segment] | None = None
    ) -> TrainingResult:
        """Train every member along its leg; those that are alike in one launch on each device."""
        given = segments_of(group, legs)
        crews = [
            (device, KernelBatch(group, places, given, Plan.of(group, [group.members[p] for p in places]), device))
            for device, places in self._dealt(group)
        ]
        start = time.perf_counter()
        self._run(crews, measure, progress)
        return _joined(group, [crew for _, crew in crews], time.perf_counter() - start, keep=legs is not None)

    def _dealt(self, group: Group) -> list[tuple[Device, list[int]]]:
        """Which places of the group are trained together, and where: like with like, dealt over the devices."""
        alike: dict[StepOptions, list[int]] = defaultdict(list)
        for place, member in enumerate(group.members):
            alike[kind_of(member)].append(place)
        devices = self.launcher.devices()
        return [
            (device, places[i :: len(devices)])
            for places in alike.values()
            for i, device in enumerate(devices)
            if places[i :: len(devices)]
        ]

    def _run(self, crews: Sequence[tuple[Device, KernelBatch]], measure: Measure, progress: Progress) -> None:
        """Every device trains its crews one after the other, in a thread of its own."""
        of_device: dict[str, list[KernelBatch]] = defaultdict(list)
        for device, crew in crews:
            of_device[device.name].append(crew)

        def work(own: Sequence[KernelBatch], tell: Progress) -> None:
            for crew in own:
                while not crew.finished:
                    tell(crew.launch(self._steps, measure))

        works = [partial(work, own) for own in of_device.values()]
        run_parallel(works, [ThreadPoolExecutor(len(works))], progress)


def _joined(group: Group, crews: Sequence[KernelBatch], seconds: float, keep: bool) -> TrainingResult:
    """What all crews left, in the order of the group."""
    places = [place for crew in crews for place in crew.places]
    order = np.argsort(places)
    stops = [stop for crew in crews for stop in crew.stops]
    states = [state for crew in crews for state in crew.states()] if keep else []
    return TrainingResult(
        theta_g_PW=np.concatenate([crew.averages() for crew in crews])[order],
        theta_d_PW=np.concatenate([crew.discriminators() for crew in crews])[order],
        stopped_step_P=np.array([step for step, _ in stops], dtype=np.int64)[order],
        stopped_tensor=tuple(stops[i][1] for i in order),
        snapshots={name: np.concatenate([crew.snapshots[name] for crew in crews])[order] for name in SNAPSHOT_COLUMNS},
        seconds=seconds,
        states=tuple(states[i] for i in order) if keep else (),
    )
