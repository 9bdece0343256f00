"""Training a population of a sweep: what was trained before is taken from the shelf, the rest is given to engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.config import Search
from harness.engines.auto import Trainer
from harness.engines.base import Progress
from harness.members import Member
from harness.store.member_cache import Shelf
from harness.sweep import halving
from harness.sweep.batching import advance
from harness.sweep.committed import key_of
from harness.sweep.energy import EnergyMeter
from harness.sweep.plan import Location
from harness.sweep.training import score_members, snapshot_measure

Row = dict[str, Any]
Placed = Sequence[tuple[Location, Member]]


@dataclass(frozen=True)
class TrainedPopulation:
    """Members that were trained and not scored yet: ``finish`` gives their rows, in any thread.

    ``measured`` is what else is known of the training: its energy, where that can be read.
    """

    finish: Callable[[], list[Row]]
    seconds: float
    reused: int = 0
    measured: Mapping[str, str] = field(default_factory=dict)


class PopulationTrainer:
    """Trains what a sweep asks for; without a ``shelf`` every member anew."""

    def __init__(
        self, search: Search, slots: int, trainer: Trainer, shelf: Shelf | None, cards: Sequence[str] = ()
    ) -> None:
        self._search, self._slots, self._trainer, self._shelf = search, slots, trainer, shelf
        self._cards = cards

    def train_search(self, placed: Placed, progress: Progress) -> TrainedPopulation:
        """Train members of a search round, by successive halving where the experiment says so.

        Where trials are halved nothing is taken from the shelf: rivals decide how far a member trains.

        Raises:
            InputError: a member is refused; nothing was trained.
        """
        if self._search.halving:
            return self._metered(lambda: self._halved(placed, progress))
        return self.train("search", [member for _, member in placed], progress)

    def train(self, stage: str, members: Sequence[Member], progress: Progress) -> TrainedPopulation:
        """Train members to their ends; equal ones once.

        Raises:
            InputError: a member is refused; nothing was trained.
        """
        return self._metered(lambda: self._whole(stage, members, progress))

    def _metered(self, training: Callable[[], TrainedPopulation]) -> TrainedPopulation:
        with EnergyMeter(self._cards) as meter:
            trained = training()
        return replace(trained, measured=meter.metadata())

    def _halved(self, placed: Placed, progress: Progress) -> TrainedPopulation:
        rules = halving.Rules(self._search.halving, self._search.rungs)
        courses, seconds = halving.halve(placed, rules, self._slots, self._trainer, progress)
        return TrainedPopulation(lambda: score_members(courses), seconds)

    def _whole(self, stage: str, members: Sequence[Member], progress: Progress) -> TrainedPopulation:
        keys = [key_of(self._trainer, member) for member in members]
        known = self._shelf.take(stage, keys) if self._shelf else {}
        fresh = {key: member for key, member in zip(keys, members, strict=True) if key not in known}
        if len(fresh) < len(members):
            progress(sum(m.shape.steps for m in members) - sum(m.shape.steps for m in fresh.values()))
        courses, seconds = advance(
            [(member, None, None) for member in fresh.values()], self._trainer, snapshot_measure, progress
        )

        def finish() -> list[Row]:
            made = dict(zip(fresh, score_members(courses), strict=True))
            return [dict(known.get(key) or made[key]) for key in keys]

        return TrainedPopulation(finish, seconds, len(keys) - len(fresh))
