"""The whole job: search, confirm, commit; and resume as if nothing had happened.

A sweep is a fixed sequence of rounds (plan.py), each cut into populations. A population is trained, scored and
committed as one file; what is committed is never trained again. The search is told scores only when a whole round is
committed, so what it asks next is a function of the committed files, whenever and by whichever process it is asked.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harness.engines.base import Engine
from harness.errors import InputError, StoreError
from harness.losses import LOSSES, variant_text
from harness.losses.description import discriminator_text, generator_text
from harness.plan import Place, Round, confirm_members, planned, search_members
from harness.population import Member
from harness.provenance import device_name, provenance
from harness.search import Search
from harness.spec import Arm, Experiment, diff_specs
from harness.store import Store
from harness.training import Population, Row, train
from harness.winners import export_winners

Setting = Mapping[str, float]


class Listener(Protocol):
    """Hears how a sweep gets on."""

    def advanced(self, gan_steps: int) -> None:
        """So many GAN-steps were done, or found done, since the last call; may come from any thread."""

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population has become part of the truth."""


class Sweep:
    """One experiment in one folder with one engine. ``open`` decides whether it starts or goes on.

    Raises:
        InputError: the search cannot be made as the experiment says.
    """

    def __init__(self, experiment: Experiment, store: Store, engine: Engine) -> None:
        self.experiment, self.store, self.engine = experiment, store, engine
        batch, trials = experiment.batch, experiment.search.trials
        self._searches = {
            arm: Search(
                experiment.arm_space(arm),
                experiment.baseline(arm),
                experiment.search.sampler,
                experiment.seed,
                trials,
                batch,
            )
            for arm in experiment.arms
            if trials
        }

    def open(self) -> bool:
        """Start the sweep in its folder, or take up what is there; whether anything was there.

        Raises:
            InputError: the folder holds another experiment (the message lists the differences) or engine.
        """
        if not self.store.exists:
            self.store.start(self._description())
            return False
        found = self.store.describe()
        if changes := diff_specs(found["spec"], self.experiment.to_json()):
            raise InputError(
                f"{self.store.folder}: holds another experiment ({'; '.join(changes)}); "
                "--fresh sets it aside and starts anew, --out names another folder"
            )
        if found["provenance"]["engine"] != self.engine.identity:
            raise InputError(
                f"{self.store.folder}: was trained by engine {found['provenance']['engine']}, not "
                f"{self.engine.identity}; use --engine to name it, or --fresh to start anew"
            )
        self.experiment = Experiment.from_json(found["spec"])
        return True

    def run(self, listener: Listener) -> None:
        """Do what is not committed yet. Holds the writer's lock of the folder.

        Raises:
            InputError: another process writes this sweep.
            StoreError: a committed file is damaged, or is not what this sweep would have committed.
        """
        with self.store.lock():
            committed = set(self.store.committed())
            for this in planned(self.experiment):
                if this.stage == "search":
                    self._search_round(this, committed, listener)
                else:
                    self._populations(this, confirm_members(self.experiment, this, self._winners()), committed, listener)
            export_winners(self.store)

    def _search_round(self, this: Round, committed: set[int], listener: Listener) -> None:
        indices = [index for index, _ in this.populations]
        arms = self.experiment.arms
        if committed.issuperset(indices):
            rows = [row for index in indices for row in self.store.population(index).to_pylist(maps_as_pydicts="strict")]
            listener.advanced(len(rows) * self.experiment.train.steps)
            for arm in arms:
                trials = _by_trial(rows, arm)
                space = self.experiment.arm_space(arm)
                settings = [_setting(trials[t][0], space) for t in sorted(trials)]
                self._searches[arm].replay(settings, [_mean_ks(trials[t]) for t in sorted(trials)])
            return
        asked = {arm: self._searches[arm].ask(this.trials) for arm in arms}
        rows = self._populations(this, search_members(self.experiment, this, asked), committed, listener)
        for arm in arms:
            trials = _by_trial(rows, arm)
            self._searches[arm].tell([_mean_ks(trials[t]) for t in sorted(trials)])

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
                listener.advanced(size * self.experiment.train.steps)
            else:
                found = self._train(this, index, portion, listener)
            rows += found
        return rows

    def _committed(self, index: int, portion: Sequence[tuple[Place, Member]]) -> list[Row]:
        rows: list[Row] = self.store.population(index).to_pylist(maps_as_pydicts="strict")
        if [row["key"] for row in rows] != [member.key(self.engine.identity) for _, member in portion]:
            raise StoreError(
                f"{self.store.folder}: population {index} holds other members than this sweep asks for (a changed loss "
                "formula, or another optuna version); resume with the versions in sweep.json, or start with --fresh"
            )
        return rows

    def _train(
        self, this: Round, index: int, portion: Sequence[tuple[Place, Member]], listener: Listener
    ) -> list[Row]:
        population: Population = train([member for _, member in portion], self.engine, listener.advanced)
        rows = [asdict(place) | row for (place, _), row in zip(portion, population.rows, strict=True)]
        if this.stage == "search":
            for row in rows:
                row["generator"] = None
        metadata = {
            "seconds": f"{population.seconds:.3f}",
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device_name(self.engine),
        }
        self.store.commit(index, rows, metadata)
        listener.committed(this, index, rows, population.seconds)
        return rows

    def _winners(self) -> dict[Arm, tuple[int, Setting]]:
        """Each arm's trial with the lowest mean KS over its seeds (the earlier of equals); the baseline if none."""
        rows = [] if not self._searches else self.store.table().to_pylist(maps_as_pydicts="strict")
        found: dict[Arm, tuple[int, Setting]] = {}
        for arm in self.experiment.arms:
            trials = _by_trial([row for row in rows if row["stage"] == "search"], arm)
            if not trials:
                found[arm] = (0, self.experiment.baseline(arm))
                continue
            best = min(sorted(trials), key=lambda t: _mean_ks(trials[t]))  # noqa: B023 - used at once
            found[arm] = (best, _setting(trials[best][0], self.experiment.arm_space(arm)))
        return found

    def _description(self) -> dict[str, Any]:
        return {
            "uid": uuid.uuid4().hex,
            "name": self.experiment.name,
            "fingerprint": self.experiment.fingerprint,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "spec": self.experiment.to_json(),
            "arms": [describe_arm(arm) for arm in self.experiment.arms],
            "provenance": provenance(self.engine),
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
    """Move a sweep's folder to a free name beside it, so that a fresh one can start; the new place, if it existed."""
    if not folder.exists():
        return None
    with Store(folder).lock():
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
    return aside


def _by_trial(rows: Sequence[Row], arm: Arm) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        if row["arm"] == arm.text:
            found.setdefault(row["trial"], []).append(row)
    return found


def _mean_ks(rows: Sequence[Row]) -> float:
    return float(sum(row["ks"] for row in rows) / len(rows))


def _setting(row: Row, space: Mapping[str, object]) -> dict[str, float]:
    return {name: row[name] if name in row else row["loss_params"][name] for name in space}
