"""Records of a variant besides its formulas: parameters, source, prediction, label laws, stated slopes.

The formulas and what is derived from them are in ``variant.py``.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import sympy
from sympy import Expr, Symbol

from harness.errors import InputError
from harness.losses.primitives import step

Outcome = Literal["converges", "rings", "cycles", "parks", "runs_away", "stalls", "unknown"]
#: Predicted outcomes of training. converges: settles on the target. rings: reaches it and oscillates with
#: falling amplitude. cycles: oscillates without settling. parks: settles beside it. runs_away: leaves it.
#: stalls: stops moving before it arrives. unknown: no prediction.
OUTCOMES: tuple[str, ...] = get_args(Outcome)

#: The uniform number in (0, 1) from which a label is drawn.
uniform = Symbol("u", real=True)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a variant, with its interval; an open end is excluded.

    Raises:
        InputError: the interval is empty or not finite, or the default is outside it.
    """

    name: str
    default: float
    low: float
    high: float
    meaning: str
    low_open: bool = False
    high_open: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise InputError(f"parameter {self.name!r}: the name must be an identifier")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"parameter {self.name}: needs finite low < high, got {self.low:g}, {self.high:g}")
        if not self.contains(self.default):
            raise InputError(f"parameter {self.name}: default {self.default:g} is outside {self.interval}")

    @property
    def symbol(self) -> Symbol:
        """The symbol of the parameter in formulas."""
        return Symbol(self.name, real=True)

    @property
    def interval(self) -> str:
        """The allowed values as text, e.g. ``[0, 0.5)``."""
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"

    def contains(self, value: float) -> bool:
        """True when ``value`` is in the interval; never for NaN."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def check(self, value: object, where: str) -> float:
        """``value`` as a float.

        Raises:
            InputError: it is not a number, or outside the interval; the message begins with ``where``.
        """
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputError(f"{where}: {self.name} must be a number in {self.interval}, got {value!r}")
        number = float(value)
        if not self.contains(number):
            raise InputError(f"{where}: {self.name} = {number:g} is outside {self.interval}")
        return number


@dataclass(frozen=True)
class Citation:
    """A publication. ``authors`` are full names, family name last; ``where`` is an equation or section.

    ``checked`` names the source that the formula was compared with, such as "the paper's eq. 4" or a file of a
    repository; it is empty if only a secondary source was available.
    """

    key: str
    authors: tuple[str, ...]
    year: int | None
    title: str
    identifier: str = ""
    where: str = ""
    checked: str = ""

    def at(self, where: str = "", checked: str = "") -> Citation:
        """The same paper with another place and another source of comparison."""
        return replace(self, where=where, checked=checked)

    def short(self) -> str:
        """Author-year form: ``Goodfellow et al. 2014``; ``unpublished`` without authors."""
        families = [name.split()[-1] for name in self.authors]
        if not families:
            return "unpublished"
        authors = f"{families[0]} et al." if len(families) > 2 else " & ".join(families)
        return f"{authors} {self.year}" if self.year is not None else authors

    def bibtex(self) -> str:
        """A BibTeX ``@misc`` entry, with the identifier as ``eprint`` for arXiv and ``howpublished`` otherwise."""
        fields = {"title": f"{{{self.title}}}"}
        if self.authors:
            fields["author"] = " and ".join(self.authors)
        if self.year is not None:
            fields["year"] = str(self.year)
        if self.identifier.startswith("arXiv:"):
            fields |= {"eprint": self.identifier.removeprefix("arXiv:"), "archiveprefix": "arXiv"}
        elif self.identifier:
            fields["howpublished"] = self.identifier
        if self.where:
            fields["note"] = self.where
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@misc{{{self.key},\n{lines}\n}}"


UNPUBLISHED = Citation(key="unpublished", authors=(), year=None, title="Unpublished")


@dataclass(frozen=True)
class Prediction:
    """The outcome of training that theory predicts: one of ``OUTCOMES``, a sentence, and the source.

    Raises:
        InputError: the outcome is not one of ``OUTCOMES``.
    """

    outcome: Outcome
    text: str
    source: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise InputError(f"prediction: got outcome {self.outcome!r}; allowed: {', '.join(OUTCOMES)}")


NO_PREDICTION = Prediction("unknown", "No prediction was recorded.")


@dataclass(frozen=True)
class Dirac:
    """Predictions for the Dirac-GAN (``analysis/dirac/``), for each order of updates, at default parameters.

    Raises:
        InputError: an outcome is not one of ``OUTCOMES``.
    """

    alternating: Outcome = "unknown"
    simultaneous: Outcome = "unknown"

    def __post_init__(self) -> None:
        for outcome in (self.alternating, self.simultaneous):
            if outcome not in OUTCOMES:
                raise InputError(f"Dirac prediction: got outcome {outcome!r}; allowed: {', '.join(OUTCOMES)}")


NO_DIRAC = Dirac()

Relation = Literal["same", "negated"]


@dataclass(frozen=True)
class Equivalence:
    """A declared identity: this variant trains exactly like ``other``, from the same random seed.

    ``other`` is a variant's text, such as ``least_squares(a=-1, b=1, c=0)``; ``params`` are this variant's parameters
    for which it holds, defaults elsewhere. "same": equal slopes at equal logits. "negated": the slopes of ``other`` at
    the negated logits, negated, so that D's last layer is negated and all else equal. If ``settings`` is false the two
    need different settings (such as penalties), and are equal once trained with the same ones. ``why`` is the reason
    in words.
    """

    other: str
    why: str
    relation: Relation = "same"
    params: tuple[tuple[str, float], ...] = ()
    settings: bool = True


class LabelDistribution(Protocol):
    """The law of a random label of D."""

    @property
    def mean(self) -> Expr:
        """The label's expectation, as an expression of the parameters."""

    @property
    def draw(self) -> Expr:
        """The label as a function of a uniform number u in (0, 1)."""


@dataclass(frozen=True)
class Uniform:
    """A label drawn evenly from [low, high]; both are expressions of the parameters, and may lie outside [0, 1]."""

    low: Expr
    high: Expr

    @property
    def mean(self) -> Expr:
        """The label's expectation, (low + high)/2."""
        return (sympy.sympify(self.low) + sympy.sympify(self.high)) / 2

    @property
    def draw(self) -> Expr:
        """The label as a function of a uniform number u: low + (high - low) u."""
        low, high = sympy.sympify(self.low), sympy.sympify(self.high)
        return low + (high - low) * uniform


@dataclass(frozen=True)
class Bernoulli:
    """A label that is 1 ("real") with probability ``chance``, an expression of the parameters, else 0."""

    chance: Expr

    @property
    def mean(self) -> Expr:
        """The label's expectation."""
        return sympy.sympify(self.chance)

    @property
    def draw(self) -> Expr:
        """The label as a function of a uniform number u: 1 where u < chance."""
        return step(self.mean - uniform)


@dataclass(frozen=True)
class Labels:
    """The laws of ``y_real`` and ``y_fake``, drawn independently for every decision of the discriminator."""

    real: LabelDistribution
    fake: LabelDistribution


@dataclass(frozen=True)
class Slopes:
    """Stated slopes, for a loss whose published gradient is not the derivative of its formula.

    ``real`` and ``fake`` are dD/dreal and dD/dfake of one element, ``generator`` is dG/dfake.
    """

    real: Expr
    fake: Expr
    generator: Expr
