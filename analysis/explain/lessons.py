"""What the frames teach: states that a loss cannot tell apart, and a push that was small and enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.explain.frames import Run

#: Losses that differ by no more than this read as the same number on a plot of a training.
ALIKE = 0.02


@dataclass(frozen=True)
class Alike:
    """Two frames of one run whose losses of G differ by at most ``ALIKE``, and whose KS differ most, by ``gap``."""

    early: int
    late: int
    gap: float


@dataclass(frozen=True)
class Late:
    """The frame at which one run was pushed least beside another, and the frames at which both had arrived."""

    frame: int
    arrived: int
    other_arrived: int


def alike(run: Run) -> Alike | None:
    """The pair of frames that G's loss cannot tell apart and KS tells apart most; None where no losses are alike."""
    apart_FF = np.abs(run.loss_g[:, None] - run.loss_g[None, :])
    gap_FF = np.where(apart_FF <= ALIKE, np.abs(run.ks[:, None] - run.ks[None, :]), -1.0)  # nan is not alike
    np.fill_diagonal(gap_FF, -1.0)
    early, late = np.unravel_index(int(gap_FF.argmax()), gap_FF.shape)
    if gap_FF[early, late] < 0:
        return None
    first, second = sorted((int(early), int(late)))
    return Alike(first, second, float(gap_FF[first, second]))


def late(run: Run, other: Run, success_ks: float) -> Late | None:
    """Where ``run`` was pushed least beside ``other`` before either arrived; None where not both arrive.

    To arrive is to come to a KS of at most ``success_ks``.
    """
    arrived, other_arrived = (int((one.ks <= success_ks).argmax()) for one in (run, other))
    if not arrived or not other_arrived:  # argmax gives 0 where none is true, and no run starts on the target
        return None
    before = slice(1, max(2, min(arrived, other_arrived)))
    pushes, others = (np.abs(one.forces).mean(axis=1)[before] for one in (run, other))
    return Late(1 + int((pushes / np.maximum(others, np.finfo(float).tiny)).argmin()), arrived, other_arrived)
