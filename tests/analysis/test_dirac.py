"""The Dirac-GAN is played as written down: forces, penalties, orders of updates, and the words for how a run ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.dirac_games import forces, made, run

from analysis.dirac.game import DiracGame, DiracRules, game, obstacle, rules_of
from analysis.dirac.play import START, frequency, play, result_of
from harness.losses import LOSSES
from harness.losses.penalties import PENALTIES, GradientPenalty

PLAYED = [name for name, variant in LOSSES.items() if not obstacle(variant)]


GRADIENT = [name for name, penalty in PENALTIES.items() if isinstance(penalty, GradientPenalty)]


#: Away from the kinks of piecewise losses (logits -1, 0 and 1).
STATES = list(itertools.product((-2.3, 0.45, 3.1), (-1.7, 0.62, 2.9), (-0.83, 0.31)))


@pytest.mark.parametrize("name", PLAYED)
def test_forces_are_the_slopes_of_the_registry(name: str) -> None:
    """The game's gradients are those that the variant's torch slopes give in float64 for one decision."""
    variant = LOSSES[name]
    params = variant.bind({})
    played = game(variant, params)
    for theta, psi, bias in STATES:
        real = torch.tensor([bias], dtype=torch.float64)
        fake = torch.tensor([psi * theta + bias], dtype=torch.float64)
        in_real, in_fake = (float(s) for s in variant.discriminator_slopes(real, fake, **params))
        generated = float(variant.generator_slope(real, fake, **params))
        expected = [generated * psi, in_fake * theta, in_real + in_fake]
        np.testing.assert_allclose(forces(played, (theta, psi, bias)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("psi", [-2.0, -0.4, 0.0, 0.7, 1.5])
def test_a_penalty_pulls_psi_alone(name: str, psi: float) -> None:
    """A gradient penalty of weight 0.7 adds 0.7 phi'(|psi|) sign(psi) per site to the force on psi: 0 at psi = 0."""
    penalty = PENALTIES[name]
    assert isinstance(penalty, GradientPenalty)
    pull = float(penalty.coefficient(torch.tensor([abs(psi)], dtype=torch.float64))) * psi
    state = (0.8, psi, 0.2)
    added = forces(made("non_saturating", {name: 0.7}), state) - forces(made("non_saturating"), state)
    np.testing.assert_allclose(added, [0, 0.7 * len(penalty.sites) * pull, 0], atol=1e-12)


@pytest.fixture(scope="module")
def consenting() -> tuple[DiracGame, DiracGame]:
    """The cross-entropy game without and with consensus optimisation of weight 0.3."""
    return made("non_saturating"), made("non_saturating", {"consensus": 0.3})


@given(state=st.tuples(*[st.floats(-2, 2)] * 3))
def test_consensus_descends_the_length_of_the_joint_gradient(
    consenting: tuple[DiracGame, DiracGame], state: tuple[float, float, float]
) -> None:
    """It adds weight times the gradient of |v|^2/2 in all three numbers, by central differences of step 1e-5."""
    plain, with_consensus = consenting
    found = []
    for i in range(3):
        ends = [forces(plain, tuple(np.array(state) + side * 1e-5 * np.eye(3)[i])) for side in (1, -1)]  # type: ignore[arg-type]
        found.append(0.3 * (ends[0] @ ends[0] - ends[1] @ ends[1]) / 2 / 2e-5)
    np.testing.assert_allclose(forces(with_consensus, state) - forces(plain, state), found, atol=1e-8)


def test_instance_noise_is_an_expectation() -> None:
    """For least squares (0, 1, 1) the force on psi in closed form: E[(psi x + b - 1) x] + E[(psi y + b) y],
    x ~ N(0, s^2), y ~ N(theta, s^2), so psi s^2 + psi (theta^2 + s^2) + b theta.
    """
    theta, psi, bias, s = 0.8, -0.6, 0.3, 0.5
    found = forces(made("least_squares", {"instance_noise": s}), (theta, psi, bias))
    assert found[1] == pytest.approx(psi * s**2 + psi * (theta**2 + s**2) + bias * theta)
    assert found[0] == pytest.approx((psi * theta + bias - 1) * psi)
    assert found[2] == pytest.approx(2 * bias + psi * theta - 1)


def bilinear(needs: dict[str, Any], order: str, steps: int = 50) -> np.ndarray:
    """Runs of the Wasserstein game: theta' = psi, psi' = -theta."""
    return run("wasserstein", needs, order, steps=steps)[:, :2]


#: The state after each step of 0.1 of the bilinear game from (1, 0), written as matrices.
H = 0.1


TURN = np.array([[0.0, -1.0], [1.0, 0.0]])  # the gradients of (theta, psi)


def after(step: Callable[[np.ndarray, np.ndarray], np.ndarray], steps: int = 50) -> np.ndarray:
    """States of a recursion in the last two states, which starts at rest."""
    states = [np.array(START[:2]), np.array(START[:2])]
    for _ in range(steps):
        states.append(step(states[-1], states[-2]))
    return np.array(states[1:])


@pytest.mark.parametrize(
    ("needs", "order", "step"),
    [
        ({}, "simultaneous", lambda z, _: z - H * TURN @ z),
        ({}, "alternating", lambda z, _: np.array([z[0] + H * (z[1] - H * z[0]), z[1] - H * z[0]])),
        ({"order": "extragradient"}, "simultaneous", lambda z, _: z - H * TURN @ (z - H * TURN @ z)),
        ({"optimizer": "sgd", "beta1": -0.5}, "simultaneous", lambda z, y: z - H * TURN @ z - 0.5 * (z - y)),
        ({"d_steps": 2}, "alternating", lambda z, _: np.array([z[0] + H * (z[1] - 2 * H * z[0]), z[1] - 2 * H * z[0]])),
        ({"g_steps": 3}, "alternating", lambda z, _: np.array([z[0] + 3 * H * (z[1] - H * z[0]), z[1] - H * z[0]])),
    ],
)
def test_steps_of_the_bilinear_game(needs: dict[str, Any], order: str, step: Any) -> None:
    """Each order of updates, momentum and several updates a step are the recursion written with matrices."""
    np.testing.assert_allclose(bilinear(needs, order), after(step), atol=1e-12)


def test_optimistic_steps_of_the_bilinear_game() -> None:
    """z_(n+1) = z_n - 2 h F(z_n) + h F(z_(n-1)), the first step without the last term (Daskalakis et al. 2018)."""
    z, last, states = np.array(START[:2]), np.zeros(2), [np.array(START[:2])]
    for _ in range(50):
        now = H * TURN @ z
        z, last = z - 2 * now + last, now
        states.append(z)
    found = bilinear({"optimizer": "optimistic_adam"}, "simultaneous")
    np.testing.assert_allclose(found, states, atol=1e-12)


def test_the_clip_bounds_both_of_ds_parameters() -> None:
    """After every step |psi| and |bias| are within the clip, and reach it."""
    path = run("one_sided_smoothing", {"weight_clip": 0.1}, steps=2000)
    assert np.abs(path[:, 1:]).max(axis=0) == pytest.approx([0.1, 0.1])


def test_a_stiff_penalty_cuts_the_step() -> None:
    """The step on a penalty never overshoots: 0.1 * 2 * 10 = 2 for the gradient penalty of weight 10, so two parts."""
    assert [DiracRules(weights={"gp": w}).substeps for w in (1.0, 5.0, 10.0)] == [1, 1, 2]
    assert DiracRules(weights={"r1": 10.0, "r2": 10.0}).substeps == 2
    assert DiracRules(weights={"consensus": 10.0}).substeps == 1


TIME = np.arange(20_001) * 0.1


@pytest.mark.parametrize(
    ("at", "word"),
    [
        (np.exp(-TIME / 100), "converges"),
        (np.exp(-TIME / 100) * np.cos(TIME / 2), "converges"),
        (np.cos(TIME / 2) / np.sqrt(1 + TIME), "rings"),
        (np.cos(TIME / 2), "cycles"),
        (0.2 * np.sign(np.cos(TIME / 2)), "cycles"),
        (np.cos(TIME / 2) * np.exp(TIME / 1000), "runs_away"),
        (1 + 0.4 * np.log1p(TIME), "runs_away"),
        (-1 - 0.4 * np.log1p(TIME), "runs_away"),
        (np.where(TIME < 900, 1.0, np.nan), "runs_away"),
        (1 + TIME, "runs_away"),
    ],
)
def test_the_word_for_a_curve(at: np.ndarray, word: str) -> None:
    """Curves in closed form get the outcome that they were written to have."""
    path = np.stack([at, np.zeros_like(at), np.zeros_like(at)], axis=1)
    assert result_of(made("non_saturating"), DiracRules(), path).outcome == word


@pytest.mark.parametrize(
    ("text", "needs", "word"),
    [
        ("generator_label(t=0.25)", {"r1": 0.1}, "parks"),
        ("generator_label(t=0.25)", {}, "parks"),
        ("least_squares(a=0, b=1, c=0)", {}, "stalls"),
        ("wasserstein", {"gp": 1.0}, "stalls"),
    ],
)
def test_a_park_draws_back_and_a_stall_does_not(text: str, needs: dict[str, Any], word: str) -> None:
    """Label 1/4 holds its place; least squares with c = a rests anywhere, and WGAN-GP where D has gone flat."""
    played, rules = made(text, needs), rules_of(needs)
    assert result_of(played, rules, play(played, rules)).outcome == word


@given(st.floats(0.05, 3.0), st.floats(-3, 3), st.booleans())
def test_frequency_of_a_cosine(omega: float, phase: float, damped: bool) -> None:
    """It is 2 pi over the period, whether the curve goes on or has settled long before the end."""
    at = np.cos(omega * TIME + phase) * (np.exp(-TIME / 100) if damped else 1.0)
    assert frequency(at) == pytest.approx(omega, rel=0.002 if not damped else 0.02)
