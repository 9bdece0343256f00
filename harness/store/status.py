"""How far a sweep is: told by its description, the names of its files and its lock, without reading a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import FormatError, StoreError
from harness.store import Store, held

#: ``running``: a process holds the writer's lock. ``finished``: all its populations are committed and count.
#: ``unknown``: its description does not say how many it has.
State = Literal["running", "finished", "unfinished", "unknown", "damaged", "other format"]


@dataclass(frozen=True)
class SweepStatus:
    """A sweep's state, the populations committed, those of the whole sweep (None: not said), and why it is so.

    ``complete`` says whether nothing is left to commit, a running sweep's too; None where that cannot be told.
    """

    state: State
    committed: int
    populations: int | None
    reason: str = ""
    complete: bool | None = None

    @property
    def text(self) -> str:
        """``unfinished, 3 of 5 populations``."""
        count = f"{self.committed}" if self.populations is None else f"{self.committed} of {self.populations}"
        return f"{self.state}, {count} populations"


def standing(store: Store) -> SweepStatus:
    """How far the sweep in a store's folder is.

    Populations are counted by their files' names: a damaged one is found where rows are read.

    Raises:
        StoreError: there is no sweep in the folder.
    """
    committed = len(store.committed())
    try:
        description = store.describe()
        told = description.get("populations")
    except FormatError as error:
        return SweepStatus("other format", committed, None, str(error))
    except StoreError as error:
        if not store.exists:
            raise
        return SweepStatus("damaged", committed, None, str(error))
    # A description is a file that anyone may have edited.
    populations = told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None
    # null while a raised budget or a retry is under way: the confirm stage that is there may be of other winners.
    complete = None if populations is None else committed >= populations and description.get("finished", "") is not None
    if held(store.folder / "sweep.lock"):
        return SweepStatus("running", committed, populations, complete=complete)
    if complete is None:
        return SweepStatus("unknown", committed, None, "sweep.json does not say how many populations the sweep has")
    return SweepStatus("finished" if complete else "unfinished", committed, populations, complete=complete)
