"""Every loss, penalty, view and target is trained and scored on every engine that says it supports it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from support.members import member

from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.data.views import VIEWS
from harness.engines import ENGINES
from harness.losses import BUILT_IN, LOSSES
from harness.losses.penalties import PENALTIES
from harness.members import Group, Member, groups
from harness.sweep.training import train

SMALL: dict[str, Any] = {"batch": 20, "hidden": 8, "steps": 5}

#: The laws that experiments/targets name, and one that is there because scipy.stats has it.
TARGETS = (
    "norm(loc=4, scale=1.25)",
    "uniform(loc=-1, scale=2)",
    "expon(loc=0, scale=1)",
    "laplace(loc=0, scale=1)",
    "t(df=3, loc=0, scale=1)",
    "lognorm(loc=0, s=0.5, scale=1)",
    "mixture(loc1=-2, loc2=2, scale1=0.5, scale2=0.5, weight1=0.5, weight2=0.5)",
    "gumbel_r(loc=0, scale=1)",
)


def members() -> dict[str, Member]:
    """One member for every part of the project that somebody can ask for by name."""
    return {
        **{f"loss {v.name}": member(v.name, view="sample", **SMALL | dict(v.needs)) for v in BUILT_IN},
        **{f"penalty {name}": member(view="sample", **SMALL | {name: 0.1}) for name in PENALTIES},
        **{f"view {name}": member(view=name, **SMALL) for name in VIEWS},
        **{f"view pack(m={m})": member(view=f"pack(m={m})", **SMALL) for m in (1, 5, 20)},
        **{f"target {text}": member(target=Target.parse(text), **SMALL) for text in TARGETS},
        "combination hinge|minimax": member("hinge|minimax", view="sample", **SMALL),
    }


def test_there_is_as_much_as_the_project_promises() -> None:
    """At least 45 losses, 9 penalties, 7 views and 8 targets, all different."""
    assert len(BUILT_IN) >= 45
    assert {v.name for v in BUILT_IN} <= set(LOSSES)
    assert len(PENALTIES) >= 9
    assert len(VIEWS) >= 7
    assert len({Target.parse(text) for text in TARGETS}) >= 8


def initial_generator(group: Group, one: Member) -> np.ndarray:
    """The parameters (W,) in float32 that a member's generator starts from."""
    u_TPW = uniforms(one.study_seed, torch.tensor([one.seed]), Stream.INITIAL_G, range(1), group.generator.size)
    return group.generator.initial(u_TPW[0]).float().numpy()[0]


@pytest.mark.parametrize("name", ENGINES)
def test_everything_trains_or_is_refused_with_a_reason(name: str) -> None:
    """A few steps of each: a row with a finite score, and parameters that moved; a refusal is a sentence.

    What overflows within five steps would be an outcome of its own, but nothing here is that wild.
    """
    engine = ENGINES[name]()
    accepted = []
    for what, one in members().items():
        reason = engine.unsupported_reason(one)
        if reason is None:
            accepted.append((what, one))
        else:
            assert len(reason.split()) >= 3, f"{what}: {reason!r} does not say why"
    if name in ("batched-cpu", "reference"):
        assert len(accepted) == len(members())
    if name == "cpu":
        assert len(accepted) >= 0.8 * len(members())
    rows = train([one for _, one in accepted], engine, lambda steps: None)
    for (what, one), row in zip(accepted, rows, strict=True):
        assert row["outcome"] == "scored", (what, row["failure"], row["stopped_tensor"])
        assert 0 < row["ks"] <= 1, what
        assert math.isfinite(row["w1"]), what
        assert np.isfinite(row["generator"]).all(), what
        assert row["loss"] == one.loss
        (group,) = groups([one])
        start_W = initial_generator(group, one)
        assert len(row["generator"]) == len(start_W), what
        assert not np.array_equal(np.asarray(row["generator"], dtype=np.float32), start_W), what
