"""The symbols and stable functions that loss formulas are written in.

Mathematics only: what each function is, its derivative, and its rewriting in elementary functions for limits.
Their evaluation is in ``backends/torch_function.py``. Write ``softplus(-fake)``, never ``log(sigmoid(fake))``: the
logarithm of a rounded sigmoid loses its argument where the gradient matters most.
"""
# ruff: noqa: N801 - SymPy functions are classes with lower-case names; the names are what formulas print.

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Symbol

#: Logits of D on real and on generated data; batch means of the two over the last axis.
real, fake = sympy.symbols("real fake", real=True)
real_mean, fake_mean = sympy.symbols("real_mean fake_mean", real=True)
#: log((sum of exp(real) + sum of exp(fake))/(2 K)) over the K real and the K fake logits of the last axis.
log_mean_exp = Symbol("log_mean_exp", real=True)
#: Random labels of D's real and fake decisions, 1 = "real" (see ``metadata.Bernoulli``).
y_real, y_fake = sympy.symbols("y_real y_fake", real=True)

LOGITS: tuple[Symbol, ...] = (real, fake, real_mean, fake_mean, log_mean_exp)
#: Those that are computed from both kinds of data.
SHARED: tuple[Symbol, ...] = (log_mean_exp,)
LABELS: tuple[Symbol, ...] = (y_real, y_fake)


class Primitive(sympy.Function):  # type: ignore[misc]
    """A real function of real numbers that formulas may use."""

    def _eval_is_extended_real(self) -> bool:
        return True


class softplus(Primitive):
    """softplus(x) = log(1 + exp(x)); derivative sigmoid(x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in the argument."""
        return sigmoid(self.args[0])

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return sympy.log(1 + sympy.exp(x))


class sigmoid(Primitive):
    """sigmoid(x) = 1/(1 + exp(-x)); derivative sigmoid(x) sigmoid(-x), which does not cancel for large x."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in the argument."""
        return sigmoid(self.args[0]) * sigmoid(-self.args[0])

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return 1 / (1 + sympy.exp(-x))


class log1p(Primitive):
    """log1p(x) = log(1 + x), accurate for small x; derivative 1/(1 + x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in the argument."""
        return 1 / (1 + self.args[0])

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return sympy.log(1 + x)


class relu(Primitive):
    """relu(x) = max(x, 0); derivative step(x)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in the argument; 0 at the kink, as torch has it."""
        return step(self.args[0])

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return sympy.Max(x, 0)


class step(Primitive):
    """step(x) = 1 for x > 0, else 0; so step(0) = 0. Its derivative counts as 0 everywhere."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """Zero: the jump has no derivative and is never trained through."""
        return sympy.Integer(0)

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return sympy.Heaviside(x, 0)


class floor_at(Primitive):
    """floor_at(x, b) = max(x, b); derivative in x is step(x - b), in b the rest."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in ``x`` (1) or in the bound ``b`` (2)."""
        above = step(self.args[0] - self.args[1])
        return above if argindex == 1 else 1 - above

    def _eval_rewrite_as_elementary(self, x: Expr, bound: Expr, **_: Any) -> Expr:
        return sympy.Max(x, bound)


class floor_ratio(Primitive):
    """floor_ratio(x, b) = x/max(x, b) for x >= 0, b > 0: it is 1 from b upward, and falls to 0 linearly below."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in ``x`` (1) or in the bound ``b`` (2)."""
        x, bound = self.args
        below = 1 - step(x - bound)
        return below / bound if argindex == 1 else -below * x / bound**2

    def _eval_rewrite_as_elementary(self, x: Expr, bound: Expr, **_: Any) -> Expr:
        return x / sympy.Max(x, bound)


class probability(Primitive):
    """The sigmoid as a number of the working precision: fl(1/fl(1 + fl(exp(-x)))).

    Over the reals it is the sigmoid. In float32 it is exactly 1 from about x = 16.6 upward, which is what a
    loss computed from probabilities sees. Derivative p (1 - p), formed from the rounded p.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in the argument."""
        return self * (1 - self)

    def _eval_rewrite_as_elementary(self, x: Expr, **_: Any) -> Expr:
        return 1 / (1 + sympy.exp(-x))


class deformed(Primitive):
    """deformed(x, k) = (1 - exp(-k x))/k, and x where k = 0; derivative exp(-k x). ``k`` is held fixed.

    A deformed logarithm: with x = -log p it is (1 - p^k)/k, which runs from -log p at k = 0 to 1 - p at k = 1.
    """

    nargs = 2

    @classmethod
    def eval(cls, x: Expr, k: Expr) -> Expr | None:
        """x itself where k is the number 0."""
        return x if k.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in ``x``."""
        x, k = self.args
        return sympy.exp(-k * x) if argindex == 1 else _held_fixed(self, argindex)

    def _eval_rewrite_as_elementary(self, x: Expr, k: Expr, **_: Any) -> Expr:
        return (1 - sympy.exp(-k * x)) / k


class abs_power(Primitive):
    """abs_power(x, k) = |x|^k for k >= 1; derivative k signed_power(x, k - 1). ``k`` is held fixed.

    SymPy differentiates Abs(x)**k into a quotient by Abs(x), which is 0/0 at 0.
    """

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in ``x``; 0 at 0, for k = 1 as well, as torch has it."""
        x, k = self.args
        return k * signed_power(x, k - 1) if argindex == 1 else _held_fixed(self, argindex)

    def _eval_rewrite_as_elementary(self, x: Expr, k: Expr, **_: Any) -> Expr:
        return sympy.Abs(x) ** k


class signed_power(Primitive):
    """signed_power(x, k) = sign(x) |x|^k for k >= 0; derivative k |x|^(k - 1), infinite at 0 for k < 1."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative in ``x``."""
        x, k = self.args
        return k * abs_power(x, k - 1) if argindex == 1 else _held_fixed(self, argindex)

    def _eval_rewrite_as_elementary(self, x: Expr, k: Expr, **_: Any) -> Expr:
        return sympy.sign(x) * sympy.Abs(x) ** k


def _held_fixed(function: Primitive, argindex: int) -> Expr:
    raise sympy.core.function.ArgumentIndexError(function, argindex)


PRIMITIVES: tuple[type[Primitive], ...] = (
    softplus, sigmoid, log1p, relu, step, floor_at, floor_ratio, probability, deformed, abs_power, signed_power,
)  # fmt: skip
#: What formulas may contain besides numbers, +, -, *, / and powers.
FUNCTIONS: tuple[type[Expr], ...] = (*PRIMITIVES, sympy.exp, sympy.log, sympy.tanh, sympy.Abs, sympy.sign)


def elementary(expression: Expr) -> Expr:
    """The same expression with every primitive written out in exp, log, Max and Heaviside."""
    return expression.rewrite("elementary")


def foreign_parts(expression: Expr) -> list[str]:
    """Names of what the formula contains but the harness cannot compute, in alphabetical order; empty if fine."""
    arithmetic = (sympy.Add, sympy.Mul, sympy.Pow, sympy.Rational, sympy.Float, sympy.NumberSymbol, Symbol)
    nodes = sympy.preorder_traversal(expression)
    return sorted({type(n).__name__ for n in nodes if not isinstance(n, (*arithmetic, *FUNCTIONS))})
