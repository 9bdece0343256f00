"""Optuna studies on disk, for Optuna's own tools.

A study is written from committed trials and never read by a sweep. It holds each trial once, however often a sweep is
exported: a trial's user attribute ``harness.trial`` is its number in the sweep.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from harness.config import Range
from harness.errors import InputError
from harness.search.adaptive import distributions, finished_trial
from harness.search.base import Result, Setting

#: The user attribute with the trial's number in the sweep.
NUMBER = "harness.trial"

_URL = re.compile(r"(sqlite|postgresql|mysql|mssql|oracle)(\+\w+)?://")


@dataclass(frozen=True)
class Study:
    """The trials of one arm by number, under a unique name; ``about`` becomes user attributes."""

    name: str
    space: Mapping[str, Range]
    objectives: Sequence[str]
    trials: Mapping[int, tuple[Setting, Result]]
    about: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_storage(target: str) -> Iterator[BaseStorage]:
    """The storage at ``target``: a database's address, or the path of a journal file.

    A journal is written beside its place and moved there when it is complete: half of a line would make it unreadable.

    Raises:
        InputError: the target cannot be written, or is no storage of Optuna's.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if _URL.match(target):
        database = RDBStorage(target, engine_kwargs={"pool_pre_ping": True})
        try:
            yield database
        finally:
            database.remove_session()
            database.engine.dispose()
        return
    if "://" in target:
        raise InputError(
            "--optuna: this is no storage of Optuna's; allowed: the path of a journal file, or an address that begins "
            "with sqlite:///, postgresql:// or mysql://"
        )
    path = Path(target).absolute()
    if path.is_dir() or not path.parent.is_dir():
        fault = "is a folder" if path.is_dir() else "its folder does not exist"
        raise InputError(f"--optuna {target}: {fault}; name a file in a folder that exists")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        beside = Path(folder, "journal")
        if path.exists():
            shutil.copyfile(path, beside)
        with _experimental():
            storage = JournalStorage(JournalFileBackend(str(beside)))
        yield storage
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)


@contextmanager
def _experimental() -> Iterator[None]:
    """Allow parts of Optuna that may change: pyproject.toml keeps one major version, and tests cover them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def write_study(storage: BaseStorage, wanted: Study) -> int:
    """Add the trials that the study in the storage lacks; their number.

    Raises:
        InputError: the storage has a study of that name with other trials.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=wanted.name,
        directions=["minimize"] * len(wanted.objectives),
        load_if_exists=True,
    )
    if not study.user_attrs:
        with _experimental():
            study.set_metric_names(list(wanted.objectives))
        for key, value in wanted.about.items():
            study.set_user_attr(key, value)
    space = distributions(wanted.space)
    present = {trial.user_attrs.get(NUMBER): trial for trial in study.get_trials(deepcopy=False)}
    fresh: list[FrozenTrial] = []
    for number, (setting, result) in sorted(wanted.trials.items()):
        trial = finished_trial(setting, result, space, pruned=result.pruned)
        trial.user_attrs[NUMBER] = number
        if number not in present:
            fresh.append(trial)
        elif not _same(present[number], trial):
            raise InputError(
                f"study {wanted.name!r}: its trial {number} differs from the sweep's, which was changed since; export "
                "to a target without this study"
            )
    study.add_trials(fresh)
    return len(fresh)


def _same(a: FrozenTrial, b: FrozenTrial) -> bool:
    names = ("state", "params", "values", "intermediate_values")
    return all(getattr(a, name) == getattr(b, name) for name in names)
