"""Which trials of a sweep are committed, and which of them become runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from harness.store import SCHEMA, Store

Row = Mapping[str, Any]

#: Trial runs of one sweep at most: comparing more makes MLflow's pages slow. The parquet files hold every trial.
RUN_LIMIT = 500

#: Beyond the limit, this many trials without a score become runs, per arm.
UNSCORED_PER_ARM = 10

_SCALARS = [field.name for field in SCHEMA if not pa.types.is_nested(field.type)]


class Trial(NamedTuple):
    """One trial of an arm in one stage."""

    arm: str
    stage: str
    number: int

    def key(self, uid: str) -> str:
        """The name of its run, whoever writes it and however often."""
        return f"{uid}:{self.arm}:{self.stage}:{self.number}"


class Trials:
    """The committed members of a sweep, by trial. ``refresh`` reads what was committed since.

    Every arm has the same quota of runs, ``limit // arms``: the first trials by number, whatever order they were
    committed in.
    """

    def __init__(self, store: Store, description: Mapping[str, Any], limit: int = RUN_LIMIT) -> None:
        spec = description["spec"]
        self._store = store
        self._seeds = {"search": int(spec["search"]["seeds"]), "confirm": int(spec.get("confirm", {}).get("seeds", 0))}
        self._planned = int(spec["search"]["trials"])
        self.arms: list[str] = [arm["arm"] for arm in description["arms"]]
        self.quota = max(1, limit // max(1, len(self.arms)))
        self._read: set[int] = set()
        self._members: dict[Trial, list[dict[str, Any]]] = {}
        self._last: tuple[int, pa.Table] | None = None

    def refresh(self) -> bool:
        """Read the populations committed since the last call; whether there were any.

        Raises:
            StoreError: a committed file is damaged.
        """
        fresh = [index for index in self._store.committed() if index not in self._read]
        for index in fresh:
            for row in self._population(index).select(_SCALARS).to_pylist():
                trial = Trial(row["arm"], row["stage"], row["trial"])
                self._members.setdefault(trial, []).append({**row, "population": index})
            self._read.add(index)
        return bool(fresh)

    def members(self, *, arm: str | None = None, stage: str | None = None) -> list[Row]:
        """Scalar columns of the committed members, of one arm and stage or of all."""
        return [
            row
            for trial, rows in self._members.items()
            if arm in (None, trial.arm) and stage in (None, trial.stage)
            for row in rows
        ]

    def complete(self, *, arm: str | None = None, stage: str | None = None) -> list[Trial]:
        """The trials whose members are all committed, in order of commit."""
        return [
            trial
            for trial, rows in self._members.items()
            if arm in (None, trial.arm)
            and stage in (None, trial.stage)
            and len(rows) >= max(1, self._seeds.get(trial.stage, 1))
        ]

    def wanted(self) -> list[Trial]:
        """The complete trials within the quota, and the confirmed ones."""
        return [trial for trial in self.complete() if trial.stage != "search" or trial.number < self.quota]

    def beyond(self) -> list[Trial]:
        """Of a finished search, each arm's best, median and first unscored trials that are outside the quota."""
        chosen: list[Trial] = []
        for arm in self.arms:
            trials = sorted(
                self.complete(arm=arm, stage="search"), key=lambda t: (self.pruned(t), self.score(t), t.number)
            )
            if len(trials) < self._planned or not trials:
                return []
            outside = [t for t in trials if t.number >= self.quota]
            unscored = [t for t in outside if all(m["outcome"] in ("diverged", "failed") for m in self._members[t])]
            picks = {trials[0], trials[(len(trials) - 1) // 2], *unscored[:UNSCORED_PER_ARM]}
            chosen += [t for t in outside if t in picks]
        return chosen

    def pruned(self, trial: Trial) -> bool:
        """Whether halving stopped the trial; its score is then of fewer steps."""
        return any(m["outcome"] == "pruned" for m in self._members[trial])

    def score(self, trial: Trial) -> float:
        """Mean KS distance over the trial's seeds, in [0, 1]; members without one count 1."""
        values = [1.0 if m["ks"] is None else float(m["ks"]) for m in self._members[trial]]
        return sum(values) / len(values)

    def rows(self, trial: Trial) -> list[Row]:
        """All columns of a trial's members, by seed; read again from the files, so that memory stays small."""
        rows: list[dict[str, Any]] = []
        members = self._members[trial]
        for index in sorted({m["population"] for m in members}):
            keys = pa.array([m["key"] for m in members if m["population"] == index], pa.string())
            table = self._population(index)
            rows += table.filter(pc.is_in(table["key"], keys)).to_pylist(maps_as_pydicts="strict")
        return sorted(rows, key=lambda row: int(row["seed"]))

    def _population(self, index: int) -> pa.Table:
        if self._last is None or self._last[0] != index:
            self._last = (index, self._store.population(index))
        return self._last[1]
