"""The plan of a sweep: every member once, in populations of at most the stated size, on seeds that make it fair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config import Arm, Experiment
from harness.members import Member
from harness.sweep.plan import CONFIRM_SEEDS_FROM, Location, confirm_members, gan_steps, member, planned, search_members

VARIANTS = ("minimax", "generator_label(t=0.25)", "generator_label(t=0.5)", "wasserstein")
VIEWS = ("raw", "variances", "sample")
SPACE = {
    "lr_d": {"low": 1e-5, "high": 1e-1, "log": True},
    "hidden": {"low": 8, "high": 128},
}

relaxed = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def experiment(**changes: Any) -> Experiment:
    """Two variants under one view: 9 trials of 2 seeds, then 3 seeds; 10 steps; populations of 7."""
    base: dict[str, Any] = {
        "name": "plan",
        "variants": ["minimax", "generator_label(t=0.25)"],
        "population": 7,
        "train": {"steps": 10},
        "search": {"sampler": "random", "trials": 9, "seeds": 2, "space": SPACE},
        "confirm": {"seeds": 3},
    }
    return Experiment.model_validate(base | changes)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Experiments of up to 12 arms, 20 trials, 4 seeds a trial and 5 in the confirm stage."""
    search = {"sampler": "random", "trials": draw(st.integers(0, 20)), "seeds": draw(st.integers(1, 4)), "space": SPACE}
    return experiment(
        variants=draw(st.lists(st.sampled_from(VARIANTS), min_size=1, unique=True)),
        views=draw(st.lists(st.sampled_from(VIEWS), min_size=1, unique=True)),
        population=draw(st.integers(1, 60)),
        search=search,
        confirm={"seeds": draw(st.integers(1, 5))},
    )


def setting(spec: Experiment, arm: Arm, trial: int) -> dict[str, float]:
    """A setting that tells the trials of an arm apart: its own, with a learning rate of (trial + 1) / 1000."""
    return spec.baseline(arm) | {"lr_d": (trial + 1) / 1000}


def members_of(spec: Experiment) -> tuple[list[tuple[Location, Member]], list[tuple[Location, Member]]]:
    """Every member of the search and of the confirm stage, in the order of rounds; the last trial wins everywhere."""
    *searching, last = planned(spec)
    searched: list[tuple[Location, Member]] = []
    for round_ in searching:
        trials = range(round_.first_trial, round_.first_trial + round_.trials)
        searched += search_members(spec, round_, {arm: [setting(spec, arm, t) for t in trials] for arm in spec.arms})
    best = max(spec.search.trials - 1, 0)
    return searched, confirm_members(spec, last, {arm: (best, setting(spec, arm, best)) for arm in spec.arms})


def who(placed: Sequence[tuple[Location, Member]]) -> Counter[tuple[str, int, int]]:
    """Count of each arm, trial and seed."""
    return Counter((place.arm, place.trial, member.seed) for place, member in placed)


@given(spec=experiments())
@relaxed
def test_every_member_is_planned_once(spec: Experiment) -> None:
    """Every arm has every trial with every search seed exactly once, and its winner with every confirm seed."""
    searched, confirmed = members_of(spec)
    trials, arms = range(spec.search.trials), [arm.text for arm in spec.arms]
    assert who(searched) == Counter((a, t, s) for a in arms for t in trials for s in range(spec.search.seeds))
    best = max(spec.search.trials - 1, 0)
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + spec.confirm.seeds)
    assert who(confirmed) == Counter((a, best, s) for a in arms for s in seeds)


@given(spec=experiments())
@relaxed
def test_populations_are_numbered_and_filled(spec: Experiment) -> None:
    """Indices run from 0 without a gap; each population is full but the last of a round, and none is empty."""
    found = planned(spec)
    assert [index for round_ in found for index, _ in round_.populations] == list(
        range(sum(len(round_.populations) for round_ in found))
    )
    seeds = {"search": spec.search.seeds, "confirm": spec.confirm.seeds}
    for round_ in found:
        *full, last = [size for _, size in round_.populations]
        assert all(size == spec.population for size in full)
        assert 1 <= last <= spec.population
        assert sum(full) + last == len(spec.arms) * round_.trials * seeds[round_.stage]


@given(spec=experiments())
@relaxed
def test_rounds_follow_each_other(spec: Experiment) -> None:
    """Rounds are numbered from 0, the confirm stage is the last, the first trial is alone, trials run on."""
    found = planned(spec)
    assert [round_.number for round_ in found] == list(range(len(found)))
    assert [round_.stage for round_ in found] == ["search"] * (len(found) - 1) + ["confirm"]
    assert [round_.first_trial for round_ in found] == [sum(r.trials for r in found[:i]) for i in range(len(found))]
    assert sum(round_.trials for round_ in found[:-1]) == spec.search.trials
    assert found[-1].trials == 1
    if spec.search.trials:
        assert found[0].trials == 1


@given(spec=experiments())
@relaxed
def test_members_stand_where_their_round_says(spec: Experiment) -> None:
    """A member carries its arm's loss and view, its trial's setting, the study seed, and the stage of its round."""
    searched, confirmed = members_of(spec)
    arms = {arm.text: arm for arm in spec.arms}
    for place, one in searched + confirmed:
        assert (one.loss, one.view) == (arms[place.arm].loss, arms[place.arm].view)
        assert one.settings.lr_d == (place.trial + 1) / 1000
        assert one.study_seed == spec.seed
    assert {place.stage for place, _ in searched} <= {"search"}
    assert {place.stage for place, _ in confirmed} == {"confirm"}


@given(spec=experiments())
@relaxed
def test_seeds_are_fair(spec: Experiment) -> None:
    """All arms and trials have the same search seeds, all arms the same confirm seeds, and the two share none."""
    searched, confirmed = members_of(spec)
    by_trial: dict[tuple[str, int], set[int]] = {}
    for place, one in searched:
        by_trial.setdefault((place.arm, place.trial), set()).add(one.seed)
    by_arm: dict[str, set[int]] = {}
    for place, one in confirmed:
        by_arm.setdefault(place.arm, set()).add(one.seed)
    assert len({frozenset(seeds) for seeds in by_trial.values()}) <= 1
    assert len({frozenset(seeds) for seeds in by_arm.values()}) == 1
    assert not {one.seed for _, one in searched} & {one.seed for _, one in confirmed}


def test_no_search_reaches_the_confirm_seeds() -> None:
    """An experiment takes at most so many seeds that search and confirm stage stay apart and fit 32 bits."""
    with pytest.raises(ValueError, match=r"search\.seeds"):
        experiment(search={"seeds": CONFIRM_SEEDS_FROM + 1})
    with pytest.raises(ValueError, match=r"confirm\.seeds"):
        experiment(confirm={"seeds": 2**32 - CONFIRM_SEEDS_FROM + 1})


@given(spec=experiments())
@relaxed
def test_gan_steps(spec: Experiment) -> None:
    """arms * (trials * search seeds + confirm seeds) * steps."""
    each = spec.search.trials * spec.search.seeds + spec.confirm.seeds
    assert gan_steps(spec) == len(spec.arms) * each * spec.train.steps


def test_plan_of_one_experiment() -> None:
    """By hand: rounds of min(7 // (2 arms * 2 seeds), 9 // 4) = 1 trial: 9 of 4 members, then 6; 42 * 10 steps."""
    spec = experiment()
    found = planned(spec)
    assert [round_.populations for round_ in found] == [*(((i, 4),) for i in range(9)), ((9, 6),)]
    assert gan_steps(spec) == 420


def test_population_holds_every_arm() -> None:
    """A round goes trial by trial, so that its first members are those of trial 0 under each arm."""
    spec = experiment(population=100)
    round_ = planned(spec)[1]
    placed = search_members(
        spec, round_, {arm: [setting(spec, arm, t) for t in range(round_.trials)] for arm in spec.arms}
    )
    assert [(place.arm, place.trial, one.seed) for place, one in placed[:5]] == [
        ("minimax / variances", 1, 0),
        ("minimax / variances", 1, 1),
        ("generator_label(t=0.25) / variances", 1, 0),
        ("generator_label(t=0.25) / variances", 1, 1),
        ("minimax / variances", 2, 0),
    ]


def test_searched_values_replace_the_arm_s_own() -> None:
    """A searched setting, shape and loss parameter land in the member; all else is what the arm starts from."""
    spec = experiment(train={"steps": 10, "lr_g": 0.02, "batch": 32}, seed=5)
    minimax, label = spec.arms
    one = member(spec, label, {"lr_d": 0.001, "hidden": 16, "t": 0.75}, seed=3)
    assert (one.loss, one.loss_params, one.view) == ("generator_label", (("t", 0.75),), "variances")
    assert one.settings == spec.arm_settings(label).model_copy(update={"lr_d": 0.001})
    assert one.shape == spec.arm_shape(label).model_copy(update={"hidden": 16})
    assert (one.settings.lr_g, one.shape.batch, one.shape.steps) == (0.02, 32, 10)
    assert (one.study_seed, one.seed, one.target) == (5, 3, spec.target)
    # minimax has no t, and an empty setting is the arm's own.
    assert member(spec, minimax, {}, 3).loss_params == ()
    assert member(spec, label, {}, 3).loss_params == (("t", 0.25),)
    assert member(spec, label, {}, 3).settings == spec.arm_settings(label)


def test_what_a_variant_needs_is_kept_unless_searched() -> None:
    """The weight clipping that the Wasserstein loss needs is in its members and in no other's; a search may set it."""
    spec = experiment(variants=["minimax", "wasserstein"])
    minimax, wasserstein = spec.arms
    needed = spec.arm_settings(wasserstein).weight_clip
    assert needed > 0
    assert member(spec, minimax, {"lr_d": 0.1}, 0).settings.weight_clip == 0
    assert member(spec, wasserstein, {"lr_d": 0.1}, 0).settings.weight_clip == needed
    assert member(spec, wasserstein, {"weight_clip": 0.5}, 0).settings.weight_clip == 0.5
