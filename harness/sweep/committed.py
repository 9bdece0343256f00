"""Reading back what a sweep has committed, and noticing what is not its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.config import Arm, Experiment, Train
from harness.engines.auto import Trainer, engine_for
from harness.errors import StoreError
from harness.members import Member
from harness.store import SCHEMA, Store
from harness.sweep import trial_results
from harness.sweep.plan import Location, Round, member, search_member, search_places
from harness.sweep.training import setting_of

Row = Mapping[str, Any]

_PLACE = ("stage", "round", "arm", "trial")


def columns(experiment: Experiment) -> list[str]:
    """The columns that a search is told from, and those that say whose a row is."""
    searched = {name if name in Train.model_fields else "loss_params" for name in experiment.search.space}
    wanted = {*_PLACE, "key", *trial_results.columns(experiment), *searched}
    return [name for name in SCHEMA.names if name in wanted]


def read(store: Store, index: int, names: Sequence[str], revision: int | None = None) -> list[Row]:
    """These columns of a committed population's rows.

    Raises:
        StoreError: the file is damaged.
    """
    rows: list[Row] = store.population(index, names, revision=revision).to_pylist(maps_as_pydicts="strict")
    return rows


def check_search(experiment: Experiment, trainer: Trainer, store: Store, this: Round, rows: Sequence[Row]) -> None:
    """Whether rows of a whole round are those of the members that belong there.

    Places and seeds are compared for all, keys for the first trial of each arm: whatever else could change a key
    (formulas, engine, target) changes it for the whole arm.

    Raises:
        StoreError: they are not.
    """
    wanted = [(p.stage, p.round, p.arm, p.trial, seed) for p, seed in search_places(experiment, this)]
    if [(*(row[name] for name in _PLACE), row["seed"]) for row in rows] != wanted:
        raise foreign(store, this.populations[0][0])
    first = {row["arm"]: row for row in reversed(rows)}
    if any(row["key"] != key_of(trainer, member_of(experiment, row)) for row in first.values()):
        raise foreign(store, this.populations[0][0])


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


def are_of(trainer: Trainer, rows: Sequence[Row], portion: Sequence[tuple[Location, Member]]) -> bool:
    """Whether rows are those of exactly these members at these places."""
    wanted = [(*asdict(place).values(), key_of(trainer, one)) for place, one in portion]
    return [(*(row[name] for name in _PLACE), row["key"]) for row in rows] == wanted


def key_of(trainer: Trainer, one: Member) -> str:
    """The member's key, with the engine that serves it."""
    return one.key(engine_for(trainer, one).identity)


def foreign(store: Store, index: int) -> StoreError:
    """What to say of a population that holds other members than the sweep asks for."""
    return StoreError(
        f"{store.folder}: population {index} holds other members than this sweep asks for (a changed loss "
        "formula, or another optuna version); resume with the versions in sweep.json, or start with --fresh"
    )


def by_trial(rows: Sequence[Row], arm: Arm) -> dict[int, list[Row]]:
    """The rows of one arm by the number of their trial."""
    found: dict[int, list[Row]] = {}
    name = arm.text
    for row in rows:
        if row["arm"] == name:
            found.setdefault(row["trial"], []).append(row)
    return found
