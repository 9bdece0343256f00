"""The two players as multilayer perceptrons whose parameters are rows of one flat array.

``theta_PW`` holds P networks of W parameters each: layer by layer a weight (inputs x outputs) and a bias.
One matrix for everything makes an optimiser one expression and a member one row.
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

#: What may follow a hidden layer, by the names of ``spec.Activation``; leaky_relu has torch's slope 0.01 below 0.
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
    """Where one linear layer lies in a row of theta, and its shape."""

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
    """A perceptron of the given widths, inputs first; ``activations`` name what follows each layer but the last."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, inputs first."""
        found: list[Layer] = []
        for inputs, outputs in itertools.pairwise(self.widths):
            found.append(Layer(found[-1].stop if found else 0, inputs, outputs))
        return tuple(found)

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
        """torch's default law of Linear from uniforms: weights and biases U(-1/sqrt(inputs), 1/sqrt(inputs)).

        float64 in and out; source: ``torch.nn.Linear.reset_parameters`` (kaiming_uniform with a = sqrt(5)).
        """
        bound_W = torch.cat(
            [torch.full((y.stop - y.start,), 1 / math.sqrt(y.inputs), dtype=torch.float64) for y in self.layers]
        ).to(u_PW.device)
        return (2 * u_PW.to(torch.float64) - 1) * bound_W


def perceptron(inputs: int, hidden: int, activations: Sequence[str]) -> Mlp:
    """inputs - hidden - ... - hidden - 1, one hidden layer for each activation; an affine map where there is none.

    The seed's G is ``perceptron(1, 50, ("elu", "sigmoid"))``, its D, up to the logit, ``("elu", "elu")``.
    """
    return Mlp((inputs, *[hidden] * len(activations), 1), tuple(activations))


def generate(network: Mlp, theta_PW: Tensor, noise_SZ: Tensor) -> Tensor:
    """Samples (P, S) of P generators on the same S points of noise, in theta's precision."""
    z_PSZ = noise_SZ.to(theta_PW).expand(theta_PW.shape[0], -1, -1)
    with torch.no_grad():
        return network.forward(network.split(theta_PW), z_PSZ)
