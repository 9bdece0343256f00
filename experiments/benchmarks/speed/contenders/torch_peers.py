"""Peers that train with torch: the script's literal loop, and torch.func as its users would write it.

``Literal`` runs on one thread, where it is fastest, in float32, with torch's own random numbers.

``Vmap`` takes one GAN's losses and vmap(grad) over stacked parameters. torch.optim takes no stacked members with their
own rates, so Adam is written out over the stacked tensors. An operation without a batching rule would quietly become a
loop over members; torch warns of it, and here that is an error.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from literal_script import ScriptLoop
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from speed.contenders import SET_VIEW, Description, read_inputs
from speed.workload import Weights, initial_weights

Parameters = tuple[Tensor, ...]

BATCH, RATE, BETA1, BETA2, EPSILON = 100, 2e-4, 0.9, 0.999, 1e-8


def generate(g: Parameters, z_B: Tensor) -> Tensor:
    """The script's generator of one GAN: 1-50-50-1, elu, sigmoid."""
    h = F.elu(z_B.unsqueeze(1) @ g[0] + g[1])
    h = torch.sigmoid(h @ g[2] + g[3])
    return (h @ g[4] + g[5]).squeeze(1)


def judge(d: Parameters, x_B: Tensor) -> Tensor:
    """The logit of the script's discriminator: 200-50-50-1 on values and squared deviations, elu."""
    x_N = torch.cat([x_B, (x_B - x_B.mean().detach()).square()])
    h = F.elu(x_N @ d[0] + d[1])
    h = F.elu(h @ d[2] + d[3])
    return (h @ d[4] + d[5]).squeeze()


def discriminator_loss(d: Parameters, real_B: Tensor, fake_B: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """BCE of both minibatches, from the logit; the two parts beside their sum."""
    on_real, on_fake = F.softplus(-judge(d, real_B)), F.softplus(judge(d, fake_B))
    return on_real + on_fake, (on_real, on_fake)


def generator_loss(g: Parameters, d: Parameters, z_B: Tensor) -> Tensor:
    """BCE of a generated minibatch that is called real."""
    return F.softplus(-judge(d, generate(g, z_B)))


class Adam:
    """Kingma and Ba 2015 over stacked tensors, in place."""

    def __init__(self, theta: Parameters) -> None:
        self.theta, self.updates = theta, 0
        self.moment, self.square = ([torch.zeros_like(t) for t in theta] for _ in range(2))

    def step(self, gradient: Sequence[Tensor]) -> None:
        self.updates += 1
        root = (1 - BETA2**self.updates) ** 0.5
        rate = RATE * root / (1 - BETA1**self.updates)
        for t, m, v, g in zip(self.theta, self.moment, self.square, gradient, strict=True):
            m.mul_(BETA1).add_(g, alpha=1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            t.addcdiv_(m, v.sqrt().add_(EPSILON * root), value=-rate)


class Stacked:
    """P GANs of these initial weights; a step takes real values and noise (P, B)."""

    def __init__(self, weights: Weights, device: str) -> None:
        g, d = weights
        self.g = Adam(tuple(torch.tensor(part, device=device) for part in g))
        self.d = Adam(tuple(torch.tensor(part, device=device) for part in d))
        self.generate = vmap(generate)
        self.d_gradient = vmap(grad(discriminator_loss, has_aux=True))
        self.g_gradient = vmap(grad_and_value(generator_loss))

    def step(self, real_PB: Tensor, z_d_PB: Tensor, z_g_PB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One GAN-step of all; the losses (P,) of D on real and generated values, and of G."""
        fake_PB = self.generate(self.g.theta, z_d_PB)
        d_gradient, (on_real_P, on_fake_P) = self.d_gradient(self.d.theta, real_PB, fake_PB)
        self.d.step(d_gradient)
        g_gradient, loss_g_P = self.g_gradient(self.g.theta, self.d.theta, z_g_PB)
        self.g.step(g_gradient)
        return on_real_P, on_fake_P, loss_g_P


class Vmap:
    """Eager torch.func on all cores, or on CUDA where there is one."""

    def __init__(self) -> None:
        warnings.filterwarnings("error", message=".*batching rule.*")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.description = Description(
            device=self.device,
            identity="vmap",
            note="torch.func.vmap(grad) over stacked parameters, Adam by hand, eager",
            randomness="torch.rand and torch.randn",
            views=(SET_VIEW,),
        )

    def losses(self, view: str, members: int, steps: int, inputs: str) -> list[list[float]]:
        *weights, drawn_TPB = read_inputs(inputs)
        stacked = Stacked((weights[0], weights[1]), self.device)
        drawn = [torch.tensor(values, device=self.device) for values in drawn_TPB]
        for step in range(steps):
            losses = stacked.step(*(values[step] for values in drawn))
        return torch.stack(losses, dim=1).tolist()

    def prepare(self, population: int, view: str) -> _RunningStack:
        return _RunningStack(Stacked(initial_weights(population), self.device), population, self.device)


class _RunningStack:
    setup = 0.0

    def __init__(self, stacked: Stacked, population: int, device: str) -> None:
        self.stacked, self.shape, self.device = stacked, (population, BATCH), device

    @torch.no_grad()
    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            real_PB = torch.randn(self.shape, device=self.device) * 1.25 + 4
            z_d_PB, z_g_PB = (torch.rand(self.shape, device=self.device) for _ in range(2))
            self.stacked.step(real_PB, z_d_PB, z_g_PB)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


class Literal:
    """One GAN at a time: torch.nn, BCELoss, torch.optim.Adam, eager."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.description = Description(
            device="cpu",
            identity="literal",
            note="torch.nn modules, BCELoss, torch.optim.Adam, eager, one thread",
            randomness="torch.rand and torch.randn",
            views=(SET_VIEW,),
            multiple=0,
        )

    def losses(self, view: str, members: int, steps: int, inputs: str) -> list[list[float]]:
        losses = []
        for seed in range(members):
            loop = ScriptLoop(view, seed, torch.float32)
            for step in range(steps):
                loop.step(step)
            losses.append([float(loss) for loss in loop.losses[-1]])
        return losses

    def prepare(self, population: int, view: str) -> _RunningLoop:
        return _RunningLoop(ScriptLoop(view, 0, torch.float32, own_randomness=True))


class _RunningLoop:
    setup = 0.0

    def __init__(self, loop: ScriptLoop) -> None:
        self.loop = loop

    def run(self, steps: int) -> float:
        self.loop.losses.clear()
        start = time.perf_counter()
        for step in range(steps):
            self.loop.step(step)
        return time.perf_counter() - start
