"""The recording: its members are the sweep's, its frames what the reference sees, its pushes true gradients."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.members import member
from support.sweeps import altered, carry_on, experiment

from harness.data.rng import Stream
from harness.engines.cpu import CpuEngine
from harness.engines.reference import ReferenceEngine
from harness.engines.reference.engine import alternating
from harness.engines.reference.gradients import Game
from harness.errors import InputError, StoreError
from harness.losses import LOSSES
from harness.members import Group, Member
from harness.store import QUANTILE_LEVELS, Store
from harness.store.recording_file import FRAMES, NAME, read_recording
from harness.sweep.recording import frames_of, record, record_members
from harness.sweep.recording_frames import GeneratorUpdate, grid_of, measure_frame, unrecordable_reason

#: Small and short, with frames at the start and within.
SMALL: dict[str, Any] = {"view": "sample", "steps": 30, "batch": 20, "hidden": 8, "snapshots": (3, 12, 30),
                         "lr_d": 1e-2, "lr_g": 1e-3}  # fmt: skip
CAST = {
    "non_saturating": {},
    "generator_label": {"t": 0.5},
    "flipped_labels": {},
    "minimax": {},
    "flipped_convention": {},
}
LOSS_PARAMS = [pytest.param(name, params, id=name) for name, params in CAST.items()]


def nothing(steps: int) -> None:
    """Progress that nobody hears."""


def trained(own: Member, stop: int) -> Game:
    """The reference's game after so many steps, played without the engine."""
    game = Game(Group((own,)), own)
    for step in range(stop):
        assert alternating(game, step) is None
    return game


def thetas(game: Game) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The parameters of G and D."""
    return game.g.theta_1W[0].numpy().copy(), game.d.theta_1W[0].numpy().copy()


def loss_at(own: Member, theta_d_W: NDArray[np.float64], x_Q: NDArray[np.float64]) -> NDArray[np.float64]:
    """The generator's loss of each value alone."""
    group = Group((own,))
    parts = group.discriminator.split(torch.from_numpy(theta_d_W)[None])
    logits = group.discriminator.forward(parts, torch.from_numpy(x_Q)[None, :, None])
    return LOSSES[own.loss].generator_loss(None, logits, **dict(own.loss_params))[0].numpy()


@pytest.mark.parametrize(("loss", "params"), LOSS_PARAMS)
def test_the_push_is_what_differences_of_the_loss_say(loss: str, params: dict[str, float]) -> None:
    """Minus the central difference of each value's own loss, in float64, in the middle of a training."""
    own = member(loss, params=params, **SMALL)
    theta_g, theta_d = thetas(trained(own, 12))
    frame, h = measure_frame(own, theta_g, theta_d), 1e-5
    slope = (loss_at(own, theta_d, frame["values"] + h) - loss_at(own, theta_d, frame["values"] - h)) / (2 * h)
    np.testing.assert_allclose(frame["forces"], -slope, rtol=1e-6, atol=1e-9)
    assert np.abs(frame["forces"]).max() > 1e-3


def test_frames_are_those_of_the_reference_played_alone() -> None:
    """On the reference engine, every frame shows the parameters of the game in one go, to the bit."""
    own = member(**SMALL)
    (watched,) = record_members([own], ReferenceEngine(), nothing, detailed=1)
    assert [frame["step"] for frame in watched.frames] == list(frames_of(own)) == [0, 3, 12, 30]
    for frame in watched.frames[1:]:
        expected = measure_frame(own, *thetas(trained(own, frame["step"])))
        for name, value in expected.items():
            np.testing.assert_array_equal(frame[name], value, err_msg=name)


def test_the_cpu_engine_shows_what_the_reference_shows() -> None:
    """Over a short training float32 and float64 differ by rounding alone, at the start by the start's own."""
    own = member(**SMALL)
    ((fast,), (exact,)) = (record_members([own], engine, nothing) for engine in (CpuEngine(), ReferenceEngine()))
    for one, other in zip(fast.frames, exact.frames, strict=True):
        for name in ("ks", "values", "logits", "forces", "curve"):
            np.testing.assert_allclose(one[name], other[name], rtol=2e-3, atol=2e-4, err_msg=f"{name} {one['step']}")


def test_the_first_frame_is_the_start() -> None:
    """Before any step: the reference's own initial parameters, rounded to float32 as the fast engines start."""
    own = member(**SMALL)
    (watched,) = record_members([own], CpuEngine(), nothing)
    start = [theta.astype(np.float32) for theta in thetas(trained(own, 0))]
    np.testing.assert_array_equal(watched.frames[0]["values"], measure_frame(own, *start)["values"])


@pytest.mark.parametrize(("loss", "params"), LOSS_PARAMS)
def test_the_gradient_comes_through_ds_input_and_moves_g_alone(loss: str, params: dict[str, float]) -> None:
    """Cut D's input and G's gradient is 0 exactly; D has a gradient of G's loss, and does not move by a bit."""
    own = member(loss, params=params, **SMALL)
    measured = GeneratorUpdate(own).measure(12, *thetas(trained(own, 12)))
    assert measured["input_cut"] == 0.0
    assert measured["moved_d"] == 0.0
    assert min(measured["through_input"], measured["left_on_d"], measured["moved_g"]) > 0


@pytest.mark.parametrize(("loss", "params"), LOSS_PARAMS)
def test_measured_gradients_are_autograds_of_the_mean_loss(loss: str, params: dict[str, float]) -> None:
    """Norms in G's and in D's weights, by differentiating the variant's own formula on the next step's noise."""
    own = member(loss, params=params, **SMALL)
    game = trained(own, 12)
    made_1B = game.generate(Stream.LATENT_G, 12)
    value = game.variant.generator_loss(None, game.decide(game.view.features(made_1B)), **params).mean()
    measured = GeneratorUpdate(own).measure(12, *thetas(game))
    for name, player in (("through_input", game.g), ("left_on_d", game.d)):
        gradients = torch.autograd.grad(value, player.parts, retain_graph=True)
        norm = float(torch.cat([g.flatten() for g in gradients]).norm())
        assert measured[name] == pytest.approx(norm, rel=1e-9), name


def test_measuring_leaves_no_trace() -> None:
    """The same parameters give the same numbers again, whatever was measured between."""
    own = member(**SMALL)
    half, early, late = GeneratorUpdate(own), thetas(trained(own, 3)), thetas(trained(own, 12))
    first = half.measure(3, *early)
    assert half.measure(12, *late) != first
    assert half.measure(3, *early) == first


def test_recorded_members_are_the_sweeps(recorded: Store) -> None:
    """Every searched member and no other; digests, KS and final quantiles are those of the committed rows."""
    recording = read_recording(recorded.folder)
    assert recording is not None
    rows = {row["key"]: row for row in recorded.table().to_pylist() if row["stage"] == "search"}
    assert recording.digests == {key: row["digest"] for key, row in rows.items()}
    frames = recording.frames.to_pylist()
    assert len(frames) == len(rows) * 6
    for frame in frames:
        row = rows[frame["key"]]
        if frame["step"]:
            assert frame["ks"] == row["snapshot_ks"][row["snapshot_step"].index(frame["step"])]
        if frame["step"] == row["steps"]:
            np.testing.assert_allclose(frame["values"], row["quantiles"], rtol=1e-5, atol=1e-6)
        assert (frame["moved_d"] == 0.0) if row["trial"] == 0 else (frame["moved_d"] is None)


def test_a_recording_is_made_once(recorded: Store, tmp_path: Path) -> None:
    """A second call trains nothing and leaves the file's bytes; without the file, the same frames come again."""
    shutil.copytree(recorded.folder, tmp_path / "sweep")
    store, told = Store(tmp_path / "sweep"), list[int]()
    before = (store.folder / NAME).read_bytes()
    first = record(store, CpuEngine(), told.append)
    assert told == []
    assert (store.folder / NAME).read_bytes() == before
    (store.folder / NAME).unlink()
    again = record(store, CpuEngine(), told.append)
    assert sum(told) == 28 * 30
    assert again.frames.equals(first.frames)


def test_members_that_end_otherwise_are_told(recorded: Store, tmp_path: Path) -> None:
    """Rows that this machine does not train again bit for bit have no recording: the message names the member."""
    shutil.copytree(recorded.folder, tmp_path / "sweep")
    store = Store(tmp_path / "sweep")
    key = altered(store, 0, "digest", "0" * 64)
    with pytest.raises(StoreError, match=rf"\({key}\) ended differently"):
        record(store, CpuEngine(), nothing)
    assert read_recording(store.folder) == read_recording(recorded.folder)


def test_a_damaged_recording_is_named(recorded: Store, tmp_path: Path) -> None:
    """One flipped byte is an error that says which file and what to do; no file is no recording."""
    assert read_recording(tmp_path) is None
    data = bytearray((recorded.folder / NAME).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(StoreError, match=r"recording\.parquet: damaged .*delete it"):
        read_recording(tmp_path)


def test_a_member_that_stops_has_frames_up_to_there() -> None:
    """Gradients without bound end a member; its frames end before, all finite, and its neighbour's go on."""
    # Least squares by SGD with an affine D grows by a factor a step until float32 overflows, as in test_segments.py.
    sick = {**SMALL, "optimizer": "sgd", "beta1": 0.0, "activations_d": [], "steps": 400, "snapshots": (1, 5, 400)}
    ill = member("least_squares", **sick | {"lr_d": 1e2, "lr_g": 1e2})
    well = member("least_squares", **sick | {"lr_d": 1e-3, "lr_g": 1e-3})
    stopped, whole = record_members([ill, well], CpuEngine(), nothing)
    assert len(whole.frames) == 4
    assert 1 <= len(stopped.frames) < 4
    assert all(np.isfinite(frame["forces"]).all() for frame in stopped.frames)


def test_what_cannot_be_drawn_over_x_is_refused() -> None:
    """A view of the whole minibatch, a direct loss, and settings that change what G is trained with, each with why."""
    for own, why in (
        (member(**SMALL | {"view": "variances"}), "only view 'sample'"),
        (member("w1_direct", **SMALL), "loss of its values"),
        (member(**SMALL | {"ema": 0.9}), "ema = 0"),
        (member(**SMALL | {"instance_noise": 0.1}), "instance_noise = 0"),
    ):
        assert why in str(unrecordable_reason(own))
        with pytest.raises(InputError, match="cannot be recorded"):
            record_members([own], ReferenceEngine(), nothing)
    assert unrecordable_reason(member(**SMALL)) is None


def test_a_sweep_without_a_search_is_refused(tmp_path: Path) -> None:
    """There is nothing to record in a sweep that has confirm members alone."""
    store = carry_on(experiment(search={"trials": 0}), tmp_path / "small")
    with pytest.raises(InputError, match="nothing was searched"):
        record(store, CpuEngine(), nothing)


def test_the_grid_holds_the_target() -> None:
    """From -4 to 12 for N(4, 1.25): whole numbers around its 0.1 % and 99.9 % quantiles and half as much again."""
    own = member(**SMALL)
    grid = grid_of(own)
    assert (grid[0], grid[-1], len(grid)) == (-4, 12, 65)
    assert own.target.cdf(grid[[0, -1]]) == pytest.approx([0, 1], abs=1e-9)
    assert len(measure_frame(own, *thetas(trained(own, 0)))["values"]) == len(QUANTILE_LEVELS)


def test_every_column_is_filled(recorded: Store) -> None:
    """No column of the frames is without a value, and none is there that the schema does not name."""
    recording = read_recording(recorded.folder)
    assert recording is not None
    assert recording.frames.schema.names == FRAMES.names
    assert all(column.null_count < len(column) for column in recording.frames.columns)
