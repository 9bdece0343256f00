"""The loss of the 50-line script: a rounded sigmoid followed by torch's BCELoss.

Over the reals it is non_saturating. In floating point it is not: the sigmoid rounds to 1 (from logit 16.6 in
float32), BCELoss clamps its logarithms at -100 and the denominator of its gradient at 1e-12.
"""

from __future__ import annotations

from sympy import Expr, Float, Integer, log

from harness.losses.metadata import Citation, Dirac, Prediction, Slopes
from harness.losses.primitives import fake, floor_at, floor_ratio, log1p, probability, real
from harness.losses.variant import Variant

#: BCELoss's floors: of the logarithm in the loss, of p (1 - p) in its gradient. The second is a float32 constant
#: in torch's source whatever the tensors are; in float64 that shows in the ninth digit.
LOG_FLOOR, DENOMINATOR_FLOOR = Integer(-100), Float(9.999999960041972e-13)


def _slope(logit: Expr, label: int) -> Expr:
    # BCELoss's backward times the sigmoid's: (p - label)/max(p (1 - p), floor) times p (1 - p). That is not the
    # derivative of the clamped loss: below logit -27.6, where p (1 - p) < floor, label 1 gets -p/floor, and neither
    # -1 nor, where the logarithm is clamped, 0.
    p = probability(logit)
    return (p - label) * floor_ratio(p * (1 - p), DENOMINATOR_FLOOR)


SEED_EXACT = Variant(
    name="seed_exact",
    family="script",
    discriminator=-floor_at(log(probability(real)), LOG_FLOOR) - floor_at(log1p(-probability(fake)), LOG_FLOOR),
    generator=-floor_at(log(probability(fake)), LOG_FLOOR),
    slopes=Slopes(real=_slope(real, 1), fake=_slope(fake, 0), generator=_slope(fake, 1)),
    citation=Citation(
        key="nag2017generative",
        authors=("Dev Nag",),
        year=2017,
        title="Generative Adversarial Networks (GANs) in 50 lines of code (PyTorch)",
        identifier="github.com/devnag/pytorch-generative-adversarial-networks",
        where="the version for N(4, 1.25) with raw data and variances",
        checked="torch's sigmoid and BCELoss themselves, which tests/losses/test_losses.py compares it with",
    ),
    prediction=Prediction(
        "rings",
        "As non_saturating while every logit stays within about 16 of 0. Beyond, in float32, D's slope on accepted "
        "fakes is exactly 0, and below -27.6 the generator's slope dies like 1e12 sigmoid(logit).",
        "the rounding of the sigmoid, and the two clamps in torch's BCELoss",
    ),
    confused_with="non_saturating, the same loss computed from logits, whose slope never dies.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
)

VARIANTS = (SEED_EXACT,)
