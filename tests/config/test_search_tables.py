"""The search of an experiment: ranges, samplers, trial 0, rounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.config import SAMPLERS, Experiment, Range
from harness.errors import InputError

SPACE = {"lr_g": {"low": 1e-5, "high": 1e-2, "log": True}, "d_steps": {"low": 1, "high": 5}}


def experiment(**changes: Any) -> Experiment:
    """An experiment of three variants under the script's view, with some top-level keys changed."""
    return Experiment.model_validate(
        {"name": "search", "variants": ["minimax", "generator_label", "wasserstein"]} | changes
    )


def test_baseline_is_each_arms_own_setting() -> None:
    """Trial 0 holds every searched key that the arm has, at the arm's own value and in the key's own type."""
    space = SPACE | {"t": {"low": 0, "high": 1}, "weight_clip": {"low": 0, "high": 1}}
    spec = experiment(train={"d_steps": 2}, search={"trials": 8, "space": space})
    found = {arm.loss: spec.baseline(arm) for arm in spec.arms}
    common = {"d_steps": 2, "lr_g": 2e-4}
    assert found["minimax"] == common | {"weight_clip": 0.0}
    assert found["generator_label"] == common | {"weight_clip": 0.0, "t": 0.5}
    assert found["wasserstein"] == common | {"weight_clip": 0.01}
    assert spec.search.space["d_steps"].integer
    assert not spec.search.space["t"].integer
    assert isinstance(found["minimax"]["d_steps"], int)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {"lr": {"low": 1, "high": 2}}}, r"search.space: got 'lr'; nearest: 'lr_"),
        ({"space": {"steps": {"low": 1, "high": 2}}}, r"search.space: got 'steps'; "),
        (
            {"space": {"lr_g": {"low": 1e-3, "high": 1e-2}}},
            r"lr_g: \[0.001, 0.01\] leaves out 0.0002, .*; include 0.0002",
        ),
        ({"space": {"beta1": {"choices": [0.0, 0.5]}}}, r"beta1: \{0.0, 0.5\} leaves out 0.9.*trial 0"),
        ({"space": {"t": {"low": 0, "high": 1.5}}}, r"search.space.t: generator_label.*\[0, 1\]"),
        ({"space": {"t": {"low": 0.6, "high": 1}}}, r"search.space.t: \[0.6, 1.0\] leaves out 0.5"),
        ({"space": {"p": {"low": 0, "high": 0.4}}}, r"search.space: got 'p'"),
        ({"space": {"lr_g": {"low": 0, "high": 1}}}, r"search.space.lr_g: got 0; allowed: a number in \(0, 1e6\]"),
        ({"space": {"d_steps": {"low": 1, "high": 2.5}}}, r"search.space.d_steps: got 2.5; allowed: a whole number"),
        ({"sampler": "grid", "space": SPACE}, r"search.space.d_steps: .*'grid'.*; list the values as choices = "),
        ({"sampler": "cmaes", "space": {"beta1": {"choices": [0.9, 0.5]}}}, r"beta1: .*'cmaes'.*; give low and high"),
        (
            {"sampler": "cmaes", "trials": 8, "space": {"lr_g": SPACE["lr_g"], "t": {"low": 0, "high": 1}}},
            r"search.sampler: 'cmaes' would search only one key of 'minimax / variances'",
        ),
        ({"trials": 8}, r"search.trials: got 8 with an empty \[search.space\]; set 0, or"),
    ],
)
def test_impossible_searches_are_refused(search: dict[str, Any], message: str) -> None:
    """A search that cannot be run as written is refused, naming the key and what is allowed."""
    with pytest.raises(InputError, match=message):
        experiment(search=search)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_has_a_space_it_accepts(sampler: str) -> None:
    """No sampler's rules exclude every space."""
    choices = {"lr_g": {"choices": [2e-4, 1e-3]}, "d_steps": {"choices": [1, 2]}}
    space = choices if sampler == "grid" else SPACE
    spec = experiment(search={"sampler": sampler, "trials": 4, "space": space})
    assert set(spec.search.space) == set(space)


@pytest.mark.parametrize(
    "faulty",
    [
        {"low": 1.0},
        {},
        {"low": 1.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
        {"choices": []},
        {"choices": [1, 1.0]},
        {"choices": [1.0], "log": True},
        {"choices": [1.0], "low": 0.0},
        {"low": True, "high": 2.0},
        {"low": float("nan"), "high": 2.0},
        {"low": 0, "high": 10**400},
    ],
)
def test_faulty_ranges_are_refused(faulty: dict[str, Any]) -> None:
    """A range is an ordered interval of finite numbers or distinct choices, and nothing between."""
    with pytest.raises(ValidationError):
        Range.model_validate(faulty)


@given(
    population=st.integers(1, 2000),
    seeds=st.integers(1, 20),
    trials=st.integers(0, 300),
    views=st.lists(st.sampled_from(["raw", "variances", "sample"]), min_size=1, unique=True),
)
def test_batch_is_the_largest_that_fits(population: int, seeds: int, trials: int, views: list[str]) -> None:
    """A round fills the population but takes at most a quarter of the trials, and always at least one."""
    search = {"trials": trials, "seeds": seeds, "space": SPACE}
    spec = experiment(population=population, views=views, search=search)

    def allowed(batch: int) -> bool:
        return batch * seeds * 3 * len(views) <= population and 4 * batch <= trials

    assert spec.batch >= 1
    assert spec.batch == 1 or allowed(spec.batch)
    assert not allowed(spec.batch + 1)


def test_a_packed_view_divides_every_batch() -> None:
    """Minibatches that m does not divide are refused in [train] and in the search, and so is a range of them."""
    spec = experiment(views=["raw", " pack( m = 20 ) "], search={"space": {"batch": {"choices": [100, 20, 60]}}})
    assert spec.views == ("raw", "pack(m=20)")
    assert [arm.view for arm in spec.arms[:2]] == ["raw", "pack(m=20)"]
    for space, shown in (({"choices": [100, 50]}, r"\{100, 50\}"), ({"low": 20, "high": 100}, r"\[20, 100\]")):
        with pytest.raises(
            InputError, match=f"search.space.batch: got {shown}; allowed .*: choices that are multiples of 20"
        ):
            experiment(views=["pack(m=20)"], search={"space": {"batch": space}})
    with pytest.raises(InputError, match=r"train.batch: got 100; allowed with view 'pack\(m=3\)': multiples of 3"):
        experiment(views=["pack(m=3)"])


def test_batch_by_hand() -> None:
    """3 arms with 4 seeds are 12 members a trial: 64 hold 5 of them; 12 trials have a quarter of 3."""
    assert experiment(search={"trials": 100, "space": SPACE}).batch == 5
    assert experiment(search={"trials": 12, "space": SPACE}).batch == 3
    assert experiment().batch == 1
