"""What the page shows, as arrays: the frames of every recorded run, joined with the losses of the committed rows."""

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
class Run:
    """One member's frames: F of them, fewer than the show's steps where it diverged.

    ``values``, ``logits`` and ``forces`` are (F, Q) at the store's quantile levels, ``curve`` D's logit (F, X) over the
    grid, ``measured`` the generator's half of the step (F,) by column. Losses at the start are nan: no step was taken.
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
class Show:
    """All runs over one axis of steps; ``cast`` are the places of those that stand side by side, by their words."""

    steps: tuple[int, ...]
    grid: Float64
    target: Target
    losses: tuple[str, ...]
    runs: tuple[Run, ...]
    cast: Mapping[str, int]
    success_ks: float
    description: Mapping[str, Any]


def read_show(store: Store) -> Show:
    """The show of a recorded sweep; the runs side by side are those of trial 0, the file's own setting, and one seed.

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
        raise InputError(f"{store.folder}: its target is none that this program knows")
    rows = [row for row in store.table(list(_COLUMNS)).to_pylist() if row["key"] in recording.digests]
    losses = {arm["arm"]: str(arm["loss"]) for arm in arms_of(description)}
    frames = _by_key(recording)
    runs = tuple(_run(row, losses[row["arm"]], frames[row["key"]]) for row in rows)
    steps = max((tuple(frames[run.key]["step"].tolist()) for run in runs), key=len)
    return Show(
        steps=steps,
        grid=np.array(recording.grid),
        target=target,
        losses=tuple(dict.fromkeys(run.loss for run in runs)),
        runs=runs,
        cast=_cast(store, runs),
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


def toward(run: Run, target: Target) -> Float64:
    """The share (F,) of values whose force points to where the target has the value of the same rank."""
    wanted_Q = target.quantile(np.array(QUANTILE_LEVELS))
    share: Float64 = (np.sign(run.forces) == np.sign(wanted_Q - run.values)).mean(axis=1)
    return share


def _by_key(recording: Recording) -> dict[str, dict[str, Float64]]:
    """The columns of each member's frames as arrays (F,) or (F, n), in the order of the steps."""
    found: dict[str, list[dict[str, Any]]] = {}
    for frame in recording.frames.to_pylist():
        found.setdefault(frame.pop("key"), []).append(frame)
    ordered = {key: sorted(frames, key=lambda frame: frame["step"]) for key, frames in found.items()}
    return {key: {name: np.array([f[name] for f in some]) for name in some[0]} for key, some in ordered.items()}


def _run(row: Mapping[str, Any], loss: str, frames: Mapping[str, Float64]) -> Run:
    steps = frames["step"].tolist()
    measured = ("through_input", "input_cut", "left_on_d", "moved_g", "moved_d")
    return Run(
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
    known = dict(zip(row["snapshot_step"], row[column], strict=True))
    return np.array([known.get(step, np.nan) for step in steps], dtype=np.float64)


def _cast(store: Store, runs: Sequence[Run]) -> dict[str, int]:
    """The places of the runs side by side: trial 0 of each variant of the cast, with the first seed that all have."""
    first = [(place, run) for place, run in enumerate(runs) if run.trial == 0]
    missing = [loss for loss in CAST.values() if loss not in {run.loss for _, run in first}]
    if missing:
        raise InputError(f"{store.folder}: has no run of {missing[0]}; the page shows {', '.join(CAST.values())}")
    seed = min(run.seed for _, run in first)
    found = {(run.loss, run.seed): place for place, run in first}
    return {word: found[loss, seed] for word, loss in CAST.items()}
