"""Sweeps and committed members by what a person types: a folder, a name, a key or its first digits, a run's id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from harness.errors import InputError, StoreError
from harness.store import SWEEPS, Store, slug

#: Digits of a key that are enough to try; fewer would often be those of several members.
SHORTEST = 6


@dataclass(frozen=True)
class Found:
    """A committed row, the sweep it stands in, and the index of its population there."""

    store: Store
    row: Mapping[str, Any]
    population: int


def sweep_named(what: str) -> Store | None:
    """The sweep in the folder ``what``, or of that name in sweeps/; None where there is none."""
    for folder in (Path(what), SWEEPS / what, SWEEPS / slug(what)):
        try:
            if Store(folder).exists:
                return Store(folder)
        except (OSError, ValueError):  # a name too long, or a NUL in it
            continue
    return None


def the_sweep(what: str) -> Store:
    """``sweep_named``, where there must be one.

    Raises:
        InputError: there is none.
    """
    store = sweep_named(what)
    if store is None:
        raise InputError(f"{what}: no sweep here (no sweep.json), nor one of that name in {SWEEPS}/")
    return store


def find(what: str, folder: Path | None = None) -> Found:
    """The first place of ``places``.

    Raises:
        InputError: as ``places``.
    """
    return places(what, folder)[0]


def places(what: str, folder: Path | None = None) -> list[Found]:
    """Wherever the member stands whose key is or begins with ``what``, or the first member behind a trial's run.

    A key has 16 hex digits, a run's id 32. Without a ``folder`` all sweeps in sweeps/ are looked through.

    Raises:
        InputError: it is neither, several members' keys begin so, or nothing of that name is committed.
        StoreError: the sweep in ``folder`` cannot be read.
    """
    if re.fullmatch(r"[0-9a-f]{32}", what):
        from harness.tracking import default_uri, find_members

        tagged, keys = find_members(what, default_uri())
        folder, what = folder or Path(tagged), keys[0]
    elif not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},16}}", what):
        raise InputError(
            f"{what!r}: allowed are a member's key (16 hex digits, or its first {SHORTEST} or more) and a run's id "
            "(32 hex digits)"
        )
    folders = [folder] if folder else sorted(path.parent for path in SWEEPS.glob("*/sweep.json"))
    unreadable: list[StoreError] = []
    found = [place for each in folders for place in _members(Store(each), what, unreadable)]
    keys = sorted({place.row["key"] for place in found})
    if len(keys) > 1:
        raise InputError(f"{what!r}: {len(keys)} members' keys begin so: {_listed(keys)}; allowed: more digits")
    if found:
        return found
    if folder and unreadable:
        raise unreadable[0]
    looked = ", ".join(map(str, folders)) or f"{SWEEPS}/ (no sweep there)"
    told = "; ".join([looked, *map(str, unreadable)])
    raise InputError(f"{what!r}: no committed member has this key; looked in {told}")


def _members(store: Store, what: str, unreadable: list[StoreError]) -> Iterator[Found]:
    """The committed rows whose keys begin with ``what``; why files cannot be read goes to ``unreadable``."""
    try:
        store.describe()
    except StoreError as error:
        unreadable.append(error)
        return
    for index in store.committed():
        try:
            if not pc.any(pc.starts_with(store.population(index, ["key"])["key"], what)).as_py():
                continue
            table = store.population(index)
        except StoreError as error:
            unreadable.append(error)
            continue
        rows = table.filter(pc.starts_with(table["key"], what)).to_pylist(maps_as_pydicts="strict")
        yield from (Found(store, row, index) for row in rows)


def _listed(keys: Sequence[str]) -> str:
    """The first five."""
    return ", ".join(keys[:5]) + ", ..." * (len(keys) > 5)
