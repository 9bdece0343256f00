"""What became of the members, in one word each, and where perfect losses hide wrong samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.deceptive import deceptive
from analysis.plotting import FAINT, INK, QUIET, Axis, Bars, Panel, Scene, Style
from analysis.report.axes import row_height
from analysis.report.blocks import Block, Bullets, Facts, Figure, Lines, Section, Text
from analysis.report.context import ReportContext
from analysis.report.tables import table_of
from harness.metrics.diagnosis import DIAGNOSES

#: From what is good to what is lost; a diagnosis that is not here is drawn in the colour of what stands back.
LOOKS: Mapping[str, Style] = {
    "converged": Style("c2"), "ringing": Style("c4"), "offset": Style("c5"), "wrong shape": Style("c3"),
    "collapsed": Style("c0"), "runaway": Style("c1"), "dead": Style(QUIET), "diverged": Style(INK),
    "failed": Style("s1"), "pruned": Style(FAINT),
}  # fmt: skip


def section(material: ReportContext) -> Section:
    """Counts per arm, and what the words mean."""
    stage = "confirm" if material.comparison.stage == "confirm" else "search"
    told = material.read.diagnoses
    counts = told[told["stage"] == stage].groupby(["arm", "diagnosis"])["members"].sum().unstack(fill_value=0)
    known = [d for d in (*LOOKS, *DIAGNOSES) if d in counts.columns]
    counts = counts[list(dict.fromkeys(known))]
    blocks: list[Block] = [_figure(material, counts, stage)]
    if known:
        blocks.append(Facts([(word, DIAGNOSES[word]) for word in dict.fromkeys(known)]))
    blocks += _deceptive(material)
    return Section("diagnosis", "What became of them", blocks)


def _deceptive(material: ReportContext) -> list[Block]:
    """Members whose losses look perfect and whose samples are wrong."""
    found = deceptive(material.frame, material.comparison.success_ks)
    seeds = len(material.selection.frame)
    if found.empty:
        text = (
            f"Losses that look perfect over wrong samples: none of {seeds} compared members has both players' losses "
            "at their equilibrium values while its KS is three times the success threshold or more."
        )
        return [Text(text)]
    several = found.groupby("arm").size().sort_values(ascending=False)
    counts = ", ".join(f"{n} of {arm}" for arm, n in several.items())
    table = found.rename(columns={"ks": "KS", "loss_d": "loss D", "ideal_d": "ideal D", "loss_g": "loss G",
                                  "ideal_g": "ideal G"})[
        ["arm", "seed", "KS", "loss D", "ideal D", "loss G", "ideal G"]]  # fmt: skip
    warning = (
        f"The losses look perfect, the samples are wrong: {len(found)} of {seeds} compared members ({counts}). Both "
        "players' late losses are what they would be if generated and real law agreed, and KS says that they do not."
    )
    label = "Members whose losses look perfect while their samples are wrong"
    return [Bullets([warning], warning=True, label="Losses that deceive"), Lines(label, table_of(table), numbers=found,
                                                                                 name="deceptive")]  # fmt: skip


def _figure(material: ReportContext, counts: pd.DataFrame, stage: str) -> Figure:
    arms = [arm for arm in material.arms if arm in counts.index]
    counts = counts.loc[arms]
    sums = counts.sum(axis=1)
    shares = counts.div(sums, axis=0)
    starts = shares.cumsum(axis=1) - shares
    lines = np.arange(len(arms), dtype=np.float64)
    marks = [
        Bars(
            lines, starts[word].to_numpy(), shares[word].to_numpy(), LOOKS.get(word, Style(QUIET)), word,
            told=[f"{arm}: {n} of {of} {word}" for arm, n, of in zip(arms, counts[word], sums, strict=True)],
        )
        for word in counts.columns
    ]  # fmt: skip
    panel = Panel(
        marks, Axis(f"share of the {stage} members", low=0.0, high=1.0),
        Axis(names=arms, low=-0.6, high=len(arms) - 0.4, down=True),
    )  # fmt: skip
    told = [f"{arm}: " + ", ".join(f"{n} {word!s}" for word, n in counts.loc[arm].items() if n) for arm in arms[:5]]
    return Figure(
        "diagnosis", f"Diagnoses of the {stage} members",
        "Each member's diagnosis is the first rule that holds, from its scores and its path, never from its losses.",
        f"Stacked bars of diagnoses per arm. {'; '.join(told)}.",
        Scene([panel] if arms else [], {w: LOOKS.get(w, Style(QUIET)) for w in counts.columns},
              height=row_height(len(arms)), empty="" if arms else "No member was diagnosed."),
        counts.reset_index().rename_axis(columns=None),
    )  # fmt: skip
