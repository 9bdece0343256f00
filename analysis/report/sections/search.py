"""The search: what it spent, which settings matter, and where the small distances lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.phase_map import phase_map
from analysis.plotting import CLASSES, Axis, Dots, Heatmap, Line, Mark, Note, Panel, Rule, Scene, Style
from analysis.report.axes import extent
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext

#: Trials that a figure draws; of more a sample, in which every class and each arm's best remain.
_MOST_TRIALS, _MOST_LINES = 4000, 240
#: Trials of an arm from which a map says more than its dots.
_FEW = 60
_CLASS_NAMES = ("best fifth", "second fifth", "middle fifth", "fourth fifth", "worst fifth")
_KEYS = dict(zip(_CLASS_NAMES, (Style(c) for c in CLASSES), strict=True))


def section(material: ReportContext) -> Section:
    """Slices and parallel coordinates of the searched keys."""
    trials = classed(material.read.trials)
    return Section(
        "search", "The search", [slices(material, trials), parallel(material, trials), maps(material, trials)]
    )


def classed(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with a score, and the fifth of its own arm's trials that each is in: column ``class``, 0 the best."""
    known = trials[trials["score"].notna()]
    rank = known.groupby("arm")["score"].rank(method="first") - 1
    count = known.groupby("arm")["score"].transform("size")
    return known.assign(**{"class": np.floor(len(CLASSES) * rank / count).astype(np.int64)})


def sampled(trials: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most about ``most`` of the trials: each arm's best, and the rest evenly over the scores."""
    if len(trials) <= most:
        return trials
    best = trials.loc[trials.groupby("arm")["score"].idxmin()].sort_values("score").head(most // 2)
    rest = trials.drop(best.index).sort_values("score", kind="stable")
    even = np.unique(np.linspace(0, len(rest) - 1, most - len(best)).round().astype(int))
    return pd.concat([best, rest.iloc[even]]).sort_index()


def _space(material: ReportContext, key: str) -> Mapping[str, Any]:
    told = material.spec.get("search")
    space = told.get("space") if isinstance(told, Mapping) else None
    entry = space.get(key) if isinstance(space, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _keys(material: ReportContext, trials: pd.DataFrame) -> list[str]:
    """Keys with more than one value."""
    wanted = material.read.searched or ("lr_d", "lr_g")
    return [k for k in wanted if k in trials and trials[k].nunique() > 1]


def _log(material: ReportContext, key: str, values: pd.Series[Any]) -> bool:
    told = _space(material, key).get("log")
    return bool(values.min() > 0) and (bool(told) if told is not None else key in ("lr_d", "lr_g"))


def slices(material: ReportContext, trials: pd.DataFrame) -> Figure:
    """Score of each trial against each searched key."""
    keys = _keys(material, trials)
    drawn = sampled(trials, _MOST_TRIALS // max(len(keys), 1))
    low, high = extent(drawn["score"], LOWEST)
    panels = []
    for key in keys:
        log = _log(material, key, trials[key])
        marks = [
            Dots(own[key], own["score"].clip(lower=LOWEST), material.look(str(arm)), str(arm), strength=0.65,
                 told=[f"{arm}, trial {t}: {key} {v:.4g}, KS {s:.3g}" for t, v, s in
                       zip(own["trial"], own[key], own["score"], strict=True)])
            for arm, own in drawn.groupby("arm", sort=False)
        ]  # fmt: skip
        ends = extent(drawn[key], 0.0) if log else (None, None)
        x = Axis(f"{key} (log scale)" if log else key, log=log, low=ends[0], high=ends[1])
        panels.append(Panel([*marks, *_threshold(material)], x, Axis("mean KS", log=True, low=low, high=high), key))
    best = trials.sort_values("score").head(3)
    alt = f"{len(drawn)} of {len(trials)} trials' scores against {', '.join(keys) or 'nothing'}. Best: " + "; ".join(
        f"{arm} {score:.3g}" for arm, score in zip(best["arm"], best["score"], strict=True)
    )
    return Figure(
        "slices", "Score against each searched setting",
        "A dot per trial: the mean KS over its search seeds, those that diverged or failed as 1. Dashed: success "
        "threshold." + _sample_said(drawn, trials), alt,
        Scene(panels, {a: material.look(a) for a in material.arms if (drawn["arm"] == a).any()}, columns=3, height=290,
              empty="" if panels else _none(trials)),
        trials.drop(columns="class"),
    )  # fmt: skip


def maps(material: ReportContext, trials: pd.DataFrame) -> Figure:
    """Median score over lr_G x lr_D, a panel per arm; a dot per trial where there are few."""
    shown, said = material.shown()
    arms = [a for a in shown if (trials["arm"] == a).any()]
    known = trials[(trials["lr_d"] > 0) & (trials["lr_g"] > 0)]
    several = bool(len(known)) and known["lr_d"].nunique() > 1 and known["lr_g"].nunique() > 1
    few = bool(len(known)) and known.groupby("arm").size().max() < _FEW
    side = int(np.clip(np.sqrt(_MOST_TRIALS / max(len(arms), 1)), 6, 12))
    found = phase_map(known, arms, bins=side)
    panels = []
    for arm in arms if several else ():
        own = known[known["arm"] == arm]
        marks = _dots_by_class(own) if few else [_cells_of(found[found["arm"] == arm], known, side)]
        ends = [extent(known[key], 0.0) for key in ("lr_g", "lr_d")]
        x, y = (Axis(f"lr_{p}", log=True, low=low, high=high) for p, (low, high) in zip("GD", ends, strict=True))
        best = own.sort_values("score").iloc[0] if len(own) else None
        detail = "" if best is None else f"best {best['score']:.3g} at lr_G {best['lr_g']:.2g}, lr_D {best['lr_d']:.2g}"
        panels.append(Panel(marks, x, y, arm, detail))
    how = ("A dot per trial, by the fifth of its arm's scores that it is in." if few
           else "Colour: the median over a cell's trials of their mean KS; empty where nothing was tried.")  # fmt: skip
    told = [f"{panel.title}: {panel.detail}" for panel in panels[:5]]
    return Figure(
        "rates", "Both learning rates", f"{how} {said}".strip(),
        f"Scores over both learning rates, one panel per arm. {'; '.join(told)}.",
        Scene(panels, _KEYS if few else {}, columns=3, height=280,
              empty="" if panels else "The search did not vary both learning rates."),
        found,
    )  # fmt: skip


def _dots_by_class(own: pd.DataFrame) -> list[Mark]:
    return [
        Dots(part["lr_g"], part["lr_d"], Style(look.colour, "circle"), name, size=9, strength=0.9,
             told=[f"trial {t}: KS {s:.3g}" for t, s in zip(part["trial"], part["score"], strict=True)])
        for number, (name, look) in enumerate(_KEYS.items()) if len(part := own[own["class"] == number])
    ]  # fmt: skip


def _cells_of(cells: pd.DataFrame, known: pd.DataFrame, side: int) -> Heatmap:
    """One arm's map: a grid with NaN where nothing was tried."""
    edges = {key: np.geomspace(known[key].min(), known[key].max(), side + 1) for key in ("lr_g", "lr_d")}
    value = np.full((side, side), np.nan)
    told = [[""] * side for _ in range(side)]
    for cell in cells.to_dict("records"):
        i, j = (int(np.abs(np.log(edges[key] / cell[f"{key}_low"])).argmin()) for key in ("lr_d", "lr_g"))
        value[i, j] = max(cell["score"], LOWEST)
        where = ", ".join(f"{k} {cell[f'{k}_low']:.2g} to {cell[f'{k}_high']:.2g}" for k in ("lr_g", "lr_d"))
        told[i][j] = f"{where}: KS {cell['score']:.3g}, {cell['trials']} trials, {cell['lost']:.0%} lost"
    low = max(float(known["score"].min()), LOWEST)
    return Heatmap(edges["lr_g"], edges["lr_d"], value, low, 1.0, "KS", log=True, edges=True, told=told)


def _threshold(material: ReportContext) -> list[Rule]:
    return [Rule("y", material.comparison.success_ks)]


def _sample_said(drawn: pd.DataFrame, trials: pd.DataFrame) -> str:
    if len(drawn) == len(trials):
        return ""
    return f" Of {len(trials):,} trials {len(drawn):,} are drawn: each arm's best, and the rest evenly over the scores."


def _none(trials: pd.DataFrame) -> str:
    return "No searched setting takes more than one value." if len(trials) else "No searched trials are committed."


def parallel(material: ReportContext, trials: pd.DataFrame) -> Figure:
    """Parallel coordinates: a line per trial through its settings to its score."""
    keys = _keys(material, trials)
    drawn = sampled(trials, _MOST_LINES)
    axes = [(k, *_scaled(drawn[k], log=_log(material, k, trials[k]))) for k in keys]
    axes.append(("mean KS", *_scaled(drawn["score"].clip(lower=LOWEST), log=True)))
    width = len(axes) - 1
    marks = []
    for number, (name, look) in reversed(list(enumerate(_KEYS.items()))):
        own = (drawn["class"] == number).to_numpy()
        if own.any():
            x = np.tile([*range(width + 1), np.nan], int(own.sum()))
            y = np.column_stack([*(share[own] for _, share, *_ in axes), np.full(own.sum(), np.nan)]).ravel()
            marks.append(Line(x, y, look, name, width=2.0 if number == 0 else 1.0))
    notes = [
        Note(f" {end:.3g}", (i + 0.3) / (width + 0.6), height, anchor="left")
        for i, (_, _, low, high) in enumerate(axes) for end, height in ((low, 0.02), (high, 0.98))
    ]  # fmt: skip
    rules = [Rule("x", float(i), dash="solid") for i in range(width + 1)]
    panel = Panel([*marks, *rules, *notes], Axis(names=[name for name, *_ in axes], low=-0.3, high=width + 0.3),
                  Axis(low=-0.09, high=1.09, bare=True))  # fmt: skip
    ranges = [f"{name} from {low:.3g} to {high:.3g}" for name, _, low, high in axes] if keys and len(trials) else []
    best = drawn[drawn["class"] == 0]
    spread = [f"{k} {best[k].min():.3g} to {best[k].max():.3g}" for k in keys] if len(best) else []
    return Figure(
        "parallel", "Settings and scores side by side",
        "A line per trial, coloured by the fifth of its own arm's trials that it is in. The numbers at the ends of an "
        "axis are its range." + _sample_said(drawn, trials),
        f"Parallel coordinates: {', '.join(ranges)}. The best fifth has {', '.join(spread) or 'no trials'}.",
        Scene([panel] if keys and len(trials) else [], _KEYS, height=420, empty="" if keys else _none(trials)),
        drawn[["arm", "trial", *keys, "score", "class"]],
    )  # fmt: skip


def _scaled(values: pd.Series[Any], *, log: bool) -> tuple[NDArray[np.float64], float, float]:
    """The values between 0 and 1 along their own range, and its ends."""
    raw = values.to_numpy(dtype=np.float64)
    known = raw[np.isfinite(raw)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high <= low:
        return np.full(raw.size, 0.5), low, high
    if log and low > 0:
        return np.log(raw / low) / np.log(high / low), low, high
    return (raw - low) / (high - low), low, high
