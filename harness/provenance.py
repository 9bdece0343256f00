"""Where and with what a sweep was run: versions, revision, machine. Nothing here determines a result."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from harness import __version__
from harness.engines.auto import Service, joint_identity
from harness.engines.base import Engine

_PACKAGES = ("torch", "numpy", "scipy", "optuna", "mlflow", "pandas", "pyarrow", "sympy")


def provenance(services: Sequence[Service]) -> dict[str, Any]:
    """Engines and devices, git commit and whether the tree was dirty, versions, system, processor, cores, memory."""
    # Installed into an environment inside somebody's repository the package is no part of that repository.
    tracked = _git("ls-files", "--error-unmatch", "provenance.py")
    commit = _git("rev-parse", "HEAD") if tracked else None
    changes = _git("status", "--porcelain") if commit else None
    return {
        "engine": joint_identity(services),
        "device": device_names(services),
        "git_commit": commit,
        "git_dirty": None if changes is None else changes != "",
        "python": platform.python_version(),
        **versions(),
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


def device_names(services: Sequence[Service]) -> str:
    """The devices that engines compute on, in words, each once."""
    return ", ".join(dict.fromkeys(device_name(service.engine) for service in services))


def device_name(engine: Engine) -> str:
    """The device an engine computes on, in words."""
    if engine.device != "cuda":
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name())


def processor() -> str:
    """The processor's own name for itself where the system gives one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"


def _git(*arguments: str) -> str | None:
    """What git says of the tree that this package lies in, or None where it says nothing. Changes nothing there."""
    folder = Path(__file__).resolve().parent
    # A hook of another repository leads git there by its environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, env=environment)  # noqa: S603
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
