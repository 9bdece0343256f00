"""The whole job: search, confirm, commit; and resume as if nothing had happened.

A sweep is a fixed sequence of rounds (plan.py), each cut into populations. A population is trained, scored and
committed as one file; what is committed is never trained again. The search is told scores only when a whole round is
committed, so what it asks next is a function of the committed files, whenever and by whichever process it is asked.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harness.assignment import assigned
from harness.engines.auto import Trainer, joint_identity, serving
from harness.errors import InputError, StoreError
from harness.halving import Fate, Rules, fates, halve, mean
from harness.losses import LOSSES, variant_text
from harness.losses.description import discriminator_text, generator_text
from harness.plan import Place, Round, confirm_members, planned, round_steps, search_members
from harness.population import Member
from harness.provenance import device_names, provenance
from harness.search import Search
from harness.spec import Arm, Experiment, diff_specs
from harness.store import Store, locked
from harness.training import Row, setting_of, train
from harness.winners import export_winners

Setting = Mapping[str, float]


class Listener(Protocol):
    """Hears how a sweep gets on."""

    def advanced(self, gan_steps: int) -> None:
        """So many GAN-steps were done, or found done, since the last call; may come from any thread."""

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population has become part of the truth."""


class Sweep:
    """One experiment in one folder with one engine, or ``auto``. ``open`` decides whether it starts or goes on.

    Raises:
        InputError: the search cannot be made as the experiment says, or no engine trains some arm.
    """

    def __init__(self, experiment: Experiment, store: Store, trainer: Trainer) -> None:
        self.experiment, self.store, self.trainer = experiment, store, trainer
        self.services = assigned(experiment, trainer)
        search = experiment.search
        self._rules = Rules(search.halving, search.rungs) if search.halving else None
        self._begin()

    def open(self) -> bool:
        """Start the sweep in its folder, or take up what is there; whether anything was there.

        Raises:
            InputError: the folder holds another experiment (the message lists the differences) or engine, cannot be
                written, or another process starts a sweep in it.
            StoreError: the description of the sweep there is damaged.
        """
        if not self.store.exists:
            with _writing(self.store.folder), self.store.lock():
                if not self.store.exists:  # by another process since
                    self.store.start(self._description())
                    return False
        found = self.store.describe()
        try:
            spec, engine = dict(found["spec"]), found["provenance"]["engine"]
            changes = diff_specs(spec, self.experiment.to_json())
        except (KeyError, TypeError, ValueError, AttributeError):
            place = self.store.folder / "sweep.json"
            raise StoreError(f"{place}: damaged (no spec or engine); restore it or start with --fresh") from None
        if changes:
            raise InputError(
                f"{self.store.folder}: holds another experiment ({'; '.join(changes)}); "
                "--fresh sets it aside and starts anew, --out names another folder"
            )
        if engine != joint_identity(self.services):
            raise InputError(
                f"{self.store.folder}: was trained by engine {engine}, not {joint_identity(self.services)}; "
                "use --engine to name it, or --fresh to start anew"
            )
        self.experiment = Experiment.from_json(spec)
        return True

    def run(self, listener: Listener) -> None:
        """Do what is not committed yet. Holds the writer's lock of the folder.

        Raises:
            InputError: another process writes this sweep, or the folder cannot be written.
            StoreError: a committed file is damaged, or is not what this sweep would have committed.
        """
        self._begin()
        with ExitStack() as held:
            with _writing(self.store.folder):
                held.enter_context(self.store.lock())
            committed = set(self.store.committed())
            for this in planned(self.experiment):
                if this.stage == "search":
                    self._search_round(this, committed, listener)
                else:
                    placed = confirm_members(self.experiment, this, self._winners())
                    self._populations(this, placed, committed, listener)
            with _writing(self.store.folder):
                export_winners(self.store)

    def _begin(self) -> None:
        """Searches that were told nothing yet: what they must know is in the committed files."""
        spec = self.experiment
        self._searches = {
            arm: Search(
                spec.arm_space(arm), spec.baseline(arm), spec.search.sampler, spec.seed, spec.search.trials, spec.batch
            )
            for arm in (spec.arms if spec.search.trials else ())
        }
        #: Of each arm, the settings of the finished rounds by trial, with whether each was pruned, and its score.
        self._tried: dict[Arm, list[tuple[Setting, tuple[bool, float]]]] = {arm: [] for arm in spec.arms}

    def _search_round(self, this: Round, committed: set[int], listener: Listener) -> None:
        arms = self.experiment.arms
        done = committed.issuperset(index for index, _ in this.populations)
        asked = self._committed_settings(this) if done else {arm: self._searches[arm].ask(this.trials) for arm in arms}
        rows = self._populations(this, search_members(self.experiment, this, asked), committed, listener)
        for arm in arms:
            trials = _by_trial(rows, arm)
            scores = [mean([row["ks"] for row in trials[t]]) for t in sorted(trials)]
            raced = self._fates(arm, trials)
            if done:
                self._searches[arm].replay(asked[arm], scores, raced)
            else:
                self._searches[arm].tell(scores, raced)
            results = ((fate.pruned, score) for fate, score in zip(raced, scores, strict=True))
            self._tried[arm] += zip(asked[arm], results, strict=True)

    def _fates(self, arm: Arm, trials: Mapping[int, list[Row]]) -> list[Fate]:
        """How the trials of a round fared at the rungs, by trial; without halving there are none."""
        if self._rules is None:
            return [Fate({}, pruned=False)] * len(trials)
        found = fates(trials, self.experiment.arm_shape(arm).steps, self._rules)
        return [found[t] for t in sorted(trials)]

    def _committed_settings(self, this: Round) -> dict[Arm, list[dict[str, float]]]:
        """What a committed round tried, by its rows."""
        rows = [row for index, _ in this.populations for row in self._rows(index)]
        asked: dict[Arm, list[dict[str, float]]] = {}
        for arm in self.experiment.arms:
            trials, space = _by_trial(rows, arm), self.experiment.arm_space(arm)
            if sorted(trials) != list(range(this.first_trial, this.first_trial + this.trials)):
                raise self._foreign(this.populations[0][0])
            asked[arm] = [setting_of(trials[t][0], space) for t in sorted(trials)]
        return asked

    def _populations(
        self, this: Round, placed: Sequence[tuple[Place, Member]], committed: set[int], listener: Listener
    ) -> list[Row]:
        """The rows of a round: read where committed, else trained and committed."""
        rows: list[Row] = []
        start = 0
        for index, size in this.populations:
            portion = placed[start : start + size]
            start += size
            if index in committed:
                found = self._committed(index, portion)
                listener.advanced(round_steps(self.experiment, this) * size // sum(n for _, n in this.populations))
            else:
                found = self._train(this, index, portion, listener)
            rows += found
        return rows

    def _committed(self, index: int, portion: Sequence[tuple[Place, Member]]) -> list[Row]:
        """The rows of a committed population, which must be those of the members that belong there."""
        rows = self._rows(index)
        wanted = [asdict(place) | {"key": member.key(self._server(member))} for place, member in portion]
        if [{name: row[name] for name in wanted[0]} for row in rows] != wanted:
            raise self._foreign(index)
        return rows

    def _server(self, member: Member) -> str:
        return serving(self.trainer, member).identity

    def _foreign(self, index: int) -> StoreError:
        return StoreError(
            f"{self.store.folder}: population {index} holds other members than this sweep asks for (a changed loss "
            "formula, or another optuna version); resume with the versions in sweep.json, or start with --fresh"
        )

    def _rows(self, index: int) -> list[Row]:
        rows: list[Row] = self.store.population(index).to_pylist(maps_as_pydicts="strict")
        return rows

    def _train(self, this: Round, index: int, portion: Sequence[tuple[Place, Member]], listener: Listener) -> list[Row]:
        if this.stage == "search" and self._rules:
            slots = self.experiment.population
            population = halve(portion, self._rules, slots, self.trainer, listener.advanced)
        else:
            population = train([member for _, member in portion], self.trainer, listener.advanced)
        rows = [asdict(place) | row for (place, _), row in zip(portion, population.rows, strict=True)]
        if this.stage == "search":
            for row in rows:
                row["generator"] = None
        metadata = {
            "seconds": f"{population.seconds:.3f}",
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device_names(self.services),
        }
        with _writing(self.store.folder):
            self.store.commit(index, rows, metadata)
        listener.committed(this, index, rows, population.seconds)
        return rows

    def _winners(self) -> dict[Arm, tuple[int, Setting]]:
        """Each arm's trial with the lowest mean KS over its seeds (the earlier of equals); the baseline if none.

        A pruned trial loses against every other, whose KS is that of a whole training.
        """
        found: dict[Arm, tuple[int, Setting]] = {}
        for arm, tried in self._tried.items():
            best = min(range(len(tried)), key=lambda t: tried[t][1], default=0)
            found[arm] = (best, tried[best][0] if tried else self.experiment.baseline(arm))
        return found

    def _description(self) -> dict[str, Any]:
        return {
            "uid": uuid.uuid4().hex,
            "name": self.experiment.name,
            "fingerprint": self.experiment.fingerprint,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "spec": self.experiment.to_json(),
            "arms": [describe_arm(arm) for arm in self.experiment.arms],
            "provenance": provenance(self.services),
        }


def describe_arm(arm: Arm) -> dict[str, Any]:
    """An arm with its formulas, prediction and source in words, for whoever reads a sweep without the registry."""
    variant = LOSSES[arm.loss]
    return {
        "arm": arm.text,
        "loss": variant_text(arm.loss, arm.params),
        "loss_params": dict(arm.params),
        "view": arm.view,
        "generator": generator_text(variant),
        "discriminator": discriminator_text(variant),
        "citation": variant.citation.short(),
        "prediction": variant.prediction.text,
    }


def set_aside(folder: Path) -> Path | None:
    """Move a sweep's folder to a free name beside it, so that a fresh one can start; the new place, if it existed.

    A folder that holds no sweep is left as it is.

    Raises:
        InputError: a process writes or mirrors the sweep, the folder is or holds the working directory, or it cannot
            be moved.
    """
    if not any((folder / name).exists() for name in ("sweep.json", "populations")):
        return None
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: --fresh cannot move the working directory; run it from outside that folder")
    # The mirror's lock too: a mirror that is still at the old sweep would take the new one's rows for its own.
    with _writing(folder), Store(folder).lock(), locked(folder / "mirror.lock"):
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
    return aside


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Tell in one line why the folder cannot be written: no permission, a full disk, a file in its place."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from error


def _by_trial(rows: Sequence[Row], arm: Arm) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        if row["arm"] == arm.text:
            found.setdefault(row["trial"], []).append(row)
    return found
