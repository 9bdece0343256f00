"""Committed rows of a sweep: reading them, checking that they are its own, and waiting for those on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any, NamedTuple

from harness.config import Arm, Experiment, Train
from harness.engines.auto import Trainer, engine_for
from harness.errors import StoreError
from harness.members import Member
from harness.store import SCHEMA, Store
from harness.sweep import trial_results
from harness.sweep.plan import Location, Round, member, search_locations, search_member
from harness.sweep.training import setting_of

Row = Mapping[str, Any]

_LOCATION = ("stage", "round", "arm", "trial")


class Rows(NamedTuple):
    """The committed rows of a population or a round.

    ``observed`` are those that the search is told, in every process and forever: what it suggested since follows from
    them. ``current`` are those that count now; they differ only where a member was retrained (``--retry failed``).
    """

    observed: list[Row]
    current: list[Row]


class CommittedRounds:
    """The rows of a sweep's populations, read from their files or awaited while they are being committed.

    The pipeline adds populations; the search takes the rows of whole rounds, each once.
    """

    def __init__(self, experiment: Experiment, trainer: Trainer, store: Store) -> None:
        self._experiment, self._trainer, self._store = experiment, trainer, store
        self.columns = columns(experiment)
        #: The latest revision of every population that was committed at the start.
        self.revisions: Mapping[int, int] = store.revisions()
        self._rows: dict[int, Future[Rows]] = {}

    def is_complete(self, round_: Round) -> bool:
        """True where all populations of the round were committed at the start."""
        return all(index in self.revisions for index, _ in round_.populations)

    def load(self, round_: Round) -> list[Row]:
        """Read and check a complete round; its observed rows.

        Raises:
            StoreError: a file is damaged, or its rows are of other members.
        """
        populations = {index: self._read(index) for index, _ in round_.populations}
        observed = [row for rows in populations.values() for row in rows.observed]
        self._check(round_, observed)
        for index, rows in populations.items():
            self._add_known(index, rows)
        return observed

    def load_population(self, index: int, placed: Sequence[tuple[Location, Member]]) -> None:
        """Read and check one population of a round that is not complete.

        Raises:
            StoreError: the file is damaged, or its rows are of other members.
        """
        rows = self._read(index)
        if not self._match(rows.observed, placed):
            raise self.foreign_error(index)
        self._add_known(index, rows)

    def holds(self, index: int, placed: Sequence[tuple[Location, Member]]) -> bool:
        """True where the current rows of a committed population are those of exactly these members.

        Raises:
            StoreError: the file is damaged.
        """
        return self._match(read(self._store, index, self.columns), placed)

    def add(self, index: int, rows: Future[Rows]) -> None:
        """Take a population that is on its way to be committed."""
        self._rows[index] = rows

    def take(self, round_: Round) -> Rows:
        """The rows of a round, which is then forgotten; waits until all of it is committed."""
        populations = [self._rows.pop(index).result() for index, _ in round_.populations]
        observed = [row for rows in populations for row in rows.observed]
        if all(rows.current is rows.observed for rows in populations):
            return Rows(observed, observed)
        return Rows(observed, [row for rows in populations for row in rows.current])

    def foreign_error(self, index: int) -> StoreError:
        """The error for a population that holds other members than the sweep asks for."""
        return StoreError(
            f"{self._store.folder}: population {index} holds other members than this sweep asks for (a changed loss "
            "formula, or another optuna version); resume with the versions in sweep.json, or start with --fresh"
        )

    def _read(self, index: int) -> Rows:
        observed = read(self._store, index, self.columns, 0)
        revised = self.revisions[index] > 0
        return Rows(observed, read(self._store, index, self.columns) if revised else observed)

    def _add_known(self, index: int, rows: Rows) -> None:
        self._rows[index] = Future()
        self._rows[index].set_result(rows)

    def _check(self, round_: Round, rows: Sequence[Row]) -> None:
        """Check that the rows of a whole search round are those of the members that belong there.

        Locations and seeds are compared for all, keys for the first trial of each arm: whatever else could change a
        key (formulas, engine, target) changes it for the whole arm.
        """
        expected = [(p.stage, p.round, p.arm, p.trial, seed) for p, seed in search_locations(self._experiment, round_)]
        if [(*(row[name] for name in _LOCATION), row["seed"]) for row in rows] != expected:
            raise self.foreign_error(round_.populations[0][0])
        first = {row["arm"]: row for row in reversed(rows)}
        if any(row["key"] != key_of(self._trainer, member_of(self._experiment, row)) for row in first.values()):
            raise self.foreign_error(round_.populations[0][0])

    def _match(self, rows: Sequence[Row], placed: Sequence[tuple[Location, Member]]) -> bool:
        expected = [(*asdict(location).values(), key_of(self._trainer, member)) for location, member in placed]
        return [(*(row[name] for name in _LOCATION), row["key"]) for row in rows] == expected


def columns(experiment: Experiment) -> list[str]:
    """The columns that a search is told from, and those that say which member a row is of."""
    searched = {name if name in Train.model_fields else "loss_params" for name in experiment.search.space}
    wanted = {*_LOCATION, "key", *trial_results.columns(experiment), *searched}
    return [name for name in SCHEMA.names if name in wanted]


def read(store: Store, index: int, names: Sequence[str], revision: int | None = None) -> list[Row]:
    """These columns of a committed population's rows.

    Raises:
        StoreError: the file is damaged.
    """
    rows: list[Row] = store.population(index, names, revision=revision).to_pylist(maps_as_pydicts="strict")
    return rows


def member_of(experiment: Experiment, row: Row) -> Member:
    """The member whose row was committed.

    Raises:
        LookupError: the row is of no arm of the experiment.
    """
    arm = next((arm for arm in experiment.arms if arm.text == row["arm"]), None)
    if arm is None:
        raise LookupError(f"arm {row['arm']!r} is none of the sweep's")
    setting = setting_of(row, experiment.arm_space(arm)) if experiment.search.trials else {}
    return (search_member if row["stage"] == "search" else member)(experiment, arm, setting, row["seed"])


def key_of(trainer: Trainer, member: Member) -> str:
    """The member's key, with the engine that trains it."""
    return member.key(engine_for(trainer, member).identity)


def rows_by_trial(rows: Sequence[Row], arm: Arm) -> dict[int, list[Row]]:
    """The rows of one arm by the number of their trial."""
    trials: dict[int, list[Row]] = {}
    name = arm.text
    for row in rows:
        if row["arm"] == name:
            trials.setdefault(row["trial"], []).append(row)
    return trials
