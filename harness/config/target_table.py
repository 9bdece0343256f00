"""The table [target]: a law that can be drawn from and trained on."""

from __future__ import annotations

import re

import numpy as np

from harness.config.error_messages import quoted
from harness.data.target import Target, starting_params
from harness.errors import InputError

#: The largest value that training may read: its square, 1e36, is finite in float32 (up to 3.4e38) with room for a sum.
_LARGEST_DRAW = 1e18


def settled_target(value: object) -> Target:
    """The table [target]; what it leaves out is the seed's N(4, 1.25), or ``starting_params`` of another law."""
    if isinstance(value, Target):
        return _trainable(value)
    if not isinstance(value, dict):
        raise ValueError("not a table")
    law = value.get("law", "norm")
    if not isinstance(law, str) or not re.fullmatch(r"\w{1,40}", law):
        raise InputError(
            f"target.law: got {quoted(law)}; allowed: the name of a continuous law of scipy.stats, or mixture"
        )
    seeds = Target()
    params = dict(seeds.params) if law == seeds.law else starting_params(law)
    for key, number in value.items():
        if key == "law":
            continue
        if not isinstance(key, str) or not re.fullmatch(r"\w{1,40}", key):
            raise InputError(f"target: unknown key {quoted(key)}; allowed: law, and the law's parameters")
        if isinstance(number, bool) or not isinstance(number, int | float) or not -1e6 <= number <= 1e6:
            raise InputError(f"target.{key}: got {quoted(number)}; allowed: a number in [-1e6, 1e6]")
        params[key] = float(number) + 0.0
    return _trainable(Target(law, params))


def _trainable(target: Target) -> Target:
    """The target, once its farthest draws are known to have squares in float32.

    Raises:
        InputError: the tails are so heavy that a draw would overflow, whatever the loss.
    """
    from harness.data.rng import EXTREME_DRAWS

    draws = [(u, float(target.quantile(np.array([u]))[0])) for u in EXTREME_DRAWS]
    for u, x in draws:
        if not abs(x) <= _LARGEST_DRAW:
            raise InputError(
                f"target: {target.text} draws {x:.3g} (its quantile at {u:.9g}), too far out to train on in "
                f"float32; allowed: a law whose draws are within {_LARGEST_DRAW:g} of 0"
            )
    return target
