"""One GAN a block: the whole training step in one CUDA kernel, hundreds of steps a launch.

The kernel is compiled at run time for the shape of a group. Its source fixes every operation and its order, so a
member's bits depend on neither population, slot, launch length, layout nor number of devices.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from harness.engines.base import Measure, Progress, Segment, TrainingResult, segments_of
from harness.engines.cuda.devices import Backend, CudaBackend, Device
from harness.engines.cuda.kernel_spec import KernelSpec, kernel_options
from harness.engines.cuda.launch import KernelBatch
from harness.engines.cuda.layout import candidates, fitting
from harness.engines.parallel import run_parallel
from harness.engines.step_options import StepOptions, without_torch
from harness.losses import LOSSES
from harness.losses.backends.c_source import refusal
from harness.members import Group, Member

#: Steps of a launch; between launches progress is reported, and an interrupt is heard.
STEPS = 500


class CudaEngine:
    """``backend`` compiles and launches: CUDA, or the host build. A launch takes at most ``steps`` steps."""

    name = "cuda"

    def __init__(self, backend: Backend | None = None, steps: int = STEPS) -> None:
        self.backend: Backend = backend or CudaBackend()
        self.identity, self.device = self.backend.identity, self.backend.device
        self._steps = steps
        self._reasons: dict[tuple[object, ...], str | None] = {}

    def unsupported_reason(self, member: Member) -> str | None:
        """Reason why the member cannot be trained here, or None."""
        if reason := self.backend.unavailable_reason():
            return reason
        # All that a reason may depend on: thousands of members differ in their rates and seeds alone.
        key = (LOSSES[member.loss], member.view, member.shape, StepOptions.of(member), member.settings.ema > 0)
        if key not in self._reasons:
            self._reasons[key] = without_torch(member) or refusal(LOSSES[member.loss]) or self._misfit(member)
        return self._reasons[key]

    def _misfit(self, member: Member) -> str | None:
        """Reason why no device holds a block of the member's kernel, or None."""
        spec = KernelSpec.of(Group((member,)), [member])
        smallest = min(device.memory for device in self.backend.devices())
        if fitting(spec, smallest) is not None:
            return None
        least = min(layout.shared_bytes for layout in candidates(spec))
        return f"it needs {least:,} bytes of shared memory a block, and the device grants {smallest:,}"

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None, /
    ) -> TrainingResult:
        """Train every member along its segment; those that are alike in one launch on each device."""
        each, dealt = segments_of(group, segments), self._dealt(group)
        batches = [KernelBatch(group, indices, [each[index] for index in indices], device) for device, indices in dealt]
        start = time.perf_counter()
        self._run(batches, measure, progress)
        seconds = time.perf_counter() - start
        parts = [batch.result(with_states=segments is not None) for batch in batches]
        order = np.argsort([index for _, indices in dealt for index in indices])
        return TrainingResult.concatenated(parts, seconds).take(order.tolist())

    def _dealt(self, group: Group) -> list[tuple[Device, list[int]]]:
        """Indices of members that are trained together, and their device: like with like, dealt over the devices."""
        alike: dict[StepOptions, list[int]] = defaultdict(list)
        for index, member in enumerate(group.members):
            alike[kernel_options(member)].append(index)
        devices = self.backend.devices()
        return [
            (device, indices[i :: len(devices)])
            for indices in alike.values()
            for i, device in enumerate(devices)
            if indices[i :: len(devices)]
        ]

    def _run(self, batches: Sequence[KernelBatch], measure: Measure, progress: Progress) -> None:
        """Train the batches of each device one after the other, in a thread for each device."""
        by_device: dict[str, list[KernelBatch]] = defaultdict(list)
        for batch in batches:
            by_device[batch.device.name].append(batch)

        def train_all(queue: Sequence[KernelBatch], report: Progress) -> None:
            for batch in queue:
                while not batch.finished:
                    report(batch.launch(self._steps, measure))

        tasks = [partial(train_all, queue) for queue in by_device.values()]
        run_parallel(tasks, [ThreadPoolExecutor(len(tasks))], progress)
