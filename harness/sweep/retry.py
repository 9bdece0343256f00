"""Training committed members again: those that failed for want of memory, or whose divergence is to be seen again.

What comes out otherwise is committed as a revision of its population; the first file stays, and the search goes on
being told from it. Halved rounds are left alone: which trials stopped there depended on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.config import Experiment
from harness.engines.auto import Trainer
from harness.store import Store
from harness.sweep.commit import Committing, Listener
from harness.sweep.committed import member_of
from harness.sweep.plan import Location, Round
from harness.sweep.population_trainer import PopulationTrainer, score_population

Row = dict[str, Any]


class Retrying:
    """Trains the members of a committed sweep again, population by population."""

    def __init__(self, experiment: Experiment, store: Store, trainer: Trainer, device: str, listener: Listener) -> None:
        self._experiment, self._store = experiment, store
        self._workshop = PopulationTrainer(experiment.search, experiment.population, trainer, None)
        self._committing = Committing(store, ["key"], device, None, listener)

    def run(self, rounds: Sequence[Round], outcomes: frozenset[str]) -> None:
        """Train again every committed member that ended with one of ``outcomes``.

        Raises:
            InputError: a member is refused, or the folder cannot be written.
            StoreError: a committed file is damaged.
        """
        committed = self._store.revisions()
        for this in rounds:
            if this.stage == "search" and self._experiment.search.halving:
                continue
            for index, _ in this.populations:
                if index in committed:
                    self._population(this, index, committed[index] + 1, outcomes)

    def _population(self, this: Round, index: int, revision: int, outcomes: frozenset[str]) -> None:
        rows: list[Row] = self._store.population(index).to_pylist(maps_as_pydicts="strict")
        again = [i for i, row in enumerate(rows) if row["outcome"] in outcomes]
        if not again:
            return
        members = [member_of(self._experiment, rows[i]) for i in again]
        trained = self._workshop.train(this.stage, members, lambda steps: None)
        fresh = dict(zip(again, score_population(trained), strict=True))
        if all(_ended_alike(rows[i], row) for i, row in fresh.items()):
            return
        whole = [fresh.get(i, row) for i, row in enumerate(rows)]
        there = [Location(row["stage"], row["round"], row["arm"], row["trial"]) for row in rows]
        self._committing.commit(this, index, there, whole, trained, revision=revision)


def _ended_alike(before: Row, after: Row) -> bool:
    """Whether a member came out with the same bits; of a failed one, whether it failed again."""
    return all(before[name] == after.get(name) for name in ("outcome", "digest", "stopped_step"))
