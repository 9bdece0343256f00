"""``python -m analysis.dynamics SWEEP [-o DIR]``: how did the runs get where they ended?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import drawing
from analysis.reading import Read
from analysis.rows import select
from analysis.script import Answer, answered
from analysis.series import over_steps

#: Snapshot columns that tell how a run went: its column, what it is, whether its axis is logarithmic.
PATHS = (
    ("ks", "KS distance", True),
    ("fake_mean", "mean of the generated minibatch", False),
    ("fake_sd", "its standard deviation", False),
    ("loss_d", "discriminator's loss", False),
    ("loss_g", "generator's loss", False),
    ("grad_norm_g", "norm of G's gradient", True),
)
_LEAST = 1e-9


def dynamics(frame: pd.DataFrame, arms: Sequence[str] = (), columns: Sequence[str] = ()) -> pd.DataFrame:
    """Median and middle half of the compared seeds at every snapshot, of each arm and column (default: ``PATHS``).

    Columns: arm, column, step, median, q25, q75, n (seeds that have a number there). See ``series.over_steps``.
    """
    rows = select(frame).frame
    parts = []
    for arm in arms or list(dict.fromkeys(rows["arm"])):
        own = rows[rows["arm"] == arm]
        for column in columns or [name for name, *_ in PATHS]:
            path = over_steps(own, column)
            parts.append(path.assign(arm=arm, column=column))
    names = ["arm", "column", "step", "median", "q25", "q75", "n"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def figure(paths: pd.DataFrame, arms: Sequence[str], panels: Sequence[tuple[str, str, bool]] = PATHS) -> Figure:
    """A panel for each of ``panels``, a column of paths; in it a line per arm with the band of its middle half."""
    shown = [arm for arm in arms if arm in set(paths["arm"])]
    if not shown:
        return drawing.empty("No committed row holds a path over training steps.")
    made, axes = drawing.panels(len(panels), columns=2, height=2.9, sharex=True, sharey=False)
    look = drawing.styles(arms)
    for i, (ax, (column, meaning, log)) in enumerate(zip(axes, panels, strict=True)):
        for arm in shown:
            own, s = paths[(paths["arm"] == arm) & (paths["column"] == column)], look[arm]
            low, middle, high = (own[n].clip(_LEAST) if log else own[n] for n in ("q25", "median", "q75"))
            ax.fill_between(own["step"], low, high, color=s.colour, alpha=0.12, lw=0)
            ax.plot(own["step"], middle, color=s.colour, ls=s.dash, marker=s.marker, ms=3, lw=1.3)
        if log:
            drawing.log_axis(ax, "y")
        else:
            _within(ax, paths[paths["column"] == column])
        drawing.title(ax, meaning, size=9)
        drawing.labels(ax, "training step" if i + 2 >= len(panels) else "")
    drawing.legend(made, {arm: drawing.key(look[arm]) for arm in shown})
    return made


def _within(ax: Axes, own: pd.DataFrame) -> None:
    """An axis by what most medians do: one arm that left would flatten the others to a line."""
    low, high = own["median"].quantile([0.05, 0.95])
    room = 0.25 * (high - low) or 1.0
    bottom, top = ax.get_ylim()
    ax.set_ylim(max(bottom, low - room), min(top, high + room))


def main(arguments: Sequence[str] | None = None) -> int:
    """How did the runs get where they ended?"""

    def answer(read: Read, arms: Sequence[str]) -> Answer:
        paths = dynamics(read.frame, arms)
        return Answer({"dynamics": paths}, {"dynamics": figure(paths, arms)})

    return answered("dynamics", main.__doc__, answer, arguments)


if __name__ == "__main__":
    sys.exit(main())
