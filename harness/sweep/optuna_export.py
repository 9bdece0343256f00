"""A committed sweep as Optuna studies, one an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.config import Arm, Experiment
from harness.errors import StoreError
from harness.search import Result, Setting
from harness.search.studies import Study, open_storage, write_study
from harness.store import Store, locked
from harness.sweep.committed import Row, columns, read, rows_by_trial
from harness.sweep.plan import planned
from harness.sweep.training import setting_of
from harness.sweep.trial_results import results


def export(store: Store, target: str, report: Callable[[str, int], None]) -> None:
    """Write the trials of every complete round into the storage ``target``.

    ``report`` is given each study's name and the number of trials that were added to it.

    Raises:
        InputError: the sweep cannot be read, or the target cannot be written.
    """
    studies = list(_studies(store))
    # One export at a time: nothing in Optuna's databases prevents two from adding the same trial.
    with locked(store.folder / "export.lock", wait=True), open_storage(target) as storage:
        for study in studies:
            report(study.name, write_study(storage, study))


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


def _searched(store: Store, description: Mapping[str, Any]) -> tuple[Experiment, list[list[Row]]]:
    """The experiment, and the rows of every search round that is committed as a whole."""
    try:
        experiment = Experiment.from_json(description["spec"])
        rounds = planned(experiment, [int(total) for total in description.get("extensions", ())])[:-1]
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{store.folder / 'sweep.json'}: damaged (no spec); restore it") from None
    committed, names = set(store.committed()), columns(experiment)
    complete = [round_ for round_ in rounds if committed.issuperset(index for index, _ in round_.populations)]
    rows = [[row for index, _ in round_.populations for row in read(store, index, names)] for round_ in complete]
    return experiment, rows


def _trials(experiment: Experiment, arm: Arm, rounds: list[list[Row]]) -> dict[int, tuple[Setting, Result]]:
    space = experiment.arm_space(arm)
    trials: dict[int, tuple[Setting, Result]] = {}
    for rows in rounds:
        by_number = rows_by_trial(rows, arm)
        for number, result in results(experiment, arm, by_number).items():
            trials[number] = (setting_of(by_number[number][0], space), result)
    return trials
