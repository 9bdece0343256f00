"""Limits of expressions with kinks: each kink is replaced by the branch that it takes near the end.

The laws of limits decide most cases, a hundred times as fast as SymPy, which decides the rest.
"""

from __future__ import annotations

from functools import cache

import sympy
from sympy import Expr, Symbol

from harness.losses.primitives import (
    abs_power,
    elementary,
    floor_at,
    floor_ratio,
    probability,
    relu,
    sigmoid,
    signed_power,
    softplus,
    step,
)

#: Continuous functions of a real number, by their limits at -oo and at oo.
_CONTINUOUS = {
    probability: (sympy.S.Zero, sympy.S.One),
    sigmoid: (sympy.S.Zero, sympy.S.One),
    softplus: (sympy.S.Zero, sympy.oo),
    sympy.exp: (sympy.S.Zero, sympy.oo),
    sympy.tanh: (sympy.S.NegativeOne, sympy.S.One),
}


@cache
def limit(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The limit of the expression as ``symbol`` goes to ``end`` (``sympy.oo`` or ``-sympy.oo``).

    Other symbols stay symbols. None if SymPy cannot decide; the limit may still exist.
    """
    try:
        value = _limit(_eventually(expression, symbol, end), symbol, end)
    except (NotImplementedError, ValueError, TypeError, RecursionError):
        return None
    if value.has(sympy.Limit, sympy.AccumBounds, sympy.nan):
        return None
    return with_steps(sympy.simplify(sympy.nsimplify(value, rational=True)))


def with_steps(expression: Expr) -> Expr:
    """The expression with ``step`` in place of the Heaviside functions that ``elementary`` writes."""
    return expression.replace(sympy.Heaviside, lambda x, *_: step(x))


def _limit(expression: Expr, symbol: Symbol, end: Expr) -> Expr:
    """The limit of an expression without kinks, in elementary functions.

    Raises:
        NotImplementedError: SymPy cannot decide it; or another of SymPy's errors for that.
    """
    value = _by_laws(expression, symbol, end)
    return sympy.limit(elementary(expression), symbol, end) if value is None else elementary(value)


def _by_laws(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The limit by the laws for sums, products, powers with a fixed exponent and continuous functions.

    None if these do not decide it. Other symbols are assumed to have no special value.
    """
    if not expression.has(symbol):
        return expression
    if expression == symbol:
        return end
    kind = expression.func
    parts: list[Expr] = []
    for argument in expression.args:
        part = _by_laws(argument, symbol, end)
        if part is None:
            return None
        parts.append(part)
    infinite = [part for part in parts if part.is_infinite]
    if kind in _CONTINUOUS:
        return _CONTINUOUS[kind][parts[0] == sympy.oo] if infinite else kind(*parts)
    if kind in (sympy.Pow, abs_power, signed_power):
        fixed = not (infinite or expression.args[1].has(symbol) or parts[0] == 0)
        return kind(*parts) if fixed else None
    if kind is sympy.Add:
        return kind(*parts) if len(set(infinite)) < 2 else None
    if kind is sympy.Mul:
        # The sign of an infinite product is known only if its other factors are numbers.
        signs_known = all(part.is_infinite or (part.is_number and part.is_nonzero) for part in parts)
        return kind(*parts) if signs_known or not infinite else None
    return None


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
    if powers and _limit(x, symbol, end).is_infinite:
        # SymPy would take a limit of |x|^k without knowing k; it is infinite, 1 or 0 by the sign of k.
        raise NotImplementedError(f"sign of {rest[0]}")
    if not isinstance(expression, (relu, step, floor_at, floor_ratio)):
        return expression.func(x, *rest)
    bound = rest[0] if rest else sympy.S.Zero
    above = _limit(x - bound, symbol, end)
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
