"""The figure of the label law: success, times, distance, D's verdict and rhythm over the generator's label t."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.label_law.verdicts import law_of_d, law_of_rhythm, rhythm_scale, rhythmic
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import INK, QUIET, MplStyle

_LAW_DASH = (0, (4, 2))
_LOWEST = 1e-4
#: Members of different views are drawn this far apart in t.
_APART = 0.012


def label_figure(members: pd.DataFrame, table: pd.DataFrame, success_ks: float, after: float) -> Figure:
    """Six panels over t: a dot per member, the median over seeds and its 95 % band per view, the law dashed.

    ``members`` and ``table`` as ``label_law`` makes them; censored members are crosses on the line at ``after``,
    counted above it.
    """
    views = list(dict.fromkeys(table["view"]))
    styles = mpl_style.styles(views)
    figure, axes = mpl_style.panels(6, columns=2, height=2.9, sharex=True, sharey=False)
    success, arrival, settling, ks, d_fake, rhythm = axes
    for ax in axes:
        ax.axvline(0.5, color=INK, lw=0.9, ls=_LAW_DASH)
        ax.set_xlim(-0.04, 1.04)
    for i, view in enumerate(views):
        own, rows = table[table["view"] == view], members[members["view"] == view]
        rows = rows.assign(x=rows["label"] + _APART * (i - (len(views) - 1) / 2))
        style = styles[view]
        own = own.rename(columns={"success": "success_median"})
        _band(success, own, "success", style)
        for ax, name in ((arrival, "arrival"), (settling, "settling")):
            _times(ax, rows, own, name, style, after, i)
        _dots(ks, rows["x"], rows["ks"].clip(_LOWEST), style)
        _dots(d_fake, rows["x"], rows["d_fake"], style)
        _dots(rhythm, rows["x"], rows["frequency"], style)
        _band(ks, own, "ks", style)
        _band(d_fake, own[own["d_fake_n"] > 0], "d_fake", style)
        _rhythm(rhythm, own, style)
    _axes(axes, table, success_ks, after)
    entries = {f"view {view}": mpl_style.key(styles[view]) for view in views}
    entries |= {"law of the Dirac-GAN": mpl_style.key(MplStyle(INK, "", _LAW_DASH))}
    mpl_style.legend(figure, entries, columns=3)
    return figure


def _dots(ax: Axes, x: pd.Series[float], y: pd.Series[float], style: MplStyle) -> None:
    ax.scatter(x, y, s=7, color=style.colour, alpha=0.3, lw=0)


def _band(ax: Axes, own: pd.DataFrame, name: str, style: MplStyle) -> None:
    """Median and 95 % band of one view over t."""
    low, high = (own[f"{name}_{end}"].astype(float) for end in ("low", "high"))
    ax.fill_between(own["label"], low, high, color=style.colour, alpha=0.18, lw=0)
    ax.plot(own["label"], own[f"{name}_median"], color=style.colour, ls=style.dash, marker=style.marker, ms=4, lw=1.5)


def _times(
    ax: Axes, rows: pd.DataFrame, own: pd.DataFrame, name: str, style: MplStyle, after: float, place: int
) -> None:  # fmt: skip
    """Known times as dots, censored ones as crosses at ``after``, and above them how many there are at each label."""
    known = rows[rows[name].notna()]
    _dots(ax, known["x"], known[name], style)
    censored = rows[rows[name].isna()].drop_duplicates("label")
    ax.scatter(censored["x"], [after] * len(censored), s=16, color=style.colour, marker="x", lw=1)
    _band(ax, own, name, style)
    for label, count in zip(own["label"], own[f"{name}_censored"], strict=True):
        ax.annotate(str(count), (label, 1), (0, 3 + 8 * place), xycoords=("data", "axes fraction"), ha="center",
                    textcoords="offset points", fontsize=6.5, color=style.colour)  # fmt: skip


def _rhythm(ax: Axes, own: pd.DataFrame, style: MplStyle) -> None:
    """Median frequency where half of the members have one, and the law's shape scaled to it."""
    _band(ax, rhythmic(own), "frequency", style)
    scale = rhythm_scale(own)
    if scale is not None:
        labels = [0.5 + 0.005 * i for i in range(101)]
        ax.plot(labels, [scale * law_of_rhythm(t) for t in labels], color=style.colour, ls=_LAW_DASH, lw=1)


def _axes(axes: list[Axes], table: pd.DataFrame, success_ks: float, after: float) -> None:
    success, arrival, settling, ks, d_fake, rhythm = axes
    views = table["view"].nunique()
    mpl_style.title(success, f"Share of members that end below KS {success_ks:g}", width=64)
    success.set_ylim(-0.03, 1.03)
    for ax, what in ((arrival, "below"), (settling, "below for good")):
        mpl_style.log_axis(ax, "y")
        ax.axhline(after, color=QUIET, lw=0.8, ls=(0, (1, 2)))
        ax.set_title(f"First step {what} KS {success_ks:g}; above: how many never were", fontsize=8, loc="left",
                     color=INK, pad=6 + 8 * views)  # fmt: skip
    mpl_style.title(ks, "KS distance after training (1: diverged or failed)", width=64)
    mpl_style.log_axis(ks, "y")
    ks.axhline(success_ks, color=QUIET, lw=0.9, ls=(0, (1, 2)))
    mpl_style.title(d_fake, "D's probability for generated data, last tenth of training", width=64)
    labels = [0.0, 0.5, 1.0]
    d_fake.plot(labels, [law_of_d(t) for t in labels], color=INK, ls=_LAW_DASH, lw=1)
    d_fake.set_ylim(-0.03, 1.03)
    mpl_style.title(rhythm, "Rhythm of the generated mean, second half (law scaled)", width=64)
    if not table["frequency_n"].any():
        mpl_style.note(rhythm, "no member has a rhythm")
    rhythm.set_ylim(bottom=0)
    named = ("share", "training step", "training step", "KS distance", "D(fake)", "cycles a step")
    for i, (ax, name) in enumerate(zip(axes, named, strict=True)):
        mpl_style.labels(ax, "label t of the generator" if i >= 4 else "", name)
