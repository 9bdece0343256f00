"""The committed trials of a sweep, and the choice of those that become MLflow runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from harness.metrics.trials import Rank, is_lost, is_pruned, rank, trial_score
from harness.store import Store

Row = Mapping[str, Any]

#: Trial runs of one sweep at most: comparing more makes MLflow's pages slow. The parquet files hold every trial.
RUN_LIMIT = 500

#: Beyond the limit, this many trials without a score become runs, per arm.
UNSCORED_PER_ARM = 10

#: The columns that are kept in memory of every member.
_COLUMNS = ("key", "stage", "arm", "trial", "outcome", "stopped_step", "ks")


class Trial(NamedTuple):
    """One trial of an arm in one stage."""

    arm: str
    stage: str
    number: int

    def key(self, uid: str) -> str:
        """The key of its run, the same in every mirror."""
        return f"{uid}:{self.arm}:{self.stage}:{self.number}"

    @property
    def title(self) -> str:
        """The name that its run shows."""
        return f"{self.arm} confirm" if self.stage == "confirm" else f"{self.arm} #{self.number}"


class Trials:
    """The committed members of a sweep, by trial. ``refresh`` reads what was committed since.

    Rows of a population's latest revision replace those of earlier ones. Every arm has the same quota of runs,
    ``limit // arms``: the trials with the least numbers, in whatever order they were committed.
    """

    def __init__(self, store: Store, description: Mapping[str, Any], limit: int = RUN_LIMIT) -> None:
        spec = description["spec"]
        self._store = store
        self._seeds = {"search": int(spec["search"]["seeds"]), "confirm": int(spec.get("confirm", {}).get("seeds", 0))}
        self._planned = int(spec["search"]["trials"])
        self.arms: list[str] = [arm["arm"] for arm in description["arms"]]
        self.quota = max(1, limit // max(1, len(self.arms)))
        self._read: dict[int, int] = {}  # the revision that was read of each population
        self._members: dict[Trial, list[dict[str, Any]]] = {}
        self._last: tuple[tuple[int, int], pa.Table] | None = None

    def refresh(self) -> bool:
        """Read the populations and revisions committed since the last call; true if there were any.

        Raises:
            StoreError: a committed file is damaged.
        """
        revisions = self._store.revisions()
        fresh = [index for index in sorted(revisions) if self._read.get(index) != revisions[index]]
        for index in fresh:
            table = self._store.population(index, _COLUMNS, revision=revisions[index])
            if index in self._read:
                self._forget(index)
            for row in table.to_pylist():
                trial = Trial(row["arm"], row["stage"], row["trial"])
                self._members.setdefault(trial, []).append({**row, "population": index})
            self._read[index] = revisions[index]
        return bool(fresh)

    def _forget(self, index: int) -> None:
        others = {t: [m for m in members if m["population"] != index] for t, members in self._members.items()}
        self._members = {trial: members for trial, members in others.items() if members}

    @property
    def revision(self) -> int:
        """Number of revisions read; it rises whenever rows are replaced."""
        return sum(self._read.values())

    def source(self, trial: Trial) -> dict[int, int]:
        """The revision that was read of each population that holds a member of the trial."""
        return {index: self._read[index] for index in sorted({m["population"] for m in self._members[trial]})}

    def keys(self, uid: str) -> set[str]:
        """The keys of all trials with a committed member."""
        return {trial.key(uid) for trial in self._members}

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
            trials = sorted(self.complete(arm=arm, stage="search"), key=self._rank)
            if len(trials) < self._planned or not trials:
                return []
            outside = [t for t in trials if t.number >= self.quota]
            unscored = [t for t in outside if all(map(is_lost, self._members[t]))]
            picks = {trials[0], trials[(len(trials) - 1) // 2], *unscored[:UNSCORED_PER_ARM]}
            chosen += [t for t in outside if t in picks]
        return chosen

    def best(self, count: int) -> list[Trial]:
        """At most ``count`` trials of the search, by position in their arm's ranking: the best of each arm first."""
        positions: list[tuple[int, float, Trial]] = []
        for arm in self.arms:
            ranking = sorted(self.complete(arm=arm, stage="search"), key=self._rank)
            positions += [(position, self.score(trial), trial) for position, trial in enumerate(ranking)]
        return [trial for _, _, trial in sorted(positions)[:count]]

    def pruned(self, trial: Trial) -> bool:
        """True if the trial was stopped early."""
        return is_pruned(self._members[trial])

    def score(self, trial: Trial) -> float:
        """The trial's score (``metrics.trials``), in [0, 1]."""
        return trial_score(self._members[trial])

    def _rank(self, trial: Trial) -> Rank:
        return rank(trial.number, self._members[trial])

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
        wanted = (index, self._read[index])
        if self._last is None or self._last[0] != wanted:
            self._last = (wanted, self._store.population(index, revision=wanted[1]))
        return self._last[1]
