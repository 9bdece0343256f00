"""Inputs of a block of steps, made before it runs: data, noise, labels, shares; and the feed that a step reads.

Everything that changes from step to step and does not depend on the networks is here, so that the step itself
(step.py) draws nothing. Host arithmetic is float64, what is handed over float32. On a CPU the position in the block is
a Python number. In a captured CUDA graph it is a tensor that the graph itself advances, over buffers that never move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

from harness.data.latent import NOISES
from harness.data.rng import Stream, uniforms
from harness.engines.base import BLOCK, REPLAY_BUFFER, decay_phase, updates_per_step
from harness.engines.step_options import StepOptions
from harness.losses.penalties import Site
from harness.members import Group, Member

Float64 = NDArray[np.float64]


def setting_columns(members: Sequence[Member]) -> dict[str, Float64]:
    """Every setting of the members by name (P,)."""
    rows = [member.settings.columns() for member in members]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def column(values_P: Float64, device: str) -> Tensor:
    """One number a member as a float32 column (P, 1) on the device."""
    return torch.from_numpy(values_P).to(device, torch.float32).unsqueeze(1)


def noisy(values_PB: Tensor, noise_PB: Tensor | None) -> Tensor:
    """Sum of values and the instance noise drawn for them, if any was."""
    return values_PB if noise_PB is None else values_PB + noise_PB


class Draws:
    """Numbers drawn for a stack's members, block by block."""

    def __init__(self, group: Group, members: Sequence[Member], options: StepOptions, device: str) -> None:
        self.group, self.shape, self.options, self.device = group, group.shape, options, device
        self.study_seed = members[0].study_seed
        self.seeds_P = torch.tensor([m.seed for m in members], device=device)
        self.per_step_d, self.per_step_g = updates_per_step(group.shape)
        self.settings = setting_columns(members)

    def uniforms(self, stream: Stream, updates: range, count: int) -> Tensor:
        """Uniform draws (U, P, count) of a stream at the given updates."""
        return uniforms(self.study_seed, self.seeds_P, stream, updates, count)

    def share(self, name: str, steps: range, per_step: int) -> Float64:
        """1 - decay * phase, for the setting that names the decay: (updates of these steps, P)."""
        phase_T = decay_phase(self.shape.schedule, np.array(steps, dtype=np.float64) / self.shape.steps)
        return np.repeat(1 - self.settings[name] * phase_T[:, None], per_step, axis=0)

    def block(self, steps: range) -> dict[str, Tensor]:
        """Everything but the learning rates, by name, first axis: update within the block."""
        batch, view = self.shape.batch, self.group.view
        d_updates, g_updates = (range(steps.start * k, steps.stop * k) for k in (self.per_step_d, self.per_step_g))
        real_UPB = self._through(self.group.target.quantile, Stream.REAL, d_updates, batch)
        read_UPB = real_UPB
        block = {
            "real": real_UPB,
            "z_d": self._latent(Stream.LATENT_D, d_updates),
            "z_g": self._latent(Stream.LATENT_G, g_updates),
        }
        share_d_UP, share_g_UP = (
            self.share("penalty_decay", steps, per_step) for per_step in (self.per_step_d, self.per_step_g)
        )
        if self.options.instance_noise:
            for name, stream, updates, share_UP in (
                ("noise_real", Stream.NOISE_REAL, d_updates, share_d_UP),
                ("noise_d", Stream.NOISE_FAKE, d_updates, share_d_UP),
                ("noise_g", Stream.NOISE_G, g_updates, share_g_UP),
            ):
                sd_UP = self.settings["instance_noise"] * share_UP
                normal_UPB = special.ndtri(self._host(stream, updates, batch))
                block[name] = self._to_device(sd_UP[:, :, None] * normal_UPB)
            read_UPB = real_UPB + block.pop("noise_real")
        block["real_features"] = torch.stack([view.features(read_PB) for read_PB in read_UPB])
        decisions, inputs = view.decisions(batch), view.inputs(batch)
        if self.options.labels:
            block["labels"] = self.uniforms(Stream.LABELS, d_updates, 2 * decisions)
        if Site.SEGMENT in self.options.sites:
            block["segment"] = self.uniforms(Stream.SEGMENT, d_updates, decisions)
        if Site.AROUND in self.options.sites:
            u_UPC = self.uniforms(Stream.AROUND, d_updates, decisions * inputs)
            block["around"] = u_UPC.reshape(*u_UPC.shape[:2], decisions, inputs)
        if self.options.weighs:
            block["penalty_share_d"] = self._to_device(share_d_UP[:, :, None])
            block["penalty_share_g"] = self._to_device(share_g_UP[:, :, None])
        if self.options.replay:
            block |= self._replay(d_updates)
        return block

    def _replay(self, updates: range) -> Mapping[str, Tensor]:
        """Mask of values to replace, slots of the replay buffer that they then come from, and the slot to write."""
        u_UPC = self._host(Stream.REPLAY, updates, 2 * self.shape.batch)
        old_UPB, slot_UPB = np.split(u_UPC, 2, axis=2)
        filled_U11 = np.minimum(np.array(updates), REPLAY_BUFFER)[:, None, None]
        is_old_UPB = (old_UPB < self.settings["replay"][:, None]) & (filled_U11 > 0)
        return {
            "replay_old": torch.from_numpy(is_old_UPB).to(self.device),
            "replay_slot": torch.from_numpy((slot_UPB * filled_U11).astype(np.int64)).to(self.device),
            "replay_keep": torch.tensor([[n % REPLAY_BUFFER] for n in updates], device=self.device),
        }

    def _latent(self, stream: Stream, updates: range) -> Tensor:
        law, latent = NOISES[self.shape.noise], self.shape.latent
        z_UPC = self._through(law, stream, updates, self.shape.batch * latent)
        return z_UPC.view(*z_UPC.shape[:2], self.shape.batch, latent)

    def _through(self, quantile: Callable[[Float64], Float64], stream: Stream, updates: range, count: int) -> Tensor:
        return self._to_device(quantile(self._host(stream, updates, count)))

    def _host(self, stream: Stream, updates: range, count: int) -> Float64:
        return self.uniforms(stream, updates, count).double().cpu().numpy()

    def _to_device(self, values: Float64) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, torch.float32)


class Feed(Protocol):
    """A block of prepared numbers, first axis: update within the block."""

    device: str

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        """Make ``block``, of at most BLOCK steps, the current one and go to its first step."""

    def rewind(self) -> None:
        """Go back to the first step of the block."""

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        """The numbers of the j-th of ``per_step`` updates of the current step."""

    def advance(self) -> None:
        """Go to the next step of the block."""


class HostFeed:
    """For eager steps: slices of the block, cut once."""

    def __init__(self, device: str) -> None:
        self.device = device

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        self._block = {name: values.unbind(0) for name, values in block.items()}
        self.rewind()

    def rewind(self) -> None:
        self._position = 0

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        return self._block[name][self._position * per_step + j]

    def advance(self) -> None:
        self._position += 1


class DeviceFeed:
    """For captured steps: fixed buffers, read at a position that lives on the device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._buffers: dict[str, Tensor] = {}
        self._position_1 = torch.zeros(1, dtype=torch.int64, device=device)

    def load(self, block: Mapping[str, Tensor], steps: int) -> None:
        for name, values in block.items():
            if name not in self._buffers:
                self._buffers[name] = values.new_zeros(len(values) // steps * BLOCK, *values.shape[1:])
            self._buffers[name][: len(values)].copy_(values)
        self.rewind()

    def rewind(self) -> None:
        self._position_1.zero_()

    def take(self, name: str, per_step: int, j: int) -> Tensor:
        return self._buffers[name].index_select(0, self._position_1 * per_step + j).squeeze(0)

    def advance(self) -> None:
        self._position_1 += 1
