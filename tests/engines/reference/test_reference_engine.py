"""The reference engine's dynamics: its optimizers against torch's, its orders of updates against a game by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from support.members import member

from harness.config import Settings
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.reference import ReferenceEngine
from harness.engines.reference.engine import ORDERS
from harness.engines.reference.gradients import Game
from harness.engines.reference.optimizers import OPTIMIZERS
from harness.members import Member, groups

Vector = np.ndarray
UPDATES = 6


def made_by_torch(name: str, theta: torch.Tensor, s: Settings) -> torch.optim.Optimizer:
    """torch's optimizer at these settings; the momentum is set afterwards, since torch asks for one from 0 on."""
    made: torch.optim.Optimizer
    if name == "sgd":
        made = torch.optim.SGD([theta])
        made.param_groups[0]["momentum"] = s.beta1
    elif name == "rmsprop":
        made = torch.optim.RMSprop([theta], alpha=s.beta2, momentum=s.beta1, eps=1e-8)
    else:
        made = torch.optim.Adam([theta], eps=1e-8)
        made.param_groups[0]["betas"] = (s.beta1, s.beta2)
    return made


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
@given(
    beta1=st.floats(-0.95, 0.95),
    beta2=st.floats(0.5, 0.999),  # a shorter memory of squares divides torch's rounding of the moment by epsilon alone
    gradients=st.lists(st.floats(-10, 10), min_size=UPDATES, max_size=UPDATES),
    rates=st.lists(st.floats(1e-4, 1), min_size=UPDATES, max_size=UPDATES),
)
@settings(max_examples=40)
def test_optimizers_are_torchs(
    name: str, beta1: float, beta2: float, gradients: list[float], rates: list[float]
) -> None:
    """sgd, rmsprop and adam move theta as torch.optim does in float64, at rates that change, to 1e-9 of the way.

    Momenta are negative too, but for rmsprop, where torch leaves a negative one out.
    """
    s = Settings(beta1=abs(beta1) if name == "rmsprop" else beta1, beta2=beta2)
    theta_1W = torch.zeros(1, 2, dtype=torch.float64)
    expected = theta_1W.clone().requires_grad_()
    own, torchs = OPTIMIZERS[name](theta_1W, s), made_by_torch(name, expected, s)
    way = 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        gradient_1W = torch.tensor([[gradient, 1.0]], dtype=torch.float64)
        step = own.step(gradient_1W, rate)
        theta_1W -= step
        way += float(step.abs().max())
        expected.grad, torchs.param_groups[0]["lr"] = gradient_1W, rate
        torchs.step()
        assert torch.allclose(theta_1W, expected.detach(), rtol=0, atol=1e-9 * way)


def test_rmsprop_takes_a_negative_momentum() -> None:
    """m = -0.5 m + g/(sqrt(v) + 1e-8), v = 0.5 v + 0.5 g^2, by hand in plain numbers over four updates."""
    own = OPTIMIZERS["rmsprop"](torch.zeros(1, 1, dtype=torch.float64), Settings(beta1=-0.5, beta2=0.5))
    v = m = 0.0
    for g in (1.0, -2.0, 0.5, 3.0):
        v = 0.5 * v + 0.5 * g * g
        m = -0.5 * m + g / (math.sqrt(v) + 1e-8)
        step = own.step(torch.tensor([[g]], dtype=torch.float64), 0.1)
        assert float(step) == pytest.approx(0.1 * m, rel=1e-12)


def test_optimistic_adam_extrapolates_adams_steps() -> None:
    """On 3 theta^2/2 from 1: theta += 2 d_u - d_(u-1), d_u = -lr mhat/(sqrt(vhat) + 1e-8), d_0 = 0, in plain floats."""
    theta_1W = torch.ones(1, 1, dtype=torch.float64)
    own = OPTIMIZERS["optimistic_adam"](theta_1W, Settings(beta1=0.5, beta2=0.9))
    theta, m, v, before = 1.0, 0.0, 0.0, 0.0
    for u in range(1, 8):
        rate = 0.1 / u
        theta_1W -= own.step(3 * theta_1W, rate)
        g = 3 * theta
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
        d = -rate * (m / (1 - 0.5**u)) / (math.sqrt(v / (1 - 0.9**u)) + 1e-8)
        theta += 2 * d - before
        before = d
        assert float(theta_1W) == pytest.approx(theta, rel=1e-12)


class Bilinear:
    """The Wasserstein game of D(x) = a x + b and G(z) = w z + c, stepped by hand with momentum, value by value."""

    def __init__(self, one: Member) -> None:
        self.one, self.s, self.shape = one, one.settings, one.shape
        latent = self.shape.latent
        self.g = (2 * self.u(Stream.INITIAL_G, 0, latent + 1) - 1) / math.sqrt(latent)
        self.d = 2 * self.u(Stream.INITIAL_D, 0, 2) - 1
        self.m_g, self.m_d, self.average = np.zeros(latent + 1), np.zeros(2), self.g.copy()
        self.old: dict[int, Vector] = {}

    def u(self, stream: Stream, update: int, count: int) -> Vector:
        drawn = uniforms(self.one.study_seed, torch.tensor([self.one.seed]), stream, range(update, update + 1), count)
        return drawn[0, 0].double().numpy()

    def left(self, decay: float, t: int) -> float:
        x = t / self.shape.steps
        return 1 - decay * {"linear": x, "cosine": (1 - math.cos(math.pi * x)) / 2}[self.shape.schedule]

    def noise(self, stream: Stream, t: int, n: int) -> Vector:
        sd = self.s.instance_noise * self.left(self.s.penalty_decay, t)
        return sd * special.ndtri(self.u(stream, n, self.shape.batch))

    def z(self, stream: Stream, n: int) -> Vector:
        u = self.u(stream, n, self.shape.batch * self.shape.latent).reshape(self.shape.batch, self.shape.latent)
        return {"uniform": u, "normal": special.ndtri(u)}[self.shape.noise]

    def slope_d(self, t: int, n: int) -> Vector:
        """d/d(a, b) of mean(a fake + b) - mean(a real + b)."""
        batch = self.shape.batch
        fresh = self.z(Stream.LATENT_D, n) @ self.g[:-1] + self.g[-1]
        read, u = fresh.copy(), self.u(Stream.REPLAY, n, 2 * batch)
        filled = min(n, 50)
        for b in range(batch):
            if filled and u[b] < self.s.replay:
                read[b] = self.old[math.floor(u[batch + b] * filled)][b]
        self.old[n % 50] = fresh
        real = self.one.target.quantile(self.u(Stream.REAL, n, batch))
        read, real = read + self.noise(Stream.NOISE_FAKE, t, n), real + self.noise(Stream.NOISE_REAL, t, n)
        return np.array([read.mean() - real.mean(), 0.0])

    def slope_g(self, n: int) -> Vector:
        """d/d(w, c) of -mean(a (w z + c + noise) + b)."""
        return -self.d[0] * np.append(self.z(Stream.LATENT_G, n).mean(axis=0), 1.0)

    def move_d(self, t: int, slope: Vector) -> None:
        self.m_d = self.s.beta1 * self.m_d + slope
        self.d = self.d - self.s.lr_d * self.left(self.s.lr_decay, t) * self.m_d
        if self.s.weight_clip:
            self.d = np.clip(self.d, -self.s.weight_clip, self.s.weight_clip)

    def move_g(self, t: int, slope: Vector) -> None:
        self.m_g = self.s.beta1 * self.m_g + slope
        self.g = self.g - self.s.lr_g * self.left(self.s.lr_decay, t) * self.m_g

    def mix(self) -> None:
        self.average = self.s.ema * self.average + (1 - self.s.ema) * self.g


def alternate(game: Bilinear, t: int) -> None:
    """All of D's updates, then all of G's."""
    for j in range(game.shape.d_steps):
        game.move_d(t, game.slope_d(t, t * game.shape.d_steps + j))
    for j in range(game.shape.g_steps):
        game.move_g(t, game.slope_g(t * game.shape.g_steps + j))
        game.mix()


def at_once(game: Bilinear, t: int) -> None:
    """Both slopes at one point, then both moves."""
    slopes = game.slope_d(t, t), game.slope_g(t)
    game.move_d(t, slopes[0])
    game.move_g(t, slopes[1])
    game.mix()


def look_ahead(game: Bilinear, t: int) -> None:
    """A move of both, then from the saved point a move by the slopes at the new one."""
    saved = game.d, game.g
    slopes = game.slope_d(t, 2 * t), game.slope_g(2 * t)
    game.move_d(t, slopes[0])
    game.move_g(t, slopes[1])
    slopes = game.slope_d(t, 2 * t + 1), game.slope_g(2 * t + 1)
    game.d, game.g = saved
    game.move_d(t, slopes[0])
    game.move_g(t, slopes[1])
    game.mix()


AFFINE = {"view": "sample", "activations_g": (), "activations_d": (), "optimizer": "sgd", "batch": 4}
#: The history of 50 minibatches is filled, and written over, within 60 updates.
EXTRAS = {"replay": 0.7, "instance_noise": 0.5, "penalty_decay": 0.6, "lr_decay": 0.8, "ema": 0.5, "latent": 2}


@pytest.mark.parametrize(
    ("by_hand", "shape"),
    [
        (alternate, {"order": "alternating"}),
        (alternate, {"order": "alternating", "d_steps": 2, "g_steps": 3}),
        (at_once, {"order": "simultaneous"}),
        (look_ahead, {"order": "extragradient"}),
    ],
    ids=["alternating", "several", "simultaneous", "extragradient"],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"noise": "normal", "beta1": -0.4, "schedule": "cosine", **EXTRAS}, {"weight_clip": 0.3, **EXTRAS}],
    ids=["plain", "negative-momentum", "clipped"],
)
def test_every_order_is_the_bilinear_game_by_hand(
    by_hand: Callable[[Bilinear, int], None], shape: dict[str, object], options: dict[str, object]
) -> None:
    """60 steps equal the game stepped by hand, with replay, instance noise, decays, average, and two latent numbers.

    Recomputed in plain float64 from the draws alone; the two differ by rounding, within 1e-10 of the largest value.
    """
    one = member("wasserstein", 3, steps=60, lr_d=0.05, lr_g=0.02, **AFFINE, **shape, **options)
    (group,) = groups([one])
    result = ReferenceEngine().train(group, lambda theta_PW: {}, lambda steps: None)
    game = Bilinear(one)
    for t in range(60):
        by_hand(game, t)
    np.testing.assert_allclose(result.theta_d_PW[0], game.d, rtol=0, atol=1e-10 * np.abs(game.d).max())
    np.testing.assert_allclose(result.theta_g_PW[0], game.average, rtol=0, atol=1e-10 * np.abs(game.average).max())


def stopped_game(order: str, loc: float) -> tuple[Game, Vector, Vector, str | None]:
    """A game on data of size ``loc`` after one step of size 1e6, its players before, and what stopped it."""
    target = Target("norm", {"loc": loc, "scale": 1.0})
    one = member("wasserstein", 0, target=target, order=order, lr_d=1e6, lr_g=1e6, beta1=0.0, **AFFINE)
    (group,) = groups([one])
    game = Game(group, one)
    before = game.d.theta_1W.numpy().copy(), game.g.theta_1W.numpy().copy()
    return game, *before, ORDERS[order](game, 0)


@pytest.mark.parametrize("order", ORDERS)
def test_nobody_moves_when_d_is_sick(order: str) -> None:
    """D's slope in a is about -1e160, whose square overflows: neither player, nor the average, has moved."""
    game, d, g, offending = stopped_game(order, 1e160)
    assert offending == "gradient of D.weight1"
    assert np.array_equal(game.d.theta_1W.numpy(), d)
    assert np.array_equal(game.g.theta_1W.numpy(), g)
    assert np.array_equal(game.average_1W.numpy(), g)


def test_a_look_ahead_that_overflows_is_taken_back() -> None:
    """Looking ahead a becomes 1e156, so that G's slope overflows in the second half: both are where they were."""
    game, d, g, offending = stopped_game("extragradient", 1e150)
    assert offending == "gradient of G.weight1"
    assert np.array_equal(game.d.theta_1W.numpy(), d)
    assert np.array_equal(game.g.theta_1W.numpy(), g)


def test_alternating_keeps_ds_update_when_g_is_sick() -> None:
    """With the same data G's gradient overflows after D has moved to 1e156: D's update stands, G has not moved."""
    game, _, g, offending = stopped_game("alternating", 1e150)
    assert offending == "gradient of G.weight1"
    assert game.d.theta_1W[0, 0] == pytest.approx(1e156, rel=1e-6)
    assert np.array_equal(game.g.theta_1W.numpy(), g)
