"""Where and with what a sweep was run: versions, revision, machine. Nothing here determines a result.

Neither the machine's name nor the user's is recorded: a sweep's folder is to be passed on as it is.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from harness import __version__
from harness.engines.auto import EngineAssignment, joint_identity
from harness.engines.base import Engine
from harness.sweep import nvml
from harness.sweep.distributions import closure
from harness.sweep.repository import revision

_PACKAGES = ("torch", "numpy", "scipy", "optuna", "mlflow", "pandas", "pyarrow", "sympy")


def provenance(services: Sequence[EngineAssignment]) -> dict[str, Any]:
    """Engines and devices, versions, revision, system, processor, cores, memory; what cannot be told is absent.

    ``distributions`` holds the version of everything that this package was installed with. Where it runs from its
    repository there are ``git_commit``, ``git_dirty``, ``constraints_sha256`` and, of a dirty tree, ``git_changes``
    (see ``repository.changes``).
    """
    driver = nvml.driver_version()
    return {
        "engine": joint_identity(services),
        "device": device_names(services),
        **revision(),
        "python": platform.python_version(),
        **versions(),
        "distributions": closure("harness"),
        **({} if driver is None else {"nvidia_driver": driver}),
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }


def versions() -> dict[str, str]:
    """Installed version of each package that a result may depend on; "none" where it is not installed."""
    return {"harness": __version__, **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def device_names(services: Sequence[EngineAssignment]) -> str:
    """The devices that engines compute on, in words, each once."""
    return ", ".join(dict.fromkeys(device_name(service.engine) for service in services))


def device_name(engine: Engine) -> str:
    """The device an engine computes on, in words."""
    if engine.device != "cuda":
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name())


def card_uuids(services: Sequence[EngineAssignment]) -> list[str]:
    """The NVIDIA card that engines compute on, as its driver names it (``GPU-...``); empty where none does."""
    if all(service.engine.device != "cuda" for service in services):
        return []
    import torch

    return [f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"]


def processor() -> str:
    """The processor's own name for itself where the system gives one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"
