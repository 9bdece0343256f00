"""How a run's progress is shown: a live view on a terminal, plain lines in a log. Both on standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from harness.cli.live.rate import Pace
from harness.cli.live.scoreboard import Board, population_text, stage_text
from harness.cli.live.view import Screen, pace_text
from harness.text import visible

if TYPE_CHECKING:
    from harness.sweep.plan import Round

#: Seconds between two lines of a log.
LOG_EVERY_SECONDS = 15.0


class Reporter:
    """Hears GAN-steps and commits (``sweep.Listener``) and shows them. A context manager.

    ``found`` of the ``gan_steps`` were done before. ``board`` is there for a sweep, and knows what was committed
    before. ``on_commit`` is called at every commit, in the thread that commits.
    """

    def __init__(
        self,
        gan_steps: int,
        *,
        found: int = 0,
        board: Board | None = None,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._pace, self._board, self._on_commit = Pace(gan_steps, time.monotonic(), found), board, on_commit
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._last = ""
        self._live: Live | None = None
        self._logging: threading.Thread | None = None

    def __enter__(self) -> Reporter:
        if self._console.is_interactive:  # a terminal that can move its cursor
            self._live = Live(get_renderable=self._screen, console=self._console, vertical_overflow="crop")
            self._live.start(refresh=True)
        else:
            self._logging = threading.Thread(target=self._log, daemon=True)
            self._logging.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._live:
            self._live.stop()
        if self._logging:
            self._logging.join()

    def advanced(self, gan_steps: int) -> None:
        """Count GAN-steps, from any thread."""
        with self._lock:
            self._pace.advance(gan_steps, time.monotonic())

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Say how a population came out."""
        self._on_commit()
        if self._board:
            self._board.hear(index, rows)
        self._last = population_text(rows, seconds)
        if self._live:
            return
        place = f"population {index + 1}/{self._board.populations}  " if self._board else ""
        trained = [row for row in rows if row["ks"] is not None]
        best = min(trained, key=lambda row: (row["outcome"] == "pruned", row["ks"]))
        self._console.print(
            f"{place}{stage_text(this.stage, this.number)}: {self._last}; "
            f"best KS {best['ks']:.4f} by {visible(best['arm'])}"
        )

    def _screen(self) -> Screen:
        with self._lock:
            return Screen(self._pace, self._board, self._last, time.monotonic(), self._console.height)

    def _log(self) -> None:
        while not self._over.wait(LOG_EVERY_SECONDS):
            with self._lock:
                line = f"{self._pace.done / self._pace.total:4.0%}  {pace_text(self._pace, time.monotonic())}"
            self._console.print("; ".join((line, *self._so_far())))

    def _so_far(self) -> list[str]:
        if not self._board or not self._board.committed:
            return []
        first = self._board.ranking()[0]
        told = [f"{self._board.committed} of {self._board.populations} populations"]
        if first.best is not None:
            told.append(f"best trial of {visible(first.arm)}: {first.best:.4f}")
        if first.median is not None:
            told.append(f"its confirm median {first.median:.4f} of {len(first.confirmed)} seeds")
        lost = {outcome: self._board.lost(outcome) for outcome in ("diverged", "failed")}
        return [*told, *(f"{count} {outcome}" for outcome, count in lost.items() if count)]
