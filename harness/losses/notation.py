"""Formulas as text and as LaTeX, and the losses of both players of a variant in both notations."""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy import Expr
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from harness.losses.primitives import fake, fake_mean, log_mean_exp, real, real_mean, y_fake, y_real
from harness.losses.variant import Variant

_LATEX_NAMES = {
    real: r"\ell_r",
    fake: r"\ell_f",
    real_mean: r"\overline{\ell_r}",
    fake_mean: r"\overline{\ell_f}",
    y_real: "y_r",
    y_fake: "y_f",
    log_mean_exp: r"\Lambda",
}


def arranged(terms: Iterable[Expr]) -> list[Expr]:
    """The terms of a sum in the order of papers: SymPy's order within each kind, and in sums without logits.

    A sum over both kinds of data: real terms first, then fake ones. A sum over one kind: added terms before subtracted.
    """

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
        return arranged(super()._as_ordered_terms(expr, order=order))


class _LatexPrinter(LatexPrinter):  # type: ignore[misc]
    def _as_ordered_terms(self, expr: Expr, order: str | None = None) -> list[Expr]:
        return arranged(super()._as_ordered_terms(expr, order=order))

    def _print_floor_at(self, expr: Expr) -> str:
        x, bound = expr.args
        return rf"\max\left({self._print(x)}, {self._print(bound)}\right)"

    def _print_deformed(self, expr: Expr) -> str:
        x, k = expr.args
        return self._print((1 - sympy.exp(-k * x)) / k)  # type: ignore[no-any-return]

    def _print_abs_power(self, expr: Expr) -> str:
        x, k = expr.args
        return rf"\left|{{{self._print(x)}}}\right|^{{{self._print(k)}}}"

    def _print_signed_power(self, expr: Expr) -> str:
        x, k = expr.args
        sign = rf"\operatorname{{sign}}{{\left({self._print(x)} \right)}}"
        return rf"{sign} \left|{{{self._print(x)}}}\right|^{{{self._print(k)}}}"


def text(expression: Expr) -> str:
    """The expression on one line, as in ``softplus(-real) + softplus(fake)``."""
    return str(_TextPrinter({"full_prec": False}).doprint(expression))


def latex(expression: Expr) -> str:
    r"""The expression in LaTeX without dollar signs; logits are \ell_r and \ell_f, a bar is a batch mean."""
    return str(_LatexPrinter({"symbol_names": _LATEX_NAMES, "full_prec": False}).doprint(expression))


#: The loss of a player whose formula is 0 and who has no direct loss.
_NOTHING = "nothing"


def discriminator_text(variant: Variant) -> str:
    """The discriminator's loss as text; ``nothing`` if the generator learns without it."""
    return _minimised(variant.discriminator, text(variant.discriminator)) or _NOTHING


def generator_text(variant: Variant) -> str:
    """The generator's loss as text: its formula of the logits plus its direct loss of the values."""
    direct = variant.direct.text if variant.direct else ""
    return _minimised(variant.generator, text(variant.generator), direct) or _NOTHING


def discriminator_latex(variant: Variant) -> str:
    """The discriminator's loss in LaTeX."""
    return _minimised(variant.discriminator, latex(variant.discriminator)) or rf"\text{{{_NOTHING}}}"


def generator_latex(variant: Variant) -> str:
    """The generator's loss in LaTeX."""
    direct = variant.direct.formula if variant.direct else ""
    return _minimised(variant.generator, latex(variant.generator), direct) or rf"\text{{{_NOTHING}}}"


def _minimised(formula: Expr, printed: str, direct: str = "") -> str:
    return " + ".join(part for part in (printed if formula != 0 else "", direct) if part)
