"""Pruning by seed: who gets no further seeds is who Optuna's pruner would stop, and everybody else is untouched."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import WilcoxonPruner
from support.sweeps import RATES, InterruptingListener, assert_same_rows, carry_on, experiment

from analysis.report import write_report
from analysis.rows import best_trials, tidy
from harness.config import Experiment
from harness.config.wilcoxon import seed_looks
from harness.errors import InputError
from harness.store import Store
from harness.sweep.committed import by_trial
from harness.sweep.plan import gan_steps
from harness.sweep.trial_results import results
from harness.sweep.wilcoxon import worse

SEEDS = 8
#: From rates of 0.01, with which 200 steps come some way, down to rates with which nothing moves, so that four seeds
#: tell; 0.1 is Optuna's own threshold.
SEARCH = {"sampler": "sobol", "trials": 9, "seeds": SEEDS, "wilcoxon": 0.1, "space": RATES}
TRAIN = {"steps": 200, "batch": 20, "hidden": 8, "snapshots": [100, 200], "lr_d": 1e-2, "lr_g": 1e-2}


def pruning(**changes: Any) -> Experiment:
    """Two arms of nine trials with eight seeds, judged after four."""
    return experiment(search=SEARCH | changes, train=TRAIN)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A sweep in which trials were given up and others were not."""
    return carry_on(pruning(), tmp_path_factory.mktemp("pruned") / "small")


def score_members(store: Store, stage: str = "search") -> list[dict[str, Any]]:
    """The committed rows of a stage."""
    return [row for row in store.table().to_pylist(maps_as_pydicts="strict") if row["stage"] == stage]


@pytest.mark.parametrize(
    ("seeds", "threshold", "looks"),
    [(8, 0.1, (4,)), (17, 0.1, (4, 8, 16)), (8, 0.3, (2, 4)), (4, 0.1, ()), (33, 0.01, (8, 16, 32))],
)
def test_looks_by_hand(seeds: int, threshold: float, looks: tuple[int, ...]) -> None:
    """Powers of two below the seeds at which the least possible p-value, 2^-n, is below the threshold."""
    assert seed_looks(seeds, threshold) == looks


unit = st.floats(0, 1)


@given(
    ks=st.lists(unit, min_size=1, max_size=12),
    best=st.lists(unit, min_size=12, max_size=12),
    threshold=st.sampled_from([0.01, 0.1, 0.3]),
)
def test_decisions_are_optunas(ks: list[float], best: list[float], threshold: float) -> None:
    """For any two trials the decision is that of optuna.pruners.WilcoxonPruner on a study of both."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = WilcoxonPruner(p_threshold=threshold)
    study = optuna.create_study()
    study.add_trial(optuna.create_trial(value=sum(best) / 12, intermediate_values=dict(enumerate(best))))
    trial = study.ask()
    for seed, value in enumerate(ks):
        trial.report(value, seed)
    frozen = study.get_trials(deepcopy=False)[-1]
    wanted = pruner.prune(study, frozen)
    # Where the means are equal Optuna asks the test all the same: a tie of means that is no tie of ranks.
    mean, mean_best = sum(ks) / len(ks), sum(best) / 12
    if mean != mean_best:
        assert worse(dict(enumerate(ks)), dict(enumerate(best)), threshold) == wanted


def test_a_trial_given_up_was_trained_on_its_first_seeds_alone(pruned: Store) -> None:
    """Its first four members have whole scores, the others none and no step; a trial that went on has eight."""
    spec, kinds = pruning(), set()
    for arm in spec.arms:
        for rows in by_trial(score_members(pruned), arm).values():
            outcomes = [row["outcome"] for row in sorted(rows, key=lambda row: row["seed"])]
            given_up = "pruned" in outcomes
            kinds.add(given_up)
            assert outcomes.count("pruned") == (SEEDS - 4 if given_up else 0)
            assert all(o == "pruned" for o in outcomes[4:]) or not given_up
            for row in rows:
                untrained = row["outcome"] == "pruned"
                assert (row["ks"] is None) == untrained == (row["stopped_step"] == 0)
                assert (row["snapshot_step"] == []) == untrained
    assert kinds == {True, False}


def test_who_is_given_up_follows_from_the_rows(pruned: Store) -> None:
    """Each trial is compared with the best complete one of the rounds up to the last but one, as is stated."""
    for arm in pruning().arms:
        trials = by_trial(score_members(pruned), arm)
        by_seed = {t: {r["seed"]: r["ks"] for r in rows if r["ks"] is not None} for t, rows in trials.items()}
        first_of_round = {rows[0]["round"]: min(t for t in trials if trials[t][0]["round"] == rows[0]["round"])
                          for rows in trials.values()}  # fmt: skip
        for number, rows in trials.items():
            known_rounds = max(rows[0]["round"] - 2, 0)
            end = first_of_round.get(known_rounds + 1, 10**6) if rows[0]["round"] else 0
            complete = [t for t in trials if t < end and len(by_seed[t]) == SEEDS]
            if not complete:
                assert len(by_seed[number]) == SEEDS
                continue
            best = min(complete, key=lambda t: (sum(by_seed[t].values()) / SEEDS, t))
            first = {seed: ks for seed, ks in by_seed[number].items() if seed < 4}
            assert (len(by_seed[number]) == 4) == worse(first, by_seed[best], 0.1)


def test_results_are_recorded_as_optuna_would(pruned: Store) -> None:
    """A trial's intermediate values are its KS by seed, its score their mean, and given up is PRUNED."""
    spec = pruning()
    for arm in spec.arms:
        trials = by_trial(score_members(pruned), arm)
        for number, result in results(spec, arm, trials).items():
            trained = [row for row in trials[number] if row["ks"] is not None]
            assert result.at == {row["seed"]: row["ks"] for row in trained}
            assert math.isclose(result.values[0], sum(result.at.values()) / len(trained))
            assert result.pruned == (len(trained) < SEEDS)


def test_members_are_those_of_a_sweep_without_pruning(pruned: Store, tmp_path: Path) -> None:
    """Every member that was trained has the bits it has where nobody is given up."""
    whole = {row["key"]: row for row in score_members(carry_on(pruning(wilcoxon=0.0), tmp_path / "whole"))}
    for row in score_members(pruned):
        if row["ks"] is not None:
            assert repr(row) == repr(whole[row["key"]] | {"round": row["round"]})


def test_the_winner_was_never_given_up(pruned: Store) -> None:
    """Each arm confirms the best of the trials with all seeds."""
    spec = pruning()
    confirmed = {row["arm"]: row["trial"] for row in score_members(pruned, "confirm")}
    for arm in spec.arms:
        trials = by_trial(score_members(pruned), arm)
        complete = {t: _mean(rows) for t, rows in trials.items() if all(row["ks"] is not None for row in rows)}
        assert confirmed[arm.text] == min(complete, key=lambda t: (complete[t], t))


def _mean(rows: Sequence[Mapping[str, Any]]) -> float:
    return sum(row["ks"] for row in rows) / len(rows)


def test_an_interrupted_sweep_resumes_to_the_same_rows(pruned: Store, tmp_path: Path) -> None:
    """Stopped at every commit, the sweep ends with the rows of the uninterrupted one, and tells all its steps."""
    spec, cut = pruning(), Store(tmp_path / "small")
    while len(cut.committed()) < len(pruned.committed()):
        with pytest.raises(KeyboardInterrupt):
            carry_on(spec, cut.folder, InterruptingListener(commits=1))
    ear = InterruptingListener()
    assert_same_rows(carry_on(spec, cut.folder, ear), pruned)
    assert ear.steps == gan_steps(spec)


def test_the_report_knows_who_was_given_up(pruned: Store) -> None:
    """A trial that was given up wins nowhere in the report, its untrained members are no missing values, and arms with
    the same trials and seeds were searched equally however many of them were trained.
    """
    frame = pruned.frame()
    searched = tidy(frame)[0].query("stage == 'search'")
    confirmed = {row["arm"]: row["trial"] for row in score_members(pruned, "confirm")}
    assert best_trials(searched) == confirmed
    page = write_report(pruned.folder).with_name("report.md").read_text()
    spare = int(frame["ks"].isna().sum())
    assert f"{spare} of {len(frame)} members were not trained" in page
    assert "no value for a score" not in page
    assert "not searched equally" not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"halving": 2}, "halving and wilcoxon exclude each other"),
        ({"seeds": 4}, "before the last of 4 seeds"),
        ({"objectives": ["ks", "steps"]}, "cannot be combined with halving or wilcoxon"),
    ],
)
def test_what_cannot_be_pruned_is_refused(changes: dict[str, Any], words: str) -> None:
    """Two races, too few seeds for any verdict, and several objectives are told in a line."""
    with pytest.raises((InputError, ValueError), match=words):
        pruning(**changes)
