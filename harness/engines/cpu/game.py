"""What a training loop works on: a member's state, its numbers, and the room of the thread that trains it.

All of it is plain arrays and numbers in named tuples, which numba takes as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.base import HISTORY, updates_per_step
from harness.engines.cpu.layout import Float32, Plan, Tape, aligned, padded, tape_of_rows, tape_of_units
from harness.engines.cpu.moving import NUMBERS
from harness.engines.cpu.programs import (
    Loaded,
    empty_program,
    loaded,
    loaded_slope,
    parameter_values,
)
from harness.engines.cpu.vectors import LANES
from harness.losses import LOSSES
from harness.losses.metadata import uniform
from harness.penalties import GradientPenalty, Site, gradient_penalties
from harness.penalties.penalty import norm
from harness.population import Group, Member
from harness.spec import Settings

#: From so many decisions on a minibatch, D's inputs lie side by side; below, its units do.
SIDE_BY_SIDE = 4

ORDERS = {"alternating": 0, "simultaneous": 1, "extragradient": 2}
SCHEDULES = {"linear": 0, "cosine": 1}
SITES = tuple(Site)


class Player(NamedTuple):
    """One network's parameters, and what its optimiser keeps of earlier gradients."""

    theta: Float32
    moment: Float32
    square: Float32
    previous: Float32


class State(NamedTuple):
    """What one step leaves for the next: nothing else is carried over."""

    g: Player
    d: Player
    average: Float32
    history: Float32
    left: Float32
    right: Float32


class Shapes(NamedTuple):
    """Whole numbers that all members of a group share."""

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
    normal: bool


class Parts(NamedTuple):
    """Which parts a member's step has, besides the plain game of two losses."""

    labels: bool
    pairs: bool
    replay: bool
    noise: bool
    spectral: bool
    penalties: bool


class Formulas(NamedTuple):
    """A member's losses, the laws of its labels, and the pulls of its penalties: weight by site and penalty."""

    real: Loaded
    fake: Loaded
    generator: Loaded
    label_real: Loaded
    label_fake: Loaded
    pulls: Loaded
    weights: NDArray[np.float64]


def settings_tuple() -> type:
    """``spec.Settings`` as a named tuple of floats."""
    return NamedTuple("Numbers", [(name, float) for name in Settings.model_fields])


Numbers = settings_tuple()


def new_state(group: Group, plans: tuple[Plan, Plan], thetas: tuple[Float32, Float32]) -> State:
    """A member before its first step: ``plans`` and initial parameters (W,) of G and D."""
    players = []
    for plan, theta_W in zip(plans, thetas, strict=True):
        theta = plan.packed(theta_W)
        players.append(Player(theta, *(aligned(plan.size) for _ in range(3))))
    widest = max(plan.widest for plan in plans)
    right = np.zeros((len(plans[1].net), widest), np.float32)
    for row, outputs in zip(right, plans[1].net[:, 1].tolist(), strict=True):
        row[:outputs] = outputs**-0.5
    history = np.zeros(HISTORY * group.shape.batch, np.float32)
    return State(players[0], players[1], players[0].theta.copy(), history, np.zeros_like(right), right)


def copied(state: State) -> State:
    """A state that shares no memory with the one given."""
    def player(one: Player) -> Player:
        return Player(*map(_copied, one))

    return State(player(state.g), player(state.d), *(array.copy() for array in state[2:]))


def _copied(values: Float32) -> Float32:
    found = aligned(len(values), LANES * len(values) // 2)
    found[:] = values
    return found


def shapes_of(group: Group) -> Shapes:
    """The numbers of a group; its view has a form."""
    shape, view = group.shape, group.view
    assert view.form is not None  # noqa: S101 - refused before
    decisions = view.decisions(shape.batch)
    return Shapes(
        steps=shape.steps,
        batch=shape.batch,
        latent=shape.latent,
        decisions=decisions,
        inputs=view.inputs(shape.batch),
        form=view.form.value,
        optimizer=NUMBERS[shape.optimizer],
        order=ORDERS[shape.order],
        schedule=SCHEDULES[shape.schedule],
        d_steps=updates_per_step(shape)[0],
        g_steps=updates_per_step(shape)[1],
        rows=decisions >= SIDE_BY_SIDE,
        normal=shape.noise == "normal",
    )


def parts_of(member: Member) -> Parts:
    """The parts that a member's variant and settings ask for."""
    variant, settings = LOSSES[member.loss], member.settings
    return Parts(
        labels=variant.draws_labels,
        pairs=variant.generator_reads_real,
        replay=settings.replay > 0,
        noise=settings.instance_noise > 0,
        spectral=settings.spectral_norm > 0,
        penalties=bool(gradient_penalties(dict(settings))),
    )


def formulas_of(member: Member, decisions: int) -> Formulas:
    """The programs of a member, with its parameters in them."""
    variant = LOSSES[member.loss]
    values = parameter_values(variant, dict(member.loss_params))
    slopes = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
    real, fake, generator = (loaded_slope(slope, values, decisions) for slope in slopes)
    laws = [empty_program()] * 2
    if variant.labels:
        both = (variant.labels.real, variant.labels.fake)
        laws = [loaded([law.draw], [uniform], values, decisions) for law in both]
    penalties = gradient_penalties(dict(member.settings))
    pulls = loaded([penalty.pull_formula for penalty in penalties], [norm], {}, decisions)
    return Formulas(real, fake, generator, *laws, pulls, _weights(penalties, member.settings))


def _weights(penalties: tuple[GradientPenalty, ...], settings: Settings) -> NDArray[np.float64]:
    """The weight of each penalty at each site, 0 where it does not look: (sites, penalties)."""
    weights = [[getattr(settings, p.name) * (site in p.sites) for p in penalties] for site in SITES]
    return np.array(weights, np.float64).reshape(len(SITES), len(penalties))


class Tables(NamedTuple):
    """Where data come from: the quantiles of all uniforms (``quantiles``), or the values of the next updates.

    ``target`` is empty where ``given`` holds the real values from D's update ``given_from`` on; ``normal`` is empty
    where nothing is normal.
    """

    target: Float32
    given: Float32
    given_from: int
    normal: Float32


class Game(NamedTuple):
    """All that a member's steps read and never change; ``key`` is that of its draws (drawing.py)."""

    shapes: Shapes
    parts: Parts
    numbers: NamedTuple
    formulas: Formulas
    key: NDArray[np.uint64]
    net_g: NDArray[np.int64]
    net_d: NDArray[np.int64]
    tables: Tables


class Desk(NamedTuple):
    """The room of a thread: scratch, and what the last step leaves to be recorded."""

    g_tape: Tape
    d_tape: Tape
    judged: Tape
    site: Tape
    along: Tape
    pushed: Float32
    work: tuple[Float32, Float32, Float32]
    more: tuple[Float32, Float32]
    gradient_g: Float32
    gradient_d: Float32
    scaled: Float32
    sigmas: NDArray[np.float64]
    saved: tuple[Float32, Float32]
    levels: NDArray[np.int32]
    real: Float32
    made: Float32
    fake: Float32
    read: Float32
    noise: Float32
    features: Float32
    logits: Float32
    slopes: Float32
    judged_logits: Float32
    labels: Float32
    label_draws: Float32
    no_labels: Float32
    ones: Float32
    norms: Float32
    ranks: NDArray[np.int64]


def new_desk(plans: tuple[Plan, Plan], shapes: Shapes, parts: Parts) -> Desk:
    """Room for any member of these shapes and parts."""
    g, d = plans
    batch, decisions = shapes.batch, shapes.decisions
    g_tape = tape_of_rows(g, 2 * batch)
    if shapes.rows:
        d_tape, judged = tape_of_rows(d, 2 * decisions), tape_of_rows(d, decisions)
    else:
        d_tape, judged = tape_of_units(d, 2 * decisions), tape_of_units(d, decisions)
    site, along = tape_of_rows(d, decisions), tape_of_rows(d, decisions, ones=False)
    if not parts.penalties:
        site, along = (Tape(aligned(1), site.places, site.stride) for _ in range(2))
    columns = padded(2 * max(batch, decisions))
    widest = max(g.widest, d.widest)
    room = aligned(decisions if parts.penalties else 0)
    room[:decisions] = 1
    drawn = max(batch * shapes.latent, 2 * batch, 2 * decisions, decisions * shapes.inputs) + 4
    return Desk(
        g_tape=g_tape,
        d_tape=d_tape,
        judged=judged,
        site=site,
        along=along,
        pushed=aligned(len(along.values)),
        work=(aligned(widest * columns), aligned(widest * columns), aligned(widest * columns)),
        more=(aligned(widest * columns if parts.penalties else 1), aligned(widest * columns if parts.penalties else 1)),
        gradient_g=aligned(g.size),
        gradient_d=aligned(d.size),
        scaled=_copied(aligned(d.size if parts.spectral else 1)),
        sigmas=np.zeros(len(d.net)),
        saved=(aligned(g.size), aligned(d.size)),
        levels=np.zeros(drawn, np.int32),
        real=aligned(batch),
        made=aligned(2 * batch),
        fake=aligned(batch),
        read=aligned(batch),
        noise=aligned(drawn),
        features=aligned(shapes.inputs * padded(decisions) + 2 * padded(shapes.inputs + LANES)),
        logits=aligned(2 * decisions),
        slopes=aligned(2 * max(decisions, batch)),
        judged_logits=aligned(3 * decisions + LANES),
        labels=aligned(2 * decisions if parts.labels else 0),
        label_draws=aligned(2 * decisions if parts.labels else 0),
        no_labels=aligned(0),
        ones=room,
        norms=aligned(len(SITES) * decisions),
        ranks=np.zeros(batch, np.int64),
    )
