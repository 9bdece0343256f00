"""One member in training: its state, what it is trained with, and what is recorded of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.data.rng import Stream
from harness.data.target import Target
from harness.engines.base import Segment, decay_phase, first_nonfinite_tensor
from harness.engines.cpu.desk import Room
from harness.engines.cpu.entry import levels_of, play
from harness.engines.cpu.layout import Float32
from harness.engines.cpu.numeric.record import GAME, PARTS, fill
from harness.engines.cpu.numeric.simd import room
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.state import Formulas, Plans, Shapes, State
from harness.engines.cpu.step import NOBODY, D
from harness.engines.losses import VariantBlock
from harness.engines.quantile_table import LEVELS, noise_table, table_worth_having
from harness.engines.snapshot import Float64, StepRecord, recorded
from harness.engines.step_options import StepOptions
from harness.members import Group, Member


@dataclass(frozen=True)
class Source:
    """Where the real values of a group come from: a table where that is cheaper than asking the law for each."""

    target: Target
    table: Float32 | None

    @classmethod
    def of(cls, group: Group, updates: int) -> Source:
        """The source of so many minibatches."""
        return cls(group.target, table_worth_having(group.target, updates * group.shape.batch))

    def values(self, key: NDArray[np.uint64], updates: range, batch: int) -> Float32:
        """The real values (updates, batch) of a member, from the law itself."""
        drawn = levels_of(key, int(Stream.REAL), updates.start, updates.stop, batch)
        with np.errstate(over="ignore"):
            return self.target.quantile((drawn + 0.5) / LEVELS).astype(np.float32)


class MemberRun:
    """A member on its leg; ``advance`` goes on to a step."""

    def __init__(
        self, group: Group, member: Member, plans: Plans, shapes: Shapes, source: Source, leg: Segment
    ) -> None:
        self.member, self.plans, self.shapes, self.source = member, plans, shapes, source
        self.stopped_step, self.stopped_tensor = 0, ""
        self.features = StepOptions.of(member)
        self._done = leg.start
        study = member.study_seed
        self._key = np.array([study & 0xFFFFFFFF, member.seed, study >> 32], np.uint64)
        if leg.state is None:
            thetas = (
                _initial(self._key, group.generator, Stream.INITIAL_G),
                _initial(self._key, group.discriminator, Stream.INITIAL_D),
            )
            self.state = State.new(plans, shapes.batch, thetas)
        elif isinstance(leg.state, State):
            self.state = leg.state.copied(plans)
        else:
            raise TypeError(f"{leg.state!r} is no state of this engine")

    def enter(self, room: Room) -> NDArray[np.void]:
        """The record of the training loop, in a thread's room."""
        self._record = np.zeros(1, GAME)
        record = self._record[0]
        settings = self.member.settings.columns()
        fill(record, self.shapes._asdict())
        fill(record, {f"has_{part}": bool(getattr(self.features, part)) for part in PARTS})
        fill(record, {name: value for name, value in settings.items() if name != "replay"})
        fill(record, {"replay_share": self.member.settings.replay, "factored": self._factored})
        fill(record, {f"key{i}": value for i, value in enumerate(self._key)})
        self._formulas = Formulas.of(self.member, self.features.penalties, self.shapes.decisions)
        self._room = room
        for part in (self.state, self._formulas, room):
            part.enter(record)
        if self.shapes.normal_latent or self.features.instance_noise or settings["dragan"]:
            fill(record, {"normal": noise_table("normal")})
        if self.source.table is not None:
            fill(record, {"target": self.source.table})
        return self._record

    def advance(self, stop: int) -> int:
        """Train up to ``stop`` steps done, or until the member stops; how many were done before.

        ``enter`` comes first.
        """
        start, per_step = self._done, self.shapes.d_steps
        if self.source.table is None:
            updates = range(start * per_step, stop * per_step)
            given = self.source.values(self._key, updates, self.shapes.batch)
            fill(self._record[0], {"given": given, "given_from": updates.start})
        self._done, who = play(self._record, start, stop)
        if who != NOBODY:
            self.stopped_step = self._done + 1
            letter, place = ("D", 1) if who == D else ("G", 0)
            network, gradient_1W = self.plans[place].network, torch.from_numpy(self._gradients()[place])[None]
            # Summed in another order, what the loop found infinite may just be finite.
            self.stopped_tensor = (
                f"gradient of {letter}.{first_nonfinite_tensor(network, gradient_1W) or network.tensor_names[0]}"
            )
        return start

    def leave(self) -> None:
        """Let go of the room, and of what only training needs."""
        del self._record, self._formulas, self._room

    @property
    def generator(self) -> Float32:
        """The generator to be measured (1, W): its running average where it has one."""
        return self.plans[0].flat(self.state.average if self.member.settings.ema else self.state.g.theta)[None]

    @property
    def discriminator(self) -> Float32:
        """The discriminator (1, W)."""
        return self.plans[1].flat(self.state.d.theta)[None]

    def record(self) -> dict[str, Float64]:
        """What a snapshot keeps of the last step."""
        settings, shape, desk = self.member.settings, self.member.shape, self._room.desk
        decisions, batch = self.shapes.decisions, self.shapes.batch
        phase = decay_phase(shape.schedule, np.array([(self._done - 1) / shape.steps]))[0]
        share = 1 - settings.penalty_decay * phase
        gradient_g, gradient_d = (torch.from_numpy(gradient_W)[None] for gradient_W in self._gradients())
        return recorded(
            StepRecord(
                blocks=[self._run],
                real_PB=_row(desk.real, 0, batch),
                fake_PB=_row(desk.fake, 0, batch),
                logits_PK=_row(desk.logits, 0, 2 * decisions),
                label_draws_PK=_row(desk.label_draws, 0, 2 * decisions) if self.features.labels else None,
                judged_real_PK=_row(desk.judged_logits, 0, decisions) if self.features.pairs else None,
                judged_PK=_row(desk.judged_logits, decisions, 2 * decisions),
                gradient_d_PW=gradient_d,
                gradient_g_PW=gradient_g,
                penalties=[
                    (penalty, torch.tensor([[share * getattr(settings, penalty.name)]]))
                    for penalty in self.features.penalties
                ],
                norm_PK={site: _row(desk.norms, i * decisions, (i + 1) * decisions) for i, site in enumerate(SITES)},
            )
        )

    @property
    def _factored(self) -> bool:
        """Whether D's first layer is moved by the factors of its gradient, which is then never written.

        That is for one real and one generated decision, and where nothing else adds to the gradient.
        """
        plain = self.member.shape.optimizer == "adam" and not (self.features.penalties or self.features.spectral_norm)
        return plain and self.shapes.decisions == 1 and len(self.plans[1].net) > 1

    def _gradients(self) -> list[Float32]:
        """The gradients (W,) of G and D in the last step."""
        if self._factored:
            inputs, outputs, row, _, _ = self.plans[1].net[0].tolist()
            count, tape, kept = 2 * self.shapes.decisions, self._room.tapes.d_tape.values, self._room.desk.kept
            given_RI = tape[: count * room(inputs)].reshape(count, -1)[:, : inputs + 1]
            slopes_RO = kept[: count * room(outputs)].reshape(count, -1)[:, :row]
            with np.errstate(all="ignore"):  # a member that stops may have anything here
                self._room.gradients[1][: (inputs + 1) * row] = (given_RI.T @ slopes_RO).reshape(-1)
        return [plan.flat(gradient) for plan, gradient in zip(self.plans, self._room.gradients, strict=True)]

    @cached_property
    def _run(self) -> VariantBlock:
        return VariantBlock(slice(0, 1), [self.member], "cpu")


def _row(values: Float32, start: int, stop: int) -> torch.Tensor:
    return torch.from_numpy(values[start:stop].copy())[None]


def _initial(key: NDArray[np.uint64], network: Mlp, stream: Stream) -> Float32:
    """The parameters (W,) that a player starts from: the draws of ``harness.data.rng``, made where they are cheaper."""
    drawn = (levels_of(key, int(stream), 0, 1, network.size) + 0.5) / LEVELS
    theta: Float32 = network.initial(torch.from_numpy(drawn)[None])[0].float().numpy()
    return theta
