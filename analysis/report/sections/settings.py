"""Budget and chosen setting of each arm, and the settings that all arms share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.blocks import Block, Bullets, Section, TableBlock, Text
from analysis.report.context import ReportContext
from analysis.report.tables import ABSENT, Table, cell
from harness.config import Train
from harness.store import HYPERPARAMETERS


def section(context: ReportContext) -> Section:
    """Budget and chosen setting of each arm."""
    table, shared, warnings = budget_table(context)
    blocks: list[Block] = [TableBlock("Budget and chosen setting per arm", table)]
    blocks += [Bullets(warnings, warning=True)] if warnings else []
    blocks.append(Text(f"Settings that all arms share: {shared}."))
    return Section("settings", "Hyper-parameters", blocks)


def budget_table(context: ReportContext) -> tuple[Table, str, tuple[str, ...]]:
    """Budget and chosen setting per arm, the settings that all share, and a warning where budgets differ."""
    trials, searched = context.read.trials, _search_members(context)
    budgets, settings = {}, {}
    for arm in context.arms:
        rows = context.groups.get(arm, context.selection.frame.iloc[:0])
        confirmed = int(rows["seed"].nunique()) if context.comparison.stage == "confirm" else 0
        budgets[arm] = (int((trials["arm"] == arm).sum()), searched.get(arm, 0), confirmed)
        settings[arm] = {n: cell(_first_known(rows, n)) for n in ("trial", *HYPERPARAMETERS)}
        settings[arm]["parameters"] = _loss_parameters(rows)
    differing = [n for n in HYPERPARAMETERS if len({s[n] for s in settings.values()}) > 1]
    columns = ("arm", "trials", "search members", "confirm seeds", "chosen trial", "its loss parameters", *differing)
    shown = ("trial", "parameters", *differing)
    lines = tuple((arm, *map(str, budgets[arm]), *(settings[arm][n] for n in shown)) for arm in budgets)
    equal = len({budget[:2] for budget in budgets.values()}) <= 1
    warnings = () if equal else ("The arms were not searched equally; see the budget table.",)
    return Table(columns, lines), _shared_text(next(iter(settings.values()), {}), differing), warnings


def _search_members(context: ReportContext) -> dict[str, int]:
    """Members of the search by arm, including those that pruning left untrained."""
    table = context.read.diagnoses
    return {str(a): int(n) for a, n in table[table["stage"] == "search"].groupby("arm")["members"].sum().items()}


def _shared_text(setting: Mapping[str, str], differing: Sequence[str]) -> str:
    """Settings that are the same in all arms and not at their defaults: there are dozens of those."""
    default = Train().model_dump(mode="json")
    shared = {n: v for n, v in setting.items() if n in default and n not in differing and v != cell(default[n])}
    recorded = [f"{n} {v}" for n, v in shared.items() if v != ABSENT]
    absent = [n for n, v in shared.items() if v == ABSENT]
    parts = [", ".join(recorded) or "none but defaults"] + [f"not recorded: {', '.join(absent)}"] * bool(absent)
    return f"{'; '.join(parts)}. Settings not named here are at their defaults"


def _loss_parameters(rows: pd.DataFrame) -> str:
    """The variant's own parameters in the chosen trial: where they were searched, the arm's name has the default."""
    params = rows["loss_params"].iloc[0] if len(rows) else None
    return ", ".join(f"{k} {v:.4g}" for k, v in params.items()) if isinstance(params, Mapping) and params else ABSENT


def _first_known(rows: pd.DataFrame, name: str) -> Any:
    known = rows[name].dropna()
    return known.iloc[0] if len(known) else None
