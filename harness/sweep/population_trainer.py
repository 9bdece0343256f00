"""Training of a sweep's populations: cached members are reused, the rest is given to engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config import Search
from harness.engines.auto import Trainer
from harness.engines.base import Progress
from harness.members import Member
from harness.store.member_cache import MemberCache
from harness.sweep import halving
from harness.sweep.batching import TrainedBatch, seconds_of, train_batches
from harness.sweep.committed import key_of
from harness.sweep.energy import EnergyMeter
from harness.sweep.plan import Location
from harness.sweep.training import score_members, snapshot_measure

Row = dict[str, Any]
Placed = Sequence[tuple[Location, Member]]


@dataclass(frozen=True)
class TrainedPopulation:
    """Members after training: ``batches`` to be scored, and the rows of ``cached`` members.

    ``order`` says where each member of the population stands among the members of the batches, followed by the cached
    ones. ``measured`` is what else is known of the training: its energy, where that can be read.
    """

    batches: Sequence[TrainedBatch]
    seconds: float
    order: Sequence[int]
    cached: Sequence[Row] = ()
    reused: int = 0
    measured: Mapping[str, str] = field(default_factory=dict)


def score_population(trained: TrainedPopulation) -> list[Row]:
    """Rows of a population's members, in their order; of equal members each has its own."""
    rows = [*score_members(trained.batches), *trained.cached]
    return [dict(rows[i]) for i in trained.order]


class PopulationTrainer:
    """Trains the populations of a sweep; without a ``cache`` every member anew. ``cards`` are those that compute."""

    def __init__(
        self, search: Search, slots: int, trainer: Trainer, cache: MemberCache | None, cards: Sequence[str] = ()
    ) -> None:
        self._search, self._slots, self._trainer, self._cache = search, slots, trainer, cache
        self._cards = cards

    def train_search(self, placed: Placed, progress: Progress) -> TrainedPopulation:
        """Train members of a search round, by successive halving where the experiment says so.

        Where trials are halved the cache is not asked: rivals decide how far a member trains.

        Raises:
            InputError: a member is refused; nothing was trained.
        """
        if not self._search.halving:
            return self.train("search", [member for _, member in placed], progress)
        rules = halving.Rules(self._search.halving, self._search.rungs)
        with EnergyMeter(self._cards) as meter:
            batches, seconds = halving.halve(placed, rules, self._slots, self._trainer, progress)
        return TrainedPopulation(batches, seconds, range(len(placed)), measured=meter.metadata())

    def train(self, stage: str, members: Sequence[Member], progress: Progress) -> TrainedPopulation:
        """Train members to their ends; equal ones once.

        Raises:
            InputError: a member is refused; nothing was trained.
        """
        keys = [key_of(self._trainer, member) for member in members]
        cached = self._cache.take(stage, keys) if self._cache else {}
        fresh = {key: member for key, member in zip(keys, members, strict=True) if key not in cached}
        if len(fresh) < len(members):
            progress(sum(m.shape.steps for m in members) - sum(m.shape.steps for m in fresh.values()))
        with EnergyMeter(self._cards) as meter:
            batches = train_batches(list(fresh.values()), self._trainer, snapshot_measure, progress)
        position = {key: i for i, key in enumerate([*fresh, *cached])}
        return TrainedPopulation(
            batches=batches,
            seconds=seconds_of(batches),
            order=[position[key] for key in keys],
            cached=list(cached.values()),
            reused=len(keys) - len(fresh),
            measured=meter.metadata(),
        )
