"""Lookup of sweeps and committed members by what a person types: folder, name, key, first digits of a key, run id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from harness.errors import InputError, StoreError
from harness.store import SWEEPS, Store, slug

#: Shortest beginning of a key that is looked up; fewer digits would often fit several members.
MIN_DIGITS = 6

#: Keys that a message names.
_NAMED_KEYS = 5


@dataclass(frozen=True)
class CommittedMember:
    """A committed row, the sweep that holds it, and the index of its population there."""

    store: Store
    row: Mapping[str, Any]
    population: int


def find_sweep(text: str) -> Store | None:
    """The sweep in the folder ``text``, or of that name in sweeps/; None if there is none."""
    for folder in (Path(text), SWEEPS / text, SWEEPS / slug(text)):
        try:
            if Store(folder).exists:
                return Store(folder)
        except (OSError, ValueError):  # a name too long, or a NUL in it
            continue
    return None


def existing_sweep(text: str) -> Store:
    """The sweep that ``find_sweep`` finds.

    Raises:
        InputError: there is none.
    """
    store = find_sweep(text)
    if store is None:
        raise InputError(
            f"{text}: no sweep here (no sweep.json) and none of that name in {SWEEPS}/; see `harness sweeps`"
        )
    return store


def find_member(text: str, folder: Path | None = None) -> CommittedMember:
    """The first of ``find_copies``.

    Raises:
        InputError, StoreError: as ``find_copies``.
    """
    return find_copies(text, folder)[0]


def find_copies(text: str, folder: Path | None = None) -> list[CommittedMember]:
    """Every committed copy of the member whose key is or begins with ``text``, or of the first member of a run.

    A key has 16 hex digits, the id of an MLflow run 32. Without ``folder`` all sweeps in sweeps/ are searched.

    Raises:
        InputError: ``text`` is neither, fits several members, or fits nothing that is committed.
        StoreError: the sweep in ``folder`` cannot be read.
    """
    if re.fullmatch(r"[0-9a-f]{32}", text):
        from harness.tracking import default_uri, find_members

        run_folder, run_keys = find_members(text, default_uri())
        folder, text = folder or Path(run_folder), run_keys[0]
    elif not re.fullmatch(rf"[0-9a-f]{{{MIN_DIGITS},16}}", text):
        raise InputError(
            f"{text!r}: allowed are a member's key (16 hex digits, or its first {MIN_DIGITS} or more) and a run's id "
            "(32 hex digits)"
        )
    folders = [folder] if folder else sorted(path.parent for path in SWEEPS.glob("*/sweep.json"))
    unreadable: list[StoreError] = []
    members = [member for each in folders for member in _members(Store(each), text, unreadable)]
    keys = sorted({member.row["key"] for member in members})
    if len(keys) > 1:
        named = ", ".join(keys[:_NAMED_KEYS]) + ", ..." * (len(keys) > _NAMED_KEYS)
        raise InputError(f"{text!r}: {len(keys)} members' keys begin so: {named}; give more digits")
    if members:
        return members
    if folder and unreadable:
        raise unreadable[0]
    searched = ", ".join(map(str, folders)) or f"{SWEEPS}/ (no sweep there)"
    raise InputError(
        f"{text!r}: no committed member has this key; looked in " + "; ".join([searched, *map(str, unreadable)])
    )


def _members(store: Store, digits: str, unreadable: list[StoreError]) -> Iterator[CommittedMember]:
    """The committed rows whose keys begin with ``digits``; errors of files that cannot be read go to ``unreadable``."""
    try:
        store.describe()
    except StoreError as error:
        unreadable.append(error)
        return
    for index in store.committed():
        try:
            if not pc.any(pc.starts_with(store.population(index, ["key"])["key"], digits)).as_py():
                continue
            table = store.population(index)
        except StoreError as error:
            unreadable.append(error)
            continue
        rows = table.filter(pc.starts_with(table["key"], digits)).to_pylist(maps_as_pydicts="strict")
        yield from (CommittedMember(store, row, index) for row in rows)
