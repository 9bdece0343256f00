"""Scoring and committing a population, in whatever thread that is done."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from harness.store import Store
from harness.store.member_cache import Shelf
from harness.sweep.folder import writing
from harness.sweep.plan import Location, Round
from harness.sweep.population_trainer import TrainedPopulation
from harness.sweep.suggest import Row, Rows


class Listener(Protocol):
    """Hears how a sweep gets on."""

    def advanced(self, gan_steps: int) -> None:
        """So many GAN-steps were done, or found done, since the last call; may come from any thread."""

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population has become part of the truth; comes from the thread that commits.

        ``seconds`` is what training took: 0 where every member was trained before.
        """


class Committing:
    """Makes rows of what was trained, and commits them to ``store``; ``columns`` of them are given back."""

    def __init__(
        self, store: Store, columns: Sequence[str], device: str, shelf: Shelf | None, listener: Listener
    ) -> None:
        self._store, self._columns, self._device, self._shelf = store, columns, device, shelf
        self.listener = listener

    def commit(
        self,
        this: Round,
        index: int,
        there: Sequence[Location],
        scored: Sequence[Row],
        trained: TrainedPopulation,
        *,
        revision: int = 0,
    ) -> Rows:
        """Commit the rows of the members at these places, and tell the listener.

        Raises:
            InputError: the folder cannot be written.
        """
        rows: list[dict[str, Any]] = [asdict(place) | dict(row) for place, row in zip(there, scored, strict=True)]
        if this.stage == "search":
            for row in rows:
                row["generator"] = None
        metadata = {
            "seconds": f"{trained.seconds:.3f}",
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": self._device,
            "reused": str(trained.reused),
            **trained.measured,
        }
        with writing(self._store.folder):
            self._store.commit(index, rows, metadata, revision)
        if self._shelf:
            self._shelf.add(self._store, index, revision, rows)
        self.listener.committed(this, index, rows, trained.seconds)
        told: list[Row] = [{name: row.get(name) for name in self._columns} for row in rows]
        return Rows(told, told)
