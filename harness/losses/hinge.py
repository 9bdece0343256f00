"""The hinge loss: D stops learning from decisions beyond a margin of 1."""

from __future__ import annotations

from harness.losses.formula import Variant
from harness.losses.metadata import Citation, Prediction
from harness.losses.primitives import fake, real, relu
from harness.losses.vanilla import DIRAC

HINGE = Variant(
    name="hinge",
    family="hinge",
    discriminator=relu(1 - real) + relu(1 + fake),
    generator=-fake,
    citation=Citation(
        key="lim2017geometric",
        authors=("Jae Hyun Lim", "Jong Chul Ye"),
        year=2017,
        title="Geometric GAN",
        identifier="arXiv:1705.02894",
        where="as written in Miyato et al. 2018, arXiv:1802.05957, eqs. 16-17",
    ),
    prediction=Prediction(
        "cycles",
        "Inside the margin it is the Wasserstein game without a clip: Dirac cycles with amplitude 1.0 and does not "
        "decay. On N(4, 1.25) the mean should swing about 4 without settling, unless the smooth densities damp it.",
        DIRAC,
    ),
    confused_with="wasserstein, which has the same generator but whose discriminator never stops pushing.",
)

VARIANTS = (HINGE,)
