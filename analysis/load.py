"""A sweep's folder read for a report: what is compared in full, all else added up while it is read.

A sweep may hold a million members with a hundred numbers each. Of those that only searched, a few columns are read,
some files at a time, and one row a trial is kept; ``rows.read`` is for who wants them all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.comparison import success_threshold
from analysis.rows import LOST, arms_of, best_of, spared, spec_of, target_of
from harness.errors import StoreError
from harness.metrics import diagnosis
from harness.store import HYPERPARAMETERS, SCHEMA, Store, metadata_of

#: Files whose rows are looked at together: enough that what is done once for them is of no account, few enough that
#: their rows fit into some megabytes.
TOGETHER = 128
_STAGES = ["search", "confirm"]
#: Columns that are always read.
_NAMES = ("stage", "arm", "trial", "seed", "outcome", "ks")


@dataclass(frozen=True)
class Cost:
    """What the files tell of training: seconds of all populations, joules where they could be read, on what, till when.

    ``reused`` members were not trained here: a sweep beside this one had them.
    """

    seconds: float = 0.0
    joules: float | None = None
    devices: tuple[str, ...] = ()
    finished: str | None = None
    reused: int = 0


@dataclass(frozen=True)
class Read:
    """A sweep's folder as a report needs it.

    ``frame``: every confirm row, and the search rows of each arm's best trial, with all columns of ``store.SCHEMA``;
    ``rows.select`` and all that is built on it find in it what they find in the whole.
    ``trials``: one row per searched trial: arm, trial, seeds, lost (diverged or failed), pruned (stopped or given up
    early), score (mean KS of the seeds that were trained, lost ones 1), half_a and half_b (the same over every other
    seed, in order of seeds: one may choose where the other judges), diagnosis (its seeds' commonest), and a column for
    each key of ``searched`` and for both learning rates.
    ``diagnoses``: how many members of an arm and stage have which diagnosis: columns arm, stage, diagnosis, members.
    """

    description: dict[str, Any]
    frame: pd.DataFrame
    trials: pd.DataFrame
    searched: tuple[str, ...]
    diagnoses: pd.DataFrame
    members: int
    cost: Cost
    remarks: tuple[str, ...]


def read_sweep(store: Store) -> Read:
    """Read a sweep's folder; a file that cannot be read is left out, with a remark.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    description = store.describe()
    found = _Gathered(description)
    revisions = sorted(store.revisions().items())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(revisions), TOGETHER):
            some = revisions[start : start + TOGETHER]
            found.take(list(pool.map(lambda named: _few(store, named[0], named[1], found.columns), some)))
    light = found.light()
    trials = trials_of(light, found.arms, found.keys)
    best = best_of(trials)
    chosen = light[light["stage"] == "confirm"]
    search = light[(light["stage"] == "search") & (light["arm"] >= 0)]
    names = pd.Index(found.arms, dtype=object).take(search["arm"].to_numpy())
    kept = pd.concat([chosen, search[search["trial"].to_numpy() == names.map(best).to_numpy()]])
    remarks = [*_unfinished(description, len(revisions)), *found.remarks, *_remarks(light)]
    return Read(
        description=description,
        frame=_whole(store, kept, best, dict(revisions)),
        trials=trials,
        searched=found.searched,
        diagnoses=_counts(light, found.arms),
        members=len(light),
        cost=found.cost(),
        remarks=tuple(remarks),
    )


_File = tuple[int, pa.Table | None, str]


def _few(store: Store, index: int, revision: int, columns: Sequence[str]) -> _File:
    try:
        return index, store.population(index, columns, revision=revision), ""
    except StoreError as error:
        return index, None, f"Population {index} is left out. {error}"


@dataclass
class _Gathered:
    """What is kept of the files read so far."""

    description: Mapping[str, Any]
    parts: list[pd.DataFrame] = field(default_factory=list)
    told: list[Mapping[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.target = target_of(self.description)
        self.success_ks = success_threshold(self.description)[0]
        self.searched = searched_keys(self.description)
        self.keys = tuple(dict.fromkeys(["lr_d", "lr_g", *self.searched]))
        own = [key for key in self.keys if key in HYPERPARAMETERS]
        parameters = ["loss_params"] if len(own) < len(self.keys) else []
        self.columns = tuple(dict.fromkeys([*_NAMES, *own, *parameters, *diagnosis.columns(self.target)]))
        self.arms: list[str] = [a["arm"] for a in arms_of(self.description)]

    def take(self, files: Sequence[_File]) -> None:
        """Add up the rows of some files."""
        self.remarks += [remark for _, _, remark in files if remark]
        read = [(index, table) for index, table, _ in files if table is not None and table.num_rows]
        if not read:
            return
        self.told += [metadata_of(table) for _, table in read]
        table = pa.concat_tables([t.replace_schema_metadata(None) for _, t in read])
        rows = table.to_pandas(maps_as_pydicts="strict", use_threads=False, categories=["arm", "stage", "outcome"])
        words = diagnosis.diagnose(rows, self.target, self.success_ks)
        kept = rows[["stage", "trial", "seed", "ks"]].assign(
            population=np.repeat([i for i, _ in read], [t.num_rows for _, t in read]).astype(np.int32),
            arm=self._numbered(rows["arm"]),
            stage=pd.Categorical(rows["stage"].astype(object).where(rows["stage"].isin(_STAGES)), _STAGES),
            lost=rows["outcome"].isin(LOST),
            pruned=rows["outcome"] == "pruned",
            spared=spared(rows),
            diagnosis=pd.Categorical(words, list(diagnosis.DIAGNOSES)),
        )
        kept.loc[kept["lost"], "ks"] = 1.0
        for key in self.keys:
            kept[key] = rows[key].astype(np.float64) if key in rows else _parameter(rows["loss_params"], key)
        self.parts.append(kept)

    def light(self) -> pd.DataFrame:
        """A row per member: arm (its number in ``arms``), stage, trial, seed, ks, and what was kept besides."""
        if self.parts:
            return pd.concat(self.parts, ignore_index=True)
        names = ("population", "arm", "trial", "seed", "ks", "lost", "pruned", "spared", *self.keys)
        nothing = pd.DataFrame({n: pd.Series(dtype=np.float64) for n in names})
        words = {"stage": _STAGES, "diagnosis": list(diagnosis.DIAGNOSES)}
        return nothing.assign(**{name: pd.Categorical([], known) for name, known in words.items()})

    def cost(self) -> Cost:
        """The sums over what the files tell."""
        joules = [float(t["energy_joules"]) for t in self.told if "energy_joules" in t]
        return Cost(
            seconds=math.fsum(float(t.get("seconds", 0.0)) for t in self.told),
            joules=math.fsum(joules) if joules else None,
            devices=tuple(dict.fromkeys(t["device"] for t in self.told if t.get("device"))),
            finished=max((t["finished"] for t in self.told if t.get("finished")), default=None),
            reused=sum(int(t.get("reused", 0)) for t in self.told),
        )

    def _numbered(self, arms: pd.Series[Any]) -> NDArray[np.int32]:
        """The arms as numbers in ``arms``, which grows by those that sweep.json does not name; -1 without an arm."""
        known = {arm: i for i, arm in enumerate(self.arms)}
        for arm in arms.cat.categories:
            if arm not in known:
                known[arm] = len(self.arms)
                self.arms.append(arm)
        numbers = np.array([*(known[a] for a in arms.cat.categories), -1], dtype=np.int32)
        return numbers[arms.cat.codes.to_numpy()]


def searched_keys(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of the search space in ``sweep.json``, sorted; empty where it names none."""
    told = spec_of(description).get("search")
    space = told.get("space") if isinstance(told, Mapping) else None
    return tuple(sorted(str(key) for key in space)) if isinstance(space, Mapping) else ()


def _parameter(cells: pd.Series[Any], key: str) -> NDArray[np.float64]:
    return np.array([c.get(key, math.nan) if isinstance(c, Mapping) else math.nan for c in cells], dtype=np.float64)


def trials_of(light: pd.DataFrame, arms: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """``Read.trials`` from a row per member; trials in order of arm and number."""
    known = light[(light["stage"] == "search") & light["trial"].notna() & light["seed"].notna() & (light["arm"] >= 0)]
    rows = known.sort_values(["arm", "trial", "seed"], kind="stable")
    arm, trial = rows["arm"].to_numpy(np.intp), rows["trial"].to_numpy(np.int64)
    begins = np.ones(len(rows), bool)
    begins[1:] = (np.diff(arm) != 0) | (np.diff(trial) != 0)
    start = np.flatnonzero(begins)
    place = np.arange(len(rows)) - start[np.cumsum(begins) - 1]
    ks, spare = rows["ks"].to_numpy(np.float64), rows["spared"].to_numpy(bool)
    sides = {"score": ~spare, "half_a": ~spare & (place % 2 == 0), "half_b": ~spare & (place % 2 == 1)}

    def total(values: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(values, start) if len(start) else values

    counts = {name: total(mask.astype(np.int64)) for name, mask in sides.items()}
    with np.errstate(invalid="ignore"):
        means = {name: total(np.where(mask, ks, 0.0)) / counts[name] for name, mask in sides.items()}
    word = np.eye(len(diagnosis.DIAGNOSES), dtype=np.int32)[rows["diagnosis"].cat.codes]
    words = np.array(list(diagnosis.DIAGNOSES), dtype=object)
    return pd.DataFrame(
        {
            "arm": np.array(arms, dtype=object)[arm[start]],
            "trial": trial[start],
            "seeds": counts["score"],
            "lost": total(rows["lost"].to_numpy(np.int64)),
            "pruned": total((rows["pruned"] | rows["spared"]).to_numpy(np.int64)) > 0,
            **means,
            **{key: rows[key].to_numpy(np.float64)[start] for key in keys},
            "diagnosis": words[total(word).argmax(axis=1)] if len(start) else words[:0],
        }
    )


def _counts(light: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    known = light[light["arm"] >= 0]
    counted = known.groupby(["arm", "stage", "diagnosis"], observed=True).size().rename("members").reset_index()
    counted["arm"] = np.array(arms, dtype=object)[counted["arm"].to_numpy(np.intp)]
    return counted.astype({"stage": object, "diagnosis": object})


def _unfinished(description: Mapping[str, Any], committed: int) -> Iterator[str]:
    """What sweep.json promises and is not there yet; nothing where it does not say how much it promises."""
    wanted = description.get("populations")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return
    if committed < wanted:
        yield f"The sweep is not finished: {committed} of {wanted} populations are committed."
    elif description.get("finished", "") is None:
        yield "The sweep is not finished: a raised budget or a retry is under way, and its winners may change."


def _remarks(light: pd.DataFrame) -> Iterator[str]:
    unnamed = int(((light["arm"] < 0) | light["stage"].isna() | light["seed"].isna()).sum())
    if unnamed:
        yield f"{unnamed} of {len(light)} rows left out: they have no arm, no stage or no seed."
    spare = int(light["spared"].sum())
    if spare:
        yield f"{spare} of {len(light)} members were not trained: their trials were given up before."


def _whole(store: Store, kept: pd.DataFrame, best: Mapping[str, int], revisions: Mapping[int, int]) -> pd.DataFrame:
    """The rows of ``kept`` with all columns, in order of population."""
    tables = []
    for index in sorted(int(i) for i in kept["population"].unique()):
        table = store.population(index, revision=revisions[index]).replace_schema_metadata(None)
        wanted = pc.equal(table["stage"], "confirm")
        for arm, trial in best.items():
            wanted = pc.or_kleene(wanted, pc.and_kleene(pc.equal(table["arm"], arm), pc.equal(table["trial"], trial)))
        tables.append(table.filter(wanted))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="strict", use_threads=False)
    return frame
