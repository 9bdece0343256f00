"""What could be removed from a folder of sweeps, and why some of it is kept. Changes nothing."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import StoreError
from harness.store import Store
from harness.store.cleaning.folders import BusyError, Entry, entries, entry, identity, locks, opened, opened_root
from harness.store.cleaning.layout import is_file, is_folder, is_temporary, population, set_aside_from

#: ``temporaries``: what a killed process had begun to write. ``aside``: sweeps that --fresh set aside.
#: ``superseded``: populations' files in whose place a later revision counts.
Kind = Literal["temporaries", "aside", "superseded"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Seconds after which a file in report/ or winners/ is not still being written: `harness report` holds no lock, and
#: writes each file in less than one.
SETTLED_SECONDS = 600

#: A description larger than this was not written by this program; a diff in it has at most 1 MiB.
_LARGEST_DESCRIPTION = 2**26


@dataclass(frozen=True)
class Item:
    """One thing that can go: a file, or a sweep's folder with all that is in it.

    ``entries`` are its files and folders in order of removal, ``folder`` the identity of the sweep's folder.
    """

    kind: Kind
    sweep: str
    path: str
    why: str
    folder: tuple[int, int, int, int]
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(each.size for each in self.entries)


@dataclass(frozen=True)
class Survey:
    """What can go, and by its path below the folder what is kept, with the reason."""

    items: tuple[Item, ...]
    kept: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Sweep:
    """A folder that holds a sweep, as it was listed."""

    name: str
    identity: tuple[int, int, int, int]
    content: tuple[Entry, ...]
    description: dict[str, Any] | None


def survey(root: Path, kinds: Collection[Kind] = KINDS) -> Survey:
    """What of these kinds could be removed from the sweeps that lie directly in ``root``.

    Raises:
        InputError: the folder cannot be opened.
    """
    sweeps, kept = _sweeps(root)
    items: list[Item] = []
    for sweep in sweeps.values():
        found: Iterator[Item | tuple[str, str]] = iter(())
        base = sweeps.get(set_aside_from(sweep.name) or "")
        if base is not None and _older(sweep, base):
            found = _aside(sweep, base.name) if "aside" in kinds else found
        else:
            found = _inside(root, sweep, kinds)
        for each in found:
            if isinstance(each, Item):
                items.append(each)
            else:
                kept.append(each)
    return Survey(tuple(items), tuple(kept))


def _sweeps(root: Path) -> tuple[dict[str, _Sweep], list[tuple[str, str]]]:
    """The sweeps that no process has, by the names of their folders; and why others are left alone."""
    found: dict[str, _Sweep] = {}
    kept: list[tuple[str, str]] = []
    with opened_root(root) as folder:
        for name in sorted(os.listdir(folder)):
            try:
                if entry(folder, name, name).kind != "folder":
                    continue
                with opened(name, folder) as handle:
                    content = tuple(entries(handle))
                    if not any(each.path == "sweep.json" and each.kind == "file" for each in content):
                        continue
                    with locks(handle, fcntl.LOCK_SH):
                        told = _description(handle)
                        found[name] = _Sweep(name, identity(os.fstat(handle)), content, told)
            except BusyError as busy:
                kept.append((name, str(busy)))
            except OSError as error:
                kept.append((name, f"cannot be read ({error.strerror})"))
    return found, kept


def _description(folder: int) -> dict[str, Any] | None:
    """What sweep.json says, of whatever format; None where it cannot be read."""
    try:
        handle = os.open("sweep.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(handle, "rb") as file:
            told = json.loads(file.read(_LARGEST_DESCRIPTION))
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _older(sweep: _Sweep, base: _Sweep) -> bool:
    """Whether ``sweep`` can have been set aside from ``base``, which is sound: of the same name, and no younger.

    One whose own description is damaged can: damage is what --fresh is for.
    """
    if base.description is None:
        return False
    if sweep.description is None:
        return True
    created = [str(each.description.get("created")) for each in (sweep, base) if each.description]
    return sweep.description.get("name") == base.description.get("name") and created == sorted(created)


def _aside(sweep: _Sweep, base: str) -> Iterator[Item | tuple[str, str]]:
    """The whole folder, unless it holds anything that the program does not write."""
    for each in sweep.content:
        known = is_folder(each.path) if each.kind == "folder" else is_file(each.path) or is_temporary(each.path)
        if not known or each.kind == "other":
            yield sweep.name, f"holds {each.path}, which is no file of a sweep"
            return
    # What tells a later call what this is, and whose it is, goes last.
    last = ("sweep.json", "sweep.lock")
    order = sorted(sweep.content, key=lambda each: last.index(each.path) if each.path in last else -1)
    yield Item("aside", sweep.name, sweep.name, f"set aside by --fresh for {base}", sweep.identity, tuple(order))


def _inside(root: Path, sweep: _Sweep, kinds: Collection[Kind]) -> Iterator[Item | tuple[str, str]]:
    if "temporaries" in kinds:
        for each in sweep.content:
            if each.kind == "file" and is_temporary(each.path) and _settled(each):
                yield _single("temporaries", sweep, each, "left by a process that was killed while it wrote")
    if "superseded" in kinds:
        yield from _superseded(root, sweep)


def _single(kind: Kind, sweep: _Sweep, each: Entry, why: str) -> Item:
    return Item(kind, sweep.name, f"{sweep.name}/{each.path}", why, sweep.identity, (each,))


def _settled(each: Entry) -> bool:
    """What only the holder of the lock writes is settled, for no one holds it."""
    unlocked = each.path.startswith(("report/", "winners/"))
    return not unlocked or time.time() - each.identity[3] / 1e9 > SETTLED_SECONDS


def _superseded(root: Path, sweep: _Sweep) -> Iterator[Item | tuple[str, str]]:
    """Files of earlier revisions, where the latest can be read: else they are all that there is.

    The first file of a round of the search stays: whoever resumes tells the search from it (sweep/asking.py).
    """
    revisions: dict[int, list[tuple[int, Entry]]] = {}
    for each in sweep.content:
        found = population(each.path) if each.kind == "file" else None
        if found:
            revisions.setdefault(found[0], []).append((found[1], each))
    store = Store(root / sweep.name)
    for index, files in sorted(revisions.items()):
        files.sort(key=lambda pair: pair[0])
        *earlier, (latest, last) = files
        if not earlier:
            continue
        name = last.path.rpartition("/")[2]
        try:
            searched = "search" in store.population(index, ["stage"], revision=latest)["stage"].to_pylist()
        except StoreError:
            for _, each in earlier:
                yield f"{sweep.name}/{each.path}", f"{name}, which counts in its place, is damaged"
            continue
        for revision, each in earlier:
            if searched and revision == 0:
                yield f"{sweep.name}/{each.path}", f"a resumed search is told from it, although {name} counts"
            else:
                yield _single("superseded", sweep, each, f"{name} counts in its place")
