"""Energy that NVIDIA cards take while something runs, and the version of their driver, by NVML (nvidia-ml-py).

Without the library, the driver or a card there is nothing to report, and nothing fails. Not run on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

#: The distribution that holds the library; it is imported as pynvml.
DISTRIBUTION = "nvidia-ml-py"


class EnergyMeter:
    """Context that measures the energy of ``cards``; ``joules`` and ``metadata`` hold once it is left.

    ``cards`` are named as their driver names them (``provenance.card_uuids``). A card's counter is of the whole board.
    """

    def __init__(self, cards: Sequence[str] = ()) -> None:
        self._cards = cards
        self._measured: list[str] = []
        self.joules: float | None = None

    def metadata(self) -> dict[str, str]:
        """``energy_joules`` and ``energy_of`` for a population's metadata; empty where nothing was measured."""
        if self.joules is None:
            return {}
        return {"energy_joules": f"{self.joules:.3f}", "energy_of": ", ".join(self._measured)}

    def __enter__(self) -> Self:
        self._before = [energy_joules(card) for card in self._cards]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A card without a counter is no part of the sum.
        counted = [(card, before) for card, before in zip(self._cards, self._before, strict=True) if before is not None]
        self._measured = [f"card {card}" for card, _ in counted]
        spent = [after - before for card, before in counted if (after := energy_joules(card)) is not None]
        # If a counter disappears, report nothing rather than a partial sum.
        self.joules = sum(spent) if spent and len(spent) == len(counted) else None


def driver_version() -> str | None:
    """The driver's version; None where there is none, or no library to ask it."""
    try:
        return str(_library().nvmlSystemGetDriverVersion())
    except _UnavailableError:
        return None


def unavailable_reason() -> str | None:
    """The reason that the driver cannot be asked: no library, or the library's own message; None where it can."""
    try:
        _library()
    except _UnavailableError as error:
        return str(error)
    return None


def energy_joules(card: str) -> float | None:
    """Energy that a card has taken since its driver was loaded; None where the card does not count it (before Volta).

    ``card`` is named as the driver does: ``GPU-`` and its UUID.
    """
    try:
        library = _library()
    except _UnavailableError:
        return None
    try:
        millijoules = library.nvmlDeviceGetTotalEnergyConsumption(library.nvmlDeviceGetHandleByUUID(card))
    except library.NVMLError:
        return None
    return float(millijoules) / 1000


class _UnavailableError(Exception):
    pass


def _library() -> Any:
    """The library, initialised; it ends with the process, and initialising it again is cheap.

    Raises:
        _UnavailableError: it is not installed, or finds no driver.
    """
    try:
        import pynvml
    except ImportError:
        raise _UnavailableError("not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise _UnavailableError(str(error)) from None
    return pynvml
