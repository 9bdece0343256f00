"""Limits of expressions with kinks: each kink is replaced by the branch that it takes far out, the rest is SymPy's."""

from __future__ import annotations

from functools import cache

import sympy
from sympy import Expr, Symbol

from harness.losses.primitives import abs_power, elementary, floor_at, floor_ratio, relu, signed_power, step


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
    return with_steps(sympy.simplify(sympy.nsimplify(found, rational=True)))


def with_steps(expression: Expr) -> Expr:
    """The expression with SymPy's Heaviside functions, which ``elementary`` writes, as the steps they came from."""
    return expression.replace(sympy.Heaviside, lambda x, *_: step(x))


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
    powers = isinstance(expression, (abs_power, signed_power)) and not rest[0].is_number
    if powers and sympy.limit(elementary(x), symbol, end).is_infinite:
        # SymPy would take a limit of |x|^k without knowing k; far out it is infinite, 1 or 0 with k's sign.
        raise NotImplementedError(f"sign of {rest[0]}")
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
