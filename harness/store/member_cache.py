"""Cache of committed members by key, from a sweep and the sweeps beside it.

A member's key covers everything that its result depends on, so a row that the same versions trained on the same
machine equals the row that training would give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import StoreError
from harness.store import Store

Row = dict[str, Any]

#: Keys of the provenance that must agree for bits to agree (decision 0002).
_PROVENANCE_KEYS = ("machine", "device", "python", "torch", "numpy", "scipy")

#: Keys of the spec that all members of a sweep share: sweeps that differ there have no member in common.
_SPEC_KEYS = ("seed", "target", "steps")

#: Outcomes that training again would repeat. Failed members lacked memory, pruned ones depend on their rivals.
_REPEATABLE = ("scored", "diverged")


class _Location(NamedTuple):
    store: Store
    population: int
    revision: int


class MemberCache:
    """Finished members of the sweep in ``folder`` and of the sweeps beside it.

    ``description`` is the sweep's own; damaged sweeps and those of other versions or machines are left out.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self._folder, self._description = folder, description
        self._locations: dict[tuple[str, int], _Location] | None = None

    def take(self, stage: str, keys: Collection[str]) -> dict[str, Row]:
        """The rows of those of these members that were committed, by key; of the confirm stage with generators."""
        if self._locations is None:
            self._locations = dict(self._read())
        wanted: dict[_Location, list[str]] = {}
        for key in dict.fromkeys(keys):
            location = self._locations.get((stage, int(key, 16)))
            if location:
                wanted.setdefault(location, []).append(key)
        return {row["key"]: row for location, present in wanted.items() for row in _rows(location, present)}

    def add(self, store: Store, index: int, revision: int, rows: Collection[Mapping[str, Any]]) -> None:
        """Add a population that was just committed."""
        if self._locations is not None:
            repeatable = (row for row in rows if row["outcome"] in _REPEATABLE)
            location = _Location(store, index, revision)
            self._locations |= {(row["stage"], int(row["key"], 16)): location for row in repeatable}

    def _read(self) -> Iterator[tuple[tuple[str, int], _Location]]:
        for path in sorted(self._folder.absolute().parent.glob("*/sweep.json")):
            store = Store(path.parent)
            try:
                if not _may_share(store.describe(), self._description):
                    continue
                locations = [_Location(store, index, revision) for index, revision in store.revisions().items()]
            except (StoreError, KeyError, TypeError, AttributeError):
                continue
            for location in locations:
                yield from _keys(location)


def _may_share(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True if the sweeps of two descriptions may have a member in common, with the same bits."""
    for part, names in (("provenance", _PROVENANCE_KEYS), ("spec", _SPEC_KEYS)):
        if any(a[part].get(name) != b[part].get(name) for name in names):
            return False
    return not set(a["spec"]["views"]).isdisjoint(b["spec"]["views"])


def _keys(location: _Location) -> Iterator[tuple[tuple[str, int], _Location]]:
    try:
        table = location.store.population(location.population, ["stage", "key", "outcome"], revision=location.revision)
    except StoreError:
        return
    table = table.filter(pc.is_in(table["outcome"], pa.array(_REPEATABLE)))
    for stage, key in zip(table["stage"].to_pylist(), table["key"].to_pylist(), strict=True):
        yield (stage, int(key, 16)), location


def _rows(location: _Location, keys: list[str]) -> list[Row]:
    try:
        table = location.store.population(location.population, revision=location.revision)
    except StoreError:  # gone or damaged since
        return []
    rows: list[Row] = table.filter(pc.is_in(table["key"], pa.array(keys))).to_pylist(maps_as_pydicts="strict")
    return rows
