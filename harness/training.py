"""Members in, rows out: an engine trains, scoring measures, and what is committed comes together."""

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

from harness.engines.base import Engine, Progress, Trained
from harness.engines.threads import single_threaded
from harness.errors import InputError
from harness.networks import generate
from harness.noise import NOISES, evenly_spread
from harness.population import Group, Member, groups
from harness.scoring import Scores, ks_distance, score
from harness.spec import Shape, Train
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS
from harness.streams import Stream, uniforms

#: Draws behind every committed score, stratified and independent alike.
SCORE_DRAWS = 10_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Population:
    """The rows of members, in the order given, and the seconds that training them took."""

    rows: list[Row]
    seconds: float


def train(members: Sequence[Member], engine: Engine, progress: Progress) -> Population:
    """Train and score members; a row for each, with the columns of ``store.SCHEMA`` that describe a member.

    Members for whose group memory does not suffice have the outcome "failed"; they count as KS 1, as diverged ones do.

    Raises:
        InputError: the engine refuses a member; nothing was trained.
    """
    made = groups(members)
    for member in members:
        if reason := engine.refuses(member):
            raise InputError(f"engine {engine.name}: {reason}")
    rows: dict[Member, Row] = {}
    seconds = 0.0
    for group in made:
        try:
            trained = engine.train(group, _snapshot_measure(group), progress)
            measured = _rows(group, trained, engine)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            rows |= {member: _failed(member, engine, reason) for member in group.members}
            continue
        seconds += trained.seconds
        rows |= dict(zip(group.members, measured, strict=True))
    return Population([rows[member] for member in members], seconds)


def setting_of(row: Mapping[str, Any], space: Iterable[str]) -> dict[str, float]:
    """The values of the searched keys in a committed row; a key of [train] is a column, another a loss parameter."""
    return {name: row[name] if name in Train.model_fields else row["loss_params"][name] for name in space}


def _out_of_memory(error: Exception) -> bool:
    # On a CPU torch raises a bare RuntimeError, told from others by its allocator's words alone.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


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


def _snapshot_measure(group: Group) -> Any:
    noises = _even_noise(group.shape)

    def measure(theta_PW: NDArray[np.floating]) -> Mapping[str, NDArray[np.float64]]:
        return {"ks": ks_distance(samples(group, theta_PW, noises), group.target)}

    return measure


def _rows(group: Group, trained: Trained, engine: Engine) -> list[Row]:
    members = group.members
    drawn = (score_noise(member.study_seed, member.seed, member.shape) for member in members)
    made_PS, made_iid_PS = (samples(group, trained.theta_g_PW, noises) for noises in (_even_noise(group.shape), drawn))
    scores = score(made_PS, made_iid_PS, group.target, QUANTILE_LEVELS)
    return [_row(member, p, trained, scores, engine) for p, member in enumerate(members)]


def _row(member: Member, p: int, trained: Trained, scores: Scores, engine: Engine) -> Row:
    row = _definition(member, engine) | scores.row(p)
    step, tensor = int(trained.stopped_step_P[p]), trained.stopped_tensor[p]
    if not step and row["sample_state"] == "nonfinite":
        step, tensor = member.shape.steps, "generated sample"
    row["outcome"] = "diverged" if step else "scored"
    if step:
        row |= _WORST | {"stopped_step": step, "stopped_tensor": tensor}
    marks = member.shape.snapshots
    row["snapshot_step"] = [mark for mark in marks if not step or mark < step]
    for name in SNAPSHOT_COLUMNS:
        values = trained.snapshots[name][p][: len(row["snapshot_step"])]
        row[f"snapshot_{name}"] = [float(v) if math.isfinite(v) else None for v in values]
    bits = trained.theta_g_PW[p].tobytes() + trained.theta_d_PW[p].tobytes()
    row["digest"] = hashlib.sha256(bits).hexdigest()
    row["generator"] = trained.theta_g_PW[p].astype(np.float32)
    return row


#: The scores of a member that has none: the worst KS there is, and nothing that could be averaged by mistake.
_WORST: Row = {"ks": 1.0, "ks_iid": 1.0, "ks_pvalue": 0.0} | dict.fromkeys(
    ("w1", "cvm", "ad", "mean", "sd", "quantiles")
)


def _failed(member: Member, engine: Engine, reason: str) -> Row:
    lists: Row = {f"snapshot_{name}": [] for name in SNAPSHOT_COLUMNS}
    result = {"outcome": "failed", "failure": reason, "sample_state": "empty", "snapshot_step": [], "digest": ""}
    return _definition(member, engine) | _WORST | result | lists


def _definition(member: Member, engine: Engine) -> Row:
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
