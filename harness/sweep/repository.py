"""The revision that this package runs from, and what differs from it. Changes nothing in the repository."""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

#: Of a longer diff only the beginning is kept: the description that holds it is read whenever sweeps are listed.
LONGEST_DIFF = 2**20

#: Untracked files that are named.
MOST_NAMES = 1000

_SECONDS = 10


def revision() -> dict[str, Any]:
    """``git_commit`` and ``git_dirty``, None where git says nothing of this package, and what belongs to them.

    ``constraints_sha256`` is of the tested set of versions beside the package; ``git_changes`` of a dirty tree alone.
    """
    # Installed into an environment inside somebody's repository the package is no part of that repository.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
    commit = _text(_git("rev-parse", "HEAD")) if tracked else None
    status = _git("status", "--porcelain") if commit else None
    told: dict[str, Any] = {"git_commit": commit, "git_dirty": None if status is None else status != b""}
    if tracked:
        with suppress(OSError):
            constraints = (Path(__file__).resolve().parents[2] / "constraints.txt").read_bytes()
            told["constraints_sha256"] = hashlib.sha256(constraints).hexdigest()
    if status:
        told["git_changes"] = changes()
    return told


def changes() -> dict[str, Any]:
    """What the tree has beside its commit: ``diff``, whether it was ``cut``, and the names of ``untracked`` files.

    The diff is what ``git apply`` takes. Bytes that are no UTF-8 are lone surrogates: ``diff.encode("utf-8",
    "surrogateescape")`` gives the diff's own bytes.
    """
    # No program of the user's configuration is run; --binary for what is no text.
    diff = _git("diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", most=LONGEST_DIFF + 1)
    names = _git("ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/") or b""
    listed = [name.decode("utf-8", "surrogateescape") for name in names.split(b"\0") if name]
    return {
        "diff": None if diff is None else diff[:LONGEST_DIFF].decode("utf-8", "surrogateescape"),
        "cut": diff is not None and len(diff) > LONGEST_DIFF,
        "untracked": listed[:MOST_NAMES],
        "untracked_count": len(listed),
    }


def _text(output: bytes | None) -> str | None:
    return None if output is None else output.decode("utf-8", "replace").strip()


def _git(*arguments: str, most: int = 2**24) -> bytes | None:
    """What git says of the tree that this package lies in, at most so many bytes; None where it says nothing."""
    folder = Path(__file__).resolve().parent
    # A hook of another repository leads git there by its environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)  # noqa: S603
    except (OSError, ValueError):
        return None
    timer = Timer(_SECONDS, process.kill)
    timer.start()
    try:
        # Never more than is kept: a tree may differ by gigabytes.
        with process:
            output = process.stdout.read(most) if process.stdout else b""
            full = len(output) == most
            if full:
                process.kill()
    finally:
        timer.cancel()
    return output if full or process.returncode == 0 else None
