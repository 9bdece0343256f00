"""Combinations of one variant's discriminator loss with another's generator loss, written ``hinge|minimax``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from sympy import Symbol

from harness.errors import InputError
from harness.losses.metadata import Parameter, Prediction, Slopes
from harness.losses.variant import Variant

#: Stands between the name that gives the discriminator and the name that gives the generator.
SEPARATOR = "|"

#: The needed settings that change the steps of both players. All others constrain D.
_STEPS_OF_BOTH = ("order", "optimizer", "consensus")


@cache
def combined(d_variant: Variant, g_variant: Variant) -> Variant:
    """The variant with D's loss, labels and needs of ``d_variant`` and G's losses of ``g_variant``.

    It has the parameters that its formulas use. A parameter of ``g_variant`` whose name is taken gets the prefix
    ``g_``. Settings of ``g_variant`` that constrain D are dropped. A variant combined with itself is that variant.

    Raises:
        InputError: ``d_variant`` has no discriminator; ``g_variant`` needs other steps of both players (``order``,
            ``optimizer``, ``consensus``); or one of the two states its slopes and the other's slopes run through batch
            statistics, which stated slopes cannot express.
    """
    if d_variant == g_variant:
        return d_variant
    if d_variant.discriminator == 0:
        raise InputError(
            f"{d_variant.name} has no discriminator; use it as the generator only, as in "
            f"{g_variant.name}{SEPARATOR}{d_variant.name}"
        )
    _refuse_other_steps(d_variant, g_variant)
    parameters = [p for p in d_variant.parameters if p.symbol in _discriminator_symbols(d_variant)]
    taken = {p.name for p in parameters}
    renamed: dict[Symbol, Symbol] = {}
    for parameter in (p for p in g_variant.parameters if p.symbol in _generator_symbols(g_variant)):
        unique = _renamed(parameter, taken)
        taken.add(unique.name)
        renamed[parameter.symbol] = unique.symbol
        parameters.append(unique)
    slopes = None
    if d_variant.slopes or g_variant.slopes:
        d_slopes, g_slopes = _slopes(d_variant), _slopes(g_variant)
        slopes = Slopes(d_slopes.real, d_slopes.fake, g_slopes.generator.xreplace(renamed))
    return Variant(
        name=f"{d_variant.name}{SEPARATOR}{g_variant.name}",
        family="combined",
        discriminator=d_variant.discriminator,
        generator=g_variant.generator.xreplace(renamed),
        parameters=tuple(parameters),
        prediction=Prediction(
            "unknown", f"The discriminator of {d_variant.name} with the generator of {g_variant.name}."
        ),
        confused_with=f"{d_variant.name} and {g_variant.name}, of which it takes one player each.",
        equilibrium_logit=d_variant.equilibrium_logit,
        needs=d_variant.needs,
        labels=d_variant.labels,
        slopes=slopes,
        direct=g_variant.direct,
    )


def _refuse_other_steps(d_variant: Variant, g_variant: Variant) -> None:
    others = [
        key for key in _STEPS_OF_BOTH if key in g_variant.needs and d_variant.needs.get(key) != g_variant.needs[key]
    ]
    if others:
        steps = " and ".join(f"{key} = {str(g_variant.needs[key]).removesuffix('.0')}" for key in others)
        raise InputError(
            f"loss variant {g_variant.name}: changes the steps of both players ({steps}), but {d_variant.name} does "
            f"not; write {g_variant.name} before the {SEPARATOR!r}, or choose another generator and set "
            f"{', '.join(f'train.{key}' for key in others)}"
        )


def _renamed(parameter: Parameter, taken: set[str]) -> Parameter:
    while parameter.name in taken:
        parameter = replace(parameter, name=f"g_{parameter.name}")
    return parameter


def _discriminator_symbols(variant: Variant) -> set[Symbol]:
    """The symbols in D's loss, its equilibrium, the laws of its labels and its stated slopes."""
    expressions = [variant.discriminator]
    if variant.equilibrium_logit is not None:
        expressions.append(variant.equilibrium_logit)
    if variant.labels is not None:
        expressions += [law.draw for law in (variant.labels.real, variant.labels.fake)]
    if variant.slopes is not None:
        expressions += [variant.slopes.real, variant.slopes.fake]
    return {symbol for expression in expressions for symbol in expression.free_symbols}


def _generator_symbols(variant: Variant) -> set[Symbol]:
    """The symbols in G's loss and its stated slope."""
    stated = variant.slopes.generator.free_symbols if variant.slopes else set()
    return {*variant.generator.free_symbols, *stated}


def _slopes(variant: Variant) -> Slopes:
    """The stated slopes, or else the derivatives of the formulas."""
    derivatives = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
    if any(d.through_mean != 0 or d.through_lme != 0 for d in derivatives):
        raise InputError(
            f"loss variant {variant.name}: its slopes run through batch statistics; combine it with a variant that "
            "does not state its slopes"
        )
    return Slopes(*(d.own for d in derivatives))
