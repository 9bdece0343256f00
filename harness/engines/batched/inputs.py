"""What a block of steps consumes, made before it runs: data, noise, labels, rates and shares.

Everything that changes from step to step and does not depend on the networks is here, so that the step itself
(stack.py) draws nothing. Host arithmetic is float64, what is handed over float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

from harness.data.latent import NOISES
from harness.data.rng import Stream, uniforms
from harness.engines.base import REPLAY_BUFFER, updates_per_step
from harness.engines.step_options import StepOptions
from harness.losses.penalties import Site
from harness.members import Group, Member

Float64 = NDArray[np.float64]


def decay_phase(schedule: str, share_T: Float64) -> Float64:
    """How much of its decay a rate has behind it, in [0, 1], at ``share_T`` of the training."""
    phases = {"linear": share_T, "cosine": (1 - np.cos(np.pi * share_T)) / 2}
    return phases[schedule]


def noisy(values_PB: Tensor, noise_PB: Tensor | None) -> Tensor:
    """Values with the instance noise that was drawn for them, if any was."""
    return values_PB if noise_PB is None else values_PB + noise_PB


class Draws:
    """The numbers of a stack's members, block by block."""

    def __init__(self, group: Group, members: Sequence[Member], features: StepOptions, device: str) -> None:
        self.group, self.shape, self.features, self.device = group, group.shape, features, device
        self.study_seed = members[0].study_seed
        self.seeds_P = torch.tensor([m.seed for m in members], device=device)
        self.per_step_d, self.per_step_g = updates_per_step(group.shape)
        names = ("lr_decay", "penalty_decay", "instance_noise", "replay")
        self.column = {name: np.array([getattr(m.settings, name) for m in members]) for name in names}

    def uniforms(self, stream: Stream, updates: range, count: int) -> Tensor:
        """Uniform draws (U, P, count) of a stream at the given updates."""
        return uniforms(self.study_seed, self.seeds_P, stream, updates, count)

    def share(self, name: str, steps: range, per_step: int) -> Float64:
        """1 - decay * phase, for the setting that names the decay: (updates of these steps, P)."""
        phase_T = decay_phase(self.shape.schedule, np.array(steps, dtype=np.float64) / self.shape.steps)
        return np.repeat(1 - self.column[name] * phase_T[:, None], per_step, axis=0)

    def block(self, steps: range) -> dict[str, Tensor]:
        """Everything but the learning rates, by name, first axis: update within the block."""
        batch, view = self.shape.batch, self.group.view
        d_updates, g_updates = (range(steps.start * k, steps.stop * k) for k in (self.per_step_d, self.per_step_g))
        real_UPB = self._through(self.group.target.quantile, Stream.REAL, d_updates, batch)
        read_UPB = real_UPB
        found = {
            "real": real_UPB,
            "z_d": self._latent(Stream.LATENT_D, d_updates),
            "z_g": self._latent(Stream.LATENT_G, g_updates),
        }
        share_d_UP, share_g_UP = (
            self.share("penalty_decay", steps, per_step) for per_step in (self.per_step_d, self.per_step_g)
        )
        if self.features.instance_noise:
            for name, stream, updates, share_UP in (
                ("noise_real", Stream.NOISE_REAL, d_updates, share_d_UP),
                ("noise_fake", Stream.NOISE_FAKE, d_updates, share_d_UP),
                ("noise_g", Stream.NOISE_G, g_updates, share_g_UP),
            ):
                sd_UP = self.column["instance_noise"] * share_UP
                normal_UPB = special.ndtri(self._host(stream, updates, batch))
                found[name] = self._given(sd_UP[:, :, None] * normal_UPB)
            read_UPB = real_UPB + found.pop("noise_real")
        found["real_features"] = torch.stack([view.features(read_PB) for read_PB in read_UPB])
        decisions, inputs = view.decisions(batch), view.inputs(batch)
        if self.features.labels:
            found["labels"] = self.uniforms(Stream.LABELS, d_updates, 2 * decisions)
        if Site.SEGMENT in self.features.sites:
            found["segment"] = self.uniforms(Stream.SEGMENT, d_updates, decisions)
        if Site.AROUND in self.features.sites:
            u_UPC = self.uniforms(Stream.AROUND, d_updates, decisions * inputs)
            found["around"] = u_UPC.reshape(*u_UPC.shape[:2], decisions, inputs)
        if self.features.weighs:
            found["penalty_share_d"] = self._given(share_d_UP[:, :, None])
            found["penalty_share_g"] = self._given(share_g_UP[:, :, None])
        if self.features.replay:
            found |= self._replay(d_updates)
        return found

    def _replay(self, updates: range) -> Mapping[str, Tensor]:
        """Which values are old, which minibatch of the history each is from, and where the new one is kept."""
        u_UPC = self._host(Stream.REPLAY, updates, 2 * self.shape.batch)
        old_UPB, slot_UPB = np.split(u_UPC, 2, axis=2)
        filled_U11 = np.minimum(np.array(updates), REPLAY_BUFFER)[:, None, None]
        is_old_UPB = (old_UPB < self.column["replay"][:, None]) & (filled_U11 > 0)
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
        return self._given(quantile(self._host(stream, updates, count)))

    def _host(self, stream: Stream, updates: range, count: int) -> Float64:
        return self.uniforms(stream, updates, count).double().cpu().numpy()

    def _given(self, values: Float64) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, torch.float32)
