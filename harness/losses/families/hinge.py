"""The hinge loss: D stops learning from decisions beyond their margins."""

from __future__ import annotations

from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Citation, Dirac, Parameter, Prediction
from harness.losses.primitives import fake, real, relu
from harness.losses.variant import Variant

# With G's own loss, linear in the logit, a difference of the two margins only shifts D's bias. Another generator's
# loss ("hinge|minimax") reads where the logits stand, so there it counts.
_m_real = Parameter("m_real", 1.0, 0.0, 10.0, "the margin of real decisions; published as 1", low_open=True)
_m_fake = Parameter("m_fake", 1.0, 0.0, 10.0, "the margin of generated decisions; published as 1", low_open=True)

HINGE = Variant(
    name="hinge",
    family="hinge",
    discriminator=relu(_m_real.symbol - real) + relu(_m_fake.symbol + fake),
    generator=-fake,
    parameters=(_m_real, _m_fake),
    citation=Citation(
        key="lim2017geometric",
        authors=("Jae Hyun Lim", "Jong Chul Ye"),
        year=2017,
        title="Geometric GAN",
        identifier="arXiv:1705.02894",
        where="as written in Miyato et al. 2018, arXiv:1802.05957, eqs. 16-17",
        checked="google/compare_gan, compare_gan/gans/loss_lib.py",
    ),
    prediction=Prediction(
        "cycles",
        "Inside the margins it is the Wasserstein game without a clip: Dirac cycles with amplitude 1.0 and does not "
        "decay. On N(4, 1.25) the mean should swing about 4 without settling, unless the smooth densities damp it.",
        DIRAC,
    ),
    confused_with="wasserstein, which has the same generator but whose discriminator never stops pushing.",
    dirac=Dirac("cycles", "cycles"),
)

VARIANTS = (HINGE,)
