"""Engine choice ``auto``: each member is trained by the fastest engine that supports it.

It is no engine itself: results of several engines have different precisions, and a member's key names the one that
trained it. ``engine_for`` is how the rest of the program asks for that one, whatever trainer it was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.engines.base import Engine
from harness.errors import InputError
from harness.members import Member


class Auto:
    """Engines, fastest first, each made when the first member comes that none before it supports."""

    name = "auto"

    def __init__(self, makers: Mapping[str, Callable[[], Engine]]) -> None:
        self._makers = makers
        self._made: dict[str, Engine] = {}

    def engines(self) -> Iterator[Engine]:
        """Engines in order; those after the last one asked for are not made."""
        for name, make in self._makers.items():
            if name not in self._made:
                self._made[name] = make()
            yield self._made[name]

    def engine_for(self, member: Member) -> Engine | None:
        """First engine that supports the member, or None."""
        return next((engine for engine in self.engines() if engine.unsupported_reason(member) is None), None)

    def refusals(self, member: Member) -> list[str]:
        """Reasons of the engines before the member's own: ``cpu/1: its direct loss is a torch function``."""
        reasons: list[str] = []
        for engine in self.engines():
            reason = engine.unsupported_reason(member)
            if reason is None:
                break
            reasons.append(f"{engine.identity}: {reason}")
        return reasons


#: What members can be given to: one engine for all, or ``auto``.
Trainer = Engine | Auto


def engine_for(trainer: Trainer, member: Member) -> Engine:
    """Engine that trains the member.

    Raises:
        InputError: the engine, or each that ``auto`` knows, cannot train it; the message has their reasons.
    """
    if isinstance(trainer, Auto):
        engine = trainer.engine_for(member)
        if engine is None:
            raise InputError(f"no engine trains {member.loss}: {'; '.join(trainer.refusals(member))}")
        return engine
    if reason := trainer.unsupported_reason(member):
        raise InputError(f"engine {trainer.name}: {reason}; --engine auto takes the fastest one that does not refuse")
    return trainer


#: Reasons that a line shows; an engine may have one for every loss.
MAX_REASONS = 3


@dataclass(frozen=True)
class EngineAssignment:
    """One engine, how many members it trains, and why faster ones do not: the reasons that no engine before gave."""

    engine: Engine
    count: int
    reasons: tuple[str, ...]

    def text(self, noun: str) -> str:
        """``batched/1/cpu: 4 members, because cpu/1: its direct loss is a torch function``."""
        more = len(self.reasons) - MAX_REASONS
        shown = [*self.reasons[:MAX_REASONS], *([f"and {more} more such reasons"] if more > 0 else [])]
        because = f", because {'; '.join(shown)}" if shown else ""
        return f"{self.engine.identity}: {self.count} {noun}{'' if self.count == 1 else 's'}{because}"


def assign_engines(trainer: Trainer, members: Iterable[tuple[Member, int]]) -> list[EngineAssignment]:
    """Engines that train the members, each given with a count, in the order of the trainer's engines.

    Raises:
        InputError: as ``engine_for``.
    """
    counts: Counter[str] = Counter()
    engines: dict[str, Engine] = {}
    reasons: dict[str, dict[str, None]] = {}
    for member, count in members:
        engine = engine_for(trainer, member)
        engines[engine.identity] = engine
        counts[engine.identity] += count
        refusals = trainer.refusals(member) if isinstance(trainer, Auto) else []
        reasons.setdefault(engine.identity, {}).update(dict.fromkeys(refusals))
    assignments: list[EngineAssignment] = []
    known: set[str] = set()
    for engine in trainer.engines() if isinstance(trainer, Auto) and len(engines) > 1 else list(engines.values()):
        if engine.identity in engines:
            new = tuple(reason for reason in reasons[engine.identity] if reason not in known)
            assignments.append(EngineAssignment(engine, counts[engine.identity], new))
            known |= set(new)
    return assignments


def joint_identity(assignments: Iterable[EngineAssignment]) -> str:
    """Identity of all engines together: that of the one, or ``auto(cpu/1, batched/1/cpu)``."""
    names = [assignment.engine.identity for assignment in assignments]
    return names[0] if len(names) == 1 else f"auto({', '.join(names)})"
