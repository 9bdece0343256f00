"""``harness doctor``: what this machine offers and what would be used."""

from __future__ import annotations


def command() -> None:
    """Say what machine, devices and versions are here, which engine would be chosen and why, and where results go.

    Examples:

        harness doctor
    """
    import platform
    import sys

    import psutil
    import torch

    from analysis.escaping import visible
    from harness.engines import ENGINES, choose
    from harness.errors import InputError
    from harness.losses import LOSSES
    from harness.provenance import processor, versions
    from harness.tracking import default_uri, redact

    try:
        store = redact(default_uri())
    except InputError as error:
        store = visible(error)
    choice = choose()
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
        "auto": f"{choice.engine.identity}: {choice.reason}",
        "MLflow store": store,
    }
    width = max(map(len, facts))
    print("\n".join(f"{name:<{width}}  {fact}" for name, fact in facts.items()))  # noqa: T201
