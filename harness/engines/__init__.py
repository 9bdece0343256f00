"""Engines by name, and the choice of one.

Adding an engine is a module beside this one and a line in ``FASTEST_FIRST``. Modules that load a compiler are
imported when their engine is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

from harness.engines.auto import Auto, Trainer
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError


def _cuda() -> Engine:
    from harness.engines.cuda import CudaEngine

    return CudaEngine()


def _cpu() -> Engine:
    from harness.engines.cpu import CpuEngine

    return CpuEngine()


#: The order in which ``auto`` asks. The last trains everything.
FASTEST_FIRST: Mapping[str, Callable[[], Engine]] = MappingProxyType(
    {
        "cuda": _cuda,
        "batched-cuda": lambda: BatchedEngine("cuda"),
        "cpu": _cpu,
        "batched-cpu": lambda: BatchedEngine("cpu"),
        "reference": ReferenceEngine,
    }
)


def _batched() -> Engine:
    return BatchedEngine("cuda" if torch.cuda.is_available() else "cpu")


#: Every engine by the name that ``--engine`` takes.
ENGINES: Mapping[str, Callable[[], Engine]] = MappingProxyType({**FASTEST_FIRST, "batched": _batched})


def choose(name: str = "auto") -> Trainer:
    """Engine of that name; with "auto" every member has its own.

    Raises:
        InputError: no engine has that name.
    """
    if name == "auto":
        return Auto(FASTEST_FIRST)
    if name not in ENGINES:
        raise InputError(f"--engine: {name!r} is unknown; allowed: auto, {', '.join(ENGINES)}")
    return ENGINES[name]()
