"""What a variant says about itself besides its formula: parameters, source, prediction, label laws.

Plain frozen records; the formula and what is derived from it are in ``formula.py``.
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
#: What training is predicted to do. converges: settles on the target. rings: reaches it and oscillates with
#: falling amplitude. cycles: oscillates without settling. parks: settles beside it. runs_away: leaves it.
#: stalls: stops moving before it arrives. unknown: nobody has said.
OUTCOMES: tuple[str, ...] = get_args(Outcome)

#: The uniform number in (0, 1) that a label is drawn with.
uniform = Symbol("u", real=True)


@dataclass(frozen=True)
class Parameter:
    """One number of a variant, with the interval it may lie in; an open end is itself excluded.

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
        """The symbol that stands for it in formulas."""
        return Symbol(self.name, real=True)

    @property
    def interval(self) -> str:
        """The allowed values as text, e.g. ``[0, 0.5)``."""
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"

    def contains(self, value: float) -> bool:
        """Whether ``value`` is allowed; never for NaN."""
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
    """Where a variant was published. ``authors`` are full names, family name last; ``where`` an equation or section.

    ``checked`` names what the formula was held against, such as "the paper's eq. 4" or a repository's file; empty if
    it was written from a secondary source alone.
    """

    key: str
    authors: tuple[str, ...]
    year: int | None
    title: str
    identifier: str = ""
    where: str = ""
    checked: str = ""

    def at(self, where: str = "", checked: str = "") -> Citation:
        """The same paper at another place, held against something else."""
        return replace(self, where=where, checked=checked)

    def short(self) -> str:
        """Author-year form: ``Goodfellow et al. 2014``; ``unpublished`` without authors."""
        families = [name.split()[-1] for name in self.authors]
        if not families:
            return "unpublished"
        who = f"{families[0]} et al." if len(families) > 2 else " & ".join(families)
        return f"{who} {self.year}" if self.year is not None else who

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
    """What theory says training will do: one of ``OUTCOMES``, a sentence, and who says so.

    Raises:
        InputError: the outcome is not one of ``OUTCOMES``.
    """

    outcome: Outcome
    text: str
    source: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise InputError(f"prediction: outcome {self.outcome!r} is not one of {', '.join(OUTCOMES)}")


NO_PREDICTION = Prediction("unknown", "No prediction was recorded.")


@dataclass(frozen=True)
class Dirac:
    """What is predicted on the Dirac-GAN (``analysis/theory.py``), for each order of updates, with defaults.

    Raises:
        InputError: an outcome is not one of ``OUTCOMES``.
    """

    alternating: Outcome = "unknown"
    simultaneous: Outcome = "unknown"

    def __post_init__(self) -> None:
        for outcome in (self.alternating, self.simultaneous):
            if outcome not in OUTCOMES:
                raise InputError(f"Dirac prediction: outcome {outcome!r} is not one of {', '.join(OUTCOMES)}")


NO_DIRAC = Dirac()

Relation = Literal["same", "negated"]


@dataclass(frozen=True)
class Equivalence:
    """A declared identity: this variant trains as ``other`` does, from the same seed.

    ``other`` is a variant's text, such as ``least_squares(a=-1, b=1, c=0)``; ``params`` are this variant's parameters
    for which it holds, defaults elsewhere. "same": the same slopes at the same logits. "negated": the slopes of
    ``other`` at the negated logits, negated, so that D's last layer is negated and all else equal. Where ``settings``
    is false the two differ in what they need (their penalties), and are equal once trained with the same settings.
    ``why`` is the reason in words.
    """

    other: str
    why: str
    relation: Relation = "same"
    params: tuple[tuple[str, float], ...] = ()
    settings: bool = True


class LabelLaw(Protocol):
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
    """A label that is 1 ("real") with the given chance, else 0. ``chance`` is an expression of the parameters."""

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

    real: LabelLaw
    fake: LabelLaw


@dataclass(frozen=True)
class Slopes:
    """Slopes stated outright, for a loss whose published gradient is not the derivative of its formula.

    ``real`` and ``fake`` are dD/dreal and dD/dfake of one element, ``generator`` is dG/dfake.
    """

    real: Expr
    fake: Expr
    generator: Expr
