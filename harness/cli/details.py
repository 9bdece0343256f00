"""Facts about a sweep or a member for ``harness show``, as plain data that JSON takes as it is."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.errors import StoreError
from harness.store import HYPERPARAMETERS, SCHEMA, SNAPSHOT_COLUMNS, SWEEPS, Store, metadata_of, slug
from harness.store.status import TRIAL_COLUMNS, BestTrial, SweepStatus, arm_names, best_trials
from harness.sweep.lookup import CommittedMember

# Columns of a row by subject; snapshots and weights are not among them.
_LOCATION = ("stage", "round", "arm", "trial", "seed")
_DEFINITION = ("loss", "loss_params", "view", "target", "study_seed", "seed", *HYPERPARAMETERS)
_ENDING = ("outcome", "stopped_step", "stopped_tensor", "failure")
_SCORES = ("ks", "ks_iid", "ks_pvalue", "w1", "cvm", "ad", "mean", "sd", "sample_state")


def sweep_facts(store: Store) -> dict[str, Any]:
    """A sweep: its question, spec, arms with what was found, outcomes, cost, provenance, and how to continue it.

    ``remarks`` names populations that cannot be read; the facts leave them out. ``seconds`` and ``energy_joules`` are
    sums over the populations that recorded them; ``energy_populations`` counts those with energy.

    Raises:
        StoreError: there is no sweep, or its description is damaged or of another format.
    """
    description = store.describe()
    table, metadata, remarks = _read(store)
    spec = description.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    seconds, joules = _numbers(metadata, "seconds"), _numbers(metadata, "energy_joules")
    best = best_trials(table.select(TRIAL_COLUMNS))
    return _plain(
        {
            "folder": str(store.folder),
            **{key: description.get(key) for key in ("name", "uid", "fingerprint", "created")},
            "question": spec.get("question"),
            "prediction": spec.get("prediction"),
            "standing": asdict(SweepStatus.of(store)),
            "remarks": remarks,
            "spec": spec,
            "arms": _arms(description, table, best),
            "outcomes": dict(Counter(map(str, table["outcome"].to_pylist()))),
            "members": table.num_rows,
            "seconds": sum(seconds),
            "energy_joules": sum(joules) if joules else None,
            "energy_populations": len(joules),
            "provenance": description.get("provenance"),
            "resume": _resume_command(store.folder, str(description.get("name"))),
            "replay": replay_command(best[0].key, store.folder) if best else None,
        }
    )


def member_facts(copies: Sequence[CommittedMember]) -> dict[str, Any]:
    """A member: its definition, how it ended, scores, snapshots, every sweep that holds it, how to replay it.

    ``snapshots`` holds the columns of ``SNAPSHOT_COLUMNS`` that have a value, and ``step``.
    """
    row, folder = copies[0].row, copies[0].store.folder
    snapshots = {name: row[f"snapshot_{name}"] or [] for name in SNAPSHOT_COLUMNS}
    return _plain(
        {
            "key": row["key"],
            "engine": row["engine"],
            "definition": {name: row[name] for name in _DEFINITION},
            **{name: row[name] for name in _ENDING},
            "scores": {name: row[name] for name in _SCORES},
            "digest": row["digest"],
            "snapshots": {
                "step": row["snapshot_step"] or [],
                **{name: values for name, values in snapshots.items() if any(v is not None for v in values)},
            },
            "places": [
                {
                    "folder": str(copy.store.folder),
                    "population": copy.population,
                    "revision": copy.store.revisions()[copy.population],
                    **{name: copy.row[name] for name in _LOCATION},
                }
                for copy in copies
            ],
            "replay": replay_command(row["key"], folder),
        }
    )


def replay_command(key: str, folder: Path) -> str:
    """The command that trains a member of the sweep in ``folder`` again."""
    return f"harness replay {shlex.quote(key)} --sweep {shlex.quote(str(folder))}"


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with None in place of numbers that JSON has not: nan and the infinities."""
    return {str(key): _plain_value(value) for key, value in table.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _plain(value)
    return [_plain_value(item) for item in value] if isinstance(value, (list, tuple)) else value


def _read(store: Store) -> tuple[pa.Table, list[Mapping[str, str]], list[str]]:
    """Rows with the columns needed here, every file's metadata, and a remark for each file that cannot be read."""
    columns = list(dict.fromkeys((*TRIAL_COLUMNS, "loss_params", *HYPERPARAMETERS)))
    # A table without rows, so that there is always one.
    tables, metadata, remarks = [pa.Table.from_batches([], SCHEMA).select(columns)], [], []
    for index in store.committed():
        try:
            table = store.population(index, columns)
        except StoreError as error:
            remarks.append(str(error))
            continue
        metadata.append(metadata_of(table))
        tables.append(table.replace_schema_metadata(None))
    return pa.concat_tables(tables), metadata, remarks


def _arms(description: Mapping[str, Any], table: pa.Table, best: Iterable[BestTrial]) -> list[dict[str, Any]]:
    """Each arm as it is described, with the outcomes of its members, its best trial and that trial's setting."""
    outcomes: dict[str, Counter[str]] = {}
    for arm, outcome in zip(table["arm"].to_pylist(), table["outcome"].to_pylist(), strict=True):
        outcomes.setdefault(str(arm), Counter())[str(outcome)] += 1
    described = {name: _described(description, name) for name in arm_names(description)}
    keys = table["key"].to_pylist()
    trials: dict[str, dict[str, Any]] = {}
    for trial in best:
        (row,) = table.slice(keys.index(trial.key), 1).to_pylist(maps_as_pydicts="strict")
        trials[trial.arm] = {**asdict(trial), "setting": _searched_values(description.get("spec"), row)}
    return [
        {"arm": name, **described.get(name, {}), "outcomes": outcomes.get(name, {}), "best": trials.get(name)}
        for name in dict.fromkeys((*described, *trials))
    ]


def _described(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(dict(entry) for entry in description["arms"] if isinstance(entry, dict) and entry.get("arm") == name)


def _searched_values(spec: object, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's values of the keys that were searched: hyper-parameters, and the loss's own parameters."""
    search = spec.get("search") if isinstance(spec, dict) else None
    space = search.get("space") if isinstance(search, dict) else None
    values = {**{name: row[name] for name in HYPERPARAMETERS}, **(row["loss_params"] or {})}
    return {key: values[key] for key in space if key in values} if isinstance(space, dict) else {}


def _numbers(metadata: Iterable[Mapping[str, str]], name: str) -> list[float]:
    """The finite numbers of that name in the files' metadata."""
    numbers = []
    for entries in metadata:
        try:
            value = float(entries[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value):
            numbers.append(value)
    return numbers


def _resume_command(folder: Path, name: str) -> str:
    """The command that continues a sweep; the experiment file's own path is not recorded."""
    out = "" if folder == SWEEPS / slug(name) else f" --out {shlex.quote(str(folder))}"
    return f"harness sweep EXPERIMENT.toml{out} --resume"
