"""Every variant and every option, on every engine that claims it, step by step against the float64 reference."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from support.engines import measured_mean, relative_error
from support.members import member
from support.step_options import OPTIONS, SMALL

from harness.engines import ENGINES
from harness.engines.reference import ReferenceEngine
from harness.losses import BUILT_IN, Variant
from harness.members import Member, groups

#: The least shares of options and of variants that each engine accepts: one that refuses everything proves nothing.
#: The reference is what others are held to, and "batched" is one of the two that are here by their own names.
CLAIMS = {"batched-cpu": (1.0, 1.0), "batched-cuda": (1.0, 1.0), "cpu": (0.9, 0.9), "cuda": (0.9, 0.9)}

NAMES = [pytest.param(name, marks=pytest.mark.gpu if "cuda" in name else ()) for name in CLAIMS]

STEPS = 50

#: A member's parameters and its snapshots by name.
Result = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def results(name: str, members: list[Member]) -> list[Result | None]:
    """Results of members under the engine of that name, each in a group of its own; None for those that it refuses."""
    engine = ENGINES[name]()
    accepted = [one for one in members if engine.unsupported_reason(one) is None]
    found: dict[Member, Result] = {}
    for group in groups(accepted):
        trained = engine.train(group, measured_mean, lambda steps: None)
        for row, one in enumerate(group.members):
            snapshots = {column: values[row] for column, values in trained.snapshots.items()}
            found[one] = (trained.theta_g_PW[row], trained.theta_d_PW[row], snapshots)
    return [found.get(one) for one in members]


def assert_close(found: Result, expected: Result, what: str) -> None:
    """Parameters within 1e-4 of the largest, every recorded number within 1e-3 of its largest, and the same NaNs."""
    assert relative_error(found[0], expected[0]) < 1e-4, what
    assert relative_error(found[1], expected[1]) < 1e-4, what
    for name, values in expected[2].items():
        known = np.isfinite(values)
        assert np.array_equal(np.isfinite(found[2][name]), known), (what, name)
        if known.any():
            assert relative_error(found[2][name][known], values[known]) < 1e-3, (what, name)


def playing(variant: Variant) -> Member:
    """A member of the variant with what it needs, measured after every step.

    Its optimizer is plain: a loss of constant slopes gives D's last bias a gradient of exactly 0, which rounding makes
    1e-9, and Adam turns into a whole step of either sign. Controls have no such D, but slopes over many decades.
    """
    optimizer = {"optimizer": "adam"} if variant.direct else {"optimizer": "sgd", "beta1": 0.5}
    small = {"batch": 20, "hidden": 8, "steps": STEPS, "snapshots": range(1, STEPS + 1), "lr_d": 2e-3, "lr_g": 2e-3}
    return member(variant.name, view="sample", **small | dict(variant.needs) | optimizer)


@cache
def expected_of_variants() -> list[Result | None]:
    """The reference's trajectories, made once."""
    return results("reference", [playing(variant) for variant in BUILT_IN])


@cache
def expected_of_options(view: str) -> list[Result | None]:
    """The reference's members of ``optional``, made once."""
    return results("reference", optional(view))


def optional(view: str) -> list[Member]:
    """Two seeds of every option, twenty steps each."""
    changes: list[dict[str, Any]] = [SMALL | option for option in OPTIONS.values()]
    return [member(seed=seed, view=view, **change) for change in changes for seed in range(2)]


def test_every_engine_is_here() -> None:
    """A new engine needs a line in ``CLAIMS``."""
    assert {*CLAIMS, "reference", "batched"} == set(ENGINES)
    assert ReferenceEngine.name == "reference"


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_follows_the_reference_step_by_step(name: str) -> None:
    """Fifty steps, each measured: losses, probabilities, gradient norms, statistics, and the parameters at the end."""
    found = results(name, [playing(variant) for variant in BUILT_IN])
    claimed = [result is not None for result in found]
    assert np.mean(claimed) >= CLAIMS[name][1]
    for variant, mine, expected in zip(BUILT_IN, found, expected_of_variants(), strict=True):
        assert expected is not None
        assert np.isfinite(expected[2]["loss_g"]).all(), variant.name
        if mine is not None:
            assert_close(mine, expected, variant.name)


@pytest.mark.parametrize("view", ["variances", "sample"])
@pytest.mark.parametrize("name", NAMES)
def test_engines_agree_with_every_option(name: str, view: str) -> None:
    """After twenty steps with each option, in float32, with penalties and their gradients made each in its own way."""
    found = results(name, optional(view))
    assert np.mean([result is not None for result in found]) >= CLAIMS[name][0]
    words = [f"{option}, seed {seed}" for option in OPTIONS for seed in range(2)]
    for what, mine, expected in zip(words, found, expected_of_options(view), strict=True):
        assert expected is not None
        if mine is not None:
            assert_close(mine, expected, what)
