"""Budget curves: how near an arm comes to the target after k trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from analysis.intervals import LEVEL
from analysis.plotting import Axis, Band, Line, Mark, Panel, Scene, Style
from analysis.report.axes import extent, panel_arms
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext

Float64 = NDArray[np.float64]
COLUMNS = ("arm", "trials", "expected", "low", "high", "in_order", "held_out")
RESAMPLES, _BATCH = 400, 50
#: Draws of an arm's trials over all resamples. From 5,000 trials on there are fewer resamples, but at least 100.
_MAX_DRAWS = 2_000_000
#: Numbers that the figure may hold.
_MAX_POINTS = 4500


def section(context: ReportContext) -> Section:
    """Expected KS of an arm's best trial as its budget grows."""
    return Section("budget", "What more trials would buy", [_figure(context)])


def budget_curves(trials: pd.DataFrame, points: int = 40, rng_seed: int = 0) -> pd.DataFrame:
    """Expected KS of the best of k trials, for up to ``points`` values of k in equal ratios, from ``SweepData.trials``.

    The best trial is chosen by the mean KS of half of its seeds and judged by the other half, both ways averaged: a
    trial that is chosen because its seeds were lucky gains nothing. A trial with one seed is chosen and judged by that
    seed (``held_out`` is then false, and the curve too good). Columns: arm; trials (k); expected, the mean over all
    sets of k of the arm's trials (``best_of_k_weights``); low and high, its 95 % bootstrap band over trials; in_order,
    the best of the first k trials in the order of the search. Sets of k are a fair budget where trials are drawn at
    random or by Sobol; for a sampler that learns, read in_order.
    """
    parts = []
    for arm, rows in trials.groupby("arm", sort=False):
        ordered = rows.sort_values("trial")
        first, second = (ordered[name].to_numpy(np.float64) for name in ("half_a", "half_b"))
        has_second = ~np.isnan(second)
        second = np.where(has_second, second, first)
        sizes = np.unique(np.geomspace(1, len(rows), points).round().astype(np.intp))
        pruned = ordered["pruned"].to_numpy(bool)
        curves = [_curve(a, b, pruned, sizes, rng_seed) for a, b in ((first, second), (second, first))]
        expected, low, high, in_order = np.mean(curves, axis=0)
        parts.append(
            pd.DataFrame(
                {"arm": arm, "trials": sizes, "expected": expected, "low": low, "high": high, "in_order": in_order,
                 "held_out": bool(has_second.all())}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def best_of_k_weights(count: int, sizes: NDArray[np.intp]) -> Float64:
    """Probability (sizes, count) that the i-th best of ``count`` trials is the best of k drawn without replacement.

    C(count - i, k - 1)/C(count, k): what Dodge et al. (2019) estimate with replacement, without its bias (Tang et al.
    2020, eq. 5).
    """
    behind, k = count - np.arange(1, count + 1), sizes[:, None].astype(np.float64)
    possible = behind >= k - 1
    with np.errstate(all="ignore"):
        ways = gammaln(behind + 1) - gammaln(k) - gammaln(np.maximum(behind - k + 2, 1))
        total = gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1)
        return np.where(possible, np.exp(ways - total), 0.0)


def _curve(
    choose: Float64, judge: Float64, pruned: NDArray[np.bool_], sizes: NDArray[np.intp], rng_seed: int
) -> Float64:
    """Expected, low, high and in_order (4, sizes). Pruned trials rank behind all others."""
    count = choose.size
    order = np.lexsort((np.arange(count), choose, pruned))
    judged, weights = judge[order], best_of_k_weights(count, sizes)
    rng = np.random.default_rng(rng_seed)
    # A resample stays sorted if each trial is repeated as often as it is drawn; a batch is one product of matrices.
    means = [
        weights @ np.stack([np.repeat(judged, np.bincount(rng.integers(0, count, count), minlength=count))
                            for _ in range(_BATCH)]).T
        for _ in range(int(np.clip(_MAX_DRAWS // (count * _BATCH), 2, RESAMPLES // _BATCH)))
    ]  # fmt: skip
    low, high = np.quantile(np.concatenate(means, axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    ranks = np.empty(count, np.intp)
    ranks[order] = np.arange(count)
    best_so_far = judged[np.minimum.accumulate(ranks)]
    return np.stack([weights @ judged, low, high, best_so_far[sizes - 1]])


def _figure(context: ReportContext) -> Figure:
    trials = context.read.trials
    count = max(int(trials["arm"].nunique()), 1)
    table = budget_curves(trials, points=int(np.clip(_MAX_POINTS // (2 * count), 8, 40)))
    curves = {str(arm): rows for arm, rows in table.groupby("arm", sort=False)}
    low, high = extent([*table["low"].to_numpy(float), *table["high"].to_numpy(float)], LOWEST)
    most = int(table["trials"].max()) if len(table) else 1
    x = (
        Axis("trials of a search", log=True, low=0.9, high=1.1 * most)
        if most > 12
        else Axis("trials of a search", low=None, high=None)
    )
    y = Axis("expected KS of the best", log=True, low=low, high=high)
    panels = []
    for heading, arms in panel_arms(context, [a for a in context.arms if a in curves]):
        marks = [mark for arm in arms for mark in _curve_marks(arm, curves[arm], context.style(arm))]
        panels.append(Panel(marks, x, y, heading))
    last = [f"{arm} {curve['expected'].iloc[-1]:.3g} after {curve['trials'].iloc[-1]}" for arm, curve in curves.items()]
    held_out = bool(table["held_out"].all()) if len(table) else True
    return Figure(
        name="budget",
        heading="Expected best KS after k trials",
        caption="The best of k trials drawn from those of the search, chosen by half of its seeds and judged by the "
        "other half. Bands: 95 % bootstrap over trials. The table also has the best so far in the order of the search."
        + (
            ""
            if held_out
            else " Trials with one seed are judged by the seed that chose them, so their curves are too good."
        ),
        alt=f"Expected KS of the best of k trials, a line per arm: {'; '.join(last[:6]) or 'no trials'}.",
        scene=Scene(
            panels,
            {a: context.style(a) for a in context.arms if a in curves},
            columns=2 if len(panels) > 1 else 1,
            height=360,
            empty="" if panels else "No searched trials are committed.",
        ),
        numbers=table,
    )


def _curve_marks(arm: str, curve: pd.DataFrame, style: Style) -> list[Mark]:
    k, expected, low, high = (curve[c].to_numpy(np.float64) for c in ("trials", "expected", "low", "high"))
    hover = [f"{arm}: the best of {n:.0f} trials, KS {v:.3g} [{a:.2g}, {b:.2g}]"
             for n, v, a, b in zip(k, expected, low, high, strict=True)]  # fmt: skip
    line = style if len(k) <= 12 else Style(style.colour, "", style.dash)
    return [
        Band(k, low.clip(LOWEST), high.clip(LOWEST), style, key=arm, strength=0.12),
        Line(k, expected.clip(LOWEST), line, arm, hover=hover),
    ]
