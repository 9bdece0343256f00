"""The comparison of a sweep's arms: one frozen record per arm, made from committed rows alone.

``python -m analysis.comparison SWEEP_FOLDER [--json]`` prints it.

Only confirm seeds count, which no search saw. A diverged or failed member has KS distance 1 and is no success; it is
never dropped. Differences are paired by seed (a seed shares initial weights and noise over the arms).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arms_table import text
from analysis.intervals import (
    Interval,
    holm,
    interval_of,
    noise_floor,
    signed_rank,
    stratified_floor,
    success_interval,
)
from analysis.rows import Stage, arms_of, read, select, spec_of
from harness.errors import InputError
from harness.store import Store
from harness.text import visible

BASELINE = "non_saturating"
SUCCESS_KS = 0.05
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
    """What the compared members of one arm scored: ``n`` of them, of which ``scored + diverged + failed`` make n."""

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
    """All arms by ascending median KS (arms without rows last), and what must be known to read the numbers."""

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
        """Everything, as values that JSON knows."""
        told = {k: v for k, v in asdict(self).items() if k != "arms"}
        return {**told, "arms": self.records()}


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
    chosen = select(frame)
    remarks = list(chosen.remarks)
    groups = {str(arm): rows for arm, rows in chosen.frame.groupby("arm", sort=False)}
    declared = {str(a["arm"]): a for a in arms}
    names = [*declared, *(a for a in groups if a not in declared)]
    results = [
        _result(a, groups.get(a, chosen.frame.iloc[:0]), declared.get(a, {}), success_ks, rng_seed) for a in names
    ]
    remarks += [f"{r.arm}: no rows to compare." for r in results if r.n == 0]
    baselines = _baselines(results, remarks) if chosen.stage == "confirm" else {}
    floor = noise_floor(draws)
    if chosen.stage == "confirm":
        results = _pair(results, groups, baselines, floor, rng_seed, remarks)
    results.sort(key=lambda r: (r.n == 0, r.ks_median.estimate or 0.0, r.ks_mean.estimate or 0.0))
    return Comparison(
        chosen.stage, success_ks, floor, stratified_floor(draws), baselines, tuple(results), tuple(remarks)
    )  # fmt: skip


def _result(arm: str, rows: pd.DataFrame, declared: Mapping[str, Any], success_ks: float, rng_seed: int) -> ArmResult:
    ks, n = rows["ks"].to_numpy(dtype=np.float64), len(rows)
    diverged, failed = (int((rows["outcome"] == o).sum()) for o in ("diverged", "failed"))
    alive = rows[~rows["outcome"].isin(["diverged", "failed"])]
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
    told = declared.get(name)
    values = rows[name].dropna()
    return str(told) if told is not None else str(values.iloc[0]) if len(values) else "unknown"


def _median(values: pd.Series[Any]) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None


def _baselines(results: Sequence[ArmResult], remarks: list[str]) -> dict[str, str]:
    """Per view the arm that the others are compared to: non_saturating, or else the first with rows."""
    found: dict[str, str] = {}
    for view in dict.fromkeys(r.view for r in results if r.n):
        here = [r for r in results if r.view == view and r.n]
        named = [r for r in here if r.loss == BASELINE]
        found[view] = (named or here)[0].arm
        if not named:
            remarks.append(f"View {view}: no arm of {BASELINE} has rows; differences are to {found[view]}.")
    return found


def _pair(
    results: Sequence[ArmResult], groups: Mapping[str, pd.DataFrame], baselines: Mapping[str, str], floor: float,
    rng_seed: int, remarks: list[str],
) -> list[ArmResult]:  # fmt: skip
    """The results with their differences to the baseline; Holm's correction is over all arms compared."""
    paired = [_difference(r, groups, baselines, floor, rng_seed, remarks) for r in results]
    corrected = iter(holm([r.paired.p for r in paired if r.paired]))
    return [replace(r, paired=replace(r.paired, p_holm=next(corrected))) if r.paired else r for r in paired]


def _difference(
    result: ArmResult, groups: Mapping[str, pd.DataFrame], baselines: Mapping[str, str], floor: float, rng_seed: int,
    remarks: list[str],
) -> ArmResult:  # fmt: skip
    if not result.n:
        return result
    baseline = baselines[result.view]
    if baseline == result.arm:
        return replace(result, paired_state="baseline")
    own, other = (groups[a].set_index("seed")["ks"] for a in (result.arm, baseline))
    shared = own.index.intersection(other.index)
    if len(shared) < max(len(own), len(other)):
        remarks.append(
            f"{result.arm}: {len(own)} seeds, {baseline}: {len(other)}; the {len(shared)} shared ones are paired."
        )
    if not len(shared):
        return replace(result, paired_state="no shared seeds")
    gaps = (own.loc[shared] - other.loc[shared]).to_numpy(dtype=np.float64)
    median, mean = (interval_of(gaps, s, rng_seed=rng_seed) for s in ("median", "mean"))
    p = signed_rank(gaps)
    floors = median.estimate / floor if median.estimate is not None else None
    return replace(result, paired=Paired(baseline, len(gaps), median, mean, p, p, floors), paired_state="compared")


def compare_sweep(store: Store) -> Comparison:
    """Compare a sweep's committed rows under its own success threshold.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    return compare_described(*read(store))


def compare_described(description: Mapping[str, Any], frame: pd.DataFrame, remarks: Sequence[str] = ()) -> Comparison:
    """``compare`` with the arms and the success threshold of ``sweep.json``; ``remarks`` come first."""
    threshold, doubts = success_threshold(description)
    found = compare(frame, success_ks=threshold, arms=arms_of(description))
    return replace(found, remarks=(*remarks, *found.remarks, *doubts))


def success_threshold(description: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
    """The KS distance below which ``sweep.json`` calls a member a success, and a remark where it does not say."""
    told = spec_of(description).get("success_ks")
    if isinstance(told, (int, float)) and 0 < told <= 1:
        return float(told), ()
    return SUCCESS_KS, (f"sweep.json has no success threshold; {SUCCESS_KS:g} is used.",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison of a sweep's folder; exit status 2 where there is none to read."""
    parser = argparse.ArgumentParser(prog="python -m analysis.comparison", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        found = compare_sweep(Store(options.folder))
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    shown = json.dumps(found.as_json(), indent=1, allow_nan=False) if options.json else text(found)
    sys.stdout.write(f"{shown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
