"""Relativistic losses: D says how much more real one decision is than another, never how real it is.

Three ways to compare (each a pair of y for real and for fake data) times three scalar functions f, which is small
where y is large. D minimises f(y_real) + f(-y_fake), G the same with the two kinds of data swapped:

    paired     rp...  f(real - fake)                                   Jolicoeur-Martineau 2018 (arXiv:1807.00734)
    average    ra...  [f(real - fake_mean) + f(real_mean - fake)]/2    the same paper
    centred    rc...  [f(real - mean) + f(mean - fake)]/2, mean = (real_mean + fake_mean)/2      2019 (1901.02474)

The author's programs disagree about constant factors: AlexiaJM/RelativisticGAN halves the average forms and leaves the
paired ones alone; AlexiaJM/relativistic-f-divergences halves nothing and doubles D's paired loss, but not G's. Here
all three forms are means over their terms, as in the first. So with one decision a minibatch, as under a view of whole
sets, the paired and the average form are the same loss, and the centred one is it at half the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympy import Expr

from harness.losses.metadata import Citation, Dirac, Outcome, Prediction
from harness.losses.primitives import fake, fake_mean, real, real_mean, relu, softplus
from harness.losses.variant import Variant

_RINGS = Dirac(alternating="rings", simultaneous="cycles")
_CYCLES = Dirac(alternating="cycles", simultaneous="cycles")


@dataclass(frozen=True)
class Scalar:
    """One scalar function f, what it does to the game, and the ending of the names made of it."""

    ending: str
    of: Callable[[Expr], Expr]
    outcome: Outcome
    dirac: Dirac
    text: str


@dataclass(frozen=True)
class Pairing:
    """A way to compare decisions: the terms over which D's mean of f is taken, and their effect."""

    prefix: str
    terms: tuple[Expr, ...]
    citation: Citation
    text: str
    confused_with: str


_CENTRE = (real_mean + fake_mean) / 2
_SWAPPED = {real: fake, fake: real, real_mean: fake_mean, fake_mean: real_mean}


def _citation(key: str, year: int, title: str, identifier: str, checked: str) -> Citation:
    return Citation(key, ("Alexia Jolicoeur-Martineau",), year, title, identifier, checked=checked)


_FIRST = (
    "jolicoeurmartineau2018relativistic", 2018,
    "The relativistic discriminator: a key element missing from standard GAN", "arXiv:1807.00734",
)  # fmt: skip

PAIRINGS = (
    Pairing(
        prefix="rp",
        terms=(real - fake,),
        citation=_citation(
            *_FIRST,
            "AlexiaJM/RelativisticGAN, README.md (log loss); the author's relativistic-f-divergences program, losses "
            "31 to 33 (all three; D's doubled there)",
        ),
        text="Each real decision is compared with the fake one of the same index.",
        confused_with="its ra... form, which compares with the mean of the other kind: equal only for one decision.",
    ),
    Pairing(
        prefix="ra",
        terms=(real - fake_mean, real_mean - fake),
        citation=_citation(*_FIRST, "AlexiaJM/RelativisticGAN, README.md, factors 1/2 included"),
        text="Each decision is compared with the mean of the other kind, which adds a slope through that mean.",
        confused_with="programs that subtract within one kind of data, or whose G is plainly non-saturating: the "
        "published G has both terms.",
    ),
    Pairing(
        prefix="rc",
        terms=(real - _CENTRE, _CENTRE - fake),
        citation=_citation(
            "jolicoeurmartineau2019relativistic", 2019, "On Relativistic f-Divergences", "arXiv:1901.02474",
            "the author's relativistic-f-divergences program, losses 21 to 23, which do not halve",
        ),
        text="Each decision is compared with the mean of all decisions of the minibatch.",
        confused_with="its ra... form, which compares with the mean of the other kind instead of the mean of both.",
    ),
)  # fmt: skip

SCALARS = (
    Scalar(
        ending="gan",
        of=lambda y: softplus(-y),
        outcome="rings",
        dirac=_RINGS,
        text="The log loss: near equilibrium the game of non_saturating, with the same slow spiral on Dirac, so "
        "N(4, 1.25) should arrive as it does and ring.",
    ),
    Scalar(
        ending="ls",
        of=lambda y: (y - 1) ** 2,
        outcome="rings",
        dirac=_RINGS,
        text="Least squares with target 1 for the difference: a faster spiral than the log loss (f'(0) is four times "
        "as large), so N(4, 1.25) should ring quicker and more narrowly.",
    ),
    Scalar(
        ending="hinge",
        of=lambda y: relu(1 - y),
        outcome="cycles",
        dirac=_CYCLES,
        text="Linear while the difference is below 1, so there it is the Wasserstein game without a bound on D: on "
        "N(4, 1.25) the mean should swing about 4 without settling, unless the smooth densities damp it.",
    ),
)


def _variant(comparison: Pairing, scalar: Scalar) -> Variant:
    terms = [scalar.of(term) for term in comparison.terms]
    discriminator = sum(terms[1:], terms[0]) / len(terms)
    return Variant(
        name=comparison.prefix + scalar.ending,
        family="relativistic",
        discriminator=discriminator,
        generator=discriminator.xreplace(_SWAPPED),
        citation=comparison.citation,
        prediction=Prediction(
            scalar.outcome,
            f"{comparison.text} {scalar.text}",
            "Dirac-GAN with one decision, linear discriminator, steps of 0.1 (20,000 and 40,000 of them)",
        ),
        confused_with=comparison.confused_with,
        dirac=scalar.dirac,
    )


VARIANTS = tuple(_variant(comparison, scalar) for scalar in SCALARS for comparison in PAIRINGS)
RPGAN, RAGAN, RCGAN = VARIANTS[:3]
