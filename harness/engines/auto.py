"""``auto``: each member is served by the fastest engine that does not refuse it.

No engine itself: results of several engines have different precisions, and a member's key names the one that trained
it. ``serving`` is how the rest of the program asks for that one, whatever trainer it was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.engines.base import Engine
from harness.errors import InputError
from harness.members import Member


class Auto:
    """Engines, fastest first, each made when the first member comes that all before it refuse."""

    name = "auto"

    def __init__(self, makers: Mapping[str, Callable[[], Engine]]) -> None:
        self._makers = makers
        self._made: dict[str, Engine] = {}

    def engines(self) -> Iterator[Engine]:
        """The engines in order; those that nobody asks for are not made."""
        for name, make in self._makers.items():
            if name not in self._made:
                self._made[name] = make()
            yield self._made[name]

    def engine_for(self, member: Member) -> Engine | None:
        """The first engine that does not refuse the member, or None if all do."""
        return next((engine for engine in self.engines() if engine.unsupported_reason(member) is None), None)

    def refusals(self, member: Member) -> list[str]:
        """Why each of the engines before the serving one refuses, ``cpu: its direct loss is a torch function``."""
        found: list[str] = []
        for engine in self.engines():
            reason = engine.unsupported_reason(member)
            if reason is None:
                break
            found.append(f"{engine.identity}: {reason}")
        return found


#: What members can be given to: one engine for all, or ``auto``.
Trainer = Engine | Auto


def engine_for(trainer: Trainer, member: Member) -> Engine:
    """The engine that trains the member.

    Raises:
        InputError: the engine, or all that ``auto`` knows, refuse it; the message has their reasons.
    """
    if isinstance(trainer, Auto):
        found = trainer.engine_for(member)
        if found is None:
            raise InputError(f"no engine trains {member.loss}: {'; '.join(trainer.refusals(member))}")
        return found
    if reason := trainer.unsupported_reason(member):
        raise InputError(f"engine {trainer.name}: {reason}; --engine auto takes the fastest one that does not refuse")
    return trainer


#: Refusals that a line tells; an engine may have one for every loss.
REASONS_TOLD = 3


@dataclass(frozen=True)
class EngineAssignment:
    """One engine with how much of something it serves, and why the faster ones do not: what was not said before."""

    engine: Engine
    count: int
    reasons: tuple[str, ...]

    def text(self, noun: str) -> str:
        """``batched/1/cpu: 4 members, because cpu/1: its direct loss is a torch function``."""
        more = len(self.reasons) - REASONS_TOLD
        told = [*self.reasons[:REASONS_TOLD], *([f"and {more} more such reasons"] if more > 0 else [])]
        because = f", because {'; '.join(told)}" if told else ""
        return f"{self.engine.identity}: {self.count} {noun}{'' if self.count == 1 else 's'}{because}"


def services(trainer: Trainer, members: Iterable[tuple[Member, int]]) -> list[EngineAssignment]:
    """Which engines serve members, each of which counts as often as is said; in the order of the trainer's engines.

    Raises:
        InputError: as ``serving``.
    """
    counts: Counter[str] = Counter()
    engines: dict[str, Engine] = {}
    reasons: dict[str, dict[str, None]] = {}
    for member, count in members:
        engine = engine_for(trainer, member)
        engines[engine.identity] = engine
        counts[engine.identity] += count
        said = trainer.refusals(member) if isinstance(trainer, Auto) else []
        reasons.setdefault(engine.identity, {}).update(dict.fromkeys(said))
    found: list[EngineAssignment] = []
    said_before: set[str] = set()
    for engine in trainer.engines() if isinstance(trainer, Auto) and len(engines) > 1 else list(engines.values()):
        if engine.identity in engines:
            fresh = tuple(reason for reason in reasons[engine.identity] if reason not in said_before)
            found.append(EngineAssignment(engine, counts[engine.identity], fresh))
            said_before |= set(fresh)
    return found


def joint_identity(found: Iterable[EngineAssignment]) -> str:
    """The identity of the whole: the engine's own where one serves all, else ``auto(cpu/1, batched/1/cpu)``."""
    names = [service.engine.identity for service in found]
    return names[0] if len(names) == 1 else f"auto({', '.join(names)})"
