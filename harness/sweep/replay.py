"""Retrain one committed member alone, and compare bits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from harness.config import Experiment
from harness.engines import ENGINES
from harness.engines.base import Engine
from harness.errors import InputError, StoreError
from harness.members import Member
from harness.store import SCHEMA
from harness.sweep.committed import member_of
from harness.sweep.lookup import CommittedMember
from harness.sweep.plan import Location
from harness.sweep.training import train


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay: ``matches`` if the bits agree, and one line of text."""

    matches: bool
    text: str


def replay(committed: CommittedMember) -> ReplayResult:
    """Train the member alone on the engine that trained it, and compare its parameters' bits and its scores.

    Raises:
        InputError: this machine has no such engine, the formula has changed, or the row is of no arm of its sweep.
    """
    row = committed.row
    engine = _engine(row["engine"])
    stop = row["stopped_step"] if row["outcome"] == "pruned" else None
    retrained = train([_member(committed)], engine, lambda steps: None, stop)[0]
    if retrained["key"] != row["key"]:
        raise InputError(
            f"{row['key']}: its definition has changed since (formula or engine); it is now {retrained['key']}"
        )
    location = {field.name for field in fields(Location)}
    columns = [
        name for name in SCHEMA.names if name not in location and not (name == "generator" and row[name] is None)
    ]
    differing = [name for name in columns if not _equal(retrained.get(name), row[name])]
    name = f"{row['arm']}, trial {row['trial']}, seed {row['seed']} ({row['key']})"
    if not differing:
        digest, count = row["digest"][:16], len(columns)
        return ReplayResult(True, f"match: {name}: digest {digest}, KS {row['ks']:.6f}, all {count} columns")
    scores = f"KS {row['ks']!r} was committed, {retrained['ks']!r} came out now"
    return ReplayResult(False, f"differ: {name}: {', '.join(differing)}; {scores}")


def _member(committed: CommittedMember) -> Member:
    experiment = Experiment.from_json(committed.store.describe()["spec"])
    try:
        return member_of(experiment, committed.row)
    except LookupError:
        folder, key, arm = committed.store.folder, committed.row["key"], committed.row["arm"]
        raise StoreError(f"{folder}: {key} is of arm {arm!r}, which is none of the sweep's") from None


def _equal(retrained: Any, committed: Any) -> bool:
    if isinstance(retrained, np.ndarray):
        return committed is not None and np.array_equal(retrained, np.asarray(committed, retrained.dtype))
    return bool(retrained == committed)


def _engine(identity: str) -> Engine:
    """The engine of that identity; only engines whose names begin like it are built."""
    name = identity.partition("/")[0]
    for make in (make for key, make in ENGINES.items() if key.partition("-")[0] == name):
        engine = make()
        if engine.identity == identity:
            return engine
    raise InputError(f"engine {identity} trained this member; this machine and version have no such engine")
