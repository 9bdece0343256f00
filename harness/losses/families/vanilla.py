"""Cross-entropy on logits: the published losses, and the dial of the generator's label.

With D's probability s = sigmoid(logit): -log s = softplus(-logit) and -log(1 - s) = softplus(logit).
Exchanged, random and softened labels of D are in ``flipped.py`` and ``smoothing.py``.
"""

from __future__ import annotations

from sympy import Integer

from harness.losses.metadata import Citation, Dirac, Equivalence, Parameter, Prediction
from harness.losses.primitives import fake, real, softplus
from harness.losses.variant import Variant

#: The source of every claim about the Dirac-GAN: 20,000 steps from theta = 1, psi = b = 0.
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
    checked="the README of github.com/soumith/ganhacks, trick 2, which states the published generator loss",
)  # fmt: skip
GOODFELLOW_NON_SATURATING = GOODFELLOW.at(
    where="sec. 3, after eq. 1", checked="google/compare_gan, compare_gan/gans/loss_lib.py"
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
        "On Dirac theta^2 + psi^2 stands still as steps get small; alternating steps of 0.1 shrink the amplitude from "
        "1 to 0.7, simultaneous ones drive it outward to a standstill near 4. On N(4, 1.25) the generator stops where "
        "the discriminator rejects it firmly: the slope vanishes at -infinity.",
        DIRAC,
    ),
    confused_with="non_saturating, which has the same discriminator and is what most code called GAN trains.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "stalls"),
)

NON_SATURATING = Variant(
    name="non_saturating",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=softplus(-fake),
    citation=GOODFELLOW_NON_SATURATING,
    prediction=Prediction(
        "rings",
        "A slow spiral onto the target (Dirac: mean 0, amplitude 0.07 after 20,000 steps; simultaneous steps of 0.1 "
        "leave a cycle of 0.47). On N(4, 1.25) it arrives early, since the slope is -1 where the fake is rejected, "
        "and rings around the answer for long.",
        DIRAC,
    ),
    confused_with="flipped_labels: here the generator's label is True although its data are fake, as published.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
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
    dirac=Dirac("converges", "converges"),
    equivalences=(Equivalence("non_saturating", "label 1 is the published one", params=(("t", 1.0),)),),
)

NEGATED_LABEL = Variant(
    name="negated_label",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=-softplus(-fake),
    prediction=Prediction(
        "runs_away",
        "Non_saturating with the sign of the generator's gradient lost: the firmer D rejects, the harder it pushes "
        "away, at slope 1 instead of one that dies. Dirac is at theta = 2,700 after 20,000 steps. On N(4, 1.25) the "
        "worst of all: KS near 1 from the start.",
        DIRAC,
    ),
    confused_with="flipped_labels, which runs away too, but on a slope that vanishes where D rejects the fake.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("runs_away", "runs_away"),
)

REAL_AS_FAKE = Variant(
    name="real_as_fake",
    family="vanilla",
    discriminator=CROSS_ENTROPY,
    generator=softplus(-fake) + softplus(real),
    citation=Citation(
        key="chintala2016how",
        authors=("Soumith Chintala", "Emily Denton", "Martin Arjovsky", "Michael Mathieu"),
        year=2016,
        title="How to Train a GAN? Tips and tricks to make GANs work",
        identifier="github.com/soumith/ganhacks",
        where='trick 2, read literally: "real = fake, fake = real"',
        checked="the repository's README",
    ),
    prediction=Prediction(
        "rings",
        "The generator's step sees real data labelled fake as well. They do not depend on the generator, so its "
        "gradient is that of non_saturating and only its reported loss differs.",
        "algebra: the added term has no derivative in a fake logit",
    ),
    confused_with="swapped_targets: here D keeps its labels, and only the generator's loss sees both exchanged.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("non_saturating", "the added term reads real data alone"),),
)

VARIANTS = (MINIMAX, NON_SATURATING, GENERATOR_LABEL, NEGATED_LABEL, REAL_AS_FAKE)
