"""A sweep's folder, read for a report: the compared rows whole, all others reduced while they are read.

A sweep may hold a million members with a hundred numbers each. Of members of the search stage a few columns are read,
a batch of files at a time, and one row a trial is kept.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.comparison import success_threshold
from analysis.rows import arms_of, search_space, target_of, untrained_remark
from harness.errors import StoreError
from harness.metrics import diagnosis
from harness.metrics.trials import LOST, PRUNED, WORST_KS, Rank, counted_ks_array, mean
from harness.store import HYPERPARAMETERS, SCHEMA, Store, metadata_of

#: Files whose rows are reduced together: enough that the cost of a batch does not count, few enough that their rows fit
#: into some megabytes.
BATCH = 128
_STAGES = ["search", "confirm"]
#: Columns that are always read.
_COLUMNS = ("stage", "arm", "trial", "seed", "outcome", "ks")


@dataclass(frozen=True)
class Cost:
    """Cost of training, from the files' metadata: seconds, joules where known, devices, and when the last one finished.

    ``reused`` members were taken from a sweep in a neighbouring folder, not trained here.
    """

    seconds: float = 0.0
    joules: float | None = None
    devices: tuple[str, ...] = ()
    finished: str | None = None
    reused: int = 0


@dataclass(frozen=True)
class SweepData:
    """A sweep's folder as a report needs it.

    ``frame``: every confirm row, and the search rows of each arm's best trial, with all columns of ``store.SCHEMA``;
    ``rows.select`` selects the same rows from it as from all rows.
    ``trials``: one row per searched trial: arm, trial, seeds, lost (diverged or failed), pruned, score (mean KS of the
    seeds that count), half_a and half_b (the same over every other seed, in order of seeds: one half can choose where
    the other judges), diagnosis (the commonest of its seeds), and a column for each key of ``searched`` and for both
    learning rates.
    ``diagnoses``: members by arm, stage and diagnosis: columns arm, stage, diagnosis, members.
    """

    description: dict[str, Any]
    frame: pd.DataFrame
    trials: pd.DataFrame
    searched: tuple[str, ...]
    diagnoses: pd.DataFrame
    members: int
    cost: Cost
    remarks: tuple[str, ...]


def read_sweep(store: Store) -> SweepData:
    """Read a sweep's folder; a file that cannot be read is left out, with a remark.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    description = store.describe()
    reduction = _Reduction(description)
    revisions = sorted(store.revisions().items())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(revisions), BATCH):
            batch = revisions[start : start + BATCH]
            files = pool.map(lambda named: _read_file(store, named[0], named[1], reduction.columns), batch)
            reduction.add(list(files))
    members = reduction.members()
    trials = trials_of(members, reduction.arms, reduction.keys)
    best = best_of(trials)
    search = members[(members["stage"] == "search") & (members["arm"] >= 0)]
    arms = pd.Index(reduction.arms, dtype=object).take(search["arm"].to_numpy())
    in_best = search["trial"].to_numpy() == arms.map(best).to_numpy()
    compared = pd.concat([members[members["stage"] == "confirm"], search[in_best]])
    remarks = [*_unfinished(description, len(revisions)), *reduction.remarks, *_remarks(members)]
    return SweepData(
        description=description,
        frame=_whole_rows(store, set(compared["population"].unique()), best, dict(revisions)),
        trials=trials,
        searched=reduction.searched,
        diagnoses=_diagnosis_counts(members, reduction.arms),
        members=len(members),
        cost=reduction.cost(),
        remarks=tuple(remarks),
    )


class _FileRows(NamedTuple):
    """The rows of one population; None and a remark where its file cannot be read."""

    population: int
    table: pa.Table | None
    remark: str


def _read_file(store: Store, index: int, revision: int, columns: Sequence[str]) -> _FileRows:
    try:
        return _FileRows(index, store.population(index, columns, revision=revision), "")
    except StoreError as error:
        return _FileRows(index, None, f"Population {index} is left out. {error}")


@dataclass
class _Reduction:
    """Rows of the files read so far, reduced to the few columns that trials and diagnoses need."""

    description: Mapping[str, Any]
    parts: list[pd.DataFrame] = field(default_factory=list)
    metadata: list[Mapping[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.target = target_of(self.description)
        self.success_ks = success_threshold(self.description)[0]
        self.searched = tuple(sorted(search_space(self.description)))
        self.keys = tuple(dict.fromkeys(["lr_d", "lr_g", *self.searched]))
        hyperparameters = [key for key in self.keys if key in HYPERPARAMETERS]
        parameters = ["loss_params"] if len(hyperparameters) < len(self.keys) else []
        self.columns = tuple(dict.fromkeys([*_COLUMNS, *hyperparameters, *parameters, *diagnosis.columns(self.target)]))
        self.arms: list[str] = [a["arm"] for a in arms_of(self.description)]

    def add(self, files: Sequence[_FileRows]) -> None:
        """Reduce the rows of some files."""
        self.remarks += [remark for _, _, remark in files if remark]
        readable = [(index, table) for index, table, _ in files if table is not None and table.num_rows]
        if not readable:
            return
        self.metadata += [metadata_of(table) for _, table in readable]
        table = pa.concat_tables([t.replace_schema_metadata(None) for _, t in readable])
        rows = table.to_pandas(maps_as_pydicts="strict", use_threads=False, categories=["arm", "stage", "outcome"])
        words = diagnosis.diagnose(rows, self.target, self.success_ks)
        lost, pruned = (rows["outcome"].isin(o).to_numpy(bool) for o in (LOST, [PRUNED]))
        part = rows[["stage", "trial", "seed"]].assign(
            population=np.repeat([i for i, _ in readable], [t.num_rows for _, t in readable]).astype(np.int32),
            arm=self._arm_numbers(rows["arm"]),
            stage=pd.Categorical(rows["stage"].astype(object).where(rows["stage"].isin(_STAGES)), _STAGES),
            ks=counted_ks_array(lost, pruned, rows["ks"].to_numpy(np.float64)),
            lost=lost,
            pruned=pruned,
            diagnosis=pd.Categorical(words, list(diagnosis.DIAGNOSES)),
        )
        for key in self.keys:
            part[key] = rows[key].astype(np.float64) if key in rows else _loss_parameter(rows["loss_params"], key)
        self.parts.append(part)

    def members(self) -> pd.DataFrame:
        """A row per member.

        Columns: population, arm (an index into ``arms``), stage, trial, seed, ks (NaN: does not count), lost, pruned,
        diagnosis, and the columns of ``keys``.
        """
        if self.parts:
            return pd.concat(self.parts, ignore_index=True)
        names = ("population", "arm", "trial", "seed", "ks", "lost", "pruned", *self.keys)
        empty = pd.DataFrame({n: pd.Series(dtype=np.float64) for n in names})
        categories = {"stage": _STAGES, "diagnosis": list(diagnosis.DIAGNOSES)}
        return empty.assign(**{name: pd.Categorical([], words) for name, words in categories.items()})

    def cost(self) -> Cost:
        """The sums over the files' metadata."""
        joules = [float(m["energy_joules"]) for m in self.metadata if "energy_joules" in m]
        return Cost(
            seconds=math.fsum(float(m.get("seconds", 0.0)) for m in self.metadata),
            joules=math.fsum(joules) if joules else None,
            devices=tuple(dict.fromkeys(m["device"] for m in self.metadata if m.get("device"))),
            finished=max((m["finished"] for m in self.metadata if m.get("finished")), default=None),
            reused=sum(int(m.get("reused", 0)) for m in self.metadata),
        )

    def _arm_numbers(self, arms: pd.Series[Any]) -> NDArray[np.int32]:
        """Each row's arm as an index into ``arms``, -1 where it has none; arms unknown to sweep.json are appended."""
        known = {arm: i for i, arm in enumerate(self.arms)}
        for arm in arms.cat.categories:
            if arm not in known:
                known[arm] = len(self.arms)
                self.arms.append(arm)
        numbers = np.array([*(known[a] for a in arms.cat.categories), -1], dtype=np.int32)
        return numbers[arms.cat.codes.to_numpy()]


def _loss_parameter(cells: pd.Series[Any], key: str) -> NDArray[np.float64]:
    return np.array([c.get(key, math.nan) if isinstance(c, Mapping) else math.nan for c in cells], dtype=np.float64)


def trials_of(members: pd.DataFrame, arms: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """``SweepData.trials`` from a row per member; trials in order of arm and number."""
    search = members[members["stage"] == "search"]
    named = search[search["trial"].notna() & search["seed"].notna() & (search["arm"] >= 0)]
    rows = named.sort_values(["arm", "trial", "seed"], kind="stable")
    arm, trial = rows["arm"].to_numpy(np.intp), rows["trial"].to_numpy(np.int64)
    begins = np.ones(len(rows), bool)
    begins[1:] = (np.diff(arm) != 0) | (np.diff(trial) != 0)
    start = np.flatnonzero(begins)
    position = np.arange(len(rows)) - start[np.cumsum(begins) - 1]  # of a member within its trial
    ks = rows["ks"].to_numpy(np.float64)
    is_counted = ~np.isnan(ks)

    def total(values: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(values, start) if len(start) else values

    def mean_over(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = total(np.where(chosen, ks, 0.0)) / total(chosen.astype(np.int64))
            return means

    words = np.array(list(diagnosis.DIAGNOSES), dtype=object)
    word_counts = total(np.eye(len(words), dtype=np.int32)[rows["diagnosis"].cat.codes])
    return pd.DataFrame(
        {
            "arm": np.array(arms, dtype=object)[arm[start]],
            "trial": trial[start],
            "seeds": total(is_counted.astype(np.int64)),
            "lost": total(rows["lost"].to_numpy(np.int64)),
            "pruned": total(rows["pruned"].to_numpy(np.int64)) > 0,
            "score": _scores(ks, start),
            "half_a": mean_over(is_counted & (position % 2 == 0)),
            "half_b": mean_over(is_counted & (position % 2 == 1)),
            **{key: rows[key].to_numpy(np.float64)[start] for key in keys},
            "diagnosis": words[word_counts.argmax(axis=1)] if len(start) else words[:0],
        }
    )


def _scores(ks: NDArray[np.float64], start: NDArray[np.intp]) -> NDArray[np.float64]:
    """``harness.metrics.trials.trial_score`` of each trial, whose members begin at ``start``; the same bits."""
    trials = ([v for v in part if v == v] for part in map(np.ndarray.tolist, np.split(ks, start[1:])))
    return np.array([mean(part) if part else WORST_KS for part in trials][: len(start)], dtype=np.float64)


def best_of(trials: pd.DataFrame) -> dict[str, int]:
    """The best trial of each arm, from ``SweepData.trials``."""
    first = trials.sort_values(by=list(Rank._fields)).drop_duplicates("arm")
    return {str(a): int(t) for a, t in zip(first["arm"], first["trial"], strict=True)}


def _diagnosis_counts(members: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    named = members[members["arm"] >= 0]
    counts = named.groupby(["arm", "stage", "diagnosis"], observed=True).size().rename("members").reset_index()
    counts["arm"] = np.array(arms, dtype=object)[counts["arm"].to_numpy(np.intp)]
    return counts.astype({"stage": object, "diagnosis": object})


def _unfinished(description: Mapping[str, Any], committed: int) -> Iterator[str]:
    """A remark where the sweep is not finished: populations are missing, or a raised budget or retry is under way."""
    planned = description.get("populations")
    if not isinstance(planned, int) or isinstance(planned, bool):
        return
    if committed < planned:
        yield f"The sweep is not finished: {committed} of {planned} populations are committed."
    elif description.get("finished", "") is None:
        yield "The sweep is not finished: a raised budget or a retry is under way, and its winners may change."


def _remarks(members: pd.DataFrame) -> Iterator[str]:
    unnamed = int(((members["arm"] < 0) | members["stage"].isna() | members["seed"].isna()).sum())
    if unnamed:
        yield f"{unnamed} of {len(members)} rows left out: they have no arm, no stage or no seed."
    untrained = int(members["ks"].isna().sum())
    if untrained:
        yield untrained_remark(untrained, len(members))


def _whole_rows(
    store: Store, populations: set[int], best: Mapping[str, int], revisions: Mapping[int, int]
) -> pd.DataFrame:
    """Confirm rows and rows of the best trials in these populations, with all columns, in order of population."""
    tables = []
    for index in sorted(map(int, populations)):
        table = store.population(index, revision=revisions[index]).replace_schema_metadata(None)
        mask = pc.equal(table["stage"], "confirm")
        for arm, trial in best.items():
            mask = pc.or_kleene(mask, pc.and_kleene(pc.equal(table["arm"], arm), pc.equal(table["trial"], trial)))
        tables.append(table.filter(mask))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="strict", use_threads=False)
    return frame
