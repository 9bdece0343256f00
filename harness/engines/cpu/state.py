"""What a training loop works on, as arrays: a member's state and formulas, and the room of the thread that trains it.

Each of them enters itself into the loop's record (records.GAME), which holds their addresses: whoever makes a record
must keep them alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.base import REPLAY_BUFFER, updates_per_step
from harness.engines.cpu.layout import Float32, Plan, aligned
from harness.engines.cpu.losses import BoundProgram, loaded, loaded_slope, parameter_values
from harness.engines.cpu.numeric.record import fill
from harness.engines.cpu.optimizers import NUMBERS
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.step import ORDERS, SCHEDULES
from harness.losses import LOSSES
from harness.losses.metadata import uniform
from harness.losses.penalties import GradientPenalty
from harness.losses.penalties.penalty import norm
from harness.members import Group, Member

#: From so many decisions on a minibatch, D's inputs lie side by side; below, its units do.
SIDE_BY_SIDE = 4

Plans = tuple[Plan, Plan]


class Player(NamedTuple):
    """One network's parameters, and what its optimiser keeps of earlier gradients."""

    theta: Float32
    moment: Float32
    square: Float32
    previous: Float32

    @classmethod
    def new(cls, plan: Plan, theta_W: NDArray[np.floating]) -> Player:
        """Before the first step, at these parameters."""
        return cls(plan.packed(theta_W), *(aligned(plan.size) for _ in range(3)))

    def copied(self, plan: Plan) -> Player:
        """The same numbers in memory of its own."""
        made = Player.new(plan, np.zeros(plan.network.size, np.float32))
        for mine, its in zip(self, made, strict=True):
            its[:] = mine
        return made


class State(NamedTuple):
    """What one step leaves for the next: nothing else is carried over.

    G's running average starts at its theta. ``left`` and ``right`` are the spectral norm's vectors, a row a layer.
    """

    g: Player
    d: Player
    average: Float32
    history: Float32
    left: Float32
    right: Float32

    @classmethod
    def new(cls, plans: Plans, batch: int, thetas: tuple[NDArray[np.floating], NDArray[np.floating]]) -> State:
        """A member before its first step, from the initial parameters (W,) of G and D."""
        g, d = (Player.new(plan, theta_W) for plan, theta_W in zip(plans, thetas, strict=True))
        right = np.zeros((len(plans[1].net), _widest(plans)), np.float32)
        for row, outputs in zip(right, plans[1].net[:, 1].tolist(), strict=True):
            row[:outputs] = outputs**-0.5
        average = aligned(plans[0].size)
        average[:] = g.theta
        return cls(g, d, average, np.zeros(REPLAY_BUFFER * batch, np.float32), np.zeros_like(right), right)

    def copied(self, plans: Plans) -> State:
        """The same numbers in memory of its own."""
        average = aligned(plans[0].size)
        average[:] = self.average
        rest = (self.history.copy(), self.left.copy(), self.right.copy())
        return State(self.g.copied(plans[0]), self.d.copied(plans[1]), average, *rest)

    def enter(self, record: Any) -> None:
        """Into the record of a loop."""
        fill(record["g"], self.g._asdict())
        fill(record["d"], self.d._asdict())
        fill(record, {"average": self.average, "history": self.history, "left": self.left, "right": self.right})
        record["widest"] = self.right.shape[1]


def _widest(plans: Plans) -> int:
    return max(plan.widest for plan in plans)


class Shapes(NamedTuple):
    """Whole numbers that all members of a group share, by the names of the record."""

    steps: int
    batch: int
    latent: int
    decisions: int
    inputs: int
    form: int
    optimizer: int
    order: int
    schedule: int
    d_steps: int
    g_steps: int
    rows: bool
    normal_latent: bool

    @classmethod
    def of(cls, group: Group) -> Shapes:
        """Those of a group whose view has a form."""
        shape, view = group.shape, group.view
        if view.form is None:
            raise ValueError(f"view {view.name} has no form")
        decisions, (d_steps, g_steps) = view.decisions(shape.batch), updates_per_step(shape)
        return cls(
            steps=shape.steps,
            batch=shape.batch,
            latent=shape.latent,
            decisions=decisions,
            inputs=view.inputs(shape.batch),
            form=view.form.value,
            optimizer=NUMBERS[shape.optimizer],
            order=ORDERS[shape.order],
            schedule=SCHEDULES[shape.schedule],
            d_steps=d_steps,
            g_steps=g_steps,
            rows=decisions >= SIDE_BY_SIDE,
            normal_latent=shape.noise == "normal",
        )


class Formulas(NamedTuple):
    """A member's losses, the laws of its labels, the pulls of its penalties, and their weights (sites, penalties)."""

    loss_real: BoundProgram
    loss_fake: BoundProgram
    loss_g: BoundProgram
    law_real: BoundProgram
    law_fake: BoundProgram
    pulls: BoundProgram
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, member: Member, penalties: Sequence[GradientPenalty], decisions: int) -> Formulas:
        """Those of a member, its parameters in them; a penalty has weight 0 at a site where it does not look."""
        variant, settings = LOSSES[member.loss], member.settings
        values = parameter_values(variant, dict(member.loss_params))
        slopes = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
        labels = variant.labels
        drawn = [[law.draw] for law in (labels.real, labels.fake)] if labels else [[], []]
        weights = [[getattr(settings, p.name) * (site in p.sites) for p in penalties] for site in SITES]
        law_real, law_fake = (loaded(law, [uniform], values, decisions) for law in drawn)
        loss_real, loss_fake, loss_g = (loaded_slope(slope, values, decisions) for slope in slopes)
        pulls = loaded([penalty.coefficient_formula for penalty in penalties], [norm], {}, decisions)
        by_site = np.array(weights, np.float64).reshape(len(SITES), len(penalties))
        return cls(loss_real, loss_fake, loss_g, law_real, law_fake, pulls, by_site)

    def enter(self, record: Any) -> None:
        """Into the record of a loop."""
        for name in ("loss_real", "loss_fake", "loss_g", "law_real", "law_fake", "pulls"):
            getattr(self, name).enter(record[name])
        fill(record, {"weights": self.weights})
