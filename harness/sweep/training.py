"""Members in, rows out: engines train, scoring measures, and what is committed comes together."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.config import Train
from harness.data.mlp import Mlp
from harness.engines.auto import Trainer
from harness.engines.base import Engine, Measure, Progress, Segment
from harness.engines.generate import Noise, even_noise, ordered_noise, samples
from harness.engines.parallel import cores, run_parallel, single_threaded
from harness.members import Group, Member
from harness.metrics.distances import Scores, ks_distance, score
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS
from harness.sweep.batching import Course, advance

#: Members that a thread scores at a time: enough that what they share is of no account, few enough that threads end
#: together.
SCORED_TOGETHER = 8

Row = dict[str, Any]


@dataclass(frozen=True)
class Population:
    """The rows of members, in the order given, and the seconds that training them took."""

    rows: list[Row]
    seconds: float


def train(members: Sequence[Member], trainer: Trainer, progress: Progress, stop: int | None = None) -> Population:
    """Train and score members; a row for each, with the columns of ``store.SCHEMA`` that describe a member.

    With ``stop`` they train up to that step of theirs alone, and are rows as of members pruned there. Members for which
    memory does not suffice have the outcome "failed"; they count as KS 1, as diverged ones do.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    leg = None if stop is None else Segment(0, stop)
    courses, seconds = advance([(member, leg, None) for member in members], trainer, snapshot_measure, progress)
    return Population(score_members(courses), seconds)


def setting_of(row: Mapping[str, Any], space: Iterable[str]) -> dict[str, float]:
    """The values of the searched keys in a committed row; a key of [train] is a column, another a loss parameter."""
    return {name: row[name] if name in Train.model_fields else row["loss_params"][name] for name in space}


def snapshot_measure(group: Group) -> Measure:
    """What snapshots measure of a group's generators: their KS distance on stratified noise."""
    network, noises = group.generator, itertools.repeat(_even_noise(group))

    def measure(theta_PW: NDArray[np.floating]) -> Mapping[str, NDArray[np.float64]]:
        return {"ks": ks_distance(samples(network, theta_PW, noises), group.target)}

    return measure


def score_members(courses: Sequence[Course]) -> list[Row]:
    """The rows of members where they stand, in the order given; one that has steps left is "pruned"."""
    found: dict[int, Row] = {}
    by_group: dict[tuple[object, ...], list[int]] = {}
    for place, course in enumerate(courses):
        if course.failure is not None:
            found[place] = _failed(course, course.failure)
        else:
            m = course.member
            by_group.setdefault((m.view, m.target, m.study_seed, m.shape), []).append(place)
    together = [
        places[start : start + SCORED_TOGETHER]
        for places in by_group.values()
        for start in range(0, len(places), SCORED_TOGETHER)
    ]
    works = [partial(_scored, [courses[place] for place in places]) for places in together]
    with single_threaded():
        scored = run_parallel(works, [ThreadPoolExecutor(cores())], lambda steps: None)
    for places, rows in zip(together, scored, strict=True):
        found |= zip(places, rows, strict=True)
    return [found[place] for place in range(len(courses))]


def _scored(courses: Sequence[Course], tell: Progress) -> list[Row]:
    tell(0)  # where another thread has failed, this one ends here
    group = Group(tuple(course.member for course in courses))
    law, latent = group.shape.noise, group.shape.latent
    drawn = (ordered_noise(member.study_seed, member.seed, law, latent) for member in group.members)
    even_PS = _samples(group.generator, courses, itertools.repeat(_even_noise(group)))
    scores = score(even_PS, _samples(group.generator, courses, drawn), group.target, QUANTILE_LEVELS)
    return [_row(course, p, scores) for p, course in enumerate(courses)]


def _even_noise(group: Group) -> Noise:
    return even_noise(group.shape.noise, group.shape.latent)


def _samples(network: Mlp, courses: Sequence[Course], noises: Iterable[Noise]) -> NDArray[np.floating]:
    """By precision, because engines that serve one group differ in it."""
    thetas = [course.theta_g_W for course in courses]
    if len({theta_W.dtype for theta_W in thetas}) == 1:
        return samples(network, np.stack(thetas), noises)
    pairs = zip(thetas, noises, strict=False)
    return np.concatenate([samples(network, theta_W[None], [noise_SZ]) for theta_W, noise_SZ in pairs])


def _row(course: Course, p: int, scores: Scores) -> Row:
    shape = course.member.shape
    row = definition(course.member, course.engine) | scores.row(p)
    step, tensor = course.stopped_step, course.stopped_tensor
    if not step and row["sample_state"] == "nonfinite":
        step, tensor = course.steps, "generated sample"
    row["outcome"] = "diverged" if step else "scored"
    if step:
        row |= _WORST | {"stopped_step": step, "stopped_tensor": tensor}
    elif course.steps < shape.steps:
        row |= {"outcome": "pruned", "stopped_step": course.steps}
    row |= _snapshots(course, step)
    row["digest"] = digest_of(course)
    row["generator"] = course.theta_g_W.astype(np.float32)
    return row


def digest_of(course: Course) -> str:
    """sha256 (hex) of the bits of both players' parameters where a member stands."""
    return hashlib.sha256(course.theta_g_W.tobytes() + course.theta_d_W.tobytes()).hexdigest()


#: The scores of a member that has none: the worst KS there is, and nothing that could be averaged by mistake.
_WORST: Row = {"ks": 1.0, "ks_iid": 1.0, "ks_pvalue": 0.0} | dict.fromkeys(
    ("w1", "cvm", "ad", "mean", "sd", "quantiles")
)


def _failed(course: Course, reason: str) -> Row:
    result = {"outcome": "failed", "failure": reason, "sample_state": "empty", "digest": ""}
    return definition(course.member, course.engine) | _WORST | result | _snapshots(course, 0)


def _snapshots(course: Course, stopped: int) -> Row:
    """The snapshots up to where the member is, and before the step in which it stopped, if it did."""
    marks = [m for m in course.member.shape.snapshots if m <= course.steps and (not stopped or m < stopped)]
    row: Row = {"snapshot_step": marks}
    for name in SNAPSHOT_COLUMNS:
        values = course.snapshots[name][: len(marks)]
        numbers = values.tolist()
        whole = bool(np.isfinite(values).all())
        row[f"snapshot_{name}"] = numbers if whole else [v if math.isfinite(v) else None for v in numbers]
    return row


def definition(member: Member, engine: Engine) -> Row:
    """The columns that say what a member is and who trains it."""
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
