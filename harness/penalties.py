"""Constraints on the discriminator that are no function of a logit, and so no part of a loss formula."""

from __future__ import annotations

from torch import Tensor


def clip_weights(theta_PW: Tensor, bound_P1: Tensor) -> None:
    """Clamp, in place, every parameter of each member to [-bound, bound]; an infinite bound changes no bit.

    Keeps D Lipschitz, which the Wasserstein loss needs. The bound also sets the scale of the logits.

    Source: Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875, algorithm 1, line 7 (their default 0.01).
    """
    theta_PW.clamp_(min=-bound_P1, max=bound_P1)
