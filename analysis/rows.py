"""Which committed rows a comparison reads, and what is said about those it cannot read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from harness.data.target import Target
from harness.errors import InputError, StoreError
from harness.store import SCHEMA, Store

Stage = Literal["confirm", "search only", "no rows"]
LOST = ("diverged", "failed")
_TEXTS = tuple(f.name for f in SCHEMA if pa.types.is_string(f.type))
# A seed is a name of 63 bits, which a float would round.
_NUMBERS = tuple(
    f.name for f in SCHEMA if (pa.types.is_integer(f.type) or pa.types.is_floating(f.type)) and f.name != "seed"
)


@dataclass(frozen=True)
class Selection:
    """The members that are compared, one row per arm and seed, and the remarks on what was left out."""

    stage: Stage
    frame: pd.DataFrame
    remarks: tuple[str, ...]


def tidy(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Committed rows with every column of the schema, numbers as numbers, and a score in each row that is kept.

    A diverged or failed member scores 1. A row without an arm, a stage, a seed or a score is left out and counted, and
    so is a member that pruning by seed spared; ``given_up`` marks the other members of its trial.
    """
    remarks = [f"The rows have no column {n!r}." for n in ("arm", "stage", "seed", "ks", "outcome") if n not in frame]
    rows = frame.reindex(columns=list(SCHEMA.names)).copy()
    for name in _NUMBERS:
        rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(np.float64).replace([np.inf, -np.inf], np.nan)
    rows["seed"] = pd.array([_whole(v) for v in rows["seed"]], dtype="Int64")
    for name in _TEXTS:
        rows[name] = [v if isinstance(v, str) else None for v in rows[name]]
    rows.loc[rows["outcome"].isin(LOST), "ks"] = 1.0
    unnamed = int((rows["outcome"].isna() & rows["ks"].notna()).sum())
    if unnamed:
        remarks.append(f"{unnamed} of {len(rows)} rows name no outcome; they are read as scored.")
    spare = spared(rows)
    if spare.any():
        remarks.append(
            f"{int(spare.sum())} of {len(rows)} members were not trained: their trials were given up before."
        )
    trials = rows["arm"].astype(str) + " " + rows["trial"].astype(str)
    rows = rows.assign(given_up=trials.isin(set(trials[spare])))[~spare]
    for name, what in (("arm", "an arm"), ("stage", "a stage"), ("seed", "a seed"), ("ks", "a score")):
        absent = rows[name].isna()
        if absent.any():
            remarks.append(f"{int(absent.sum())} of {len(rows)} rows left out: they have no value for {what}.")
            rows = rows[~absent]
    return rows.reset_index(drop=True), tuple(remarks)


def spared(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which committed rows are of members that pruning by seed spared: pruned, and without a score."""
    return (rows["outcome"] == "pruned") & rows["ks"].isna()


def _whole(value: object) -> int | None:
    if isinstance(value, (int, np.integer)):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def best_trials(search: pd.DataFrame) -> dict[str, int]:
    """Per arm the trial with the least mean KS over its search seeds (of equals the earliest); see ``best_of``."""
    known = search[search["trial"].notna()]
    pruned = (known["outcome"] == "pruned") | known.get("given_up", default=False)
    grouped = known.assign(pruned=pruned).groupby(["arm", "trial"])
    return best_of(grouped.agg(score=("ks", "mean"), pruned=("pruned", "any")).reset_index())


def best_of(trials: pd.DataFrame) -> dict[str, int]:
    """Per arm the trial of least score, of rows with arm, trial, score and pruned.

    A trial that halving stopped was measured after fewer steps, one that was given up on fewer seeds: they come behind
    all others.
    """
    first = trials.sort_values(by=["pruned", "score", "trial"]).drop_duplicates("arm")
    return {str(a): int(t) for a, t in zip(first["arm"], first["trial"], strict=True)}


def select(frame: pd.DataFrame) -> Selection:
    """The confirm rows; where there are none yet, the search rows of each arm's best trial, which are no comparison."""
    rows, told = tidy(frame)
    remarks = list(told)
    search, confirm = rows[rows["stage"] == "search"], rows[rows["stage"] == "confirm"]
    best = best_trials(search)
    if len(confirm):
        chosen = _one_trial(confirm, best, remarks)
        stage: Stage = "confirm"
    elif len(search):
        keep = [t == best.get(str(a)) for a, t in zip(search["arm"], search["trial"], strict=True)]
        chosen, stage = search[keep], "search only"
        remarks.insert(0, "No confirm rows yet. The numbers are of the searched trials on the seeds that chose them: "
                          "search only, not a comparison.")  # fmt: skip
    else:
        chosen, stage = rows.iloc[:0], "no rows"
        remarks.insert(0, "No rows that can be compared are committed.")
    repeated = chosen.duplicated(["arm", "seed"])
    if repeated.any():
        remarks.append(f"{int(repeated.sum())} rows repeat an arm and a seed; the first committed one is read.")
    return Selection(stage, chosen[~repeated].reset_index(drop=True), tuple(remarks))


def by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """KS of ``Selection.frame`` as a table, a line per seed and a column per arm, NaN where an arm lacks a seed."""
    table = rows.pivot(index="seed", columns="arm", values="ks")
    return table.astype(np.float64)


def views_of(rows: pd.DataFrame, arms: Sequence[str] = ()) -> dict[str, list[str]]:
    """The arms of each view, both in the order of ``arms``, those it does not name behind."""
    told = rows.drop_duplicates("arm").set_index("arm")["view"].to_dict()
    found: dict[str, list[str]] = {}
    for arm in [a for a in arms if a in told] + [a for a in told if a not in arms]:
        found.setdefault(str(told[arm]), []).append(str(arm))
    return found


def _one_trial(confirm: pd.DataFrame, best: Mapping[str, int], remarks: list[str]) -> pd.DataFrame:
    """Confirm rows of one trial per arm: seeds of two settings are not one sample."""
    keep = pd.Series(True, index=confirm.index)
    for arm, rows in confirm.groupby("arm"):
        trials = sorted({int(t) for t in rows["trial"].dropna()})
        if len(trials) > 1:
            chosen = best[str(arm)] if best.get(str(arm)) in trials else trials[0]
            keep[rows.index] = rows["trial"] == chosen
            remarks.append(f"{arm}: confirm rows of trials {', '.join(map(str, trials))}; trial {chosen} is read.")
    return confirm[keep]


def numbers(cell: object) -> NDArray[np.float64] | None:
    """A list column's cell as an array; None where it is null, empty or not numeric. Null elements are NaN."""
    if cell is None or isinstance(cell, (str, bytes, float)):
        return None
    try:
        found = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.ndim == 1 and found.size else None


def quantiles(row: Mapping[str, Any] | pd.Series) -> NDArray[np.float64] | None:
    """The quantiles of a member's generated law, ascending; None where they are missing or not finite."""
    found = numbers(row.get("quantiles"))
    return np.sort(found) if found is not None and found.size > 1 and np.isfinite(found).all() else None


def spec_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """The spec in ``sweep.json``; empty where it is missing."""
    told = description.get("spec")
    return dict(told) if isinstance(told, Mapping) else {}


def arms_of(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms that ``sweep.json`` describes and names; empty where there are none."""
    told = description.get("arms")
    entries = told if isinstance(told, list) else []
    return [dict(a) for a in entries if isinstance(a, Mapping) and isinstance(a.get("arm"), str)]


def target_of(description: Mapping[str, Any]) -> Target | None:
    """The target that ``sweep.json`` names; None where it names none that this program knows."""
    told: Any = spec_of(description).get("target")
    try:
        return Target(str(told["law"]), dict(told["params"]))
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def read(store: Store) -> tuple[dict[str, Any], pd.DataFrame, tuple[str, ...]]:
    """Description and committed rows of a sweep, and a remark for each file of rows that cannot be read.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    description, tables, remarks = store.describe(), [], []
    for index in store.committed():
        try:
            tables.append(store.population(index).replace_schema_metadata(None))
        except StoreError as error:
            remarks.append(f"Population {index} is left out. {error}")
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    return description, table.to_pandas(maps_as_pydicts="strict", use_threads=False), tuple(remarks)
