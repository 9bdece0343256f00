"""Files that are whole or absent, one writer at a time, and names that stay in their folder."""

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

#: Tries for a lock that is not waited for, and seconds between them: ``held`` takes it for some microseconds.
_TRIES, _PAUSE = 20, 0.01


def slug(label: str) -> str:
    """A file name for any label: its harmless characters, and a hash after a dot where something was lost.

    Never empty, never with a path separator or a leading dot, so a path built from it stays in its folder. Labels
    that differ have slugs that differ, up to 32 bits of sha256.
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-")[:60]
    if kept and kept == label:
        return kept
    return f"{kept or 'x'}.{hashlib.sha256(label.encode(errors='surrogatepass')).hexdigest()[:8]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, even after a crash, sees the old file or the whole new one.

    Raises:
        StoreError: the system refuses to write: a full disk, a limit on file sizes, missing rights.
    """
    # Not by tempfile, whose files are for their owner alone: results are as readable as the umask says.
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
            f"{path}: {len(data)} bytes cannot be written ({error.strerror}); nothing that was there has changed; "
            "make room, or allow writing, and run again"
        ) from error


def unfinished(name: str) -> str | None:
    """The name of the file that ``write_whole`` had begun under this temporary one; None where it names none so."""
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
        if not (_taken(file.fileno(), fcntl.LOCK_EX) if wait else _tried(file.fileno())):
            raise InputError(f"{path.parent}: another process is writing this sweep; wait for it or stop it")
        yield


def held(path: Path) -> bool:
    """Whether a process holds the lock on ``path``; makes no file, and keeps no one from taking the lock.

    False where there is no such file, or none that may be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _taken(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(handle)


def _tried(handle: int) -> bool:
    """Whether the lock could be taken at once, or an instant later: who only looks whether it is held takes it, too."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        if _taken(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    return False


def _taken(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    return True
