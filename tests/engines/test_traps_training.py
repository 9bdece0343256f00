"""Mistakes of published programs in the training step: penalties, and what one player's gradient may contain.

A whole GAN-step is written here with torch.optim and ``backward``, on the engines' own draws and initial weights. The
engines must take the right step and not one of the ``trapped_*`` steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.engines import trained
from support.members import member
from torch import Tensor
from torch.nn.functional import softplus

from harness.data.rng import Stream
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.engines.reference.gradients import Game
from harness.losses.penalties import PENALTIES, GradientPenalty, around
from harness.members import Member, groups

#: Engine and how near its float32 or float64 stays to the program's float64 over three steps.
ENGINES = [
    pytest.param(ReferenceEngine(), 1e-10, id="reference"),
    pytest.param(BatchedEngine("cpu"), 1e-5, id="batched-cpu"),
]
each_engine = pytest.mark.parametrize(("engine", "tolerance"), ENGINES)

#: Large steps of plain gradient descent on networks of one hidden layer: what is added to a gradient shows.
SMALL: dict[str, Any] = {
    "view": "sample", "batch": 6, "hidden": 4, "activations_g": ("tanh",), "activations_d": ("tanh",),
    "optimizer": "sgd", "beta1": 0.0, "lr_d": 0.3, "lr_g": 0.3,
}  # fmt: skip
WEIGHT = 10.0


class Program:
    """One GAN as scripts write it: leaves that require gradients, two optimizers of torch, non-saturating losses."""

    def __init__(self, one: Member) -> None:
        (group,) = groups([one])
        self.game = Game(group, one)
        self.d, self.g = ([p.detach().clone().requires_grad_() for p in x.parts] for x in (self.game.d, self.game.g))
        s = one.settings
        if one.shape.optimizer == "adam":
            made = [torch.optim.Adam(p, lr=s.lr_d, betas=(s.beta1, s.beta2), eps=1e-8) for p in (self.d, self.g)]
        else:
            made = [torch.optim.SGD(p, lr=s.lr_d) for p in (self.d, self.g)]  # type: ignore[misc]
        self.step_d, self.step_g = made

    def real(self, t: int) -> Tensor:
        u = self.game.draw(Stream.REAL, t, SMALL["batch"])
        return torch.from_numpy(self.game.target.quantile(u.numpy())).unsqueeze(2)

    def fake(self, stream: Stream, t: int) -> Tensor:
        z = self.game.draw(stream, t, SMALL["batch"]).view(1, -1, 1)
        return self.game.g.network.forward(self.g, z).unsqueeze(2)

    def judge(self, x: Tensor) -> Tensor:
        return self.game.d.network.forward(self.d, x)

    def loss_d(self, real: Tensor, fake: Tensor) -> Tensor:
        return (softplus(-self.judge(real)) + softplus(self.judge(fake))).mean()

    def loss_g(self, fake: Tensor) -> Tensor:
        return softplus(-self.judge(fake)).mean()

    def weights(self, t: int) -> Tensor:
        """The places on the segments between real and fake data, one a decision."""
        return self.game.draw(Stream.SEGMENT, t, SMALL["batch"]).view(1, -1, 1)

    def slopes(self, real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
        """dD/dx at the points fake + u (real - fake)."""
        x = fake + u * (real - fake)
        x = x if x.requires_grad else x.requires_grad_()
        (found,) = torch.autograd.grad(self.judge(x).sum(), x, create_graph=True)
        return found

    def clear(self) -> None:
        self.step_d.zero_grad()
        self.step_g.zero_grad()


Step = Callable[[Program, int], None]
Penalty = Callable[[Program, Tensor, Tensor, int], Tensor]


def played(step: Step, steps: int, **changes: Any) -> tuple[Tensor, Tensor]:
    """The parameters of D and G after so many steps of the program."""
    program = Program(member(steps=steps, **SMALL | changes))
    for t in range(steps):
        step(program, t)
    return tuple(torch.cat([p.detach().flatten(1) for p in parts], 1) for parts in (program.d, program.g))  # type: ignore[return-value]


def engines_play(engine: Engine, steps: int, **changes: Any) -> tuple[Tensor, Tensor]:
    found = trained(engine, [member(steps=steps, **SMALL | changes)])
    return torch.from_numpy(found.theta_d_PW).double(), torch.from_numpy(found.theta_g_PW).double()


def apart(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


# --- whose gradient is whose ----------------------------------------------------------------------------------------


def right_step(program: Program, t: int) -> None:
    """D on fakes that hold no graph, then G against the new D; gradients are cleared before each."""
    program.clear()
    program.loss_d(program.real(t), program.fake(Stream.LATENT_D, t).detach()).backward()
    program.step_d.step()
    program.clear()
    program.loss_g(program.fake(Stream.LATENT_G, t)).backward()
    program.step_g.step()


def trapped_not_detached(program: Program, t: int) -> None:
    """D's backward runs through the fakes into G, whose gradient is not cleared before its own is added."""
    program.clear()
    program.loss_d(program.real(t), program.fake(Stream.LATENT_D, t)).backward()
    program.step_d.step()
    program.loss_g(program.fake(Stream.LATENT_G, t)).backward()
    program.step_g.step()


def trapped_left_over(program: Program, t: int) -> None:
    """G's backward runs through D, whose gradient is not cleared before D's next turn."""
    program.loss_d(program.real(t), program.fake(Stream.LATENT_D, t).detach()).backward()
    program.step_d.step()
    program.step_g.zero_grad()
    program.loss_g(program.fake(Stream.LATENT_G, t)).backward()
    program.step_g.step()


def trapped_graph_before_the_step(program: Program, t: int) -> None:
    """Both losses are computed, D is stepped, and G's backward runs through weights that are gone."""
    program.clear()
    loss_d = program.loss_d(program.real(t), program.fake(Stream.LATENT_D, t).detach())
    loss_g = program.loss_g(program.fake(Stream.LATENT_G, t))
    loss_d.backward()
    program.step_d.step()
    program.step_g.zero_grad()
    loss_g.backward()


@each_engine
def test_no_player_steps_on_the_others_gradient(engine: Engine, tolerance: float) -> None:
    """After three alternating steps both players are where the right program is; the trapped ones are 1e-3 away."""
    found = engines_play(engine, 3)
    assert apart(found, played(right_step, 3)) < tolerance
    for trap in (trapped_not_detached, trapped_left_over):
        assert apart(found, played(trap, 3)) > 1e-3, trap.__name__


def test_a_graph_through_stepped_weights_cannot_be_used() -> None:
    """In the order of the third trap torch refuses the backward pass; engines, which take that step, build it later."""
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        played(trapped_graph_before_the_step, 1)


def right_simultaneous(program: Program, t: int) -> None:
    """Both gradients at the same parameters, then both steps."""
    program.clear()
    in_d = torch.autograd.grad(program.loss_d(program.real(t), program.fake(Stream.LATENT_D, t).detach()), program.d)
    in_g = torch.autograd.grad(program.loss_g(program.fake(Stream.LATENT_G, t)), program.g)
    for parameters, gradients in ((program.d, in_d), (program.g, in_g)):
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
    program.step_d.step()
    program.step_g.step()


@each_engine
def test_simultaneous_steps_use_the_old_opponent(engine: Engine, tolerance: float) -> None:
    """Under order = simultaneous G's gradient is taken against D before its step: not where alternating steps go."""
    found = engines_play(engine, 3, order="simultaneous")
    assert apart(found, played(right_simultaneous, 3)) < tolerance
    assert apart(found, played(right_step, 3)) > 1e-3


# --- gradient penalties ---------------------------------------------------------------------------------------------


def right_penalty(program: Program, real: Tensor, fake: Tensor, t: int) -> Tensor:
    """(norm - 1)^2 of each decision, each at a place of its own, then the mean."""
    return (program.slopes(real, fake, program.weights(t)).norm(dim=2) - 1).square().mean()


def trapped_norm_of_the_batch(program: Program, real: Tensor, fake: Tensor, t: int) -> Tensor:
    """One norm over all decisions together."""
    return (program.slopes(real, fake, program.weights(t)).norm() - 1).square()


def trapped_norm_over_the_wrong_axis(program: Program, real: Tensor, fake: Tensor, t: int) -> Tensor:
    """Norms over the decisions, one for each input."""
    return (program.slopes(real, fake, program.weights(t)).norm(dim=1) - 1).square().mean()


def trapped_one_place_for_all(program: Program, real: Tensor, fake: Tensor, t: int) -> Tensor:
    """One interpolation weight for the whole minibatch."""
    u = program.weights(t)[:, :1].expand(-1, SMALL["batch"], -1)
    return (program.slopes(real, fake, u).norm(dim=2) - 1).square().mean()


def trapped_slope_in_parameters(program: Program, real: Tensor, fake: Tensor, t: int) -> Tensor:
    """The norm of the gradient in D's parameters instead of in D's input."""
    gradients = torch.autograd.grad(program.loss_d(real, fake), program.d, create_graph=True)
    return (torch.cat([g.flatten() for g in gradients]).norm() - 1).square()


def penalised(penalty: Penalty) -> Step:
    """The right step, with D descending the sum of its loss and the penalty in one backward and one step."""

    def step(program: Program, t: int) -> None:
        program.clear()
        real, fake = program.real(t), program.fake(Stream.LATENT_D, t).detach()
        (program.loss_d(real, fake) + WEIGHT * penalty(program, real, fake, t)).backward()
        program.step_d.step()
        program.clear()
        program.loss_g(program.fake(Stream.LATENT_G, t)).backward()
        program.step_g.step()

    return step


def trapped_steps_apart(program: Program, t: int) -> None:
    """The optimizer steps on D's loss, and once more on the penalty alone."""
    real, fake = program.real(t), program.fake(Stream.LATENT_D, t).detach()
    for loss in (lambda: program.loss_d(real, fake), lambda: WEIGHT * right_penalty(program, real, fake, t)):
        program.clear()
        loss().backward()
        program.step_d.step()
    program.clear()
    program.loss_g(program.fake(Stream.LATENT_G, t)).backward()
    program.step_g.step()


def trapped_for_both_players(program: Program, t: int) -> None:
    """The penalty is part of G's loss too, through the fakes that the segments end in."""
    program.clear()
    real, fake = program.real(t), program.fake(Stream.LATENT_D, t).detach()
    (program.loss_d(real, fake) + WEIGHT * right_penalty(program, real, fake, t)).backward()
    program.step_d.step()
    program.clear()
    made = program.fake(Stream.LATENT_G, t)
    (program.loss_g(made) + WEIGHT * right_penalty(program, real, made, t)).backward()
    program.step_g.step()


@each_engine
def test_a_penalty_is_taken_decision_by_decision_in_ds_input(engine: Engine, tolerance: float) -> None:
    """After two steps with gp = 10 both players are where the right program is; each trapped one is 1e-3 away."""
    found = engines_play(engine, 2, gp=WEIGHT, lr_d=0.05, lr_g=0.05)
    assert apart(found, played(penalised(right_penalty), 2, lr_d=0.05, lr_g=0.05)) < tolerance
    traps = (
        trapped_norm_of_the_batch,
        trapped_norm_over_the_wrong_axis,
        trapped_one_place_for_all,
        trapped_slope_in_parameters,
    )
    for trap in traps:
        assert apart(found, played(penalised(trap), 2, lr_d=0.05, lr_g=0.05)) > 1e-3, trap.__name__
    assert apart(found, played(trapped_for_both_players, 2, lr_d=0.05, lr_g=0.05)) > 1e-3


@each_engine
def test_adam_sees_loss_and_penalty_as_one_gradient(engine: Engine, tolerance: float) -> None:
    """With Adam one step is taken on the sum: in the first, every weight of D moves by at most lr_d = 0.01.

    Stepping on the loss and on the penalty apart moves some weights by nearly twice that.
    """
    settings: dict[str, Any] = {"optimizer": "adam", "lr_d": 0.01, "lr_g": 0.01}
    found = engines_play(engine, 1, gp=WEIGHT, **settings)
    before, _ = played(lambda program, t: None, 1, **settings)
    # The last bias has no slope in x and one in the loss; Adam's first step is lr g/(|g| + 1e-8).
    assert float((found[0] - before).abs().max()) < 0.01 * (1 + 1e-4)
    assert apart(found, played(penalised(right_penalty), 1, **settings)) < 10 * tolerance
    trapped = played(trapped_steps_apart, 1, **settings)
    assert float((trapped[0] - before).abs().max()) > 0.015
    assert apart(found, trapped) > 1e-3


@pytest.mark.parametrize("engine", [pytest.param(case.values[0], id=case.id) for case in ENGINES])
def test_a_penalty_never_reaches_g(engine: Engine) -> None:
    """With simultaneous steps, G's first step is bit for bit the same with every gradient penalty and without.

    D's is not, but under the one-sided penalty, whose threshold no slope exceeds at the start.
    """
    plain_d, plain_g = engines_play(engine, 1, order="simultaneous")
    moved = set()
    for name, penalty in PENALTIES.items():
        if isinstance(penalty, GradientPenalty):
            with_d, with_g = engines_play(engine, 1, order="simultaneous", **{name: WEIGHT})
            assert torch.equal(with_g, plain_g), name
            moved |= set() if torch.equal(with_d, plain_d) else {name}
    assert moved == {name for name, p in PENALTIES.items() if isinstance(p, GradientPenalty)} - {"one_sided_gp"}


# --- shapes and ranges of images ------------------------------------------------------------------------------------


def trapped_image_axes(slopes: Tensor) -> Tensor:
    """The squared norm over the axes of an image: channels, height, width."""
    return slopes.square().sum([1, 2, 3])


def test_penalties_take_scalars() -> None:
    """Slopes at decisions about single numbers have no axes 1, 2, 3; every penalty is a finite number on them.

    For one number a decision the norm is the absolute value, so R1 is the mean of slope^2/2.
    """
    program = Program(member(steps=1, **SMALL))
    slopes = program.slopes(program.real(0), program.fake(Stream.LATENT_D, 0).detach(), program.weights(0))[0]
    with pytest.raises(IndexError):
        trapped_image_axes(slopes.detach())
    norms = torch.linalg.vector_norm(slopes.detach().unsqueeze(0), dim=2)
    for name, penalty in PENALTIES.items():
        if isinstance(penalty, GradientPenalty):
            assert torch.isfinite(penalty.value(norms)).all(), name
            for view in ("sample", "pack(m=2)", "variances"):
                found = trained(ReferenceEngine(), [member(steps=1, **SMALL | {"view": view, name: 1.0})])
                assert float(found.snapshots["penalty"][0, -1]) >= 0, (name, view)
    r1 = PENALTIES["r1"]
    assert isinstance(r1, GradientPenalty)
    torch.testing.assert_close(r1.value(norms), slopes.detach().square().T / 2)


def trapped_in_the_range_of_images(points: Tensor) -> Tensor:
    """Noisy points clipped to [0, 1], where pixels lie."""
    return points.clamp(0, 1)


def test_points_around_data_stay_around_data() -> None:
    """Half an sd of noise on N(4, 1.25): mean 4 and sd 1.25 sqrt(1.25) = 1.398, to 5%. Clipped to pixels, 1 and 0."""
    noise = torch.Generator().manual_seed(1)
    u = torch.rand(2, 1, 20_000, 1, generator=noise, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    points = around(4 + 1.25 * torch.special.ndtri(u[0]), u[1])
    assert float(points.mean()) == pytest.approx(4, rel=0.05)
    assert float(points.std()) == pytest.approx(1.398, rel=0.05)
    trapped = trapped_in_the_range_of_images(points)
    assert float(trapped.mean()) == pytest.approx(1, abs=0.05)
    assert float(trapped.std()) < 0.15
