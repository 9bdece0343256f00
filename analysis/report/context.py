"""The input of a report's sections: one sweep's description, rows, comparison and styles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.comparison import ArmResult, Comparison, compare_described
from analysis.load import SweepData
from analysis.plotting import Style, styles_of
from analysis.rows import Selection, arms_of, select, spec_of, target_of
from harness.data.target import Target

#: The least distance that a logarithmic axis shows.
LOWEST = 1e-5
#: Arms that a figure with a panel each draws, and lines that one panel can hold and still be read.
MAX_PANELS, MAX_LINES = 9, 8


@dataclass(frozen=True)
class ReportContext:
    """One sweep as its report sees it."""

    read: SweepData
    comparison: Comparison
    styles: Mapping[str, Style]
    prefix: str = ""  # of figures' names, where a page has several sweeps

    @property
    def description(self) -> Mapping[str, Any]:
        """The contents of ``sweep.json``."""
        return self.read.description

    @property
    def frame(self) -> pd.DataFrame:
        """The committed rows that can be compared, all columns."""
        return self.read.frame

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The spec in ``sweep.json``; empty where it is missing."""
        return spec_of(self.description)

    @cached_property
    def name(self) -> str:
        """The sweep's name, or words that say it has none."""
        name = self.spec.get("name") or self.description.get("name")
        return name if isinstance(name, str) and name.strip() else "A sweep without a name"

    @cached_property
    def target(self) -> Target | None:
        """The target; None where this version does not know it."""
        return target_of(self.description)

    @cached_property
    def selection(self) -> Selection:
        """The members that are compared."""
        return select(self.frame)

    @cached_property
    def groups(self) -> dict[str, pd.DataFrame]:
        """The compared members by arm."""
        return {str(arm): rows for arm, rows in self.selection.frame.groupby("arm", sort=False)}

    @property
    def ranked(self) -> list[ArmResult]:
        """Arms with rows, nearest first."""
        return [arm for arm in self.comparison.arms if arm.n]

    @property
    def arms(self) -> list[str]:
        """Names of all arms, nearest first, those without rows last."""
        return [arm.arm for arm in self.comparison.arms]

    def style(self, arm: str) -> Style:
        """The style in which an arm is drawn."""
        return self.styles[arm]

    def shown(self, most: int = MAX_PANELS) -> tuple[list[str], str]:
        """Arms that get a panel of their own, by rank, and a sentence where some do not.

        The nearest, each view's baseline, and the farthest.
        """
        names = [a.arm for a in self.ranked]
        if len(names) <= most:
            return names, ""
        baselines = [arm for arm in self.comparison.baselines.values() if arm in names]
        chosen = list(dict.fromkeys([*baselines[: most - 2], names[-1], *names]))[:most]
        note = f"Of {len(names)} arms with rows {most} are drawn: the nearest, the baselines, and the farthest."
        return [n for n in names if n in chosen], note


def report_context(read: SweepData, styles: Mapping[str, Style] | None = None, prefix: str = "") -> ReportContext:
    """The context of one sweep. ``styles``: those of a page with several sweeps; an arm has one style on all of it."""
    comparison = compare_described(read.description, read.frame, read.remarks)
    return ReportContext(read, comparison, styles_of(arm_names([read])) if styles is None else styles, prefix)


def arm_names(reads: Iterable[SweepData]) -> list[str]:
    """Arms of all sweeps in the order of their experiment files, then those that only rows have."""
    sweeps = list(reads)
    declared = [str(a["arm"]) for read in sweeps for a in arms_of(read.description)]
    tables = [table for read in sweeps for table in (read.frame, read.trials, read.diagnoses)]
    in_rows = {str(arm) for table in tables for arm in table["arm"].dropna().unique()}
    return list(dict.fromkeys([*declared, *sorted(in_rows)]))
