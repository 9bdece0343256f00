"""Evaluation of formulas: as torch functions, and with mpmath to any number of digits.

The torch forms give an element the same bits at every place in a tensor. ``torch.sigmoid`` and
``torch.nn.functional.softplus`` do not: on a CPU their last few elements take another code path, one unit in the last
place apart. ``exp``, ``log1p`` and ``logsigmoid`` do, so everything is built on those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import mpmath
import sympy
from sympy import Expr, Symbol

if TYPE_CHECKING:
    from torch import Tensor

#: (bits of the significand, smallest normal exponent, largest exponent) of the working precisions, IEEE 754.
WORKING_PRECISIONS = {"float32": (24, -126, 127), "float64": (53, -1022, 1023)}


@cache
def _torch_table() -> dict[str, Callable[..., Any]]:
    import torch
    from torch.nn.functional import logsigmoid

    def softplus(x: Tensor) -> Tensor:
        # Exact derivative everywhere, 0 included, and no threshold beyond which it turns linear.
        return -logsigmoid(-x)

    def sigmoid(x: Tensor) -> Tensor:
        # e = exp(-|x|) <= 1 never overflows, and neither branch cancels: 1/(1+e) for x >= 0, e/(1+e) below.
        # |x| is spelled with ``where`` because the derivative of abs at 0 is 0, which would lose the slope 1/4.
        below = x < 0
        e = torch.exp(torch.where(below, x, -x))
        return torch.where(below, e, 1.0) / (1.0 + e)

    def step(x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    def floor_at(x: Tensor, bound: Any) -> Tensor:
        return torch.clamp(x, min=bound)

    def floor_ratio(x: Tensor, bound: Any) -> Tensor:
        return x / torch.clamp(x, min=bound)

    def probability(x: Tensor) -> Tensor:
        return 1.0 / (1.0 + torch.exp(-x))

    def deformed(x: Tensor, k: Any) -> Tensor:
        # expm1, because 1 - exp(-k x) cancels for small k x. A divisor of 1 where k = 0 keeps NaN out of gradients.
        k = as_like(k, x)
        flat = k == 0
        return torch.where(flat, x, -torch.expm1(-k * x) / torch.where(flat, 1.0, k))

    def abs_power(x: Tensor, k: Any) -> Tensor:
        # Not torch.pow, whose last elements round differently from the rest. 0^0 is 1, and 0^k is 0 above.
        k = as_like(k, x)
        size, zero = torch.abs(x), x == 0
        power = torch.exp(k * torch.log(torch.where(zero, 1.0, size)))
        return torch.where(zero, (k == 0).to(x.dtype), power)

    def signed_power(x: Tensor, k: Any) -> Tensor:
        return torch.sign(x) * abs_power(x, k)

    own = {
        f.__name__: f
        for f in (
            *(softplus, sigmoid, step, floor_at, floor_ratio, probability),
            *(deformed, abs_power, signed_power),
        )
    }
    names = ("log1p", "relu", "exp", "log", "tanh", "sign", "sqrt", "abs")
    return {**own, **{name: getattr(torch, name) for name in names}}


def _numeric_constants(expression: Expr) -> Expr:
    """The expression with constants such as log(2) as numbers: torch functions take tensors only."""
    constants = expression.atoms(sympy.Function, sympy.NumberSymbol)
    return expression.xreplace({c: c.evalf(17) for c in constants if c.is_number})


@cache
def torch_function(expression: Expr, arguments: tuple[Symbol, ...]) -> Callable[..., Any]:
    """The expression as an elementwise function of torch tensors, with one positional argument per symbol.

    Compiled once per expression and cached. A result without symbols is a Python number, not a tensor.
    """
    return sympy.lambdify(  # type: ignore[no-any-return]
        arguments, _numeric_constants(expression), modules=[_torch_table()], cse=True
    )


def log_mean_exp_of(real: Any, fake: Any) -> Tensor:
    """``log_mean_exp`` of logits [..., K]: log of the mean of exp over both kinds together, as [..., 1].

    Shifted by the largest logit, so that nothing overflows.
    """
    import torch

    both = torch.cat([real, fake], dim=-1)
    top = both.detach().amax(dim=-1, keepdim=True)
    return (both - top).exp().mean(dim=-1, keepdim=True).log() + top


def as_like(value: Any, like: Tensor) -> Tensor:
    """A number or tensor in the dtype of ``like``; a tensor also on its device.

    A number becomes a CPU tensor without dimensions, which combines with tensors of any device. As a tensor,
    1 - t rounds alike whether t came as a number or as a column over members.
    """
    import torch

    if isinstance(value, torch.Tensor):
        converted: Tensor = value.to(like)
        return converted
    return torch.tensor(value, dtype=like.dtype)


def shaped(value: Any, like: Tensor) -> Tensor:
    """A computed value, which may be a plain number, in the shape, dtype and device of ``like``.

    Adding +0 turns -0 into +0, so that formulas that are equal over the reals agree in their zeros' bits too.
    """
    import torch

    full = isinstance(value, torch.Tensor) and value.shape == like.shape
    result: Tensor = value + 0.0 if full else torch.zeros_like(like) + value
    return result


def rounded(value: Any, precision: str) -> Any:
    """``value`` (mpmath) as IEEE 754 rounds it to ``precision``, ties to even, with subnormals and overflow to inf."""
    bits, lowest, highest = WORKING_PRECISIONS[precision]
    if value == 0 or not mpmath.isfinite(value):
        return value
    exponent = max(int(mpmath.floor(mpmath.log(abs(value), 2))), lowest)
    quantum = mpmath.mpf(2) ** (exponent - bits + 1)
    result = mpmath.nint(value / quantum) * quantum
    largest = (2 - mpmath.mpf(2) ** (1 - bits)) * mpmath.mpf(2) ** highest
    return mpmath.sign(value) * mpmath.inf if abs(result) > largest else result


def _mpmath_table(precision: str) -> dict[str, Callable[..., Any]]:
    def probability(x: Any) -> Any:
        denominator = rounded(1 + rounded(mpmath.exp(-x), precision), precision)
        return rounded(1 / denominator, precision)

    return {
        "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "log1p": mpmath.log1p,
        "relu": lambda x: max(x, mpmath.mpf(0)),
        "step": lambda x: mpmath.mpf(x > 0),
        "floor_at": max,
        "floor_ratio": lambda x, bound: x / max(x, bound),
        "probability": probability,
        "deformed": lambda x, k: -mpmath.expm1(-k * x) / k if k else x,
        "abs_power": lambda x, k: abs(x) ** k,
        "signed_power": lambda x, k: mpmath.sign(x) * abs(x) ** k,
    }


@cache
def _mpmath_function(expressions: tuple[Expr, ...], arguments: tuple[Symbol, ...], precision: str) -> Any:
    return sympy.lambdify(arguments, expressions, modules=[_mpmath_table(precision), "mpmath"])


def precise(
    *expressions: Expr, values: Mapping[Symbol, Any], digits: int = 50, precision: str = "float32"
) -> tuple[Any, ...]:
    """The expressions at ``values`` as mpmath numbers, to ``digits`` decimal digits.

    Only ``probability`` is rounded, to the working ``precision`` ("float32" or "float64"), because rounding is its
    purpose.
    """
    arguments = tuple(sorted(values, key=str))
    with mpmath.workdps(digits):
        numbers = [mpmath.mpf(values[a]) for a in arguments]
        results = _mpmath_function(expressions, arguments, precision)(*numbers)
        return tuple(mpmath.mpmathify(r) for r in results)
