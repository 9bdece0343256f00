"""Members in, rows out: engines train, scoring measures, and what is committed comes together."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.engines.auto import Trainer
from harness.engines.base import Engine, Leg, Measure, Progress
from harness.engines.threads import single_threaded
from harness.networks import generate
from harness.noise import NOISES, evenly_spread
from harness.population import Group, Member
from harness.scheduling import Course, advance
from harness.scoring import Scores, ks_distance, score
from harness.spec import Shape, Train
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS
from harness.streams import Stream, uniforms

#: Draws behind every committed score, stratified and independent alike.
SCORE_DRAWS = 10_000

#: Members whose samples are held at once: 80 kB each, several times over.
SCORED_TOGETHER = 64

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
    leg = None if stop is None else Leg(0, stop)
    courses, seconds = advance([(member, leg, None) for member in members], trainer, snapshot_measure, progress)
    return Population(rows_of(courses), seconds)


def setting_of(row: Mapping[str, Any], space: Iterable[str]) -> dict[str, float]:
    """The values of the searched keys in a committed row; a key of [train] is a column, another a loss parameter."""
    return {name: row[name] if name in Train.model_fields else row["loss_params"][name] for name in space}


def score_noise(study_seed: int, seed: int, shape: Shape) -> NDArray[np.float64]:
    """The independent draws of noise (S, Z) that a member's KS test is taken on."""
    count = SCORE_DRAWS * shape.latent
    u_C = uniforms(study_seed, torch.tensor([seed]), Stream.SCORE, range(1), count)[0, 0].double().numpy()
    return NOISES[shape.noise](u_C.reshape(SCORE_DRAWS, shape.latent))


def samples(group: Group, theta_PW: NDArray[np.floating], noises: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What each generator makes of its own noise (S, Z), as (P, S); one member at a time, so no bit depends on P."""
    theta = torch.from_numpy(np.ascontiguousarray(theta_PW))
    with single_threaded():
        made = [
            generate(group.generator, theta[p : p + 1], torch.from_numpy(noise_SZ)).double().numpy()
            for p, noise_SZ in zip(range(len(theta)), noises, strict=False)
        ]
    return np.concatenate(made)


def _even_noise(shape: Shape) -> Iterable[NDArray[np.float64]]:
    return itertools.repeat(evenly_spread(shape.noise, SCORE_DRAWS, shape.latent))


def snapshot_measure(group: Group) -> Measure:
    """What snapshots measure of a group's generators: their KS distance on stratified noise."""
    noises = _even_noise(group.shape)

    def measure(theta_PW: NDArray[np.floating]) -> Mapping[str, NDArray[np.float64]]:
        return {"ks": ks_distance(samples(group, theta_PW, noises), group.target)}

    return measure


def rows_of(courses: Sequence[Course]) -> list[Row]:
    """The rows of members where they stand, in the order given; one that has steps left is "pruned"."""
    found: dict[int, Row] = {}
    by_group: dict[tuple[object, ...], list[int]] = {}
    for place, course in enumerate(courses):
        if course.failure is not None:
            found[place] = _failed(course, course.failure)
        else:
            m = course.member
            by_group.setdefault((m.view, m.target, m.study_seed, m.shape), []).append(place)
    for places in by_group.values():
        for start in range(0, len(places), SCORED_TOGETHER):
            together = places[start : start + SCORED_TOGETHER]
            found |= zip(together, _scored([courses[place] for place in together]), strict=True)
    return [found[place] for place in range(len(courses))]


def _scored(courses: Sequence[Course]) -> list[Row]:
    group = Group(tuple(course.member for course in courses))
    drawn = [score_noise(member.study_seed, member.seed, member.shape) for member in group.members]
    made_PS, made_iid_PS = (
        # One by one, because engines that serve one group differ in precision.
        np.concatenate(
            [samples(group, course.theta_g_W[None], [noise]) for course, noise in zip(courses, noises, strict=False)]
        )
        for noises in (_even_noise(group.shape), drawn)
    )
    scores = score(made_PS, made_iid_PS, group.target, QUANTILE_LEVELS)
    return [_row(course, p, scores) for p, course in enumerate(courses)]


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
    bits = course.theta_g_W.tobytes() + course.theta_d_W.tobytes()
    row["digest"] = hashlib.sha256(bits).hexdigest()
    row["generator"] = course.theta_g_W.astype(np.float32)
    return row


#: The scores of a member that has none: the worst KS there is, and nothing that could be averaged by mistake.
_WORST: Row = {"ks": 1.0, "ks_iid": 1.0, "ks_pvalue": 0.0} | dict.fromkeys(
    ("w1", "cvm", "ad", "mean", "sd", "quantiles")
)


def _failed(course: Course, reason: str) -> Row:
    result = {"outcome": "failed", "failure": reason, "sample_state": "empty", "digest": ""}
    return definition(course.member, course.engine) | _WORST | result | _snapshots(course, 0)


def spared(member: Member, engine: Engine) -> Row:
    """The row of a member that pruning by seed kept from training: no score at all, pruned at step 0."""
    nothing = dict.fromkeys(_WORST) | {"snapshot_step": []} | {f"snapshot_{name}": [] for name in SNAPSHOT_COLUMNS}
    result = {"outcome": "pruned", "stopped_step": 0, "sample_state": "empty", "digest": ""}
    return definition(member, engine) | nothing | result


def _snapshots(course: Course, stopped: int) -> Row:
    """The snapshots up to where the member is, and before the step in which it stopped, if it did."""
    marks = [m for m in course.member.shape.snapshots if m <= course.steps and (not stopped or m < stopped)]
    row: Row = {"snapshot_step": marks}
    for name in SNAPSHOT_COLUMNS:
        values = course.snapshots[name][: len(marks)]
        row[f"snapshot_{name}"] = [float(v) if math.isfinite(v) else None for v in values]
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
        **member.settings.model_dump(),
        "engine": engine.identity,
    }
