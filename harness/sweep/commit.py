"""Committing a scored population to the store."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from harness.store import Store
from harness.store.member_cache import MemberCache
from harness.sweep.committed import Row, Rows
from harness.sweep.folder import writing
from harness.sweep.plan import Location, Round
from harness.sweep.population_trainer import TrainedPopulation


class Listener(Protocol):
    """Is told of a sweep's progress."""

    def advanced(self, gan_steps: int) -> None:
        """So many GAN-steps were done, or found done, since the last call; may come from any thread."""

    def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population was committed; comes from the thread that commits.

        ``seconds`` is what training took: 0 where every member was trained before.
        """


class Committer:
    """Commits populations to ``store``, and gives ``columns`` of their rows back."""

    def __init__(
        self, store: Store, columns: Sequence[str], device: str, cache: MemberCache | None, listener: Listener
    ) -> None:
        self._store, self._columns, self._device, self._cache = store, columns, device, cache
        self.listener = listener

    def commit(
        self,
        round_: Round,
        index: int,
        locations: Sequence[Location],
        scored: Sequence[Row],
        trained: TrainedPopulation,
        *,
        revision: int = 0,
    ) -> Rows:
        """Commit the rows of the members at these locations, and tell the listener.

        Raises:
            InputError: the folder cannot be written.
        """
        rows = [asdict(location) | dict(row) for location, row in zip(locations, scored, strict=True)]
        if round_.stage == "search":
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
        if self._cache:
            self._cache.add(self._store, index, revision, rows)
        self.listener.committed(round_, index, rows, trained.seconds)
        read: list[Row] = [{name: row.get(name) for name in self._columns} for row in rows]
        return Rows(read, read)
