"""A sweep in its folder: start, resume, extend, retry, run.

A sweep is a fixed sequence of rounds (plan.py), each cut into populations. A population is trained, scored and
committed as one file; what is committed is never trained again. The settings of a round are a function of the
committed files, in every process.
"""

from __future__ import annotations

import datetime
from contextlib import ExitStack

from harness.config import Experiment, diff_specs
from harness.engines.auto import Trainer, joint_identity
from harness.errors import InputError, StoreError
from harness.store import Store
from harness.store.member_cache import MemberCache
from harness.sweep.commit import Committer, Listener
from harness.sweep.committed import CommittedRounds
from harness.sweep.dry_run import experiment_engines
from harness.sweep.folder import description_of, writing
from harness.sweep.pipeline import Pipeline
from harness.sweep.plan import Round, planned
from harness.sweep.population_trainer import PopulationTrainer
from harness.sweep.provenance import card_uuids, device_names
from harness.sweep.retry import FailedMembers
from harness.sweep.search_state import samplers
from harness.sweep.winners import export_winners


class Sweep:
    """One experiment in one folder with one engine, or ``auto``. ``open`` decides whether it starts or goes on.

    Members that this sweep or one beside it has committed are not trained again, unless ``reuse`` is false.

    Raises:
        InputError: no engine trains some arm, or the search cannot be made as the experiment says.
    """

    def __init__(self, experiment: Experiment, store: Store, trainer: Trainer, *, reuse: bool = True) -> None:
        self.experiment, self.store, self.trainer = experiment, store, trainer
        self.assignments = experiment_engines(experiment, trainer)
        samplers(experiment)  # refuses an impossible search before anything is written
        self._reuse = reuse
        #: Total numbers of trials to which the budget was raised, ascending.
        self.extensions: list[int] = []

    @property
    def rounds(self) -> list[Round]:
        """Every round, in the order in which they are trained."""
        return planned(self.experiment, self.extensions)

    def open(self, extend: int | None = None) -> bool:
        """Start the sweep in its folder, or resume the one there; True if there was one.

        ``extend`` is a new, larger number of trials of each arm.

        Raises:
            InputError: the folder holds another experiment (the message lists the differences) or engine, cannot be
                written, another process starts a sweep in it, or it has that many trials already.
            StoreError: the description of the sweep there is damaged.
        """
        resumed = self.store.exists or not self._start()
        description = self.store.describe()
        try:
            spec, engine = dict(description["spec"]), description["provenance"]["engine"]
            changes = diff_specs(spec, self.experiment.to_json())
            self.extensions = [int(total) for total in description.get("extensions", [])]
        except (KeyError, TypeError, ValueError, AttributeError):
            path = self.store.folder / "sweep.json"
            raise StoreError(f"{path}: damaged (no spec or engine); restore it or start with --fresh") from None
        if changes:
            raise self._changed(changes)
        if engine != joint_identity(self.assignments):
            raise InputError(
                f"{self.store.folder}: was trained by engine {engine}, not {joint_identity(self.assignments)}; "
                "use --engine to name it, or --fresh to start anew"
            )
        self.experiment = Experiment.from_json(spec)
        if extend is not None:
            self._extend(extend)
        return resumed

    def run(self, listener: Listener, *, retry_failed: bool = False) -> None:
        """Do what is not committed yet; with ``retry_failed``, first retrain members that ran out of memory.

        Holds the writer's lock of the folder.

        Raises:
            InputError: another process writes this sweep, or the folder cannot be written.
            StoreError: a committed file is damaged, or is not what this sweep would have committed.
        """
        with ExitStack() as held:
            with writing(self.store.folder):
                held.enter_context(self.store.lock())
            cache = MemberCache(self.store.folder, self.store.describe()) if self._reuse else None
            device = device_names(self.assignments)
            if retry_failed:
                self._mark_finished(None)
                FailedMembers(self.experiment, self.store, self.trainer, device, listener).retrain(self.rounds)
            committed = CommittedRounds(self.experiment, self.trainer, self.store)
            committer = Committer(self.store, committed.columns, device, cache, listener)
            cards = card_uuids(self.assignments)
            trainer = PopulationTrainer(self.experiment.search, self.experiment.population, self.trainer, cache, cards)
            Pipeline(self.experiment, self.rounds, committed, trainer, committer).run()
            with writing(self.store.folder):
                export_winners(self.store)
                self._mark_finished(datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def _start(self) -> bool:
        """Write the description into a folder that has none; False if another process did so first."""
        with writing(self.store.folder), self.store.lock():
            if self.store.exists:  # by another process since
                return False
            self.store.start(description_of(self.experiment, self.assignments))
            return True

    def _changed(self, changes: list[str]) -> InputError:
        grown = any(change.startswith("search.trials: ") for change in changes)
        extend = f"--extend trials={self.experiment.search.trials} raises the budget, " if grown else ""
        what = changes[0] if len(changes) == 1 else f"{len(changes)} differences"
        return InputError(
            f"{self.store.folder}: holds another experiment ({what}); {extend}--fresh sets it aside and starts anew, "
            "--out names another folder",
            changes if len(changes) > 1 else (),
        )

    def _extend(self, trials: int) -> None:
        spec = self.experiment.search
        budget = self.extensions[-1] if self.extensions else spec.trials
        if trials == budget and self.extensions:
            return  # the same extension again: the command goes on where it was stopped
        if not budget < trials <= 10**6 or not spec.trials:
            raise InputError(
                f"--extend: {trials} trials of each arm; {self.store.folder} has {budget}"
                f"{'' if spec.trials else ' (nothing is searched)'}; allowed: more than that, up to 1000000"
            )
        with writing(self.store.folder), self.store.lock():
            self.extensions.append(trials)
            populations = sum(len(round_.populations) for round_ in self.rounds)
            grown = {"extensions": self.extensions, "populations": populations, "finished": None}
            self.store.amend({**self.store.describe(), **grown})

    def _mark_finished(self, when: str | None) -> None:
        """Write to sweep.json that all is done, or no longer; the time at which it first was is kept."""
        description = self.store.describe()
        if bool(description.get("finished")) != bool(when):
            self.store.amend({**description, "finished": when})
