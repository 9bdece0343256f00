"""One GAN at a time in float64, written to be read in one sitting: the oracle the other engines are held to.

The loop is the seed's: D on real and generated data, G through D, each with Adam. Losses enter through their slopes
with respect to the logits, which tests/test_losses.py holds equal to autograd, finite differences and 50 digits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.engines.base import Measure, Progress, Trained
from harness.losses import LOSSES
from harness.networks import Mlp
from harness.penalties import clip_weights
from harness.population import Group, Member
from harness.store import SNAPSHOT_COLUMNS
from harness.streams import Stream, uniforms


class Player:
    """One network with its Adam state: parameters ``theta_1W`` and the views of them that it computes with."""

    def __init__(self, network: Mlp, u_1W: Tensor, rate: float, member: Member) -> None:
        self.network, self.rate, self.member = network, rate, member
        self.theta_1W = network.initial(u_1W)
        self.parts = [part.requires_grad_() for part in network.split(self.theta_1W)]
        self.moment_1W = torch.zeros_like(self.theta_1W)
        self.square_1W = torch.zeros_like(self.theta_1W)
        self.updates = 0

    def gradient(self, logits_1K: Tensor, slopes_1K: Tensor) -> Tensor:
        """The gradient of mean(loss) over K decisions, given each loss's slope with respect to its logit."""
        grads = torch.autograd.grad(logits_1K, self.parts, slopes_1K)
        return torch.cat([g.flatten(1) for g in grads], dim=1)

    def offending_tensor(self, gradient_1W: Tensor) -> str | None:
        """The first tensor whose gradient, or its square, is not finite."""
        for name, part in zip(self.network.tensor_names, self.network.split(gradient_1W), strict=True):
            if not torch.isfinite(part.square().sum()):
                return name
        return None

    @torch.no_grad()
    def adam(self, gradient_1W: Tensor, share: float) -> None:
        """One update of Adam (Kingma, Ba 2015, arXiv:1412.6980, algorithm 1) at ``share`` of the learning rate."""
        s = self.member.settings
        self.updates += 1
        self.moment_1W.mul_(s.beta1).add_(gradient_1W, alpha=1 - s.beta1)
        self.square_1W.mul_(s.beta2).addcmul_(gradient_1W, gradient_1W, value=1 - s.beta2)
        moment = self.moment_1W / (1 - s.beta1**self.updates)
        square = self.square_1W / (1 - s.beta2**self.updates)
        self.theta_1W.sub_(share * self.rate * moment / (square.sqrt() + 1e-8))


class Game:
    """One member's two players and its draws."""

    def __init__(self, group: Group, member: Member) -> None:
        self.member, self.view, self.target, self.shape = member, group.view, member.target, member.shape
        self.variant = LOSSES[member.loss]
        self.params: dict[str, Any] = dict(member.loss_params)
        g, d = group.generator, group.discriminator
        self.g = Player(g, self.draw(Stream.INITIAL_G, 0, g.size), member.settings.lr_g, member)
        self.d = Player(d, self.draw(Stream.INITIAL_D, 0, d.size), member.settings.lr_d, member)
        self.average_1W = self.g.theta_1W.clone()
        self.record: dict[str, float] = {}

    def draw(self, stream: Stream, step: int, count: int) -> Tensor:
        u_T1C = uniforms(self.member.study_seed, torch.tensor([self.member.seed]), stream, range(step, step + 1), count)
        return u_T1C[0].double()

    def generate(self, stream: Stream, step: int) -> Tensor:
        return self.g.network.forward(self.g.parts, self.draw(stream, step, self.shape.batch).unsqueeze(2))

    def decide(self, x_1B: Tensor) -> Tensor:
        return self.d.network.forward(self.d.parts, self.view.features(x_1B))

    def discriminator_gradient(self, update: int) -> Tensor:
        real_1B = torch.from_numpy(self.target.quantile(self.draw(Stream.REAL, update, self.shape.batch).numpy()))
        fake_1B = self.generate(Stream.LATENT_D, update).detach()
        real_1K, fake_1K = self.decide(real_1B), self.decide(fake_1B)
        labels = None
        if self.variant.draws_labels:
            u_1C = self.draw(Stream.LABELS, update, 2 * real_1K.shape[1])
            labels = self.variant.draw_labels(*u_1C.chunk(2, dim=1), **self.params)
        with torch.no_grad():
            slopes = self.variant.discriminator_slopes(real_1K, fake_1K, labels=labels, **self.params)
            parts = self.variant.discriminator_parts(real_1K, fake_1K, labels=labels, **self.params)
            loss = self.variant.discriminator_loss(real_1K, fake_1K, labels=labels, **self.params)
        gradient = self.d.gradient(torch.cat([real_1K, fake_1K], 1), torch.cat(slopes, 1) / real_1K.shape[1])
        self.real_1B = real_1B
        self.record |= {
            "loss_d": float(loss.mean()),
            "loss_d_real": math.nan if parts[0] is None else float(parts[0].mean()),
            "loss_d_fake": math.nan if parts[1] is None else float(parts[1].mean()),
            "real_mean": float(real_1B.mean()),
            "real_sd": float(real_1B.std(correction=0)),
            "fake_mean": float(fake_1B.mean()),
            "fake_sd": float(fake_1B.std(correction=0)),
            "grad_norm_d": float(gradient.norm()),
        }
        return gradient

    def generator_gradient(self, update: int) -> Tensor:
        fake_1K = self.decide(self.generate(Stream.LATENT_G, update))
        with torch.no_grad():
            real_1K = self.decide(self.real_1B)
            slope = self.variant.generator_slope(real_1K, fake_1K, **self.params)
            loss = self.variant.generator_loss(real_1K, fake_1K, **self.params)
        gradient = self.g.gradient(fake_1K, slope / fake_1K.shape[1])
        self.record |= {"loss_g": float(loss.mean()), "grad_norm_g": float(gradient.norm())}
        return gradient

    def step(self, step: int) -> str | None:
        """One GAN-step, counted from 0; the offending tensor's name if the member must stop before an update."""
        s = self.member.settings
        share = 1 - s.lr_decay * step / self.shape.steps
        for j in range(self.shape.d_steps):
            gradient = self.discriminator_gradient(step * self.shape.d_steps + j)
            if name := self.d.offending_tensor(gradient):
                return f"gradient of D.{name}"
            self.d.adam(gradient, share)
            with torch.no_grad():
                clip_weights(self.d.theta_1W, torch.tensor([[s.weight_clip or math.inf]], dtype=torch.float64))
        for j in range(self.shape.g_steps):
            gradient = self.generator_gradient(step * self.shape.g_steps + j)
            if name := self.g.offending_tensor(gradient):
                return f"gradient of G.{name}"
            self.g.adam(gradient, share)
            with torch.no_grad():
                self.average_1W.lerp_(self.g.theta_1W, 1 - s.ema)
        return None


class ReferenceEngine:
    """The oracle: float64, one member after another."""

    name = "reference"
    identity = "reference/1"
    device = "cpu"

    def refuses(self, group: Group) -> str | None:
        return None

    def train(self, group: Group, measure: Measure, progress: Progress) -> Trained:
        start = time.perf_counter()
        marks = group.shape.snapshots
        snapshots = {c: np.full((len(group.members), len(marks)), np.nan) for c in SNAPSHOT_COLUMNS}
        games = [Game(group, member) for member in group.members]
        stopped = [self._train_one(g, row, marks, snapshots, measure, progress) for row, g in enumerate(games)]
        return Trained(
            theta_g_PW=np.concatenate([game.average_1W.numpy() for game in games]),
            theta_d_PW=np.concatenate([game.d.theta_1W.numpy() for game in games]),
            stopped_step_P=np.array([step for step, _ in stopped], dtype=np.int64),
            stopped_tensor=tuple(name for _, name in stopped),
            snapshots=snapshots,
            seconds=time.perf_counter() - start,
        )

    def _train_one(
        self,
        game: Game,
        row: int,
        marks: Sequence[int],
        snapshots: dict[str, np.ndarray],
        measure: Measure,
        progress: Progress,
    ) -> tuple[int, str]:
        for step in range(1, game.shape.steps + 1):
            offending = game.step(step - 1)
            if offending:
                progress(game.shape.steps - step + 1)
                return step, offending
            progress(1)
            if step in marks:
                values = game.record | {k: float(v[0]) for k, v in measure(game.average_1W.numpy()).items()}
                for name, value in values.items():
                    snapshots[name][row, marks.index(step)] = value
        return 0, ""
