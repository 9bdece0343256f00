"""Members whose CUDA kernels use every kind of phase."""

from __future__ import annotations

from typing import Any

from harness.members import Member
from support.members import member
from support.step_options import OPTIONS, SMALL

#: As much at once as the kernel takes.
NEARLY_EVERYTHING = {k: v for k, v in OPTIONS["everything"].items() if k != "consensus"}

#: Members whose kernels use every kind of phase.
KINDS: dict[str, dict[str, Any]] = {
    "factored": {"view": "variances", "ema": 0.9},
    "stored": {"view": "sample", "loss": "ragan"},
    "moments": {"view": "moments"},
    "everything": {"view": "sample", **NEARLY_EVERYTHING},
}


def member_of_kind(kind: str, **changes: object) -> Member:
    """One member of a kind."""
    return member(seed=3, **{**SMALL, "steps": 12, "snapshots": (5, 12), **KINDS[kind], **changes})
