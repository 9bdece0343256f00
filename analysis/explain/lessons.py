"""What the frames teach about losses: where a page of numbers would grade two states alike that are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.explain.show import Run

#: Losses that differ by no more than this read as the same number on a plot of a training.
ALIKE = 0.02


@dataclass(frozen=True)
class Alike:
    """Two frames of one run whose losses of G differ by at most ``ALIKE``, and whose KS differ most."""

    early: int
    late: int


def alike(run: Run) -> Alike | None:
    """The pair of frames that G's loss cannot tell apart and KS tells apart most; None where no losses are alike."""
    apart_FF = np.abs(run.loss_g[:, None] - run.loss_g[None, :])
    gap_FF = np.where(apart_FF <= ALIKE, np.abs(run.ks[:, None] - run.ks[None, :]), -1.0)  # nan is not alike
    np.fill_diagonal(gap_FF, -1.0)
    early, late = np.unravel_index(int(gap_FF.argmax()), gap_FF.shape)
    if gap_FF[early, late] < 0:
        return None
    return Alike(*sorted((int(early), int(late))))
