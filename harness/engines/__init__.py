"""What trains: every engine by name, and the choice of one for a group.

Adding an engine is a module beside this one and a line in ``ENGINES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError


def _batched() -> Engine:
    return BatchedEngine("cuda" if torch.cuda.is_available() else "cpu")


#: Every engine by name, fastest first: the order in which ``auto`` asks them.
ENGINES: Mapping[str, Callable[[], Engine]] = MappingProxyType(
    {"batched": _batched, "batched-cpu": lambda: BatchedEngine("cpu"), "reference": ReferenceEngine}
)


@dataclass(frozen=True)
class Choice:
    """An engine, and why it was chosen."""

    engine: Engine
    reason: str


def choose(name: str = "auto") -> Choice:
    """The engine of that name, or for "auto" the fastest that this machine offers.

    Raises:
        InputError: no engine has that name.
    """
    if name == "auto":
        first = next(iter(ENGINES))
        engine = ENGINES[first]()
        where = "on CUDA" if engine.device == "cuda" else "on the CPU: torch sees no CUDA device"
        return Choice(engine, f"the fastest engine for any variant and view, {where}")
    if name not in ENGINES:
        raise InputError(f"--engine: {name!r} is unknown; allowed: auto, {', '.join(ENGINES)}")
    return Choice(ENGINES[name](), "asked for by name")
