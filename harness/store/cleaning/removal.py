"""Removing exactly what a survey listed: the same files in the same folders, while no process has the sweep."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from harness.store.cleaning.folders import BusyError, Entry, entries, entry, identity, locks, opened, opened_root
from harness.store.cleaning.survey import Item


@dataclass(frozen=True)
class Outcome:
    """An item, and why it was not removed; empty where it was."""

    item: Item
    refusal: str = ""


def remove(root: Path, items: Iterable[Item]) -> Iterator[Outcome]:
    """Remove what ``survey`` found in ``root``, sweep by sweep, each while its locks are held.

    What is another file or folder by now, or has changed, stays; so does everything of a sweep that a process has.

    Raises:
        InputError: the folder cannot be opened.
    """
    with opened_root(root) as folder:
        for name, listed in groupby(items, key=lambda item: item.sweep):
            yield from _from_sweep(folder, name, list(listed))


def _from_sweep(root: int, name: str, items: list[Item]) -> Iterator[Outcome]:
    with ExitStack() as held:
        try:
            sweep = held.enter_context(opened(name, root))
            held.enter_context(locks(sweep, fcntl.LOCK_EX))
        except (BusyError, OSError) as error:
            yield from (Outcome(item, _told(error)) for item in items)
            return
        for item in items:
            yield Outcome(item, _removed(root, sweep, item))


def _removed(root: int, sweep: int, item: Item) -> str:
    """Remove one item; why it could not be."""
    try:
        if identity(os.fstat(sweep)) != item.folder:
            return "its folder is another by now"
        if item.kind == "aside":
            # All or nothing: a file that came since may be somebody's own.
            if set(entries(sweep)) != set(item.entries):
                return "has changed since it was listed"
            _empty(sweep, item.entries)
            os.rmdir(item.sweep, dir_fd=root)
        else:
            _empty(sweep, item.entries)
    except OSError as error:
        return _told(error)
    return ""


def _empty(sweep: int, listed: Iterable[Entry]) -> None:
    """Remove files and empty folders, each only where the path still leads to what was listed, and through no link.

    Raises:
        OSError: one of them is not what was listed, or cannot be removed.
    """
    for each in listed:
        *folders, name = each.path.split("/")
        with ExitStack() as held:
            within = sweep
            for folder in folders:
                within = held.enter_context(opened(folder, within))
            if entry(within, name, each.path) != each:
                raise OSError(0, f"{each.path} has changed since it was listed")
            if each.kind == "folder":
                os.rmdir(name, dir_fd=within)
            else:
                os.unlink(name, dir_fd=within)


def _told(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
