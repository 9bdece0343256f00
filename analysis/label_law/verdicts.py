"""Verdicts on the predictions of the label law by a sweep's numbers: holds, fails, or cannot be told yet.

The rules are the same for every view. An interval is the 95 % interval over seeds.

- **Success is a step near t = 1/2.** Holds where the interval of the share of successes is below 1/2 for every
  t <= 0.4 and above 1/2 for every t >= 0.6. Fails where it is on the wrong side of 1/2 for one of them, provided that
  some label at all has most of its members succeed.
- **Arrival time falls with t, settling time rises with t** (t >= 1/2). Of each seed Kendall's rank correlation (tau-b)
  between t and the time; a censored member is later than all others, a seed without differences counts 0. Holds where
  the interval of the mean over seeds is on the predicted side of 0, fails where it is on the other.
- **t = 0 leaves KS near 1 with the least losses of all.** Holds where the interval of the median KS is above 0.9 and
  those of both losses lie below those of every other label. Fails where KS is below 0.9, or one of its losses lies
  above that of another label.
- **D(fake) = t where the generator parks** (0 < t < 1/2), **and 1/2 at equilibrium** (t >= 1/2, members that settled).
  Holds where the interval of the median lies within 0.05 of the law at every label, fails where it lies outside at one.
- **The ringing frequency grows like sqrt((t - 1/2)/2)** (t > 1/2). The law is scaled by one factor, fitted to the
  medians by least squares. Holds where it lies within the interval of every label with a rhythm in half of its
  members, give or take half the spacing of the periodogram's frequencies; fails where it lies outside for more than
  half of those labels.

Everything else cannot be told yet; nor can anything on fewer than six seeds, because five agree on a sign by chance
in 2/32 > 5 % of cases, nor frequencies at fewer than three labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import interval_of

State = Literal["holds", "fails", "cannot be told yet"]

MIN_SEEDS = 6
#: How far from 1/2 the step of success may lie.
STEP_WIDTH = 0.1
NEAR_ONE = 0.9
#: How far D(fake) may lie from the law.
D_MARGIN = 0.05
MIN_RHYTHMS = 3


@dataclass(frozen=True)
class Verdict:
    """The verdict on one prediction in one view, and the numbers it rests on."""

    prediction: str
    view: str
    state: State
    because: str


def law_of_d(label: float) -> float:
    """D's probability for generated data where training ends: t below 1/2, and 1/2 from there on."""
    return min(label, 0.5)


def law_of_rhythm(label: float) -> float:
    """Angular frequency of the ringing on the Dirac-GAN, in units of the learning rate: sqrt((t - 1/2)/2)."""
    return float(np.sqrt(max(label - 0.5, 0.0) / 2))


def rhythm_scale(table: pd.DataFrame) -> float | None:
    """The factor from the law of the rhythm to the median frequencies of one view; None where there are too few."""
    known = rhythmic(table)
    if len(known) < MIN_RHYTHMS:
        return None
    law = known["label"].map(law_of_rhythm).to_numpy(dtype=float)
    return float(law @ known["frequency_median"].to_numpy(dtype=float) / (law @ law))


def rhythmic(table: pd.DataFrame) -> pd.DataFrame:
    """The labels above 1/2 at which at least half of the members have a rhythm."""
    return table[(table["label"] > 0.5) & (2 * table["frequency_n"] >= table["n"])]


def verdicts(members: pd.DataFrame, table: pd.DataFrame, after: float) -> list[Verdict]:
    """Every prediction in every view; ``members`` and ``table`` as ``label_law`` makes them."""
    timed = members.assign(
        settled=members["settling"].notna(),
        arrival=members["arrival"].fillna(after),
        settling=members["settling"].fillna(after),
    )
    results = []
    for name, judge in PREDICTIONS:
        for view in dict.fromkeys(table["view"]):
            rows = table[table["view"] == view]
            if rows["n"].min() < MIN_SEEDS:
                state, because = _unknown(f"{rows['n'].min()} seeds at one label, {MIN_SEEDS} are needed")
            else:
                state, because = judge(timed[timed["view"] == view], rows, after)
            results.append(Verdict(name, str(view), state, because))
    return results


def paragraph(results: list[Verdict]) -> str:
    """A sentence per prediction, with every view's verdict and its numbers."""
    sentences = []
    for name in dict.fromkeys(v.prediction for v in results):
        parts = [f"{v.state} in the view {v.view} ({v.because})" for v in results if v.prediction == name]
        sentences.append(f"{name}: {', '.join(parts)}.")
    return " ".join(sentences)


Judgement = tuple[State, str]

#: Of one view: its members (times of censored ones filled in), its lines of the table, and the step after the last.
Rule = Callable[[pd.DataFrame, pd.DataFrame, float], Judgement]


def _unknown(because: str) -> Judgement:
    return "cannot be told yet", because


def _success_step(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
    # Labels are decimal fractions: 0.4 and 0.6 must count as 0.1 away from 1/2.
    below = table[table["label"] <= 0.5 - STEP_WIDTH + 1e-9]
    above = table[table["label"] >= 0.5 + STEP_WIDTH - 1e-9]
    if below.empty or above.empty:
        return _unknown("labels on one side of 1/2 alone")
    most, least = below["success"].max(), above["success"].min()
    numbers = (
        f"at most {most:.0%} succeed for t ≤ {0.5 - STEP_WIDTH:g}, at least {least:.0%} for t ≥ {0.5 + STEP_WIDTH:g}"
    )
    if not (table["success_low"] > 0.5).any():
        return _unknown(f"at no label do most members succeed; {numbers}")
    if (below["success_low"] > 0.5).any() or (above["success_high"] < 0.5).any():
        return "fails", numbers
    holds = (below["success_high"] < 0.5).all() and (above["success_low"] > 0.5).all()
    return ("holds", numbers) if holds else _unknown(numbers)


def _trend(column: str, sign: int) -> Rule:
    def judge(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
        upper = members[members["label"] >= 0.5]
        times = upper.pivot_table(index="seed", columns="label", values=column).dropna()
        labels = times.columns.to_numpy(dtype=float)
        if labels.size < 2 or len(times) < MIN_SEEDS:
            return _unknown("too few labels from 1/2 on, or seeds that all of them have")
        taus = [_tau(labels, row) for row in times.to_numpy(dtype=float)]
        mean = interval_of(taus, "mean")
        low, high = (sign * v for v in (mean.low or 0.0, mean.high or 0.0))
        ends = table.set_index("label")[f"{column}_median"]
        numbers = (
            f"mean rank correlation {mean.estimate:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}], median step "
            f"{ends[labels[0]]:,.0f} at t = {labels[0]:g} and {ends[labels[-1]]:,.0f} at t = {labels[-1]:g}"
        )
        if min(low, high) > 0:
            return "holds", numbers
        return ("fails", numbers) if max(low, high) < 0 else _unknown(numbers)

    return judge


def _tau(labels: Any, times: Any) -> float:
    if np.ptp(times) == 0:
        return 0.0
    return float(stats.kendalltau(labels, times).statistic)


def _runaway(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
    zero, rest = table[table["label"] == 0.0], table[table["label"] > 0.0]
    if zero.empty or rest.empty:
        return _unknown("no label 0, or no other")
    row, names = zero.iloc[0], ("loss_d", "loss_g")
    if not all(row[f"{name}_n"] for name in names):
        return _unknown("every member of label 0 was lost")
    numbers = f"KS {row['ks_median']:.2f}, losses of D {row['loss_d_median']:.2g} and of G {row['loss_g_median']:.2g}; "
    numbers += f"at other labels at least {rest['loss_d_median'].min():.2g} and {rest['loss_g_median'].min():.2g}"
    if row["ks_high"] < NEAR_ONE or any((rest[f"{n}_high"] < row[f"{n}_low"]).any() for n in names):
        return "fails", numbers
    best = all((rest[f"{n}_low"] > row[f"{n}_high"]).all() for n in names)
    return ("holds", numbers) if best and row["ks_low"] > NEAR_ONE else _unknown(numbers)


def _parks(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
    return _d_fake(table[(table["label"] > 0) & (table["label"] < 0.5) & (table["d_fake_n"] >= MIN_SEEDS)])


def _equilibrium(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
    settled = members[(members["label"] >= 0.5) & members["settled"]]
    rows = []
    for label, group in settled.groupby("label"):
        values = group["d_fake"].dropna().to_numpy(dtype=float)
        if values.size >= MIN_SEEDS:
            median = interval_of(values)
            rows.append((label, median.estimate, median.low, median.high))
    return _d_fake(pd.DataFrame(rows, columns=["label", "d_fake_median", "d_fake_low", "d_fake_high"]))


def _d_fake(rows: pd.DataFrame) -> Judgement:
    """Intervals of D(fake) by label against the law."""
    if rows.empty:
        return _unknown("no label with enough members")
    law = rows["label"].map(law_of_d)
    pairs = zip(rows["label"], rows["d_fake_median"], strict=True)
    numbers = ", ".join(f"{d:.2f} at t = {t:g}" for t, d in pairs)
    if ((rows["d_fake_low"] > law + D_MARGIN) | (rows["d_fake_high"] < law - D_MARGIN)).any():
        return "fails", numbers
    inside = ((rows["d_fake_low"] >= law - D_MARGIN) & (rows["d_fake_high"] <= law + D_MARGIN)).all()
    return ("holds", numbers) if inside else _unknown(numbers)


def _rhythm(members: pd.DataFrame, table: pd.DataFrame, after: float) -> Judgement:
    known, scale = rhythmic(table), rhythm_scale(table)
    if scale is None:
        return _unknown(f"a rhythm at {len(known)} labels above 1/2, {MIN_RHYTHMS} are needed")
    law = scale * known["label"].map(law_of_rhythm)
    # The window is half of training, so its frequencies are 2 / after apart.
    margin = 1 / after
    inside = (known["frequency_low"] - margin <= law) & (law <= known["frequency_high"] + margin)
    first, last = known.iloc[0], known.iloc[-1]
    numbers = (
        f"a period of {1 / first['frequency_median']:,.0f} steps at t = {first['label']:g} and "
        f"{1 / last['frequency_median']:,.0f} at t = {last['label']:g}; the law's shape lies in the interval at "
        f"{int(inside.sum())} of {len(known)} labels"
    )
    if inside.all():
        return "holds", numbers
    return ("fails", numbers) if 2 * int(inside.sum()) < len(known) else _unknown(numbers)


#: Each prediction with its rule, in the order of the paragraph.
PREDICTIONS: tuple[tuple[str, Rule], ...] = (
    ("Success is a step near t = 1/2", _success_step),
    ("Arrival time falls with t", _trend("arrival", -1)),
    ("Settling time rises with t", _trend("settling", +1)),
    ("t = 0 leaves KS near 1 with the least losses", _runaway),
    ("D(fake) = t where the generator parks", _parks),
    ("D(fake) = 1/2 at equilibrium", _equilibrium),
    ("The ringing frequency grows like sqrt((t - 1/2)/2)", _rhythm),
)
