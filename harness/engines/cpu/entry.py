"""How kernels are compiled; the training loop, and the draws that are made before it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu import step
from harness.engines.cpu.numeric.jit import I4, KERNELS, NONE, Kernel, game_at, i8, kernel, u8
from harness.engines.cpu.numeric.record import address
from harness.engines.cpu.numeric.rng import draw_levels

_LOG = logging.getLogger(__name__)

#: Seconds after which a first call says what it is waiting for: machine code from the disk takes less.
_PATIENCE = 4.0

_COMPILING = threading.Lock()


@kernel(NONE, i8, i8, i8, I4)
def _loop(game, start, stop, found):
    """``step.play`` on the record at an address."""
    done, who = step.play(game_at(game), start, stop)
    found[0], found[1] = done, who


@kernel(NONE, u8, u8, u8, i8, i8, i8, i8, I4)
def _draws(key0, key1, key2, stream, start, stop, count, out):
    """The levels of a stream's draws at the updates start, ..., stop - 1, one after the other."""
    for update in range(start, stop):
        draw_levels(key0, key1, key2, stream, update, count, out[(update - start) * count :])


_LOOP, _DRAWS = _loop.kernel, _draws.kernel
_TRAINING = "engine cpu: compiling its training loop for this processor, about 15 seconds"


def prepare(kernels: Sequence[Kernel] = KERNELS, what: str = _TRAINING) -> None:
    """Compile kernels, given as they were declared, or read them from the disk; say ``what`` takes long, if it does."""
    with _COMPILING:
        missing = [one for one in kernels if not one.loaded]
        if not missing:
            return
        said = threading.Timer(_PATIENCE, _LOG.warning, [f"{what}; it is kept on disk"])
        said.daemon = True
        said.start()
        try:
            for one in missing:
                one.load()
        finally:
            said.cancel()


def play(record: NDArray[np.void], start: int, stop: int) -> tuple[int, int]:
    """``step.play`` on an array of one record; ``prepare`` comes first."""
    found = np.zeros(2, np.int32)
    _LOOP.dispatcher(address(record), start, stop, found)
    return int(found[0]), int(found[1])


def levels_of(key: NDArray[np.uint64], stream: int, start: int, stop: int, count: int) -> NDArray[np.int32]:
    """The levels of a stream's draws at the updates start, ..., stop - 1, one after the other."""
    drawn = np.empty((stop - start) * count + 4, np.int32)
    _DRAWS.dispatcher(*key, stream, start, stop, count, drawn)
    return drawn[: (stop - start) * count]
