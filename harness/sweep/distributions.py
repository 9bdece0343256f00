"""Versions of everything that was installed for a distribution's sake."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def closure(name: str) -> dict[str, str]:
    """Installed version by normalised name of a distribution and all that it requires here, directly or not.

    Extras count where some requirement asks for them; what is required but not installed is left out. Empty where
    the distribution itself is not installed.
    """
    found: dict[str, str] = {}
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
        found[asked[0]] = installed.version
        waiting += _required(installed, asked[1])
    return dict(sorted(found.items()))


def _required(installed: Distribution, extra: str) -> list[tuple[str, str]]:
    """What a distribution requires on this machine for one of its extras ("": for none), each with its extras."""
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
