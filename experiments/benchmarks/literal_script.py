"""The script's loop as anyone would write it today: torch.nn modules, BCELoss, torch.optim.Adam, detach.

It takes its draws and initial weights from ``harness.data.rng`` so that engines can be held to it step by step; with
``own_randomness`` it draws them from torch instead, for comparisons of distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.data.mlp import Mlp, perceptron
from harness.data.rng import Stream, uniforms
from harness.data.target import Target


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map1, self.map2, self.map3 = nn.Linear(1, 50), nn.Linear(50, 50), nn.Linear(50, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.map1(x))
        x = torch.sigmoid(self.map2(x))
        return self.map3(x)


class Discriminator(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.map1, self.map2, self.map3 = nn.Linear(inputs, 50), nn.Linear(50, 50), nn.Linear(50, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.map1(x))
        x = F.elu(self.map2(x))
        return torch.sigmoid(self.map3(x))


def with_squared_deviations(data: Tensor) -> Tensor:
    """The script's decorate_with_diffs with exponent 2: the mean enters as a number, so it has no gradient."""
    mean = float(data.detach().mean())
    return torch.cat([data, torch.pow(data - torch.ones_like(data) * mean, 2.0)], 1)


VIEWS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "raw": (100, lambda data: data),
    "variances": (200, with_squared_deviations),
}


def load_weights(module: nn.Module, network: Mlp, theta_1W: Tensor) -> None:
    """Put one row of flat parameters into the module's Linear layers (outputs x inputs)."""
    parts = network.split(theta_1W)
    with torch.no_grad():
        for i, layer in enumerate(m for m in module.modules() if isinstance(m, nn.Linear)):
            layer.weight.copy_(parts[2 * i][0].T)
            layer.bias.copy_(parts[2 * i + 1][0, 0])


def flat_weights(module: nn.Module) -> np.ndarray:
    """The Linear layers of the module as one row of flat parameters."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    parts = [p for y in layers for p in (y.weight.T.reshape(-1), y.bias)]
    return torch.cat(parts).detach().numpy()


class ScriptLoop:
    """The literal training loop of one GAN, in any floating-point type."""

    def __init__(self, view: str, seed: int, dtype: torch.dtype, own_randomness: bool = False) -> None:
        inputs, self.preprocess = VIEWS[view]
        self.seed, self.dtype, self.own = torch.tensor([seed]), dtype, own_randomness
        self.rng = torch.Generator().manual_seed(seed)
        if own_randomness:
            torch.manual_seed(seed)
        self.g, self.d = Generator().to(dtype), Discriminator(inputs).to(dtype)
        if not own_randomness:
            for module, network, stream in (
                (self.g, perceptron(1, 50, ("elu", "sigmoid")), Stream.INITIAL_G),
                (self.d, perceptron(inputs, 50, ("elu", "elu")), Stream.INITIAL_D),
            ):
                u = uniforms(0, self.seed, stream, range(1), network.size)[0]
                load_weights(module, network, network.initial(u))
        self.criterion = nn.BCELoss()
        self.d_optimizer = torch.optim.Adam(self.d.parameters(), lr=2e-4, betas=(0.9, 0.999))
        self.g_optimizer = torch.optim.Adam(self.g.parameters(), lr=2e-4, betas=(0.9, 0.999))
        self.losses: list[tuple[Tensor, Tensor, Tensor]] = []

    def uniform(self, stream: Stream, step: int) -> Tensor:
        if self.own:
            return torch.rand(1, 100, generator=self.rng, dtype=self.dtype)
        return uniforms(0, self.seed, stream, range(step, step + 1), 100)[0].to(self.dtype)

    def real(self, step: int) -> Tensor:
        if self.own:
            return torch.randn(1, 100, generator=self.rng, dtype=self.dtype) * 1.25 + 4
        u = self.uniform(Stream.REAL, step).double().numpy()
        return torch.from_numpy(Target().quantile(u)).to(self.dtype)

    def step(self, step: int) -> None:
        """One epoch of the script's loop (d_steps = g_steps = 1)."""
        true, false = torch.ones(1, 1, dtype=self.dtype), torch.zeros(1, 1, dtype=self.dtype)
        self.d.zero_grad()
        real_error = self.criterion(self.d(self.preprocess(self.real(step))), true)
        real_error.backward()
        fake = self.g(self.uniform(Stream.LATENT_D, step).t()).detach()
        fake_error = self.criterion(self.d(self.preprocess(fake.t())), false)
        fake_error.backward()
        self.d_optimizer.step()

        self.g.zero_grad()
        generated = self.g(self.uniform(Stream.LATENT_G, step).t())
        g_error = self.criterion(self.d(self.preprocess(generated.t())), true)
        g_error.backward()
        self.g_optimizer.step()
        self.losses.append((real_error.detach(), fake_error.detach(), g_error.detach()))
