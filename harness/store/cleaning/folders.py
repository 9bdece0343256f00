"""Folders held open, so that what is listed in one and what is removed from it are in the same folder."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError

#: Folders below a sweep's: winners/<arm>. A link or a stranger's deeper tree is not walked.
_DEPTH = 2


class BusyError(Exception):
    """Why a sweep is left alone: a process has it, or it has no lock."""


@dataclass(frozen=True)
class Entry:
    """What lies at a path of a sweep's folder. ``identity``: device, inode, bytes and time of the last change."""

    path: str
    kind: str
    identity: tuple[int, int, int, int]

    @property
    def size(self) -> int:
        """Bytes of a file; a folder's own are not counted."""
        return self.identity[2] if self.kind == "file" else 0


@contextmanager
def opened(name: str | Path, within: int | None = None) -> Iterator[int]:
    """A handle of the folder ``name``, itself no link where it is looked up ``within`` another.

    Raises:
        OSError: it is not there, is no folder, or is a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if within is None else os.O_NOFOLLOW)
    handle = os.open(name, flags, dir_fd=within)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened_root(root: Path) -> Iterator[int]:
    """A handle of the folder in which the sweeps lie; that one may be reached through a link.

    Raises:
        InputError: it cannot be opened.
    """
    with ExitStack() as held:
        try:
            handle = held.enter_context(opened(root))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such name can be"
            raise InputError(f"{root}: cannot be opened ({reason}); allowed: a folder of sweeps") from None
        yield handle


def identity(status: os.stat_result) -> tuple[int, int, int, int]:
    """Of a folder device and inode alone: its time and size change with what is removed from it."""
    folder = stat.S_ISDIR(status.st_mode)
    return (status.st_dev, status.st_ino, 0 if folder else status.st_size, 0 if folder else status.st_mtime_ns)


def entry(folder: int, name: str, path: str) -> Entry:
    """The entry ``name`` of an open folder; a link is of kind "other", whatever it leads to.

    Raises:
        OSError: nothing has that name.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    other_disk = status.st_dev != os.fstat(folder).st_dev
    kind = "file" if stat.S_ISREG(status.st_mode) else "folder" if stat.S_ISDIR(status.st_mode) else "other"
    return Entry(path, "other" if other_disk else kind, identity(status))


def entries(folder: int, inside: str = "") -> Iterator[Entry]:
    """Everything in an open folder, by name, each folder after what lies in it; what vanishes meanwhile is left out.

    Raises:
        OSError: a folder cannot be listed.
    """
    for name in sorted(os.listdir(folder)):
        try:
            found = entry(folder, name, inside + name)
        except FileNotFoundError:
            continue
        if found.kind == "folder" and inside.count("/") < _DEPTH:
            with opened(name, folder) as child:
                yield from entries(child, f"{inside}{name}/")
        yield found


@contextmanager
def locks(folder: int, how: int) -> Iterator[None]:
    """Hold the locks of the writer and of the mirror, ``fcntl.LOCK_EX`` or ``LOCK_SH``, and make no file for it.

    Raises:
        BusyError: a process holds one of them, or the writer's is not there: then no one can be kept out.
    """
    with ExitStack() as held:
        for name in ("sweep.lock", "mirror.lock"):
            try:
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            except FileNotFoundError:
                if name == "sweep.lock":
                    raise BusyError("it has no sweep.lock, so a process that writes it could not be told") from None
                continue
            except OSError as error:
                raise BusyError(f"its {name} cannot be opened ({error.strerror})") from None
            held.callback(os.close, handle)
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
            except BlockingIOError:
                process = "writes" if name == "sweep.lock" else "mirrors"
                raise BusyError(f"a process {process} it") from None
        yield
