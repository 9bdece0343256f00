"""Which searched settings decide how well an arm does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.importance import COLUMNS, importance
from analysis.plotting import Axis, Heatmap, Panel, Scene
from analysis.report.axes import row_height
from analysis.report.blocks import Figure, Section
from analysis.report.context import ReportContext


def section(material: ReportContext) -> Section:
    """The importance of each searched key, arm by arm."""
    return Section("importance", "Which settings matter", [_figure(material)])


def _figure(material: ReportContext) -> Figure:
    found, empty = _found(material)
    table = found.pivot(index="arm", columns="key", values="importance")
    arms, keys = [a for a in material.arms if a in table.index], [str(k) for k in table.columns]
    value = table.loc[arms].to_numpy(dtype=np.float64)
    told = [[f"{arm}: {key} {v:.0%}" for key, v in zip(keys, line, strict=True)]
            for arm, line in zip(arms, value, strict=True)]  # fmt: skip
    first = [max(line, key=lambda text: float(text.rsplit(" ", 1)[1].rstrip("%"))) for line in told]
    marks = [Heatmap(range(len(keys)), range(len(arms)), value, 0.0, 1.0, "share", told=told,
                   shown=[["" if np.isnan(v) else f"{v:.2f}" for v in line] for line in value])]  # fmt: skip
    panel = Panel(marks, Axis(names=keys, low=-0.5, high=len(keys) - 0.5),
                  Axis(names=arms, low=-0.5, high=len(arms) - 0.5, down=True))  # fmt: skip
    return Figure(
        "importance", "Importance of each searched setting",
        "Each setting's share in telling an arm's best tenth of trials from all of them (PED-ANOVA; Watanabe et al. "
        "2023); a line adds up to 1. It says what mattered within the space that was searched, not beyond.",
        f"Importance of the searched settings per arm. Most important: {'; '.join(first[:6]) or 'not known'}.",
        Scene([panel] if arms else [], height=row_height(len(arms)) + 60,
              empty="" if arms else empty),
        found,
    )  # fmt: skip


def _found(material: ReportContext) -> tuple[pd.DataFrame, str]:
    """The importances, and why there are none, should there be none."""
    try:
        found = importance(material.read.trials, material.description, material.arms)
    except ModuleNotFoundError as error:  # a report can be made where nothing is searched
        if error.name != "optuna":
            raise
        nothing = pd.DataFrame(columns=list(COLUMNS))
        return nothing, "Not computed: optuna is not installed here, whose evaluator tells which setting matters."
    return found, "Too few searched trials to tell which setting matters (20 an arm are needed)."
