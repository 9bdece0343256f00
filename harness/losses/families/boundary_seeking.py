"""The generator that seeks D's decision boundary instead of its approval."""

from __future__ import annotations

from sympy import Integer

from harness.losses.families.vanilla import CROSS_ENTROPY, DIRAC
from harness.losses.metadata import Citation, Dirac, Equivalence, Prediction
from harness.losses.primitives import fake
from harness.losses.variant import Variant

BOUNDARY_SEEKING = Variant(
    name="boundary_seeking",
    family="boundary",
    discriminator=CROSS_ENTROPY,
    generator=fake**2 / 2,
    citation=Citation(
        key="hjelm2017boundary",
        authors=(
            "R Devon Hjelm", "Athul Paul Jacob", "Tong Che", "Adam Trischler", "Kyunghyun Cho", "Yoshua Bengio",
        ),
        year=2017,
        title="Boundary-Seeking Generative Adversarial Networks",
        identifier="arXiv:1702.08431",
        where="the loss for continuous data, (log D - log(1 - D))^2/2",
        checked="eriklindernoren/PyTorch-GAN, implementations/bgan/bgan.py",
    ),
    prediction=Prediction(
        "converges",
        "The logit is log(D/(1 - D)), and 0 is its value at equilibrium, so the generator has no reason to turn: Dirac "
        "settles on 0 exactly in both orders. The slope grows where D rejects, so N(4, 1.25) should be reached early "
        "and without ringing.",
        DIRAC,
    ),
    confused_with="ls_pearson, the same generator against a discriminator of least squares.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("converges", "converges"),
    equivalences=(
        Equivalence("minimax|least_squares(c=0)", "a least squares generator with target 0 under cross-entropy"),
    ),
)  # fmt: skip

VARIANTS = (BOUNDARY_SEEKING,)
