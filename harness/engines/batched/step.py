"""Stack of P members that step side by side: the order of updates, who stops, and what is averaged.

The gradients are in gradients.py, their inputs in inputs.py. The same code runs eagerly on a CPU and inside a captured
CUDA graph: no branch depends on a tensor's value unless ``watch`` is set (CPU), and every number that changes from step
to step comes from the feed.

Shapes: P members, B batch, K decisions of D, W parameters of a network as one vector, U updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.data.rng import Stream, uniforms
from harness.engines.base import REPLAY_BUFFER
from harness.engines.batched.gradients import Inputs, Objectives, discriminator_gradient, generator_gradient
from harness.engines.batched.inputs import Draws, Feed, column, setting_columns
from harness.engines.batched.player import Player, Players
from harness.engines.snapshot import StepRecord
from harness.losses.penalties import SpectralNorm, clip_weights
from harness.members import Group, Member


class Stack:
    """P members of one group and of equal options in consecutive rows, trained together on one device."""

    def __init__(self, group: Group, members: Sequence[Member], feed: Feed) -> None:
        self.group, self.shape, self.feed = group, group.shape, feed
        self.device = device = feed.device
        self.watch = device == "cpu"
        self.settings = settings = setting_columns(members)
        self.objectives = Objectives.of(group, members, device)
        self.draws = Draws(group, members, self.objectives.options, device)
        self.g = self._player("G", Stream.INITIAL_G)
        self.d = self._player("D", Stream.INITIAL_D)
        self.players = Players(self.g, self.d)
        if self.objectives.options.spectral_norm:
            self.d.normaliser = SpectralNorm(self.d.network, column(settings["spectral_norm"], device))

        self.clips = bool((settings["weight_clip"] > 0).any())
        self.bound_P1 = column(np.where(settings["weight_clip"] > 0, settings["weight_clip"], math.inf), device)
        self.averages = bool((settings["ema"] > 0).any())
        self.average_PW = self.g.theta_PW.clone() if self.averages else self.g.theta_PW
        self.follow_P1 = column(1 - settings["ema"], device)
        batch = group.shape.batch if self.objectives.options.replay else 0
        self.history_HPB = torch.zeros(REPLAY_BUFFER, len(members), batch, device=device)

        self.alive_P1 = torch.ones(len(members), 1, dtype=torch.bool, device=device)
        self.stopped_step_P = torch.zeros(len(members), dtype=torch.int64, device=device)
        self.stopped_part_P = torch.zeros_like(self.stopped_step_P)
        self.known_all_alive = True
        self.step_11 = torch.zeros(1, 1, dtype=torch.int64, device=device)  # GAN-steps done

    def _player(self, letter: str, stream: Stream) -> Player:
        network = self.group.generator if letter == "G" else self.group.discriminator
        u_PW = uniforms(self.draws.study_seed, self.draws.seeds_P, stream, range(1), network.size)[0]
        betas_P2 = np.stack([self.settings["beta1"], self.settings["beta2"]], axis=1)
        return Player(
            network,
            letter,
            u_PW,
            rate_P=self.settings[f"lr_{letter.lower()}"],
            betas_P2=betas_P2,
            optimizer=self.shape.optimizer,
            per_step=self.draws.per_step_g if letter == "G" else self.draws.per_step_d,
        )

    def prepare(self, steps: range) -> None:
        """Make the inputs of the given steps: consecutive ones, of which the first of a training is 0."""
        block = self.draws.block(steps)
        for player in (self.d, self.g):
            rate_UP = player.rate_P * self.draws.share("lr_decay", steps, player.per_step)
            rates = player.optimizer.rates(rate_UP, steps.start * player.per_step + 1, self.device)
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
            self._discriminator_gradient(j)
            self._update(j, self.d)
        for j in range(self.shape.g_steps):
            self._generator_gradient(j)
            self._update(j, self.g)
            self._average()

    def _simultaneous(self) -> None:
        self._discriminator_gradient(0)
        self._generator_gradient(0)
        self._update(0, self.d, self.g)
        self._average()

    def _extragradient(self) -> None:
        """Look ahead from theta, then step from theta by the gradients found there (Korpelevich 1976).

        With Adam this is ExtraAdam: its moments advance in both halves.
        Source: Gidel, Berard, Vignoud, Vincent, Lacoste-Julien 2019 (arXiv:1802.10551), algorithms 2 and 4.
        """
        saved = [player.theta_PW.clone() for player in (self.d, self.g)]
        for half in (0, 1):
            self._discriminator_gradient(half)
            self._generator_gradient(half)
            if half == 1:
                for player, theta_PW in zip((self.d, self.g), saved, strict=True):
                    player.theta_PW.copy_(theta_PW)
            self._update(half, self.d, self.g)
        self._average()

    def _discriminator_gradient(self, j: int) -> None:
        self.judged = discriminator_gradient(self.players, self._inputs(self.d, j), self.objectives, self.history_HPB)

    def _generator_gradient(self, j: int) -> None:
        self.generated = generator_gradient(self.players, self._inputs(self.g, j), self.judged, self.objectives)

    def _inputs(self, player: Player, j: int) -> Inputs:
        """Inputs of the player's j-th update of the current step."""
        return partial(self.feed.take, per_step=player.per_step, j=j)

    def _average(self) -> None:
        if self.averages:
            self.average_PW.lerp_(self.g.theta_PW, self.follow_P1)

    def _update(self, j: int, *players: Player) -> None:
        for player in players:
            # The sum is finite only if every norm is.
            if not self.watch or not self.known_all_alive or not math.isfinite(player.norm_P.sum().item()):
                self._stop(player, torch.isfinite(player.norm_P).unsqueeze(1))
        for player in players:
            inputs = self._inputs(player, j)
            step_size_P1, epsilon_P1 = inputs(f"step_{player.letter}"), inputs(f"epsilon_{player.letter}")
            if not self.known_all_alive:
                player.gradient_PW.masked_fill_(~self.alive_P1, 0.0)
                step_size_P1 = torch.where(self.alive_P1, step_size_P1, 0.0)
            player.optimizer.update(player.gradient_PW, step_size_P1, epsilon_P1)
        if self.clips and self.d in players:
            clip_weights(self.d.theta_PW, self.bound_P1)

    def _stop(self, player: Player, healthy_P1: Tensor) -> None:
        """Take members without a finite gradient out of the game."""
        self.known_all_alive = False
        newly_P1 = self.alive_P1 & ~healthy_P1
        norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in player.network.split(player.gradient_PW)]
        nonfinite_PL = ~torch.isfinite(torch.stack(norms, dim=1))
        # A norm can overflow although each tensor's does not; argmax then names the first tensor.
        part_P = nonfinite_PL.to(torch.int8).argmax(dim=1) + (0 if player is self.d else len(self.d.gradient_names))
        newly_P = newly_P1.squeeze(1)
        self.stopped_step_P.copy_(torch.where(newly_P, self.step_11.view(1), self.stopped_step_P))
        self.stopped_part_P.copy_(torch.where(newly_P, part_P, self.stopped_part_P))
        self.alive_P1 &= healthy_P1
        self.follow_P1.masked_fill_(~self.alive_P1, 0.0)

    # -- state and results ----------------------------------------------------------------------------------------

    def record(self) -> StepRecord:
        """Tensors of the last step that a snapshot is taken of."""
        judged, generated, share_P1 = self.judged, self.generated, self.judged.share_P1
        return StepRecord(
            blocks=self.objectives.blocks,
            real_PB=judged.real_PB,
            fake_PB=judged.fake_PB,
            logits_PK=judged.logits_PK,
            label_draws_PK=judged.label_draws_PK,
            logits_g_real_PK=generated.logits_real_PK,
            logits_g_PK=generated.logits_fake_PK,
            gradient_d_PW=self.d.gradient_PW,
            gradient_g_PW=self.g.gradient_PW,
            direct_P=generated.direct_P,
            penalties=[(penalty, weight_P1 * share_P1) for penalty, weight_P1 in self.objectives.penalties],
            norm_PK=judged.norm_PK,
        )

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes and the next step reads."""
        players = [tensor for player in self.players for tensor in player.state()]
        stops = [self.alive_P1, self.follow_P1, self.stopped_step_P, self.stopped_part_P, self.step_11]
        return [*players, self.average_PW, self.history_HPB, *stops]

    def member_states(self, count: int) -> tuple[object, ...]:
        """What the first ``count`` members need in order to ``resume`` in another stack; None for one that stopped."""
        stacked = [(tensor.cpu(), dim) for tensor, dim in self._of_members()]
        alive = self.alive_P1[:count, 0].tolist()
        return tuple(
            tuple(tensor.select(dim, row).clone() for tensor, dim in stacked) if running else None
            for row, running in enumerate(alive)
        )

    @torch.no_grad()
    def resume(self, steps: int, states: Sequence[Any]) -> None:
        """Go on, after ``steps`` steps, from the states that members had in other stacks, one for each row."""
        for (tensor, dim), *rows in zip(self._of_members(), *states, strict=True):
            tensor.copy_(torch.stack(rows, dim))
        self.step_11.fill_(steps)

    def _of_members(self) -> list[tuple[Tensor, int]]:
        """Tensors of ``state`` that a running member goes on from, with the axis of members in each."""
        # The average comes last: without averaging it is the same tensor as G's theta, and is copied once more.
        players = [tensor for player in self.players for tensor in player.state()]
        return [*((tensor, 0) for tensor in (*players, self.average_PW)), (self.history_HPB, 1)]

    def stopped_tensors(self) -> list[str]:
        """Names of the tensors that stopped members, empty for those that run."""
        names = self.d.gradient_names + self.g.gradient_names
        return [
            names[part] if step else ""
            for step, part in zip(self.stopped_step_P.tolist(), self.stopped_part_P.tolist(), strict=True)
        ]
