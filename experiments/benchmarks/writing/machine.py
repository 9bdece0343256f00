"""Where and with what a run was made."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping
from typing import Any

import psutil

#: What a figure may depend on; those that are not installed are left out.
_PACKAGES = ("torch", "numpy", "numba", "llvmlite", "scipy", "jax", "jaxlib", "optuna", "mlflow", "pyarrow")

#: Load average a core above which a run before it began was not alone.
_BUSY = 0.5


def described() -> dict[str, Any]:
    """Processor, cores, memory, system, versions, date, and how busy the machine was before the run began."""
    from harness.engines.parallel import cores
    from harness.sweep.provenance import processor

    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def busy(machine: Mapping[str, Any]) -> str:
    """What a reader must know of a run on a machine that did other work, or nothing."""
    if machine["load_before"] <= _BUSY * machine["cores"]:
        return ""
    return (
        f"The machine was busy (load average {machine['load_before']} before the run): what uses all cores lost most "
        "of them. These figures show that the benchmark runs, and no more."
    )
