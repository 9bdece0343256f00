"""The record of a loss variant, and the functions derived from its two formulas.

A variant is written once, as SymPy expressions of the discriminator's logits; both players minimise. Everything
numeric follows from them: losses, slopes and parts as torch functions (elementwise; the caller reduces).
The algebra is in ``derivatives.py``, the arithmetic in ``backends/torch_function.py``; text and LaTeX are in
``notation.py``, limits in ``describe.py``, lookup by name in ``registry.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Expr

from harness.errors import InputError
from harness.losses.backends.torch_function import as_like, log_mean_exp_of, shaped, torch_function
from harness.losses.derivatives import Derivative, derivative, expectation, separated, symbols_of
from harness.losses.direct_loss import Direct
from harness.losses.metadata import (
    NO_DIRAC,
    NO_PREDICTION,
    UNPUBLISHED,
    Citation,
    Dirac,
    Equivalence,
    Labels,
    Parameter,
    Prediction,
    Slopes,
)
from harness.losses.metadata import uniform as u
from harness.losses.primitives import LABELS, LOGITS, fake, fake_mean, log_mean_exp, real, real_mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Variant:
    """A GAN loss: the losses of both players, per decision, as formulas of the logits.

    ``discriminator`` and ``generator`` are expressions of ``real``, ``fake``, ``real_mean``, ``fake_mean``,
    ``log_mean_exp`` and the parameters; the discriminator may also use the random labels ``y_real``, ``y_fake`` if
    ``labels`` declares their laws, and must be linear in them. ``needs`` holds the training settings without which it
    is not the published loss. ``equilibrium_logit`` is D's optimal logit for equal laws; None if it is not unique.
    ``slopes`` replaces the derivatives if the published gradient is not the derivative. ``dirac`` and ``equivalences``
    are claims, which the tests check. ``direct`` is a loss of the generated values that the generator also minimises;
    with it both formulas may be 0, and D does not matter. Symbols are identified by name.

    The public functions take logits of shape ``[..., K]`` (``real`` and ``fake`` alike), parameters as numbers or as
    tensors that broadcast against them, and return elementwise tensors of the logits' shape, dtype and device.
    A slope is the derivative of the sum over the elements. ``labels=(y_real, y_fake)`` evaluates at drawn labels;
    without it the expectation over the labels is taken.

    Example:
        >>> from harness.losses import Variant, fake, real, softplus
        >>> Variant(name="heated", family="mine", discriminator=softplus(-real) + softplus(fake),
        ...         generator=softplus(-fake) / 2).generator_reads_real
        False
    """

    name: str
    family: str
    discriminator: Expr
    generator: Expr
    parameters: tuple[Parameter, ...] = ()
    citation: Citation = UNPUBLISHED
    prediction: Prediction = NO_PREDICTION
    confused_with: str = ""
    equilibrium_logit: Expr | None = None
    needs: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    labels: Labels | None = None
    slopes: Slopes | None = None
    dirac: Dirac = NO_DIRAC
    equivalences: tuple[Equivalence, ...] = ()
    direct: Direct | None = None

    def __post_init__(self) -> None:
        symbols = {s.name: s for s in (*LOGITS, *LABELS, *(p.symbol for p in self.parameters))}

        def canonical(expression: Any) -> Expr:
            parsed = sympy.sympify(expression)
            return parsed.xreplace({s: symbols[s.name] for s in parsed.free_symbols if s.name in symbols})

        for name in ("discriminator", "generator"):
            object.__setattr__(self, name, canonical(getattr(self, name)))
        if self.equilibrium_logit is not None:
            object.__setattr__(self, "equilibrium_logit", canonical(self.equilibrium_logit))
        if self.slopes is not None:
            stated = Slopes(*(canonical(s) for s in (self.slopes.real, self.slopes.fake, self.slopes.generator)))
            object.__setattr__(self, "slopes", stated)
        object.__setattr__(self, "needs", MappingProxyType(dict(self.needs)))

    @property
    def draws_labels(self) -> bool:
        """True when the discriminator's labels are random."""
        return self.labels is not None

    @cached_property
    def generator_reads_real(self) -> bool:
        """True when the generator's loss reads the logits of real data; if not, ``real`` may be None there."""
        return bool(symbols_of(self.generator) & {real, real_mean, log_mean_exp})

    @cached_property
    def expected_discriminator(self) -> Expr:
        """The discriminator's loss in expectation over its labels (the formula itself where none are drawn)."""
        return expectation(self.discriminator, self.labels) if self.labels else self.discriminator

    @cached_property
    def real_derivative(self) -> Derivative:
        """Derivative of the discriminator's loss in a real logit, labels kept as symbols."""
        return Derivative(self.slopes.real) if self.slopes else derivative(self.discriminator, real)

    @cached_property
    def fake_derivative(self) -> Derivative:
        """Derivative of the discriminator's loss in a fake logit, labels kept as symbols."""
        return Derivative(self.slopes.fake) if self.slopes else derivative(self.discriminator, fake)

    @cached_property
    def generator_derivative(self) -> Derivative:
        """Derivative of the generator's loss in a fake logit."""
        return Derivative(self.slopes.generator) if self.slopes else derivative(self.generator, fake)

    def discriminator_loss(
        self, real: Tensor, fake: Tensor, *, labels: tuple[Tensor, Tensor] | None = None, **params: Any
    ) -> Tensor:
        """The discriminator's loss, per pair of decisions.

        Raises:
            InputError: a parameter is unknown or out of range, shapes differ, or labels are given but never drawn.
        """
        return self._evaluate(self.discriminator, real, (real, fake), labels, params)

    def generator_loss(self, real: Tensor | None, fake: Tensor, **params: Any) -> Tensor:
        """The generator's loss, per decision on generated data.

        Raises:
            InputError: as ``discriminator_loss``; or ``real`` is None though the formula reads it.
        """
        return self._evaluate(self.generator, fake, (real, fake), None, params)

    def generator_slope(self, real: Tensor | None, fake: Tensor, **params: Any) -> Tensor:
        """d(sum of generator losses)/d(fake logit).

        Raises:
            InputError: as ``generator_loss``.
        """
        return self._differentiate(self.generator_derivative, fake, (real, fake), None, params)

    def discriminator_slopes(
        self, real: Tensor, fake: Tensor, *, labels: tuple[Tensor, Tensor] | None = None, **params: Any
    ) -> tuple[Tensor, Tensor]:
        """d(sum of discriminator losses)/d(real logit) and /d(fake logit).

        Raises:
            InputError: as ``discriminator_loss``.
        """
        return (
            self._differentiate(self.real_derivative, real, (real, fake), labels, params),
            self._differentiate(self.fake_derivative, fake, (real, fake), labels, params),
        )

    def discriminator_parts(
        self, real: Tensor, fake: Tensor, *, labels: tuple[Tensor, Tensor] | None = None, **params: Any
    ) -> tuple[Tensor | None, Tensor | None]:
        """The terms of the discriminator's loss that read real data alone, and fake data alone; they add up to it.

        Constant terms are halved between the two. Both are None where some term reads real and fake together.

        Raises:
            InputError: as ``discriminator_loss``.
        """
        parts = separated(self.discriminator)
        if parts is None:
            return None, None
        return (
            self._evaluate(parts[0], real, (real, fake), labels, params),
            self._evaluate(parts[1], fake, (real, fake), labels, params),
        )

    def draw_labels(self, u_real: Tensor, u_fake: Tensor, **params: Any) -> tuple[Tensor, Tensor]:
        """Labels (1 = "real") of the real and the fake decisions, from uniform numbers in (0, 1), of their shapes.

        Raises:
            InputError: the variant draws no labels, or a parameter is unknown or out of range.
        """
        if self.labels is None:
            raise InputError(f"{self.name}: draws no labels")
        values = tuple(as_like(v, u_real) for v in self.bind(params).values())
        symbols = (u, *(p.symbol for p in self.parameters))
        labels = (
            shaped(torch_function(law.draw, symbols)(noise, *values), noise)
            for law, noise in ((self.labels.real, u_real), (self.labels.fake, u_fake))
        )
        y_real, y_fake = labels
        return y_real, y_fake

    def bind(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters in declared order, defaults filled in. Numbers are checked, tensors passed through.

        Raises:
            InputError: a name is unknown, or a number is out of range; the message states what is allowed.
        """
        unknown = sorted(set(params) - {p.name for p in self.parameters})
        if unknown:
            takes = ", ".join(f"{p.name} in {p.interval}" for p in self.parameters) or "no parameters"
            raise InputError(f"{self.name}: unknown parameter {unknown[0]!r}; it takes {takes}")
        bound = {}
        for parameter in self.parameters:
            value = params.get(parameter.name, parameter.default)
            bound[parameter.name] = value if hasattr(value, "device") else parameter.check(value, self.name)
        return bound

    def _evaluate(
        self,
        expression: Expr,
        like: Tensor,
        logits: tuple[Tensor | None, Tensor],
        labels: tuple[Tensor, Tensor] | None,
        params: Mapping[str, Any],
    ) -> Tensor:
        values = self.bind(params)
        _check(self, expression, logits, labels)
        if labels is None and self.labels is not None:
            expression = expectation(expression, self.labels)
        used = symbols_of(expression)
        means = tuple(
            tensor.mean(-1, keepdim=True) if tensor is not None and symbol in used else None
            for tensor, symbol in zip(logits, (real_mean, fake_mean), strict=True)
        )
        arguments = (*LOGITS, *LABELS, *(p.symbol for p in self.parameters))
        total = log_mean_exp_of(*logits) if log_mean_exp in used else None
        inputs = (*logits, *means, total, *(labels or (None, None)), *(as_like(v, like) for v in values.values()))
        return shaped(torch_function(expression, arguments)(*inputs), like)

    def _differentiate(
        self,
        derivative: Derivative,
        like: Tensor,
        logits: tuple[Tensor | None, Tensor],
        labels: tuple[Tensor, Tensor] | None,
        params: Mapping[str, Any],
    ) -> Tensor:
        slope = self._evaluate(derivative.own, like, logits, labels, params)
        if derivative.through_mean != 0:
            slope = slope + self._evaluate(derivative.through_mean, like, logits, labels, params).mean(-1, keepdim=True)
        if derivative.through_lme != 0:
            weight = (like - log_mean_exp_of(*logits)).exp() / 2
            inner = self._evaluate(derivative.through_lme, like, logits, labels, params).mean(-1, keepdim=True)
            slope = slope + inner * weight
        return slope


def _check(
    variant: Variant, expression: Expr, logits: tuple[Tensor | None, Tensor], labels: tuple[Tensor, Tensor] | None
) -> None:
    r, f = logits
    if r is None:
        if symbols_of(expression) & {real, real_mean, log_mean_exp}:
            raise InputError(f"{variant.name}: this loss reads the real logits, but none were given; pass real")
    elif r.shape != f.shape or r.dtype != f.dtype:
        raise InputError(
            f"{variant.name}: real and fake logits must have one shape and dtype, "
            f"got {tuple(r.shape)} {r.dtype} and {tuple(f.shape)} {f.dtype}"
        )
    if not f.is_floating_point():
        raise InputError(f"{variant.name}: logits must be floating point, got {f.dtype}")
    if labels is not None and variant.labels is None:
        raise InputError(f"{variant.name}: labels were given, but this loss draws none; leave them out")
