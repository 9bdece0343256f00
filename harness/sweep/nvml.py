"""What NVIDIA's driver tells of itself and its cards, by way of the library nvidia-ml-py.

Without the library, the driver or a card there is nothing to tell, and nothing fails. Not run on a GPU.
"""

from __future__ import annotations

from typing import Any

#: What holds the library, which is imported as pynvml.
DISTRIBUTION = "nvidia-ml-py"


def driver_version() -> str | None:
    """The driver's version; None where there is none, or no library to ask it."""
    try:
        return str(_library().nvmlSystemGetDriverVersion())
    except _AbsentError:
        return None


def absence() -> str | None:
    """Why the driver cannot be asked: no library, or what the library says; None where it can."""
    try:
        _library()
    except _AbsentError as error:
        return str(error)
    return None


def energy_joules(card: str) -> float | None:
    """Energy that a card has taken since its driver was loaded; None where it does not count it (before Volta).

    ``card`` is named as the driver does: ``GPU-`` and its UUID.
    """
    try:
        library = _library()
    except _AbsentError:
        return None
    try:
        millijoules = library.nvmlDeviceGetTotalEnergyConsumption(library.nvmlDeviceGetHandleByUUID(card))
    except library.NVMLError:
        return None
    return float(millijoules) / 1000


class _AbsentError(Exception):
    pass


def _library() -> Any:
    """The library, begun; it ends with the process, and beginning it again is cheap.

    Raises:
        _AbsentError: it is not installed, or finds no driver.
    """
    try:
        import pynvml
    except ImportError:
        raise _AbsentError("not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise _AbsentError(str(error)) from None
    return pynvml
