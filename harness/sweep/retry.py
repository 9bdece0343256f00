"""Retraining of committed members that failed because memory ran out.

Rows that change are committed as a revision of their population. The first file stays: the search is told from it in
every process. Halved rounds are left alone, because the trials that stopped there depended on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.config import Experiment
from harness.engines.auto import Trainer
from harness.store import Store
from harness.sweep.commit import Committer, Listener
from harness.sweep.committed import member_of
from harness.sweep.plan import Location, Round
from harness.sweep.population_trainer import PopulationTrainer, score_population

Row = dict[str, Any]


class FailedMembers:
    """The members of a committed sweep whose outcome is ``failed``."""

    def __init__(self, experiment: Experiment, store: Store, trainer: Trainer, device: str, listener: Listener) -> None:
        self._experiment, self._store = experiment, store
        self._trainer = PopulationTrainer(experiment.search, experiment.population, trainer, None)
        self._committer = Committer(store, ["key"], device, None, listener)

    def retrain(self, rounds: Sequence[Round]) -> None:
        """Train them again, population by population.

        Raises:
            InputError: a member is refused, or the folder cannot be written.
            StoreError: a committed file is damaged.
        """
        revisions = self._store.revisions()
        for round_ in rounds:
            if round_.stage == "search" and self._experiment.search.halving:
                continue
            for index, _ in round_.populations:
                if index in revisions:
                    self._retrain_population(round_, index, revisions[index] + 1)

    def _retrain_population(self, round_: Round, index: int, revision: int) -> None:
        rows: list[Row] = self._store.population(index).to_pylist(maps_as_pydicts="strict")
        failed = [i for i, row in enumerate(rows) if row["outcome"] == "failed"]
        if not failed:
            return
        members = [member_of(self._experiment, rows[i]) for i in failed]
        trained = self._trainer.train(round_.stage, members, lambda steps: None)
        retrained = dict(zip(failed, score_population(trained), strict=True))
        if all(row["outcome"] == "failed" for row in retrained.values()):
            return
        revised = [retrained.get(i, row) for i, row in enumerate(rows)]
        locations = [Location(row["stage"], row["round"], row["arm"], row["trial"]) for row in rows]
        self._committer.commit(round_, index, locations, revised, trained, revision=revision)
