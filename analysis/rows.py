"""Selection of the committed rows that are compared, with remarks on those left out; and fields of ``sweep.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from harness.data.target import Target
from harness.errors import InputError
from harness.metrics.trials import LOST, PRUNED, WORST_KS, Rank, is_pruned, trial_score
from harness.store import SCHEMA

Stage = Literal["confirm", "search only", "no rows"]
_TEXTS = tuple(f.name for f in SCHEMA if pa.types.is_string(f.type))
# A seed is a name of 63 bits, which a float would round.
_NUMBERS = tuple(
    f.name for f in SCHEMA if (pa.types.is_integer(f.type) or pa.types.is_floating(f.type)) and f.name != "seed"
)


@dataclass(frozen=True)
class Selection:
    """The compared members, one row per arm and seed, and remarks on what was left out."""

    stage: Stage
    frame: pd.DataFrame
    remarks: tuple[str, ...]


def tidy(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Committed rows with every column of the schema, numbers as numbers, and a score in each row; and remarks.

    A lost member scores 1. A row without an arm, a stage, a seed or a score is left out and counted, and so is a member
    whose trial was pruned before it was trained; ``given_up`` marks the other members of its trial.
    """
    remarks = [f"The rows have no column {n!r}." for n in ("arm", "stage", "seed", "ks", "outcome") if n not in frame]
    rows = frame.reindex(columns=list(SCHEMA.names)).copy()
    for name in _NUMBERS:
        rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(np.float64).replace([np.inf, -np.inf], np.nan)
    rows["seed"] = pd.array([_whole_number(v) for v in rows["seed"]], dtype="Int64")
    for name in _TEXTS:
        rows[name] = [v if isinstance(v, str) else None for v in rows[name]]
    rows.loc[rows["outcome"].isin(LOST), "ks"] = WORST_KS
    unnamed = int((rows["outcome"].isna() & rows["ks"].notna()).sum())
    if unnamed:
        remarks.append(f"{unnamed} of {len(rows)} rows have no outcome; they are read as scored.")
    untrained = (rows["outcome"] == PRUNED) & rows["ks"].isna()
    if untrained.any():
        remarks.append(untrained_remark(int(untrained.sum()), len(rows)))
    trials = rows["arm"].astype(str) + " " + rows["trial"].astype(str)
    rows = rows.assign(given_up=trials.isin(set(trials[untrained])))[~untrained]
    for name, field in (("arm", "an arm"), ("stage", "a stage"), ("seed", "a seed"), ("ks", "a score")):
        absent = rows[name].isna()
        if absent.any():
            remarks.append(f"{int(absent.sum())} of {len(rows)} rows left out: they have no value for {field}.")
            rows = rows[~absent]
    return rows.reset_index(drop=True), tuple(remarks)


def untrained_remark(count: int, total: int) -> str:
    """The remark on members that were not trained because their trials had been pruned."""
    return f"{count} of {total} members were not trained: their trials were given up before."


def _whole_number(value: object) -> int | None:
    if isinstance(value, (int, np.integer)):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def best_trials(search: pd.DataFrame) -> dict[str, int]:
    """The best trial of each arm (``harness.metrics.trials``) by its search rows, as ``tidy`` returns them."""
    ranks: dict[str, list[Rank]] = {}
    numbered = search[search["trial"].notna()].astype({"trial": int})
    for (arm, trial), rows in numbered.groupby(["arm", "trial"], sort=False):
        members = [{"outcome": outcome, "ks": ks} for outcome, ks in zip(rows["outcome"], rows["ks"], strict=True)]
        pruned = is_pruned(members) or ("given_up" in rows and bool(rows["given_up"].any()))
        ranks.setdefault(str(arm), []).append(Rank(pruned, trial_score(members), int(str(trial))))
    return {arm: min(trials).trial for arm, trials in ranks.items()}


def select(frame: pd.DataFrame) -> Selection:
    """The confirm rows; where there are none yet, the search rows of each arm's best trial, which are no comparison."""
    rows, tidy_remarks = tidy(frame)
    remarks = list(tidy_remarks)
    search, confirm = rows[rows["stage"] == "search"], rows[rows["stage"] == "confirm"]
    best = best_trials(search)
    if len(confirm):
        chosen = _one_trial_per_arm(confirm, best, remarks)
        stage: Stage = "confirm"
    elif len(search):
        in_best = [t == best.get(str(a)) for a, t in zip(search["arm"], search["trial"], strict=True)]
        chosen, stage = search[in_best], "search only"
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
    """KS of ``Selection.frame`` as a table, a row per seed and a column per arm, NaN where an arm lacks a seed."""
    table = rows.pivot(index="seed", columns="arm", values="ks")
    return table.astype(np.float64)


def views_of(rows: pd.DataFrame, arms: Sequence[str] = ()) -> dict[str, list[str]]:
    """The arms of each view, both in the order of ``arms``; arms that it does not name come last."""
    views = rows.drop_duplicates("arm").set_index("arm")["view"].to_dict()
    grouped: dict[str, list[str]] = {}
    for arm in [a for a in arms if a in views] + [a for a in views if a not in arms]:
        grouped.setdefault(str(views[arm]), []).append(str(arm))
    return grouped


def _one_trial_per_arm(confirm: pd.DataFrame, best: Mapping[str, int], remarks: list[str]) -> pd.DataFrame:
    """Confirm rows of one trial per arm: seeds of two settings are not one sample."""
    chosen = pd.Series(True, index=confirm.index)
    for arm, rows in confirm.groupby("arm"):
        trials = sorted({int(t) for t in rows["trial"].dropna()})
        if len(trials) > 1:
            trial = best[str(arm)] if best.get(str(arm)) in trials else trials[0]
            chosen[rows.index] = rows["trial"] == trial
            remarks.append(f"{arm}: confirm rows of trials {', '.join(map(str, trials))}; trial {trial} is read.")
    return confirm[chosen]


def numbers(cell: object) -> NDArray[np.float64] | None:
    """A list column's cell as an array; None where it is null, empty or not numeric. Null elements are NaN."""
    if cell is None or isinstance(cell, (str, bytes, float)):
        return None
    try:
        values = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.ndim == 1 and values.size else None


def quantiles(row: Mapping[str, Any] | pd.Series) -> NDArray[np.float64] | None:
    """The quantiles of a member's generated law, ascending; None where they are missing or not finite."""
    values = numbers(row.get("quantiles"))
    return np.sort(values) if values is not None and values.size > 1 and np.isfinite(values).all() else None


def spec_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """The spec in ``sweep.json``; empty where it is missing."""
    spec = description.get("spec")
    return dict(spec) if isinstance(spec, Mapping) else {}


def search_space(description: Mapping[str, Any]) -> dict[str, Any]:
    """The search space in ``sweep.json`` by key; empty where it is missing."""
    search = spec_of(description).get("search")
    space = search.get("space") if isinstance(search, Mapping) else None
    return {str(key): value for key, value in space.items()} if isinstance(space, Mapping) else {}


def arms_of(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms that ``sweep.json`` describes and names; empty where there are none."""
    arms = description.get("arms")
    entries = arms if isinstance(arms, list) else []
    return [dict(a) for a in entries if isinstance(a, Mapping) and isinstance(a.get("arm"), str)]


def target_of(description: Mapping[str, Any]) -> Target | None:
    """The target in ``sweep.json``; None where this version does not know it."""
    target: Any = spec_of(description).get("target")
    try:
        return Target(str(target["law"]), dict(target["params"]))
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None
