"""D's labels exchanged: by convention, by mistake, or at random.

"Flipped labels" has several meanings. Each has its own entry here; ``confused_with`` tells them apart.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Integer

from harness.losses.families.vanilla import CROSS_ENTROPY, DIRAC, MINIMAX, REAL_AS_FAKE
from harness.losses.metadata import Bernoulli, Citation, Dirac, Equivalence, Labels, Parameter, Prediction
from harness.losses.primitives import fake, real, softplus, y_fake, y_real
from harness.losses.variant import Variant

FLIPPED_LABELS = Variant(
    name="flipped_labels",
    family="flipped",
    discriminator=CROSS_ENTROPY,
    generator=softplus(fake),
    prediction=Prediction(
        "runs_away",
        "The generator is rewarded for being recognised: Dirac leaves the target at rate 1/2, then drifts off like a "
        "logarithm, while both losses fall. On N(4, 1.25) the KS distance ends near 1.",
        DIRAC,
    ),
    confused_with="flipped_convention (both players swap, harmless) and flipped_noise (random flips for D alone).",
    equilibrium_logit=Integer(0),
    dirac=Dirac("runs_away", "runs_away"),
    equivalences=(Equivalence("generator_label(t=0)", "label 0 is the flipped one"),),
)

FLIPPED_CONVENTION = Variant(
    name="flipped_convention",
    family="flipped",
    discriminator=softplus(real) + softplus(-fake),
    generator=softplus(fake),
    citation=Citation(
        key="chollet2017deep",
        authors=("François Chollet",),
        year=2017,
        title="Deep Learning with Python",
        identifier="Manning",
        where="the example of a GAN labels real images 0",
    ),
    prediction=Prediction(
        "rings",
        "Exactly non_saturating with every logit negated, so the same law of outcomes: a test of the harness, "
        "where any difference beyond chance is a fault.",
        "algebra: softplus(-l) and softplus(l) change places under l -> -l",
    ),
    confused_with="flipped_labels, which swaps the generator's label only and runs away.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("non_saturating", "D's output means fake instead of real", relation="negated"),),
)

SWAPPED_TARGETS = Variant(
    name="swapped_targets",
    family="flipped",
    discriminator=softplus(real) + softplus(-fake),
    generator=softplus(-fake),
    prediction=Prediction(
        "runs_away",
        "A mistake: D calls real data fake, and the generator still asks to be called real, which is now to be "
        "recognised. With every logit negated it is flipped_labels, and it ends where that does.",
        "algebra: softplus(-l) and softplus(l) change places under l -> -l",
    ),
    confused_with="flipped_convention, where the generator's label is swapped along with D's and all is well.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("runs_away", "runs_away"),
    equivalences=(Equivalence("flipped_labels", "one player of two is swapped, whichever", relation="negated"),),
)

_p = Parameter("p", 0.1, 0.0, 0.5, "chance that a label of the discriminator is flipped", high_open=True)
LABELLED = (y_real * softplus(-real) + (1 - y_real) * softplus(real)) + (
    y_fake * softplus(-fake) + (1 - y_fake) * softplus(fake)
)

FLIPPED_NOISE = Variant(
    name="flipped_noise",
    family="flipped",
    discriminator=LABELLED,
    generator=softplus(-fake),
    parameters=(_p,),
    citation=replace(REAL_AS_FAKE.citation, where="trick 6"),
    prediction=Prediction(
        "rings",
        "In expectation two-sided smoothing: the optimal logit stays within log((1 - p)/p) of 0. With the "
        "non-saturating generator Dirac spirals in as without noise (amplitude 0.07 at p = 0.1); N(4, 1.25) should "
        "score as non_saturating, with gradient noise on top.",
        DIRAC,
    ),
    confused_with="flipped_labels (the generator's label, always) and smoothing (the same mean, without the noise).",
    equilibrium_logit=Integer(0),
    labels=Labels(real=Bernoulli(1 - _p.symbol), fake=Bernoulli(_p.symbol)),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("non_saturating", "no label is flipped", params=(("p", 0.0),)),),
)

MINIMAX_NOISE = replace(
    FLIPPED_NOISE,
    name="minimax_noise",
    generator=MINIMAX.generator,
    prediction=Prediction(
        "rings",
        "Flips repair minimax: D's probability stays above p, so the generator's slope never falls below p while D is "
        "at its optimum. Dirac spirals in (amplitude 0.21 after 20,000 steps); N(4, 1.25) should arrive where minimax "
        "stalls.",
        DIRAC,
    ),
    confused_with="flipped_noise, which has the same discriminator and the non-saturating generator.",
    equivalences=(
        Equivalence("minimax", "no label is flipped", params=(("p", 0.0),)),
        Equivalence("flipped_noise|minimax", "the discriminator of the one, the generator of the other"),
    ),
)

VARIANTS = (FLIPPED_LABELS, FLIPPED_CONVENTION, SWAPPED_TARGETS, FLIPPED_NOISE, MINIMAX_NOISE)
