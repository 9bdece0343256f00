"""One member in training: its state, what it is trained with, and what is recorded of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from harness.engines.base import Leg
from harness.engines.cpu.compiled import levels_of, play
from harness.engines.cpu.game import (
    SITES,
    Desk,
    Game,
    Numbers,
    Shapes,
    State,
    Tables,
    copied,
    formulas_of,
    new_state,
    parts_of,
)
from harness.engines.cpu.layout import Float32, Plan
from harness.engines.cpu.playing import D, NOBODY, _left
from harness.engines.quantiles import LEVELS, noise_table, target_table
from harness.engines.record import Float64, LastStep, recorded
from harness.engines.runs import Run
from harness.networks import Mlp
from harness.penalties import gradient_penalties
from harness.population import Group, Member
from harness.streams import Stream, uniforms
from harness.targets import Target



def _read_only(values: Float32) -> Float32:
    # Tables are, and numba would compile anew for arrays that are not.
    values.setflags(write=False)
    return values


_NOTHING = _read_only(np.zeros(0, np.float32))


@dataclass(frozen=True)
class Source:
    """Where the real values of a group come from: a table where that is cheaper than asking for each."""

    target: Target
    table: Float32

    @classmethod
    def of(cls, group: Group, updates: int) -> Source:
        """The source of so many minibatches."""
        worth_it = updates * group.shape.batch > LEVELS
        return cls(group.target, target_table(group.target) if worth_it else _NOTHING)

    def tables(self, key: NDArray[np.uint64], updates: range, batch: int, normal: Float32) -> Tables:
        """What a training loop reads for these updates of D."""
        if len(self.table):
            return Tables(self.table, _NOTHING, 0, normal)
        drawn = levels_of(key, int(Stream.REAL), updates.start, updates.stop, batch)
        with np.errstate(over="ignore"):
            values = _read_only(self.target.quantile((drawn + 0.5) / LEVELS).astype(np.float32))
        return Tables(_NOTHING, values, updates.start, normal)


class Trainee:
    """A member on its leg; ``advance`` goes on to a step."""

    def __init__(
        self, group: Group, member: Member, plans: tuple[Plan, Plan], shapes: Shapes, source: Source, leg: Leg
    ) -> None:
        self.member, self.plans, self.source = member, plans, source
        self.stopped_step, self.stopped_tensor = 0, ""
        self._done = leg.start
        if leg.state is None:
            initial = (
                _initial(member, network, stream)
                for network, stream in ((group.generator, Stream.INITIAL_G), (group.discriminator, Stream.INITIAL_D))
            )
            self.state = new_state(group, plans, (next(initial), next(initial)))
        else:
            assert isinstance(leg.state, State)  # noqa: S101 - the contract of a leg
            self.state = copied(leg.state)
        parts = parts_of(member)
        normal = shapes.normal or parts.noise or bool(member.settings.dragan)
        self._normal = noise_table("normal") if normal else _NOTHING
        seed, study = member.seed, member.study_seed
        self.game = Game(
            shapes=shapes,
            parts=parts,
            numbers=Numbers(**member.settings.model_dump()),
            formulas=formulas_of(member, shapes.decisions),
            key=np.array([study & 0xFFFFFFFF, seed, study >> 32], np.uint64),
            net_g=plans[0].net,
            net_d=plans[1].net,
            tables=Tables(_NOTHING, _NOTHING, 0, _NOTHING),
        )

    def advance(self, desk: Desk, stop: int) -> int:
        """Train up to ``stop`` steps done, or until the member stops; how many were done before."""
        start, per_step = self._done, self.game.shapes.d_steps
        updates = range(start * per_step, stop * per_step)
        tables = self.source.tables(self.game.key, updates, self.game.shapes.batch, self._normal)
        self._done, who = play(self.game._replace(tables=tables), desk, self.state, start, stop)
        if who != NOBODY:
            self.stopped_step = self._done + 1
            letter, plan, gradient = ("D", self.plans[1], desk.gradient_d) if who == D else ("G", self.plans[0], desk.gradient_g)
            self.stopped_tensor = f"gradient of {letter}.{_offending(plan.network, plan.flat(gradient))}"
        return start

    def finish(self) -> None:
        """Let go of what only training needs."""
        del self.game

    @property
    def average_1W(self) -> Float32:
        """The generator to be measured: its running average, which without one is the generator."""
        return self.plans[0].flat(self.state.average)[None]

    @property
    def theta_d_1W(self) -> Float32:
        """The discriminator."""
        return self.plans[1].flat(self.state.d.theta)[None]

    def record(self, desk: Desk) -> dict[str, Float64]:
        """What a snapshot keeps of the last step."""
        shapes, parts, settings = self.game.shapes, self.game.parts, self.member.settings
        decisions = shapes.decisions
        share = _left(shapes.schedule, settings.penalty_decay, (self._done - 1) / shapes.steps)

        def row(values: Float32, start: int, stop: int) -> torch.Tensor:
            return torch.from_numpy(values[start:stop].copy())[None]

        norms = {site: row(desk.norms, i * decisions, (i + 1) * decisions) for i, site in enumerate(SITES)}
        penalties = gradient_penalties(dict(settings))
        return recorded(
            LastStep(
                runs=[self._run],
                real_PB=row(desk.real, 0, shapes.batch),
                fake_PB=row(desk.fake, 0, shapes.batch),
                logits_PK=row(desk.logits, 0, 2 * decisions),
                label_draws_PK=row(desk.label_draws, 0, 2 * decisions) if parts.labels else None,
                judged_real_PK=row(desk.judged_logits, 0, decisions) if parts.pairs else None,
                judged_PK=row(desk.judged_logits, decisions, 2 * decisions),
                gradient_d_PW=torch.from_numpy(self.plans[1].flat(desk.gradient_d))[None],
                gradient_g_PW=torch.from_numpy(self.plans[0].flat(desk.gradient_g))[None],
                penalties=[(p, torch.tensor([[share * getattr(settings, p.name)]])) for p in penalties],
                norm_PK=norms,
            )
        )

    @cached_property
    def _run(self) -> Run:
        return Run(slice(0, 1), [self.member], "cpu")


def _initial(member: Member, network: Mlp, stream: Stream) -> Float32:
    u_1W = uniforms(member.study_seed, torch.tensor([member.seed]), stream, range(1), network.size)[0]
    theta: Float32 = network.initial(u_1W)[0].float().numpy()
    return theta


def _offending(network: Mlp, gradient_W: Float32) -> str:
    """The first tensor with whose squares the sum is no finite number any more."""
    square = np.float32(0)
    with np.errstate(over="ignore", invalid="ignore"):
        for name, part in zip(network.tensor_names, network.split(torch.from_numpy(gradient_W)[None]), strict=True):
            square += np.square(part.numpy()).sum(dtype=np.float32)
            if not np.isfinite(square):
                return name
    return network.tensor_names[0]
