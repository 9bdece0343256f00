"""Whether a population fits into memory, asked before anything starts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import psutil

from harness.errors import InputError
from harness.spec.experiment import Experiment
from harness.spec.values import Arm, Shape

if TYPE_CHECKING:
    from harness.views import View

#: Samples that the score of one generator is measured on.
_SCORED_SAMPLES = 10_000

#: The settings that make D judge further points, or differentiate it with respect to what it reads: each keeps about
#: as many numbers again as D's judgements themselves.
_JUDGE_AGAIN = ("r1", "r2", "zero_gp", "gp", "one_sided_gp", "dragan", "wgan_div", "consensus")


def member_bytes(shape: Shape, view: View, again: bool = False) -> int:
    """An estimate of what one member occupies while it trains and is scored, in bytes.

    Counted in numbers of 4 bytes: six copies of the parameters (value, gradient, two moments, average, update), and
    for each layer's activations value, result and gradient: of G for B points of noise, of D for K decisions on real
    and on generated data, and as many more where a penalty looks again. In 8 bytes: the samples that are scored,
    sorted, transformed and kept twice, and the noise they are made of.
    """
    width_g = shape.hidden_g or shape.hidden
    generator = (shape.latent, *[width_g] * len(shape.activations_g), 1)
    discriminator = (view.inputs(shape.batch), *[shape.hidden] * len(shape.activations_d), 1)
    judged = view.decisions(shape.batch) * (4 if again else 2)
    activations = 3 * (shape.batch * sum(generator) + judged * sum(discriminator))
    weights = 6 * (_parameters(generator) + _parameters(discriminator))
    return 4 * (weights + activations) + 8 * _SCORED_SAMPLES * (4 + shape.latent)


def _parameters(widths: tuple[int, ...]) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(widths))


def check_memory(experiment: Experiment, available: int | None = None) -> None:
    """Refuse a population that does not fit into the memory available now (or ``available`` bytes).

    Raises:
        InputError: it does not; the message gives both numbers.
    """
    if available is None:
        available = int(psutil.virtual_memory().available)
    member = max(_member_bytes(experiment, arm) for arm in experiment.arms)
    needed = member * experiment.population
    if needed > available:
        raise InputError(
            f"population: {experiment.population} members of about {member / 2**20:.1f} MiB need about "
            f"{needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available; allowed: at most "
            f"{available // member} with this batch and these networks"
        )


def _member_bytes(experiment: Experiment, arm: Arm) -> int:
    """That of the largest member that an arm can have."""
    from harness.views import parse_view

    shape, settings = experiment.arm_shape(arm), experiment.arm_settings(arm)
    widest = {key: max(_reached(experiment, key, getattr(shape, key))) for key in ("batch", "hidden", "latent")}
    # 0 stands for the number of D's units, so that the largest number is not always the widest network.
    own = [width or widest["hidden"] for width in _reached(experiment, "hidden_g", shape.hidden_g)]
    again = any(max(_reached(experiment, key, getattr(settings, key))) > 0 for key in _JUDGE_AGAIN)
    largest = shape.model_copy(update={**widest, "hidden_g": max(own)})
    return member_bytes(largest, parse_view(arm.view), again)


def _reached(experiment: Experiment, key: str, start: Any) -> list[Any]:
    """The start, and what a search of the key can set instead: the choices, or the ends of the range."""
    span = experiment.search.space.get(key)
    return [start] if span is None else [start, *span.ends]
