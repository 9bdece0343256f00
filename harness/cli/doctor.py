"""``harness doctor``: show this machine, the installed versions and the choice of engines."""

from __future__ import annotations

#: Optional dependencies: purpose -> (distribution, extra of this package that installs it).
OPTIONAL = {
    "engine cuda": ("cuda-core", "gpu"),
    "NVIDIA's figures": ("nvidia-ml-py", "gpu"),
    "PostgreSQL": ("psycopg", "postgres"),
    "Optuna's pages": ("optuna-dashboard", "dashboard"),
}


def command() -> None:
    """Show this machine, its devices and versions, which engine would be chosen and why, and the MLflow store.

    Examples:

        harness doctor
    """
    import platform
    import sys

    import psutil
    import torch

    from harness.engines import ENGINES
    from harness.errors import InputError
    from harness.losses import LOSSES
    from harness.sweep.provenance import processor, versions
    from harness.text import visible
    from harness.tracking import default_uri, redact

    try:
        store = redact(default_uri())
    except InputError as error:
        store = visible(error)
    memory = psutil.virtual_memory()
    cuda = "none that torch sees"
    if torch.cuda.is_available():
        cuda = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    facts = {
        "machine": f"{platform.system()} {platform.machine()}, {processor()}",
        "cores": f"{psutil.cpu_count()} ({torch.get_num_threads()} torch threads)",
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} available",
        "CUDA": cuda,
        "python": f"{platform.python_version()} ({sys.executable})",
        **versions(),
        "losses": f"{len(LOSSES)} variants",
        "engines": ", ".join(ENGINES),
        **_engines(),
        "MLflow store": store,
        **_optional(),
    }
    width = max(map(len, facts))
    print("\n".join(f"{name:<{width}}  {fact}" for name, fact in facts.items()))  # noqa: T201


def _optional() -> dict[str, str]:
    """Version of each optional distribution, or the extra that installs it; for NVIDIA cards also the driver."""
    from importlib.metadata import PackageNotFoundError, version

    from harness.sweep import energy

    states: dict[str, str] = {}
    for purpose, (name, extra) in OPTIONAL.items():
        try:
            states[purpose] = f"{name} {version(name)}"
        except PackageNotFoundError:
            states[purpose] = f"{name} is not installed; pip install 'harness[{extra}]'"
            continue
        if name == energy.DISTRIBUTION:
            states[purpose] += f", {energy.unavailable_reason() or f'driver {energy.driver_version()}'}"
    return states


def _engines() -> dict[str, str]:
    """The engine that ``auto`` chooses for each loss at its default setting, and why not a faster one."""
    from harness.config import Experiment
    from harness.engines import choose
    from harness.engines.auto import assign_engines
    from harness.losses import LOSSES
    from harness.sweep.plan import member

    every = Experiment(name="doctor", views=("sample",), variants=tuple(LOSSES))
    assignments = assign_engines(choose(), [(member(every, arm, {}, 0), 1) for arm in every.arms])
    return {f"auto, {i}": service.text("variant") for i, service in enumerate(assignments, start=1)}
