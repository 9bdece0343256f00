"""One arithmetic thread a stack: what runs in parallel on a CPU are the stacks, not the operations inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_threaded() -> Iterator[None]:
    """torch computes on the calling thread alone inside the block: faster for small arrays, and the same bits always."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
