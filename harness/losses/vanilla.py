"""Cross-entropy on logits, and what happens to it when labels are flipped, softened or made noisy.

With D's probability s = sigmoid(logit): -log s = softplus(-logit) and -log(1 - s) = softplus(logit).
"Flipped labels" means several things; each has its own entry here, and ``confused_with`` says which is which.
"""

from __future__ import annotations

from sympy import Integer, log

from harness.losses.formula import Variant
from harness.losses.metadata import Bernoulli, Citation, Labels, Parameter, Prediction
from harness.losses.primitives import fake, real, softplus, y_fake, y_real

DIRAC = "Dirac-GAN, linear discriminator, alternating steps of 0.1, as in Mescheder et al. 2018 (arXiv:1801.04406)"

GOODFELLOW = Citation(
    key="goodfellow2014generative",
    authors=(
        "Ian J. Goodfellow", "Jean Pouget-Abadie", "Mehdi Mirza", "Bing Xu",
        "David Warde-Farley", "Sherjil Ozair", "Aaron Courville", "Yoshua Bengio",
    ),
    year=2014,
    title="Generative Adversarial Networks",
    identifier="arXiv:1406.2661",
    where="eq. 1",
)  # fmt: skip
GOODFELLOW_NON_SATURATING = Citation(
    GOODFELLOW.key, GOODFELLOW.authors, GOODFELLOW.year, GOODFELLOW.title, GOODFELLOW.identifier, "sec. 3, after eq. 1"
)

CROSS_ENTROPY = softplus(-real) + softplus(fake)

MINIMAX = Variant(
    name="minimax",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=-softplus(fake),
    citation=GOODFELLOW,
    prediction=Prediction(
        "stalls",
        "A neutral cycle on Dirac (mean 0, amplitude 0.69), a drift to a standstill with simultaneous steps. On "
        "N(4, 1.25) the generator stops where the discriminator rejects it firmly: the slope vanishes at -infinity.",
        DIRAC,
    ),
    confused_with="non_saturating, which has the same discriminator and is what most code called GAN trains.",
    equilibrium_logit=Integer(0),
)

NON_SATURATING = Variant(
    name="non_saturating",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=softplus(-fake),
    citation=GOODFELLOW_NON_SATURATING,
    prediction=Prediction(
        "rings",
        "A slow spiral onto the target (Dirac: mean 0, amplitude 0.07 after 20,000 steps). On N(4, 1.25) it arrives "
        "early, since the slope is -1 where the fake is rejected, and rings around the answer for long.",
        DIRAC,
    ),
    confused_with="flipped_labels: here the generator's label is True although its data are fake, as published.",
    equilibrium_logit=Integer(0),
)

_t = Parameter("t", 0.5, 0.0, 1.0, "the label the generator trains towards: 1 is real, 0 is fake")

GENERATOR_LABEL = Variant(
    name="generator_label",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=_t.symbol * softplus(-fake) + (1 - _t.symbol) * softplus(fake),
    parameters=(_t,),
    prediction=Prediction(
        "converges",
        "t > 1/2 rings, with frequency sqrt((t - 1/2)/2) on Dirac; t = 1/2 approaches without ringing; 0 < t < 1/2 "
        "parks where D says t; t = 0 runs away. On N(4, 1.25) success should step up near t = 1/2, and arrival "
        "quicken with t.",
        DIRAC,
    ),
    confused_with="one_sided_smoothing, which softens the discriminator's label and leaves the generator's at 1.",
    equilibrium_logit=Integer(0),
)

FLIPPED_LABELS = Variant(
    name="flipped_labels",
    family="vanilla",
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
)

FLIPPED_CONVENTION = Variant(
    name="flipped_convention",
    family="vanilla",
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
)

_p = Parameter("p", 0.1, 0.0, 0.5, "chance that a label of the discriminator is flipped", high_open=True)

FLIPPED_NOISE = Variant(
    name="flipped_noise",
    family="vanilla",
    discriminator=(
        (y_real * softplus(-real) + (1 - y_real) * softplus(real))
        + (y_fake * softplus(-fake) + (1 - y_fake) * softplus(fake))
    ),
    generator=softplus(-fake),
    parameters=(_p,),
    citation=Citation(
        key="chintala2016how",
        authors=("Soumith Chintala", "Emily Denton", "Martin Arjovsky", "Michael Mathieu"),
        year=2016,
        title="How to Train a GAN? Tips and tricks to make GANs work",
        identifier="github.com/soumith/ganhacks",
        where="trick 6",
    ),
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
)

_a = Parameter("a", 0.9, 0.5, 1.0, "the discriminator's label for real data", low_open=True)

ONE_SIDED_SMOOTHING = Variant(
    name="one_sided_smoothing",
    family="vanilla",
    discriminator=_a.symbol * softplus(-real) + (1 - _a.symbol) * softplus(real) + softplus(fake),
    generator=softplus(-fake),
    parameters=(_a,),
    citation=Citation(
        key="salimans2016improved",
        authors=("Tim Salimans", "Ian Goodfellow", "Wojciech Zaremba", "Vicki Cheung", "Alec Radford", "Xi Chen"),
        year=2016,
        title="Improved Techniques for Training GANs",
        identifier="arXiv:1606.03498",
        where="sec. 3.4",
    ),
    prediction=Prediction(
        "rings",
        "The optimal D is a p_data/(p_data + p_g); smoothing barely changes the non-saturating game (Dirac amplitude "
        "0.07 at a = 0.9), so N(4, 1.25) should score as non_saturating does.",
        DIRAC,
    ),
    confused_with="two-sided smoothing, which softens the fake label too, and generator_label, the generator's label.",
    equilibrium_logit=log(_a.symbol / (2 - _a.symbol)),
)

VARIANTS = (
    MINIMAX, NON_SATURATING, GENERATOR_LABEL, FLIPPED_LABELS, FLIPPED_CONVENTION, FLIPPED_NOISE, ONE_SIDED_SMOOTHING,
)  # fmt: skip
