"""Stands in for an engine that this version does not have: it refuses every member, and says so."""

from __future__ import annotations

from collections.abc import Sequence

from harness.engines.base import Leg, Measure, Progress, Trained
from harness.population import Group, Member


class AbsentEngine:
    """An engine by name only."""

    device = "cpu"

    def __init__(self, name: str) -> None:
        self.name, self.identity = name, f"{name}/0"

    def refuses(self, member: Member) -> str | None:
        return f"this version has no engine {self.name}"

    def train(self, group: Group, measure: Measure, progress: Progress, legs: Sequence[Leg] | None = None) -> Trained:
        raise NotImplementedError(self.refuses(group.members[0]))
