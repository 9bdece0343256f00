"""Objectives of the reference engine, written out in numpy on tiny networks and differentiated by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from scipy import special, stats
from support.members import member
from sympy import Rational

from harness.data.rng import Stream, uniforms
from harness.engines.reference import ReferenceEngine
from harness.engines.reference.engine import ORDERS
from harness.engines.reference.gradients import Game
from harness.losses import LOSSES, Bernoulli, Labels, Variant, fake, real, softplus, y_fake, y_real
from harness.losses.direct_loss import TABLE, Direct, TargetQuantiles
from harness.members import Member, groups

Vector = np.ndarray
BATCH, STEPS, DECAY = 5, 4, 0.5
#: What is left, in step 1 of 4, of a weight half of which is gone at the end: 1 - 0.5 * 1/4.
LEFT = 0.875
TINY = {"batch": BATCH, "hidden": 3, "steps": STEPS, "penalty_decay": DECAY, "optimizer": "sgd"} | {
    "activations_g": ("tanh",), "activations_d": ("tanh",)
}  # fmt: skip


def made(loss: str = "non_saturating", **changes: object) -> Game:
    """A game with one hidden layer of tanh in each player, after one reading of draws and gradients in step 0."""
    one = member(loss, 1, **(TINY | {"view": "sample"} | changes))
    (group,) = groups([one])
    game = Game(group, one)
    game.discriminator_gradient(0, 0)
    game.generator_gradient(0, 0)
    return game


def drawn(one: Member, stream: Stream, update: int, count: int) -> Vector:
    """The uniform numbers of a stream, as a row."""
    u = uniforms(one.study_seed, torch.tensor([one.seed]), stream, range(update, update + 1), count)
    return u[0, 0].double().numpy()


class Net:
    """c + sum_h v_h tanh(W x + b)_h from a row of parameters, with its derivative in x."""

    def __init__(self, theta_W: Vector, inputs: int) -> None:
        hidden = (len(theta_W) - 1) // (inputs + 2)
        cuts = np.cumsum([inputs * hidden, hidden, hidden])
        self.weight, self.b, self.v, self.c = np.split(theta_W, cuts)
        self.weight = self.weight.reshape(inputs, hidden)

    def __call__(self, x_KN: Vector) -> Vector:
        return np.tanh(x_KN @ self.weight + self.b) @ self.v + self.c

    def norms(self, x_KN: Vector) -> Vector:
        """|d net/d x| for each row of x."""
        inner = 1 - np.tanh(x_KN @ self.weight + self.b) ** 2
        return np.linalg.norm((inner * self.v) @ self.weight.T, axis=1)


def features(view: str, x_B: Vector) -> Vector:
    """Inputs of D: values one by one, all at once, or all with their squared deviations from the mean."""
    everything = np.append(x_B, (x_B - x_B.mean()) ** 2)[None, :]
    return {"sample": x_B[:, None], "raw": x_B[None, :], "variances": everything}[view]


def read_by_d(game: Game, update: int = 1) -> tuple[Vector, Vector]:
    """Real and fake features of D's update 1, step 1, by hand: replay of update 0, then instance noise."""
    one, s = game.member, game.member.settings
    real_B = one.target.quantile(drawn(one, Stream.REAL, update, BATCH))
    g = Net(game.g.theta_1W[0].numpy(), 1)
    old_B, fake_B = (g(drawn(one, Stream.LATENT_D, n, BATCH)[:, None]) for n in (0, update))
    fake_B = np.where(drawn(one, Stream.REPLAY, update, 2 * BATCH)[:BATCH] < s.replay, old_B, fake_B)
    noise = [drawn(one, stream, update, BATCH) for stream in (Stream.NOISE_REAL, Stream.NOISE_FAKE)]
    real_B, fake_B = (
        x + s.instance_noise * LEFT * special.ndtri(u) for x, u in zip((real_B, fake_B), noise, strict=True)
    )
    return features(one.view, real_B), features(one.view, fake_B)


def differences(objective: Callable[[Vector], float], theta_W: Vector, h: float = 1e-5) -> Vector:
    """The gradient by central differences, with an error of about h^2 and 1e-16/h."""
    ways = h * np.eye(len(theta_W))
    return np.array([(objective(theta_W + way) - objective(theta_W - way)) / (2 * h) for way in ways])


def cross_entropy(net: Net, real_KN: Vector, fake_KN: Vector) -> float:
    """mean(softplus(-D(real)) + softplus(D(fake)))."""
    return float((np.logaddexp(0, -net(real_KN)) + np.logaddexp(0, net(fake_KN))).mean())


def close(found_1W: torch.Tensor, expected_W: Vector) -> None:
    """Equal to 1e-7 of the largest entry, which the differences allow."""
    np.testing.assert_allclose(found_1W[0].numpy(), expected_W, rtol=0, atol=1e-7 * np.abs(expected_W).max())


#: phi and the places of each gradient penalty as published, written out again.
PHIS: dict[str, tuple[Callable[[Vector], Vector], tuple[str, ...]]] = {
    "r1": (lambda n: n**2 / 2, ("real",)),
    "r2": (lambda n: n**2 / 2, ("fake",)),
    "zero_gp": (lambda n: n**2, ("segment",)),
    "gp": (lambda n: (n - 1) ** 2, ("segment",)),
    "one_sided_gp": (lambda n: np.maximum(n - 1, 0) ** 2, ("segment",)),
    "dragan": (lambda n: (n - 1) ** 2, ("around",)),
    "wgan_div": (lambda n: n**6 / 2, ("real", "fake")),
}


def places(game: Game, real_KN: Vector, fake_KN: Vector) -> dict[str, Vector]:
    """Points that the penalties of update 1 are taken at."""
    u_K1 = drawn(game.member, Stream.SEGMENT, 1, len(real_KN))[:, None]
    u_KN = drawn(game.member, Stream.AROUND, 1, real_KN.size).reshape(real_KN.shape)
    return {
        "real": real_KN,
        "fake": fake_KN,
        "segment": u_K1 * real_KN + (1 - u_K1) * fake_KN,
        "around": real_KN + 0.5 * real_KN.std() * special.ndtri(u_KN),
    }


def steeper(game: Game) -> Game:
    """The game with D's last weights times 20: slopes above 1 somewhere, which the one-sided penalty needs."""
    game.d.parts[2].detach().mul_(20)
    return game


@pytest.mark.parametrize("view", ["sample", "variances"])
@pytest.mark.parametrize("name", PHIS)
def test_ds_gradient_with_a_penalty_is_that_of_the_written_objective(name: str, view: str) -> None:
    """Loss and penalty in numpy, per decision, with replay, instance noise and a decayed weight, by differences.

    The recorded penalty is the weighted sum in that objective, and the recorded loss is without it.
    """
    game = steeper(made(view=view, replay=0.5, instance_noise=0.3, **{name: 0.7}))
    found = game.discriminator_gradient(1, 1)
    read = read_by_d(game)
    phi, sites = PHIS[name]
    inputs = game.d.network.widths[0]

    def penalty(net: Net) -> float:
        return 0.7 * LEFT * sum(float(phi(net.norms(places(game, *read)[site])).mean()) for site in sites)

    def objective(theta_W: Vector) -> float:
        net = Net(theta_W, inputs)
        return cross_entropy(net, *read) + penalty(net)

    theta_W = game.d.theta_1W[0].detach().numpy()
    assert penalty(Net(theta_W, inputs)) > 0
    close(found, differences(objective, theta_W))
    assert game.record["penalty"] == pytest.approx(penalty(Net(theta_W, inputs)), rel=1e-9)
    assert game.record["loss_d"] == pytest.approx(cross_entropy(Net(theta_W, inputs), *read), rel=1e-9)
    assert game.record["grad_norm_d"] == pytest.approx(float(found.norm()), rel=1e-12)


def test_all_penalties_add_up() -> None:
    """With every gradient penalty on, the gradient is that of the loss plus the sum of them all."""
    weights = {name: 0.1 * (i + 1) for i, name in enumerate(PHIS)}
    total = steeper(made(**weights)).discriminator_gradient(1, 1)
    plain = steeper(made()).discriminator_gradient(1, 1)
    single = [steeper(made(**{name: w})).discriminator_gradient(1, 1) - plain for name, w in weights.items()]
    assert torch.allclose(total - plain, torch.stack(single).sum(dim=0), rtol=1e-9, atol=1e-12)


def test_spectral_norm_differentiates_through_the_weight_alone() -> None:
    """D computes with W * 0.8/(v^T W u), v = W u/|W u|, u = W^T v/|W^T v| held fixed; a penalty reads those slopes.

    The two iterations of updates 0 and 1 are done by hand from u = 1/sqrt(outputs).
    """
    game = made(spectral_norm=0.8, r1=0.5)
    found = game.discriminator_gradient(1, 1)
    read, theta_W = read_by_d(game), game.d.theta_1W[0].detach().numpy()
    vectors = []
    for weight in (Net(theta_W, 1).weight, Net(theta_W, 1).v[:, None]):
        u = np.full(weight.shape[1], weight.shape[1] ** -0.5)
        for _ in range(2):
            v = weight @ u / np.linalg.norm(weight @ u)
            u = v @ weight / np.linalg.norm(v @ weight)
        vectors.append((v, u))

    def objective(theta_W: Vector) -> float:
        net = Net(theta_W, 1)
        (v1, u1), (v2, u2) = vectors
        net.weight, net.v = net.weight * 0.8 / (v1 @ net.weight @ u1), net.v * 0.8 / (v2 @ net.v * u2[0])
        return cross_entropy(net, *read) + 0.5 * LEFT * float((net.norms(read[0]) ** 2 / 2).mean())

    close(found, differences(objective, theta_W))


def test_ds_layers_have_the_spectral_norm_asked_for() -> None:
    """60 tiny steps on, the power iteration has settled: each layer's largest singular value is 0.8 to 1e-3."""
    game = made(spectral_norm=0.8, hidden=5, view="raw", lr_d=1e-6, lr_g=1e-6, steps=60)
    for step in range(60):
        assert ORDERS["alternating"](game, step) is None
    for weight in game.spectral.apply(game.d.parts)[::2]:
        assert float(torch.linalg.matrix_norm(weight.detach()[0], 2)) == pytest.approx(0.8, rel=1e-3)


#: Cross-entropy with a fifth of D's labels flipped at random, and a loss whose generator reads the real logits.
NOISY = Variant(
    "noisy",
    "mine",
    y_real * softplus(-real) + (1 - y_real) * softplus(real) + y_fake * softplus(-fake) + (1 - y_fake) * softplus(fake),
    softplus(-fake),
    labels=Labels(Bernoulli(Rational(4, 5)), Bernoulli(Rational(1, 5))),
)
PAIRED = Variant("paired", "mine", softplus(fake - real), softplus(real - fake))


def half_squared_slopes(game: Game, z_stream: Stream, noise_stream: Stream) -> Callable[[str, Vector], float]:
    """|v|^2/2 of update 1 as a function of one player's parameters; v by autograd of the two mean losses."""
    one, variant, params = game.member, game.variant, dict(game.member.loss_params)
    real_KN = torch.from_numpy(read_by_d(game)[0])[None]
    z = torch.from_numpy(drawn(one, z_stream, 1, BATCH))[None, :, None]
    noise = torch.from_numpy(one.settings.instance_noise * LEFT * special.ndtri(drawn(one, noise_stream, 1, BATCH)))
    labels = None
    if variant.draws_labels:
        u = torch.from_numpy(drawn(one, Stream.LABELS, 1, 2 * real_KN.shape[1]))[None]
        labels = variant.draw_labels(*u.chunk(2, dim=1), **params)

    def value(letter: str, theta_W: Vector) -> float:
        thetas = {"g": game.g.theta_1W.detach(), "d": game.d.theta_1W.detach()} | {
            letter: torch.from_numpy(theta_W)[None]
        }
        d, g = (thetas[name].clone().requires_grad_() for name in ("d", "g"))
        made_1B = game.g.network.forward(game.g.network.split(g), z) + noise
        real_1K = game.d.network.forward(game.d.network.split(d), real_KN)
        fake_1K = game.d.network.forward(game.d.network.split(d), game.view.features(made_1B))
        loss_d = variant.discriminator_loss(real_1K, fake_1K, labels=labels, **params).mean()
        loss_g = variant.generator_loss(real_1K, fake_1K, **params).mean()
        (v_d,) = torch.autograd.grad(loss_d, d, retain_graph=True)
        (v_g,) = torch.autograd.grad(loss_g, g)
        return float(v_d.square().sum() + v_g.square().sum()) / 2

    return value


@pytest.mark.parametrize("view", ["sample", "raw"])
@pytest.mark.parametrize("variant", [LOSSES["non_saturating"], NOISY, PAIRED], ids=lambda variant: variant.name)
def test_consensus_adds_the_gradient_of_half_the_squared_field(variant: Variant, view: str) -> None:
    """Each player's gradient grows by weight * d(|v|^2/2)/d theta, found by differences of |v|^2/2 itself.

    v is without penalties (r1 is on) and on fresh fakes with noise (replay is on), with the labels that were drawn.
    """
    options = {"view": view, "instance_noise": 0.3, "replay": 0.5, "r1": 0.2}
    with nullcontext() if variant.name in LOSSES else LOSSES.registered(variant):
        plain, game = made(variant.name, **options), made(variant.name, consensus=0.6, **options)
    for letter, z, noise in (
        ("d", Stream.LATENT_D, Stream.NOISE_FAKE),
        ("g", Stream.LATENT_G, Stream.NOISE_G),
    ):
        found, without = (
            (one.discriminator_gradient if letter == "d" else one.generator_gradient)(1, 1) for one in (game, plain)
        )
        value = half_squared_slopes(game, z, noise)
        theta_W = getattr(game, letter).theta_1W[0].detach().numpy()
        expected = 0.6 * LEFT * differences(lambda theta, of=value, who=letter: of(who, theta), theta_W)
        close(found - without, expected)


def distance(fake_PB: torch.Tensor, real_PB: torch.Tensor, truth: TargetQuantiles) -> torch.Tensor:
    """A direct loss that reads all it may: values, the real minibatch, quantiles, the table."""
    sorted_PB = fake_PB.sort(dim=-1).values
    far = (sorted_PB - truth.quantiles_B).square().mean(-1)
    return far + (fake_PB.mean(-1) - real_PB.mean(-1)).square() + (fake_PB.std(-1) - truth.table_N.std()).square()


def test_a_direct_loss_is_added_to_gs_own() -> None:
    """G's gradient and recorded loss are those of mean softplus(-D(G(z) + noise)) + distance(G(z), real, quantiles)."""
    direct = Direct("", "", distance)
    variant = Variant("mixed", "mine", softplus(-real) + softplus(fake), softplus(-fake), direct=direct)
    with LOSSES.registered(variant):
        game = made("mixed", instance_noise=0.3)
        game.discriminator_gradient(1, 1)
        found = game.generator_gradient(1, 1)
        one, d = game.member, Net(game.d.theta_1W[0].detach().numpy(), 1)
        quantiles = [one.target.quantile((np.arange(1, n + 1) - 0.5) / n) for n in (BATCH, TABLE)]
        real_B = one.target.quantile(drawn(one, Stream.REAL, 1, BATCH))
        z_BZ = drawn(one, Stream.LATENT_G, 1, BATCH)[:, None]
        noise_B = 0.3 * LEFT * special.ndtri(drawn(one, Stream.NOISE_G, 1, BATCH))

        def objective(theta_W: Vector) -> float:
            x_B = Net(theta_W, 1)(z_BZ)
            own = np.logaddexp(0, -d((x_B + noise_B)[:, None])).mean()
            far = ((np.sort(x_B) - quantiles[0]) ** 2).mean() + (x_B.mean() - real_B.mean()) ** 2
            return float(own + far + (x_B.std(ddof=1) - quantiles[1].std(ddof=1)) ** 2)

        theta_W = game.g.theta_1W[0].detach().numpy()
        close(found, differences(objective, theta_W))
        assert game.record["loss_g"] == pytest.approx(objective(theta_W), rel=1e-9)
        assert game.record["grad_norm_g"] == pytest.approx(float(found.norm()), rel=1e-12)


def test_a_snapshot_says_what_d_saw() -> None:
    """After one step: mean probabilities and loss by D's start, data before noise, no penalty where there is none."""
    one = member(seed=1, **(TINY | {"view": "sample", "steps": 1, "instance_noise": 0.3}))
    (group,) = groups([one])
    snapshots = ReferenceEngine().train(group, lambda theta_PW: {}, lambda steps: None).snapshots
    game = Game(group, one)
    g, d = (Net(player.theta_1W[0].detach().numpy(), 1) for player in (game.g, game.d))
    real_B = one.target.quantile(drawn(one, Stream.REAL, 0, BATCH))
    fake_B = g(drawn(one, Stream.LATENT_D, 0, BATCH)[:, None])
    noise = [0.3 * special.ndtri(drawn(one, s, 0, BATCH)) for s in (Stream.NOISE_REAL, Stream.NOISE_FAKE)]
    expected = {
        "d_real": special.expit(d((real_B + noise[0])[:, None])).mean(),
        "d_fake": special.expit(d((fake_B + noise[1])[:, None])).mean(),
        "real_mean": real_B.mean(), "real_sd": real_B.std(), "fake_mean": fake_B.mean(), "fake_sd": fake_B.std(),
    }  # fmt: skip
    for name, value in expected.items():
        assert snapshots[name][0, 0] == pytest.approx(value, rel=1e-9), name
    assert math.isnan(snapshots["penalty"][0, 0])


def test_instance_noise_is_normal_of_the_size_asked_for() -> None:
    """In step 1 of 4 the noise on 4000 real values is N(0, (0.3 * 0.875)^2): a KS test with fixed draws at 1%."""
    game = made(batch=4000, instance_noise=0.3)
    game.discriminator_gradient(1, 1)
    noise_B = (game.real_1KN.squeeze(2) - game.real_1B)[0].numpy()
    assert stats.ks_1samp(noise_B, stats.norm(0, 0.3 * LEFT).cdf).pvalue > 0.01
