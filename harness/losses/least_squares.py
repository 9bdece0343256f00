"""Least squares on the logits, with the targets as parameters."""

from __future__ import annotations

from harness.losses.formula import Variant
from harness.losses.metadata import Citation, Parameter, Prediction
from harness.losses.primitives import fake, real
from harness.losses.vanilla import DIRAC

_a = Parameter("a", 0.0, -10.0, 10.0, "D's target for fake data")
_b = Parameter("b", 1.0, -10.0, 10.0, "D's target for real data")
_c = Parameter("c", 1.0, -10.0, 10.0, "the generator's target")

LEAST_SQUARES = Variant(
    name="least_squares",
    family="least_squares",
    discriminator=(real - _b.symbol) ** 2 / 2 + (fake - _a.symbol) ** 2 / 2,
    generator=(fake - _c.symbol) ** 2 / 2,
    parameters=(_a, _b, _c),
    citation=Citation(
        key="mao2016least",
        authors=(
            "Xudong Mao", "Qing Li", "Haoran Xie", "Raymond Y. K. Lau", "Zhen Wang", "Stephen Paul Smolley",
        ),
        year=2016,
        title="Least Squares Generative Adversarial Networks",
        identifier="arXiv:1611.04076",
        where="eq. 2",
    ),
    prediction=Prediction(
        "rings",
        "At (a, b, c) = (0, 1, 1) as non_saturating (Dirac: mean 0, amplitude 0.04); at (-1, 1, 0), where "
        "c = (a + b)/2, it approaches without ringing; with c = a it stalls beside the target. The same is expected "
        "on N(4, 1.25).",
        DIRAC,
    ),
    confused_with="least squares on sigmoid(logit), which saturates on both sides and is not the published loss.",
    equilibrium_logit=(_a.symbol + _b.symbol) / 2,
)  # fmt: skip

VARIANTS = (LEAST_SQUARES,)
