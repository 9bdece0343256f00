"""The comparison of a sweep's arms: one frozen record per arm, from committed rows alone.

Only confirm seeds count, which no search saw. A diverged or failed member has KS distance 1 and is no success; it is
never dropped. Differences are paired by seed (a seed shares initial weights and noise over the arms).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.intervals import (
    Interval,
    holm,
    interval_of,
    noise_floor,
    signed_rank,
    stratified_floor,
    success_interval,
)
from analysis.rows import Stage, arms_of, select, spec_of
from harness.metrics.trials import LOST

#: The loss of the arm that the other arms of its view are compared with.
BASELINE = "non_saturating"
SUCCESS_KS = 0.05
#: Score samples of a member (``harness.engines.generate``), which set the noise floor.
DRAWS = 10_000


@dataclass(frozen=True)
class Paired:
    """KS of an arm minus KS of its baseline over the seeds that both have; negative: the arm is nearer the target."""

    baseline: str
    pairs: int
    median: Interval
    mean: Interval
    p: float  # Wilcoxon's signed-rank test
    p_holm: float  # corrected for the number of arms compared
    floors: float | None  # the median difference in units of the noise floor


@dataclass(frozen=True)
class ArmResult:
    """Scores of the ``n`` compared members of one arm; n = ``scored + diverged + failed``."""

    arm: str
    loss: str
    view: str
    trial: int | None
    n: int
    scored: int
    diverged: int
    failed: int
    ks_median: Interval
    ks_mean: Interval
    ks_iqm: Interval
    successes: int
    success: Interval
    mean: float | None  # of the generated law, median over the scored seeds
    sd: float | None
    paired: Paired | None
    paired_state: str  # compared | baseline | search only | no shared seeds | no rows


@dataclass(frozen=True)
class Comparison:
    """All arms by ascending median KS (arms without rows last), with the thresholds and remarks for reading them."""

    stage: Stage
    success_ks: float
    noise_floor: float
    stratified_floor: float
    baselines: Mapping[str, str]  # view -> arm
    arms: tuple[ArmResult, ...]
    remarks: tuple[str, ...]

    def records(self) -> list[dict[str, Any]]:
        """One flat dictionary per arm; None where a number does not exist, never NaN."""
        return [_flat(asdict(arm)) for arm in self.arms]

    def to_frame(self) -> pd.DataFrame:
        """``records`` as a frame of Python objects, so that a missing number stays None."""
        return pd.DataFrame(self.records(), dtype=object)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        fields = {name: value for name, value in asdict(self).items() if name != "arms"}
        return {**fields, "arms": self.records()}


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}{name}_") if isinstance(inner, Mapping) else {f"{prefix}{name}": inner})
    return flat


def compare(
    frame: pd.DataFrame,
    *,
    success_ks: float = SUCCESS_KS,
    draws: int = DRAWS,
    arms: Sequence[Mapping[str, Any]] = (),
    rng_seed: int = 0,
) -> Comparison:
    """Compare the arms in committed rows (``Store.frame()``).

    ``success_ks``: a KS distance below it is a success. ``draws``: score samples, which set the noise floor.
    ``arms``: the arms of ``sweep.json``, so that one without rows is named. ``rng_seed`` seeds the bootstrap.
    """
    selection = select(frame)
    remarks = list(selection.remarks)
    groups = {str(arm): rows for arm, rows in selection.frame.groupby("arm", sort=False)}
    declared = {str(a["arm"]): a for a in arms}
    no_rows = selection.frame.iloc[:0]
    results = [
        _result(a, groups.get(a, no_rows), declared.get(a, {}), success_ks, rng_seed)
        for a in dict.fromkeys([*declared, *groups])
    ]
    remarks += [f"{r.arm}: no rows to compare." for r in results if r.n == 0]
    baselines: dict[str, str] = {}
    floor = noise_floor(draws)
    if selection.stage == "confirm":
        baselines = _baselines(results, remarks)
        scores = {arm: rows.set_index("seed")["ks"] for arm, rows in groups.items()}
        results = _corrected([_paired(r, baselines, scores, floor, rng_seed) for r in results])
        remarks += [text for r in results if (text := _pairing_remark(r, baselines, scores))]
    results.sort(key=lambda r: (r.n == 0, r.ks_median.estimate or 0.0, r.ks_mean.estimate or 0.0))
    return Comparison(
        stage=selection.stage, success_ks=success_ks, noise_floor=floor, stratified_floor=stratified_floor(draws),
        baselines=baselines, arms=tuple(results), remarks=tuple(remarks),
    )  # fmt: skip


def _result(arm: str, rows: pd.DataFrame, declared: Mapping[str, Any], success_ks: float, rng_seed: int) -> ArmResult:
    ks, n = rows["ks"].to_numpy(dtype=np.float64), len(rows)
    diverged, failed = (int((rows["outcome"] == o).sum()) for o in LOST)
    alive = rows[~rows["outcome"].isin(LOST)]
    successes = int((alive["ks"] < success_ks).sum())
    median, mean, iqm = (interval_of(ks, s, rng_seed=rng_seed) for s in ("median", "mean", "iqm"))
    trials = rows["trial"].dropna()
    return ArmResult(
        arm=arm, loss=_first(rows, declared, "loss"), view=_first(rows, declared, "view"),
        trial=int(trials.iloc[0]) if len(trials) else None, n=n, scored=n - diverged - failed, diverged=diverged,
        failed=failed, ks_median=median, ks_mean=mean, ks_iqm=iqm, successes=successes,
        success=success_interval(successes, n), mean=_median(alive["mean"]), sd=_median(alive["sd"]),
        paired=None, paired_state="search only" if n else "no rows",
    )  # fmt: skip


def _first(rows: pd.DataFrame, declared: Mapping[str, Any], name: str) -> str:
    if declared.get(name) is not None:
        return str(declared[name])
    values = rows[name].dropna()
    return str(values.iloc[0]) if len(values) else "unknown"


def _median(values: pd.Series[Any]) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None


def _baselines(results: Sequence[ArmResult], remarks: list[str]) -> dict[str, str]:
    """The arm of each view that the others are compared with: non_saturating, or else the first with rows."""
    baselines: dict[str, str] = {}
    for view in dict.fromkeys(r.view for r in results if r.n):
        in_view = [r for r in results if r.view == view and r.n]
        standard = [r for r in in_view if r.loss == BASELINE]
        baselines[view] = (standard or in_view)[0].arm
        if not standard:
            remarks.append(f"View {view}: no arm of {BASELINE} has rows; differences are to {baselines[view]}.")
    return baselines


def _paired(
    result: ArmResult, baselines: Mapping[str, str], scores: Mapping[str, pd.Series[Any]], floor: float, rng_seed: int
) -> ArmResult:
    """The result with its difference to the baseline, p not yet corrected. ``scores``: KS by seed of each arm."""
    if not result.n:
        return result
    baseline = baselines[result.view]
    if baseline == result.arm:
        return replace(result, paired_state="baseline")
    shared = scores[result.arm].index.intersection(scores[baseline].index)
    if not len(shared):
        return replace(result, paired_state="no shared seeds")
    gaps = (scores[result.arm].loc[shared] - scores[baseline].loc[shared]).to_numpy(dtype=np.float64)
    median, mean = (interval_of(gaps, s, rng_seed=rng_seed) for s in ("median", "mean"))
    p = signed_rank(gaps)
    paired = Paired(
        baseline=baseline, pairs=len(gaps), median=median, mean=mean, p=p, p_holm=p,
        floors=median.estimate / floor if median.estimate is not None else None,
    )  # fmt: skip
    return replace(result, paired=paired, paired_state="compared")


def _corrected(results: Sequence[ArmResult]) -> list[ArmResult]:
    """The results with Holm's correction over all arms compared."""
    p_holm = iter(holm([r.paired.p for r in results if r.paired]))
    return [replace(r, paired=replace(r.paired, p_holm=next(p_holm))) if r.paired else r for r in results]


def _pairing_remark(
    result: ArmResult, baselines: Mapping[str, str], scores: Mapping[str, pd.Series[Any]]
) -> str | None:
    """A remark where an arm and its baseline do not have the same seeds."""
    if not result.n or (baseline := baselines[result.view]) == result.arm:
        return None
    seeds, others = scores[result.arm].index, scores[baseline].index
    shared = len(seeds.intersection(others))
    if shared == max(len(seeds), len(others)):
        return None
    return f"{result.arm}: {len(seeds)} seeds, {baseline}: {len(others)}; the {shared} shared ones are paired."


def compare_described(description: Mapping[str, Any], frame: pd.DataFrame, remarks: Sequence[str] = ()) -> Comparison:
    """``compare`` with the arms and the success threshold of ``sweep.json``; ``remarks`` come first."""
    threshold, threshold_remarks = success_threshold(description)
    comparison = compare(frame, success_ks=threshold, arms=arms_of(description))
    return replace(comparison, remarks=(*remarks, *comparison.remarks, *threshold_remarks))


def success_threshold(description: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
    """The KS distance below which ``sweep.json`` calls a member a success, and a remark where it does not say."""
    threshold = spec_of(description).get("success_ks")
    if isinstance(threshold, (int, float)) and 0 < threshold <= 1:
        return float(threshold), ()
    return SUCCESS_KS, (f"sweep.json has no success threshold; {SUCCESS_KS:g} is used.",)
