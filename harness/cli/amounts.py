"""Sizes, durations and energies in words."""

from __future__ import annotations


def size_text(count: int) -> str:
    """Bytes to three digits: ``999 B``, ``1.23 MB``; powers of 1,000."""
    return f"{count} B" if count < 1000 else _scaled(count, ("kB", "MB", "GB", "TB", "PB"))


def energy_text(joules: float) -> str:
    """Joules to three digits: ``12 J``, ``3.4 kJ``."""
    return f"{joules:.3g} J" if joules < 999.5 else _scaled(joules, ("kJ", "MJ", "GJ", "TJ"))


def duration_text(seconds: float) -> str:
    """``12.3 s``, ``4 min 5 s``, ``2 h 3 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _scaled(amount: float, units: tuple[str, ...]) -> str:
    for unit in units:
        amount /= 1000
        if amount < 999.5 or unit == units[-1]:
            break
    digits = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
    return f"{amount:.{digits}f} {unit}"
