"""Promises that every engine makes (engines/base.py), and those of the batched engine's stacks."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.engines import (
    BATCHED_PARAMS,
    ENGINE_PARAMS,
    FAST_PARAMS,
    bits,
    measured_mean,
    negated_last_layer,
    others,
    trained,
)
from support.members import member

from harness.data.target import Target
from harness.data.views import VIEWS
from harness.engines import ENGINES, choose
from harness.engines.auto import Auto
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError
from harness.losses import LOSSES
from harness.members import groups


@pytest.mark.promise("P10")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("engine", FAST_PARAMS)
def test_a_member_is_bitwise_the_same_in_any_population_and_slot(engine: Engine, view: str) -> None:
    """Alone, first, in the middle and last in populations of 2, 7, 16, 17, 64 and 70, and again after a repeat.

    A population of more than two holds it in all three slots at once.
    """
    own = member(view=view, ema=0.5, weight_clip=0.5, steps=12)
    expected = bits(trained(engine, [own]), 0)
    assert bits(trained(engine, [own]), 0) == expected
    larger = [(size, {0, size // 2, size - 1}) for size in (7, 16, 17, 64, 70)]
    for size, slots in ((2, {0}), (2, {1}), *larger):
        crowd = others(size, view=view, steps=12)
        together = trained(engine, [own if slot in slots else other for slot, other in enumerate(crowd)])
        for slot in slots:
            assert bits(together, slot) == expected, (size, slot)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("engine", FAST_PARAMS)
@given(hidden=st.integers(1, 40), batch=st.integers(1, 30), size=st.integers(2, 40), place=st.floats(0, 1))
# Found by 400 examples when a spare member was narrower than the tail of an array.
@example(hidden=3, batch=1, size=12, place=1.0)
@settings(max_examples=int(os.environ.get("EXAMPLES", "25")))
def test_independence_holds_for_odd_shapes(engine: Engine, hidden: int, batch: int, size: int, place: float) -> None:
    """Whatever the widths, where vectors end in the middle of a member, slots do not show."""
    slot = round(place * (size - 1))
    own = member(hidden=hidden, batch=batch, steps=4)
    crowd = others(size - 1, hidden=hidden, batch=batch, steps=4)
    assert bits(trained(engine, [*crowd[:slot], own, *crowd[slot:]]), slot) == bits(trained(engine, [own]), 0)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("engine", FAST_PARAMS)
def test_neighbours_of_other_variants_do_not_show(engine: Engine) -> None:
    """One population may hold every variant: each member's bits are those it has among its own kind."""
    everyone = [member(loss, seed, steps=10) for loss in LOSSES for seed in range(2)]
    mixed = [one for one in everyone if engine.unsupported_reason(one) is None]
    assert len(mixed) > 0.9 * len(everyone)
    (group,) = groups(mixed)
    together = engine.train(group, measured_mean, lambda steps: None)
    for row, one in enumerate(group.members):
        assert bits(together, row) == bits(trained(engine, [one]), 0), one.loss


@pytest.mark.promise("P10")
@pytest.mark.parametrize("engine", BATCHED_PARAMS)
def test_threads_do_not_show(engine: BatchedEngine) -> None:
    """One worker or many: the same bits."""
    crowd = others(40, steps=6)
    one = BatchedEngine(engine.device, threads=1)
    first, second = trained(one, crowd), trained(engine, crowd)
    assert all(bits(first, row) == bits(second, row) for row in range(40))


@pytest.mark.parametrize(
    ("engine", "view"),
    [
        pytest.param(*p.values, view, id=f"{p.id}-{view}", marks=p.marks)
        for p in ENGINE_PARAMS
        for view in ("variances", "sample")
    ],
)
def test_label_one_is_non_saturating_and_label_zero_is_flipped_labels(engine: Engine, view: str) -> None:
    """The dial's ends are the named variants, bit for bit over whole trajectories."""
    for t, loss in ((1.0, "non_saturating"), (0.0, "flipped_labels")):
        dial = trained(engine, [member("generator_label", 3, view, params={"t": t}, steps=30)])
        assert bits(dial, 0) == bits(trained(engine, [member(loss, 3, view, steps=30)]), 0)


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_swapping_the_convention_changes_nothing_but_the_sign(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """flipped_convention with D's last layer negated has non_saturating's trajectory: an A/A test built in."""
    plain = trained(engine, [member("non_saturating", steps=200, lr_g=1e-3)])
    with negated_last_layer(monkeypatch):
        swapped = trained(engine, [member("flipped_convention", steps=200, lr_g=1e-3)])
    np.testing.assert_allclose(swapped.theta_g_PW, plain.theta_g_PW, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(swapped.snapshots["loss_g"], plain.snapshots["loss_g"], rtol=1e-5)


# Found by trial: with these rates the third seed's weights grow until float32 overflows some steps after the first.
SICK = {"loss": "least_squares", "params": {"a": 0.0, "b": 1.0, "c": 1.0}, "lr_d": 14.0, "lr_g": 14.0, "seed": 2}


@pytest.mark.promise("P5", "F16")
@pytest.mark.parametrize("engine", FAST_PARAMS)
def test_a_sick_member_stops_and_harms_only_itself(engine: Engine) -> None:
    """A member whose gradient overflows stops with step and tensor named, finite; its neighbours keep their bits."""
    shape = {"steps": 60, "snapshots": (1, 30, 60)}
    healthy = others(5, loss="least_squares", params=SICK["params"], **shape)
    alone = [bits(trained(engine, [one]), 0) for one in healthy]
    result = trained(engine, [*healthy[:2], member(**SICK, **shape), *healthy[2:]])
    step = int(result.stopped_step_P[2])
    assert 1 < step < 30
    assert result.stopped_tensor[2].startswith("gradient of ")
    assert np.isfinite(result.theta_g_PW[2]).all()
    assert np.isfinite(result.theta_d_PW[2]).all()
    for name, values in result.snapshots.items():
        assert np.isfinite(values[2]).tolist() == [name != "penalty", False, False], name
    kept = [bits(result, row) for row in (0, 1, 3, 4, 5)]
    assert kept == alone
    assert not result.stopped_step_P[[0, 1, 3, 4, 5]].any()


@pytest.mark.promise("P5", "F16")
@pytest.mark.parametrize("engine", FAST_PARAMS)
def test_a_stopped_member_stays_where_it_stopped(engine: Engine) -> None:
    """Training on after the stop changes none of its bits, nor its average's: a run ending there has the same ones."""
    long = trained(engine, [member(**SICK, steps=60, ema=0.5)])
    short = trained(engine, [member(**SICK, steps=int(long.stopped_step_P[0]), ema=0.5)])
    assert short.theta_g_PW.tobytes() == long.theta_g_PW.tobytes()
    assert short.theta_d_PW.tobytes() == long.theta_d_PW.tobytes()
    assert short.stopped_tensor == long.stopped_tensor


@pytest.mark.promise("P5", "F16")
@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_the_first_tensor_that_overflows_is_named(engine: Engine) -> None:
    """Data of size 1e100, whose squares overflow even float64, stop D at its first weight in the first step."""
    result = trained(engine, [member("least_squares", params=SICK["params"], target=Target("norm", {"scale": 1e100}))])
    assert result.stopped_step_P.tolist() == [1]
    assert result.stopped_tensor == ("gradient of D.weight1",)
    assert np.isfinite(result.theta_d_PW).all()


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_linear_decay_reaches_zero_and_moves_nothing_then(engine: Engine) -> None:
    """With lr_decay 1 step s of S is taken at 1 - (s-1)/S of the rate: half as far in the second of two steps."""
    first, last = (trained(engine, [member(steps=n, lr_decay=1.0, beta1=0.0, beta2=0.0)]) for n in (1, 2))
    plain = trained(engine, [member(steps=2, beta1=0.0, beta2=0.0)])
    moved = np.abs(last.theta_g_PW - first.theta_g_PW).max()
    # Without moments Adam moves each weight by the rate itself (2e-4), whatever the gradient's size.
    np.testing.assert_allclose(moved, 1e-4, rtol=1e-2)
    np.testing.assert_allclose(np.abs(plain.theta_g_PW - first.theta_g_PW).max(), 2e-4, rtol=1e-2)


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_the_average_is_the_decayed_sum_of_the_generators(engine: Engine) -> None:
    """ema = e gives (1-e) * sum over s of e^(S-s) theta_s + e^S theta_0, from runs of every length without it."""
    paths = [trained(engine, [member(steps=n)]).theta_g_PW[0].astype(np.float64) for n in range(1, 6)]
    from harness.data.mlp import perceptron
    from harness.data.rng import Stream, uniforms

    network = perceptron(1, 50, ("elu", "sigmoid"))
    average = network.initial(uniforms(0, torch.tensor([0]), Stream.INITIAL_G, range(1), network.size)[0])[0].numpy()
    for path in paths:
        average = 0.8 * average + 0.2 * path
    found = trained(engine, [member(steps=5, ema=0.8)]).theta_g_PW[0]
    np.testing.assert_allclose(found, average, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_progress_counts_every_step_once(engine: Engine) -> None:
    """The steps told add up to members times steps, also when a member stops early."""
    told: list[int] = []
    (group,) = groups([*others(3, steps=70, loss="least_squares", params=SICK["params"]), member(**SICK, steps=70)])
    engine.train(group, measured_mean, told.append)
    assert sum(told) == 4 * 70


@pytest.mark.promise("F6")
def test_an_interrupt_stops_every_worker() -> None:
    """A progress listener that raises ends training with its exception, soon."""
    calls: list[int] = []

    def interrupt(steps: int) -> None:
        calls.append(steps)
        if len(calls) == 3:
            raise KeyboardInterrupt

    (group,) = groups(others(64, steps=100_000))
    with pytest.raises(KeyboardInterrupt):
        BatchedEngine("cpu").train(group, measured_mean, interrupt)
    assert len(calls) < 40


def test_engines_are_chosen_by_name_and_unknown_names_are_refused() -> None:
    """Every name gives an engine that says what it is; a wrong name lists the right ones."""
    for name in ENGINES:
        engine = choose(name)
        assert not isinstance(engine, Auto)
        assert engine.identity.startswith(f"{engine.name}/")
        assert name.partition("-")[0] == engine.name
    assert isinstance(choose("auto"), Auto)
    with pytest.raises(InputError, match=r"'batch' is unknown; allowed: auto, cuda, batched-cuda, cpu, batched-cpu"):
        choose("batch")


@pytest.mark.gpu
def test_cuda_agrees_with_the_reference() -> None:
    """The captured CUDA step stays within 1e-4 of the float64 reference for 40 steps, over two blocks and snapshots."""
    members = [member(seed=seed, steps=40, snapshots=(10, 40), ema=0.5) for seed in range(3)]
    expected, found = trained(ReferenceEngine(), members), trained(BatchedEngine("cuda"), members)
    np.testing.assert_allclose(found.theta_g_PW, expected.theta_g_PW, atol=1e-4)
    np.testing.assert_allclose(found.theta_d_PW, expected.theta_d_PW, atol=1e-4)
    np.testing.assert_allclose(found.snapshots["loss_g"], expected.snapshots["loss_g"], rtol=1e-3)
