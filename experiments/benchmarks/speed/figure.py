"""The figure of a run: microseconds a GAN-step over the population, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from reporting import Document

from analysis.plotting import mpl_style
from speed.contenders import LITERAL, SET_VIEW
from speed.results import best, floor, median, over_population


def draw(document: Document, path: Path) -> None:
    """Draw the least of the rounds for each contender, beside the literal loop and the floors of matrix products."""
    rows = over_population(document)
    contenders = list(dict.fromkeys(row["contender"] for row in rows))
    look = mpl_style.styles(contenders)
    figure, (ax,) = mpl_style.panels(1, columns=1, height=5.0, sharex=False, sharey=False)
    for contender in contenders:
        curve = [row for row in rows if row["contender"] == contender]
        s = look[contender]
        ax.plot([row["population"] for row in curve], [min(row["microseconds"]) for row in curve],
                color=s.colour, ls=s.dash, marker=s.marker, ms=5, lw=1.6)  # fmt: skip
    levels = _levels(document)
    seen = [*(min(row["microseconds"]) for row in rows), *(y for y, _ in levels)]
    ax.set_ylim(min(seen) / 1.4, max(seen) * 1.6)
    mpl_style.log_axis(ax, "x")
    mpl_style.log_axis(ax, "y")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    _draw_levels(ax, levels)
    machine = document["machine"]
    mpl_style.title(ax, "A training step of the script's GAN", f"{machine['processor']}, {machine['cores']} cores, "
                  f"{machine['date']}", width=90, size=10)  # fmt: skip
    mpl_style.labels(ax, "GANs trained side by side", "µs a GAN-step (all cores)")
    mpl_style.legend(figure, {_label(document, c): mpl_style.key(look[c]) for c in contenders}, columns=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _label(document: Document, contender: str) -> str:
    return f"{contender}: {document['contenders'][contender]['note']}"


def _levels(document: Document) -> list[tuple[float, str]]:
    """Microseconds that no population changes, each with its words."""
    literal = best(document, LITERAL)
    levels = [(median(literal), "script's literal loop, one GAN at a time")] if literal else []
    for device in document["ceilings"]:
        if least := floor(document, SET_VIEW, device):
            levels.append((least, f"floor: matrix products alone, {device}, all threads"))
    return levels


def _draw_levels(ax: Axes, levels: Sequence[tuple[float, str]]) -> None:
    """Draw a line each, with its words at the right end."""
    for y, words in levels:
        ax.axhline(y, color=mpl_style.INK, lw=0.9, ls=(0, (4, 3)))
        ax.annotate(words, (1, y), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
                    fontsize=8, color=mpl_style.INK, bbox={"fc": "white", "ec": "none", "pad": 0.5})  # fmt: skip
