"""Members in one line."""

from __future__ import annotations

from typing import Any

from harness.config import Settings, Shape
from harness.data.target import Target
from harness.members import Member


def member(loss: str = "non_saturating", seed: int = 0, view: str = "variances", **changes: Any) -> Member:
    """A member at the seed's setting, with fields of Shape and Settings, ``params``, ``target`` changed by name."""
    shape = Shape(**{"steps": 20} | {k: v for k, v in changes.items() if k in Shape.model_fields})
    setting = Settings(**{k: v for k, v in changes.items() if k in Settings.model_fields})
    params = tuple(sorted(changes.get("params", {}).items()))
    return Member(
        loss, params, view, changes.get("target", Target()), changes.get("study_seed", 0), seed, shape, setting
    )
