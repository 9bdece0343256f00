"""Diagnoses of the members, and members whose losses look perfect while their samples are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.plotting import FAINT, INK, QUIET, Axis, Bars, Panel, Scene, Style
from analysis.report.axes import row_height
from analysis.report.blocks import Block, Bullets, Facts, Figure, Section, TableBlock, Text
from analysis.report.context import ReportContext
from analysis.report.tables import table_of
from analysis.rows import numbers, select
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.describe import equilibrium_losses
from harness.metrics.diagnosis import DIAGNOSES
from harness.metrics.trials import LOST

#: From good to lost. A diagnosis that is missing here is drawn in the colour of the background.
STYLES: Mapping[str, Style] = {
    "converged": Style("c2"), "ringing": Style("c4"), "offset": Style("c5"), "wrong shape": Style("c3"),
    "collapsed": Style("c0"), "runaway": Style("c1"), "dead": Style(QUIET), "diverged": Style(INK),
    "failed": Style("s1"), "pruned": Style(FAINT),
}  # fmt: skip

#: A median late loss looks perfect within this share of its value at equilibrium, or within ``ABSOLUTE_MARGIN`` of it,
#: for an equilibrium at 0. Minibatches of 100 move cross-entropy at equilibrium by about 0.02.
RELATIVE_MARGIN, ABSOLUTE_MARGIN = 0.1, 0.05
#: Samples are wrong from this multiple of the success threshold on, or from ``MAX_WRONG_KS`` if that is less.
WRONG_FACTOR, MAX_WRONG_KS = 3.0, 0.5

SUSPICIOUS_COLUMNS = ("arm", "seed", "ks", "loss_d", "loss_g", "ideal_d", "ideal_g")


def section(context: ReportContext) -> Section:
    """Diagnoses of the members, and losses that look perfect over wrong samples."""
    stage = "confirm" if context.comparison.stage == "confirm" else "search"
    table = context.read.diagnoses
    counts = table[table["stage"] == stage].groupby(["arm", "diagnosis"])["members"].sum().unstack(fill_value=0)
    words = list(dict.fromkeys(d for d in (*STYLES, *DIAGNOSES) if d in counts.columns))
    blocks: list[Block] = [_figure(context, counts[words], stage)]
    if words:
        blocks.append(Facts([(word, DIAGNOSES[word]) for word in words]))
    return Section("diagnosis", "What became of them", [*blocks, *_suspicious_blocks(context)])


def suspicious_losses(frame: pd.DataFrame, success_ks: float) -> pd.DataFrame:
    """The compared members whose losses look perfect and whose KS is at least 3 ``success_ks`` (or 0.5, if less).

    Losses look perfect if, for both players, the median over the snapshots after half of the steps lies within 10 % of
    its value where generated and real law agree (``losses.equilibrium``). Columns: arm, seed, ks, loss_d and loss_g
    (those medians), ideal_d and ideal_g. Members of losses without such a value never appear. Farthest first.
    """
    rows = select(frame).frame
    wrong = rows[(rows["ks"] >= min(WRONG_FACTOR * success_ks, MAX_WRONG_KS)) & ~rows["outcome"].isin(LOST)]
    members, ideals = [], dict[str, tuple[float, float] | None]()
    for _, row in wrong.iterrows():
        loss = f"{row['loss']} {row['loss_params']}"
        if loss not in ideals:
            ideals[loss] = ideal_losses(row)
        ideal, late = ideals[loss], (late_median(row, "loss_d"), late_median(row, "loss_g"))
        if ideal and all(
            abs(a - b) <= max(RELATIVE_MARGIN * abs(b), ABSOLUTE_MARGIN) for a, b in zip(late, ideal, strict=True)
        ):
            members.append((row["arm"], row["seed"], row["ks"], *late, *ideal))
    table = pd.DataFrame(members, columns=list(SUSPICIOUS_COLUMNS))
    return table.sort_values("ks", ascending=False, kind="stable").reset_index(drop=True)


def ideal_losses(row: Mapping[str, Any] | pd.Series[Any]) -> tuple[float, float] | None:
    """Both players' losses at the equilibrium of a row's loss; None where it has none or is not registered."""
    params = row["loss_params"]
    try:
        variant, bound = LOSSES.parse(str(row["loss"]))
        return equilibrium_losses(variant, {**bound, **(params if isinstance(params, Mapping) else {})})
    except InputError:
        return None


def late_median(row: Mapping[str, Any] | pd.Series[Any], column: str) -> float:
    """Median of a snapshot column after half of the member's steps; NaN without one."""
    steps, values = numbers(row["snapshot_step"]), numbers(row[f"snapshot_{column}"])
    if steps is None or values is None or steps.size != values.size:
        return float("nan")
    late = values[(2 * steps > row["steps"]) & np.isfinite(values)]
    return float(np.median(late)) if late.size else float("nan")


def _suspicious_blocks(context: ReportContext) -> list[Block]:
    table = suspicious_losses(context.frame, context.comparison.success_ks)
    seeds = len(context.selection.frame)
    if table.empty:
        text = (
            f"Losses that look perfect over wrong samples: none of {seeds} compared members. A member would be listed "
            "if both players' losses were at their equilibrium values while its KS is three times the success "
            "threshold or more."
        )
        return [Text(text)]
    by_arm = table.groupby("arm").size().sort_values(ascending=False)
    counts = ", ".join(f"{count} of {arm}" for arm, count in by_arm.items())
    headings = {"ks": "KS", "loss_d": "loss D", "ideal_d": "ideal D", "loss_g": "loss G", "ideal_g": "ideal G"}
    shown = table.rename(columns=headings)[["arm", "seed", "KS", "loss D", "ideal D", "loss G", "ideal G"]]
    warning = (
        f"The losses look perfect, the samples are wrong: {len(table)} of {seeds} compared members ({counts}). Late in "
        "training both losses are where they would be if generated and real law agreed; KS says that they do not."
    )
    label = "Members whose losses look perfect while their samples are wrong"
    return [
        Bullets([warning], warning=True, label="Losses that deceive"),
        TableBlock(label, table_of(shown), name="deceptive", numbers=table),
    ]


def _figure(context: ReportContext, counts: pd.DataFrame, stage: str) -> Figure:
    """Share of an arm's members with each diagnosis, as stacked bars. ``counts``: arms by diagnoses."""
    arms = [arm for arm in context.arms if arm in counts.index]
    counts = counts.loc[arms]
    sums = counts.sum(axis=1)
    shares = counts.div(sums, axis=0)
    starts = shares.cumsum(axis=1) - shares
    y = np.arange(len(arms), dtype=np.float64)
    bars = [
        Bars(
            y, starts[word].to_numpy(), shares[word].to_numpy(), STYLES.get(word, Style(QUIET)), word,
            hover=[f"{arm}: {n} of {of} {word}" for arm, n, of in zip(arms, counts[word], sums, strict=True)],
        )
        for word in counts.columns
    ]  # fmt: skip
    panel = Panel(
        bars, Axis(f"share of the {stage} members", low=0.0, high=1.0),
        Axis(names=arms, low=-0.6, high=len(arms) - 0.4, down=True),
    )  # fmt: skip
    texts = [f"{arm}: " + ", ".join(f"{n} {word!s}" for word, n in counts.loc[arm].items() if n) for arm in arms[:5]]
    return Figure(
        name="diagnosis",
        heading=f"Diagnoses of the {stage} members",
        caption="A member's diagnosis is the first rule that holds. The rules read scores and paths, never losses.",
        alt=f"Stacked bars of diagnoses per arm. {'; '.join(texts)}.",
        scene=Scene(
            [panel] if arms else [],
            {w: STYLES.get(w, Style(QUIET)) for w in counts.columns},
            height=row_height(len(arms)),
            empty="" if arms else "No member was diagnosed.",
        ),
        numbers=counts.reset_index().rename_axis(columns=None),
    )
