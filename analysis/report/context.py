"""What the sections of a report read: one sweep's description, rows, comparison and looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.comparison import ArmResult, Comparison, compare_described
from analysis.load import Read
from analysis.plotting import Style, looks_of
from analysis.rows import Selection, arms_of, select, spec_of, target_of
from harness.data.target import Target

#: Score samples of a member (``harness.engines.generate``), which set the noise floor.
DRAWS = 10_000
#: The least distance that a logarithmic axis shows.
LOWEST = 1e-5
#: Arms that a figure with panels of their own draws, and lines that one panel can hold and still be read.
MOST_PANELS, MOST_LINES = 9, 8


@dataclass(frozen=True)
class ReportContext:
    """One sweep as its report sees it."""

    read: Read
    comparison: Comparison
    looks: Mapping[str, Style]
    prefix: str = ""  # of figures' names, where a page has several sweeps

    @property
    def description(self) -> Mapping[str, Any]:
        """What ``sweep.json`` says."""
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
        told = self.spec.get("name") or self.description.get("name")
        return told if isinstance(told, str) and told.strip() else "A sweep without a name"

    @cached_property
    def target(self) -> Target | None:
        """What was to be learned; None where this program does not know it."""
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

    def look(self, arm: str) -> Style:
        """How an arm is drawn."""
        return self.looks[arm]

    def shown(self, most: int = MOST_PANELS) -> tuple[list[str], str]:
        """Arms that get a panel of their own, by rank, and a sentence where some do not.

        The nearest, each view's baseline, and the farthest.
        """
        names = [a.arm for a in self.ranked]
        if len(names) <= most:
            return names, ""
        bases = [arm for arm in self.comparison.baselines.values() if arm in names]
        kept = list(dict.fromkeys([*bases[: most - 2], names[-1], *names]))[:most]
        said = f"Of {len(names)} arms with rows {most} are drawn: the nearest, the baselines, and the farthest."
        return [n for n in names if n in kept], said


def material_of(read: Read, looks: Mapping[str, Style] | None = None, prefix: str = "") -> ReportContext:
    """The material of one sweep. ``looks``: those of a page with several sweeps; an arm keeps its look by its name."""
    comparison = compare_described(read.description, read.frame, read.remarks)
    return ReportContext(read, comparison, looks_of(names_of([read])) if looks is None else looks, prefix)


def names_of(reads: Iterable[Read]) -> list[str]:
    """Arms of all sweeps in the order in which the experiment files have them, then those that only rows know."""
    known = list(reads)
    declared = [str(a["arm"]) for read in known for a in arms_of(read.description)]
    tables = [table for read in known for table in (read.frame, read.trials, read.diagnoses)]
    return list(
        dict.fromkeys([*declared, *sorted({str(a) for table in tables for a in table["arm"].dropna().unique()})])
    )
