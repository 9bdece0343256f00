"""Progress of a run on standard error: a live view on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from harness.cli.live.rate import StepRate
from harness.cli.live.scoreboard import Scoreboard, population_text, stage_text
from harness.cli.live.view import LiveView, rate_text
from harness.metrics.trials import PRUNED
from harness.text import visible

if TYPE_CHECKING:
    from harness.sweep.plan import Round

#: Seconds between two lines of a log.
LOG_SECONDS = 15.0


class Reporter:
    """Listener of a run (``sweep.Listener``) that shows GAN-steps and commits. A context manager.

    ``committed_steps`` of the ``gan_steps`` were done before. A sweep has a ``scoreboard``, which knows what was
    committed before. ``on_commit`` is called at every commit, in the thread that commits. ``clock`` returns the time in
    seconds.
    """

    def __init__(
        self,
        gan_steps: int,
        *,
        committed_steps: int = 0,
        scoreboard: Scoreboard | None = None,
        on_commit: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._clock = StepRate(gan_steps, clock(), committed_steps), clock
        self._scoreboard, self._on_commit = scoreboard, on_commit
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._last = ""
        self._live: Live | None = None
        self._logging: threading.Thread | None = None

    def __enter__(self) -> Reporter:
        if self._console.is_interactive:  # a terminal that can move its cursor
            self._live = Live(get_renderable=self._view, console=self._console, vertical_overflow="crop")
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
            self._rate.advance(gan_steps, self._clock())

    def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Show the result of a population."""
        self._on_commit()
        if self._scoreboard:
            self._scoreboard.add(index, rows)
        self._last = population_text(rows, seconds)
        if self._live:
            return
        position = f"population {index + 1}/{self._scoreboard.populations}  " if self._scoreboard else ""
        trained = [row for row in rows if row["ks"] is not None]
        best = min(trained, key=lambda row: (row["outcome"] == PRUNED, row["ks"]))
        self._console.print(
            f"{position}{stage_text(round_.stage, round_.number)}: {self._last}; "
            f"best KS {best['ks']:.4f} by {visible(best['arm'])}"
        )

    def _view(self) -> LiveView:
        with self._lock:
            return LiveView(self._rate, self._scoreboard, self._last, self._clock(), self._console.height)

    def _log(self) -> None:
        while not self._over.wait(LOG_SECONDS):
            with self._lock:
                line = f"{self._rate.done / self._rate.total:4.0%}  {rate_text(self._rate, self._clock())}"
            self._console.print("; ".join((line, *self._results())))

    def _results(self) -> list[str]:
        """Texts on what the sweep has reached; none before the first commit."""
        if not self._scoreboard or not self._scoreboard.committed:
            return []
        first = self._scoreboard.ranking()[0]
        texts = [f"{self._scoreboard.committed} of {self._scoreboard.populations} populations"]
        if first.best is not None:
            texts.append(f"best trial of {visible(first.arm)}: {first.best:.4f}")
        if first.median is not None:
            texts.append(f"its confirm median {first.median:.4f} of {len(first.confirmed)} seeds")
        return [*texts, *(f"{count} {outcome}" for outcome, count in self._scoreboard.lost().items() if count)]
