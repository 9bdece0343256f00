"""Every option of a training step, on every engine: each option matters, company does not (see test_agreement.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.engines import ENGINE_PARAMS, FAST_PARAMS, bits, measured_mean, others, relative_error, trained
from support.members import member
from support.step_options import OPTIONS, SMALL

from harness.config import Settings, Shape
from harness.engines.base import Engine, decay_phase
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.members import groups

#: Without these an option does nothing, or the seed's value is an option's own.
PLAIN: dict[str, dict[str, Any]] = {
    "schedule": {"lr_decay": 1.0},
    "penalty_decay of r1": {"r1": 0.5},
    "penalty_decay of instance_noise": {"instance_noise": 0.2},
    "one_sided_gp": {"lr_d": 0.05},  # a rate at which D's slope passes 1 within the test
    "extragradient": {"weight_clip": 0.3},
    "negative_momentum": {"optimizer": "sgd", "beta1": 0.5},
    "rmsprop": {"beta1": 0.0},
    "latent": {"noise": "normal"},
}


@pytest.mark.parametrize("loss", ["wasserstein", "hinge", "f_reverse_kl", "w1_direct"])
def test_consensus_takes_losses_of_constant_slopes(loss: str) -> None:
    """Behind constant slopes the gradient of D's last bias is constant and has no derivative: the engines agree."""
    (group,) = groups([member(loss, seed, "sample", **SMALL | OPTIONS["consensus"]) for seed in range(2)])
    expected, found = (
        engine.train(group, measured_mean, lambda steps: None) for engine in (ReferenceEngine(), BatchedEngine("cpu"))
    )
    assert relative_error(found.theta_g_PW, expected.theta_g_PW) < 1e-4


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_every_option_matters(engine: Engine, option: str) -> None:
    """With the option the generator differs from the one without: no option is accepted and then ignored."""
    without, with_it = (
        trained(engine, [member(view="sample", **SMALL | changes)])
        for changes in (PLAIN.get(option, {}), OPTIONS[option])
    )
    assert with_it.theta_g_PW.tobytes() != without.theta_g_PW.tobytes()


def test_every_setting_and_every_word_is_an_option_here() -> None:
    """A new setting, optimizer, order or schedule needs a line in ``OPTIONS``."""
    changed = {key for options in OPTIONS.values() for key in options}
    elsewhere = {"lr_d", "lr_g", "beta2", "steps", "batch", "hidden", "snapshots"}
    assert changed | elsewhere == {*Settings.model_fields, *Shape.model_fields}
    used = {value for options in OPTIONS.values() for value in options.values() if isinstance(value, str)}
    words = {"optimistic_adam", "sgd", "rmsprop", "simultaneous", "extragradient", "cosine", "normal"}
    assert used == words
    seeds = {"optimizer": "adam", "order": "alternating", "schedule": "linear", "noise": "uniform"}
    for field, seeds_own in seeds.items():
        said = str(Shape.model_fields[field].description)
        assert seeds_own in said
        assert {word.strip("' ") for word in said.removeprefix("one of ").split(",")} <= words | {seeds_own}


@pytest.mark.parametrize("view", ["variances", "sample"])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("engine", FAST_PARAMS)
def test_an_option_keeps_a_member_independent(engine: Engine, option: str, view: str) -> None:
    """Alone, last among 17 of its kind and among members without the option: bit for bit the same."""
    changes = {k: v for k, v in OPTIONS[option].items() if k in Shape.model_fields}
    own = member(view=view, **SMALL | OPTIONS[option] | {"steps": 6})
    shape = {**SMALL, **changes, "steps": 6, "view": view}
    shape.pop("lr_g")
    alike = others(16, **shape | {k: v for k, v in OPTIONS[option].items() if k not in changes})
    expected = bits(trained(engine, [own]), 0)
    assert bits(trained(engine, [*alike, own]), 16) == expected
    assert bits(trained(engine, [*others(3, **shape), *alike[:2], own]), 5) == expected


def test_members_of_one_population_may_have_different_options() -> None:
    """Members come back in the order of their group although the engine stacks like with like."""
    plain = [member(seed=seed, **SMALL) for seed in range(3)]
    penalised = [member(seed=seed, r1=0.5, **SMALL) for seed in range(3)]
    mixed = [one for pair in zip(plain, penalised, strict=True) for one in pair]
    together = trained(BatchedEngine("cpu"), mixed)
    (group,) = groups(mixed)
    for row, one in enumerate(group.members):
        assert bits(together, row) == bits(trained(BatchedEngine("cpu"), [one]), 0)


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
@pytest.mark.parametrize("order", ["alternating", "simultaneous", "extragradient"])
def test_a_sick_member_stops_before_its_update_in_every_order(engine: Engine, order: str) -> None:
    """At a rate of 1e6 a linear D's penalty of the sixth power blows up: the step is named, parameters stay finite."""
    wild = {"optimizer": "sgd", "lr_d": 1e6, "lr_g": 1e6, "wgan_div": 1.0, "activations_d": []}
    found = trained(engine, [member(order=order, steps=20, batch=10, hidden=8, **wild)])
    assert 1 <= found.stopped_step_P[0] <= 20
    assert found.stopped_tensor[0].startswith("gradient of ")
    assert np.isfinite(found.theta_g_PW).all()
    assert np.isfinite(found.theta_d_PW).all()


def test_phases_of_decay() -> None:
    """Both schedules run from 0 to 1; the cosine is behind the line in the first half and ahead in the second."""
    share = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(decay_phase("linear", share), share)
    # (1 - cos(pi x))/2 at quarters: cos(pi/4) = sqrt(1/2).
    expected = [0.0, (1 - np.sqrt(0.5)) / 2, 0.5, (1 + np.sqrt(0.5)) / 2, 1.0]
    np.testing.assert_allclose(decay_phase("cosine", share), expected, atol=1e-15)
