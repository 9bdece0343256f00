"""Anatomy of the generator's gradient: D's logit on generated data, the loss's slope there, and both gradient norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from analysis.curves import over_steps
from analysis.plotting import Axis, Band, Line, Mark, Panel, Scene
from analysis.report.axes import drawn_steps, extent
from analysis.report.blocks import Figure, Section
from analysis.report.context import ReportContext
from analysis.rows import numbers, select
from harness.errors import InputError
from harness.losses import LOSSES

Float64 = NDArray[np.float64]
#: Each quantity: its name, its title, whether its axis is logarithmic.
QUANTITIES = (
    ("logit", "D's logit on generated data", False),
    ("slope", "slope dL_G/dlogit there", False),
    ("grad_norm_g", "norm of G's gradient", True),
    ("grad_norm_d", "norm of D's gradient", True),
)
COLUMNS = ("arm", "column", "step", "median", "q25", "q75", "n")
#: The least norm that a logarithmic axis shows.
_LEAST_NORM = 1e-8


def section(context: ReportContext) -> Section:
    """D's logit on generated data, the slope of G's loss there, and both gradient norms."""
    return Section("anatomy", "What the generator was told", [_figure(context)])


def gradient_anatomy(frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """D's logit on generated data, G's slope at it, and both gradient norms over training, arm by arm.

    logit = log(p/(1 - p)) of the minibatch's mean probability p (column snapshot_d_fake), so it stands for the whole
    minibatch. slope = dL_G/dlogit of the arm's formula at that one logit (``losses``); a relativistic loss also reads
    D's logit on real data, computed likewise. A member whose D is certain to the last digit has no logit there.
    Columns: arm, column (of ``QUANTITIES``), step, median, q25, q75, n.
    """
    rows = select(frame).frame
    parts = []
    for arm in arms or list(dict.fromkeys(rows["arm"])):
        members = _with_slopes(rows[rows["arm"] == arm])
        parts += [over_steps(members, name).assign(arm=arm, column=name) for name, *_ in QUANTITIES]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _with_slopes(members: pd.DataFrame) -> pd.DataFrame:
    """The rows of one arm and setting with the columns snapshot_logit and snapshot_slope."""
    fakes, reals = ([_logit(cell) for cell in members[f"snapshot_{n}"]] for n in ("d_fake", "d_real"))
    fakes = [f if f.size == r.size else f[:0] for f, r in zip(fakes, reals, strict=True)]
    reals = [r if f.size == r.size else r[:0] for f, r in zip(fakes, reals, strict=True)]
    by_member: list[Float64] = [np.full(f.size, np.nan) for f in fakes]
    if len(members):
        cell = members["loss_params"].iloc[0]
        params = cell if isinstance(cell, Mapping) else {}
        joined = slopes(str(members["loss"].iloc[0]), params, np.concatenate(reals), np.concatenate(fakes))
        if joined is not None:
            by_member = np.split(joined, np.cumsum([f.size for f in fakes])[:-1])
    return members.assign(
        snapshot_logit=pd.Series(fakes, members.index), snapshot_slope=pd.Series(by_member, members.index)
    )


def _logit(cell: object) -> Float64:
    """log(p/(1 - p)) of a list of probabilities, NaN for 0 and 1; empty where the cell holds none."""
    probabilities = numbers(cell)
    logits = logit(probabilities) if probabilities is not None else np.empty(0)
    return np.where(np.isfinite(logits), logits, np.nan)


def slopes(loss: str, params: Mapping[str, float], real: Float64, fake: Float64) -> Float64 | None:
    """dL_G/dlogit of a loss at logits (n,), each a minibatch of its own; None for a loss that is not registered."""
    import torch

    try:
        variant, bound = LOSSES.parse(loss)
        at_real, at_fake = (torch.tensor(v[:, None], dtype=torch.float64) for v in (real, fake))
        values: dict[str, Any] = {**bound, **params}
        slope: Float64 = variant.generator_slope(at_real, at_fake, **values).numpy()[:, 0]
    except InputError:
        return None
    return slope


def _figure(context: ReportContext) -> Figure:
    arms, note = context.shown()
    table = gradient_anatomy(context.frame, arms)
    panels = [_panel(context, table[table["column"] == name], arms, title, log=log) for name, title, log in QUANTITIES]
    last = table[table["column"] == "slope"].drop_duplicates("arm", keep="last")
    last_slopes = "; ".join(f"{a} {v:.2g}" for a, v in zip(last["arm"], last["median"], strict=True))
    drawn = [arm for arm in arms if arm in set(table["arm"])]
    return Figure(
        name="gradient_anatomy",
        heading="Logit, slope and gradients over training",
        caption="Median over seeds and the middle half. Logit: log p/(1 - p) of the mean probability that D gives "
        "generated data. Slope: dL_G/dlogit of the arm's formula at that logit. Where it is zero, nothing drives the "
        "generator; where it is negative, a step raises the logit; where it is positive, a step lowers it. "
        f"{note}".rstrip(),
        alt=f"Four panels over training steps. Slope of the generator's loss at the last step: "
        f"{last_slopes or 'none is known'}.",
        scene=Scene(
            panels if drawn else [],
            {arm: context.style(arm) for arm in drawn},
            columns=2,
            height=280,
            empty="" if drawn else "No committed row holds them.",
        ),
        numbers=table,
    )


def _panel(context: ReportContext, table: pd.DataFrame, arms: Sequence[str], title: str, *, log: bool) -> Panel:
    marks: list[Mark] = []
    ends: list[float] = []
    for arm in arms:
        path = table[table["arm"] == arm]
        path = path[path["step"].isin(drawn_steps(path["step"].tolist()))]
        if path.empty:
            continue
        q25, median, q75 = (
            (path[n].clip(lower=_LEAST_NORM) if log else path[n]).tolist() for n in ("q25", "median", "q75")
        )
        steps, style = path["step"].tolist(), context.style(arm)
        ends += [*q25, *q75]
        hover = [f"{arm}, step {s:.0f}: {v:.3g}" for s, v in zip(steps, median, strict=True)]
        marks += [Band(steps, q25, q75, style, arm), Line(steps, median, style, arm, hover=hover)]
    low, high = extent(ends, _LEAST_NORM) if log else _central_extent(table["median"])
    return Panel(marks, Axis("training step", steps=True), Axis("", log=log, low=low, high=high), title)


def _central_extent(medians: pd.Series[float]) -> tuple[float | None, float | None]:
    """Ends of an axis that shows most of the medians: one arm that ran away would flatten the others to a line."""
    if medians.empty:
        return None, None
    low, high = float(medians.quantile(0.2)), float(medians.quantile(0.8))
    room = 5 * (high - low) or 1.0
    ends = max(min(0.0, float(medians.min())), low - room), min(max(0.0, float(medians.max())), high + room)
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    return ends[0] - margin, ends[1] + margin
