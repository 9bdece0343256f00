"""A member's state and formulas, and the sizes that its group shares: all that a training loop is given but scratch.

Each binds itself into the loop's record (numeric/record.py), which holds addresses: whoever makes a record keeps the
arrays alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.base import REPLAY_BUFFER, updates_per_step
from harness.engines.cpu.layout import Float32, MlpLayout, aligned
from harness.engines.cpu.losses import BoundProgram, bind_program, bind_slope, parameter_values
from harness.engines.cpu.numeric.record import fill
from harness.engines.cpu.optimizers import OPTIMIZER_IDS
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.step import ORDER_IDS, SCHEDULE_IDS
from harness.losses import LOSSES
from harness.losses.metadata import uniform
from harness.losses.penalties import GradientPenalty
from harness.losses.penalties.penalty import norm
from harness.members import Group, Member

#: From this many decisions on D is feature-major; below it is batch-major (numeric/mlp.py).
FEATURE_MAJOR_DECISIONS = 4


class Layouts(NamedTuple):
    """The networks of a group in memory."""

    g: MlpLayout
    d: MlpLayout

    @classmethod
    def of(cls, group: Group) -> Layouts:
        """Layouts of a group's generator and discriminator."""
        return cls(MlpLayout.of(group.generator), MlpLayout.of(group.discriminator))

    @property
    def widest(self) -> int:
        """Rows that the delta of any layer may need, in whole vectors."""
        return max(self.g.widest, self.d.widest)


class PlayerState(NamedTuple):
    """One network's parameters, and what its optimizer keeps of earlier gradients."""

    theta: Float32
    moment: Float32
    square: Float32
    previous: Float32

    @classmethod
    def new(cls, layout: MlpLayout, theta_W: NDArray[np.floating]) -> PlayerState:
        """State before the first step, at these parameters."""
        return cls(layout.packed(theta_W), *(aligned(layout.size) for _ in range(3)))

    def copied(self, layout: MlpLayout) -> PlayerState:
        """The same numbers in other memory."""
        copy = PlayerState.new(layout, np.zeros(layout.network.size, np.float32))
        for target, source in zip(copy, self, strict=True):
            target[:] = source
        return copy


class State(NamedTuple):
    """State that one step leaves for the next: nothing else is carried over.

    ``average`` (W,) is G's running average, which starts at its theta; ``replay_buffer`` (REPLAY_BUFFER B,) holds
    generated values; ``left`` and ``right`` (layers, widest) are the spectral norm's vectors.
    """

    g: PlayerState
    d: PlayerState
    average: Float32
    replay_buffer: Float32
    left: Float32
    right: Float32

    @classmethod
    def new(cls, layouts: Layouts, batch: int, thetas: tuple[NDArray[np.floating], NDArray[np.floating]]) -> State:
        """State before the first step, from the initial parameters (W,) of G and D."""
        g, d = (PlayerState.new(layout, theta_W) for layout, theta_W in zip(layouts, thetas, strict=True))
        right = np.zeros((len(layouts.d.layers), layouts.widest), np.float32)
        for row, outputs in zip(right, layouts.d.layers[:, 1].tolist(), strict=True):
            row[:outputs] = outputs**-0.5
        average = aligned(layouts.g.size)
        average[:] = g.theta
        replay_buffer = np.zeros(REPLAY_BUFFER * batch, np.float32)
        return cls(g, d, average, replay_buffer, left=np.zeros_like(right), right=right)

    def copied(self, layouts: Layouts) -> State:
        """The same numbers in other memory."""
        average = aligned(layouts.g.size)
        average[:] = self.average
        rest = (self.replay_buffer.copy(), self.left.copy(), self.right.copy())
        return State(self.g.copied(layouts.g), self.d.copied(layouts.d), average, *rest)

    def bind(self, record: Any) -> None:
        """Enter the arrays into the record of a loop."""
        fill(record["g"], self.g._asdict())
        fill(record["d"], self.d._asdict())
        fill(record, {"average": self.average, "replay_buffer": self.replay_buffer})
        fill(record, {"left_vectors": self.left, "right_vectors": self.right, "vector_stride": self.right.shape[1]})


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
    feature_major: bool
    normal_latent: bool

    @classmethod
    def of(cls, group: Group) -> Shapes:
        """Shapes of a group.

        Raises:
            ValueError: its view has no form.
        """
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
            optimizer=OPTIMIZER_IDS[shape.optimizer],
            order=ORDER_IDS[shape.order],
            schedule=SCHEDULE_IDS[shape.schedule],
            d_steps=d_steps,
            g_steps=g_steps,
            feature_major=decisions >= FEATURE_MAJOR_DECISIONS,
            normal_latent=shape.noise == "normal",
        )


class Formulas(NamedTuple):
    """A member's formulas as bytecode: slopes of its losses, laws of its labels, coefficients of its penalties.

    ``penalty_weights`` (sites, penalties) are 0 where a penalty does not look.
    """

    loss_real: BoundProgram
    loss_fake: BoundProgram
    loss_g: BoundProgram
    label_real: BoundProgram
    label_fake: BoundProgram
    penalty_coefficients: BoundProgram
    penalty_weights: NDArray[np.float64]

    @classmethod
    def of(cls, member: Member, penalties: Sequence[GradientPenalty], decisions: int) -> Formulas:
        """Compile the formulas of a member for K ``decisions``."""
        variant, settings = LOSSES[member.loss], member.settings
        values = parameter_values(variant, dict(member.loss_params))
        slopes = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
        labels = variant.labels
        laws = [[law.draw] for law in (labels.real, labels.fake)] if labels else [[], []]
        weights = [[getattr(settings, p.name) * (site in p.sites) for p in penalties] for site in SITES]
        loss_real, loss_fake, loss_g = (bind_slope(slope, values, decisions) for slope in slopes)
        label_real, label_fake = (bind_program(law, [uniform], values, decisions) for law in laws)
        return cls(
            loss_real=loss_real,
            loss_fake=loss_fake,
            loss_g=loss_g,
            label_real=label_real,
            label_fake=label_fake,
            penalty_coefficients=bind_program([p.coefficient_formula for p in penalties], [norm], {}, decisions),
            penalty_weights=np.array(weights, np.float64).reshape(len(SITES), len(penalties)),
        )

    def bind(self, record: Any) -> None:
        """Enter the programs into the record of a loop."""
        for name, program in self._asdict().items():
            if isinstance(program, BoundProgram):
                program.bind(record[name])
        fill(record, {"penalty_weights": self.penalty_weights})
