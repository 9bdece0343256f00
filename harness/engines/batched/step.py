"""P members side by side, step by step: the order of updates, who stops, and what is averaged.

The gradients are in gradients.py, what they are worked out from in draws.py. The same code runs eagerly on a CPU and
inside a captured CUDA graph: no branch depends on a tensor's value unless ``watch`` is set (CPU), and every number
that changes from step to step comes from the feed (feed.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.data.rng import Stream, uniforms
from harness.engines.base import REPLAY_BUFFER
from harness.engines.batched.feed import Feed
from harness.engines.batched.gradients import DiscriminatorGradient, GeneratorGradient
from harness.engines.batched.inputs import Draws
from harness.engines.batched.losses import Runs
from harness.engines.batched.player import Player
from harness.engines.step_options import StepOptions
from harness.losses.penalties import SpectralNorm, clip_weights
from harness.members import Group, Member


class Stack:
    """P members of one group and of equal features in consecutive rows, trained together on one device."""

    def __init__(self, group: Group, members: Sequence[Member], feed: Feed) -> None:
        self.group, self.shape, self.feed = group, group.shape, feed
        self.device = device = feed.device
        self.watch = device == "cpu"
        self.features = StepOptions.of(members[0])
        self.draws = Draws(group, members, self.features, device)
        self.runs = Runs(members, device)
        self.column = {
            n: np.array([getattr(m.settings, n) for m in members]) for n in type(members[0].settings).model_fields
        }
        self.g = self._player("G", Stream.INITIAL_G)
        self.d = self._player("D", Stream.INITIAL_D)
        if self.features.spectral_norm:
            self.d.normaliser = SpectralNorm(self.d.network, self.as_column(self.column["spectral_norm"]))
        self.d_gradient = DiscriminatorGradient(self)
        self.g_gradient = GeneratorGradient(self)

        self.clips = bool((self.column["weight_clip"] > 0).any())
        self.bound_P1 = self.as_column(np.where(self.column["weight_clip"] > 0, self.column["weight_clip"], math.inf))
        self.averages = bool((self.column["ema"] > 0).any())
        self.average_PW = self.g.theta_PW.clone() if self.averages else self.g.theta_PW
        self.keep_P1 = self.as_column(1 - self.column["ema"])
        batch = group.shape.batch if self.features.replay else 0
        self.history_HPB = torch.zeros(REPLAY_BUFFER, len(members), batch, device=device)

        self.alive_P1 = torch.ones(len(members), 1, dtype=torch.bool, device=device)
        self.stopped_step_P = torch.zeros(len(members), dtype=torch.int64, device=device)
        self.stopped_part_P = torch.zeros_like(self.stopped_step_P)
        self.all_alive = True
        self.step_11 = torch.zeros(1, 1, dtype=torch.int64, device=device)  # GAN-steps done

    def as_column(self, values_P: np.ndarray) -> Tensor:
        """One number a member as a float32 column (P, 1) on the device."""
        return torch.from_numpy(values_P).to(self.device, torch.float32).unsqueeze(1)

    def _player(self, letter: str, stream: Stream) -> Player:
        network = self.group.generator if letter == "G" else self.group.discriminator
        per_step = self.draws.per_step_g if letter == "G" else self.draws.per_step_d
        u_PW = uniforms(self.draws.study_seed, self.draws.seeds_P, stream, range(1), network.size)[0]
        betas_P2 = np.stack([self.column["beta1"], self.column["beta2"]], axis=1)
        return Player(network, letter, u_PW, self.column[f"lr_{letter.lower()}"], betas_P2, self.shape, per_step)

    def prepare(self, steps: range) -> None:
        """Make what the given steps (consecutive, from 0) consume."""
        block = self.draws.block(steps)
        for player in (self.d, self.g):
            rate_UP = player.rate_P * self.draws.share("lr_decay", steps, player.per_step)
            rates = player.optimiser.rates(rate_UP, steps.start * player.per_step + 1, self.device)
            block[f"step_{player.letter}"], block[f"epsilon_{player.letter}"] = rates.step_UP1, rates.epsilon_UP1
        self.feed.load(block, len(steps))

    # -- the step -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self) -> None:
        """One GAN-step of every member."""
        self.step_11 += 1
        orders = {
            "alternating": self._alternating,
            "simultaneous": self._simultaneous,
            "extragradient": self._extragradient,
        }
        orders[self.shape.order]()
        self.feed.advance()

    def _alternating(self) -> None:
        for j in range(self.shape.d_steps):
            self.d_gradient.work_out(j)
            self._update(j, self.d)
        for j in range(self.shape.g_steps):
            self.g_gradient.work_out(j)
            self._update(j, self.g)
            self._average()

    def _simultaneous(self) -> None:
        self.d_gradient.work_out(0)
        self.g_gradient.work_out(0)
        self._update(0, self.d, self.g)
        self._average()

    def _extragradient(self) -> None:
        """Look ahead from theta, then step from theta by the gradients found there (Korpelevich 1976).

        With Adam this is ExtraAdam: its moments advance in both halves.
        Source: Gidel, Berard, Vignoud, Vincent, Lacoste-Julien 2019 (arXiv:1802.10551), algorithms 2 and 4.
        """
        saved = [player.theta_PW.clone() for player in (self.d, self.g)]
        for half in (0, 1):
            self.d_gradient.work_out(half)
            self.g_gradient.work_out(half)
            if half == 1:
                for player, theta_PW in zip((self.d, self.g), saved, strict=True):
                    player.theta_PW.copy_(theta_PW)
            self._update(half, self.d, self.g)
        self._average()

    def _average(self) -> None:
        if self.averages:
            self.average_PW.lerp_(self.g.theta_PW, self.keep_P1)

    def _update(self, j: int, *players: Player) -> None:
        for player in players:
            # The sum is finite only if every norm is.
            if not self.watch or not self.all_alive or not math.isfinite(player.norm_P.sum().item()):
                self._stop(player, torch.isfinite(player.norm_P).unsqueeze(1))
        for player in players:
            step_P1 = self.feed.take(f"step_{player.letter}", player.per_step, j)
            epsilon_P1 = self.feed.take(f"epsilon_{player.letter}", player.per_step, j)
            if not self.all_alive:
                player.gradient_PW.masked_fill_(~self.alive_P1, 0.0)
                step_P1 = torch.where(self.alive_P1, step_P1, 0.0)
            player.optimiser.update(player.gradient_PW, step_P1, epsilon_P1)
        if self.clips and self.d in players:
            clip_weights(self.d.theta_PW, self.bound_P1)

    def _stop(self, player: Player, healthy_P1: Tensor) -> None:
        """Take members without a finite gradient out of the game."""
        self.all_alive = False
        newly_P1 = self.alive_P1 & ~healthy_P1
        norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in player.network.split(player.gradient_PW)]
        sick_PL = ~torch.isfinite(torch.stack(norms, dim=1))
        # A norm can overflow although each tensor's does not; argmax then names the first tensor.
        part_P = sick_PL.to(torch.int8).argmax(dim=1) + (0 if player is self.d else len(self.d.labels))
        newly_P = newly_P1.squeeze(1)
        self.stopped_step_P.copy_(torch.where(newly_P, self.step_11.view(1), self.stopped_step_P))
        self.stopped_part_P.copy_(torch.where(newly_P, part_P, self.stopped_part_P))
        self.alive_P1 &= healthy_P1
        self.keep_P1.masked_fill_(~self.alive_P1, 0.0)

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes and the next step reads."""
        players = [tensor for player in (self.g, self.d) for tensor in player.state()]
        stops = [self.alive_P1, self.keep_P1, self.stopped_step_P, self.stopped_part_P, self.step_11]
        return [*players, self.average_PW, self.history_HPB, *stops]

    def member_states(self, count: int) -> tuple[object, ...]:
        """What each of the first ``count`` members goes on from (``resume``); None for a member that stopped."""
        stacked = [(tensor.cpu(), dim) for tensor, dim in self._of_members()]
        alive = self.alive_P1[:count, 0].tolist()
        return tuple(
            tuple(tensor.select(dim, row).clone() for tensor, dim in stacked) if well else None
            for row, well in enumerate(alive)
        )

    @torch.no_grad()
    def resume(self, steps: int, states: Sequence[Any]) -> None:
        """Go on, after ``steps`` steps, from the states that members had in other stacks, one for each row."""
        for (tensor, dim), *rows in zip(self._of_members(), *states, strict=True):
            tensor.copy_(torch.stack(rows, dim))
        self.step_11.fill_(steps)

    def _of_members(self) -> list[tuple[Tensor, int]]:
        """The tensors of ``state`` that hold what a running member goes on from, with the axis of members in each."""
        # The average last: where no member of a stack averages it is G's theta itself, whose bits it then has anyway.
        players = [tensor for player in (self.g, self.d) for tensor in player.state()]
        return [*((tensor, 0) for tensor in (*players, self.average_PW)), (self.history_HPB, 1)]

    def stopped_tensors(self) -> list[str]:
        """The tensor that stopped each member, or an empty name."""
        names = self.d.labels + self.g.labels
        return [
            names[part] if step else ""
            for step, part in zip(self.stopped_step_P.tolist(), self.stopped_part_P.tolist(), strict=True)
        ]
