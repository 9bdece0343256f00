"""The page's first picture as a figure for print: the members side by side at a few steps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.explain.encode import DRAWN
from analysis.explain.frames import ExplainerData, RecordedMember, density
from analysis.explain.texts import LANGUAGES, texts
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import FAINT, INK, QUIET
from harness.store import QUANTILE_LEVELS

#: Steps that a row of densities is drawn at, or the frames nearest to them.
STEPS = (0, 40, 150, 2000)

#: Length of the arrow of a force of 1 and of the longest arrow, in units of x; end of the densities' axis.
_PUSH, _LONGEST, _TOP = 1.0, 3.0, 0.72
#: The grey of the line through the target's values.
_RANKS = "#BBBBBB"


def why_true_figure(data: ExplainerData) -> Figure:
    """A column a member, a row a step: the generated law and the push on its values beside the target; KS below."""
    frames = [int(np.abs(np.array(data.steps) - step).argmin()) for step in STEPS]
    figure, axes = mpl_style.panels(
        len(data.cast) * (len(frames) + 1), columns=len(data.cast), height=1.12, sharex=False, sharey=False
    )
    grid = np.reshape(np.array(axes, dtype=object), (len(frames) + 1, len(data.cast)))
    styles, words = mpl_style.styles(data.losses), texts(LANGUAGES[0])
    for column, (word, index) in enumerate(data.cast.items()):
        member = data.members[index]
        mpl_style.title(grid[0, column], words["cast"][word])
        for row, frame in enumerate(frames):
            _law(grid[row, column], data, member, min(frame, len(member.ks) - 1), styles[member.loss].colour)
            if column == 0:
                mpl_style.labels(grid[row, 0], y=f"step {data.steps[frame]:,}")
            if row < len(frames) - 1:
                grid[row, column].tick_params(labelbottom=False)
        _ks(grid[-1, column], data, member, styles[member.loss].colour)
    mpl_style.labels(grid[-1, 0], x="steps", y="KS")
    return figure


def _law(ax: Axes, data: ExplainerData, member: RecordedMember, frame: int, colour: str) -> None:
    ax.fill_between(data.grid, data.target.density(data.grid), color=FAINT, lw=0)
    law = density(member.values[frame : frame + 1], data.grid)[0]
    ax.fill_between(data.grid, law, color=colour, alpha=0.25, lw=0)
    ax.plot(data.grid, law, color=colour, lw=1.3)
    values, forces = member.values[frame, DRAWN], member.forces[frame, DRAWN]
    rows = np.linspace(-0.05, -0.42, len(values))[::-1]
    ax.plot(data.target.quantile(np.array(QUANTILE_LEVELS[DRAWN])), rows, color=_RANKS, lw=1.1)
    arrows = np.clip(_PUSH * forces, -_LONGEST, _LONGEST)
    ax.quiver(values, rows, arrows, np.zeros_like(arrows), color=colour, angles="xy", scale_units="xy", scale=1,
              width=0.008, headwidth=4)  # fmt: skip
    ax.scatter(values, rows, s=3, color=colour, lw=0)
    ax.set_xlim(data.grid[0], data.grid[-1])
    ax.set_ylim(-0.47, _TOP)
    ax.set_yticks([])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.axhline(0, color=QUIET, lw=0.6)
    ax.text(
        0.98, 0.96, f"KS {member.ks[frame]:.2f}", transform=ax.transAxes, ha="right", va="top", fontsize=7.5, color=INK
    )


def _ks(ax: Axes, data: ExplainerData, member: RecordedMember, colour: str) -> None:
    ax.plot(data.steps[: len(member.ks)], member.ks, color=colour, lw=1.4)
    ax.set_ylim(0, 1.05)
    ax.set_xlim(0, data.steps[-1])
