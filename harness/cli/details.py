"""What ``harness show`` tells of a sweep or a member, as plain data: JSON takes it as it is."""

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
from harness.store.overview import COLUMNS, Best, arm_names, bests
from harness.store.status import standing
from harness.sweep.lookup import Found

#: What says where a member stands, what it was given, and how it ended; snapshots and weights have their own places.
_PLACE = ("stage", "round", "arm", "trial", "seed")
_DEFINITION = ("loss", "loss_params", "view", "target", "study_seed", "seed", *HYPERPARAMETERS)
_ENDING = ("outcome", "stopped_step", "stopped_tensor", "failure")
_SCORES = ("ks", "ks_iid", "ks_pvalue", "w1", "cvm", "ad", "mean", "sd", "sample_state")


def sweep_facts(store: Store) -> dict[str, Any]:
    """A sweep: its question, spec, arms with what was found, outcomes, cost, provenance, and how to go on with it.

    ``remarks`` names populations that cannot be read; the rest is told without them. ``seconds`` and
    ``energy_joules`` are sums over the populations whose files say them; ``energy_populations`` is how many those are.

    Raises:
        StoreError: there is no sweep, or its description is damaged or of another format.
    """
    description = store.describe()
    table, metadata, remarks = _read(store)
    spec = description.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    seconds, joules = _numbers(metadata, "seconds"), _numbers(metadata, "energy_joules")
    found = {best.arm: best for best in bests(table.select(COLUMNS))}
    rows = {best.key: _row(table, best.key) for best in found.values()}
    told = {key: description.get(key) for key in ("name", "uid", "fingerprint", "created")}
    return _plain(
        {
            "folder": str(store.folder),
            **told,
            "question": spec.get("question"),
            "prediction": spec.get("prediction"),
            "standing": asdict(standing(store)),
            "remarks": remarks,
            "spec": spec,
            "arms": _arms(description, spec, table, found, rows),
            "outcomes": dict(Counter(str(o) for o in table["outcome"].to_pylist())),
            "members": table.num_rows,
            "seconds": sum(seconds),
            "energy_joules": sum(joules) if joules else None,
            "energy_populations": len(joules),
            "provenance": description.get("provenance"),
            "resume": _resume(store.folder, str(told["name"])),
            "replay": next((replay_command(best.key, store.folder) for best in found.values()), None),
        }
    )


def member_facts(places: Sequence[Found]) -> dict[str, Any]:
    """A member: its definition, how it ended, scores, snapshots, every place where it stands, how to replay it.

    ``snapshots`` holds the columns of ``SNAPSHOT_COLUMNS`` that have a value, and ``step``.
    """
    first = places[0]
    row = first.row
    snapshots = {name: row[f"snapshot_{name}"] or [] for name in SNAPSHOT_COLUMNS}
    kept = {name: values for name, values in snapshots.items() if any(v is not None for v in values)}
    return _plain(
        {
            "key": row["key"],
            "engine": row["engine"],
            "definition": {name: row[name] for name in _DEFINITION},
            **{name: row[name] for name in _ENDING},
            "scores": {name: row[name] for name in _SCORES},
            "digest": row["digest"],
            "snapshots": {"step": row["snapshot_step"] or [], **kept},
            "places": [
                {
                    "folder": str(place.store.folder),
                    "population": place.population,
                    "revision": place.store.revisions()[place.population],
                    **{name: place.row[name] for name in _PLACE},
                }
                for place in places
            ],
            "replay": replay_command(row["key"], first.store.folder),
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
    """The rows' columns that are told, every file's metadata, and a remark for each file that cannot be read."""
    columns = list(dict.fromkeys((*COLUMNS, "loss_params", *HYPERPARAMETERS)))
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


def _row(table: pa.Table, key: str) -> Mapping[str, Any]:
    place = table["key"].to_pylist().index(key)
    found: Mapping[str, Any] = table.slice(place, 1).to_pylist(maps_as_pydicts="strict")[0]
    return found


def _arms(
    description: Mapping[str, Any],
    spec: Mapping[str, Any],
    table: pa.Table,
    found: Mapping[str, Best],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Each arm as it is described, with the outcomes of its members, its best trial and that trial's setting."""
    outcomes: dict[str, Counter[str]] = {}
    for arm, outcome in zip(table["arm"].to_pylist(), table["outcome"].to_pylist(), strict=True):
        outcomes.setdefault(str(arm), Counter())[str(outcome)] += 1
    described = {name: _described(description, name) for name in arm_names(description)}
    arms = []
    for name in dict.fromkeys((*described, *found)):
        best = found.get(name)
        told = None if best is None else {**asdict(best), "setting": _setting(spec, rows[best.key])}
        arms.append({"arm": name, **described.get(name, {}), "outcomes": outcomes.get(name, {}), "best": told})
    return arms


def _described(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(dict(entry) for entry in description["arms"] if isinstance(entry, dict) and entry.get("arm") == name)


def _setting(spec: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What the search chose: the row's values of the keys that were searched, and the loss's own parameters."""
    search = spec.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    values = {**{name: row[name] for name in HYPERPARAMETERS}, **(row["loss_params"] or {})}
    return {key: values[key] for key in space if key in values} if isinstance(space, dict) else {}


def _numbers(metadata: Iterable[Mapping[str, str]], name: str) -> list[float]:
    """The finite numbers of that name among files' metadata."""
    found = []
    for told in metadata:
        try:
            value = float(told[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value):
            found.append(value)
    return found


def _resume(folder: Path, name: str) -> str:
    """The command that goes on; the experiment file's own path is nowhere recorded."""
    place = "" if folder == SWEEPS / slug(name) else f" --out {shlex.quote(str(folder))}"
    return f"harness sweep EXPERIMENT.toml{place} --resume"
