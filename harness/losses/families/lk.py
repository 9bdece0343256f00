"""LkGAN: the generator minimises the k-th power of the distance to its target, of the probability or of the logit.

Published without the factor 1/k, which is here so that k = 2 has the slopes of least squares; under Adam, and up to
the learning rate, it changes nothing.
"""

from __future__ import annotations

from sympy import Expr, Integer

from harness.losses.families.least_squares import LS_SIGMOID
from harness.losses.families.vanilla import CROSS_ENTROPY, DIRAC
from harness.losses.metadata import Citation, Dirac, Equivalence, Parameter, Prediction
from harness.losses.primitives import abs_power, fake, sigmoid
from harness.losses.variant import Variant

_k = Parameter("k", 3.0, 1.0, 8.0, "the power of the distance: 2 is least squares")
_c = Parameter("c", 1.0, 0.0, 1.0, "the probability the generator asks for")
_c_logit = Parameter("c", 0.0, -10.0, 10.0, "the logit the generator asks for: 0 is that of equilibrium")


def _distance(value: Expr) -> Expr:
    return abs_power(value - _c.symbol, _k.symbol) / _k.symbol


LKGAN = Variant(
    name="lkgan",
    family="lk",
    discriminator=LS_SIGMOID.discriminator,
    generator=_distance(sigmoid(fake)),
    parameters=(_k, _c),
    citation=Citation(
        key="bhatia2020least",
        authors=("Himesh Bhatia", "William Paul", "Fady Alajaji", "Bahman Gharesifard", "Philippe Burlina"),
        year=2020,
        title="Least kth-Order and Rényi Generative Adversarial Networks",
        identifier="arXiv:2006.02479",
        checked="renyigan-lkgan/LkGAN, lkgan_static.py (D's output there is a sigmoid; targets as in its version 3)",
    ),
    prediction=Prediction(
        "rings",
        "The slope of ls_sigmoid times |p - c|^(k - 2): larger k asks less of fakes that already pass and as much of "
        "rejected ones, whose slope dies with p. Dirac spirals in; N(4, 1.25) may stall where D rejects.",
        DIRAC,
    ),
    confused_with="lk_probability, the same generator under the cross-entropy discriminator.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "rings"),
    equivalences=(Equivalence("ls_sigmoid", "the square", params=(("k", 2.0),)),),
)

VEINER = Citation(
    key="veiner2023unifying",
    authors=("Justin Veiner", "Fady Alajaji", "Bahman Gharesifard"),
    year=2023,
    title="A Unifying Generator Loss Function for Generative Adversarial Networks",
    identifier="arXiv:2308.07233",
    where="LkGAN as a case of the L_alpha-GAN",
    checked="justin-veiner/MASc, lkgan.py, with loss_type vanilla, where c = 1",
)

LK_PROBABILITY = Variant(
    name="lk_probability",
    family="lk",
    discriminator=CROSS_ENTROPY,
    generator=_distance(sigmoid(fake)),
    parameters=(_k, _c),
    citation=VEINER,
    prediction=Prediction(
        "rings",
        "A bounded loss of the probability: the slope is at most 1/4 and dies where D rejects. Dirac spirals in "
        "(amplitude 0.07 after 20,000 steps at k = 3); c = 1/2 would not turn at all. N(4, 1.25) may stall where D "
        "rejects.",
        DIRAC,
    ),
    confused_with="lkgan, the published pair, whose discriminator is that of least squares on the probability.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(
        Equivalence("minimax|lkgan", "the generator of the one, the discriminator of the other"),
        Equivalence("minimax|ls_sigmoid", "the square", params=(("k", 2.0),)),
    ),
)

LK_LOGIT = Variant(
    name="lk_logit",
    family="lk",
    discriminator=CROSS_ENTROPY,
    generator=_distance(fake),
    parameters=(_k, _c_logit),
    # The same power of another argument: no publication is known that trains on it.
    citation=VEINER.at(where="its generator, of the logit instead of the probability", checked=""),
    prediction=Prediction(
        "converges",
        "With c = 0 it seeks the boundary: Dirac settles without turning, k > 2 ever more slowly (within 0.0001 after "
        "20,000 steps at k = 3), k = 1 with a chatter as wide as its step. Where D rejects, the slope grows like the "
        "(k - 1)-th power of the logit, so N(4, 1.25) is reached early and may overshoot at large k.",
        DIRAC,
    ),
    confused_with="lk_probability, whose distance is between probabilities and cannot exceed 1.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("converges", "converges"),
    equivalences=(
        Equivalence("boundary_seeking", "the square of the distance to 0", params=(("k", 2.0),)),
        Equivalence("minimax|least_squares(c=1)", "the square", params=(("k", 2.0), ("c", 1.0))),
    ),
)

VARIANTS = (LKGAN, LK_PROBABILITY, LK_LOGIT)
