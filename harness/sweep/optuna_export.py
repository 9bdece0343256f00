"""A committed sweep as Optuna studies, one an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.config import Arm, Experiment
from harness.errors import StoreError
from harness.search.studies import Study, opened, write
from harness.store import Store, locked
from harness.sweep import committed
from harness.sweep.plan import planned
from harness.sweep.training import setting_of
from harness.sweep.trial_results import results


def export(store: Store, target: str, told: Callable[[str, int], None]) -> None:
    """Write the trials of every complete round into the storage ``target``; ``told`` hears of each study how many were
    added.

    Raises:
        InputError: the sweep cannot be read, or the target cannot be written.
    """
    studies = list(_studies(store))
    # One export at a time: nothing in a database of Optuna's keeps two from adding the same trial.
    with locked(store.folder / "export.lock", wait=True), opened(target) as storage:
        for study in studies:
            told(study.name, write(storage, study))


def _studies(store: Store) -> Iterator[Study]:
    description = store.describe()
    experiment, rows = _searched(store, description)
    for arm in experiment.arms if experiment.search.trials else ():
        yield Study(
            name=f"{description['name']} {description['uid'][:8]}: {arm.text}",
            space=experiment.arm_space(arm),
            objectives=experiment.search.objectives,
            trials=_trials(experiment, arm, rows),
            about={
                "harness.sweep": str(description["uid"]),
                "harness.fingerprint": str(description["fingerprint"]),
                "harness.folder": str(store.folder.absolute()),
                "arm": arm.text,
            },
        )


def _searched(store: Store, description: Mapping[str, Any]) -> tuple[Experiment, list[list[committed.Row]]]:
    """The experiment, and the rows of every search round that is wholly committed."""
    try:
        experiment = Experiment.from_json(description["spec"])
        rounds = planned(experiment, [int(total) for total in description.get("extensions", ())])[:-1]
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{store.folder / 'sweep.json'}: damaged (no spec); restore it") from None
    present, names = set(store.committed()), committed.columns(experiment)
    whole = [this for this in rounds if present.issuperset(index for index, _ in this.populations)]
    return experiment, [
        [r for index, _ in this.populations for r in committed.read(store, index, names)] for this in whole
    ]


def _trials(experiment: Experiment, arm: Arm, rounds: list[list[committed.Row]]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for rows in rounds:
        trials, space = committed.by_trial(rows, arm), experiment.arm_space(arm)
        for number, result in results(experiment, arm, trials).items():
            found[number] = (setting_of(trials[number][0], space), result)
    return found
