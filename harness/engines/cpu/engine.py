"""The engine: members from a queue, each trained by one thread from its first step to its last.

A thread takes one member and keeps it until its segment ends, so that a member's state stays in the cache of one core.
The loop (step.py) is compiled once for all shapes, losses and settings, and kept on disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.data.rng import Stream
from harness.engines.base import (
    Measure,
    Progress,
    Segment,
    TrainingResult,
    decay_phase,
    first_nonfinite_tensor,
    segments_of,
)
from harness.engines.cpu.layout import Float32
from harness.engines.cpu.numeric.jit import prepare
from harness.engines.cpu.numeric.record import OPTIONS, RUN_DTYPE, address, fill
from harness.engines.cpu.numeric.rng import levels_of
from harness.engines.cpu.numeric.simd import row_length
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.state import Formulas, Layouts, Shapes, State
from harness.engines.cpu.step import STOPPED_BY_D, STOPPED_BY_NOBODY, train_steps
from harness.engines.cpu.workspace import Workspace
from harness.engines.losses import VariantBlock
from harness.engines.parallel import cores, flushing_denormals, run_parallel, single_threaded
from harness.engines.quantile_table import LEVELS, noise_table, table_worth_having
from harness.engines.snapshot import Float64, StepRecord, recorded
from harness.engines.step_options import StepOptions, without_torch
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

#: Steps between two reports of progress: enough that calls cost nothing.
PROGRESS_INTERVAL = 250


class CpuEngine:
    """One GAN a core, in float32. Refuses what needs torch: direct losses and consensus."""

    name = "cpu"
    identity = "cpu/1"
    device = "cpu"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()

    def unsupported_reason(self, member: Member) -> str | None:
        """Reason why the member cannot be trained here, or None."""
        return without_torch(member)

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None, /
    ) -> TrainingResult:
        """Train every member along its segment."""
        each = segments_of(group, segments)
        shared = GroupRun(group, each)
        runs = [MemberRun(shared, member, segment) for member, segment in zip(group.members, each, strict=True)]
        prepare()
        start = time.perf_counter()
        with single_threaded():
            pool = ThreadPoolExecutor(min(self.threads, len(runs)))
            run_parallel([partial(run.train, measure) for run in runs], [pool], progress)
        return TrainingResult(
            theta_g_PW=np.concatenate([run.generator for run in runs]),
            theta_d_PW=np.concatenate([run.discriminator for run in runs]),
            stopped_step_P=np.array([run.stopped_step for run in runs], dtype=np.int64),
            stopped_tensor=tuple(run.stopped_tensor for run in runs),
            snapshots={name: np.stack([run.snapshots[name] for run in runs]) for name in SNAPSHOT_COLUMNS},
            seconds=time.perf_counter() - start,
            states=tuple(None if run.stopped_step else run.state for run in runs) if segments is not None else (),
        )


class GroupRun:
    """Things that the members of one call of ``train`` share: layouts, a table of the target, a workspace a thread."""

    def __init__(self, group: Group, segments: Sequence[Segment]) -> None:
        self.group, self.layouts, self.shapes = group, Layouts.of(group), Shapes.of(group)
        steps = sum(segment.stop - segment.start for segment in segments)
        self.target_table = table_worth_having(group.target, steps * self.shapes.d_steps * self.shapes.batch)
        self._of_thread = threading.local()

    def workspace(self, options: StepOptions) -> Workspace:
        """The calling thread's workspace for members of these options."""
        if getattr(self._of_thread, "options", None) != options:
            self._of_thread.options = options
            self._of_thread.workspace = Workspace.new(self.layouts, self.shapes, options)
        workspace: Workspace = self._of_thread.workspace
        return workspace

    def real_values(self, key: NDArray[np.uint64], updates: range) -> Float32:
        """Draw a member's real values (updates B,) from the law itself, where there is no table."""
        levels = levels_of(key, int(Stream.REAL), updates, self.shapes.batch)
        with np.errstate(over="ignore"):  # beyond float32 a draw is infinite, as in the table
            return self.group.target.quantile((levels + 0.5) / LEVELS).astype(np.float32)


class MemberRun:
    """One member on its segment: its state, its record of the training loop, and its snapshots."""

    def __init__(self, shared: GroupRun, member: Member, segment: Segment) -> None:
        self.shared, self.member, self.segment = shared, member, segment
        self.options = StepOptions.of(member)
        self.stopped_step, self.stopped_tensor = 0, ""
        self.snapshots = {name: np.full(len(member.shape.snapshots), np.nan) for name in SNAPSHOT_COLUMNS}
        study = member.study_seed
        self._key = np.array([study & 0xFFFFFFFF, member.seed, study >> 32], np.uint64)
        self._done = segment.start

    @flushing_denormals()
    def train(self, measure: Measure, report: Progress) -> None:
        """Train the member to the end of its segment, or until it stops."""
        self.state = self._first_state()
        self._workspace = self.shared.workspace(self.options)
        self._record = self._bound_record()
        marks = self.member.shape.snapshots
        for stop in _stops(self.segment, marks):
            start = self._done
            self._advance(stop)
            if self.stopped_step:
                report(self.segment.stop - start)
                break
            report(stop - start)
            if stop in marks:
                measured = self._step_record() | dict(measure(self.generator))
                for name, value in measured.items():
                    self.snapshots[name][marks.index(stop)] = value[0]
        del self._record, self._workspace, self._formulas  # the state stays

    @property
    def generator(self) -> Float32:
        """The generator to be measured (1, W): its running average where it has one."""
        theta = self.state.average if self.member.settings.ema else self.state.g.theta
        return self.shared.layouts.g.flat(theta)[None]

    @property
    def discriminator(self) -> Float32:
        """The discriminator (1, W)."""
        return self.shared.layouts.d.flat(self.state.d.theta)[None]

    def _first_state(self) -> State:
        group, state = self.shared.group, self.segment.state
        if state is None:
            networks = ((group.generator, Stream.INITIAL_G), (group.discriminator, Stream.INITIAL_D))
            theta_g, theta_d = (_initial(self._key, network, stream) for network, stream in networks)
            return State.new(self.shared.layouts, self.shared.shapes.batch, (theta_g, theta_d))
        if isinstance(state, State):
            return state.copied(self.shared.layouts)
        raise TypeError(f"{state!r} is not a state of engine {CpuEngine.name}")

    def _bound_record(self) -> NDArray[np.void]:
        """Make the record of the training loop, with the addresses of state, formulas and workspace."""
        record, settings, shapes = np.zeros(1, RUN_DTYPE), self.member.settings, self.shared.shapes
        fill(record[0], shapes._asdict() | settings.columns() | {"factored": self._factored})
        fill(record[0], {f"has_{option}": bool(getattr(self.options, option)) for option in OPTIONS})
        fill(record[0], {f"key{i}": word for i, word in enumerate(self._key)})
        self._formulas = Formulas.of(self.member, self.options.penalties, shapes.decisions)
        for part in (self.state, self._formulas, self._workspace):
            part.bind(record[0])
        if shapes.normal_latent or self.options.instance_noise or settings.dragan:
            fill(record[0], {"normal_table": noise_table("normal")})
        if self.shared.target_table is not None:
            fill(record[0], {"target_table": self.shared.target_table})
        return record

    def _advance(self, stop: int) -> None:
        """Train up to ``stop`` steps done, or until a gradient is not finite."""
        if self.shared.target_table is None:
            d_steps = self.shared.shapes.d_steps
            updates = range(self._done * d_steps, stop * d_steps)
            values = self.shared.real_values(self._key, updates)
            fill(self._record[0], {"real_values": values, "real_values_from": updates.start})
        ended = np.zeros(2, np.int32)
        train_steps.kernel.dispatcher(address(self._record), self._done, stop, ended)
        self._done, stopped_by = map(int, ended)
        if stopped_by != STOPPED_BY_NOBODY:
            self.stopped_step = self._done + 1
            letter, player = ("D", 1) if stopped_by == STOPPED_BY_D else ("G", 0)
            network = self.shared.layouts[player].network
            gradient_1W = torch.from_numpy(self._gradients()[player])[None]
            # Summed in another order, what was infinite in the loop may just be finite here.
            name = first_nonfinite_tensor(network, gradient_1W) or network.tensor_names[0]
            self.stopped_tensor = f"gradient of {letter}.{name}"

    def _step_record(self) -> dict[str, Float64]:
        """Snapshot values of the last step."""
        settings, shape, scratch = self.member.settings, self.member.shape, self._workspace.scratch
        decisions, batch = self.shared.shapes.decisions, self.shared.shapes.batch
        phase = decay_phase(shape.schedule, np.array([(self._done - 1) / shape.steps]))[0]
        factor = 1 - settings.penalty_decay * phase
        gradient_g, gradient_d = (torch.from_numpy(gradient_W)[None] for gradient_W in self._gradients())
        norms = {site: _row(scratch.slope_norms, i * decisions, decisions) for i, site in enumerate(SITES)}
        return recorded(
            StepRecord(
                blocks=[self._variant_block],
                real_PB=_row(scratch.real, 0, batch),
                fake_PB=_row(scratch.fake, 0, batch),
                logits_PK=_row(scratch.logits, 0, 2 * decisions),
                label_draws_PK=_row(scratch.label_draws, 0, 2 * decisions) if self.options.labels else None,
                logits_g_real_PK=_row(scratch.logits_g, 0, decisions) if self.options.pairs else None,
                logits_g_PK=_row(scratch.logits_g, decisions, decisions),
                gradient_d_PW=gradient_d,
                gradient_g_PW=gradient_g,
                penalties=[
                    (penalty, torch.tensor([[factor * getattr(settings, penalty.name)]]))
                    for penalty in self.options.penalties
                ],
                norm_PK=norms,
            )
        )

    @cached_property
    def _factored(self) -> bool:
        """True if the gradient of D's first layer is never written, but used as its two factors.

        That is for one real and one fake decision, and where nothing else adds to the gradient.
        """
        plain = self.member.shape.optimizer == "adam" and not (self.options.penalties or self.options.spectral_norm)
        return plain and self.shared.shapes.decisions == 1 and len(self.shared.layouts.d.layers) > 1

    def _gradients(self) -> list[Float32]:
        """Gradients (W,) of G and D in the last step."""
        layouts, gradients = self.shared.layouts, self._workspace.gradients
        if self._factored:
            inputs, outputs, stride, _, _ = layouts.d.layers[0].tolist()
            activations, delta = self._workspace.buffers.d_activations.values, self._workspace.scratch.first_delta
            inputs_RI = activations[: 2 * row_length(inputs)].reshape(2, -1)[:, : inputs + 1]
            delta_RO = delta[: 2 * row_length(outputs)].reshape(2, -1)[:, :stride]
            with np.errstate(all="ignore"):  # a member that stops may have anything here
                gradients[1][: (inputs + 1) * stride] = (inputs_RI.T @ delta_RO).reshape(-1)
        return [layout.flat(gradient) for layout, gradient in zip(layouts, gradients, strict=True)]

    @cached_property
    def _variant_block(self) -> VariantBlock:
        return VariantBlock(slice(0, 1), [self.member], "cpu")


def _stops(segment: Segment, marks: Sequence[int]) -> list[int]:
    """Steps at which a segment is cut: snapshots, its end, and every PROGRESS_INTERVAL."""
    inner = {mark for mark in marks if segment.start < mark < segment.stop}
    return sorted({*range(segment.start + PROGRESS_INTERVAL, segment.stop, PROGRESS_INTERVAL), *inner, segment.stop})


def _row(values: Float32, start: int, count: int) -> torch.Tensor:
    return torch.from_numpy(values[start : start + count].copy())[None]


def _initial(key: NDArray[np.uint64], network: Mlp, stream: Stream) -> Float32:
    """A player's initial parameters (W,): the draws of ``harness.data.rng``, made where they are cheaper."""
    levels = levels_of(key, int(stream), range(1), network.size)
    theta: Float32 = network.initial(torch.from_numpy((levels + 0.5) / LEVELS)[None])[0].float().numpy()
    return theta
