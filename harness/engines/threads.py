"""How a CPU computes while it trains: one arithmetic thread a stack, and no denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_threaded() -> Iterator[None]:
    """torch computes on the calling thread alone: faster for small arrays, and always the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """The calling thread takes numbers below 1e-38 for 0: with a vanishing gradient, which Adam halves for ever, they
    make every operation several times slower on CPUs, and they change no result that anybody could see.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
