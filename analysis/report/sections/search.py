"""The searched trials: score against each setting, against both learning rates, and across all settings at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.plotting import CLASSES, Axis, Dots, Heatmap, Line, Mark, Note, Panel, Rule, Scene, Style
from analysis.report.axes import extent
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext
from analysis.rows import search_space

Float64 = NDArray[np.float64]
RATES = ("lr_d", "lr_g")
MAP_COLUMNS = ("arm", "lr_d_low", "lr_d_high", "lr_g_low", "lr_g_high", "trials", "score", "lost")
#: Trials that a figure may draw; of more, a sample in which every class and each arm's best remain.
_MAX_DOTS, _MAX_LINES = 4000, 240
#: Trials of an arm from which on a map says more than dots.
_MIN_FOR_MAP = 60
_CLASS_NAMES = ("best fifth", "second fifth", "middle fifth", "fourth fifth", "worst fifth")
_CLASS_STYLES = dict(zip(_CLASS_NAMES, (Style(c) for c in CLASSES), strict=True))


def section(context: ReportContext) -> Section:
    """Score of the trials against each searched setting and both learning rates."""
    trials = with_class(context.read.trials)
    return Section(
        "search", "The search", [_slices(context, trials), _parallel(context, trials), _rates(context, trials)]
    )


def with_class(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with a score, and the fifth of its own arm's trials that each is in: column ``class``, 0 the best."""
    scored = trials[trials["score"].notna()]
    rank = scored.groupby("arm")["score"].rank(method="first") - 1
    count = scored.groupby("arm")["score"].transform("size")
    return scored.assign(**{"class": np.floor(len(CLASSES) * rank / count).astype(np.int64)})


def sampled(trials: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most about ``most`` of the trials: each arm's best, and the rest evenly over the scores."""
    if len(trials) <= most:
        return trials
    best = trials.loc[trials.groupby("arm")["score"].idxmin()].sort_values("score").head(most // 2)
    rest = trials.drop(best.index).sort_values("score", kind="stable")
    even = np.unique(np.linspace(0, len(rest) - 1, most - len(best)).round().astype(int))
    return pd.concat([best, rest.iloc[even]]).sort_index()


def learning_rate_map(trials: pd.DataFrame, arms: Sequence[str] = (), bins: int = 10) -> pd.DataFrame:
    """Median score of the trials in each cell of lr_D x lr_G, ``bins`` each in equal ratios over what was searched.

    The edges are the same for all arms; cells without a trial have no row. Columns: arm, the cell's edges, trials,
    score (median over trials of the mean KS), lost (share of members that diverged or failed).
    """
    known = trials[(trials["lr_d"] > 0) & (trials["lr_g"] > 0) & trials["score"].notna()]
    edges = {rate: _edges(known[rate].to_numpy(np.float64), bins) for rate in RATES}
    located = known.assign(**{f"{n}_cell": _cell_index(known[n].to_numpy(np.float64), e) for n, e in edges.items()})
    grouped = located.groupby(["arm", "lr_d_cell", "lr_g_cell"], sort=False)
    cells = grouped.agg(
        trials=("score", "size"), score=("score", "median"), lost=("lost", "sum"), seeds=("seeds", "sum")
    ).reset_index()
    cells["lost"] = cells["lost"] / cells["seeds"]
    for rate, edge in edges.items():
        cells[f"{rate}_low"], cells[f"{rate}_high"] = edge[cells[f"{rate}_cell"]], edge[cells[f"{rate}_cell"] + 1]
    order = {arm: i for i, arm in enumerate(arms)}
    ordered = cells.assign(order=cells["arm"].map(order).fillna(len(order)))
    ordered = ordered.sort_values(["order", "arm", "lr_d_low", "lr_g_low"], kind="stable")
    return ordered[list(MAP_COLUMNS)].reset_index(drop=True)


def _edges(rates: Float64, bins: int) -> Float64:
    """Edges of ``bins`` cells in equal ratios from the least rate to the largest; one cell around a single rate."""
    if not rates.size or rates.min() == rates.max():
        single = float(rates[0]) if rates.size else 1.0
        return np.array([single / 2, single * 2])
    return np.geomspace(rates.min(), rates.max(), bins + 1)


def _cell_index(rates: Float64, edges: Float64) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, rates, side="right") - 1, 0, edges.size - 2)


def _varied_keys(context: ReportContext, trials: pd.DataFrame) -> list[str]:
    """Searched keys with more than one value."""
    return [k for k in context.read.searched or RATES if k in trials and trials[k].nunique() > 1]


def _is_log(context: ReportContext, key: str, values: pd.Series[Any]) -> bool:
    """True for a logarithmic axis: as the key was searched; learning rates also where that is unknown."""
    searched = search_space(context.description).get(key)
    log = searched.get("log") if isinstance(searched, dict) else None
    return bool(values.min() > 0) and (bool(log) if log is not None else key in RATES)


def _slices(context: ReportContext, trials: pd.DataFrame) -> Figure:
    """Score of each trial against each searched key."""
    keys = _varied_keys(context, trials)
    drawn = sampled(trials, _MAX_DOTS // max(len(keys), 1))
    low, high = extent(drawn["score"], LOWEST)
    y = Axis("mean KS", log=True, low=low, high=high)
    panels = []
    for key in keys:
        log = _is_log(context, key, trials[key])
        dots = [
            Dots(rows[key], rows["score"].clip(lower=LOWEST), context.style(str(arm)), str(arm), strength=0.65,
                 hover=[f"{arm}, trial {t}: {key} {v:.4g}, KS {s:.3g}" for t, v, s in
                        zip(rows["trial"], rows[key], rows["score"], strict=True)])
            for arm, rows in drawn.groupby("arm", sort=False)
        ]  # fmt: skip
        left, right = extent(drawn[key], 0.0) if log else (None, None)
        x = Axis(f"{key} (log scale)" if log else key, log=log, low=left, high=right)
        panels.append(Panel([*dots, Rule("y", context.comparison.success_ks)], x, y, key))
    best = trials.sort_values("score").head(3)
    alt = f"{len(drawn)} of {len(trials)} trials' scores against {', '.join(keys) or 'nothing'}. Best: " + "; ".join(
        f"{arm} {score:.3g}" for arm, score in zip(best["arm"], best["score"], strict=True)
    )
    return Figure(
        name="slices",
        heading="Score against each searched setting",
        caption="A dot per trial: the mean KS over its search seeds; those that diverged or failed count as 1. Dashed: "
        "success threshold." + _sample_note(drawn, trials),
        alt=alt,
        scene=Scene(
            panels,
            {a: context.style(a) for a in context.arms if (drawn["arm"] == a).any()},
            columns=3,
            height=290,
            empty="" if panels else _nothing_drawn(trials),
        ),
        numbers=trials.drop(columns="class"),
    )


def _rates(context: ReportContext, trials: pd.DataFrame) -> Figure:
    """Median score over lr_G x lr_D, a panel per arm; a dot per trial where there are few."""
    shown, note = context.shown()
    arms = [a for a in shown if (trials["arm"] == a).any()]
    known = trials[(trials["lr_d"] > 0) & (trials["lr_g"] > 0)]
    both_vary = bool(len(known)) and all(known[rate].nunique() > 1 for rate in RATES)
    as_dots = bool(len(known)) and known.groupby("arm").size().max() < _MIN_FOR_MAP
    side = int(np.clip(np.sqrt(_MAX_DOTS / max(len(arms), 1)), 6, 12))
    cells = learning_rate_map(known, arms, bins=side)
    ends = [extent(known[rate], 0.0) for rate in ("lr_g", "lr_d")]
    x, y = (Axis(f"lr_{p}", log=True, low=low, high=high) for p, (low, high) in zip("GD", ends, strict=True))
    panels = []
    for arm in arms if both_vary else ():
        rows = known[known["arm"] == arm]
        marks = _dots_by_class(rows) if as_dots else [_heatmap(cells[cells["arm"] == arm], known, side)]
        best = rows.sort_values("score").iloc[0] if len(rows) else None
        detail = "" if best is None else f"best {best['score']:.3g} at lr_G {best['lr_g']:.2g}, lr_D {best['lr_d']:.2g}"
        panels.append(Panel(marks, x, y, arm, detail))
    caption = "Colour: the median over a cell's trials of their mean KS; empty where nothing was tried."
    if as_dots:
        caption = "A dot per trial, coloured by the fifth of its arm's scores that it is in."
    details = [f"{panel.title}: {panel.detail}" for panel in panels[:5]]
    return Figure(
        name="rates",
        heading="Both learning rates",
        caption=f"{caption} {note}".strip(),
        alt=f"Scores over both learning rates, one panel per arm. {'; '.join(details)}.",
        scene=Scene(
            panels,
            _CLASS_STYLES if as_dots else {},
            columns=3,
            height=280,
            empty="" if panels else "The search did not vary both learning rates.",
        ),
        numbers=cells,
    )


def _dots_by_class(trials: pd.DataFrame) -> list[Mark]:
    return [
        Dots(rows["lr_g"], rows["lr_d"], Style(style.colour, "circle"), name, size=9, strength=0.9,
             hover=[f"trial {t}: KS {s:.3g}" for t, s in zip(rows["trial"], rows["score"], strict=True)])
        for i, (name, style) in enumerate(_CLASS_STYLES.items()) if len(rows := trials[trials["class"] == i])
    ]  # fmt: skip


def _heatmap(cells: pd.DataFrame, known: pd.DataFrame, side: int) -> Heatmap:
    """One arm's map: a grid with NaN where nothing was tried."""
    edges = {rate: np.geomspace(known[rate].min(), known[rate].max(), side + 1) for rate in RATES}
    value = np.full((side, side), np.nan)
    hover = [[""] * side for _ in range(side)]
    for cell in cells.to_dict("records"):
        i, j = (int(np.abs(np.log(edges[rate] / cell[f"{rate}_low"])).argmin()) for rate in RATES)
        value[i, j] = max(cell["score"], LOWEST)
        where = ", ".join(f"{k} {cell[f'{k}_low']:.2g} to {cell[f'{k}_high']:.2g}" for k in ("lr_g", "lr_d"))
        hover[i][j] = f"{where}: KS {cell['score']:.3g}, {cell['trials']} trials, {cell['lost']:.0%} lost"
    low = max(float(known["score"].min()), LOWEST)
    return Heatmap(edges["lr_g"], edges["lr_d"], value, low, high=1.0, label="KS", log=True, edges=True, hover=hover)


def _parallel(context: ReportContext, trials: pd.DataFrame) -> Figure:
    """Parallel coordinates: a line per trial through its settings to its score."""
    keys = _varied_keys(context, trials)
    drawn = sampled(trials, _MAX_LINES)
    axes = [(k, *_scaled(drawn[k], log=_is_log(context, k, trials[k]))) for k in keys]
    axes.append(("mean KS", *_scaled(drawn["score"].clip(lower=LOWEST), log=True)))
    best = drawn[drawn["class"] == 0]
    ranges = [f"{name} from {low:.3g} to {high:.3g}" for name, _, low, high in axes] if keys and len(trials) else []
    spread = [f"{k} {best[k].min():.3g} to {best[k].max():.3g}" for k in keys] if len(best) else []
    return Figure(
        name="parallel",
        heading="Settings and scores side by side",
        caption="A line per trial, coloured by the fifth of its arm's trials that it is in. The numbers at the ends of "
        "an axis are its range." + _sample_note(drawn, trials),
        alt=f"Parallel coordinates: {', '.join(ranges)}. The best fifth has {', '.join(spread) or 'no trials'}.",
        scene=Scene(
            [_parallel_panel(axes, drawn)] if keys and len(trials) else [],
            _CLASS_STYLES,
            height=420,
            empty="" if keys else _nothing_drawn(trials),
        ),
        numbers=drawn[["arm", "trial", *keys, "score", "class"]],
    )


def _parallel_panel(axes: Sequence[tuple[str, Float64, float, float]], drawn: pd.DataFrame) -> Panel:
    """``axes``: a name, the trials' values between 0 and 1, and the ends of the range. The best trials are on top."""
    last = len(axes) - 1
    lines = []
    for i, (name, style) in reversed(list(enumerate(_CLASS_STYLES.items()))):
        in_class = (drawn["class"] == i).to_numpy()
        if in_class.any():
            count = int(in_class.sum())
            x = np.tile([*range(last + 1), np.nan], count)
            y = np.column_stack([*(scaled[in_class] for _, scaled, *_ in axes), np.full(count, np.nan)]).ravel()
            lines.append(Line(x, y, style, name, width=2.0 if i == 0 else 1.0))
    notes = [
        Note(f" {end:.3g}", (i + 0.3) / (last + 0.6), height, anchor="left")
        for i, (_, _, low, high) in enumerate(axes) for end, height in ((low, 0.02), (high, 0.98))
    ]  # fmt: skip
    rules = [Rule("x", float(i), dash="solid") for i in range(last + 1)]
    return Panel([*lines, *rules, *notes], Axis(names=[name for name, *_ in axes], low=-0.3, high=last + 0.3),
                 Axis(low=-0.09, high=1.09, bare=True))  # fmt: skip


def _scaled(values: pd.Series[Any], *, log: bool) -> tuple[Float64, float, float]:
    """The values between 0 and 1 along their own range, and its ends."""
    raw = values.to_numpy(dtype=np.float64)
    known = raw[np.isfinite(raw)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high <= low:
        return np.full(raw.size, 0.5), low, high
    if log and low > 0:
        return np.log(raw / low) / np.log(high / low), low, high
    return (raw - low) / (high - low), low, high


def _sample_note(drawn: pd.DataFrame, trials: pd.DataFrame) -> str:
    if len(drawn) == len(trials):
        return ""
    return f" Of {len(trials):,} trials {len(drawn):,} are drawn: each arm's best, and the rest evenly over the scores."


def _nothing_drawn(trials: pd.DataFrame) -> str:
    return "No searched setting takes more than one value." if len(trials) else "No searched trials are committed."
