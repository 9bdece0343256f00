"""What a variant looks like to a reader: formulas as text and LaTeX, slopes, their limits, all of it as plain data.

The limits are proved by SymPy on the elementary form of the slope, with the parameters left as symbols. At given
values of the parameters, and with what other variants say of it, a variant is described by ``card.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import sympy
from sympy import Expr
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from harness.losses.derivatives import Derivative, symbols_of
from harness.losses.limits import limit, with_steps
from harness.losses.metadata import UNPUBLISHED
from harness.losses.primitives import (
    LOGITS,
    elementary,
    fake,
    fake_mean,
    log_mean_exp,
    real,
    real_mean,
    y_fake,
    y_real,
)
from harness.losses.symmetry import rejecting_end, swap_symmetric
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
#: K times the derivative of ``log_mean_exp`` in a fake logit.
_WEIGHT = sympy.exp(fake - log_mean_exp) / 2


def arranged(terms: Iterable[Expr]) -> list[Expr]:
    """The terms of a sum as papers write them: SymPy's own order within each kind, and wherever no logit occurs.

    A sum over both kinds of data: real first, then fake. A sum over one kind: what is added before what is subtracted.
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


#: What a player minimises whose formula is 0 and who has no other loss.
_NOTHING = "nothing"


def discriminator_text(variant: Variant) -> str:
    """What the discriminator minimises, as text; ``nothing`` where the generator learns without it."""
    return _minimised(variant.discriminator, text(variant.discriminator)) or _NOTHING


def generator_text(variant: Variant) -> str:
    """What the generator minimises, as text: its formula of the logits, and its loss of the values themselves."""
    direct = variant.direct.text if variant.direct else ""
    return _minimised(variant.generator, text(variant.generator), direct) or _NOTHING


def discriminator_latex(variant: Variant) -> str:
    """What the discriminator minimises, in LaTeX."""
    return _minimised(variant.discriminator, latex(variant.discriminator)) or rf"\text{{{_NOTHING}}}"


def generator_latex(variant: Variant) -> str:
    """What the generator minimises, in LaTeX."""
    direct = variant.direct.formula if variant.direct else ""
    return _minimised(variant.generator, latex(variant.generator), direct) or rf"\text{{{_NOTHING}}}"


def _minimised(formula: Expr, printed: str, direct: str = "") -> str:
    return " + ".join(part for part in (printed if formula != 0 else "", direct) if part)


def reads_logits(variant: Variant) -> bool:
    """Whether the generator learns from the discriminator at all."""
    return variant.slopes is not None or bool(symbols_of(variant.generator) & set(LOGITS))


def generator_slope(variant: Variant) -> Derivative:
    """dG/dfake as expressions: the direct derivative, and the one through the batch mean (mostly 0)."""
    return variant.generator_derivative


def generator_slope_text(variant: Variant) -> str:
    """dG/dfake as text; ``mean(...)`` marks what is averaged over the batch."""
    return _slope(variant.generator_derivative, text, "mean({})", "*")


def generator_slope_latex(variant: Variant) -> str:
    r"""dG/d\ell_f in LaTeX; an overline marks what is averaged over the batch."""
    return _slope(variant.generator_derivative, latex, r"\overline{{{}}}", r" \, ")


def _slope(slope: Derivative, written: Callable[[Expr], str], mean: str, times: str) -> str:
    """The whole derivative in one notation; ``mean`` formats what is averaged over the batch."""
    parts = [written(slope.own)]
    if slope.through_mean != 0:
        parts.append(mean.format(written(slope.through_mean)))
    if slope.through_lme != 0:
        parts.append(f"{mean.format(written(slope.through_lme))}{times}{written(_WEIGHT)}")
    return " + ".join(parts)


def _reads_the_batch(slope: Derivative) -> bool:
    through = bool(slope.through_mean != 0 or slope.through_lme != 0)
    return through or bool(slope.own.has(real_mean, fake_mean, log_mean_exp))


def slope_at_infinity(variant: Variant, end: Expr) -> Expr | None:
    """The generator's slope where D is sure: ``-oo`` rejects the fake, ``oo`` accepts it.

    None if undecided, or if the slope reads statistics of the batch, which do not stand still while one logit leaves.
    """
    slope = variant.generator_derivative
    if _reads_the_batch(slope):
        return None
    return limit(slope.own, fake, end)


def slope_at_zero(variant: Variant) -> Expr | None:
    """The generator's slope at logit 0, where D cannot tell; None if it reads statistics of the batch."""
    slope = variant.generator_derivative
    if _reads_the_batch(slope):
        return None
    return with_steps(sympy.simplify(sympy.nsimplify(elementary(slope.own.subs(fake, 0)), rational=True)))


def saturates(variant: Variant) -> str | None:
    """Whether the generator's slope vanishes where D is sure that a value is generated: yes, no or undecided.

    Where that depends on a parameter, its values: ``where t = 0``. None if the generator reads no logit, or D pushes
    generated data to neither end.
    """
    end = rejecting_end(variant)
    if end is None or not reads_logits(variant):
        return None
    slope = slope_at_infinity(variant, end)
    if slope is None:
        return "undecided"
    chosen = [p for p in variant.parameters if p.symbol in slope.free_symbols]
    if len(slope.free_symbols) != 1 or not chosen:
        # Logits of real data may remain, as in relativistic losses; then only an identity decides.
        return "yes" if slope == 0 else "undecided" if slope.free_symbols else "no"
    (parameter,) = chosen
    zeros = sympy.solveset(slope, parameter.symbol, sympy.S.Reals)
    if not isinstance(zeros, sympy.FiniteSet | sympy.sets.sets.EmptySet):
        return "undecided"
    inside = [zero for zero in zeros if parameter.contains(float(zero))]
    return "where " + " or ".join(f"{parameter.name} = {text(zero)}" for zero in inside) if inside else "no"


def _optional(expression: Expr | None) -> str | None:
    return None if expression is None else text(expression)


def outline(variant: Variant) -> dict[str, Any]:
    """What a table has of a variant, a part of ``describe``: names, both losses, and the generator's slope at both ends
    and at 0.
    """
    return {
        "name": variant.name,
        "family": variant.family,
        "generator": generator_text(variant),
        "discriminator": discriminator_text(variant),
        "reads_logits": reads_logits(variant),
        "slope_at_minus_infinity": _optional(slope_at_infinity(variant, -sympy.oo)),
        "slope_at_plus_infinity": _optional(slope_at_infinity(variant, sympy.oo)),
        "slope_at_zero": _optional(slope_at_zero(variant)),
        "citation": variant.citation.short(),
    }


def describe(variant: Variant) -> dict[str, Any]:
    """One variant as a plain dictionary that JSON can hold; expressions are text, undecided ones None."""
    laws = {"real": variant.labels.real, "fake": variant.labels.fake} if variant.labels else {}
    citation, direct = variant.citation, variant.direct
    return outline(variant) | {
        "generator_latex": generator_latex(variant),
        "discriminator_latex": discriminator_latex(variant),
        "direct": direct and {"text": direct.text, "latex": direct.formula},
        "generator_slope": generator_slope_text(variant),
        "generator_slope_latex": generator_slope_latex(variant),
        "saturates": saturates(variant),
        "swap_symmetric": swap_symmetric(variant),
        "title": citation.title,
        "identifier": citation.identifier,
        "where": citation.where,
        "checked": citation.checked,
        "bibtex": None if citation == UNPUBLISHED else citation.bibtex(),
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
        "labels": {kind: {"mean": text(law.mean), "draw": text(law.draw)} for kind, law in laws.items()},
        "prediction": asdict(variant.prediction),
        "dirac": asdict(variant.dirac),
        "equilibrium_logit": _optional(variant.equilibrium_logit),
        "equivalences": [asdict(e) | {"params": dict(e.params)} for e in variant.equivalences],
        "needs": dict(variant.needs),
        "confused_with": variant.confused_with,
    }
