"""Hyper-parameter importance: the key that decides is found, and nothing is claimed of too few trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.report.sections.importance import importance, search_ranges

SPACE = {
    "lr_g": {"low": 1e-5, "high": 1e-1, "log": True},
    "beta1": {"low": 0.0, "high": 0.9},
    "d_steps": {"low": 1, "high": 5},
    "replay": {"choices": [0.0, 0.5]},
}


def description(space: object) -> dict[str, object]:
    """A description with that search space."""
    return {"spec": {"search": {"space": space}}}


def trials(count: int) -> pd.DataFrame:
    """Trials at random points, whose score depends on lr_g alone: its distance from 1e-3 in decades over four."""
    rng = np.random.default_rng(0)
    lr_g = 10 ** rng.uniform(-5, -1, count)
    return pd.DataFrame(
        {"arm": "a", "trial": range(count), "pruned": False, "score": np.abs(np.log10(lr_g) + 3) / 4, "lr_g": lr_g,
         "beta1": rng.uniform(0, 0.9, count), "d_steps": rng.integers(1, 6, count).astype(float),
         "replay": rng.choice([0.0, 0.5], count)}
    )  # fmt: skip


def test_the_key_that_decides_is_found() -> None:
    """Of four kinds of key the one that the score depends on has most of the importance; they add up to 1."""
    found = importance(trials(400), description(SPACE))
    assert found["key"].iloc[0] == "lr_g"
    assert found["importance"].iloc[0] > 0.7
    assert found["importance"].sum() == pytest.approx(1)
    assert set(found["key"]) == set(SPACE)


def test_it_repeats() -> None:
    """The same trials have the same importances."""
    pd.testing.assert_frame_equal(
        importance(trials(60), description(SPACE)), importance(trials(60), description(SPACE))
    )


@pytest.mark.parametrize(
    "some",
    [trials(19), trials(60).assign(score=1.0), trials(60).assign(pruned=True), trials(60).assign(lr_g=5.0)],
    ids=["too few", "all alike", "all stopped early", "outside the space"],
)
def test_nothing_is_claimed(some: pd.DataFrame) -> None:
    """Trials that say nothing have no importances."""
    assert importance(some, description(SPACE)).empty


def test_a_damaged_space_is_no_space() -> None:
    """A key of sweep.json that cannot be read is left out; without a space there is no row."""
    assert set(search_ranges(description({**SPACE, "lr_d": {"low": 3, "high": 1}, "x": 7}))) == set(SPACE)
    assert importance(trials(60), description(None)).empty
    assert importance(trials(60), {}).empty
