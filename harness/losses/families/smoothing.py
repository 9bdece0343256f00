"""Labels of D moved inward: one-sided, two-sided, or drawn from intervals. The generator is non-saturating in all.

With mean labels a (real) and b (fake) D's optimal probability is (a p_data + b p_g)/(p_data + p_g).
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Rational, log

from harness.losses.citations import SALIMANS_2016
from harness.losses.families.flipped import LABELLED
from harness.losses.families.vanilla import DIRAC, REAL_AS_FAKE
from harness.losses.metadata import Citation, Dirac, Equivalence, Labels, Parameter, Prediction, Uniform
from harness.losses.primitives import fake, real, softplus
from harness.losses.variant import Variant

_a = Parameter("a", 0.9, 0.5, 1.0, "the discriminator's label for real data", low_open=True)
_b = Parameter("b", 0.1, 0.0, 0.5, "the discriminator's label for fake data", high_open=True)
_ON_REAL = _a.symbol * softplus(-real) + (1 - _a.symbol) * softplus(real)

ONE_SIDED_SMOOTHING = Variant(
    name="one_sided_smoothing",
    family="smoothing",
    discriminator=_ON_REAL + softplus(fake),
    generator=softplus(-fake),
    parameters=(_a,),
    citation=SALIMANS_2016.at(where="sec. 3.4"),
    prediction=Prediction(
        "rings",
        "The optimal D is a p_data/(p_data + p_g); smoothing barely changes the non-saturating game (Dirac amplitude "
        "0.07 at a = 0.9), so N(4, 1.25) should score as non_saturating does.",
        DIRAC,
    ),
    confused_with="two-sided smoothing, which softens the fake label too, and generator_label, the generator's label.",
    equilibrium_logit=log(_a.symbol / (2 - _a.symbol)),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("non_saturating", "label 1 is not smoothed", params=(("a", 1.0),)),),
)

TWO_SIDED_SMOOTHING = Variant(
    name="two_sided_smoothing",
    family="smoothing",
    discriminator=_ON_REAL + (_b.symbol * softplus(-fake) + (1 - _b.symbol) * softplus(fake)),
    generator=softplus(-fake),
    parameters=(_a, _b),
    citation=Citation(
        key="goodfellow2016nips",
        authors=("Ian Goodfellow",),
        year=2016,
        title="NIPS 2016 Tutorial: Generative Adversarial Networks",
        identifier="arXiv:1701.00160",
        where="on one-sided label smoothing, as what to avoid",
    ),
    prediction=Prediction(
        "rings",
        "With b > 0 the optimal D has a peak wherever the generator puts data, which holds a wrong mode in place. One "
        "connected target has no mode to hold: Dirac spirals in as non_saturating (amplitude 0.07 at a = 0.9, "
        "b = 0.1), and N(4, 1.25) should score alike.",
        DIRAC,
    ),
    confused_with="flipped_noise, the same loss in expectation at a = 1 - p, b = p, with the noise of drawn labels.",
    equilibrium_logit=log((_a.symbol + _b.symbol) / (2 - _a.symbol - _b.symbol)),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("one_sided_smoothing(a=0.9)", "the fake label is not smoothed", params=(("b", 0.0),)),),
)

NOISY_LABELS = Variant(
    name="noisy_labels",
    family="smoothing",
    discriminator=LABELLED,
    generator=softplus(-fake),
    citation=replace(REAL_AS_FAKE.citation, where="trick 6, first item"),
    prediction=Prediction(
        "rings",
        "In expectation two_sided_smoothing at a = 0.95, b = 0.15. A single decision whose label exceeds 1 has no "
        "finite optimum; the mean has one. Dirac spirals in as non_saturating (amplitude 0.07), and N(4, 1.25) should "
        "score alike.",
        DIRAC,
    ),
    confused_with="flipped_noise, whose labels are 0 or 1, and two_sided_smoothing, whose labels do not vary.",
    equilibrium_logit=log(Rational(11, 9)),
    labels=Labels(
        real=Uniform(Rational(7, 10), Rational(6, 5)),
        fake=Uniform(Rational(0), Rational(3, 10)),
    ),
    dirac=Dirac("rings", "cycles"),
)

VARIANTS = (ONE_SIDED_SMOOTHING, TWO_SIDED_SMOOTHING, NOISY_LABELS)
