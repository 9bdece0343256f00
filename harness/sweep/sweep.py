"""A sweep in its folder: started, taken up, extended, tried again, run to its end.

A sweep is a fixed sequence of rounds (plan.py), each cut into populations. A population is trained, scored and
committed as one file; what is committed is never trained again. What a round asks is a function of the committed
files, whenever and by whichever process it is asked.
"""

from __future__ import annotations

import datetime
from contextlib import ExitStack

from harness.config import Experiment, diff_specs
from harness.engines.auto import Trainer, joint_identity
from harness.errors import InputError, StoreError
from harness.store import Store
from harness.store.member_cache import Shelf
from harness.sweep import committed
from harness.sweep.commit import Committing, Listener
from harness.sweep.dry_run import assigned
from harness.sweep.folder import described, writing
from harness.sweep.pipeline import Pipeline
from harness.sweep.plan import Round, planned
from harness.sweep.population_trainer import PopulationTrainer
from harness.sweep.provenance import card_uuids, device_names
from harness.sweep.retry import FailedMembers
from harness.sweep.suggest import searches
from harness.sweep.winners import export_winners


class Sweep:
    """One experiment in one folder with one engine, or ``auto``. ``open`` decides whether it starts or goes on.

    Members that this sweep or one beside it has committed are not trained again, unless ``reuse`` is false.

    Raises:
        InputError: no engine trains some arm, or the search cannot be made as the experiment says.
    """

    def __init__(self, experiment: Experiment, store: Store, trainer: Trainer, *, reuse: bool = True) -> None:
        self.experiment, self.store, self.trainer = experiment, store, trainer
        self.services = assigned(experiment, trainer)
        searches(experiment)  # what no search can be made of is refused before anything is written
        self._reuse = reuse
        #: Total numbers of trials to which the budget was raised, ascending.
        self.extensions: list[int] = []

    @property
    def rounds(self) -> list[Round]:
        """Every round, in the order in which they are worked off."""
        return planned(self.experiment, self.extensions)

    def open(self, extend: int | None = None) -> bool:
        """Start the sweep in its folder, or take up what is there; whether anything was there.

        ``extend`` raises the number of trials of each arm to this.

        Raises:
            InputError: the folder holds another experiment (the message lists the differences) or engine, cannot be
                written, another process starts a sweep in it, or it has as many trials already.
            StoreError: the description of the sweep there is damaged.
        """
        resumed = self.store.exists or not self._start()
        found = self.store.describe()
        try:
            spec, engine = dict(found["spec"]), found["provenance"]["engine"]
            changes = diff_specs(spec, self.experiment.to_json())
            self.extensions = [int(total) for total in found.get("extensions", [])]
        except (KeyError, TypeError, ValueError, AttributeError):
            place = self.store.folder / "sweep.json"
            raise StoreError(f"{place}: damaged (no spec or engine); restore it or start with --fresh") from None
        if changes:
            raise self._changed(changes)
        if engine != joint_identity(self.services):
            raise InputError(
                f"{self.store.folder}: was trained by engine {engine}, not {joint_identity(self.services)}; "
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
            shelf = Shelf(self.store.folder, self.store.describe()) if self._reuse else None
            device = device_names(self.services)
            if retry_failed:
                self._mark_finished(None)
                FailedMembers(self.experiment, self.store, self.trainer, device, listener).retrain(self.rounds)
            committing = Committing(self.store, committed.columns(self.experiment), device, shelf, listener)
            workshop = PopulationTrainer(
                self.experiment.search, self.experiment.population, self.trainer, shelf, card_uuids(self.services)
            )
            Pipeline(self.experiment, self.rounds, self.store, self.trainer, workshop, committing).run()
            with writing(self.store.folder):
                export_winners(self.store)
                self._mark_finished(datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def _start(self) -> bool:
        """Describe the sweep in a folder that has none; whether this process was the one that did."""
        with writing(self.store.folder), self.store.lock():
            if self.store.exists:  # by another process since
                return False
            self.store.start(described(self.experiment, self.services))
            return True

    def _changed(self, changes: list[str]) -> InputError:
        grown = any(change.startswith("search.trials: ") for change in changes)
        extend = f"--extend trials={self.experiment.search.trials} raises the budget, " if grown else ""
        told = changes[0] if len(changes) == 1 else f"{len(changes)} differences"
        return InputError(
            f"{self.store.folder}: holds another experiment ({told}); {extend}--fresh sets it aside and starts anew, "
            "--out names another folder",
            changes if len(changes) > 1 else (),
        )

    def _extend(self, trials: int) -> None:
        spec = self.experiment.search
        now = self.extensions[-1] if self.extensions else spec.trials
        if trials == now and self.extensions:
            return  # as said before; the command goes on where it was stopped
        if not now < trials <= 10**6 or not spec.trials:
            raise InputError(
                f"--extend: {trials} trials of each arm; {self.store.folder} has {now}"
                f"{'' if spec.trials else ' (nothing is searched)'}; allowed: more than that, up to 1000000"
            )
        with writing(self.store.folder), self.store.lock():
            self.extensions.append(trials)
            populations = sum(len(this.populations) for this in self.rounds)
            grown = {"extensions": self.extensions, "populations": populations, "finished": None}
            self.store.amend({**self.store.describe(), **grown})

    def _mark_finished(self, when: str | None) -> None:
        """Say in sweep.json that all is done, or no longer; the time at which it first was stays."""
        description = self.store.describe()
        if bool(description.get("finished")) != bool(when):
            self.store.amend({**description, "finished": when})
