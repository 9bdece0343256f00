"""Which arms can be told apart: all against all, seed by seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.average_ranks import Ranks, average_ranks
from analysis.improvement import improvement
from analysis.plotting import INK, Axis, Dots, Heatmap, Line, Panel, Scene, Style
from analysis.report.axes import row_height
from analysis.report.blocks import Block, Figure, Section, Text
from analysis.report.context import ReportContext

#: Arms of a view that a grid of pairs shows.
_MOST = 12


def section(material: ReportContext) -> Section:
    """Probability of improvement, and mean ranks with the critical difference."""
    if material.comparison.stage != "confirm":
        blocks: list[Block] = [Text("Not asked yet: arms are compared on confirm seeds alone.")]
    elif len(material.ranked) < 2:
        blocks = [Text("There is but one arm: nothing to tell it apart from.")]
    else:
        blocks = [_improvement(material), _ranks(material)]
    return Section("pairs", "Which arms can be told apart", blocks)


def _improvement(material: ReportContext) -> Figure:
    found = improvement(material.frame, material.arms)
    shown, said = material.shown(_MOST)
    panels, told = [], []
    for view, own in found.groupby("view", sort=False):
        here = [arm for arm in shown if (own["arm"] == arm).any()]
        at = {(r.arm, r.other): r for r in own.itertuples()}
        value = np.array([[at[a, b].estimate if a != b else np.nan for b in here] for a in here])
        text = [["" if a == b else _pair(at[a, b]) for b in here] for a in here]
        marks = [Heatmap(range(len(here)), range(len(here)), value, 0.0, 1.0, "P", told=text,
                       shown=[["" if v != v else f"{v:.2f}" for v in line] for line in value])]  # fmt: skip
        half = len(here) - 0.5
        panels.append(Panel(marks, Axis("than this one", names=here, low=-0.5, high=half),
                            Axis(names=here, low=-0.5, high=half, down=True), f"view: {view}"))  # fmt: skip
        told += [_pair(at[a, b]) for a, b in pairwise(here)][:4]
    return Figure(
        "improvement", "Probability of improvement",
        "How probable it is that a fresh seed of the arm on the left comes nearer the target than one of the arm "
        f"below: 1/2 where they cannot be told apart. Intervals are in the table. {said}".strip(),
        f"Probability that one arm comes nearer than another. {'; '.join(told)}.",
        Scene(panels, columns=1, height=150 + 44 * min(_MOST, max((len(p.y.names) for p in panels), default=1)),
              empty="" if panels else "No view has two arms."),
        found,
    )  # fmt: skip


def _pair(row: object) -> str:
    found = vars(row) if hasattr(row, "__dict__") else row._asdict()  # type: ignore[attr-defined]
    return (f"{found['arm']} nearer than {found['other']}: {found['estimate']:.2f} "
            f"[{found['low']:.2f}, {found['high']:.2f}]")  # fmt: skip


def _ranks(material: ReportContext) -> Figure:
    found = average_ranks(material.frame, material.arms)
    numbers = pd.DataFrame(
        [{"view": r.view, "arm": arm, "mean rank": rank, "seeds": r.seeds, "critical difference": r.critical_difference,
          "Friedman's p": r.friedman_p} for r in found for arm, rank in r.ranks.items()], dtype=object,
    )  # fmt: skip
    told = [
        f"view {r.view}, {r.seeds} seeds: critical difference {r.critical_difference:.2g}, Friedman's p "
        f"{r.friedman_p:.2g}; first {next(iter(r.ranks))}" for r in found
    ]  # fmt: skip
    most = max((len(r.ranks) for r in found), default=1)
    return Figure(
        "ranks", "Mean ranks and critical difference",
        "Symbol: an arm's mean rank over the seeds that all arms of its view share, 1 the nearest. Arms that one bar "
        "on the right spans are not told apart (Nemenyi, 95 %). " + "; ".join(told) + ".",
        f"Mean ranks of the arms. {'; '.join(told)}.",
        Scene([_rank_panel(material, r) for r in found], height=row_height(most),
              empty="" if found else "No view has three arms and two seeds that all of them share."),
        numbers,
    )  # fmt: skip


def _rank_panel(material: ReportContext, ranks: Ranks) -> Panel:
    arms = list(ranks.ranks)
    lines = {arm: i for i, arm in enumerate(arms)}
    marks: list[Dots | Line] = [
        Dots([rank], [lines[arm]], material.look(arm), size=10, strength=1, told=[f"{arm}: mean rank {rank:.2f}"])
        for arm, rank in ranks.ranks.items()
    ]
    step = max(len(arms), 3) / 40
    right = len(arms) + step
    for i, group in enumerate(ranks.groups):
        x = right + i * step
        marks.append(Line([x, x], [lines[group[0]] - 0.25, lines[group[-1]] + 0.25], Style(INK), width=4,
                          told=[f"not told apart: {', '.join(group)}"] * 2))  # fmt: skip
    high = right + (len(ranks.groups) + 0.5) * step
    y = Axis(names=arms, low=-0.6, high=len(arms) - 0.4, down=True)
    return Panel(marks, Axis("mean rank", low=0.8, high=high), y, f"view: {ranks.view}")
