"""The discriminator's loss of one variant with the generator's loss of another, written ``hinge|minimax``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from sympy import Symbol

from harness.errors import InputError
from harness.losses.metadata import Parameter, Prediction, Slopes
from harness.losses.variant import Variant

#: Between two names: the variant whose discriminator, and the one whose generator.
WITH = "|"

#: The settings among a variant's needs that change the steps of both players. All others constrain D.
_MOVES_BOTH = ("order", "optimizer", "consensus")


@cache
def combined(judge: Variant, forger: Variant) -> Variant:
    """The variant ``judge|forger``: D's loss, labels and needs of the first, G's losses of the second.

    It has the parameters that its own parts use; one of the forger's whose name is taken gets the prefix ``g_``. What
    the forger needs to constrain D does not count. A variant with itself is that variant.

    Raises:
        InputError: the judge has no discriminator; the forger needs steps of both players that the judge does not
            (``order``, ``optimizer``, ``consensus``); or one states its slopes and the other's run through a batch
            statistic, which stated slopes cannot say.
    """
    if judge == forger:
        return judge
    if judge.discriminator == 0:
        raise InputError(f"loss variant {judge.name}: has no discriminator to combine; allowed: after the {WITH!r}")
    _refuse_other_steps(judge, forger)
    kept = [p for p in judge.parameters if p.symbol in _judging(judge)]
    taken = {p.name for p in kept}
    renamed: dict[Symbol, Symbol] = {}
    for parameter in (p for p in forger.parameters if p.symbol in _forging(forger)):
        mine = _renamed(parameter, taken)
        taken.add(mine.name)
        renamed[parameter.symbol] = mine.symbol
        kept.append(mine)
    slopes = None
    if judge.slopes or forger.slopes:
        ours, theirs = _slopes(judge), _slopes(forger)
        slopes = Slopes(ours.real, ours.fake, theirs.generator.xreplace(renamed))
    return Variant(
        name=f"{judge.name}{WITH}{forger.name}",
        family="combined",
        discriminator=judge.discriminator,
        generator=forger.generator.xreplace(renamed),
        parameters=tuple(kept),
        prediction=Prediction("unknown", f"The discriminator of {judge.name} with the generator of {forger.name}."),
        confused_with=f"{judge.name} and {forger.name}, of which it takes one player each.",
        equilibrium_logit=judge.equilibrium_logit,
        needs=judge.needs,
        labels=judge.labels,
        slopes=slopes,
        direct=forger.direct,
    )


def _refuse_other_steps(judge: Variant, forger: Variant) -> None:
    others = [key for key in _MOVES_BOTH if key in forger.needs and judge.needs.get(key) != forger.needs[key]]
    if others:
        steps = " and ".join(f"{key} = {str(forger.needs[key]).removesuffix('.0')}" for key in others)
        raise InputError(
            f"loss variant {forger.name}: changes the steps of both players ({steps}), which {judge.name} before the "
            f"{WITH!r} does not; write {forger.name} first, or another generator and set "
            f"{', '.join(f'train.{key}' for key in others)}"
        )


def _renamed(parameter: Parameter, taken: set[str]) -> Parameter:
    while parameter.name in taken:
        parameter = replace(parameter, name=f"g_{parameter.name}")
    return parameter


def _judging(variant: Variant) -> set[Symbol]:
    """The symbols of D's part: its loss, its equilibrium, the laws of its labels, the slopes it states."""
    expressions = [variant.discriminator]
    if variant.equilibrium_logit is not None:
        expressions.append(variant.equilibrium_logit)
    if variant.labels is not None:
        expressions += [law.draw for law in (variant.labels.real, variant.labels.fake)]
    if variant.slopes is not None:
        expressions += [variant.slopes.real, variant.slopes.fake]
    return {symbol for expression in expressions for symbol in expression.free_symbols}


def _forging(variant: Variant) -> set[Symbol]:
    """The symbols of G's part."""
    stated = variant.slopes.generator.free_symbols if variant.slopes else set()
    return {*variant.generator.free_symbols, *stated}


def _slopes(variant: Variant) -> Slopes:
    """The slopes it states, or else those of its formulas."""
    found = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
    if any(d.through_mean != 0 or d.through_lme != 0 for d in found):
        raise InputError(
            f"loss variant {variant.name}: its slopes run through batch statistics, so it cannot be combined with a "
            "variant that states its slopes; allowed: any other"
        )
    return Slopes(*(d.own for d in found))
