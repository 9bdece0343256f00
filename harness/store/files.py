"""Whole files, locks, and file names that stay in their folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InputError, StoreError
from harness.store.failpoints import reach

#: Tries for a lock without waiting, and seconds between them: ``held`` may have it for some microseconds.
_TRIES, _PAUSE_SECONDS = 20, 0.01


def slug(label: str) -> str:
    """A file name for any label: its harmless characters, and after a dot a hash if any were replaced.

    Never empty, never with a path separator or a leading dot, so a path built from it stays in its folder. Different
    labels have different slugs, up to 32 bits of sha256.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-")[:60]
    if safe and safe == label:
        return safe
    return f"{safe or 'x'}.{hashlib.sha256(label.encode(errors='surrogatepass')).hexdigest()[:8]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, even after a crash, sees the old file or the whole new one.

    Raises:
        StoreError: the system refuses to write: a full disk, a limit on file sizes, missing rights.
    """
    # Not by tempfile, whose files only their owner may read: here the umask decides.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            reach("file.created")
            file.write(data)
            file.flush()
            reach("file.written")
            os.fsync(file.fileno())
        reach("file.synced")
        temporary.replace(path)
        reach("file.renamed")
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise StoreError(
            f"{path}: {len(data)} bytes cannot be written ({error.strerror}); existing files are unchanged; "
            "make room, or allow writing, and run again"
        ) from error


def unfinished(name: str) -> str | None:
    """The final name of a temporary file of ``write_whole``; None if this is no such name."""
    match = re.fullmatch(r"\.(.+)\.[0-9a-f]{16}", name, re.DOTALL)
    return match[1] if match else None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (freed by the system when the process ends, however it ends).

    Raises:
        InputError: another process holds it and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if not (_lock(file.fileno(), fcntl.LOCK_EX) if wait else _try_lock(file.fileno())):
            raise InputError(f"{path.parent}: another process is writing this sweep; wait for it or stop it")
        yield


def held(path: Path) -> bool:
    """True if a process holds the lock on ``path``; creates no file, and does not block others.

    False if there is no such file, or none that may be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _lock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Take the lock at once or an instant later, for ``held`` of another process takes it too; whether it worked."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        if _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    return False


def _lock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    return True
