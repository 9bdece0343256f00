"""What was trained before: committed members by their key, of this sweep and of those beside it.

A member's key names everything that its result depends on, so a row of another sweep, made on the same machine by the
same versions, is the row that training would give.
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

#: Where provenance must agree for bits to agree: decision 0002 promises no more.
_SAME = ("machine", "device", "python", "torch", "numpy", "scipy")

#: What every member of a sweep has in common: sweeps that differ there need not be read to know that they share none.
_SHARED = ("seed", "target", "steps")

#: How a member ended that would end so again. Failed ones had no memory, pruned ones were stopped by their rivals.
_LASTING = ("scored", "diverged")


class _Place(NamedTuple):
    store: Store
    population: int
    revision: int


class Shelf:
    """The finished members in ``folder`` and in the folders of sweeps beside it.

    ``description`` is that of the sweep that asks; sweeps made with other versions, or damaged ones, are left out.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self._folder, self._description = folder, description
        self._places: dict[tuple[str, int], _Place] | None = None

    def take(self, stage: str, keys: Collection[str]) -> dict[str, Row]:
        """The rows of those members that are there, by key; of the confirm stage with their generators."""
        if self._places is None:
            self._places = dict(self._found())
        wanted: dict[_Place, list[str]] = {}
        for key in dict.fromkeys(keys):
            place = self._places.get((stage, int(key, 16)))
            if place:
                wanted.setdefault(place, []).append(key)
        return {row["key"]: row for place, some in wanted.items() for row in _rows(place, some)}

    def add(self, store: Store, index: int, revision: int, rows: Collection[Mapping[str, Any]]) -> None:
        """Take note of a population that was committed just now."""
        if self._places is not None:
            lasting = (row for row in rows if row["outcome"] in _LASTING)
            place = _Place(store, index, revision)
            self._places |= {(row["stage"], int(row["key"], 16)): place for row in lasting}

    def _found(self) -> Iterator[tuple[tuple[str, int], _Place]]:
        for path in sorted(self._folder.absolute().parent.glob("*/sweep.json")):
            store = Store(path.parent)
            try:
                if not _may_share(store.describe(), self._description):
                    continue
                places = [_Place(store, index, revision) for index, revision in store.revisions().items()]
            except (StoreError, KeyError, TypeError, AttributeError):
                continue
            for place in places:
                yield from _keys(place)


def _may_share(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sweeps may have a member in common, with the same bits."""
    made, spec = ((one[part], other[part]) for part in ("provenance", "spec"))
    alike = all(a.get(name) == b.get(name) for (a, b), names in ((made, _SAME), (spec, _SHARED)) for name in names)
    return alike and bool(set(spec[0]["views"]) & set(spec[1]["views"]))


def _keys(place: _Place) -> Iterator[tuple[tuple[str, int], _Place]]:
    try:
        table = place.store.population(place.population, ["stage", "key", "outcome"], revision=place.revision)
    except StoreError:
        return
    table = table.filter(pc.is_in(table["outcome"], pa.array(_LASTING)))
    for stage, key in zip(table["stage"].to_pylist(), table["key"].to_pylist(), strict=True):
        yield (stage, int(key, 16)), place


def _rows(place: _Place, keys: list[str]) -> list[Row]:
    try:
        table = place.store.population(place.population, revision=place.revision)
    except StoreError:  # gone or damaged since
        return []
    found: list[Row] = table.filter(pc.is_in(table["key"], pa.array(keys))).to_pylist(maps_as_pydicts="strict")
    return found
