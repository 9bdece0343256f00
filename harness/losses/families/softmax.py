"""Softmax GAN: one softmax over the whole minibatch in place of a verdict on each decision.

With weights w(x) = exp(l(x))/(sum of exp over the K real and K fake logits), D minimises the cross-entropy from w to
1/K on each real and 0 on each fake decision, G that to 1/(2K) on all. In terms of
Lambda = log_mean_exp = log((sum of exp)/(2K)), both up to the constant log(2K):

    D: -mean(real) + Lambda         G: -(mean(real) + mean(fake))/2 + Lambda

The paper writes energies d = -l, low where data are real. Summed over the minibatch a fake logit has the slopes K w (D)
and K w - 1/2 (G): G pulls every decision to the mean weight 1/(2K), from both sides.
"""

from __future__ import annotations

from harness.losses.metadata import Citation, Dirac, Prediction
from harness.losses.primitives import fake, log_mean_exp, real
from harness.losses.variant import Variant

SOFTMAX = Variant(
    name="softmax",
    family="softmax",
    discriminator=-real + log_mean_exp,
    generator=-(real + fake) / 2 + log_mean_exp,
    citation=Citation(
        key="lin2017softmax",
        authors=("Min Lin",),
        year=2017,
        title="Softmax GAN",
        identifier="arXiv:1704.06191",
        checked="the abstract's target distributions; eriklindernoren/PyTorch-GAN, softmax_gan.py (energies, "
        "targets 1/K and 1/(2K))",
    ),
    prediction=Prediction(
        "converges",
        "With one decision D is rpgan's and G minimises log cosh(half the difference): it aims at indifference and "
        "never beyond, so Dirac approaches without ringing and ends there. On N(4, 1.25) it should settle near the "
        "target, with the slope of a rejected fake bounded by 1/2 and that of an accepted one by K - 1/2.",
        "algebra (log((e^r + e^f)/2) = (r + f)/2 + log cosh((r - f)/2)), and the Dirac-GAN in steps of 0.1",
    ),
    confused_with="rpgan, whose D is the same for one decision but whose G overshoots to a high logit.",
    dirac=Dirac(alternating="converges", simultaneous="converges"),
)

VARIANTS = (SOFTMAX,)
