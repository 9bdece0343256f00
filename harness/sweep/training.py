"""Rows of trained members: the columns that define a member, its snapshots, and its scores."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.config import Train
from harness.engines.auto import Trainer
from harness.engines.base import Engine, Measure, Progress, Segment
from harness.engines.generate import Noise, even_noise, ordered_noise, samples
from harness.engines.parallel import cores, run_parallel, single_threaded
from harness.members import Group, Member
from harness.metrics.distances import Scores, ks_distance, score
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS
from harness.sweep.batching import TrainedBatch, train_batches

#: Members that a thread scores at a time: enough to spread the cost of what they share, few enough that threads end
#: together.
SCORED_TOGETHER = 8

Row = dict[str, Any]


def train(members: Sequence[Member], trainer: Trainer, progress: Progress, stop: int | None = None) -> list[Row]:
    """Train and score members; a row for each, with the columns of ``store.SCHEMA`` that describe a member.

    With ``stop`` they train up to that step alone, and their rows are those of members pruned there. Members for which
    memory does not suffice have the outcome "failed"; they count as KS 1, as diverged ones do.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    segments = None if stop is None else [Segment(0, stop)] * len(members)
    return score_members(train_batches(members, trainer, snapshot_measure, progress, segments))


def setting_of(row: Mapping[str, Any], space: Iterable[str]) -> dict[str, float]:
    """Values of the searched keys in a committed row; a key of [train] is a column, another a loss parameter."""
    return {name: row[name] if name in Train.model_fields else row["loss_params"][name] for name in space}


def snapshot_measure(group: Group) -> Measure:
    """Measure of a group's generators at snapshots: their KS distance on stratified noise."""
    network, noises = group.generator, itertools.repeat(_even_noise(group))

    def measure(theta_PW: NDArray[np.floating]) -> Mapping[str, NDArray[np.float64]]:
        return {"ks": ks_distance(samples(network, theta_PW, noises), group.target)}

    return measure


def score_members(trained: Sequence[TrainedBatch]) -> list[Row]:
    """Rows of the members of all batches, in the order of their indices; one that has steps left is "pruned"."""
    parts = [
        batch.take(range(start, min(start + SCORED_TOGETHER, len(batch.indices))))
        for batch in trained
        for start in range(0, len(batch.indices), SCORED_TOGETHER)
    ]
    works = [partial(_score, part) for part in parts]
    with single_threaded():
        scored = run_parallel(works, [ThreadPoolExecutor(cores())], lambda steps: None)
    rows: dict[int, Row] = {}
    for part, part_rows in zip(parts, scored, strict=True):
        rows |= zip(part.indices, part_rows, strict=True)
    return [rows[index] for index in sorted(rows)]


def _score(batch: TrainedBatch, report: Progress) -> list[Row]:
    report(0)  # where another thread has failed, this one ends here
    group, result = batch.group, batch.result
    if batch.failure is not None:
        return [_failed_row(batch, p, batch.failure) for p in range(len(group.members))]
    law, latent = group.shape.noise, group.shape.latent
    drawn = (ordered_noise(member.study_seed, member.seed, law, latent) for member in group.members)
    even_PS = samples(group.generator, result.theta_g_PW, itertools.repeat(_even_noise(group)))
    scores = score(even_PS, samples(group.generator, result.theta_g_PW, drawn), group.target, QUANTILE_LEVELS)
    return [_row(batch, p, scores) for p in range(len(group.members))]


def _even_noise(group: Group) -> Noise:
    return even_noise(group.shape.noise, group.shape.latent)


def _row(batch: TrainedBatch, p: int, scores: Scores) -> Row:
    member, result, steps = batch.group.members[p], batch.result, int(batch.steps_P[p])
    row = member_columns(member, batch.engine) | scores.row(p)
    step, tensor = int(result.stopped_step_P[p]), result.stopped_tensor[p]
    if not step and row["sample_state"] == "nonfinite":
        step, tensor = steps, "generated sample"
    row["outcome"] = "diverged" if step else "scored"
    if step:
        row |= _WORST | {"stopped_step": step, "stopped_tensor": tensor}
    elif steps < member.shape.steps:
        row |= {"outcome": "pruned", "stopped_step": steps}
    row |= _snapshots(batch, p, step)
    row["digest"] = digest_of(result.theta_g_PW[p], result.theta_d_PW[p])
    row["generator"] = result.theta_g_PW[p].astype(np.float32)
    return row


def digest_of(theta_g_W: NDArray[np.floating], theta_d_W: NDArray[np.floating]) -> str:
    """sha256 (hex) of the bits of both players' parameters."""
    return hashlib.sha256(theta_g_W.tobytes() + theta_d_W.tobytes()).hexdigest()


#: The scores of a member that has none: the worst KS there is, and nothing that could be averaged by mistake.
_WORST: Row = {"ks": 1.0, "ks_iid": 1.0, "ks_pvalue": 0.0} | dict.fromkeys(
    ("w1", "cvm", "ad", "mean", "sd", "quantiles")
)


def _failed_row(batch: TrainedBatch, p: int, reason: str) -> Row:
    result = {"outcome": "failed", "failure": reason, "sample_state": "empty", "digest": ""}
    return member_columns(batch.group.members[p], batch.engine) | _WORST | result | _snapshots(batch, p, 0)


def _snapshots(batch: TrainedBatch, p: int, stopped: int) -> Row:
    """Snapshots up to the step that training came to, and before the step in which the member stopped, if it did."""
    steps = int(batch.steps_P[p])
    marks = [m for m in batch.group.shape.snapshots if m <= steps and (not stopped or m < stopped)]
    row: Row = {"snapshot_step": marks}
    for name in SNAPSHOT_COLUMNS:
        values = batch.result.snapshots[name][p, : len(marks)]
        numbers = values.tolist()
        whole = bool(np.isfinite(values).all())
        row[f"snapshot_{name}"] = numbers if whole else [v if math.isfinite(v) else None for v in numbers]
    return row


def member_columns(member: Member, engine: Engine) -> Row:
    """Columns of a row that define the member, with the engine that trains it."""
    return {
        "key": member.key(engine.identity),
        "loss": member.loss,
        "loss_params": dict(member.loss_params),
        "view": member.view,
        "target": member.target.text,
        "study_seed": member.study_seed,
        "seed": member.seed,
        **member.shape.model_dump(mode="json", exclude={"snapshots"}),
        **member.settings.columns(),
        "engine": engine.identity,
    }
