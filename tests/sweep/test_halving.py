"""Successive halving: survivors, budgets, and that racing changes no bit of those who race."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.members import member
from support.sweeps import RATES, InterruptingListener, altered, assert_same_rows, carry_on

from analysis.rows import best_trials
from harness.config import Experiment
from harness.config.search import halved_steps, rung_steps, survivors
from harness.engines.base import Measure, Progress, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.errors import InputError, StoreError
from harness.members import Group, Member
from harness.store import SCHEMA, Store
from harness.sweep.halving import Rules, best, fates, halve
from harness.sweep.lookup import find_member
from harness.sweep.plan import Location, gan_steps, planned, round_steps
from harness.sweep.replay import replay
from harness.sweep.training import Row, score_members, train
from harness.tracking.committed_trials import Trials
from harness.tracking.run_content import arm_run, trial_run

RULES = Rules(eta=3, rungs=2)
STEPS = 18

#: What a row is compared by: all that training and scoring say of a member.
COLUMNS = [name for name in SCHEMA.names if name not in ("stage", "round", "arm", "trial", "generator")]


def experiment(sampler: str = "random", **changes: Any) -> Experiment:
    """Two arms of 11 trials in rounds of 1 and 2 (a quarter of 11, rounded down), 2 seeds: halving by 2 once."""
    search = {"sampler": sampler, "trials": 11, "seeds": 2, "space": RATES, "halving": 2, "rungs": 1}
    plain: dict[str, Any] = {
        "name": "halved",
        "variants": ["minimax", "least_squares"],
        "population": 3,
        "train": {"steps": STEPS, "batch": 10, "hidden": 4, "snapshots": [5, STEPS]},
        "search": search,
        "confirm": {"seeds": 2},
    }
    return Experiment.model_validate(plain | changes)


def race(trials: int = 7, arms: tuple[str, ...] = ("minimax", "non_saturating")) -> list[tuple[Location, Member]]:
    """Trials of different rates, two seeds each, measured at steps 2, 6 (the rungs of 18 steps by 3), 9 and 18."""
    return [
        (
            Location("search", 1, f"{loss} / variances", trial),
            member(
                loss, seed, lr_g=10 ** (-4 + trial / 3), steps=STEPS, batch=10, hidden=4, snapshots=(2, 6, 9, STEPS)
            ),
        )
        for trial in range(trials)
        for loss in arms
        for seed in range(2)
    ]


def by_trial(placed: list[tuple[Location, Member]], rows: list[Row]) -> dict[str, dict[int, list[Row]]]:
    """Rows by arm and trial."""
    found: dict[str, dict[int, list[Row]]] = {}
    for (place, _), row in zip(placed, rows, strict=True):
        found.setdefault(place.arm, {}).setdefault(place.trial, []).append(row)
    return found


def raced(placed: list[tuple[Location, Member]], slots: int = 100, told: list[int] | None = None) -> list[Row]:
    """The rows of a race on the batched engine."""
    heard = [] if told is None else told
    return score_members(halve(placed, RULES, slots, BatchedEngine("cpu"), heard.append)[0])


# --- arithmetic -----------------------------------------------------------------------------------------------------


def test_rungs_by_hand() -> None:
    """270 steps by 3, twice: 30 and 90; 100 steps: 100/9 = 11.1 and 100/3 = 33.3, rounded up."""
    assert rung_steps(270, 3, 2) == (30, 90)
    assert rung_steps(100, 3, 2) == (12, 34)
    assert rung_steps(9, 3, 2) == (1, 3)


@given(steps=st.integers(1, 10**6), eta=st.integers(2, 10), rungs=st.integers(1, 6))
def test_rungs_ascend_below_the_last_step(steps: int, eta: int, rungs: int) -> None:
    """Every rung is later than the one before and below the end, if the first one has a step at all."""
    if eta**rungs > steps:
        return
    found = (0, *rung_steps(steps, eta, rungs), steps)
    assert all(a < b for a, b in itertools.pairwise(found))


def test_budgets_by_hand() -> None:
    """Of 9 trials of 270 steps, 9 do 30, 3 do 60 more, 1 does 180 more: 630 instead of 2,430. One trial does all."""
    assert halved_steps(9, 270, 3, 2) == 9 * 30 + 3 * 60 + 180
    assert halved_steps(1, 270, 3, 2) == 270
    assert [survivors(n, 3) for n in range(1, 8)] == [1, 1, 1, 2, 2, 2, 3]


def test_the_best_go_on_and_of_equals_the_earlier() -> None:
    """ceil(5/2) = 3 of five."""
    assert best({4: 0.5, 7: 0.2, 9: 0.5, 11: 1.0, 2: 0.5}, 2) == [7, 2, 4]


# --- a race ---------------------------------------------------------------------------------------------------------


def test_who_goes_on_is_who_was_better_at_the_rung() -> None:
    """At each rung the ceil(n/3) trials with the least mean KS there, arm by arm, by the numbers of whole trainings."""
    placed = race()
    rows = by_trial(placed, raced(placed))
    whole = by_trial(placed, train([one for _, one in placed], BatchedEngine("cpu"), lambda steps: None))
    for arm, trials in whole.items():
        left = set(trials)
        for rung, stopped in ((2, 4), (6, 2)):  # 7 -> 3 -> 1
            at = {t: sum(r["snapshot_ks"][r["snapshot_step"].index(rung)] for r in trials[t]) / 2 for t in left}
            behind = set(sorted(left, key=lambda t: (at[t], t))[-stopped:])
            for trial in behind:
                assert [(r["outcome"], r["stopped_step"]) for r in rows[arm][trial]] == [("pruned", rung)] * 2
            left -= behind
        (winner,) = left
        assert {r["outcome"] for r in rows[arm][winner]} == {"scored"}


def test_racing_changes_no_bit() -> None:
    """A survivor's row is that of its training without halving; a pruned one's is that of a training to its rung."""
    placed = race()
    rows = raced(placed)
    seen = set()
    for (_, one), row in zip(placed, rows, strict=True):
        stop = row["stopped_step"] if row["outcome"] == "pruned" else None
        (alone,) = train([one], BatchedEngine("cpu"), lambda steps: None, stop)
        assert [name for name in COLUMNS if repr(alone.get(name)) != repr(row.get(name))] == []
        assert alone["generator"].tobytes() == row["generator"].tobytes()
        seen.add((row["outcome"], row.get("stopped_step")))
        if stop:
            assert row["ks"] == row["snapshot_ks"][row["snapshot_step"].index(stop)]
            assert row["snapshot_step"][-1] == stop
            assert row["w1"] is not None
    assert seen == {("scored", None), ("pruned", 2), ("pruned", 6)}


@pytest.mark.parametrize("slots", [1, 3, 5, 13])
def test_a_population_smaller_than_the_round_is_refilled(slots: int) -> None:
    """However few train at once: the same rows, and never more than that many members in a call of the engine."""

    class Watching(BatchedEngine):
        def train(self, group: Group, measure: Measure, progress: Progress, segments: Any = None) -> TrainingResult:
            calls.append([(segment.start, segment.stop) for segment in segments])
            return super().train(group, measure, progress, segments)

    calls: list[list[tuple[int, int]]] = []
    placed = race()
    rows = score_members(halve(placed, RULES, slots, Watching("cpu"), lambda steps: None)[0])
    assert repr(rows) == repr(raced(placed))
    assert max(map(len, calls)) <= slots
    # 14 members an arm: the first is through its rung while the second is still on its way there.
    assert any(len(set(call)) > 1 for call in calls) == (slots > 1)


def test_budgets_are_what_was_planned() -> None:
    """The steps told are those counted beforehand, and the same for each arm, also where members diverge."""
    told: list[int] = []
    raced(race(), told=told)
    assert sum(told) == 2 * 2 * halved_steps(7, STEPS, *RULES)
    placed = [(place, one if place.trial < 2 else sick(one.seed)) for place, one in race(4, arms=("least_squares",))]
    told.clear()
    rows = raced(placed, told=told)
    assert sum(told) == 2 * halved_steps(4, STEPS, *RULES)
    assert {row["outcome"] for row in rows} == {"scored", "pruned", "diverged"}


def sick(seed: int) -> Member:
    """A member whose rates make it diverge before the first rung."""
    wild = {"target": member().target, "lr_d": 1e6, "lr_g": 1e6, "optimizer": "sgd"}
    return member("least_squares", seed, steps=STEPS, batch=10, hidden=4, snapshots=(2, 6, 9, STEPS), **wild)


def test_diverged_members_count_one_and_an_arm_of_them_still_has_a_survivor() -> None:
    """Trials that diverged lose to all others; where all did, the first is taken for the one that went on."""
    placed = [(place, sick(one.seed)) for place, one in race(4, arms=("least_squares",))]
    trials = by_trial(placed, raced(placed))["least_squares / variances"]
    assert {row["outcome"] for rows in trials.values() for row in rows} == {"diverged"}
    found = fates(trials, STEPS, RULES)
    assert [trial for trial, fate in found.items() if not fate.pruned] == [0]
    assert found[0].at_rungs == {2: 1.0, 6: 1.0}


def test_fates_are_read_from_rows_alone() -> None:
    """Fates by the rows are those that the race had, with the mean at every rung that a trial came to."""
    placed = race()
    for trials in by_trial(placed, raced(placed)).values():
        for trial, fate in fates(trials, STEPS, RULES).items():
            outcomes = {row["outcome"] for row in trials[trial]}
            assert fate.pruned == (outcomes == {"pruned"})
            stopped = trials[trial][0].get("stopped_step") or STEPS
            assert list(fate.at_rungs) == [rung for rung in (2, 6) if rung <= stopped]


# --- the experiment file --------------------------------------------------------------------------------------------


def test_halving_is_part_of_the_fingerprint() -> None:
    """It changes results, survives the way through JSON, and without it there are no rungs."""
    plain = experiment(search={"trials": 2, "seeds": 2, "space": RATES})
    assert plain.arm_rungs(plain.arms[0]) == ()
    halved = experiment()
    assert halved.to_json()["search"]["halving"] == 2
    assert Experiment.from_json(halved.to_json()).fingerprint == halved.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"halving": 3, "rungs": 3}, r"search\.rungs: 3 rungs do not fit into 18 steps; .*here 3\^3"),
        ({"rungs": 3}, r"search\.rungs: got 3 without halving"),
    ],
)
def test_rungs_that_cannot_be_are_refused(changes: dict[str, int], words: str) -> None:
    """Each rung has a step of its own, and means nothing without halving."""
    search = {"trials": 4, "seeds": 2, "space": RATES}
    with pytest.raises(InputError, match=words):
        experiment(search=search | changes)


@pytest.mark.parametrize("halving", [1, 11, -2, 2.5, True])
def test_a_factor_is_0_or_from_2_to_10(halving: Any) -> None:
    """Anything else is refused with what is allowed."""
    with pytest.raises(ValueError, match="halving"):
        experiment(search={"trials": 4, "space": RATES, "halving": halving, "rungs": 1})


def test_a_round_is_large_enough_to_leave_one() -> None:
    """eta^rungs trials where the budget has four such rounds, whatever the population; a round is one population."""
    search = {"trials": 37, "seeds": 2, "space": RATES, "halving": 3}
    spec = experiment(search=search)
    assert spec.batch == 9
    searching = [round_ for round_ in planned(spec) if round_.stage == "search"]
    assert [round_.trials for round_ in searching] == [1, 9, 9, 9, 9]
    assert [round_.populations for round_ in searching] == [((0, 4),), *(((i, 36),) for i in range(1, 5))]
    assert round_steps(spec, searching[1]) == 4 * halved_steps(9, STEPS, 3, 2)
    # The baseline's round and the confirm stage train whole.
    assert gan_steps(spec) == 4 * STEPS + 4 * 4 * halved_steps(9, STEPS, 3, 2) + 4 * STEPS
    assert gan_steps(spec, halved=False) == (4 + 4 * 36 + 4) * STEPS


# --- a sweep --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished sweep with halving, to read only."""
    return carry_on(experiment(), tmp_path_factory.mktemp("halved") / "small")


def test_pruned_rows_are_committed_and_win_nothing(halved: Store) -> None:
    """Half of every full round is pruned at step 9; the winner is the best of the others; progress adds up."""
    frame = halved.frame()
    search = frame[frame["stage"] == "search"]
    pruned = search[search["outcome"] == "pruned"]
    assert set(pruned["stopped_step"]) == {STEPS // 2}
    assert pruned["stopped_tensor"].isna().all()
    whole = search[search["outcome"] == "scored"].groupby(["arm", "trial"])["ks"].mean()
    for arm, rows in frame[frame["stage"] == "confirm"].groupby("arm"):
        assert set(rows["trial"]) == {whole[arm].idxmin()}
    assert set(frame[frame["stage"] == "confirm"]["outcome"]) == {"scored"}


def test_pruned_trials_are_counted_apart(halved: Store) -> None:
    """No failure, and never an arm's best: in the tables of the report and in the mirrored runs alike."""
    search = halved.frame().query("stage == 'search'")
    pruned = set(search[search["outcome"] == "pruned"].groupby(["arm", "trial"]).groups)
    best = best_trials(search)
    assert all((arm, trial) not in pruned for arm, trial in best.items())
    assert best == dict(halved.frame().query("stage == 'confirm'").groupby("arm")["trial"].first())
    description = halved.describe()
    trials = Trials(halved, description, limit=1)
    trials.refresh()
    for arm in description["arms"]:
        whole = [t for t in trials.complete(arm=arm["arm"], stage="search") if not trials.pruned(t)]
        content = arm_run(description, trials, arm)
        told = {name: value for name, value, _ in content.metrics}
        assert told["ks_search"] == min(map(trials.score, whole))
    assert {t[:1] + t[2:] for t in trials.complete(stage="search") if trials.pruned(t)} == pruned
    one = next(t for t in trials.complete(stage="search") if trials.pruned(t))
    content = trial_run(description, one, trials.rows(one), "folder")
    assert content.tags["outcome"] == "pruned"
    assert content.tags["reason"] == f"pruned by halving at step {STEPS // 2}"
    assert max(step for name, _, step in content.metrics if name == "ks") == STEPS // 2
    assert not [t for t in trials.beyond() if trials.pruned(t) and trials.score(t) < 1]


def test_progress_of_a_halved_sweep_ends_at_its_whole(tmp_path: Path) -> None:
    """Told while training, and again when found committed: the steps that ``gan_steps`` says."""
    spec = experiment()
    first, again = InterruptingListener(), InterruptingListener()
    carry_on(spec, tmp_path / "small", first)
    carry_on(spec, tmp_path / "small", again)
    assert first.steps == again.steps == gan_steps(spec)
    assert again.indices == []


@pytest.mark.parametrize("sampler", ["random", "tpe", "sobol", "cmaes", "gp"])
@pytest.mark.promise("P4")
def test_an_interrupted_halved_sweep_resumes_to_the_same_rows(sampler: str, tmp_path: Path) -> None:
    """Interrupted in the middle of a round's training and between rounds, then carried on: bit for bit the rows."""
    whole = carry_on(experiment(sampler), tmp_path / "whole")
    interruptions = [
        InterruptingListener(words=1),
        InterruptingListener(words=9),
        InterruptingListener(commits=2),
        InterruptingListener(words=12),
    ]
    for ear in interruptions:
        with pytest.raises(KeyboardInterrupt):
            carry_on(experiment(sampler), tmp_path / "cut", ear)
    assert_same_rows(carry_on(experiment(sampler), tmp_path / "cut"), whole)


def test_a_pruned_member_can_be_replayed(halved: Store) -> None:
    """Alone it trains to its rung, with the committed bits; and so does one that went on."""
    rows = halved.table().to_pylist(maps_as_pydicts="strict")
    for outcome in ("pruned", "scored"):
        row = next(row for row in rows if row["outcome"] == outcome and row["round"] == 2)
        assert replay(find_member(row["key"], halved.folder)).matches


@pytest.mark.promise("P2")
def test_a_survivor_that_was_not_is_noticed(halved: Store, tmp_path: Path) -> None:
    """Committed rows of other members are refused on resuming, as without halving."""
    shutil.copytree(halved.folder, tmp_path / "small")
    altered(Store(tmp_path / "small"), 1, "key", "0" * 16)
    with pytest.raises(StoreError, match="holds other members"):
        carry_on(experiment(), tmp_path / "small")
