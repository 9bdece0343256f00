"""The data of the page as arrays: frames of every recorded member, joined with the losses of its committed row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.explain.cast import CAST
from analysis.rows import arms_of, target_of
from harness.data.target import Target
from harness.errors import InputError
from harness.store import QUANTILE_LEVELS, Store
from harness.store.recording_file import Recording, read_recording

Float64 = NDArray[np.float64]

#: The kernel that a density is drawn with: this share of the law's own spread, and never narrower than this share of
#: the space between two points of the grid.
_BANDWIDTH, _NARROWEST = 0.2, 0.6

_COLUMNS = ("key", "stage", "arm", "trial", "seed", "lr_d", "lr_g", "engine",
            "snapshot_step", "snapshot_loss_d", "snapshot_loss_g")  # fmt: skip


@dataclass(frozen=True)
class RecordedMember:
    """One member's frames: F of them, fewer than there are steps where it diverged.

    ``values``, ``logits`` and ``forces`` are (F, Q) at the store's quantile levels, ``curve`` D's logit (F, X) over the
    grid, ``measured`` the generator's half of the step (F,) by column. Losses are nan at the start, before any step.
    """

    key: str
    loss: str
    trial: int
    seed: int
    lr_d: float
    lr_g: float
    engine: str
    ks: Float64
    loss_d: Float64
    loss_g: Float64
    values: Float64
    logits: Float64
    forces: Float64
    curve: Float64
    measured: Mapping[str, Float64]


@dataclass(frozen=True)
class ExplainerData:
    """All recorded members over one axis of steps; ``cast`` has the indices of those side by side, by their keys."""

    steps: tuple[int, ...]
    grid: Float64
    target: Target
    losses: tuple[str, ...]
    members: tuple[RecordedMember, ...]
    cast: Mapping[str, int]
    success_ks: float
    description: Mapping[str, Any]


def read_explainer_data(store: Store) -> ExplainerData:
    """Read a recorded sweep. The members side by side are of trial 0 (the setting of the file) and one seed.

    Raises:
        StoreError: there is no sweep, or its recording is damaged.
        InputError: it is not recorded, or lacks a variant that the page is about.
    """
    description = store.describe()
    recording = read_recording(store.folder)
    if recording is None:
        raise InputError(f"{store.folder}: is not recorded yet; `harness explain` records it")
    target = target_of(description)
    if target is None:
        raise InputError(f"{store.folder}: this version does not know its target")
    rows = [row for row in store.table(list(_COLUMNS)).to_pylist() if row["key"] in recording.digests]
    losses = {arm["arm"]: str(arm["loss"]) for arm in arms_of(description)}
    frames = _by_key(recording)
    members = tuple(_member(row, losses[row["arm"]], frames[row["key"]]) for row in rows)
    steps = max((tuple(frames[member.key]["step"].tolist()) for member in members), key=len)
    return ExplainerData(
        steps=steps,
        grid=np.array(recording.grid),
        target=target,
        losses=tuple(dict.fromkeys(member.loss for member in members)),
        members=members,
        cast=_cast(store, members),
        success_ks=float(description["spec"]["success_ks"]),
        description=description,
    )


def density(values_FQ: Float64, grid_X: Float64) -> Float64:
    """The density (F, X) of laws with these quantiles: a mean of normal kernels on them.

    Quantiles have no sampling noise, so that the kernel may be narrow: it widens a normal law by 2 %.
    """
    spread_F = values_FQ.std(axis=1)
    width_F11 = np.maximum(_BANDWIDTH * spread_F, _NARROWEST * (grid_X[1] - grid_X[0]))[:, None, None]
    z_FXQ = (grid_X[None, :, None] - values_FQ[:, None, :]) / width_F11
    kernels_FX: Float64 = (np.exp(-0.5 * z_FXQ**2) / (np.sqrt(2 * np.pi) * width_F11)).mean(axis=2)
    return kernels_FX


def toward(member: RecordedMember, target: Target) -> Float64:
    """The share (F,) of values whose force points towards the target's value of the same rank."""
    wanted_Q = target.quantile(np.array(QUANTILE_LEVELS))
    share: Float64 = (np.sign(member.forces) == np.sign(wanted_Q - member.values)).mean(axis=1)
    return share


def _by_key(recording: Recording) -> dict[str, dict[str, Float64]]:
    """The columns of each member's frames as arrays (F,) or (F, n), in the order of the steps."""
    frames: dict[str, list[dict[str, Any]]] = {}
    for frame in recording.frames.to_pylist():
        frames.setdefault(frame.pop("key"), []).append(frame)
    ordered = {key: sorted(rows, key=lambda row: row["step"]) for key, rows in frames.items()}
    return {key: {name: np.array([row[name] for row in rows]) for name in rows[0]} for key, rows in ordered.items()}


def _member(row: Mapping[str, Any], loss: str, frames: Mapping[str, Float64]) -> RecordedMember:
    steps = frames["step"].tolist()
    measured = ("through_input", "input_cut", "left_on_d", "moved_g", "moved_d")
    return RecordedMember(
        key=row["key"],
        loss=loss,
        trial=row["trial"],
        seed=row["seed"],
        lr_d=row["lr_d"],
        lr_g=row["lr_g"],
        engine=row["engine"],
        ks=frames["ks"],
        loss_d=_at(row, "snapshot_loss_d", steps),
        loss_g=_at(row, "snapshot_loss_g", steps),
        measured={name: frames[name] for name in measured},
        **{name: frames[name].astype(np.float64) for name in ("values", "logits", "forces", "curve")},
    )


def _at(row: Mapping[str, Any], column: str, steps: Sequence[int]) -> Float64:
    """A snapshot's values at these steps; nan where there is none."""
    values = dict(zip(row["snapshot_step"], row[column], strict=True))
    return np.array([values.get(step, np.nan) for step in steps], dtype=np.float64)


def _cast(store: Store, members: Sequence[RecordedMember]) -> dict[str, int]:
    """Indices of the members side by side: trial 0 of each variant of the cast, with the first seed that all have."""
    first = [(index, member) for index, member in enumerate(members) if member.trial == 0]
    missing = [loss for loss in CAST.values() if loss not in {member.loss for _, member in first}]
    if missing:
        raise InputError(f"{store.folder}: has no run of {missing[0]}; the page shows {', '.join(CAST.values())}")
    seed = min(member.seed for _, member in first)
    indices = {(member.loss, member.seed): index for index, member in first}
    return {word: indices[loss, seed] for word, loss in CAST.items()}
