"""The difference of two sweeps: settings that differ, and the results of the arms in both.

Differences are B minus A, so that a negative one means that B is nearer the target. They are paired by seed where a
seed is the same thing in both: the same draws of the same target, trained equally long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from analysis.comparison import ArmResult, Comparison, compare_described
from analysis.intervals import Interval, holm, interval_of, signed_rank
from analysis.load import SweepData, read_sweep
from analysis.rows import select, spec_of
from harness.config import diff_specs
from harness.store import Store

#: Keys of the spec that must be equal for a seed to mean the same draws in both sweeps, and the words if they are not.
SHARED = {"target": "the targets differ", "steps": "the steps differ", "seed": "the sweeps' own seeds differ"}


@dataclass(frozen=True)
class Side:
    """One of the two sweeps. ``seconds`` of training, without members that were taken from other sweeps."""

    name: str
    folder: str
    finished: bool
    arms: int
    trials: int
    seconds: float
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """KS of B minus KS of A over the ``pairs`` seeds that both have; ``same`` of them are one and the same member."""

    pairs: int
    same: int
    median: Interval
    mean: Interval
    p: float  # Wilcoxon's signed-rank test
    p_holm: float  # corrected for the number of arms compared


@dataclass(frozen=True)
class ArmPair:
    """An arm in both sweeps or in one; ``unpaired`` says why there is no ``gap``."""

    arm: str
    a: ArmResult | None
    b: ArmResult | None
    gap: Gap | None
    unpaired: str


@dataclass(frozen=True)
class SweepDiff:
    """Two sweeps: ``settings`` as ``key: A -> B``, arms of both first, by their median KS in B, then the others."""

    a: Side
    b: Side
    settings: tuple[str, ...]
    arms: tuple[ArmPair, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return asdict(self)


def diff_sweeps(a: Store, b: Store) -> SweepDiff:
    """Compare two sweeps, from their committed rows.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    return diff_reads(read_sweep(a), read_sweep(b), (str(a.folder), str(b.folder)))


def diff_reads(a: SweepData, b: SweepData, folders: tuple[str, str] = ("A", "B")) -> SweepDiff:
    """``diff_sweeps`` of two sweeps that were read."""
    results = [compare_described(read.description, read.frame) for read in (a, b)]
    specs = [spec_of(read.description) for read in (a, b)]
    sides = [_side(*side) for side in zip((a, b), results, folders, strict=True)]
    arms = _arms(results, (a.frame, b.frame), _unshared(*specs))
    return SweepDiff(sides[0], sides[1], tuple(diff_specs(*specs)), tuple(arms))


def _side(read: SweepData, result: Comparison, folder: str) -> Side:
    name, finished = str(read.description.get("name", "")), bool(read.description.get("finished"))
    remarks = (*read.remarks, *result.remarks)
    return Side(
        name=name,
        folder=folder,
        finished=finished,
        arms=len(result.arms),
        trials=len(read.trials),
        seconds=read.cost.seconds,
        remarks=remarks,
    )


def _unshared(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """The reason why a seed is not the same in both, or an empty text."""
    return "; ".join(why for key, why in SHARED.items() if a.get(key) != b.get(key))


def _arms(results: Sequence[Comparison], frames: Sequence[pd.DataFrame], unshared: str) -> list[ArmPair]:
    sides = [{arm.arm: arm for arm in result.arms} for result in results]
    confirm = all(result.stage == "confirm" for result in results)
    rows = [dict(tuple(select(frame).frame.groupby("arm"))) for frame in frames]
    pairs = []
    in_both = [name for name in sides[1] if name in sides[0]]
    for name in dict.fromkeys([*in_both, *sides[0], *sides[1]]):
        a, b = (side.get(name) for side in sides)
        reason = "in one of them alone" if a is None or b is None else "no confirm seeds" if not confirm else unshared
        gap = None if reason else _gap(*(side.get(name) for side in rows))
        pairs.append(ArmPair(name, a, b, gap, reason or ("" if gap else "no confirm seed is in both")))
    corrected = iter(holm([arm.gap.p for arm in pairs if arm.gap]))
    return [replace(arm, gap=replace(arm.gap, p_holm=next(corrected))) if arm.gap else arm for arm in pairs]


def _gap(a: pd.DataFrame | None, b: pd.DataFrame | None) -> Gap | None:
    if a is None or b is None:
        return None
    both = a.merge(b, on="seed", suffixes=("_a", "_b"))
    if both.empty:
        return None
    gaps = (both["ks_b"] - both["ks_a"]).to_numpy(dtype=float)
    p, same = signed_rank(gaps), int((both["key_a"] == both["key_b"]).sum())
    return Gap(
        pairs=len(gaps), same=same, median=interval_of(gaps, "median"), mean=interval_of(gaps, "mean"), p=p, p_holm=p
    )
