"""Loss variants as C: slopes, label laws and the coefficients of penalties, as functions for a kernel.

The code needs ``fn::`` functions of float32 (``engines/cuda/kernel/elementary.cuh``) and the macro ``APART`` for
functions that are compiled separately, so that a variant's rounding does not depend on which others are compiled too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import sympy
from sympy import Expr, Symbol

from harness.errors import InputError
from harness.losses.derivatives import Derivative, in_order, is_product, symbols_of
from harness.losses.metadata import uniform
from harness.losses.primitives import LABELS, LOGITS, foreign_parts, log_mean_exp, probability

if TYPE_CHECKING:
    from harness.losses.variant import Variant

#: The slopes of a variant that a kernel calls, in the order of ``enum Slope``'s values.
SLOPES = ("real", "fake", "generator")

#: The names of SymPy's functions in C; a primitive keeps its own.
_NAMES = {sympy.exp: "exp", sympy.log: "log", sympy.tanh: "tanh", sympy.Abs: "fabs", sympy.sign: "sign"}


class _CWriter:
    """Writes expressions as C; ``names`` gives each symbol's name there."""

    def __init__(self, names: Mapping[Symbol, str]) -> None:
        self._names = dict(names)

    def statements(self, expressions: Sequence[Expr], targets: Sequence[str]) -> list[str]:
        """Statements that assign the expressions to the targets; common subexpressions are computed once."""
        parts = [sympy.sympify(e) for e in expressions]
        if foreign := sorted({name for e in parts for name in foreign_parts(e)}):
            raise InputError(f"no C form for {', '.join(foreign)}")
        shared, rest = sympy.cse(parts, symbols=sympy.numbered_symbols("shared", real=True))
        statements = []
        for symbol, value in shared:
            statements.append(f"    const float {symbol} = {self.text(value)};")
            self._names[symbol] = str(symbol)
        return [*statements, *(f"    {target} = {self.text(e)};" for target, e in zip(targets, rest, strict=True))]

    def text(self, e: Expr) -> str:
        """One real expression in float32."""
        if isinstance(e, Symbol):
            return str(self._names[e])
        if e.is_number and not e.has(probability):
            return _number(e)
        if e.is_Add:
            return f"({' + '.join(map(self.text, in_order(e.args)))})"
        if e.is_Mul:
            numerator, denominator = e.as_numer_denom()
            if denominator == 1:
                return f"({' * '.join(map(self.text, in_order(e.args)))})"
            return f"({self.text(numerator)} / {self.text(denominator)})"
        if e.is_Pow:
            return self._power(*e.args)
        name: str = _NAMES.get(type(e), type(e).__name__)
        return f"fn::{name}({', '.join(map(self.text, e.args))})"

    def _power(self, base: Expr, exponent: Expr) -> str:
        if is_product(exponent):
            product = " * ".join([self.text(base)] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1.0f / ({product}))"
        if abs(exponent) == sympy.Rational(1, 2):
            root = f"fn::sqrt({self.text(base)})"
            return root if exponent > 0 else f"(1.0f / {root})"
        return f"fn::exp({self.text(exponent)} * fn::log({self.text(base)}))"


def _number(e: Expr) -> str:
    value = float(e.evalf(17))
    text = repr(abs(value))
    plain = text if any(c in text for c in ".en") else f"{text}.0"
    return f"{plain}f" if value >= 0 else f"(-{plain}f)"


def derivatives(variant: Variant) -> tuple[Derivative, Derivative, Derivative]:
    """The variant's derivatives in the order of ``SLOPES``."""
    return variant.real_derivative, variant.fake_derivative, variant.generator_derivative


@cache
def statistics_of(variant: Variant) -> frozenset[Symbol]:
    """The batch statistics of the logits that its slopes read or run through."""
    statistics: set[Symbol] = set()
    for d in derivatives(variant):
        for e in (d.own, d.through_mean, d.through_lme):
            statistics |= symbols_of(e) & set(LOGITS[2:])
        if d.through_lme != 0:
            statistics.add(log_mean_exp)
    return frozenset(statistics)


def runs_through_statistics(variant: Variant) -> bool:
    """True when a slope at one logit depends on the terms of other decisions."""
    return any(d.through_mean != 0 or d.through_lme != 0 for d in derivatives(variant))


def refusal(variant: Variant) -> str | None:
    """The reason why the variant has no C form, or None."""
    try:
        variant_source(0, variant)
    except InputError as error:
        return f"{variant.name}: {error}"
    return None


@cache
def variant_source(number: int, variant: Variant) -> str:
    """The functions ``real_<n>``, ``fake_<n>``, ``generator_<n>`` and, where labels are drawn, ``labels_<n>``.

    A slope function fills a ``Slope`` from ``Logits`` and the parameters ``p``:
    d(sum of losses)/d(logit l) = own + mean(through_mean) + mean(through_lme) exp(l - log_mean_exp)/2.

    Raises:
        InputError: a formula contains something without a C form.
    """
    parameters = {p.symbol: f"p[{i}]" for i, p in enumerate(variant.parameters)}
    logits = {s: f"l.{s}" for s in (*LOGITS, *LABELS)}
    targets = ("slope.own", "slope.through_mean", "slope.through_lme")
    lines: list[str] = []
    for name, d in zip(SLOPES, derivatives(variant), strict=True):
        lines += [
            f"// {variant.name}",
            f"APART Slope {name}_{number}(const Logits& l, const float* p) {{",
            "    (void)l, (void)p;",
            "    Slope slope;",
            *_CWriter(logits | parameters).statements((d.own, d.through_mean, d.through_lme), targets),
            "    return slope;",
            "}",
        ]
    for side, law in (("real", variant.labels.real), ("fake", variant.labels.fake)) if variant.labels else ():
        lines += [
            f"APART float label_{side}_{number}(float u, const float* p) {{",
            "    (void)u, (void)p;",
            "    float label;",
            *_CWriter({uniform: "u"} | parameters).statements((law.draw,), ("label",)),
            "    return label;",
            "}",
        ]
    return "\n".join(lines)


#: The arguments and results of every variant's functions.
DECLARATIONS = """\
struct Logits { float real, fake, real_mean, fake_mean, log_mean_exp, y_real, y_fake; };
struct Slope { float own, through_mean, through_lme; };
enum Side { ON_REAL, ON_FAKE, ON_GENERATED };
"""


def losses_source(variants: Sequence[Variant]) -> str:
    """``loss_slope(loss, side, logits, p)`` and ``draw_label(loss, side, u, p)`` over the variants, by their index.

    One launch can mix them: the switch depends on the block alone.

    Raises:
        InputError: a formula contains something without a C form.
    """
    parts = [DECLARATIONS, *(variant_source(i, v) for i, v in enumerate(variants))]
    slopes = [
        f"    case {3 * i + j}: return {name}_{i}(l, p);" for i in range(len(variants)) for j, name in enumerate(SLOPES)
    ]
    labels = [
        f"    case {2 * i + j}: return label_{side}_{i}(u, p);"
        for i, v in enumerate(variants)
        if v.labels is not None
        for j, side in enumerate(("real", "fake"))
    ]
    parts += [
        "APART Slope loss_slope(int loss, Side side, const Logits& l, const float* p) {",
        "    switch (3 * loss + (int)side) {",
        *slopes,
        "    default: return Slope{};",
        "    }",
        "}",
        "APART float draw_label(int loss, Side side, float u, const float* p) {",
        "    (void)p;",
        "    switch (2 * loss + (int)side) {",
        *labels,
        "    default: return u;",
        "    }",
        "}",
    ]
    return "\n".join(parts) + "\n"


def function_source(name: str, expression: Expr, argument: Symbol) -> str:
    """``float name(float x)`` of one expression of ``argument``, compiled separately.

    Raises:
        InputError: it contains something without a C form.
    """
    lines = [
        f"APART float {name}(float x) {{",
        "    float value;",
        *_CWriter({argument: "x"}).statements((expression,), ("value",)),
        "    return value;",
        "}",
    ]
    return "\n".join(lines) + "\n"
