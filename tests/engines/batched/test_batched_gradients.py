"""The batched engine's gradients of one update, held against autograd of the objectives as they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.engines import relative_error
from support.members import member
from torch import Tensor

from harness.data.mlp import Mlp
from harness.data.views import VIEWS
from harness.engines.batched.gradients import Inputs, Objectives, discriminator_gradient, generator_gradient
from harness.engines.batched.player import Player, Players
from harness.losses import LOSSES
from harness.losses.penalties import Site, segments
from harness.members import Group

BATCH, SHARE, VIEW = 10, 0.5, VIEWS["sample"]
GAN = {"batch": BATCH, "hidden": 6, "activations_g": ("tanh",), "activations_d": ("tanh", "tanh")}


def player(network: Mlp, letter: str) -> Player:
    """One network with random parameters."""
    u_PW = torch.rand(1, network.size, generator=torch.Generator().manual_seed(ord(letter)))
    rates: dict[str, Any] = {"rate_P": np.array([1e-3]), "betas_P2": np.array([[0.9, 0.999]]), "optimizer": "sgd"}
    return Player(network, letter, u_PW, **rates, per_step=1)


def drawn() -> Inputs:
    """Inputs of one update of either player, by name."""
    noise = torch.Generator().manual_seed(0)
    real_PB = 4 + torch.randn(1, BATCH, generator=noise)
    values = {"real": real_PB, "real_features": VIEW.features(real_PB)}
    values |= {name: torch.rand(1, BATCH, 1, generator=noise) for name in ("z_d", "z_g")}
    values |= {"segment": torch.rand(1, VIEW.decisions(BATCH), generator=noise)}
    values |= {f"penalty_share_{letter}": torch.tensor([[SHARE]]) for letter in "dg"}
    return values.__getitem__


def update(**settings: Any) -> tuple[Players, Inputs]:
    """Players with the gradients of one update, D's first, and its inputs."""
    group = Group((member("non_saturating", view="sample", **GAN, **settings),))
    players, inputs = Players(player(group.generator, "G"), player(group.discriminator, "D")), drawn()
    objectives = Objectives.of(group, group.members, "cpu")
    with torch.no_grad():
        judged = discriminator_gradient(players, inputs, objectives, torch.zeros(0))
        generator_gradient(players, inputs, judged, objectives)
    return players, inputs


def losses(players: Players, inputs: Inputs, noise: str) -> tuple[Tensor, Tensor]:
    """Mean losses of D and G on D's real data and on the values that G makes of this noise."""
    variant = LOSSES["non_saturating"]
    real_PK = players.d.forward(inputs("real_features"))
    fake_PK = players.d.forward(VIEW.features(players.g.forward(inputs(noise))))
    return variant.discriminator_loss(real_PK, fake_PK).mean(), variant.generator_loss(real_PK, fake_PK).mean()


def penalty(players: Players, inputs: Inputs, settings: dict[str, float]) -> Tensor:
    """r1 |dD/dx|^2/2 at real data, gp (|dD/dx| - 1)^2 between real and generated data, each the mean over decisions."""
    fake_PKN = VIEW.features(players.g.forward(inputs("z_d"))).detach()
    real_PKN = inputs("real_features")
    points = {Site.REAL: real_PKN, Site.SEGMENT: segments(real_PKN, fake_PKN, inputs("segment"))}
    norms = {}
    for site, point_PKN in points.items():
        x_PKN = point_PKN.clone().requires_grad_()
        (slope_PKN,) = torch.autograd.grad(players.d.forward(x_PKN).sum(), x_PKN, create_graph=True)
        norms[site] = slope_PKN.norm(dim=2)
    r1, gp = settings.get("r1", 0.0), settings.get("gp", 0.0)
    return SHARE * (r1 / 2 * norms[Site.REAL] ** 2 + gp * (norms[Site.SEGMENT] - 1) ** 2).mean()


def consensus(players: Players, inputs: Inputs, noise: str, weight: float) -> Tensor:
    """Weight * |v|^2/2 of the field v of both players' gradients."""
    loss_d, loss_g = losses(players, inputs, noise)
    field = [
        *torch.autograd.grad(loss_d, players.d.parts, create_graph=True),
        *torch.autograd.grad(loss_g, players.g.parts, create_graph=True),
    ]
    return SHARE * weight / 2 * sum((part.square().sum() for part in field), torch.zeros(()))


@pytest.mark.parametrize(
    "settings",
    [{}, {"r1": 7.0}, {"gp": 2.0}, {"r1": 7.0, "gp": 2.0}, {"consensus": 3.0}, {"gp": 2.0, "consensus": 3.0}],
)
def test_gradients_are_autograds_of_the_objectives(settings: dict[str, float]) -> None:
    """Loss, penalties and consensus of D, loss and consensus of G: to 1e-5 of the largest entry, with float32."""
    players, inputs = update(**settings)
    weight = settings.get("consensus", 0.0)
    objective_d = losses(players, inputs, "z_d")[0] + penalty(players, inputs, settings)
    objective_g = losses(players, inputs, "z_g")[1]
    if weight:
        objective_d = objective_d + consensus(players, inputs, "z_d", weight)
        objective_g = objective_g + consensus(players, inputs, "z_g", weight)
    for objective, one in ((objective_d, players.d), (objective_g, players.g)):
        parts = torch.autograd.grad(objective, one.parts, materialize_grads=True)
        expected_PW = torch.cat([part.flatten(1) for part in parts], dim=1)
        assert relative_error(one.gradient_PW.numpy(), expected_PW.numpy()) < 1e-5
        assert one.norm_P.item() == pytest.approx(expected_PW.norm().item(), rel=1e-5)


def test_a_penalty_and_consensus_change_the_gradient() -> None:
    """The comparison can fail: each option moves D's gradient by more than 1 percent."""
    plain_PW = update()[0].d.gradient_PW.numpy()
    for settings in ({"r1": 7.0}, {"gp": 2.0}, {"consensus": 3.0}):
        assert relative_error(update(**settings)[0].d.gradient_PW.numpy(), plain_PW) > 0.01
