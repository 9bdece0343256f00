"""The compiled training loop, and where its machine code is kept.

numba keeps machine code beside the source by the source file's own age, and does not see that a file it imports has
changed. So the loop that is kept closes over a hash of every source file of this package, which is part of the key.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, typeof
from numpy.typing import NDArray

from harness.engines.cpu import drawing, playing
from harness.engines.cpu.game import Desk, Game, State

_LOG = logging.getLogger(__name__)

#: Seconds after which a first call says what it is waiting for: machine code from the disk takes less.
_PATIENCE = 2.0


def _version() -> int:
    """A number that changes with any source file of this package."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return int.from_bytes(hashlib.sha256(b"".join(f.read_bytes() for f in files)).digest()[:7], "big")


def _made(version: int) -> tuple[Any, Any]:
    @njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator]
    def loop(game, desk, state, start, stop):  # type: ignore[no-untyped-def]
        assert version >= 0  # noqa: S101 - makes it part of the key of what is kept
        return playing.play(game, desk, state, start, stop)

    @njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator]
    def draws(key, stream, start, stop, count):  # type: ignore[no-untyped-def]
        assert version >= 0  # noqa: S101
        drawn = np.empty((stop - start) * count + 4, np.int32)
        for update in range(start, stop):
            drawing.draw_levels(key, stream, update, count, drawn[(update - start) * count :])
        return drawn[: (stop - start) * count]

    return loop, draws


_LOOP, _DRAWS = _made(_version())
_COMPILING = threading.Lock()


def prepare(*arguments: Any) -> None:
    """Compile the loop for arguments of these kinds, or read it from the disk, and say so where it takes long."""
    kinds = tuple(map(typeof, arguments))
    with _COMPILING:
        if kinds in _LOOP.overloads:
            return
        said = threading.Timer(
            _PATIENCE,
            _LOG.warning,
            ["engine cpu: compiling its training loop for this processor, about 15 seconds; it is kept on disk"],
        )
        said.daemon = True
        said.start()
        try:
            _LOOP.compile(kinds)
        finally:
            said.cancel()


def play(game: Game, desk: Desk, state: State, start: int, stop: int) -> tuple[int, int]:
    """``playing.play``, compiled."""
    done, who = _LOOP(game, desk, state, start, stop)
    return int(done), int(who)


def levels_of(key: NDArray[np.uint64], stream: int, start: int, stop: int, count: int) -> NDArray[np.int32]:
    """The levels of a stream's draws at the updates start, ..., stop - 1: one after the other."""
    levels: NDArray[np.int32] = _DRAWS(key, stream, start, stop, count)
    return levels
