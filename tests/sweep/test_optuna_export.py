"""A sweep as Optuna studies: each trial once, as Optuna would have recorded it, in a file and in PostgreSQL."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from support.command_line import harness
from support.postgres import PostgreSQL, postgres
from support.sweeps import RATES, InterruptingListener, carry_on, experiment

from harness.config import Experiment
from harness.errors import InputError
from harness.search.studies import open_storage
from harness.store import Store
from harness.sweep.optuna_export import export

__all__ = ["postgres"]

HALVED = {"sampler": "sobol", "trials": 13, "seeds": 2, "halving": 2, "rungs": 1, "space": RATES}


def exported(store: Store, target: Path | str) -> dict[str, int]:
    """The number of trials that an export added to each study."""
    told: dict[str, int] = {}
    export(store, str(target), told.__setitem__)
    return told


def journal(path: Path) -> JournalStorage:
    """A journal file as anybody would open it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(path)))


def trials_of(storage: Any, store: Store, arm: str) -> list[FrozenTrial]:
    """The trials of an arm's study, by their number in the sweep; none may be there twice."""
    description = store.describe()
    study = optuna.load_study(study_name=f"{description['name']} {description['uid'][:8]}: {arm}", storage=storage)
    found = sorted(study.get_trials(), key=lambda trial: trial.user_attrs["harness.trial"])
    numbers = [trial.user_attrs["harness.trial"] for trial in found]
    assert numbers == sorted(set(numbers))
    return found


def searched(store: Store, arm: str) -> Any:
    """The rows of an arm's search."""
    return store.frame().query("stage == 'search' and arm == @arm")


def test_a_trial_is_what_optuna_would_have_recorded(tmp_path: Path) -> None:
    """Setting and mean KS are those of the committed rows, to the bit."""
    store = carry_on(experiment("tpe"), tmp_path / "small")
    assert set(exported(store, tmp_path / "journal.log").values()) == {4}
    for arm in experiment().arms:
        trials = trials_of(journal(tmp_path / "journal.log"), store, arm.text)
        rows = searched(store, arm.text)
        assert [trial.user_attrs["harness.trial"] for trial in trials] == [0, 1, 2, 3]
        for number, trial in enumerate(trials):
            own = rows[rows["trial"] == number]
            assert trial.state == TrialState.COMPLETE
            assert trial.values == [sum(own["ks"].tolist()) / 2]
            assert trial.params == {name: own[name].iloc[0] for name in ("lr_d", "lr_g")}
            assert trial.constraints == {"lost": -0.25}


def test_a_race_is_recorded_with_its_rungs(tmp_path: Path) -> None:
    """Of a halved sweep: PRUNED with the value at the rung where it stopped, and the values on the way of all."""
    spec = experiment(search=HALVED)
    store = carry_on(spec, tmp_path / "small")
    exported(store, tmp_path / "journal.log")
    states: set[TrialState] = set()
    for arm in spec.arms:
        rows = searched(store, arm.text)
        for trial in trials_of(journal(tmp_path / "journal.log"), store, arm.text):
            own = rows[rows["trial"] == trial.user_attrs["harness.trial"]]
            pruned = set(own["outcome"]) == {"pruned"}
            states.add(trial.state)
            assert (trial.state == TrialState.PRUNED) == pruned
            assert list(trial.intermediate_values) == [10]
            if pruned:
                assert trial.value == trial.intermediate_values[10] == sum(own["ks"].tolist()) / 2
    assert states == {TrialState.PRUNED, TrialState.COMPLETE}


def test_several_objectives_make_a_study_of_several(tmp_path: Path) -> None:
    """KS and steps to reach it are two values, both named and to be made small."""
    spec = experiment(
        search={"sampler": "nsga2", "trials": 3, "seeds": 2, "objectives": ["ks", "steps"], "space": RATES}
    )
    store = carry_on(spec, tmp_path / "small")
    exported(store, tmp_path / "journal.log")
    trials = trials_of(journal(tmp_path / "journal.log"), store, spec.arms[0].text)
    assert [trial.values[1] for trial in trials] == [40.0] * 3  # 20 steps that never come below 0.05 count twice
    name = f"small {store.describe()['uid'][:8]}: {spec.arms[0].text}"
    study = optuna.load_study(study_name=name, storage=journal(tmp_path / "journal.log"))
    assert study.metric_names == ["ks", "steps"]
    assert [direction.name for direction in study.directions] == ["MINIMIZE"] * 2


def grow(spec: Experiment, folder: Path, commits: Sequence[int]) -> Store:
    """A sweep that is interrupted after so many commits, again and again."""
    for count in commits:
        with pytest.raises(KeyboardInterrupt):
            carry_on(spec, folder, InterruptingListener(commits=count))
    return Store(folder)


@pytest.mark.promise("P2", "P4")
def test_exported_while_it_grows_a_sweep_has_every_trial_once(tmp_path: Path) -> None:
    """Exports of a sweep that is not finished have the complete rounds; later ones add what has come; the last none."""
    spec, target = experiment("random"), tmp_path / "journal.log"
    store = grow(spec, tmp_path / "small", [2])
    counts = [sum(exported(store, target).values())]
    grow(spec, tmp_path / "small", [2])
    counts += [sum(exported(store, target).values()), sum(exported(store, target).values())]
    carry_on(spec, tmp_path / "small")
    counts += [sum(exported(store, target).values()), sum(exported(store, target).values())]
    assert 0 < counts[0] < 8
    assert counts[2] == counts[4] == 0
    assert sum(counts) == 8
    for arm in spec.arms:
        assert len(trials_of(journal(target), store, arm.text)) == 4


def test_two_sweeps_of_one_name_are_two_studies(tmp_path: Path) -> None:
    """Studies bear the sweep's own id, so that a fresh start does not meet the trials of the one before."""
    first, second = (carry_on(experiment("random"), tmp_path / name / "small") for name in "ab")
    exported(first, tmp_path / "journal.log")
    assert set(exported(second, tmp_path / "journal.log").values()) == {4}
    assert len(optuna.get_all_study_names(journal(tmp_path / "journal.log"))) == 4


def test_a_trial_that_was_changed_since_is_refused(tmp_path: Path) -> None:
    """A study with the values from before members were retrained is not mixed with the new ones: a line says so."""
    store = carry_on(experiment("random"), tmp_path / "small")
    exported(store, tmp_path / "journal.log")
    before = (tmp_path / "journal.log").read_bytes()
    rows = store.population(0).to_pylist(maps_as_pydicts="strict")
    store.commit(0, [rows[0] | {"ks": 0.125}, *rows[1:]], {}, revision=1)
    with pytest.raises(InputError, match="its trial 0 differs from the sweep's, which was changed since"):
        exported(store, tmp_path / "journal.log")
    assert (tmp_path / "journal.log").read_bytes() == before
    assert set(exported(store, tmp_path / "other.log").values()) == {4}


@pytest.mark.promise("P2", "P7")
def test_postgresql_holds_each_trial_once(postgres: PostgreSQL, tmp_path: Path) -> None:
    """A real server's database: exported twice and after the sweep has grown, it holds every trial once."""
    spec, target = experiment("random"), postgres.database()
    store = grow(spec, tmp_path / "small", [3])
    exported(store, target)
    carry_on(spec, tmp_path / "small")
    exported(store, target)
    assert set(exported(store, target).values()) == {0}
    with open_storage(target) as storage:
        found = {arm.text: [trial.value for trial in trials_of(storage, store, arm.text)] for arm in spec.arms}
    assert found == {arm: searched(store, arm).groupby("trial")["ks"].mean().tolist() for arm in found}


@pytest.mark.promise("P12")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://127.0.0.1:9", "--optuna: this is no storage of Optuna's; allowed"),
        ("missing/journal.log", "its folder does not exist"),
        ("small", "is a folder"),
        ("postgresql+psycopg://me:hidden-pw@127.0.0.1:9/runs", "OperationalError"),
        ("damaged.log", "--optuna damaged.log: "),
    ],
)
def test_a_target_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, target: str, words: str) -> None:
    """Exit status 2, one line, no password in it, and the file that was there is untouched."""
    carry_on(experiment("random"), tmp_path / "small")
    (tmp_path / "damaged.log").write_text('{"op_code": 0, "study_na\n{"op_code"')
    done = harness(tmp_path, "export", "small", "--optuna", target)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert "hidden-pw" not in line
    assert (tmp_path / "damaged.log").read_text() == '{"op_code": 0, "study_na\n{"op_code"'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.log", "small"]


def test_the_command_says_what_it_added(tmp_path: Path) -> None:
    """A line for each study; nothing is missing where it is said again."""
    store = carry_on(experiment("random"), tmp_path / "small")
    uid = store.describe()["uid"][:8]
    for added in (4, 0):
        done = harness(tmp_path, "export", "small", "--optuna", "journal.log")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"small {uid}: {arm.text}: {added} trials added" for arm in experiment().arms
        ]
