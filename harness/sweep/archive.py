"""A sweep's folder as a whole: written to with an error that says why not, set aside for a fresh start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import InputError
from harness.store import Store, locked


def set_aside(folder: Path) -> Path | None:
    """Move a sweep's folder to a free name beside it, so that a fresh one can start; the new place, if it existed.

    A folder that holds no sweep is left as it is.

    Raises:
        InputError: a process writes or mirrors the sweep, the folder is or holds the working directory, or it cannot
            be moved.
    """
    if not any((folder / name).exists() for name in ("sweep.json", "populations")):
        return None
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: --fresh cannot move the working directory; run it from outside that folder")
    # The mirror's lock too: a mirror that is still at the old sweep would take the new one's rows for its own.
    with writing(folder), Store(folder).lock(), locked(folder / "mirror.lock"):
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
    return aside


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell in one line why the folder cannot be written: no permission, a full disk, a file in its place."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from error
