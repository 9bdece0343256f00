"""The training step of P members side by side: stacked parameters, autograd, losses through their slopes.

The same code runs eagerly on a CPU and inside a captured CUDA graph: no branch depends on a tensor's value unless
``watch`` is set (CPU), and every number that changes from step to step comes from the feed (feed.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from harness.engines.adam import Adam, Rates
from harness.engines.feed import Feed
from harness.losses import LOSSES, Variant
from harness.networks import Mlp
from harness.penalties import clip_weights
from harness.population import Group, Member
from harness.streams import Stream, uniforms


class Player:
    """P stacked networks of one player, with its optimiser and gradient."""

    def __init__(self, network: Mlp, letter: str, u_PW: Tensor, rate_P: np.ndarray, betas_P2: np.ndarray) -> None:
        self.network, self.rate_P, self.betas_P2 = network, rate_P, betas_P2
        self.labels = tuple(f"gradient of {letter}.{name}" for name in network.tensor_names)
        self.theta_PW = network.initial(u_PW).float()
        self.parts = [part.requires_grad_() for part in network.split(self.theta_PW)]
        self.adam = Adam(self.theta_PW, betas_P2)
        self.gradient_PW = torch.zeros_like(self.theta_PW)
        self.norm_P = torch.zeros_like(self.theta_PW[:, 0])

    def forward(self, x_PKN: Tensor) -> Tensor:
        return self.network.forward(self.parts, x_PKN)

    def differentiate(self, logits_PK: Tensor, slopes_PK: Tensor) -> None:
        """Fill ``gradient_PW`` and its norms from the slopes of the loss at the logits."""
        grads = torch.autograd.grad(logits_PK, self.parts, slopes_PK)
        torch.cat([g.flatten(1) for g in grads], dim=1, out=self.gradient_PW)
        torch.linalg.vector_norm(self.gradient_PW, dim=1, out=self.norm_P)


class Stack:
    """P members of one group in consecutive rows, trained together on one device."""

    def __init__(self, group: Group, members: Sequence[Member], feed: Feed) -> None:
        self.group, self.shape, self.feed = group, group.shape, feed
        self.device = device = feed.device
        self.watch = device == "cpu"
        self.study_seed = members[0].study_seed
        self.seeds_P = torch.tensor([m.seed for m in members], device=device)
        self.runs = [_Run(rows, some, device) for rows, some in _variant_runs(members)]
        self.logits_real_PK: Tensor | None = None
        self.draws_labels = any(run.variant.draws_labels for run in self.runs)
        self.judges_pairs = any(run.variant.generator_reads_real for run in self.runs)

        column = {
            n: np.array([getattr(m.settings, n) for m in members]) for n in type(members[0].settings).model_fields
        }
        betas_P2 = np.stack([column["beta1"], column["beta2"]], axis=1)
        self.decay_P = column["lr_decay"]
        g, d = group.generator, group.discriminator
        u_g, u_d = (
            uniforms(self.study_seed, self.seeds_P, stream, range(1), network.size)[0]
            for stream, network in ((Stream.INITIAL_G, g), (Stream.INITIAL_D, d))
        )
        self.g = Player(g, "G", u_g, column["lr_g"], betas_P2)
        self.d = Player(d, "D", u_d, column["lr_d"], betas_P2)
        self.clips = bool((column["weight_clip"] > 0).any())
        bound_P = np.where(column["weight_clip"] > 0, column["weight_clip"], math.inf)
        self.bound_P1 = torch.from_numpy(bound_P).to(device, torch.float32).unsqueeze(1)
        self.averages = bool((column["ema"] > 0).any())
        self.average_PW = self.g.theta_PW.clone() if self.averages else self.g.theta_PW
        self.keep_P1 = torch.from_numpy(1 - column["ema"]).to(device, torch.float32).unsqueeze(1)

        self.alive_P1 = torch.ones(len(members), 1, dtype=torch.bool, device=device)
        self.stopped_step_P = torch.zeros(len(members), dtype=torch.int64, device=device)
        self.stopped_part_P = torch.zeros_like(self.stopped_step_P)
        self.all_alive = True
        self.step_11 = torch.zeros(1, 1, dtype=torch.int64, device=device)  # GAN-steps done

    # -- numbers of a block of steps, made before it runs ------------------------------------------------------

    def prepare(self, steps: range) -> None:
        """Draw what the given steps (consecutive, from 0) consume, and work out their learning rates."""
        shape = self.shape
        d_updates, g_updates = (range(steps.start * k, steps.stop * k) for k in (shape.d_steps, shape.g_steps))
        u_real = uniforms(self.study_seed, self.seeds_P, Stream.REAL, d_updates, shape.batch)
        real = torch.from_numpy(self.group.target.quantile(u_real.double().cpu().numpy()))
        real_UPB = real.to(self.device, torch.float32)
        block = {
            "real": real_UPB,
            "real_features": torch.stack([self.group.view.features(real_PB) for real_PB in real_UPB]),
            "z_d": uniforms(self.study_seed, self.seeds_P, Stream.LATENT_D, d_updates, shape.batch).unsqueeze(3),
            "z_g": uniforms(self.study_seed, self.seeds_P, Stream.LATENT_G, g_updates, shape.batch).unsqueeze(3),
        }
        if self.draws_labels:
            count = 2 * self.group.view.decisions(shape.batch)
            block["labels"] = uniforms(self.study_seed, self.seeds_P, Stream.LABELS, d_updates, count)
        share_TP = 1 - self.decay_P * np.array(steps, dtype=np.float64)[:, None] / shape.steps
        for letter, player, updates, per_step in (
            ("d", self.d, d_updates, shape.d_steps),
            ("g", self.g, g_updates, shape.g_steps),
        ):
            share_UP = np.repeat(share_TP, per_step, axis=0)
            rates = Rates.of(player.rate_P, player.betas_P2, share_UP, updates.start + 1, self.device)
            block[f"step_{letter}"], block[f"epsilon_{letter}"] = rates.step_UP1, rates.epsilon_UP1
        self.feed.load(block, len(steps))

    # -- the step -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self) -> None:
        """One GAN-step of every member."""
        self.step_11 += 1
        for j in range(self.shape.d_steps):
            self._discriminator_gradient(j)
            self._update(self.d, "d", self.shape.d_steps, j)
            if self.clips:
                clip_weights(self.d.theta_PW, self.bound_P1)
        for j in range(self.shape.g_steps):
            self._generator_gradient(j)
            self._update(self.g, "g", self.shape.g_steps, j)
            if self.averages:
                self.average_PW.lerp_(self.g.theta_PW, self.keep_P1)
        self.feed.advance()

    def _discriminator_gradient(self, j: int) -> None:
        per_step = self.shape.d_steps
        self.real_PB = self.feed.take("real", per_step, j)
        self.real_PKN = self.feed.take("real_features", per_step, j)
        self.fake_PB = self.g.forward(self.feed.take("z_d", per_step, j))
        both_PKN = torch.cat([self.real_PKN, self.group.view.features(self.fake_PB)], dim=1)
        with torch.enable_grad():
            logits_PK = self.d.forward(both_PKN)
        self.logits_d_PK = logits_PK.detach()
        real_PK, fake_PK = self.logits_d_PK.chunk(2, dim=1)
        self.label_draws_PK = self.feed.take("labels", per_step, j) if self.draws_labels else None
        slopes_PK = torch.empty_like(self.logits_d_PK)
        slope_real_PK, slope_fake_PK = slopes_PK.chunk(2, dim=1)
        for run in self.runs:
            rows = run.rows
            slope_real_PK[rows], slope_fake_PK[rows] = run.variant.discriminator_slopes(
                real_PK[rows], fake_PK[rows], labels=run.labels(self.label_draws_PK), **run.params
            )
        self.d.differentiate(logits_PK, slopes_PK.div_(real_PK.shape[1]))

    def _generator_gradient(self, j: int) -> None:
        with torch.enable_grad():
            read_PKN = self.group.view.features(self.g.forward(self.feed.take("z_g", self.shape.g_steps, j)))
            logits_PK = self.d.forward(torch.cat([self.real_PKN, read_PKN], dim=1) if self.judges_pairs else read_PKN)
        known_PK = logits_PK.detach()
        slopes_PK = torch.zeros_like(known_PK)
        self.logits_real_PK, self.logits_g_PK = known_PK.chunk(2, dim=1) if self.judges_pairs else (None, known_PK)
        slope_fake_PK = slopes_PK.chunk(2, dim=1)[1] if self.judges_pairs else slopes_PK
        for run in self.runs:
            rows = run.rows
            slope_fake_PK[rows] = run.variant.generator_slope(
                self._real_logits(rows), self.logits_g_PK[rows], **run.params
            )
        self.g.differentiate(logits_PK, slopes_PK.div_(slope_fake_PK.shape[1]))

    def _real_logits(self, rows: slice) -> Tensor | None:
        return None if self.logits_real_PK is None else self.logits_real_PK[rows]

    def _update(self, player: Player, letter: str, per_step: int, j: int) -> None:
        step_P1 = self.feed.take(f"step_{letter}", per_step, j)
        epsilon_P1 = self.feed.take(f"epsilon_{letter}", per_step, j)
        # The sum is finite only if every norm is.
        if not self.watch or not self.all_alive or not math.isfinite(player.norm_P.sum().item()):
            step_P1 = self._stop(player, torch.isfinite(player.norm_P).unsqueeze(1), step_P1)
        player.adam.update(player.gradient_PW, step_P1, epsilon_P1)

    def _stop(self, player: Player, healthy_P1: Tensor, step_P1: Tensor) -> Tensor:
        """Take members without a finite gradient out of the game; steps that are 0 for every stopped member."""
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
        player.gradient_PW.masked_fill_(~self.alive_P1, 0.0)
        return torch.where(self.alive_P1, step_P1, 0.0)

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes and the next step reads."""
        players = [t for p in (self.g, self.d) for t in (p.theta_PW, p.adam.moment_PW, p.adam.square_PW)]
        stops = [self.alive_P1, self.keep_P1, self.stopped_step_P, self.stopped_part_P, self.step_11]
        return [*players, self.average_PW, *stops]

    # -- what a snapshot keeps ----------------------------------------------------------------------------------

    @np.errstate(over="ignore", invalid="ignore")  # stopped members may have anything in their gradients
    def record(self) -> dict[str, np.ndarray]:
        """Losses, minibatch statistics and gradient norms of the last step, one value a member."""
        real_PB, fake_PB = _rows(self.real_PB), _rows(self.fake_PB)
        values = {
            "real_mean": real_PB.mean(axis=1),
            "real_sd": real_PB.std(axis=1),
            "fake_mean": fake_PB.mean(axis=1),
            "fake_sd": fake_PB.std(axis=1),
            "grad_norm_d": np.sqrt(np.square(_rows(self.d.gradient_PW)).sum(axis=1)),
            "grad_norm_g": np.sqrt(np.square(_rows(self.g.gradient_PW)).sum(axis=1)),
        }
        losses = {name: np.full(len(real_PB), math.nan) for name in ("loss_d", "loss_d_real", "loss_d_fake", "loss_g")}
        real_PK, fake_PK = self.logits_d_PK.chunk(2, dim=1)
        for run in self.runs:
            rows, variant, labels = run.rows, run.variant, run.labels(self.label_draws_PK)
            judged = (real_PK[rows], fake_PK[rows])
            found = {
                "loss_d": variant.discriminator_loss(*judged, labels=labels, **run.params),
                "loss_g": variant.generator_loss(self._real_logits(rows), self.logits_g_PK[rows], **run.params),
            }
            parts = variant.discriminator_parts(*judged, labels=labels, **run.params)
            found |= {n: p for n, p in zip(("loss_d_real", "loss_d_fake"), parts, strict=True) if p is not None}
            for name, loss_PK in found.items():
                losses[name][rows] = _rows(loss_PK).mean(axis=1)
        return values | losses

    def stopped_tensors(self) -> list[str]:
        """The tensor that stopped each member, or an empty name."""
        names = self.d.labels + self.g.labels
        return [
            names[part] if step else ""
            for step, part in zip(self.stopped_step_P.tolist(), self.stopped_part_P.tolist(), strict=True)
        ]


class _Run:
    """Consecutive rows of one variant, with its parameters as columns (rows, 1)."""

    def __init__(self, rows: slice, members: Sequence[Member], device: str) -> None:
        self.rows = rows
        self.variant: Variant = LOSSES[members[0].loss]
        values = [dict(m.loss_params) for m in members]
        self.params = {
            name: torch.tensor([[v[name]] for v in values], dtype=torch.float32, device=device) for name in values[0]
        }

    def labels(self, u_PK: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """This step's random labels of D for real and generated decisions, where the variant has any."""
        if u_PK is None or not self.variant.draws_labels:
            return None
        u_real, u_fake = u_PK[self.rows].chunk(2, dim=1)
        return self.variant.draw_labels(u_real, u_fake, **self.params)


def _rows(values_PX: Tensor) -> np.ndarray:
    """Rows as numpy reduces them: each by itself, in float64, with bits that no other row can change."""
    return np.ascontiguousarray(values_PX.double().cpu().numpy())


def _variant_runs(members: Sequence[Member]) -> list[tuple[slice, list[Member]]]:
    runs, start = [], 0
    for _, some in itertools.groupby(members, key=lambda m: m.loss):
        run = list(some)
        runs.append((slice(start, start + len(run)), run))
        start += len(run)
    return runs
