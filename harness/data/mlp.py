"""Multilayer perceptrons whose parameters are rows of one flat array: both players are such networks.

``theta_PW`` holds P networks of W parameters each: layer by layer a weight (inputs x outputs) and a bias. With one
matrix an optimiser is one expression and a member is one row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

#: Functions after a hidden layer, by the names of ``config.fields.Activation``; leaky_relu has torch's slope 0.01.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "softplus": F.softplus,
}


@dataclass(frozen=True)
class Layer:
    """The place of one linear layer in a row of theta, and its shape."""

    start: int
    inputs: int
    outputs: int

    @property
    def bias(self) -> int:
        return self.start + self.inputs * self.outputs

    @property
    def stop(self) -> int:
        return self.bias + self.outputs


@dataclass(frozen=True)
class Mlp:
    """A perceptron of the given widths, inputs first; ``activations`` name the functions between layers."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, inputs first."""
        layers: list[Layer] = []
        for inputs, outputs in itertools.pairwise(self.widths):
            layers.append(Layer(layers[-1].stop if layers else 0, inputs, outputs))
        return tuple(layers)

    @property
    def size(self) -> int:
        """W, the number of parameters of one network."""
        return self.layers[-1].stop

    @cached_property
    def tensor_names(self) -> tuple[str, ...]:
        """weight1, bias1, weight2, ...: the names of the parts that ``split`` returns."""
        return tuple(f"{kind}{i}" for i in range(1, len(self.layers) + 1) for kind in ("weight", "bias"))

    def split(self, theta_PW: Tensor) -> list[Tensor]:
        """Views of theta, in the order of ``tensor_names``: weights (P, inputs, outputs), biases (P, 1, outputs)."""
        parts: list[Tensor] = []
        for layer in self.layers:
            parts.append(theta_PW[:, layer.start : layer.bias].view(-1, layer.inputs, layer.outputs))
            parts.append(theta_PW[:, layer.bias : layer.stop].unsqueeze(1))
        return parts

    def forward(self, parts: Sequence[Tensor], x_PKN: Tensor) -> Tensor:
        """Outputs (P, K) of P networks for K inputs of N numbers each; the last width must be 1."""
        for i in range(len(self.layers)):
            x_PKN = torch.baddbmm(parts[2 * i + 1], x_PKN, parts[2 * i])
            if i < len(self.activations):
                x_PKN = ACTIVATIONS[self.activations[i]](x_PKN)
        return x_PKN.squeeze(-1)

    def initial(self, u_PW: Tensor) -> Tensor:
        """Initial parameters by torch's default for Linear: weights and biases U(-1/sqrt(inputs), 1/sqrt(inputs)).

        ``u_PW`` is uniform on (0, 1); the result is float64.

        Source: ``torch.nn.Linear.reset_parameters`` (kaiming_uniform with a = sqrt(5)).
        """
        bound_W = torch.cat(
            [torch.full((y.stop - y.start,), 1 / math.sqrt(y.inputs), dtype=torch.float64) for y in self.layers]
        ).to(u_PW.device)
        return (2 * u_PW.to(torch.float64) - 1) * bound_W


def perceptron(inputs: int, hidden: int, activations: Sequence[str]) -> Mlp:
    """The network inputs - hidden - ... - hidden - 1 with a hidden layer for each activation; without, an affine map.

    The script's G is ``perceptron(1, 50, ("elu", "sigmoid"))``; its D, up to the logit, has ``("elu", "elu")``.
    """
    return Mlp((inputs, *[hidden] * len(activations), 1), tuple(activations))


def generate(network: Mlp, theta_PW: Tensor, noise_SZ: Tensor) -> Tensor:
    """Samples (P, S) of P generators on the same S points of noise, in theta's precision."""
    z_PSZ = noise_SZ.to(theta_PW).expand(theta_PW.shape[0], -1, -1)
    with torch.no_grad():
        return network.forward(network.split(theta_PW), z_PSZ)
