"""Cleanup of a folder of sweeps: ``find_removable`` lists what can go, ``remove`` deletes exactly that.

Only files with a name that the program gives are deleted, and only while the sweep's locks are held; anything else is
left, and said. Symbolic links below the folder are neither followed nor deleted.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from harness.errors import InputError, StoreError
from harness.store.files import held, locked, unfinished
from harness.store.store import Store, population_named

#: ``temporaries``: unfinished files of killed processes. ``aside``: sweeps that --fresh set aside.
#: ``superseded``: files of populations that a later revision replaces.
Kind = Literal["temporaries", "aside", "superseded"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Age in seconds from which a temporary in report/ or winners/ counts as left behind: these folders are written
#: without a lock, and each file takes less than a second.
SETTLED_SECONDS = 600

_LOCKS = {"sweep.lock": "writes", "mirror.lock": "mirrors"}

# Names that the program gives, relative to the sweep's folder; ``slug`` names an arm's folder.
_ARM = r"winners/[A-Za-z0-9_-]{1,60}(?:\.[0-9a-f]{8})?"
_FOLDERS = re.compile(rf"populations|report|explain|winners|{_ARM}")
_FILES = re.compile(
    r"sweep\.(?:json|lock)|recording\.parquet|explain/why_true\.html|mirror\.(?:lock|log)|export\.lock"
    r"|report/(?:report\.html|report\.md|summary\.json|[a-z_]+\.(?:png|svg|csv|parquet))"
    rf"|{_ARM}/(?:generator\.safetensors|sample\.csv|(?:qq|density)\.png)"
)
# A number has fewer digits than the hash in a slug: "labels-1.12345678" is a sweep's own name.
_ASIDE = re.compile(r"(.+)\.[1-9][0-9]{0,5}", re.DOTALL)


class Entry(NamedTuple):
    """A path in a sweep's folder; ``kind`` "other" is a link or a device. Size in bytes and time are of files."""

    path: str
    kind: Literal["file", "folder", "other"]
    size: int = 0
    modified: float = 0.0


@dataclass(frozen=True)
class Removable:
    """A file, or a sweep's folder, that can go; ``entries`` are its files and folders in the order of removal."""

    kind: Kind
    sweep: str
    path: str
    why: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(entry.size for entry in self.entries)


@dataclass
class Findings:
    """Items that can go, and paths below the folder that are kept, each with the reason."""

    items: list[Removable] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)


def find_removable(root: Path, kinds: Collection[Kind] = KINDS) -> Findings:
    """List what of these kinds can be removed from the sweeps directly in ``root``; change nothing.

    Raises:
        InputError: the folder cannot be opened.
    """
    findings = Findings()
    sweeps: dict[str, tuple[Entry, ...]] = {}
    try:
        folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a possible name"
        raise InputError(f"{root}: cannot be opened ({reason}); name a folder of sweeps") from None
    for folder in folders:
        try:
            entries = tuple(_entries(folder))
            if not any(entry.path == "sweep.json" and entry.kind == "file" for entry in entries):
                continue
            if reason := _in_use(folder):
                findings.kept.append((folder.name, reason))
            else:
                sweeps[folder.name] = entries
        except OSError as error:
            findings.kept.append((folder.name, f"cannot be read ({error.strerror})"))
    for name, entries in sweeps.items():
        aside = _ASIDE.fullmatch(name)
        if aside and aside[1] in sweeps and _set_aside_from(root / name, root / aside[1]):
            if "aside" in kinds:
                _find_whole(name, aside[1], entries, findings)
            continue
        if "temporaries" in kinds:
            why = "left by a process that was killed while it wrote"
            left = (entry for entry in entries if _is_temporary(entry) and _is_settled(entry))
            findings.items += (Removable("temporaries", name, f"{name}/{each.path}", why, (each,)) for each in left)
        if "superseded" in kinds:
            _find_superseded(root / name, entries, findings)
    return findings


def remove(root: Path, items: Iterable[Removable]) -> Iterator[tuple[Removable, str]]:
    """Delete what ``find_removable`` listed in ``root``; yield each item with the reason if it stays, else "".

    An item stays if a process works on its sweep, or if anything of it has changed since it was listed.
    """
    for name, listed in groupby(items, key=lambda item: item.sweep):
        folder = root / name
        with ExitStack() as locks:
            try:
                reason = "its folder has become a link" if folder.is_symlink() else _in_use(folder)
                for lock in () if reason else (folder / lock for lock in _LOCKS if (folder / lock).exists()):
                    locks.enter_context(locked(lock))
            except (InputError, OSError) as error:
                reason = str(error)
            for item in listed:
                yield item, reason or _delete(folder, item)


def _delete(folder: Path, item: Removable) -> str:
    """Delete one item of a locked sweep; the reason if it stays, else ""."""
    try:
        present, listed = set(_entries(folder)), set(item.entries)
        # A whole folder goes only as it was listed: a file that came since may be the user's own.
        if present != listed if item.kind == "aside" else not listed <= present:
            return "has changed since it was listed"
        for entry in item.entries:
            (Path.rmdir if entry.kind == "folder" else Path.unlink)(folder / entry.path)
        if item.kind == "aside":
            folder.rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _entries(folder: Path, inside: str = "") -> Iterator[Entry]:
    """Everything in a sweep's folder, each folder after its content; unknown folders and links are not entered."""
    for name in sorted(os.listdir(folder / inside)):
        path = inside + name
        try:
            status = os.lstat(folder / path)
        except FileNotFoundError:  # gone meanwhile
            continue
        if stat.S_ISREG(status.st_mode):
            yield Entry(path, "file", status.st_size, status.st_mtime)
        elif stat.S_ISDIR(status.st_mode):
            if _FOLDERS.fullmatch(path):
                yield from _entries(folder, f"{path}/")
            yield Entry(path, "folder")
        else:
            yield Entry(path, "other")


def _in_use(folder: Path) -> str:
    """Reason to leave a sweep alone: a process works on it, or none could be kept out; empty if there is none."""
    for name, action in _LOCKS.items():
        lock = folder / name
        if lock.is_file() and not lock.is_symlink():
            if held(lock):
                return f"a process {action} it"
        elif name == "sweep.lock" or os.path.lexists(lock):
            return f"it has no {name} that can be locked, so a process that {action} it could not be noticed"
    return ""


def _set_aside_from(folder: Path, base: Path) -> bool:
    """True if --fresh can have set ``folder`` aside from ``base``: of the same name, and started no later.

    ``base`` must be readable; ``folder`` may be damaged: that is what --fresh is for.
    """
    old, new = _description(folder), _description(base)
    if old is None or new is None:
        return new is not None
    return old.get("name") == new.get("name") and str(old.get("created")) <= str(new.get("created"))


def _description(folder: Path) -> dict[str, Any] | None:
    """Content of sweep.json, of whatever format; None where it cannot be read."""
    try:
        content = json.loads((folder / "sweep.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _is_file(path: str) -> bool:
    """True if the program writes a file of that name."""
    return _FILES.fullmatch(path) is not None or _population(path) is not None


def _population(path: str) -> tuple[int, int] | None:
    """Index and revision of the population whose file this is; None if it is none."""
    folder, _, name = path.rpartition("/")
    return population_named(name) if folder == "populations" else None


def _is_temporary(entry: Entry) -> bool:
    """True if this is the unfinished form of a file that the program writes."""
    folder, slash, name = entry.path.rpartition("/")
    complete = unfinished(name) if entry.kind == "file" else None
    return complete is not None and _is_file(folder + slash + complete)


def _is_settled(entry: Entry) -> bool:
    """True if no process can still be writing a temporary of a sweep whose lock is free."""
    return not entry.path.startswith(("report/", "winners/")) or time.time() - entry.modified > SETTLED_SECONDS


def _find_whole(name: str, base: str, entries: tuple[Entry, ...], findings: Findings) -> None:
    """Add the folder of a sweep that was set aside, unless it holds anything that the program does not write."""
    for entry in entries:
        is_folder = entry.kind == "folder" and _FOLDERS.fullmatch(entry.path)
        if not (is_folder or (entry.kind == "file" and _is_file(entry.path)) or _is_temporary(entry)):
            findings.kept.append((name, f"holds {entry.path}, which is not a file of a sweep"))
            return
    # The files that identify the sweep go last, so that an interrupted removal can be repeated.
    last = ("sweep.json", "sweep.lock")
    order = sorted(entries, key=lambda entry: last.index(entry.path) if entry.path in last else -1)
    findings.items.append(Removable("aside", name, name, f"set aside by --fresh for {base}", tuple(order)))


def _find_superseded(folder: Path, entries: Iterable[Entry], findings: Findings) -> None:
    """Add files of earlier revisions; they stay where the latest is damaged, for then they are all that is left.

    The first file of a search population stays too: a resumed search is told from it (``sweep.search_state``).
    """
    files = sorted((named, entry) for entry in entries if entry.kind == "file" and (named := _population(entry.path)))
    for index, group in groupby(files, key=lambda file: file[0][0]):
        *earlier, ((_, latest), last) = group
        if not earlier:
            continue
        name, why_kept, searched = Path(last.path).name, "", False
        try:
            searched = "search" in Store(folder).population(index, ["stage"], revision=latest)["stage"].to_pylist()
        except StoreError:
            why_kept = f"{name}, which replaces it, is damaged"
        for (_, revision), entry in earlier:
            path = f"{folder.name}/{entry.path}"
            if why_kept or (searched and revision == 0):
                findings.kept.append((path, why_kept or f"a resumed search reads it, although {name} replaces it"))
            else:
                findings.items.append(Removable("superseded", folder.name, path, f"replaced by {name}", (entry,)))
