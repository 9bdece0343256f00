"""The room of a thread: what its training loop computes in, and what the last step leaves to be recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu.layout import Float32, Plan, Tape, aligned, tape_of_rows, tape_of_units
from harness.engines.cpu.numeric.record import fill
from harness.engines.cpu.numeric.simd import LANES, padded, room
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.state import Plans, Shapes
from harness.engines.step_options import StepOptions


class Tapes(NamedTuple):
    """What the layers are given: of G; of D in its own update, in G's, where a penalty looks, and derivatives there."""

    g_tape: Tape
    d_tape: Tape
    judged: Tape
    site: Tape
    along: Tape


class Workspace(NamedTuple):
    """Scratch arrays by the names of the record."""

    pushed: Float32
    one: Float32
    other: Float32
    turned: Float32
    more_one: Float32
    more_other: Float32
    scaled: Float32
    sigmas: NDArray[np.float64]
    levels: NDArray[np.int32]
    real: Float32
    made: Float32
    fake: Float32
    read: Float32
    drawn: Float32
    features: Float32
    logits: Float32
    slopes: Float32
    judged_logits: Float32
    label_values: Float32
    label_draws: Float32
    ones: Float32
    norms: Float32
    ranks: NDArray[np.int64]
    spare_ranks: NDArray[np.int64]
    kept: Float32


class Room(NamedTuple):
    """All that a thread needs for members of some shapes and features."""

    plans: Plans
    tapes: Tapes
    desk: Workspace
    gradients: tuple[Float32, Float32]
    saved: tuple[Float32, Float32]

    @classmethod
    def new(cls, plans: Plans, shapes: Shapes, features: StepOptions) -> Room:
        """Room for any member of these shapes and features."""
        tapes = _tapes(plans, shapes, features)
        gradients, saved = ((aligned(plans[0].size), aligned(plans[1].size)) for _ in range(2))
        return cls(plans, tapes, _desk(plans, shapes, features, tapes), gradients, saved)

    def enter(self, record: Any) -> None:
        """Into the record of a loop."""
        for name, tape in self.tapes._asdict().items():
            fill(record[name], tape._asdict())
        fill(record, self.desk._asdict() | {"slopes_size": len(self.desk.slopes)})
        for letter, plan, gradient, saved in zip("gd", self.plans, self.gradients, self.saved, strict=True):
            fill(record[letter], {"net": plan.net, "layers": len(plan.net), "size": plan.size})
            fill(record[letter], {"gradient": gradient, "saved": saved})


def _tapes(plans: Plans, shapes: Shapes, features: StepOptions) -> Tapes:
    g, d = plans
    of_d = tape_of_rows if shapes.rows else tape_of_units
    nothing = Tape(aligned(1), np.zeros(len(d.net), np.int64), 0)
    looks = (tape_of_rows(d, shapes.decisions), tape_of_rows(d, shapes.decisions, ones=False))
    return Tapes(
        tape_of_rows(g, 2 * shapes.batch),
        of_d(d, 2 * shapes.decisions),
        of_d(d, shapes.decisions),
        *(looks if features.penalties else (nothing, nothing)),
    )


def _desk(plans: Plans, shapes: Shapes, features: StepOptions, tapes: Tapes) -> Workspace:
    batch, decisions, d = shapes.batch, shapes.decisions, plans[1]
    columns = padded(2 * max(batch, decisions))
    widest = max(plan.widest for plan in plans)
    # Where units lie side by side, the first layer's inputs do.
    work = max(widest * columns, 2 * decisions * room(shapes.inputs) + LANES)
    drawn = 4 + max(batch * shapes.latent, 2 * batch, decisions * max(shapes.inputs, 2))
    bent = work if features.penalties else 1
    ones = aligned(decisions)
    ones[:decisions] = 1
    return Workspace(
        pushed=aligned(len(tapes.along.values)),
        one=aligned(work),
        other=aligned(work),
        turned=aligned(work),
        more_one=aligned(bent),
        more_other=aligned(bent),
        scaled=_scaled(d, features),
        sigmas=np.zeros(len(d.net)),
        levels=np.zeros(drawn, np.int32),
        real=aligned(batch),
        made=aligned(2 * batch),
        fake=aligned(batch),
        read=aligned(batch),
        drawn=aligned(drawn),
        features=aligned(shapes.inputs * padded(decisions) + padded(shapes.inputs + LANES)),
        logits=aligned(2 * decisions),
        slopes=aligned(2 * max(decisions, batch)),
        judged_logits=aligned(3 * decisions + LANES),
        label_values=aligned(2 * decisions),
        label_draws=aligned(2 * decisions),
        ones=ones,
        norms=aligned(len(SITES) * decisions),
        ranks=np.zeros(batch, np.int64),
        spare_ranks=np.zeros(batch, np.int64),
        kept=aligned(2 * decisions * (widest + LANES) if not shapes.rows else 1),
    )


def _scaled(plan: Plan, features: StepOptions) -> Float32:
    return plan.packed(np.zeros(plan.network.size, np.float32)) if features.spectral_norm else aligned(1)
