"""Joules that the processor and the cards take while something runs, where the system lets them be read.

The processor's counters are of whole packages (RAPL, Linux's powercap): what other processes do in that time is in
them, and main memory is not. A card's counter is of the whole board. Without either nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from harness.sweep.nvml import energy_joules

POWERCAP = Path("/sys/class/powercap")

#: Seconds between looks at the processor's counters. They go round at 65 to 262 kJ: 30 s would take over 2 kW.
_PERIOD = 30.0


class EnergyMeter:
    """Used as a context around what is measured; ``joules`` and ``metadata`` hold once it is left.

    ``cards`` are those that compute, as their driver names them (``provenance.card_uuids``).
    """

    def __init__(self, cards: Sequence[str] = (), powercap: Path = POWERCAP) -> None:
        self._cards, self._powercap = cards, powercap
        self._left = Event()
        self.joules: float | None = None
        self._of: list[str] = []

    def metadata(self) -> dict[str, str]:
        """``energy_joules`` and what they are of, for a population's metadata; empty where nothing was measured."""
        return {} if self.joules is None else {"energy_joules": f"{self.joules:.3f}", "energy_of": ", ".join(self._of)}

    def __enter__(self) -> Self:
        self._packages = [_Package(folder) for folder in _package_folders(self._powercap)]
        self._before = [energy_joules(card) for card in self._cards]
        self._watch = Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self._watch.join()
        spent = [package.joules for package in self._packages]
        self._of = [f"processor package {package.name}" for package in self._packages]
        for card, before in zip(self._cards, self._before, strict=True):
            after = energy_joules(card)
            if before is not None:  # a card without a counter is no part of what is measured
                spent.append(None if after is None else after - before)
                self._of.append(f"card {card}")
        known = [joules for joules in spent if joules is not None]
        # A sum that lacks a part of what was counted at the start would be no smaller truth.
        self.joules = sum(known) if known and len(known) == len(spent) else None

    def _look(self) -> None:
        """Read the counters often enough that none goes round twice between two readings, and when it is left."""
        over = False
        while not over:
            over = self._left.wait(_PERIOD)
            for package in self._packages:
                package.read()


class _Package:
    """One processor package's counter, summed over the times that it went round. ``joules`` is None once unreadable."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._counter, self._range = folder / "energy_uj", _number(folder / "max_energy_range_uj")
        self._last = _number(self._counter)
        self.joules: float | None = None if self._range is None else 0.0

    def read(self) -> None:
        now = _number(self._counter)
        if now is None or self._last is None or self._range is None or self.joules is None:
            self.joules = None
            return
        self.joules += (now - self._last + (self._range if now < self._last else 0)) / 1e6
        self._last = now


def _package_folders(powercap: Path) -> list[Path]:
    """The zones of whole packages whose counters can be read; cores and memory are parts of them or beside them."""
    try:
        zones = sorted(folder for folder in powercap.iterdir() if re.fullmatch(r"intel-rapl:[0-9]+", folder.name))
    except OSError:
        return []
    return [zone for zone in zones if _is_package(zone) and _number(zone / "energy_uj") is not None]


def _is_package(zone: Path) -> bool:
    try:
        return (zone / "name").read_text().startswith("package")
    except (OSError, ValueError):
        return False


def _number(file: Path) -> int | None:
    """A file's whole number; None where it cannot be read: since 2020 counters are for the administrator alone."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
