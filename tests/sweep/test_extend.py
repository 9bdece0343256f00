"""Raising a budget and trying members again: what was committed stays, what follows from it is made anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sweeps import RATES, InterruptingListener, assert_same_rows, carry_on, contents, experiment

from harness.config import Experiment
from harness.engines.base import Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.errors import InputError
from harness.members import Group
from harness.store import Store
from harness.store.cleanup import find_removable, remove
from harness.sweep.plan import extended_rounds, gan_steps, planned
from harness.sweep.sweep import Sweep

#: Everything searched trains less than the last trials do, so that a longer search has another winner.
MORE = 13


def extended(spec: Experiment, folder: Path, trials: int = MORE, ear: InterruptingListener | None = None) -> Store:
    """Extend the sweep as ``harness sweep --extend trials=N`` does."""
    sweep = Sweep(spec, Store(folder), BatchedEngine("cpu"))
    sweep.open(extend=trials)
    sweep.run(ear or InterruptingListener())
    return sweep.store


def search_rows(store: Store, arm: str) -> list[tuple[int, int, float]]:
    """Trial, seed and KS of an arm's search, in order."""
    frame = store.frame().query("stage == 'search' and arm == @arm").sort_values(["trial", "seed"])
    return list(zip(frame["trial"], frame["seed"], frame["ks"], strict=True))


# --- the plan -------------------------------------------------------------------------------------------------------


@given(trials=st.integers(1, 40), steps=st.lists(st.integers(1, 20), max_size=3), batch=st.integers(1, 9))
def test_extended_rounds_hold_the_trials_that_were_added(trials: int, steps: list[int], batch: int) -> None:
    """Each raise adds full batches and what is left."""
    totals = [trials + sum(steps[: i + 1]) for i in range(len(steps))]
    counts = extended_rounds(trials, totals, batch)
    assert sum(counts) == sum(steps)
    assert all(1 <= count <= batch for count in counts)


def test_an_extended_plan_moves_no_population() -> None:
    """Indices of the first plan stay; new rounds have those behind it, and are worked off before the confirm stage."""
    spec = experiment()
    before, after = planned(spec), planned(spec, [6, 9])
    assert after[: len(before) - 1] == before[:-1]
    assert after[-1] == before[-1]
    indices = [index for round_ in after for index, _ in round_.populations]
    assert sorted(indices) == list(range(len(indices)))
    assert [round_.trials for round_ in after[len(before) - 1 : -1]] == [1] * 5
    assert gan_steps(spec, [6, 9]) - gan_steps(spec) == 5 * 2 * 2 * 20


# --- extending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["sobol", "auto", "cmaes", "tpe"])
def test_an_extended_sweep_keeps_its_trials_and_adds_some(tmp_path: Path, sampler: str) -> None:
    """The first trials are those of before; the winner is the best of all; one file of the confirm stage counts."""
    spec = experiment(sampler)
    before = carry_on(spec, tmp_path / "small")
    first = {arm.text: search_rows(before, arm.text) for arm in spec.arms}
    files = contents(before.folder / "populations")
    store = extended(spec, tmp_path / "small")
    assert files.items() <= contents(store.folder / "populations").items()
    frame = store.frame()
    for arm in spec.arms:
        rows = search_rows(store, arm.text)
        assert rows[: len(first[arm.text])] == first[arm.text]
        assert [row[0] for row in rows] == [t for t in range(MORE) for _ in range(2)]
        means = frame[(frame["stage"] == "search") & (frame["arm"] == arm.text)].groupby("trial")["ks"].mean()
        confirmed = frame[(frame["stage"] == "confirm") & (frame["arm"] == arm.text)]
        assert set(confirmed["trial"]) == {means.idxmin()}
        assert len(confirmed) == 2


def test_sobol_extended_is_sobol_with_the_larger_budget(tmp_path: Path) -> None:
    """The trials of a sweep that was extended are those of one that had the whole budget at once."""
    spec = experiment("sobol")
    carry_on(spec, tmp_path / "small")
    grown = extended(spec, tmp_path / "small", 8)
    search = {"sampler": "sobol", "trials": 8, "seeds": 2, "space": RATES}
    whole = carry_on(experiment(search=search), tmp_path / "other/whole")
    for arm in spec.arms:
        assert search_rows(grown, arm.text) == search_rows(whole, arm.text)


def test_an_interrupted_extension_goes_on_without_being_named_again(tmp_path: Path) -> None:
    """Stopped at every commit, the plain command carries the extension to the rows of one that nothing interrupted."""
    spec = experiment("tpe")
    carry_on(spec, tmp_path / "a/small")
    whole = extended(spec, tmp_path / "a/small")
    carry_on(spec, tmp_path / "b/small")
    cut = Store(tmp_path / "b/small")
    with pytest.raises(KeyboardInterrupt):
        extended(spec, cut.folder, ear=InterruptingListener(commits=1))
    while cut.revisions() != whole.revisions():
        with pytest.raises(KeyboardInterrupt):
            carry_on(spec, cut.folder, InterruptingListener(commits=1))
    assert_same_rows(carry_on(spec, cut.folder), whole)
    assert "finished" in cut.describe()


def test_extending_twice_and_before_the_end(tmp_path: Path) -> None:
    """A budget may be raised while the first is not used up, and raised again; trials are numbered through."""
    spec = experiment("random")
    with pytest.raises(KeyboardInterrupt):
        carry_on(spec, tmp_path / "small", InterruptingListener(commits=2))
    extended(spec, tmp_path / "small", 6)
    store = extended(spec, tmp_path / "small", 9)
    assert store.describe()["extensions"] == [6, 9]
    assert sorted(set(store.frame().query("stage == 'search'")["trial"])) == list(range(9))


@pytest.mark.parametrize("trials", [0, 3, 4, 10**6 + 1])
def test_a_budget_that_does_not_grow_is_refused(tmp_path: Path, trials: int) -> None:
    """Fewer trials, as many, or more than any sweep may have: a line, and nothing is touched."""
    store = carry_on(experiment("random"), tmp_path / "small")
    before = contents(store.folder)
    with pytest.raises(InputError, match=rf"^--extend: {trials} trials of each arm.*has 4.*allowed: more"):
        extended(experiment("random"), store.folder, trials)
    assert contents(store.folder) == before


def test_the_same_extension_named_again_is_no_other(tmp_path: Path) -> None:
    """The command that was interrupted may be given again as it was."""
    spec = experiment("random")
    carry_on(spec, tmp_path / "small")
    with pytest.raises(KeyboardInterrupt):
        extended(spec, tmp_path / "small", 6, InterruptingListener(commits=1))
    assert extended(spec, tmp_path / "small", 6).describe()["extensions"] == [6]


# --- trying again ---------------------------------------------------------------------------------------------------


class Forgetful(BatchedEngine):
    """The batched engine on a machine that has no memory for the members of one seed, as long as ``short``."""

    def __init__(self, short: bool, seed: int) -> None:
        super().__init__("cpu")
        self._short, self._seed = short, seed

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        if self._short and any(member.seed == self._seed for member in group.members):
            raise MemoryError("Unable to allocate 1.00 PiB")
        return super().train(group, measure, progress, segments)


def run(
    spec: Experiment, folder: Path, short: bool, seed: int, *, retry_failed: bool = False
) -> tuple[Store, InterruptingListener]:
    """A sweep run to its end; members that failed before are retrained first where that is asked for."""
    ear, sweep = InterruptingListener(), Sweep(spec, Store(folder), Forgetful(short, seed))
    sweep.open()
    sweep.run(ear, retry_failed=retry_failed)
    return sweep.store, ear


@pytest.mark.parametrize("seed", [1, 1_000_001])
def test_failed_members_are_trained_again(tmp_path: Path, seed: int) -> None:
    """With memory back the failed members of search and confirm stage have the rows they would have had; first files
    stay, and the search goes on being told from them.
    """
    spec = experiment("random")
    whole, _ = run(spec, tmp_path / "a/small", False, seed)
    store, _ = run(spec, tmp_path / "b/small", True, seed)
    first = contents(store.folder / "populations")
    assert (store.frame()["outcome"] == "failed").any()
    _, ear = run(spec, store.folder, False, seed, retry_failed=True)
    assert first.items() <= contents(store.folder / "populations").items()
    assert ear.indices
    assert_same_rows(store, whole)
    before = contents(store.folder)
    assert run(spec, store.folder, False, seed, retry_failed=True)[1].indices == []
    assert contents(store.folder / "populations") == {k.removeprefix("populations/"): v for k, v in before.items()
                                                      if k.startswith("populations/")}  # fmt: skip


def test_what_fails_again_changes_nothing(tmp_path: Path) -> None:
    """Trained again without memory, members fail again and no revision is committed."""
    spec = experiment("random")
    store, _ = run(spec, tmp_path / "small", True, 1)
    before = contents(store.folder / "populations")
    _, ear = run(spec, store.folder, True, 1, retry_failed=True)
    assert ear.indices == []
    assert contents(store.folder / "populations") == before


def test_a_retry_that_changes_the_winner_confirms_the_new_one(tmp_path: Path) -> None:
    """A trial that lost for want of memory may win once it is trained; its fresh seeds take the others' place."""
    spec = experiment("tpe")
    whole, _ = run(spec, tmp_path / "a/small", False, 1)
    store, _ = run(spec, tmp_path / "b/small", True, 1)
    run(spec, store.folder, False, 1, retry_failed=True)
    frame = store.frame()
    for arm in spec.arms:
        rows = frame[(frame["stage"] == "search") & (frame["arm"] == arm.text)]
        best = rows.groupby("trial")["ks"].mean().idxmin()
        assert set(frame[(frame["stage"] == "confirm") & (frame["arm"] == arm.text)]["trial"]) == {best}
    assert "failed" not in set(frame["outcome"])
    assert len(frame) == len(whole.frame())


def test_a_retried_sweep_that_was_cleaned_goes_on(tmp_path: Path) -> None:
    """`harness clean` leaves what the search is told from: a budget raised later is used as if nothing had gone."""
    spec = experiment("cmaes")
    grown: list[Store] = []
    for name in ("kept", "cleaned"):
        store, _ = run(spec, tmp_path / name / "small", True, 1)
        run(spec, store.folder, False, 1, retry_failed=True)
        if name == "cleaned":
            found = find_removable(tmp_path / name)
            assert any("resumed search reads it" in why for _, why in found.kept)
            assert all(reason == "" for _, reason in remove(tmp_path / name, found.items))
        grown.append(extended(spec, store.folder))
    assert repr(grown[1].table().to_pylist()) == repr(grown[0].table().to_pylist())


def test_a_sweep_is_finished_when_all_of_it_is(tmp_path: Path) -> None:
    """The mark appears with the last commit, goes when a budget is raised, and comes back."""
    spec = experiment("random")
    with pytest.raises(KeyboardInterrupt):
        carry_on(spec, tmp_path / "small", InterruptingListener(commits=2))
    assert not Store(tmp_path / "small").describe().get("finished")
    store = carry_on(spec, tmp_path / "small")
    assert store.describe()["finished"]
    assert store.describe()["populations"] == len(store.committed())
    sweep = Sweep(spec, store, BatchedEngine("cpu"))
    sweep.open(extend=6)
    assert not store.describe()["finished"]
    assert store.describe()["populations"] == len(store.committed()) + 4
    sweep.run(InterruptingListener())
    assert store.describe()["finished"]
