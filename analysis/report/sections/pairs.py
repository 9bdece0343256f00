"""All arms against all: probability of improvement, and mean ranks with their critical difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import LEVEL, probability_of_improvement
from analysis.plotting import INK, Axis, Dots, Heatmap, Line, Panel, Scene, Style
from analysis.report.axes import row_height
from analysis.report.blocks import Block, Figure, Section, Text
from analysis.report.context import ReportContext
from analysis.rows import by_seed, select, views_of

#: Arms of a view that a grid of pairs shows.
_MAX_ARMS = 12
IMPROVEMENT_COLUMNS = ("arm", "other", "view", "seeds", "estimate", "low", "high")


def section(context: ReportContext) -> Section:
    """Probability of improvement of every pair of arms, and mean ranks."""
    if context.comparison.stage != "confirm":
        blocks: list[Block] = [Text("Not asked yet: arms are compared on confirm seeds alone.")]
    elif len(context.ranked) < 2:
        blocks = [Text("There is only one arm, and nothing to compare it with.")]
    else:
        blocks = [_improvement_figure(context), _rank_figure(context)]
    return Section("pairs", "Which arms can be told apart", blocks)


def improvement(frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """``probability_of_improvement`` of every arm over every other of its view; a row per ordered pair.

    Columns: arm, other, view, seeds (of the arm), estimate, low, high; the ends are NaN where an arm has one seed.
    """
    rows = select(frame).frame
    scores = by_seed(rows)
    pairs = []
    for view, view_arms in views_of(rows, arms).items():
        for arm, other in permutations(view_arms, 2):
            seeds = int(scores[arm].notna().sum())
            interval = probability_of_improvement(scores[arm].to_numpy(), scores[other].to_numpy())
            pairs.append((arm, other, view, seeds, *interval))
    return pd.DataFrame(pairs, columns=list(IMPROVEMENT_COLUMNS))


@dataclass(frozen=True)
class Ranks:
    """The arms of one view by mean rank; 1 is the nearest.

    ``ranks``: arm -> mean rank over ``seeds`` seeds, ascending. ``friedman_p``: p-value of the hypothesis that all arms
    are alike. ``groups``: the longest runs of arms in which no two differ by ``critical_difference`` or more; an arm
    that differs from both its neighbours is in none.
    """

    view: str
    seeds: int
    ranks: dict[str, float]
    friedman_p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def average_ranks(frame: pd.DataFrame, arms: Sequence[str] = ()) -> tuple[Ranks, ...]:
    """``Ranks`` of each view with at least three arms that share at least two seeds."""
    rows = select(frame).frame
    scores = by_seed(rows)
    shared = {view: scores[view_arms].dropna() for view, view_arms in views_of(rows, arms).items()}
    return tuple(ranked(view, table) for view, table in shared.items() if table.shape[1] >= 3 and len(table) >= 2)


def ranked(view: str, scores: pd.DataFrame) -> Ranks:
    """The arms, columns of ``scores`` (a row per seed, none missing), ranked on each seed; ties share their mean rank.

    Friedman (1937), corrected for ties. Two mean ranks differ if they are at least
    q sqrt(k (k + 1)/(6 N)) apart, q the 95 % quantile of the studentised range of k means over sqrt(2) (Nemenyi 1963;
    Demsar 2006, sec. 3.2.2).
    """
    seeds, k = scores.shape
    means = scores.rank(axis=1).mean().sort_values(kind="stable")
    all_tied = bool((scores.nunique(axis=1) == 1).all())
    p = 1.0 if all_tied else float(stats.friedmanchisquare(*(scores[arm] for arm in scores)).pvalue)
    difference = critical_difference(k, seeds)
    return Ranks(
        view=view,
        seeds=seeds,
        ranks={str(a): float(r) for a, r in means.items()},
        friedman_p=p,
        critical_difference=difference,
        groups=_groups(means, difference),
    )


def critical_difference(arms: int, seeds: int) -> float:
    """Nemenyi's critical difference of mean ranks at 95 %."""
    q = float(stats.studentized_range.ppf(LEVEL, arms, math.inf)) / math.sqrt(2)
    return q * math.sqrt(arms * (arms + 1) / (6 * seeds))


def _groups(means: pd.Series[float], difference: float) -> tuple[tuple[str, ...], ...]:
    names, values = [str(a) for a in means.index], means.to_numpy()
    spans: list[tuple[int, int]] = []
    for start in range(len(names)):
        end = int(np.searchsorted(values, values[start] + difference, side="left"))
        if end - start > 1 and (not spans or end > spans[-1][1]):
            spans.append((start, end))
    return tuple(tuple(names[start:end]) for start, end in spans)


def _improvement_figure(context: ReportContext) -> Figure:
    table = improvement(context.frame, context.arms)
    shown, note = context.shown(_MAX_ARMS)
    panels, examples = [], []
    for view, rows in table.groupby("view", sort=False):
        arms = [arm for arm in shown if (rows["arm"] == arm).any()]
        pairs = {(row["arm"], row["other"]): row for row in rows.to_dict("records")}
        value = np.array([[pairs[a, b]["estimate"] if a != b else np.nan for b in arms] for a in arms])
        hover = [["" if a == b else _pair_text(pairs[a, b]) for b in arms] for a in arms]
        heatmap = Heatmap(range(len(arms)), range(len(arms)), value, 0.0, high=1.0, label="P", hover=hover,
                          shown=[["" if v != v else f"{v:.2f}" for v in row] for row in value])  # fmt: skip
        end = len(arms) - 0.5
        panels.append(Panel([heatmap], Axis("than this one", names=arms, low=-0.5, high=end),
                            Axis(names=arms, low=-0.5, high=end, down=True), f"view: {view}"))  # fmt: skip
        examples += [_pair_text(pairs[a, b]) for a, b in pairwise(arms)][:4]
    return Figure(
        name="improvement",
        heading="Probability of improvement",
        caption="Probability that a fresh seed of the arm on the left comes nearer the target than a fresh seed of the "
        f"arm below: 1/2 where they cannot be told apart. Intervals are in the table. {note}".strip(),
        alt=f"Probability that one arm comes nearer than another. {'; '.join(examples)}.",
        scene=Scene(
            panels,
            columns=1,
            height=150 + 44 * min(_MAX_ARMS, max((len(p.y.names) for p in panels), default=1)),
            empty="" if panels else "No view has two arms.",
        ),
        numbers=table,
    )


def _pair_text(row: dict[Any, Any]) -> str:
    return f"{row['arm']} nearer than {row['other']}: {row['estimate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _rank_figure(context: ReportContext) -> Figure:
    views = average_ranks(context.frame, context.arms)
    numbers = pd.DataFrame(
        [{"view": v.view, "arm": arm, "mean rank": rank, "seeds": v.seeds, "critical difference": v.critical_difference,
          "Friedman's p": v.friedman_p} for v in views for arm, rank in v.ranks.items()], dtype=object,
    )  # fmt: skip
    summaries = "; ".join(
        f"view {v.view}, {v.seeds} seeds: critical difference {v.critical_difference:.2g}, Friedman's p "
        f"{v.friedman_p:.2g}; first {next(iter(v.ranks))}" for v in views
    )  # fmt: skip
    most = max((len(v.ranks) for v in views), default=1)
    return Figure(
        name="ranks",
        heading="Mean ranks and critical difference",
        caption="Symbol: an arm's mean rank over the seeds that all arms of its view share; 1 is the nearest. A bar on "
        f"the right spans arms that cannot be told apart (Nemenyi, 95 %). {summaries}.",
        alt=f"Mean ranks of the arms. {summaries}.",
        scene=Scene(
            [_rank_panel(context, v) for v in views],
            height=row_height(most),
            empty="" if views else "No view has three arms that share two seeds.",
        ),
        numbers=numbers,
    )


def _rank_panel(context: ReportContext, ranks: Ranks) -> Panel:
    arms = list(ranks.ranks)
    rows = {arm: i for i, arm in enumerate(arms)}
    marks: list[Dots | Line] = [
        Dots([rank], [rows[arm]], context.style(arm), size=10, strength=1, hover=[f"{arm}: mean rank {rank:.2f}"])
        for arm, rank in ranks.ranks.items()
    ]
    step = max(len(arms), 3) / 40
    right = len(arms) + step
    for i, group in enumerate(ranks.groups):
        x = right + i * step
        marks.append(Line([x, x], [rows[group[0]] - 0.25, rows[group[-1]] + 0.25], Style(INK), width=4,
                          hover=[f"not told apart: {', '.join(group)}"] * 2))  # fmt: skip
    high = right + (len(ranks.groups) + 0.5) * step
    y = Axis(names=arms, low=-0.6, high=len(arms) - 0.4, down=True)
    return Panel(marks, Axis("mean rank", low=0.8, high=high), y, f"view: {ranks.view}")
