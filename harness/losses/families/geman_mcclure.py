"""Least squares with a bounded square: e^2/(1 + e^2), whose slope returns to 0 for large errors."""

from __future__ import annotations

from sympy import Expr, Integer

from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Citation, Dirac, Parameter, Prediction
from harness.losses.primitives import fake, real
from harness.losses.variant import Variant

_a = Parameter("a", 0.0, -1.0, 1.0, "D's target for fake data")
_b = Parameter("b", 1.0, -1.0, 1.0, "D's target for real data")
_c = Parameter("c", 1.0, -1.0, 1.0, "the generator's target")


def _bounded(error: Expr) -> Expr:
    # e^2/(1 + e^2) = 1 - 1/(1 + e^2), whose derivative does not cancel.
    return (Integer(1) - 1 / (1 + error**2)) / 2


GEMAN_MCCLURE = Variant(
    name="geman_mcclure",
    family="least_squares",
    discriminator=_bounded(real - _b.symbol) + _bounded(fake - _a.symbol),
    generator=_bounded(fake - _c.symbol),
    parameters=(_a, _b, _c),
    citation=Citation(
        key="geman1987statistical",
        authors=("Stuart Geman", "Donald E. McClure"),
        year=1987,
        title="Statistical Methods for Tomographic Image Reconstruction",
        identifier="Bulletin of the International Statistical Institute 52",
        where="the function; no primary source was found for its use in a GAN",
    ),
    prediction=Prediction(
        "rings",
        "Near its targets a slow least_squares (Dirac: amplitude 0.10 after 20,000 steps); an error far above 1 is "
        "given up on, so a fake that D rejects firmly has no slope and N(4, 1.25) may stall. Where |b - a| exceeds "
        "2/sqrt(3), (a + b)/2 is no longer D's best logit at equilibrium.",
        DIRAC,
    ),
    confused_with="least_squares, which it follows to second order around the targets and whose slope never returns.",
    equilibrium_logit=(_a.symbol + _b.symbol) / 2,
    dirac=Dirac("rings", "cycles"),
)

VARIANTS = (GEMAN_MCCLURE,)
