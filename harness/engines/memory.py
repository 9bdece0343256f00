"""Memory that a member occupies, and the check that the smallest stack of members fits."""

from __future__ import annotations

from typing import Any

import psutil

from harness.config import Arm, Experiment, Settings, Shape
from harness.data.mlp import perceptron
from harness.data.views import View, parse_view
from harness.engines.base import BLOCK, REPLAY_BUFFER, STACK
from harness.engines.generate import SCORE_DRAWS
from harness.errors import InputError
from harness.losses import LOSSES, Variant
from harness.losses.penalties import Site, gradient_penalties, sites_of


def member_bytes(shape: Shape, view: View, variant: Variant, settings: Settings) -> int:
    """Estimate of the bytes that one member occupies while it trains and is scored.

    Counted in numbers of 4 bytes: six copies of the parameters (value, gradient, two moments, average, update), and
    for each layer's activations value, result and gradient: of G for B points of noise, of D for K decisions on real
    and on generated data, and as many more where a penalty differentiates D once more; the B^2 numbers of a direct
    loss over pairs; the draws of a block. In 8 bytes: the samples that are scored, sorted, transformed and kept twice,
    and their noise.
    """
    generator = perceptron(shape.latent, shape.units_g, shape.activations_g)
    discriminator = perceptron(view.inputs(shape.batch), shape.hidden, shape.activations_d)
    twice = bool(_sites(settings)) or settings.consensus > 0
    decisions = view.decisions(shape.batch) * (4 if twice else 2)
    activations = 3 * (shape.batch * sum(generator.widths) + decisions * sum(discriminator.widths))
    weights = 6 * (generator.size + discriminator.size)
    pairs = variant.direct.quadratic * shape.batch**2 if variant.direct else 0
    scored = 8 * SCORE_DRAWS * (4 + shape.latent)
    return 4 * (weights + activations + pairs) + drawn_bytes(shape, view, variant, settings) + scored


def drawn_bytes(shape: Shape, view: View, variant: Variant, settings: Settings) -> int:
    """Bytes that the draws of a block of steps occupy for one member, with its replay buffer.

    Twice, because the next block is made while the last is still held; and eight numbers for each draw of the largest
    stream, which is made of counters in 8 bytes.
    """
    batch, decisions, inputs = shape.batch, view.decisions(shape.batch), view.inputs(shape.batch)
    look_ahead = 2 if shape.order == "extragradient" else 1
    counts_d = [batch, batch * shape.latent, decisions * inputs]  # real values, noise, D's inputs from real values
    counts_g = [batch * shape.latent]
    if settings.instance_noise > 0:
        counts_d, counts_g = [*counts_d, batch, batch], [*counts_g, batch]
    if variant.draws_labels:
        counts_d.append(2 * decisions)
    sites = _sites(settings)
    if Site.SEGMENT in sites:
        counts_d.append(decisions)
    if Site.AROUND in sites:
        counts_d.append(decisions * inputs)
    if settings.replay > 0:
        counts_d += [batch, 2 * batch, 2]  # whether a value is old, and its slot (8 bytes); the slot to write (8 bytes)
    columns = 8  # step sizes, epsilons and shares of either player
    drawn_d = BLOCK * look_ahead * shape.d_steps * (sum(counts_d) + columns)
    drawn_g = BLOCK * look_ahead * shape.g_steps * (sum(counts_g) + columns)
    largest = BLOCK * look_ahead * max(shape.d_steps * max(counts_d), shape.g_steps * max(counts_g))
    history = REPLAY_BUFFER * batch if settings.replay > 0 else 0
    return 4 * (2 * (drawn_d + drawn_g) + 8 * largest + history)


def _sites(settings: Settings) -> tuple[Site, ...]:
    """Sites where the gradient of D is penalised."""
    return sites_of(gradient_penalties(settings.columns()))


def check_memory(experiment: Experiment, available: int | None = None, *, file: str = "") -> None:
    """Refuse an experiment of which not even one stack fits into ``available`` bytes (default: those free now).

    A population that does not fit as a whole is trained in batches. The message begins with the name of the ``file``.

    Raises:
        InputError: one stack does not fit; the message gives both numbers.
    """
    if available is None:
        available = int(psutil.virtual_memory().available)
    member = max(_largest_member_bytes(experiment, arm) for arm in experiment.arms)
    if member * STACK > available:
        raise InputError(
            f"{file}{': ' * bool(file)}train: members of about {member / 2**20:.1f} MiB in a stack of {STACK}, the "
            f"smallest that is trained, need about {member * STACK / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are "
            "available; allowed: a smaller batch, or smaller networks"
        )


def _largest_member_bytes(experiment: Experiment, arm: Arm) -> int:
    """``member_bytes`` of the largest member that an arm can have."""
    shape, settings = experiment.arm_shape(arm), experiment.arm_settings(arm)
    sizes = ("batch", "hidden", "latent", "d_steps", "g_steps")
    widest = {key: max(_reachable(experiment, key, getattr(shape, key))) for key in sizes}
    # hidden_g = 0 stands for the number of D's units, so that the largest number is not always the widest network.
    units_g = [width or widest["hidden"] for width in _reachable(experiment, "hidden_g", shape.hidden_g)]
    most = {key: max(_reachable(experiment, key, getattr(settings, key))) for key in Settings.model_fields}
    return member_bytes(
        shape.model_copy(update={**widest, "hidden_g": max(units_g)}),
        parse_view(arm.view),
        LOSSES[arm.loss],
        settings.model_copy(update=most),
    )


def _reachable(experiment: Experiment, key: str, start: Any) -> list[Any]:
    """The start, and the extremes that a search of the key can set instead: the choices, or the ends of the range."""
    span = experiment.search.space.get(key)
    return [start] if span is None else [start, *span.ends]
