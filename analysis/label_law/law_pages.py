"""The label law on real networks: what became of the members of each generator label t, beside what theory says.

The law is derived on the Dirac-GAN (Mescheder et al. 2018, sec. 2, D(x) = psi x) for the generator's loss
t softplus(-l) + (1-t) softplus(l), whose slope sigmoid(l) - t vanishes where D says t: for t < 1/2 the generator
parks where D gives its data the probability t, for t >= 1/2 it comes to the data, where D says 1/2, and for t > 1/2
it rings around them with the angular frequency sqrt((t - 1/2)/2) in units of the learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison import success_threshold
from analysis.intervals import interval_of, success_interval
from analysis.label_law.arrival import landings, later
from analysis.rows import select
from harness.errors import InputError
from harness.metrics.trials import LOST

#: The variant whose arms are read, and its parameter.
VARIANT, LABEL = "generator_label", "t"


@dataclass(frozen=True)
class LabelLaw:
    """Members (``landing.landings``), numbers by view and label (``by_label``), and what both were read with.

    ``later``: the step at which censored members are counted and drawn.
    """

    members: pd.DataFrame
    table: pd.DataFrame
    success_ks: float
    later: float
    remarks: tuple[str, ...]


def label_law(description: Mapping[str, Any], frame: pd.DataFrame, remarks: Sequence[str] = ()) -> LabelLaw:
    """What a sweep's committed rows say of each label.

    Raises:
        InputError: no compared row belongs to an arm of the variant.
    """
    chosen = select(frame)
    rows = chosen.frame[chosen.frame["loss"] == VARIANT]
    if rows.empty:
        raise InputError(f"no rows of the variant {VARIANT!r}; allowed: a sweep such as experiments/label_dial.toml")
    success_ks, threshold_remarks = success_threshold(description)
    members = landings(rows, LABEL, success_ks)
    after = later(rows)
    return LabelLaw(
        members, by_label(members, after), success_ks, after, (*remarks, *chosen.remarks, *threshold_remarks)
    )


def by_label(members: pd.DataFrame, after: float) -> pd.DataFrame:
    """Medians over seeds with 95 % bootstrap intervals, a line per view and label.

    Times: a censored member counts as ``after``, so that a median or an end of an interval that is at least the last
    snapshot is only a bound from below; ``arrival_censored`` and ``settling_censored`` count them.
    ``d_fake``, the losses and ``frequency`` are over the members that have one, counted as ``d_fake_n`` and so on.
    """
    lines = []
    for (view, label), own in members.groupby(["view", "label"], sort=True):
        share = success_interval(int(own["success"].sum()), len(own))
        line: dict[str, Any] = {"view": view, "label": label, "n": len(own)}
        line |= {"lost": int(own["outcome"].isin(LOST).sum()), "successes": int(own["success"].sum())}
        line |= {"success": share.estimate, "success_low": share.low, "success_high": share.high}
        for name in ("arrival", "settling"):
            line |= {f"{name}_censored": int(own[name].isna().sum()), **_interval(name, own[name].fillna(after))}
        line |= _interval("ks", own["ks"])
        for name in ("d_fake", "loss_d", "loss_g", "frequency"):
            line |= {f"{name}_n": int(own[name].notna().sum()), **_interval(name, own[name].dropna())}
        lines.append(line)
    return pd.DataFrame(lines)


def _interval(name: str, values: pd.Series[Any]) -> dict[str, float | None]:
    found = interval_of(values.to_numpy(dtype=float))
    return {f"{name}_median": found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
