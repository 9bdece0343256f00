"""The rules of [search.space]: which keys it may name, within which bounds, and what each sampler can search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from harness.config.error_messages import choose, one_line, quoted
from harness.config.fields import SEARCHABLE, Arm, Range, Train
from harness.errors import InputError


def settle_space(
    space: Mapping[str, Range],
    sampler: str,
    trials: int,
    arms: Sequence[Arm],
    start: Callable[[Arm], Mapping[str, Any]],
) -> dict[str, Range]:
    """The space in alphabetical order, each range in its key's own type (int or float).

    ``start`` gives the setting an arm starts from, which must lie in every range because it is trial 0.

    Raises:
        InputError: an unknown key, a range outside the key's bounds or without the arm's own value, or one that
            the sampler cannot search.
    """
    parameters = sorted({key for arm in arms for key in arm.params})
    settled: dict[str, Range] = {}
    for key, span in sorted(space.items()):
        if key in SEARCHABLE:
            settled[key] = _train_range(key, span)
        elif key in parameters:
            settled[key] = _parameter_range(key, span, arms)
        else:
            raise InputError(f"search.space: {choose(key, [*SEARCHABLE, *parameters])}")
        _sampler_can_search(key, span, sampler)
        for arm in arms:
            value = start(arm).get(key)
            if value is not None and value not in settled[key]:
                raise InputError(
                    f"search.space.{key}: {settled[key].text} leaves out {value}, the setting of {arm.text!r}, "
                    f"which is always trial 0; allowed: a range or choices with {value}"
                )
    if trials > 0 and not settled:
        raise InputError(f"search.trials: {trials} trials of an empty [search.space]; allowed: 0, or a space to search")
    if trials > 0 and sampler == "cmaes":
        _cmaes_has_two_dimensions(settled, arms, start)
    return settled


def _train_range(key: str, span: Range) -> Range:
    """The range with every number as [train] would take it."""
    taken: dict[int | float, int | float] = {}
    for number in span.ends:
        try:
            taken[number] = getattr(Train.model_validate({key: number}), key)
        except ValidationError as error:
            raise InputError(f"search.space.{one_line(error, Train)}") from None
    return _mapped(span, taken)


def _parameter_range(key: str, span: Range, arms: Sequence[Arm]) -> Range:
    """The range in floats, once every variant with that parameter has accepted its numbers."""
    from harness.losses import LOSSES

    for loss in sorted({arm.loss for arm in arms if key in arm.params}):
        parameter = next(p for p in LOSSES[loss].parameters if p.name == key)
        for number in span.ends:
            parameter.check(number, f"search.space.{key}: {loss}")
    return _mapped(span, {number: float(number) for number in span.ends})


def _mapped(span: Range, taken: Mapping[int | float, int | float]) -> Range:
    if span.choices is not None:
        return Range(choices=tuple(taken[v] for v in span.choices))
    low, high = (taken[v] for v in span.ends)
    return Range(low=low, high=high, log=span.log)


def _sampler_can_search(key: str, span: Range, sampler: str) -> None:
    if sampler == "grid" and span.choices is None:
        raise InputError(
            f"search.space.{key}: got {span.text}, of which sampler 'grid' makes no grid; allowed: choices = [...]"
        )
    if sampler == "cmaes" and span.choices is not None:
        raise InputError(
            f"search.space.{key}: got choices {span.text}, which sampler 'cmaes' cannot search; "
            "allowed: low and high, or another sampler"
        )


def _cmaes_has_two_dimensions(
    space: Mapping[str, Range], arms: Sequence[Arm], start: Callable[[Arm], Mapping[str, Any]]
) -> None:
    # A covariance of one number is none: Optuna would draw at random instead, under the name of CMA-ES.
    for arm in arms:
        count = len(space.keys() & start(arm).keys())
        if count == 1:
            raise InputError(
                f"search.sampler: 'cmaes' would search one key of {quoted(arm.text)}; allowed: two or more, "
                "or another sampler"
            )
