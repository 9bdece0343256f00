"""Records of penalties: formula, meaning and source; gradient penalties as functions of a norm.

A gradient penalty is written once, as a SymPy expression phi(norm); phi and phi'(norm)/norm, which engines evaluate,
are derived here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Expr, Symbol
from sympy.codegen.rewriting import create_expand_pow_optimization

from harness.losses.backends.torch_function import shaped, torch_function
from harness.losses.metadata import Citation
from harness.losses.primitives import floor_at

if TYPE_CHECKING:
    from torch import Tensor

#: The Euclidean norm of dD/dx for one decision, over the N numbers that the decision reads.
norm = Symbol("norm", positive=True)

#: A divisor norm below this counts as this. It is representable in float32.
FLOOR = 1e-12

# torch rounds x**n, n > 3, another way in the last elements of an array on a CPU; products are the same everywhere.
_as_products = create_expand_pow_optimization(6)


class Site(enum.Enum):
    """The points of D's input space at which a gradient penalty takes the gradient.

    REAL and FAKE are the features that D reads, with replay and instance noise; SEGMENT is one point between a real
    and a fake decision (``gradient.segments``), AROUND one point near a real decision (``gradient.around``).
    """

    REAL = "real"
    FAKE = "fake"
    SEGMENT = "segments"
    AROUND = "neighbourhoods"


@dataclass(frozen=True)
class Penalty:
    """One field of Settings that constrains D or the game, 0 meaning none.

    ``text`` and ``latex`` are the formula without its weight; ``convention`` says what the number in the field
    multiplies or bounds, and where other programs mean something else by it.
    """

    name: str
    title: str
    meaning: str
    text: str
    latex: str
    convention: str
    citation: Citation


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """A penalty on the slope of D: weight * sum over ``sites`` of the mean over decisions of phi(norm).

    ``norm`` is that of one decision, over the N numbers it reads (a set view's decision reads the whole set); it is
    never taken over a batch, and the gradient is that in D's input, not in its parameters.
    """

    phi: Expr
    sites: tuple[Site, ...]

    def value(self, norm_PK: Tensor) -> Tensor:
        """phi(norm), elementwise, in the shape, dtype and device of ``norm_PK`` (values >= 0)."""
        return shaped(self._value(norm_PK), norm_PK)

    def coefficient(self, norm_PK: Tensor) -> Tensor:
        """phi'(norm)/norm, elementwise: its product with the gradient g is d phi(|g|)/dg.

        If phi'/norm has a pole at norm 0, the denominator is at least ``FLOOR``: the result is finite, and its product
        with a gradient of 0 is 0.
        """
        return shaped(self._coefficient(norm_PK), norm_PK)

    @cached_property
    def _value(self) -> Callable[[Tensor], Any]:
        return torch_function(_as_products(self.phi), (norm,))

    @cached_property
    def coefficient_formula(self) -> Expr:
        """The formula of ``coefficient``, for engines without torch."""
        numerator, denominator = sympy.fraction(sympy.cancel(self.phi.diff(norm) / norm))
        return numerator / denominator.xreplace({norm: floor_at(norm, FLOOR)})

    @cached_property
    def _coefficient(self) -> Callable[[Tensor], Any]:
        return torch_function(_as_products(self.coefficient_formula), (norm,))
