"""One GAN in float64: its players, what they read, and the gradient of what each minimises.

A loss enters through its slopes with respect to the logits, since a variant may state slopes that are no derivative
of its formula. Everything else is written down as a number and differentiated by autograd.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.data.latent import NOISES
from harness.data.mlp import Mlp
from harness.data.rng import Stream, uniforms
from harness.engines.base import REPLAY_BUFFER, first_nonfinite_tensor, target_quantiles
from harness.engines.reference.optimizers import OPTIMIZERS, Optimizer
from harness.losses import LOSSES
from harness.losses.penalties import (
    GradientPenalty,
    Site,
    SpectralNorm,
    around,
    clip_weights,
    gradient_penalties,
    segments,
)
from harness.members import Group, Member

#: The part of a decay that is over once x in [0, 1) of the training is, by the names of ``Shape.schedule``.
PHASES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "cosine": lambda x: (1 - math.cos(math.pi * x)) / 2,
}


class Player:
    """One network with its optimizer: parameters ``theta_1W`` and the views of them that it computes with."""

    def __init__(self, letter: str, network: Mlp, u_1W: Tensor, rate: float, member: Member) -> None:
        self.letter, self.network, self.rate = letter, network, rate
        self.theta_1W = network.initial(u_1W)
        self.parts = [part.requires_grad_() for part in network.split(self.theta_1W)]
        self.optimizer = OPTIMIZERS[member.shape.optimizer](self.theta_1W, member.settings)

    def gradient(self, of: Tensor, slopes: Tensor | None = None, create_graph: bool = False) -> Tensor:
        """Gradient (1, W) of a number, or of sum(slopes * of); 0 in parameters that it does not depend on."""
        grads = torch.autograd.grad(
            of, self.parts, slopes, retain_graph=True, create_graph=create_graph, materialize_grads=True
        )
        return torch.cat([g.flatten(1) for g in grads], dim=1)

    def first_nonfinite(self, gradient_1W: Tensor) -> str | None:
        """Name of the first tensor with which the gradient's squared norm is not finite, or None."""
        name = first_nonfinite_tensor(self.network, gradient_1W)
        return name and f"gradient of {self.letter}.{name}"

    @torch.no_grad()
    def update(self, gradient_1W: Tensor, share: float) -> None:
        """One update of the optimizer at ``share`` of the learning rate."""
        self.theta_1W.sub_(self.optimizer.step(gradient_1W, share * self.rate))


@dataclass(frozen=True)
class GameState:
    """State of a game between two steps: parameters and optimizers of G and D, G's average, the vectors of
    the power iteration, and the last minibatches.
    """

    theta: tuple[Tensor, Tensor]
    optimizers: tuple[Optimizer, Optimizer]
    average_1W: Tensor
    spectral: list[Tensor]
    history: list[Tensor]


class Game:
    """Two players of one member and their inputs; steps and updates are counted from 0."""

    def __init__(self, group: Group, member: Member) -> None:
        s = member.settings
        self.member, self.view, self.target, self.shape = member, group.view, member.target, member.shape
        self.variant = LOSSES[member.loss]
        self.params: dict[str, Any] = dict(member.loss_params)
        g, d = group.generator, group.discriminator
        self.g = Player("G", g, self.draw(Stream.INITIAL_G, 0, g.size), s.lr_g, member)
        self.d = Player("D", d, self.draw(Stream.INITIAL_D, 0, d.size), s.lr_d, member)
        self.average_1W = self.g.theta_1W.clone()
        self.spectral = SpectralNorm(d, torch.tensor([[s.spectral_norm]], dtype=torch.float64))
        self.penalties: list[tuple[float, GradientPenalty]] = [
            (getattr(s, penalty.name), penalty) for penalty in gradient_penalties(s.columns())
        ]
        if self.variant.direct:
            self.truth = target_quantiles(group)
        self.history: list[Tensor] = []
        self.record: dict[str, float] = {}

    def state(self) -> GameState:
        """Copy of everything that the next step reads."""
        thetas, optimizers = (self.g.theta_1W, self.d.theta_1W), (self.g.optimizer, self.d.optimizer)
        return copy.deepcopy(GameState(thetas, optimizers, self.average_1W, self.spectral.state(), self.history))

    @torch.no_grad()
    def resume(self, state: GameState) -> None:
        """Go on from the ``state`` of another game of this member."""
        state = copy.deepcopy(state)
        for player, theta_1W, optimizer in zip((self.g, self.d), state.theta, state.optimizers, strict=True):
            player.theta_1W.copy_(theta_1W)
            player.optimizer = optimizer
        for vector, saved in zip(self.spectral.state(), state.spectral, strict=True):
            vector.copy_(saved)
        self.average_1W, self.history = state.average_1W, state.history

    # -- inputs --------------------------------------------------------------------------------------------------

    def draw(self, stream: Stream, update: int, count: int) -> Tensor:
        """Uniform draws (1, count)."""
        updates = range(update, update + 1)
        return uniforms(self.member.study_seed, torch.tensor([self.member.seed]), stream, updates, count)[0].double()

    def share(self, decay: float, step: int) -> float:
        """Share left in this step of a rate or weight that loses ``decay`` of itself over the training."""
        return 1 - decay * PHASES[self.shape.schedule](step / self.shape.steps)

    def generate(self, stream: Stream, update: int) -> Tensor:
        """Generate values (1, B) from fresh noise."""
        u_1C = self.draw(stream, update, self.shape.batch * self.shape.latent)
        z_1BZ = torch.from_numpy(NOISES[self.shape.noise](u_1C.numpy())).view(1, self.shape.batch, self.shape.latent)
        return self.g.network.forward(self.g.parts, z_1BZ)

    def with_noise(self, x_1B: Tensor, stream: Stream, step: int, update: int) -> Tensor:
        """Values plus the member's instance noise."""
        s = self.member.settings
        if not s.instance_noise:
            return x_1B
        u_1B = self.draw(stream, update, self.shape.batch)
        noise_1B = torch.from_numpy(NOISES["normal"](u_1B.numpy()))
        return x_1B + s.instance_noise * self.share(s.penalty_decay, step) * noise_1B

    def replayed(self, fresh_1B: Tensor, update: int) -> Tensor:
        """Replace each fresh value by an old one with probability ``replay``; keep the fresh ones for later updates."""
        u_old_1B, u_place_1B = self.draw(Stream.REPLAY, update, 2 * self.shape.batch).chunk(2, dim=1)
        mixed_1B = fresh_1B.clone()
        for b in range(self.shape.batch if self.history else 0):
            if u_old_1B[0, b] < self.member.settings.replay:
                mixed_1B[0, b] = self.history[int(u_place_1B[0, b] * len(self.history))][0, b]
        self.history[update % REPLAY_BUFFER : update % REPLAY_BUFFER + 1] = [fresh_1B]
        return mixed_1B

    # -- objectives ----------------------------------------------------------------------------------------------

    def decide(self, features_1KN: Tensor) -> Tensor:
        """Logits of D (1, K), through normalised weights where the member asks for them."""
        return self.d.network.forward(self.spectral.apply(self.d.parts), features_1KN)

    def penalty(self, real_1KN: Tensor, fake_1KN: Tensor, step: int, update: int) -> Tensor:
        """Sum over penalties of weight * sum over sites of mean_k phi(|dD/d(features of decision k)|)."""
        _, decisions, inputs = real_1KN.shape
        u_segment_1K = self.draw(Stream.SEGMENT, update, decisions)
        u_around_1KN = self.draw(Stream.AROUND, update, decisions * inputs).view(1, decisions, inputs)
        places = {
            Site.REAL: real_1KN,
            Site.FAKE: fake_1KN,
            Site.SEGMENT: segments(real_1KN, fake_1KN, u_segment_1K),
            Site.AROUND: around(real_1KN, u_around_1KN),
        }
        total = torch.zeros((), dtype=torch.float64)
        for weight, penalty in self.penalties:
            for site in penalty.sites:
                x_1KN = places[site].detach().requires_grad_()
                (slope_1KN,) = torch.autograd.grad(self.decide(x_1KN).sum(), x_1KN, create_graph=True)
                total = total + weight * penalty.value(torch.linalg.vector_norm(slope_1KN, dim=2)).mean()
        return self.share(self.member.settings.penalty_decay, step) * total

    def consensus(self, fake_1B: Tensor, step: int) -> Tensor:
        """Weight |v|^2/2 of v = (d mean(D's loss)/d theta_d, d mean(G's loss)/d theta_g), on the last real features.

        Source: Mescheder, Nowozin, Geiger 2017, arXiv:1705.10461.
        """
        s = self.member.settings
        real_1K, fake_1K = self.decide(self.real_1KN), self.decide(self.view.features(fake_1B))
        count = fake_1K.shape[1]
        slopes = self.variant.discriminator_slopes(real_1K, fake_1K, labels=self.labels, **self.params)
        slope_1K = self.variant.generator_slope(real_1K, fake_1K, **self.params)
        v_d = self.d.gradient(torch.cat([real_1K, fake_1K], 1), torch.cat(slopes, 1) / count, create_graph=True)
        v_g = self.g.gradient(fake_1K, slope_1K / count, create_graph=True)
        return s.consensus * self.share(s.penalty_decay, step) * (v_d.square().sum() + v_g.square().sum()) / 2

    # -- their gradients -----------------------------------------------------------------------------------------

    def discriminator_gradient(self, step: int, update: int) -> Tensor:
        """Gradient (1, W) of all that D minimises, on fresh draws, which G's next gradient reads again."""
        s = self.member.settings
        if s.spectral_norm:
            self.spectral.iterate(self.d.parts)
        self.real_1B = torch.from_numpy(self.target.quantile(self.draw(Stream.REAL, update, self.shape.batch).numpy()))
        fresh_1B = self.generate(Stream.LATENT_D, update)
        read_1B = self.replayed(fresh_1B.detach(), update) if s.replay else fresh_1B.detach()
        self.real_1KN = self.view.features(self.with_noise(self.real_1B, Stream.NOISE_REAL, step, update))
        fake_1KN = self.view.features(self.with_noise(read_1B, Stream.NOISE_FAKE, step, update))
        real_1K, fake_1K = self.decide(self.real_1KN), self.decide(fake_1KN)
        self.labels = None
        if self.variant.draws_labels:
            u_1C = self.draw(Stream.LABELS, update, 2 * real_1K.shape[1])
            self.labels = self.variant.draw_labels(*u_1C.chunk(2, dim=1), **self.params)
        with torch.no_grad():
            slopes = self.variant.discriminator_slopes(real_1K, fake_1K, labels=self.labels, **self.params)
            parts = self.variant.discriminator_parts(real_1K, fake_1K, labels=self.labels, **self.params)
            loss = self.variant.discriminator_loss(real_1K, fake_1K, labels=self.labels, **self.params)
        gradient = self.d.gradient(torch.cat([real_1K, fake_1K], 1), torch.cat(slopes, 1) / real_1K.shape[1])
        self.record["penalty"] = math.nan
        if self.penalties:
            penalty = self.penalty(self.real_1KN, fake_1KN, step, update)
            gradient = gradient + self.d.gradient(penalty)
            self.record["penalty"] = float(penalty.detach())
        if s.consensus:
            noisy_1B = self.with_noise(fresh_1B, Stream.NOISE_FAKE, step, update)
            gradient = gradient + self.d.gradient(self.consensus(noisy_1B, step))
        self.record |= {
            "loss_d": float(loss.mean()),
            "loss_d_real": math.nan if parts[0] is None else float(parts[0].mean()),
            "loss_d_fake": math.nan if parts[1] is None else float(parts[1].mean()),
            "d_real": float(real_1K.detach().sigmoid().mean()),
            "d_fake": float(fake_1K.detach().sigmoid().mean()),
            "real_mean": float(self.real_1B.mean()),
            "real_sd": float(self.real_1B.std(correction=0)),
            "fake_mean": float(fresh_1B.detach().mean()),
            "fake_sd": float(fresh_1B.detach().std(correction=0)),
            "grad_norm_d": float(gradient.norm()),
        }
        return gradient

    def generator_gradient(self, step: int, update: int) -> Tensor:
        """Gradient (1, W) of all that G minimises, on fresh noise and the last real minibatch."""
        fake_1B = self.generate(Stream.LATENT_G, update)
        read_1B = self.with_noise(fake_1B, Stream.NOISE_G, step, update)
        fake_1K = self.decide(self.view.features(read_1B))
        with torch.no_grad():
            real_1K = self.decide(self.real_1KN)
            slope = self.variant.generator_slope(real_1K, fake_1K, **self.params)
            loss = self.variant.generator_loss(real_1K, fake_1K, **self.params).mean()
        gradient = self.g.gradient(fake_1K, slope / fake_1K.shape[1])
        if self.variant.direct:
            direct = self.variant.direct.loss(fake_1B, self.real_1B, self.truth).sum()
            gradient, loss = gradient + self.g.gradient(direct), loss + direct.detach()
        if self.member.settings.consensus:
            gradient = gradient + self.g.gradient(self.consensus(read_1B, step))
        self.record |= {"loss_g": float(loss), "grad_norm_g": float(gradient.norm())}
        return gradient

    # -- updates -------------------------------------------------------------------------------------------------

    def update_d(self, gradient_1W: Tensor, step: int) -> None:
        """Update D once, and clip its weights to their bound."""
        s = self.member.settings
        self.d.update(gradient_1W, self.share(s.lr_decay, step))
        with torch.no_grad():
            clip_weights(self.d.theta_1W, torch.tensor([[s.weight_clip or math.inf]], dtype=torch.float64))

    def update_g(self, gradient_1W: Tensor, step: int) -> None:
        """Update G once."""
        self.g.update(gradient_1W, self.share(self.member.settings.lr_decay, step))

    @torch.no_grad()
    def update_average(self) -> None:
        """Update G's running average once: average <- ema average + (1 - ema) theta."""
        self.average_1W.lerp_(self.g.theta_1W, 1 - self.member.settings.ema)
