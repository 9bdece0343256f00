"""Rows that a sweep commits with every sampler, and that no interruption changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.sweeps import (
    RATES,
    STEPS,
    InterruptingListener,
    assert_same_rows,
    carry_on,
    contents,
    experiment,
    tempered,
)

from harness.config import SAMPLERS, Experiment
from harness.engines.batched import BatchedEngine
from harness.losses import LOSSES
from harness.store import Store
from harness.sweep.lookup import find_member
from harness.sweep.plan import CONFIRM_SEEDS_FROM, gan_steps, planned
from harness.sweep.replay import replay
from harness.sweep.sweep import Sweep

pytestmark = [
    pytest.mark.filterwarnings("ignore:(QMC|GP)Sampler is experimental"),
    pytest.mark.filterwarnings("ignore:`x0` has been deprecated:FutureWarning"),
]


@pytest.fixture(scope="module", params=SAMPLERS)
def sampler_sweep(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Experiment, Store, InterruptingListener]:
    """An uninterrupted sweep of each sampler."""
    spec, ear = experiment(request.param), InterruptingListener()
    return spec, carry_on(spec, tmp_path_factory.mktemp("whole") / request.param, ear), ear


# --- what a sweep commits -------------------------------------------------------------------------------------------


def test_budgets_are_equal_and_every_arm_begins_with_its_own_setting(
    sampler_sweep: tuple[Experiment, Store, InterruptingListener],
) -> None:
    """Each arm has the same trials and seeds, and trial 0 of each is what [train] says."""
    spec, store, ear = sampler_sweep
    frame = store.frame()
    search = frame[frame["stage"] == "search"]
    expected = [(trial, seed) for trial in range(spec.search.trials) for seed in range(spec.search.seeds)]
    for arm in spec.arms:
        mine = search[search["arm"] == arm.text]
        assert list(zip(mine["trial"], mine["seed"], strict=True)) == expected
        first = mine[mine["trial"] == 0]
        for name in RATES:
            assert set(first[name]) == {2e-4}  # the seed's rate, the default of [train]
    assert search.groupby("arm")["steps"].sum().nunique() == 1
    assert ear.steps == gan_steps(spec) == len(frame) * STEPS
    assert [len(store.population(i)) for i in store.committed()] == [n for r in planned(spec) for _, n in r.populations]
    assert set(frame["outcome"]) == {"scored"}
    assert set(frame["engine"]) == {"batched/1/cpu"}


@pytest.mark.promise("P3")
def test_confirm_stage_trains_the_best_trial_on_fresh_seeds(
    sampler_sweep: tuple[Experiment, Store, InterruptingListener],
) -> None:
    """The winner is the trial of lowest mean KS; its confirm seeds are no search's, and all arms have the same."""
    spec, store, _ = sampler_sweep
    frame = store.frame()
    search, confirm = frame[frame["stage"] == "search"], frame[frame["stage"] == "confirm"]
    fresh = list(range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + spec.confirm.seeds))
    assert not set(fresh) & set(search["seed"])
    for arm in spec.arms:
        tried, mine = search[search["arm"] == arm.text], confirm[confirm["arm"] == arm.text]
        assert list(mine["seed"]) == fresh
        best = tried.groupby("trial")["ks"].mean().idxmin()
        assert set(mine["trial"]) == {best}
        for name in RATES:
            assert set(mine[name]) == set(tried[tried["trial"] == best][name])
    assert search["generator"].isna().all()
    assert [len(theta) for theta in confirm["generator"]] == [97] * len(confirm)  # hidden 8: (8+8) + (64+8) + (8+1)


@pytest.mark.promise("F23")
def test_searched_settings_lie_in_the_space_and_differ(
    sampler_sweep: tuple[Experiment, Store, InterruptingListener],
) -> None:
    """Every sampler stays within [search.space] and does not try the same setting twice here."""
    spec, store, _ = sampler_sweep
    frame = store.frame()
    for arm in spec.arms:
        mine = frame[(frame["stage"] == "search") & (frame["arm"] == arm.text) & (frame["seed"] == 0)]
        for name, span in spec.arm_space(arm).items():
            assert all(value in span for value in mine[name])
        assert len(set(zip(mine["lr_d"], mine["lr_g"], strict=True))) == spec.search.trials


@pytest.mark.promise("P2")
def test_keys_name_members_and_engine(finished_sweep: Store) -> None:
    """Two rows have one key exactly if they are one member: the confirmed baseline has other seeds, so none repeats."""
    keys = finished_sweep.frame()["key"]
    assert keys.is_unique
    assert all(len(key) == 16 for key in keys)


@pytest.mark.promise("P2")
def test_running_again_does_nothing_new(sampler_sweep: tuple[Experiment, Store, InterruptingListener]) -> None:
    """A finished sweep, run again, commits nothing, changes no file, and reports all its steps as done."""
    spec, store, _ = sampler_sweep
    before, ear = contents(store.folder), InterruptingListener()
    carry_on(spec, store.folder, ear)
    assert (ear.indices, ear.steps) == ([], gan_steps(spec))
    assert contents(store.folder) == before


def test_without_a_search_the_baseline_is_confirmed(tmp_path: Path) -> None:
    """Zero trials: each arm's own setting on the confirm seeds, as trial 0, and nothing else."""
    frame = carry_on(experiment(search={"trials": 0}), tmp_path / "plain").frame()
    assert set(frame["stage"]) == {"confirm"}
    assert set(frame["trial"]) == {0}
    assert set(frame["lr_g"]) == {2e-4}
    assert len(frame) == 4


# --- interruptions --------------------------------------------------------------------------------------------------


@pytest.mark.promise("P3", "P4")
def test_interrupted_after_every_commit_the_rows_are_the_same(
    sampler_sweep: tuple[Experiment, Store, InterruptingListener], tmp_path: Path
) -> None:
    """Stopped at each commit and rebuilt from the files each time, a sweep commits what it would have.

    A population that was in training at that moment, and one that was waiting, are committed still.
    """
    spec, store, _ = sampler_sweep
    cut = Store(tmp_path / "cut")
    while len(cut.committed()) < len(store.committed()):
        before, ear = len(cut.committed()), InterruptingListener(commits=1)
        with pytest.raises(KeyboardInterrupt):
            carry_on(spec, cut.folder, ear)
        assert ear.indices == list(range(before, before + len(ear.indices)))
        assert 1 <= len(ear.indices) <= 3
        assert cut.committed() == list(range(before + len(ear.indices)))
    assert_same_rows(carry_on(spec, cut.folder), store)


@pytest.mark.promise("P4", "P7")
@pytest.mark.parametrize("words", [1, 4, 6, 11])
def test_interrupted_within_a_population_the_rows_are_the_same(
    finished_sweep: Store, tmp_path: Path, words: int
) -> None:
    """An interrupt in the middle of training loses that population only, and no half of it is ever visible.

    A population of one group of at most 8 members says a word at 2 blocks of steps (up to each snapshot), so the words
    stop the populations 0, 1, 2 and 5.
    """
    ear = InterruptingListener(words=words)
    with pytest.raises(KeyboardInterrupt):
        carry_on(experiment(), tmp_path / "cut", ear)
    assert ear.indices == list(range((words - 1) // 2))
    assert Store(tmp_path / "cut").committed() == ear.indices
    assert_same_rows(carry_on(experiment(), tmp_path / "cut"), finished_sweep)


@pytest.mark.promise("P4", "F23")
def test_one_search_object_may_be_run_again_after_an_interrupt(finished_sweep: Store, tmp_path: Path) -> None:
    """The same object, run again, starts from the files and not from what its searches were asked before."""
    sweep = Sweep(experiment(), Store(tmp_path / "cut"), BatchedEngine("cpu"))
    sweep.open()
    with pytest.raises(KeyboardInterrupt):
        sweep.run(InterruptingListener(commits=3))
    sweep.run(InterruptingListener())
    assert_same_rows(sweep.store, finished_sweep)


@pytest.mark.promise("P3", "P4")
def test_a_lost_population_is_trained_again(
    sampler_sweep: tuple[Experiment, Store, InterruptingListener], tmp_path: Path
) -> None:
    """A deleted file of the first, a middle or the last round comes back with the same rows; no other is touched."""
    spec, store, _ = sampler_sweep
    shutil.copytree(store.folder, tmp_path / "lost")
    missing = [0, 5, store.committed()[-1]]
    for index in missing:
        (tmp_path / f"lost/populations/{index:06d}.parquet").unlink()
    ear = InterruptingListener()
    again = carry_on(spec, tmp_path / "lost", ear)
    assert ear.indices == missing
    assert_same_rows(again, store)


# --- a variant of the user


def test_a_variant_of_the_user_is_searched_confirmed_reported_and_replayed(tmp_path: Path) -> None:
    """Registered in a few lines, it goes all the way through; its own parameter is searched beside [train]'s."""
    from analysis.report import write_report

    space = {**RATES, "sd": {"low": 0.5, "high": 2.0}}
    spec = {"variants": ["tempered", "minimax"], "search": {"trials": 3, "seeds": 2, "space": space}}
    with LOSSES.registered(tempered()):
        store = carry_on(experiment(**spec), tmp_path / "mine")
        mine = store.frame().query("loss == 'tempered'")
        temperatures = [params["sd"] for params in mine[mine["stage"] == "search"]["loss_params"]]
        assert (len(mine), temperatures[:2]) == (3 * 2 + 2, [1.0, 1.0])
        assert len(set(temperatures)) == 3
        assert set(mine["outcome"]) == {"scored"}
        carry_on(experiment(**spec), tmp_path / "mine")
        row = mine.query("trial == 2").iloc[0]
        assert replay(find_member(row["key"], store.folder)).matches
        page = write_report(store.folder).read_text()
    assert "tempered(sd=1) / variances" in page
    assert "Example 2020" in page
