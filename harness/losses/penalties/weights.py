"""Bounds on the weights of D: clipping, and division by the spectral norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.data.mlp import Mlp
from harness.losses.citations import ARJOVSKY_2017, MIYATO_2018
from harness.losses.penalties.penalty import FLOOR, Penalty


def clip_weights(theta_PW: Tensor, bound_P1: Tensor) -> None:
    """Clamp, in place, every parameter of each member to [-bound, bound]; an infinite bound changes no bit.

    Keeps D Lipschitz, which the Wasserstein loss needs. The bound also sets the scale of the logits.

    Source: Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875, algorithm 1, line 7 (their default 0.01).
    """
    theta_PW.clamp_(min=-bound_P1, max=bound_P1)


class SpectralNorm:
    """Weights W of D replaced by W * bound/sigma(W), sigma the largest singular value, member by member.

    sigma is estimated as v^T W u with W (inputs, outputs); u and v come from one power iteration an update, and are
    constants to autograd, so gradients flow through W alone. A bound of 0 leaves the member's weights as they are; a
    layer of zeros under another bound becomes NaN, having no direction to keep. ``apply`` needs an ``iterate`` before
    it. No method reads a value back from the device.

    Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1, where the bound is 1.
    """

    def __init__(self, network: Mlp, bound_P1: Tensor) -> None:
        self._scales_P11 = (bound_P1 > 0).unsqueeze(-1)
        self._bound_P11 = bound_P1.unsqueeze(-1)
        members = bound_P1.shape[0]
        self._u_PO = [bound_P1.new_full((members, y.outputs), y.outputs**-0.5) for y in network.layers]
        self._v_PI = [bound_P1.new_zeros((members, y.inputs)) for y in network.layers]

    @torch.no_grad()
    def iterate(self, parts: Sequence[Tensor]) -> None:
        """One power iteration in place, from D's parts: v = W u/|W u|, then u = W^T v/|W^T v|."""
        for weight_PIO, u_PO, v_PI in zip(parts[::2], self._u_PO, self._v_PI, strict=True):
            v_PI.copy_(_unit(torch.bmm(weight_PIO, u_PO.unsqueeze(2)).squeeze(2)))
            u_PO.copy_(_unit(torch.bmm(v_PI.unsqueeze(1), weight_PIO).squeeze(1)))

    def apply(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """D's parts with each weight times bound/sigma where the bound is above 0; the biases are the same objects."""
        scaled = list(parts)
        for i, (u_PO, v_PI) in enumerate(zip(self._u_PO, self._v_PI, strict=True)):
            weight_PIO = parts[2 * i]
            sigma_P11 = v_PI.unsqueeze(1) @ weight_PIO @ u_PO.unsqueeze(2)
            # 1 in place of an unused sigma, which may be 0: a division by 0 would put NaN into the weight's gradient.
            factor_P11 = self._bound_P11 / torch.where(self._scales_P11, sigma_P11, 1.0)
            scaled[2 * i] = weight_PIO * torch.where(self._scales_P11, factor_P11, 1.0)
        return scaled

    def state(self) -> list[Tensor]:
        """The tensors that ``iterate`` changes: u of each layer, then v of each layer."""
        return [*self._u_PO, *self._v_PI]


def _unit(x_PN: Tensor) -> Tensor:
    unit_PN: Tensor = x_PN / torch.linalg.vector_norm(x_PN, dim=1, keepdim=True).clamp_min(FLOOR)
    return unit_PN


WEIGHT_CLIP = Penalty(
    name="weight_clip",
    title="weight clipping",
    meaning="Keeps every parameter of D in a box, and so D Lipschitz. The box also sets the scale of the logits.",
    text="theta_d <- min(max(theta_d, -c), c) after each update of D",
    latex=r"\theta_d \leftarrow \min(\max(\theta_d, -c), c)",
    convention="c, the largest absolute value of a weight or bias; a bound, which no schedule changes.",
    citation=ARJOVSKY_2017.at(
        where="algorithm 1, line 7", checked="igul222/improved_wgan_training, gan_toy.py: clip_ops"
    ),
)
SPECTRAL_NORM = Penalty(
    name="spectral_norm",
    title="spectral normalisation",
    meaning="D computes with weights of a fixed largest singular value in every layer; with activations of slope at "
    "most 1 that bounds the slope of D by bound^layers. Biases are free.",
    text="W <- W * bound/sigma(W) in each layer, sigma by one power iteration an update of D",
    latex=r"W \leftarrow c\, W / \sigma(W)",
    convention="the bound on each layer's largest singular value: 1 is the paper's; no schedule changes it.",
    citation=MIYATO_2018.at(
        where="algorithm 1",
        checked="pfnet-research/sngan_projection, source/functions/max_sv.py and source/links/sn_linear.py",
    ),
)
