"""Some members of a group on one device, trained by one kernel: their memory, their launches, their snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.mlp import Mlp
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.base import Measure, Segment
from harness.engines.cuda.devices import Device
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.layout import Layout, fitting
from harness.engines.cuda.source.kernel import SETTINGS, parameters_of, record_floats, record_places, source_of
from harness.engines.losses import VariantBlocks
from harness.engines.quantile_table import noise_table, target_table
from harness.engines.snapshot import StepRecord, recorded
from harness.losses import LOSSES
from harness.losses.penalties import Site
from harness.members import Group, Member
from harness.store import SNAPSHOT_COLUMNS

Float64 = NDArray[np.float64]

#: What a member's next leg starts from: its lasting arrays, by name.
State = Mapping[str, NDArray[np.float32]]

#: Members whose initial parameters are drawn at once.
_DRAWN_AT_ONCE = 256


class KernelBatch:
    """``places`` are the members' places in the group; rows of every array are in their order.

    Raises:
        ValueError: no layout fits the device's shared memory.
        RuntimeError: the kernel does not compile.
    """

    def __init__(
        self, group: Group, places: Sequence[int], legs: Sequence[Segment], plan: Plan, device: Device
    ) -> None:
        self.group, self.places, self.plan = group, places, plan
        self.members = [group.members[place] for place in places]
        self.legs = [legs[place] for place in places]
        layout = fitting(plan, device.memory)
        if layout is None:
            raise ValueError(f"no layout of the kernel fits {device.name}")
        self.layout: Layout = layout
        self._device = device.torch_device
        self._kernel = device.kernel(source_of(plan, layout), layout.shared_bytes)
        self._tables = (_target_on(group.target, self._device), _normal_on(self._device))
        self._settings = self._sent(np.array([[getattr(m.settings, n) for n in SETTINGS] for m in self.members]))
        self._parameters = self._sent(np.array([self._parameter_row(m) for m in self.members], np.float32))
        self._words = self._sent(np.array([self._word_row(m) for m in self.members], np.uint32).view(np.int32))
        self._state = self._first_state()
        self._record = torch.zeros(len(self.members), record_floats(plan), device=self._device)
        self._stopped = torch.zeros(len(self.members), 2, dtype=torch.int32, device=self._device)
        self.done_P = np.array([leg.start for leg in self.legs])
        self.end_P = np.array([leg.stop for leg in self.legs])
        marks = group.shape.snapshots
        self.snapshots = {name: np.full((len(self.members), len(marks)), np.nan) for name in SNAPSHOT_COLUMNS}

    # -- what the kernel is given --------------------------------------------------------------------------------

    def _sent(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def _parameter_row(self, member: Member) -> list[float]:
        values = list(LOSSES[member.loss].bind(dict(member.loss_params)).values())
        return [*values, *[0.0] * (parameters_of(self.plan) - len(values))]

    def _word_row(self, member: Member) -> list[int]:
        """In the order of ``enum Word`` of game.cuh."""
        shape, low = member.shape, member.study_seed & 0xFFFFFFFF
        loss = self.plan.variants.index(LOSSES[member.loss])
        kinds = (shape.steps, int(shape.schedule == "cosine"), int(shape.noise == "normal"))
        return [loss, member.seed, low, member.study_seed >> 32, *kinds, shape.d_steps, shape.g_steps]

    def _first_state(self) -> Tensor:
        state = torch.zeros(len(self.members), self.layout.state, device=self._device)
        for start in range(0, len(self.members), _DRAWN_AT_ONCE):
            rows = slice(start, start + _DRAWN_AT_ONCE)
            seeds_P = torch.tensor([m.seed for m in self.members[rows]], device=self._device)
            for letter, network, stream in (
                ("g", self.plan.generator, Stream.INITIAL_G),
                ("d", self.plan.discriminator, Stream.INITIAL_D),
            ):
                u_PW = uniforms(self.members[0].study_seed, seeds_P, stream, range(1), network.size)[0]
                self._part(state, f"theta_{letter}")[rows] = network.initial(u_PW).float()
        self._part(state, "powers").copy_(torch.ones(4, dtype=torch.float64, device=self._device).view(torch.float32))
        if self.plan.averages:
            self._part(state, "average").copy_(self._part(state, "theta_g"))
        if self.plan.features.spectral_norm:
            for i, layer in enumerate(self.plan.discriminator.layers):
                self._part(state, f"right_{i}").fill_(layer.outputs**-0.5)
        for row, leg in enumerate(self.legs):
            if leg.state is not None:
                for name, values in cast("State", leg.state).items():
                    self._part(state, name)[row] = torch.from_numpy(values).to(self._device)
        return state

    def _part(self, state: Tensor, name: str) -> Tensor:
        placed = self.layout.places[name]
        return state[:, placed.home : placed.home + placed.array.floats]

    # -- training ------------------------------------------------------------------------------------------------

    def launch(self, steps: int, measure: Measure) -> int:
        """At most ``steps`` steps of every member, not beyond its next snapshot; how many were done or given up."""
        marks = np.array(self.group.shape.snapshots)
        next_mark_P = np.append(marks, np.iinfo(np.int64).max)[np.searchsorted(marks, self.done_P, side="right")]
        until_P = np.minimum(np.minimum(self.done_P + steps, self.end_P), next_mark_P)
        span_P2 = self._sent(np.stack([self.done_P, until_P], axis=1).astype(np.int32))
        arguments = (self._settings, self._parameters, self._words, span_P2, *self._tables)
        self._kernel(len(self.members), (*arguments, self._state, self._record, self._stopped))
        stopped_P = self._stopped[:, 0].cpu().numpy()
        told = int((until_P - self.done_P).sum() + (self.end_P - until_P)[stopped_P > 0].sum())
        at_mark_P = np.isin(until_P, marks) & (until_P > self.done_P) & (stopped_P == 0)
        self.done_P = np.where(stopped_P > 0, self.end_P, until_P)
        if at_mark_P.any():
            self._take_snapshots(np.flatnonzero(at_mark_P), np.searchsorted(marks, until_P), measure)
        return told

    @property
    def finished(self) -> bool:
        """Whether every member has stopped or come to the end of its leg."""
        return bool((self.done_P >= self.end_P).all())

    def _take_snapshots(self, rows: NDArray[np.intp], columns_P: NDArray[np.intp], measure: Measure) -> None:
        record = self._record[rows].cpu()
        values = _recorded(self.plan, [self.members[row] for row in rows], record)
        average_PW = self._part(self._state, "average" if self.plan.averages else "theta_g")
        values |= dict(measure(average_PW[rows].cpu().numpy()))
        for name, value in values.items():
            self.snapshots[name][rows, columns_P[rows]] = value

    # -- what is left of it ----------------------------------------------------------------------------------------

    def averages(self) -> NDArray[np.float32]:
        """The generators to be scored (P, W)."""
        return self._taken("average" if self.plan.averages else "theta_g")

    def discriminators(self) -> NDArray[np.float32]:
        """The discriminators' parameters (P, W)."""
        return self._taken("theta_d")

    def _taken(self, name: str) -> NDArray[np.float32]:
        taken: NDArray[np.float32] = self._part(self._state, name).cpu().numpy().copy()
        return taken

    @property
    def stops(self) -> list[tuple[int, str]]:
        """The step and the tensor that stopped each member, or 0 and no name."""
        names = [_name(letter, n) for letter, n in (("D", self.plan.discriminator), ("G", self.plan.generator))]
        every = [*names[0], *names[1]]
        return [(step, every[part] if step else "") for step, part in self._stopped.cpu().tolist()]

    def memory(self) -> NDArray[np.float32]:
        """Every float of the members' states, the gaps between arrays too."""
        copied: NDArray[np.float32] = self._state.cpu().numpy().copy()
        return copied

    def states(self) -> list[State | None]:
        """What each member's next leg starts from, array by array, so that another layout can read it."""
        lasting = [name for name, placed in self.layout.places.items() if placed.array.lasting]
        arrays = {name: self._taken(name) for name in lasting}
        return [
            None if step else {name: values[row].copy() for name, values in arrays.items()}
            for row, (step, _) in enumerate(self.stops)
        ]


def _name(letter: str, network: Mlp) -> list[str]:
    return [f"gradient of {letter}.{name}" for name in network.tensor_names]


def _recorded(plan: Plan, members: Sequence[Member], record_PX: Tensor) -> dict[str, Float64]:
    """The snapshot of members from what their launch left."""
    found = {name: record_PX[:, at : at + floats] for name, (at, floats) in record_places(plan).items()}
    k = plan.decisions
    penalties = plan.features.penalties

    def weight(name: str) -> Tensor:
        return torch.tensor([[getattr(m.settings, name)] for m in members], dtype=torch.float32)

    return recorded(
        StepRecord(
            blocks=VariantBlocks(members, "cpu"),
            real_PB=found["real"],
            fake_PB=found["fake"],
            logits_PK=found["logits"],
            label_draws_PK=found["labels"] if plan.labels else None,
            judged_real_PK=found["logits_g"][:, :k] if plan.features.pairs else None,
            judged_PK=found["logits_g"][:, k:],
            # A norm stands for the gradient that has it.
            gradient_d_PW=found["norms"][:, :1].double().sqrt(),
            gradient_g_PW=found["norms"][:, 1:].double().sqrt(),
            penalties=[(penalty, weight(penalty.name) * found["share"]) for penalty in penalties],
            norm_PK={site: found["sites"][:, i * k : (i + 1) * k] for i, site in enumerate(Site)},
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
