"""Whether a population fits into memory, asked before anything starts."""

from __future__ import annotations

import psutil

from harness.errors import InputError
from harness.spec.experiment import Experiment
from harness.spec.values import Range

#: Samples that the score of one generator is measured on.
_SCORED_SAMPLES = 10_000


def member_bytes(inputs: int, decisions: int, batch: int, hidden: int) -> int:
    """An estimate of what one member occupies while it trains and is scored, in bytes.

    ``inputs`` and ``decisions`` are N and K of its view. Counted in numbers of 4 bytes: six copies of the W parameters
    (value, gradient, two moments, average, update), and for each layer's activations value, result and gradient: of G
    for B values, of D for K decisions on real and on generated data. In 8 bytes: the samples that are scored, sorted,
    transformed and kept twice.
    """
    generator = 4 * hidden + hidden**2 + 1  # widths 1, H, H, 1: weights H + H² + H, biases H + H + 1
    discriminator = inputs * hidden + 3 * hidden + hidden**2 + 1
    activations = 3 * batch * (2 * hidden + 2) + 2 * 3 * decisions * (inputs + 2 * hidden + 1)
    return 4 * (6 * (generator + discriminator) + activations) + 8 * 4 * _SCORED_SAMPLES


def check_memory(experiment: Experiment, available: int | None = None) -> None:
    """Refuse a population that does not fit into the memory available now (or ``available`` bytes).

    Raises:
        InputError: it does not; the message gives both numbers.
    """
    from harness.views import VIEWS

    if available is None:
        available = int(psutil.virtual_memory().available)
    batch, hidden = (_largest(experiment, key) for key in ("batch", "hidden"))
    member = max(
        member_bytes(view.inputs(batch), view.decisions(batch), batch, hidden)
        for view in (VIEWS[name] for name in experiment.views)
    )
    needed = member * experiment.population
    if needed > available:
        raise InputError(
            f"population: {experiment.population} members of about {member / 2**20:.1f} MiB need about "
            f"{needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available; allowed: at most "
            f"{available // member} with this batch and hidden"
        )


def _largest(experiment: Experiment, key: str) -> int:
    """The largest value of a shape's key that any member can have."""
    span = experiment.search.space.get(key, Range(choices=(0,)))
    searched = span.choices if span.choices is not None else (span.high or 0,)
    return int(max(*searched, *(getattr(experiment.arm_shape(arm), key) for arm in experiment.arms)))
