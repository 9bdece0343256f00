"""Algebra on formulas: derivatives through batch statistics, separation, expectations, the order of terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import sympy
from sympy import Expr, Symbol

from harness.losses.metadata import Labels
from harness.losses.primitives import fake, fake_mean, log_mean_exp, real, real_mean, y_fake, y_real

#: Code for kernels writes integer powers up to this one as products.
_MOST_FACTORS = 8


@dataclass(frozen=True)
class Derivative:
    """d(sum of a loss over the batch)/d(one logit l) = ``own`` + mean(``through_mean``) + mean(``through_lme``) w(l).

    ``own`` is the partial derivative in the logit, ``through_mean`` the one in the logit's batch mean: each of
    the K elements of the sum holds the mean, to which the logit contributes 1/K. ``through_lme`` is the one in
    ``log_mean_exp``, whose derivative in the logit is w(l)/K with w(l) = exp(l - log_mean_exp)/2.
    """

    own: Expr
    through_mean: Expr = sympy.S.Zero
    through_lme: Expr = sympy.S.Zero


def derivative(loss: Expr, logit: Symbol) -> Derivative:
    """The derivative of ``loss`` in the logit ``real`` or ``fake``, by SymPy."""
    mean = real_mean if logit == real else fake_mean
    return Derivative(sympy.diff(loss, logit), sympy.diff(loss, mean), sympy.diff(loss, log_mean_exp))


@cache
def expectation(expression: Expr, labels: Labels) -> Expr:
    """The expectation over the labels of an expression linear in them: their means in their place."""
    return expression.xreplace({y_real: labels.real.mean, y_fake: labels.fake.mean})


@cache
def symbols_of(expression: Expr) -> frozenset[Symbol]:
    """The free symbols, cached: walking the expression costs more than a small tensor operation."""
    return frozenset(expression.free_symbols)


@cache
def separated(loss: Expr) -> tuple[Expr, Expr] | None:
    """The loss as (terms of real data alone, terms of fake data alone), or None if some term mixes them.

    A constant term is halved between the two.
    """
    real_part = fake_part = sympy.S.Zero
    for term in sympy.Add.make_args(loss):
        reads_real = bool(term.free_symbols & {real, real_mean, y_real, log_mean_exp})
        reads_fake = bool(term.free_symbols & {fake, fake_mean, y_fake, log_mean_exp})
        if reads_real and reads_fake:
            expanded = sympy.expand_mul(term)
            return separated(loss - term + expanded) if expanded.is_Add else None
        if reads_real:
            real_part += term
        elif reads_fake:
            fake_part += term
        else:
            real_part, fake_part = real_part + term / 2, fake_part + term / 2
    return real_part, fake_part


def in_order(terms: Iterable[Expr]) -> list[Expr]:
    """The terms of a sum or product in the order of generated code, numbers and symbols first; SymPy's may differ."""
    return sorted(terms, key=lambda e: (e.count_ops(), sympy.default_sort_key(e)))


def is_product(exponent: Expr) -> bool:
    """True when a power is written as a product of its base, or as 1 over that product."""
    return bool(exponent.is_Integer and abs(int(exponent)) <= _MOST_FACTORS)
