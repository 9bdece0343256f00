"""Hyper-parameter importance: the searched settings that decide how near an arm comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from analysis.plotting import Axis, Heatmap, Panel, Scene
from analysis.report.axes import row_height
from analysis.report.blocks import Figure, Section
from analysis.report.context import ReportContext
from analysis.rows import search_space
from harness.config import Range

#: Trials of an arm that are evaluated, taken evenly: more do not change the result.
MAX_TRIALS = 600
COLUMNS = ("arm", "key", "importance", "trials")


def section(context: ReportContext) -> Section:
    """Importance of each searched setting, arm by arm."""
    return Section("importance", "Which settings matter", [_figure(context)])


def importance(trials: pd.DataFrame, description: Mapping[str, Any], arms: Sequence[str] = ()) -> pd.DataFrame:
    """Each searched key's share in telling an arm's best tenth of trials from all of them (``search.importance``).

    Columns: arm, key, importance (adds up to 1 within an arm), trials (that were evaluated). Pruned trials and values
    outside the search space are left out. An arm with too few trials, or with equal scores, has no row.
    """
    from harness.search.importance import importances  # loads optuna

    ranges = search_ranges(description)
    rows = []
    for arm in arms or list(dict.fromkeys(trials["arm"])):
        scored = trials[(trials["arm"] == arm) & ~trials["pruned"].astype(bool) & trials["score"].notna()]
        keys = [key for key in ranges if key in scored and scored[key].notna().any()]
        chosen = _evenly(_inside(scored, {key: ranges[key] for key in keys}), MAX_TRIALS)
        settings = [
            {k: int(v) if ranges[k].integer else float(v) for k, v in zip(keys, values, strict=True)}
            for values in chosen[keys].itertuples(index=False, name=None)
        ]
        shares = importances({k: ranges[k] for k in keys}, settings, chosen["score"].tolist())
        rows += [(arm, key, share, len(chosen)) for key, share in sorted(shares.items(), key=lambda item: -item[1])]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def search_ranges(description: Mapping[str, Any]) -> dict[str, Range]:
    """The search space in ``sweep.json``, without keys that this version cannot read."""
    ranges: dict[str, Range] = {}
    for key, value in sorted(search_space(description).items()):
        try:
            ranges[str(key)] = Range.model_validate(value)
        except ValidationError:
            continue
    return ranges


def _inside(trials: pd.DataFrame, ranges: Mapping[str, Range]) -> pd.DataFrame:
    """Trials whose settings all lie within their ranges; none where there is no range."""
    if not ranges:
        return trials.iloc[:0]
    return trials[np.logical_and.reduce([trials[key].map(lambda v, r=r: v in r) for key, r in ranges.items()])]


def _evenly(trials: pd.DataFrame, most: int) -> pd.DataFrame:
    if trials.empty:
        return trials
    return trials.iloc[np.unique(np.linspace(0, len(trials) - 1, min(len(trials), most)).astype(int))]


def _figure(context: ReportContext) -> Figure:
    numbers, reason = _importance_or_reason(context)
    table = numbers.pivot(index="arm", columns="key", values="importance")
    arms, keys = [a for a in context.arms if a in table.index], [str(k) for k in table.columns]
    shares = table.loc[arms].to_numpy(dtype=np.float64)
    hover = [[f"{arm}: {key} {share:.0%}" for key, share in zip(keys, row, strict=True)]
             for arm, row in zip(arms, shares, strict=True)]  # fmt: skip
    first = [max(row, key=lambda text: float(text.rsplit(" ", 1)[1].rstrip("%"))) for row in hover]
    heatmap = Heatmap(range(len(keys)), range(len(arms)), shares, 0.0, high=1.0, label="share", hover=hover,
                      shown=[["" if np.isnan(v) else f"{v:.2f}" for v in row] for row in shares])  # fmt: skip
    panel = Panel([heatmap], Axis(names=keys, low=-0.5, high=len(keys) - 0.5),
                  Axis(names=arms, low=-0.5, high=len(arms) - 0.5, down=True))  # fmt: skip
    return Figure(
        name="importance",
        heading="Importance of each searched setting",
        caption="Each setting's share in telling an arm's best tenth of trials from all of them (PED-ANOVA; Watanabe "
        "et al. 2023). A row adds up to 1. It tells what mattered within the space that was searched, not beyond.",
        alt=f"Importance of the searched settings per arm. Most important: {'; '.join(first[:6]) or 'not known'}.",
        scene=Scene([panel] if arms else [], height=row_height(len(arms)) + 60, empty="" if arms else reason),
        numbers=numbers,
    )


def _importance_or_reason(context: ReportContext) -> tuple[pd.DataFrame, str]:
    """The importances, and the reason to give where there are none."""
    try:
        table = importance(context.read.trials, context.description, context.arms)
    except ModuleNotFoundError as error:  # a report can be written where nothing is searched
        if error.name != "optuna":
            raise
        return pd.DataFrame(
            columns=list(COLUMNS)
        ), "Not computed: optuna, which evaluates importance, is not installed."
    return table, "Too few searched trials to tell which setting matters (20 an arm are needed)."
