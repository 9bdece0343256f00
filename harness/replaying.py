"""Training one committed member again, alone, and comparing bits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines import ENGINES
from harness.engines.base import Engine
from harness.errors import InputError
from harness.plan import member
from harness.population import Member
from harness.spec import Experiment
from harness.store import Store
from harness.training import train

#: Where sweeps lie unless another folder is named.
SWEEPS = Path("sweeps")


@dataclass(frozen=True)
class Found:
    """A committed row and the sweep it stands in."""

    store: Store
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """Whether the bits match, in one line of text."""

    matches: bool
    text: str


def find(what: str, folder: Path | None = None) -> Found:
    """The row of a member's key (16 hex digits), or of the first member behind a trial's run (32 hex digits).

    Raises:
        InputError: it is neither, or nothing of that name is committed where it was looked for.
    """
    if re.fullmatch(r"[0-9a-f]{32}", what):
        from harness.tracking import default_uri, find_members

        tagged, keys = find_members(what, default_uri())
        folder, what = folder or Path(tagged), keys[0]
    elif not re.fullmatch(r"[0-9a-f]{16}", what):
        raise InputError(f"{what!r}: allowed are a member's key (16 hex digits) and a run's id (32 hex digits)")
    folders = [folder] if folder else sorted(p.parent for p in SWEEPS.glob("*/sweep.json"))
    for place in folders:
        store = Store(place)
        store.describe()
        for row in store.table().to_pylist(maps_as_pydicts="strict"):
            if row["key"] == what:
                return Found(store, row)
    looked = ", ".join(map(str, folders)) or f"{SWEEPS}/ (no sweep there)"
    raise InputError(f"{what!r}: no committed member has this key; looked in {looked}")


def replay(found: Found) -> Outcome:
    """Train the member alone on the engine that trained it, and compare its parameters' bits and its scores."""
    row = found.row
    engine = _engine(row["engine"])
    again = train([_member(found)], engine, lambda steps: None).rows[0]
    if again["key"] != row["key"]:
        raise InputError(f"{row['key']}: its definition has changed since (formula or engine); it is now {again['key']}")
    columns = [name for name in again if name in row and name != "generator"]
    differing = [name for name in columns if again[name] != row[name]]
    name = f"{row['arm']}, trial {row['trial']}, seed {row['seed']} ({row['key']})"
    if not differing:
        return Outcome(True, f"match: {name}: digest {row['digest'][:16]}, KS {row['ks']:.6f}, all {len(columns)} columns")
    return Outcome(
        False, f"differ: {name}: {', '.join(differing)}; KS {row['ks']!r} was committed, {again['ks']!r} came out now"
    )


def _member(found: Found) -> Member:
    experiment = Experiment.from_json(found.store.describe()["spec"])
    row = found.row
    arm = next(arm for arm in experiment.arms if arm.text == row["arm"])
    setting = {name: row[name] if name in row else row["loss_params"][name] for name in experiment.arm_space(arm)}
    return member(experiment, arm, setting, row["seed"])


def _engine(identity: str) -> Engine:
    for make in ENGINES.values():
        engine = make()
        if engine.identity == identity:
            return engine
    raise InputError(f"engine {identity} trained this member; this machine and version have no such engine")
