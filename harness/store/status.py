"""Status of a sweep: how far it is, how good its best arm is, how large it is. Few columns are read, torch is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import pyarrow as pa

from harness.errors import FormatError, InputError, StoreError
from harness.metrics.trials import best, counted_ks, rank, trial_score
from harness.store.files import held
from harness.store.store import Store

#: ``running``: a process holds the writer's lock. ``finished``: all its populations are committed and count.
#: ``unknown``: its description does not say how many it has.
State = Literal["running", "finished", "unfinished", "unknown", "damaged", "other format"]

Stage = Literal["confirm", "search"]

#: The columns that ``best_trials`` reads.
TRIAL_COLUMNS = ("key", "stage", "arm", "trial", "ks", "outcome")


@dataclass(frozen=True)
class SweepStatus:
    """State of a sweep, from its description, the names of its files and its lock; no row is read.

    ``populations`` is the number of the whole sweep, None if unknown. ``reason`` explains a state that is no progress.
    ``complete`` says whether nothing is left to commit, a running sweep's too; None if unknown.
    """

    state: State
    committed: int
    populations: int | None
    reason: str = ""
    complete: bool | None = None

    @classmethod
    def of(cls, store: Store) -> SweepStatus:
        """Status of the sweep in a store's folder. Damaged populations count, for their rows are not read.

        Raises:
            StoreError: there is no sweep in the folder.
        """
        committed = len(store.committed())
        try:
            description = store.describe()
        except FormatError as error:
            return cls("other format", committed, None, str(error))
        except StoreError as error:
            if not store.exists:
                raise
            return cls("damaged", committed, None, str(error))
        # A description is a file that anyone may have edited.
        count = description.get("populations")
        populations = count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
        complete = None
        if populations is not None:
            # null while a raised budget or a retry is under way: the confirm stage may be of other winners.
            complete = committed >= populations and description.get("finished", "") is not None
        if held(store.folder / "sweep.lock"):
            return cls("running", committed, populations, complete=complete)
        if complete is None:
            return cls("unknown", committed, None, "sweep.json does not say how many populations the sweep has")
        return cls("finished" if complete else "unfinished", committed, populations, complete=complete)


@dataclass(frozen=True)
class BestTrial:
    """An arm's best trial; ``ks`` is the median over ``seeds`` confirm seeds, or the trial's score in the search.

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
    """Summary of one sweep, ``size`` in bytes. Unknown fields are None, 0 or empty."""

    folder: Path
    name: str | None
    created: str | None
    status: SweepStatus
    members: int
    arms: tuple[str, ...]
    best: BestTrial | None
    size: int

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            **asdict(self.status),
            "members": self.members,
            "arms": list(self.arms),
            "best": None if self.best is None else asdict(self.best),
            "created": self.created,
            "bytes": self.size,
        }


def summarize_all(folder: Path) -> list[SweepSummary]:
    """Summaries of the sweeps directly in ``folder``, in the order in which they were started.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        stores = [Store(path) for path in sorted(folder.iterdir()) if Store(path).exists]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); name a folder of sweeps") from None
    return sorted(map(summarize, stores), key=lambda summary: summary.created or "")


def summarize(store: Store) -> SweepSummary:
    """Summary of one sweep. Every committed file is read and checked: a damaged one makes the sweep damaged.

    Raises:
        StoreError: there is no sweep in the store's folder.
    """
    status = SweepStatus.of(store)
    name = created = None
    arms: tuple[str, ...] = ()
    trials: list[BestTrial] = []
    members = 0
    if status.state not in ("damaged", "other format"):
        try:
            description, table = store.describe(), store.table(TRIAL_COLUMNS)
            name, created = (_text(description.get(key)) for key in ("name", "created"))
            arms, trials, members = arm_names(description), best_trials(table), table.num_rows
        except StoreError as error:
            status = SweepStatus("damaged", status.committed, status.populations, str(error))
    # A confirmed arm before any that is not.
    first = min(trials, key=lambda trial: (trial.stage != "confirm", trial.ks), default=None)
    return SweepSummary(store.folder, name, created, status, members, arms, first, sum(_file_sizes(store.folder)))


def best_trials(table: pa.Table) -> list[BestTrial]:
    """Each arm's best trial among rows with ``TRIAL_COLUMNS``, in order of arm.

    Confirmed: the median KS over the confirm seeds. Else: the trial that ranks first in the search.
    """
    stages: dict[str, dict[str, dict[int, list[dict[str, Any]]]]] = {"search": {}, "confirm": {}}
    # Column by column, and not by arrow's own comparisons, which import pandas: that takes longer than all the rest.
    for key, stage, arm, trial, ks, outcome in zip(*(table[name].to_pylist() for name in TRIAL_COLUMNS), strict=True):
        if stage in stages and arm is not None and trial is not None:
            rows = stages[stage].setdefault(arm, {}).setdefault(trial, [])
            rows.append({"key": str(key), "ks": ks, "outcome": outcome})
    trials: dict[str, BestTrial] = {}
    for arm, searched in stages["search"].items():
        number = best(rank(trial, rows) for trial, rows in searched.items())
        trials[arm] = _best_trial(arm, "search", number, searched[number])
    for arm, confirmed in stages["confirm"].items():
        # Seeds of two settings are no sample of one; the search's best is the one that was to be confirmed last.
        number = trials[arm].trial if arm in trials and trials[arm].trial in confirmed else min(confirmed)
        trials[arm] = _best_trial(arm, "confirm", number, confirmed[number])
    return [trials[arm] for arm in sorted(trials)]


def _best_trial(arm: str, stage: Stage, trial: int, rows: Sequence[Mapping[str, Any]]) -> BestTrial:
    seeds = [(ks, row["key"]) for row in rows if (ks := counted_ks(row)) is not None]
    ks = median(ks for ks, _ in seeds) if stage == "confirm" and seeds else trial_score(rows)
    return BestTrial(arm, stage, trial, ks, len(seeds), min(seeds)[1] if seeds else rows[0]["key"])


def arm_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The arms that a description names; none where it names none."""
    arms = description.get("arms")
    entries = arms if isinstance(arms, list) else []
    return tuple(str(entry["arm"]) for entry in entries if isinstance(entry, dict) and "arm" in entry)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _file_sizes(folder: Path) -> Iterator[int]:
    """Bytes of every regular file below a folder, none of them reached through a link."""
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(path, name))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status.st_size
