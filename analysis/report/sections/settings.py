"""What each arm was given, what was searched, and where in the search the small distances lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.arms_table import ABSENT
from analysis.report.blocks import Block, Bullets, Lines, Section, Text
from analysis.report.context import ReportContext
from analysis.report.tables import Table, cell
from harness.config import Train
from harness.store import HYPERPARAMETERS


def section(material: ReportContext) -> Section:
    """The budget table, and the figures of the search."""
    table, shared, uneven = budget(material)
    blocks: list[Block] = [Lines("Budget and chosen setting per arm", table)]
    blocks += [Bullets(uneven, warning=True)] if uneven else []
    blocks.append(Text(f"Settings that all arms share: {shared}."))
    return Section("settings", "Hyper-parameters", blocks)


def budget(material: ReportContext) -> tuple[Table, str, tuple[str, ...]]:
    """What each arm was given, the settings that all share, and a remark where arms were not searched equally."""
    trials, counts = material.read.trials, _members(material)
    given, settings = {}, {}
    for arm in material.arms:
        own = material.groups.get(arm, material.selection.frame.iloc[:0])
        fresh = int(own["seed"].nunique()) if material.comparison.stage == "confirm" else 0
        given[arm] = (int((trials["arm"] == arm).sum()), counts.get(arm, 0), fresh)
        found = {n: cell(_one(own, n)) for n in ("trial", *HYPERPARAMETERS)}
        settings[arm] = found | {"parameters": _parameters(own)}
    shown = [n for n in HYPERPARAMETERS if len({s[n] for s in settings.values()}) > 1]
    lines = tuple((a, *map(str, given[a]), *(settings[a][n] for n in ("trial", "parameters", *shown))) for a in given)
    columns = ("arm", "trials", "search members", "confirm seeds", "chosen trial", "its loss parameters", *shown)
    uneven = len({c[:2] for c in given.values()}) > 1
    remarks = ("The arms were not searched equally; see the budget table.",) if uneven else ()
    return Table(columns, lines), _shared(next(iter(settings.values()), {}), shown), remarks


def _members(material: ReportContext) -> dict[str, int]:
    """Members of the search by arm, those that pruning spared among them."""
    told = material.read.diagnoses
    return {str(a): int(n) for a, n in told[told["stage"] == "search"].groupby("arm")["members"].sum().items()}


def _shared(setting: Mapping[str, str], shown: Sequence[str]) -> str:
    """The settings that are the same in all arms, but for those at their default: there are dozens."""
    default = Train().model_dump(mode="json")
    same = {n: v for n, v in setting.items() if n in default and n not in shown and v != cell(default[n])}
    told = [f"{n} {v}" for n, v in same.items() if v != ABSENT]
    absent = [n for n, v in same.items() if v == ABSENT]
    parts = [", ".join(told) or "none but defaults"] + [f"not recorded: {', '.join(absent)}"] * bool(absent)
    return f"{'; '.join(parts)}. Settings not named here are at their defaults"


def _parameters(rows: pd.DataFrame) -> str:
    """The variant's own parameters in the chosen trial: where they were searched, the arm's name has the default."""
    told = rows["loss_params"].iloc[0] if len(rows) else None
    return ", ".join(f"{k} {v:.4g}" for k, v in told.items()) if isinstance(told, Mapping) and told else ABSENT


def _one(rows: pd.DataFrame, name: str) -> Any:
    known = rows[name].dropna()
    return known.iloc[0] if len(known) else None
