"""The page's first picture for paper: the runs side by side, from the same frames, at a few steps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.explain.encode import DRAWN
from analysis.explain.frames import Run, Show, density
from analysis.explain.words import LANGUAGES, texts
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import FAINT, INK, QUIET
from harness.store import QUANTILE_LEVELS

#: Steps that a row of densities is drawn at, or the frames nearest to them.
STEPS = (0, 40, 150, 2000)

#: How long the arrow of a force of 1 is, in units of x, and the longest; where the densities' axis ends.
_PUSH, _LONGEST, _TOP = 1.0, 3.0, 0.72
#: The grey of the line on which the target has the values.
_RANKS = "#BBBBBB"


def why_true_figure(show: Show) -> Figure:
    """A column a run, a row a step: the generated law and the push on its values beside the target; KS below."""
    frames = [int(np.abs(np.array(show.steps) - step).argmin()) for step in STEPS]
    figure, axes = mpl_style.panels(
        len(show.cast) * (len(frames) + 1), columns=len(show.cast), height=1.12, sharex=False, sharey=False
    )
    grid = np.reshape(np.array(axes, dtype=object), (len(frames) + 1, len(show.cast)))
    styles, said = mpl_style.styles(show.losses), texts(LANGUAGES[0])
    for column, (word, place) in enumerate(show.cast.items()):
        run = show.runs[place]
        mpl_style.title(grid[0, column], said["cast"][word])
        for row, frame in enumerate(frames):
            _law(grid[row, column], show, run, min(frame, len(run.ks) - 1), styles[run.loss].colour)
            if column == 0:
                mpl_style.labels(grid[row, 0], y=f"step {show.steps[frame]:,}")
            if row < len(frames) - 1:
                grid[row, column].tick_params(labelbottom=False)
        _ks(grid[-1, column], show, run, styles[run.loss].colour)
    mpl_style.labels(grid[-1, 0], x="steps", y="KS")
    return figure


def _law(ax: Axes, show: Show, run: Run, frame: int, colour: str) -> None:
    ax.fill_between(show.grid, show.target.density(show.grid), color=FAINT, lw=0)
    law = density(run.values[frame : frame + 1], show.grid)[0]
    ax.fill_between(show.grid, law, color=colour, alpha=0.25, lw=0)
    ax.plot(show.grid, law, color=colour, lw=1.3)
    values, forces = run.values[frame, DRAWN], run.forces[frame, DRAWN]
    rows = np.linspace(-0.05, -0.42, len(values))[::-1]
    ax.plot(show.target.quantile(np.array(QUANTILE_LEVELS[DRAWN])), rows, color=_RANKS, lw=1.1)
    arrows = np.clip(_PUSH * forces, -_LONGEST, _LONGEST)
    ax.quiver(values, rows, arrows, np.zeros_like(arrows), color=colour, angles="xy", scale_units="xy", scale=1,
              width=0.008, headwidth=4)  # fmt: skip
    ax.scatter(values, rows, s=3, color=colour, lw=0)
    ax.set_xlim(show.grid[0], show.grid[-1])
    ax.set_ylim(-0.47, _TOP)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.axhline(0, color=QUIET, lw=0.6)
    ax.text(
        0.98, 0.96, f"KS {run.ks[frame]:.2f}", transform=ax.transAxes, ha="right", va="top", fontsize=7.5, color=INK
    )


def _ks(ax: Axes, show: Show, run: Run, colour: str) -> None:
    ax.plot(show.steps[: len(run.ks)], run.ks, color=colour, lw=1.4)
    ax.set_ylim(0, 1.05)
    ax.set_xlim(0, show.steps[-1])
