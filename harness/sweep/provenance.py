"""Provenance of a sweep: versions, revision, machine. Nothing here determines a result.

Neither the machine's name nor the user's is recorded, so that a sweep's folder can be passed on as it is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from threading import Timer
from typing import Any

import psutil
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness import __version__
from harness.engines.auto import EngineAssignment, joint_identity
from harness.engines.base import Engine
from harness.sweep.energy import driver_version

_PACKAGES = ("torch", "numpy", "scipy", "optuna", "mlflow", "pandas", "pyarrow", "sympy")

#: Of a longer diff only the beginning is kept: the description that holds it is read whenever sweeps are listed.
LONGEST_DIFF = 2**20

#: Untracked files that are named.
MOST_NAMES = 1000

_SECONDS = 10


def provenance(services: Sequence[EngineAssignment]) -> dict[str, Any]:
    """Engines and devices, versions, revision, system, processor, cores, memory; what is unknown is absent.

    ``distributions`` holds the version of everything that this package was installed with. Where it runs from its
    repository there are ``git_commit``, ``git_dirty``, ``constraints_sha256`` and, of a dirty tree, ``git_changes``
    (see ``changes``).
    """
    driver = driver_version()
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
    """Installed version of each package that a result may depend on; "none" if it is not installed."""
    return {"harness": __version__, **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except PackageNotFoundError:
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


def revision() -> dict[str, Any]:
    """``git_commit`` and ``git_dirty``, None where this package is no part of a repository, and what belongs to them.

    ``constraints_sha256`` is of the tested set of versions beside the package; ``git_changes`` of a dirty tree alone.
    """
    # Installed into an environment inside somebody's repository the package is no part of that repository.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
    commit = _text(_git("rev-parse", "HEAD")) if tracked else None
    status = _git("status", "--porcelain") if commit else None
    known: dict[str, Any] = {"git_commit": commit, "git_dirty": None if status is None else status != b""}
    if tracked:
        with suppress(OSError):
            constraints = (Path(__file__).resolve().parents[2] / "constraints.txt").read_bytes()
            known["constraints_sha256"] = hashlib.sha256(constraints).hexdigest()
    if status:
        known["git_changes"] = changes()
    return known


def changes() -> dict[str, Any]:
    """Changes of the tree since its commit: ``diff``, whether it was ``cut``, and the names of ``untracked`` files.

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
    """Output of git for the tree that holds this package, at most ``most`` bytes; None where git fails."""
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
        # Read no more than is kept: a tree may differ by gigabytes.
        with process:
            output = process.stdout.read(most) if process.stdout else b""
            full = len(output) == most
            if full:
                process.kill()
    finally:
        timer.cancel()
    return output if full or process.returncode == 0 else None


def closure(name: str) -> dict[str, str]:
    """Installed version by normalised name of a distribution and all that it requires here, directly or not.

    Extras count where some requirement asks for them; what is required but not installed is left out. Empty where
    the distribution itself is not installed.
    """
    installed_versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(canonicalize_name(name), "")]
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        try:
            installed = distribution(asked[0])
        except PackageNotFoundError:
            continue
        installed_versions[asked[0]] = installed.version
        waiting += _required(installed, asked[1])
    return dict(sorted(installed_versions.items()))


def _required(installed: Distribution, extra: str) -> list[tuple[str, str]]:
    """Requirements of a distribution on this machine for one of its extras ("": none), each with its extras."""
    wanted: list[tuple[str, str]] = []
    for line in installed.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            wanted += [(name, each) for each in ("", *requirement.extras)]
    return wanted
