"""The (alpha_D, alpha_G)-GAN: both players on alpha-loss, which runs from the exponential loss to the probability.

With p the probability given to the true class, alpha-loss is alpha/(alpha - 1) (1 - p^((alpha - 1)/alpha)): 1/p - 1
at alpha = 1/2, -log p at 1, towards 1 - p at infinity. As -log p is a softplus, it is ``deformed(softplus, k)`` with
k = (alpha - 1)/alpha, defined at alpha = 1 too.
"""

from __future__ import annotations

from sympy import Expr, Integer

from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Citation, Dirac, Equivalence, Parameter, Prediction
from harness.losses.primitives import deformed, fake, real, softplus
from harness.losses.variant import Variant

_alpha_d = Parameter("alpha_d", 0.7, 0.5, 10.0, "alpha of the discriminator's loss: 1 is cross-entropy")
_alpha_g = Parameter("alpha_g", 1.0, 0.5, 10.0, "alpha of the generator's loss: 1 is cross-entropy")


def _alpha_loss(cross_entropy: Expr, alpha: Expr) -> Expr:
    # Written (alpha - 1)/alpha: 1 - 1/alpha would lose the digits of a small k.
    return deformed(cross_entropy, (alpha - 1) / alpha)


DISCRIMINATOR = _alpha_loss(softplus(-real), _alpha_d.symbol) + _alpha_loss(softplus(fake), _alpha_d.symbol)

WELFERT = Citation(
    key="welfert2023alpha",
    authors=("Monica Welfert", "Kyle Otstot", "Gowtham R. Kurri", "Lalitha Sankar"),
    year=2023,
    title=r"($\alpha_D$, $\alpha_G$)-GANs: Addressing GAN Training Instabilities via Dual Objectives",
    identifier="arXiv:2302.14320",
    checked="justin-veiner/MASc, alphagan.py: discriminator and saturating generator",
)

ALPHA_SATURATING = Variant(
    name="alpha_saturating",
    family="alpha",
    discriminator=DISCRIMINATOR,
    generator=-_alpha_loss(softplus(fake), _alpha_g.symbol),
    parameters=(_alpha_d, _alpha_g),
    citation=WELFERT,
    prediction=Prediction(
        "rings",
        "Alpha_d < 1 makes D learn most from its worst mistakes, which damps: Dirac spirals in at (0.7, 1) (amplitude "
        "0.13 after 20,000 steps) where minimax hardly does; at (2, 1) it leaves. The generator's "
        "slope still dies where D rejects, so N(4, 1.25) may stall as minimax does.",
        DIRAC,
    ),
    confused_with="alpha_non_saturating, whose generator loss is that of the class it wants to be taken for.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(
        Equivalence("minimax", "alpha-loss at 1 is cross-entropy", params=(("alpha_d", 1.0), ("alpha_g", 1.0))),
        Equivalence("f_hellinger", "alpha-loss at 1/2 is exp(-logit)", params=(("alpha_d", 0.5), ("alpha_g", 0.5))),
    ),
)

ALPHA_NON_SATURATING = Variant(
    name="alpha_non_saturating",
    family="alpha",
    discriminator=DISCRIMINATOR,
    generator=_alpha_loss(softplus(-fake), _alpha_g.symbol),
    parameters=(_alpha_d, _alpha_g),
    # The public code holds the saturating generator alone.
    citation=Citation(WELFERT.key, WELFERT.authors, WELFERT.year, WELFERT.title, WELFERT.identifier),
    prediction=Prediction(
        "rings",
        "As non_saturating, damped a little faster for alpha_d < 1 (Dirac at (0.7, 1): amplitude 0.06 after 20,000 "
        "steps). Alpha_g > 1 lets the slope die where D rejects, alpha_g < 1 lets it grow there; N(4, 1.25) should "
        "score as non_saturating near (1, 1).",
        DIRAC,
    ),
    confused_with="alpha_saturating, the negated loss of the class the generator's data belong to.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(
        Equivalence("non_saturating", "alpha-loss at 1 is cross-entropy", params=(("alpha_d", 1.0), ("alpha_g", 1.0))),
        Equivalence("ns_hellinger", "alpha-loss at 1/2 is exp(-logit)", params=(("alpha_d", 0.5), ("alpha_g", 0.5))),
    ),
)

VARIANTS = (ALPHA_SATURATING, ALPHA_NON_SATURATING)
