"""What a variant looks like to a reader: formulas as text and LaTeX, slopes, their limits, one table of all.

The limits are proved by SymPy on the elementary form of the slope, with the parameters left as symbols.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from harness.losses.algebra import Derivative
from harness.losses.formula import Variant
from harness.losses.primitives import (
    elementary,
    fake,
    fake_mean,
    floor_at,
    floor_ratio,
    log_mean_exp,
    real,
    real_mean,
    relu,
    step,
    y_fake,
    y_real,
)

_LATEX_NAMES = {
    real: r"\ell_r",
    fake: r"\ell_f",
    real_mean: r"\overline{\ell_r}",
    fake_mean: r"\overline{\ell_f}",
    y_real: "y_r",
    y_fake: "y_f",
    log_mean_exp: r"\Lambda",
}
#: K times the derivative of ``log_mean_exp`` in a fake logit.
_WEIGHT = sympy.exp(fake - log_mean_exp) / 2


def _arranged(terms: Iterable[Expr]) -> list[Expr]:
    # As papers write them. A sum over both kinds of data: real first, then fake. A sum over one kind: what is
    # added before what is subtracted. SymPy's own order within each, and wherever no logit occurs.
    def kind(term: Expr) -> int:
        symbols = term.free_symbols
        return 0 if symbols & {real, real_mean, y_real} else 1 if symbols & {fake, fake_mean, y_fake} else 2

    def subtracted(term: Expr) -> bool:
        return bool(term.as_coeff_Mul()[0] < 0)

    terms = list(terms)
    kinds = {kind(term) for term in terms}
    if {0, 1} <= kinds:
        return sorted(terms, key=kind)
    return terms if kinds == {2} else sorted(terms, key=lambda term: (subtracted(term), kind(term)))


class _TextPrinter(StrPrinter):  # type: ignore[misc]
    def _as_ordered_terms(self, expr: Expr, order: str | None = None) -> list[Expr]:
        return _arranged(super()._as_ordered_terms(expr, order=order))


class _LatexPrinter(LatexPrinter):  # type: ignore[misc]
    def _as_ordered_terms(self, expr: Expr, order: str | None = None) -> list[Expr]:
        return _arranged(super()._as_ordered_terms(expr, order=order))

    def _print_floor_at(self, expr: Expr) -> str:
        x, bound = expr.args
        return rf"\max\left({self._print(x)}, {self._print(bound)}\right)"


def text(expression: Expr) -> str:
    """The expression on one line, as in ``softplus(-real) + softplus(fake)``."""
    return str(_TextPrinter({"full_prec": False}).doprint(expression))


def latex(expression: Expr) -> str:
    r"""The expression in LaTeX without dollar signs; logits are \ell_r and \ell_f, a bar is a batch mean."""
    return str(_LatexPrinter({"symbol_names": _LATEX_NAMES, "full_prec": False}).doprint(expression))


def discriminator_text(variant: Variant) -> str:
    """What the discriminator minimises, as text."""
    return text(variant.discriminator)


def generator_text(variant: Variant) -> str:
    """What the generator minimises, as text."""
    return text(variant.generator)


def discriminator_latex(variant: Variant) -> str:
    """What the discriminator minimises, in LaTeX."""
    return latex(variant.discriminator)


def generator_latex(variant: Variant) -> str:
    """What the generator minimises, in LaTeX."""
    return latex(variant.generator)


def generator_slope(variant: Variant) -> Derivative:
    """dG/dfake as expressions: the direct derivative, and the one through the batch mean (mostly 0)."""
    return variant.generator_derivative


def generator_slope_text(variant: Variant) -> str:
    """dG/dfake as text; ``mean(...)`` marks what is averaged over the batch."""
    slope = variant.generator_derivative
    parts = [text(slope.own)]
    if slope.through_mean != 0:
        parts.append(f"mean({text(slope.through_mean)})")
    if slope.through_lme != 0:
        parts.append(f"mean({text(slope.through_lme)})*{text(_WEIGHT)}")
    return " + ".join(parts)


def generator_slope_latex(variant: Variant) -> str:
    r"""dG/d\ell_f in LaTeX; an overline marks what is averaged over the batch."""
    slope = variant.generator_derivative
    parts = [latex(slope.own)]
    if slope.through_mean != 0:
        parts.append(rf"\overline{{{latex(slope.through_mean)}}}")
    if slope.through_lme != 0:
        parts.append(rf"\overline{{{latex(slope.through_lme)}}} \, {latex(_WEIGHT)}")
    return " + ".join(parts)


@cache
def limit(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The limit of the expression as ``symbol`` goes to ``end`` (``sympy.oo`` or ``-sympy.oo``).

    Other symbols stay symbols. None where SymPy cannot decide it, which says nothing about its existence.
    """
    try:
        found = sympy.limit(elementary(_eventually(expression, symbol, end)), symbol, end)
    except (NotImplementedError, ValueError, TypeError, RecursionError):
        return None
    if found.has(sympy.Limit, sympy.AccumBounds, sympy.nan):
        return None
    return sympy.simplify(sympy.nsimplify(found, rational=True))


def _eventually(expression: Expr, symbol: Symbol, end: Expr) -> Expr:
    """The expression near ``end``, with each function that has a kink replaced by the branch it takes there.

    Raises:
        NotImplementedError: the sign that decides a branch is not known.
    """
    if not expression.has(symbol):
        return expression
    if expression == symbol:
        return expression
    x, *rest = (_eventually(argument, symbol, end) for argument in expression.args)
    if not isinstance(expression, (relu, step, floor_at, floor_ratio)):
        return expression.func(x, *rest)
    bound = rest[0] if rest else sympy.S.Zero
    above = sympy.limit(elementary(x - bound), symbol, end)
    if not (above.is_extended_positive or above.is_extended_negative):
        raise NotImplementedError(f"sign of {above}")
    branches = {
        relu: (x, sympy.S.Zero),
        step: (sympy.S.One, sympy.S.Zero),
        floor_at: (x, bound),
        floor_ratio: (sympy.S.One, x / bound if rest else sympy.S.Zero),
    }
    on, off = branches[type(expression)]
    return on if above.is_extended_positive else off


def slope_at_infinity(variant: Variant, end: Expr) -> Expr | None:
    """The generator's slope where D is sure: ``-oo`` rejects the fake, ``oo`` accepts it.

    None if undecided, or if the loss reads batch means, which do not stand still while one logit leaves.
    """
    slope = variant.generator_derivative
    if slope.through_mean != 0 or slope.own.has(real_mean, fake_mean, log_mean_exp):
        return None
    return limit(slope.own, fake, end)


def slope_at_zero(variant: Variant) -> Expr | None:
    """The generator's slope at logit 0, where D cannot tell; None if the loss reads batch means."""
    slope = variant.generator_derivative
    if slope.through_mean != 0 or slope.own.has(real_mean, fake_mean, log_mean_exp):
        return None
    return sympy.simplify(sympy.nsimplify(elementary(slope.own.subs(fake, 0)), rational=True))


def describe(variant: Variant) -> dict[str, Any]:
    """One variant as a plain dictionary that JSON can hold; expressions are text, undecided ones None."""

    def optional(expression: Expr | None) -> str | None:
        return None if expression is None else text(expression)

    return {
        "name": variant.name,
        "family": variant.family,
        "generator": generator_text(variant),
        "discriminator": discriminator_text(variant),
        "generator_latex": generator_latex(variant),
        "discriminator_latex": discriminator_latex(variant),
        "generator_slope": generator_slope_text(variant),
        "slope_at_minus_infinity": optional(slope_at_infinity(variant, -sympy.oo)),
        "slope_at_plus_infinity": optional(slope_at_infinity(variant, sympy.oo)),
        "slope_at_zero": optional(slope_at_zero(variant)),
        "citation": variant.citation.short(),
        "identifier": variant.citation.identifier,
        "parameters": [
            {
                "name": p.name,
                "default": p.default,
                "low": p.low,
                "high": p.high,
                "interval": p.interval,
                "meaning": p.meaning,
            }
            for p in variant.parameters
        ],
        "prediction": {
            "outcome": variant.prediction.outcome,
            "text": variant.prediction.text,
            "source": variant.prediction.source,
        },
        "equilibrium_logit": optional(variant.equilibrium_logit),
        "needs": dict(variant.needs),
        "confused_with": variant.confused_with,
    }
