"""A sweep in one line: how far it is, how good its best arm is, how large it is. Reads few columns, loads no torch."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

import pyarrow as pa

from harness.errors import InputError, StoreError
from harness.store import Store
from harness.store.status import SweepStatus, standing

Stage = Literal["confirm", "search"]

#: The columns that ``bests`` reads.
COLUMNS = ("key", "stage", "arm", "trial", "ks", "outcome")


@dataclass(frozen=True)
class Best:
    """An arm's best trial: its KS, the median over confirm seeds or else the mean over search seeds, of how many.

    ``key`` is the member among them with the least KS.
    """

    arm: str
    stage: Stage
    trial: int
    ks: float
    seeds: int
    key: str


@dataclass(frozen=True)
class SweepSummary:
    """What one line says of a sweep; ``size`` in bytes. What its files do not tell is None, 0 or empty."""

    folder: Path
    name: str | None
    created: str | None
    standing: SweepStatus
    members: int
    arms: tuple[str, ...]
    best: Best | None
    size: int

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        best = None if self.best is None else asdict(self.best)
        told = {"folder": str(self.folder), "name": self.name, **asdict(self.standing)}
        return told | {
            "members": self.members,
            "arms": list(self.arms),
            "best": best,
            "created": self.created,
            "bytes": self.size,
        }


def overviews(folder: Path) -> list[SweepSummary]:
    """Of every sweep that lies directly in ``folder``, by the time at which it was started, the newest last.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        places = [place for place in sorted(folder.iterdir()) if Store(place).exists]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); allowed: a folder of sweeps") from None
    return sorted(map(overview, map(Store, places)), key=lambda found: found.created or "")


def overview(store: Store) -> SweepSummary:
    """Of one sweep. Every committed file is read and checked: a damaged one makes the sweep damaged.

    Raises:
        StoreError: there is no sweep in the store's folder.
    """
    stands = standing(store)
    name = created = None
    arms: tuple[str, ...] = ()
    found: list[Best] = []
    members = 0
    if stands.state not in ("damaged", "other format"):
        try:
            description, table = store.describe(), store.table(COLUMNS)
            name, created = (_word(description.get(key)) for key in ("name", "created"))
            arms, found, members = arm_names(description), bests(table), table.num_rows
        except StoreError as error:
            stands = SweepStatus("damaged", stands.committed, stands.populations, str(error))
    best = min((b for b in found), key=lambda b: (b.stage != "confirm", b.ks), default=None)
    return SweepSummary(store.folder, name, created, stands, members, arms, best, sum(_sizes(store.folder)))


def bests(table: pa.Table) -> list[Best]:
    """Each arm's best trial among rows with ``COLUMNS``, in order of arm.

    Confirmed: the median KS over the confirm seeds. Else: the least mean over search seeds, of equals the earliest; a
    trial that was pruned comes behind all others. A member without a KS counts as 1.
    """
    search, confirm = _trials(table)
    found: dict[str, Best] = {}
    for arm, trials in search.items():
        best = min(trials, key=lambda t: (trials[t].pruned, fmean(trials[t].ks), t))
        found[arm] = trials[best].best(arm, "search", best, fmean)
    for arm, trials in confirm.items():
        # Seeds of two settings are no sample of one; the search's best is the one that was to be confirmed last.
        best = found[arm].trial if arm in found and found[arm].trial in trials else min(trials)
        found[arm] = trials[best].best(arm, "confirm", best, median)
    return [found[arm] for arm in sorted(found)]


@dataclass
class _Trial:
    """The members of one trial in one stage."""

    ks: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    pruned: bool = False

    def best(self, arm: str, stage: Stage, trial: int, middle: Callable[[list[float]], float]) -> Best:
        key = min(zip(self.ks, self.keys, strict=True))[1]
        return Best(arm, stage, trial, middle(self.ks), len(self.ks), key)


_Trials = dict[str, dict[int, _Trial]]


def _trials(table: pa.Table) -> tuple[_Trials, _Trials]:
    """The trials of every arm, of the search and of the confirm stage."""
    # Column by column, and not by arrow's own comparisons, which import pandas: that takes longer than all the rest.
    stages: dict[str, _Trials] = {"search": {}, "confirm": {}}
    for key, stage, arm, trial, ks, outcome in zip(*(table[name].to_pylist() for name in COLUMNS), strict=True):
        if stage in stages and arm is not None and trial is not None:
            held = stages[stage].setdefault(arm, {}).setdefault(trial, _Trial())
            held.ks.append(ks if ks is not None and math.isfinite(ks) else 1.0)
            held.keys.append(str(key))
            held.pruned |= outcome == "pruned"
    return stages["search"], stages["confirm"]


def arm_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The arms that a description names; none where it names none."""
    told = description.get("arms")
    entries = told if isinstance(told, list) else []
    return tuple(str(entry["arm"]) for entry in entries if isinstance(entry, dict) and "arm" in entry)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of every regular file below a folder, none of them reached through a link."""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status.st_size
