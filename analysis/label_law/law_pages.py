"""The numbers and the figure of the label law on networks: members by generator label t, beside the law.

The law is derived on the Dirac-GAN (Mescheder et al. 2018, sec. 2, D(x) = psi x) for the generator's loss
t softplus(-l) + (1-t) softplus(l), whose slope sigmoid(l) - t vanishes where D says t: for t < 1/2 the generator
parks where D gives its data the probability t, for t >= 1/2 it comes to the data, where D says 1/2, and for t > 1/2
it rings around them with the angular frequency sqrt((t - 1/2)/2) in units of the learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.comparison import success_threshold
from analysis.intervals import interval_of, success_interval
from analysis.label_law.arrival import landings, later
from analysis.label_law.verdicts import law_of_d, law_of_rhythm, rhythm_scale, rhythmic
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import INK, QUIET, MplStyle
from analysis.rows import select
from harness.errors import InputError
from harness.metrics.trials import LOST

#: The variant whose arms are read, and its parameter.
VARIANT, LABEL = "generator_label", "t"

_LAW_DASH = (0, (4, 2))
_LOWEST = 1e-4
#: Members of different views are drawn this far apart in t.
_APART = 0.012


@dataclass(frozen=True)
class LabelLawResult:
    """Members (``arrival.landings``), numbers by view and label (``by_label``), and the thresholds of both.

    ``later``: the step at which censored members are counted and drawn.
    """

    members: pd.DataFrame
    table: pd.DataFrame
    success_ks: float
    later: float
    remarks: tuple[str, ...]


def label_law_result(
    description: Mapping[str, Any], frame: pd.DataFrame, remarks: Sequence[str] = ()
) -> LabelLawResult:
    """The result of a sweep from its committed rows.

    Raises:
        InputError: no compared row belongs to an arm of the variant.
    """
    chosen = select(frame)
    rows = chosen.frame[chosen.frame["loss"] == VARIANT]
    if rows.empty:
        raise InputError(
            f"no rows of the variant {VARIANT!r}; name a sweep such as that of experiments/label_dial.toml"
        )
    success_ks, threshold_remarks = success_threshold(description)
    members = landings(rows, LABEL, success_ks)
    after = later(rows)
    return LabelLawResult(
        members, by_label(members, after), success_ks, after, (*remarks, *chosen.remarks, *threshold_remarks)
    )


def by_label(members: pd.DataFrame, after: float) -> pd.DataFrame:
    """Medians over seeds with 95 % intervals, a row per view and label.

    A censored member's time counts as ``after``, so a median or an end of an interval at the last snapshot or later is
    only a lower bound; ``arrival_censored`` and ``settling_censored`` count them. ``d_fake``, the losses and
    ``frequency`` are over the members that have one, counted as ``d_fake_n`` and so on.
    """
    rows = []
    for (view, label), group in members.groupby(["view", "label"], sort=True):
        share = success_interval(int(group["success"].sum()), len(group))
        row: dict[str, Any] = {"view": view, "label": label, "n": len(group)}
        row |= {"lost": int(group["outcome"].isin(LOST).sum()), "successes": int(group["success"].sum())}
        row |= {"success": share.estimate, "success_low": share.low, "success_high": share.high}
        for name in ("arrival", "settling"):
            row |= {f"{name}_censored": int(group[name].isna().sum()), **_interval(name, group[name].fillna(after))}
        row |= _interval("ks", group["ks"])
        for name in ("d_fake", "loss_d", "loss_g", "frequency"):
            row |= {f"{name}_n": int(group[name].notna().sum()), **_interval(name, group[name].dropna())}
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(name: str, values: pd.Series[Any]) -> dict[str, float | None]:
    median = interval_of(values.to_numpy(dtype=float))
    return {f"{name}_median": median.estimate, f"{name}_low": median.low, f"{name}_high": median.high}


def label_figure(law: LabelLawResult) -> Figure:
    """Six panels over t: a dot per member, the median over seeds and its 95 % band per view, the law dashed.

    Censored members are crosses on the line at ``law.later``, counted above it.
    """
    views = list(dict.fromkeys(law.table["view"]))
    styles = mpl_style.styles(views)
    figure, axes = mpl_style.panels(6, columns=2, height=2.9, sharex=True, sharey=False)
    for ax in axes:
        ax.axvline(0.5, color=INK, lw=0.9, ls=_LAW_DASH)
        ax.set_xlim(-0.04, 1.04)
    for i, view in enumerate(views):
        members = law.members[law.members["view"] == view]
        members = members.assign(x=members["label"] + _APART * (i - (len(views) - 1) / 2))
        table = law.table[law.table["view"] == view].rename(columns={"success": "success_median"})
        _draw_view(axes, members, table, styles[view], row=i, after=law.later)
    _axes(axes, law.table, law.success_ks, law.later)
    entries = {f"view {view}": mpl_style.key(styles[view]) for view in views}
    entries |= {"law of the Dirac-GAN": mpl_style.key(MplStyle(INK, "", _LAW_DASH))}
    mpl_style.legend(figure, entries, columns=3)
    return figure


def _draw_view(
    axes: list[Axes], members: pd.DataFrame, table: pd.DataFrame, style: MplStyle, *, row: int, after: float
) -> None:
    success, arrival, settling, ks, d_fake, rhythm = axes
    _band(success, table, "success", style)
    for ax, name in ((arrival, "arrival"), (settling, "settling")):
        _times(ax, members, table, name, style, row=row, after=after)
    _dots(ks, members["x"], members["ks"].clip(_LOWEST), style)
    _dots(d_fake, members["x"], members["d_fake"], style)
    _dots(rhythm, members["x"], members["frequency"], style)
    _band(ks, table, "ks", style)
    _band(d_fake, table[table["d_fake_n"] > 0], "d_fake", style)
    _rhythm(rhythm, table, style)


def _dots(ax: Axes, x: pd.Series[float], y: pd.Series[float], style: MplStyle) -> None:
    ax.scatter(x, y, s=7, color=style.colour, alpha=0.3, lw=0)


def _band(ax: Axes, table: pd.DataFrame, name: str, style: MplStyle) -> None:
    """Median and 95 % band of one view over t."""
    low, high = (table[f"{name}_{end}"].astype(float) for end in ("low", "high"))
    ax.fill_between(table["label"], low, high, color=style.colour, alpha=0.18, lw=0)
    ax.plot(
        table["label"], table[f"{name}_median"], color=style.colour, ls=style.dash, marker=style.marker, ms=4, lw=1.5
    )


def _times(
    ax: Axes, members: pd.DataFrame, table: pd.DataFrame, name: str, style: MplStyle, *, row: int, after: float
) -> None:
    """Known times as dots, censored ones as crosses at ``after``, and their number at each label above the panel."""
    known = members[members[name].notna()]
    _dots(ax, known["x"], known[name], style)
    censored = members[members[name].isna()].drop_duplicates("label")
    ax.scatter(censored["x"], [after] * len(censored), s=16, color=style.colour, marker="x", lw=1)
    _band(ax, table, name, style)
    for label, count in zip(table["label"], table[f"{name}_censored"], strict=True):
        ax.annotate(str(count), (label, 1), (0, 3 + 8 * row), xycoords=("data", "axes fraction"), ha="center",
                    textcoords="offset points", fontsize=6.5, color=style.colour)  # fmt: skip


def _rhythm(ax: Axes, table: pd.DataFrame, style: MplStyle) -> None:
    """Median frequency where half of the members have one, and the law's shape scaled to it."""
    _band(ax, rhythmic(table), "frequency", style)
    scale = rhythm_scale(table)
    if scale is not None:
        labels = [0.5 + 0.005 * i for i in range(101)]
        ax.plot(labels, [scale * law_of_rhythm(t) for t in labels], color=style.colour, ls=_LAW_DASH, lw=1)


def _axes(axes: list[Axes], table: pd.DataFrame, success_ks: float, after: float) -> None:
    success, arrival, settling, ks, d_fake, rhythm = axes
    views = table["view"].nunique()
    mpl_style.title(success, f"Share of members that end below KS {success_ks:g}", width=64)
    success.set_ylim(-0.03, 1.03)
    for ax, words in ((arrival, "below"), (settling, "below for good")):
        mpl_style.log_axis(ax, "y")
        ax.axhline(after, color=QUIET, lw=0.8, ls=(0, (1, 2)))
        ax.set_title(f"First step {words} KS {success_ks:g}; above: how many never were", fontsize=8, loc="left",
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
