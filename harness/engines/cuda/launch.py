"""Members of a group on one device, trained by one kernel: their memory, their launches, their snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.base import Measure, Segment, TrainingResult
from harness.engines.cuda.devices import Device
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.layout import fitting
from harness.engines.cuda.source.kernel import SETTINGS, parameters_of, record_floats, record_layout, source_of
from harness.engines.losses import VariantBlocks
from harness.engines.quantile_table import noise_table, target_table
from harness.engines.snapshot import StepRecord, recorded
from harness.losses import LOSSES
from harness.losses.penalties import Site
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

Float64 = NDArray[np.float64]

#: State of a member between segments: its lasting arrays, by name.
State = Mapping[str, NDArray[np.float32]]

#: Members whose initial parameters are drawn at once.
_DRAWN_AT_ONCE = 256


class KernelBatch:
    """Members of a group, by their ``indices``, with a segment each. Rows of every array are in their order.

    Raises:
        ValueError: no layout fits the device's shared memory.
        RuntimeError: the kernel does not compile.
    """

    def __init__(self, group: Group, indices: Sequence[int], segments: Sequence[Segment], device: Device) -> None:
        self.device, self.marks = device, np.array(group.shape.snapshots)
        self.members = [group.members[index] for index in indices]
        self.spec = KernelSpec.of(group, self.members)
        layout = fitting(self.spec, device.memory)
        if layout is None:
            raise ValueError(f"no layout of the kernel fits {device.name}")
        self.layout = layout
        self._kernel = device.kernel(source_of(self.spec, layout), layout.shared_bytes)
        self._settings = self._to_device(np.array([[getattr(m.settings, n) for n in SETTINGS] for m in self.members]))
        self._parameters = self._to_device(np.array([self._parameter_row(m) for m in self.members], np.float32))
        self._words = self._to_device(np.array([self._word_row(m) for m in self.members], np.uint32).view(np.int32))
        self._tables = (
            _target_on(group.target, device.torch_device),
            _normal_on(device.torch_device),
        )
        self._state = self._first_state(segments)
        self._record = torch.zeros(len(indices), record_floats(self.spec), device=device.torch_device)
        self._stopped = torch.zeros(len(indices), 2, dtype=torch.int32, device=device.torch_device)
        self.done_P = np.array([segment.start for segment in segments])
        self.end_P = np.array([segment.stop for segment in segments])
        self.snapshots = {name: np.full((len(indices), len(self.marks)), np.nan) for name in SNAPSHOT_COLUMNS}

    # -- arguments of the kernel ---------------------------------------------------------------------------------

    def _to_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device.torch_device)

    def _parameter_row(self, member: Member) -> list[float]:
        values = list(LOSSES[member.loss].bind(dict(member.loss_params)).values())
        return [*values, *[0.0] * (parameters_of(self.spec) - len(values))]

    def _word_row(self, member: Member) -> list[int]:
        """In the order of ``enum Word`` of state.cuh."""
        shape, low = member.shape, member.study_seed & 0xFFFFFFFF
        loss = self.spec.variants.index(LOSSES[member.loss])
        kinds = (shape.steps, int(shape.schedule == "cosine"), int(shape.noise == "normal"))
        return [loss, member.seed, low, member.study_seed >> 32, *kinds, shape.d_steps, shape.g_steps]

    def _first_state(self, segments: Sequence[Segment]) -> Tensor:
        """States (P, floats) where the segments start: initial ones, or those that the last segments ended with."""
        device = self.device.torch_device
        state = torch.zeros(len(self.members), self.layout.state, device=device)
        self._draw_initial(state)
        self._part(state, "powers").copy_(torch.ones(4, dtype=torch.float64, device=device).view(torch.float32))
        if self.spec.has_average:
            self._part(state, "average").copy_(self._part(state, "theta_g"))
        if self.spec.options.spectral_norm:
            for i, layer in enumerate(self.spec.discriminator.layers):
                self._part(state, f"right_{i}").fill_(layer.outputs**-0.5)
        for row, segment in enumerate(segments):
            if segment.state is not None:
                for name, values in cast("State", segment.state).items():
                    self._part(state, name)[row] = torch.from_numpy(values).to(device)
        return state

    def _draw_initial(self, state: Tensor) -> None:
        """Draw both players' initial parameters."""
        networks = (
            ("theta_g", self.spec.generator, Stream.INITIAL_G),
            ("theta_d", self.spec.discriminator, Stream.INITIAL_D),
        )
        for start in range(0, len(self.members), _DRAWN_AT_ONCE):
            rows = slice(start, start + _DRAWN_AT_ONCE)
            seeds_P = torch.tensor([m.seed for m in self.members[rows]], device=self.device.torch_device)
            for name, network, stream in networks:
                u_PW = uniforms(self.members[0].study_seed, seeds_P, stream, range(1), network.size)[0]
                self._part(state, name)[rows] = network.initial(u_PW).float()

    def _part(self, state: Tensor, name: str) -> Tensor:
        placed = self.layout.arrays[name]
        return state[:, placed.home : placed.home + placed.array.floats]

    # -- training ------------------------------------------------------------------------------------------------

    def launch(self, steps: int, measure: Measure) -> int:
        """Train every member for at most ``steps`` steps, not beyond its next snapshot.

        Returns how many steps were done, with those that stopped members will not do.
        """
        marks = np.append(self.marks, np.iinfo(np.int64).max)
        next_mark_P = marks[np.searchsorted(self.marks, self.done_P, side="right")]
        until_P = np.minimum(np.minimum(self.done_P + steps, self.end_P), next_mark_P)
        span_P2 = self._to_device(np.stack([self.done_P, until_P], axis=1).astype(np.int32))
        arguments = (self._settings, self._parameters, self._words, span_P2, *self._tables)
        self._kernel(len(self.members), (*arguments, self._state, self._record, self._stopped))
        stopped_P = self._stopped[:, 0].cpu().numpy() > 0
        done = int((until_P - self.done_P).sum() + (self.end_P - until_P)[stopped_P].sum())
        at_mark_P = np.isin(until_P, self.marks) & (until_P > self.done_P) & ~stopped_P
        self.done_P = np.where(stopped_P, self.end_P, until_P)
        if at_mark_P.any():
            self._take_snapshots(np.flatnonzero(at_mark_P), np.searchsorted(self.marks, until_P), measure)
        return done

    @property
    def finished(self) -> bool:
        """True if every member has stopped or come to the end of its segment."""
        return bool((self.done_P >= self.end_P).all())

    def _take_snapshots(self, rows: NDArray[np.intp], columns_P: NDArray[np.intp], measure: Measure) -> None:
        values = _recorded(self.spec, [self.members[row] for row in rows], self._record[rows].cpu())
        generator_PW = self._part(self._state, self._generator)
        values |= dict(measure(generator_PW[rows].cpu().numpy()))
        for name, value in values.items():
            self.snapshots[name][rows, columns_P[rows]] = value

    # -- results -------------------------------------------------------------------------------------------------

    def result(self, with_states: bool) -> TrainingResult:
        """Result of the members, in seconds that the caller knows."""
        stops = self._stopped.cpu().tolist()
        players = (("D", self.spec.discriminator), ("G", self.spec.generator))
        tensors = [f"gradient of {letter}.{name}" for letter, network in players for name in network.tensor_names]
        return TrainingResult(
            theta_g_PW=self._copied(self._generator),
            theta_d_PW=self._copied("theta_d"),
            stopped_step_P=np.array([step for step, _ in stops], dtype=np.int64),
            stopped_tensor=tuple(tensors[tensor] if step else "" for step, tensor in stops),
            snapshots=self.snapshots,
            seconds=0.0,
            states=self._states() if with_states else (),
        )

    @property
    def _generator(self) -> str:
        """Name of the array that is measured: the running average, where some member has one."""
        return "average" if self.spec.has_average else "theta_g"

    def memory(self) -> NDArray[np.float32]:
        """Every float of the members' states, with the gaps between arrays."""
        floats: NDArray[np.float32] = self._state.cpu().numpy().copy()
        return floats

    def _copied(self, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._part(self._state, name).cpu().numpy().copy()
        return values

    def _states(self) -> tuple[State | None, ...]:
        """Each member's state, array by array, so that another layout can read it; None for one that stopped."""
        lasting = [name for name, placed in self.layout.arrays.items() if placed.array.lasting]
        arrays = {name: self._copied(name) for name in lasting}
        stopped = self._stopped[:, 0].cpu().tolist()
        return tuple(
            None if step else {name: values[row].copy() for name, values in arrays.items()}
            for row, step in enumerate(stopped)
        )


def _recorded(spec: KernelSpec, members: Sequence[Member], record_PX: Tensor) -> dict[str, Float64]:
    """Snapshot of members from the record of their last step."""
    parts = {name: record_PX[:, at : at + floats] for name, (at, floats) in record_layout(spec).items()}
    k = spec.decisions
    penalties = spec.options.penalties

    def weight(name: str) -> Tensor:
        return torch.tensor([[getattr(m.settings, name)] for m in members], dtype=torch.float32)

    return recorded(
        StepRecord(
            blocks=VariantBlocks(members, "cpu"),
            real_PB=parts["real"],
            fake_PB=parts["fake"],
            logits_PK=parts["logits"],
            label_draws_PK=parts["labels"] if spec.labels else None,
            logits_g_real_PK=parts["logits_g"][:, :k] if spec.options.pairs else None,
            logits_g_PK=parts["logits_g"][:, k:],
            # A norm stands for the gradient that has it.
            gradient_d_PW=parts["norms"][:, :1].double().sqrt(),
            gradient_g_PW=parts["norms"][:, 1:].double().sqrt(),
            penalties=[(penalty, weight(penalty.name) * parts["share"]) for penalty in penalties],
            norm_PK={site: parts["sites"][:, i * k : (i + 1) * k] for i, site in enumerate(Site)},
        )
    )


@lru_cache(maxsize=4)
def _target_on(target: Target, device: str) -> Tensor:
    return _table_on(lambda: target_table(target), device)


@lru_cache(maxsize=4)
def _normal_on(device: str) -> Tensor:
    return _table_on(lambda: noise_table("normal"), device)


def _table_on(table: Callable[[], NDArray[np.float32]], device: str) -> Tensor:
    # numpy marks the table read-only, which torch warns about; a copy on the host is 32 MiB.
    return torch.from_numpy(table().copy()).to(device)
