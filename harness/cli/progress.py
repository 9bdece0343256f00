"""How a run's progress is shown: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from harness.plan import Round

#: Seconds between two lines of a log.
LOG_EVERY_SECONDS = 15.0


class Reporter:
    """Hears GAN-steps and commits (``sweep.Listener``) and shows them on standard error. A context manager.

    ``on_commit`` is called at every commit, in the thread that commits.
    """

    def __init__(self, gan_steps: int, populations: int = 0, on_commit: Callable[[], None] = lambda: None) -> None:
        self._total, self._populations, self._on_commit = gan_steps, populations, on_commit
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=gan_steps, rate="")
        self._done, self._told, self._lock = 0, 0.0, threading.Lock()

    def __enter__(self) -> Reporter:
        self._start = self._told = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advanced(self, gan_steps: int) -> None:
        """Count GAN-steps, from any thread."""
        with self._lock:
            self._done += gan_steps
            now = time.monotonic()
            rate = self._done / max(now - self._start, 1e-9)
            self._bar.update(self._task, completed=self._done, rate=f"{rate:,.0f} GAN-steps/s")
            if self._bar.disable and now - self._told >= LOG_EVERY_SECONDS:
                self._told = now
                left = (self._total - self._done) / max(rate, 1e-9)
                self._console.print(f"{self._done / self._total:4.0%}  {rate:,.0f} GAN-steps/s, {left:.0f} s left")

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Say how a population came out."""
        self._on_commit()
        stage = "confirm stage" if this.stage == "confirm" else f"search round {this.number}"
        lost = sum(row["outcome"] in ("diverged", "failed") for row in rows)
        trained = [row for row in rows if row["ks"] is not None]
        best = min(trained, key=lambda row: (row["outcome"] == "pruned", row["ks"]))
        steps = sum(row["stopped_step"] if row["outcome"] == "pruned" else row["steps"] for row in rows)
        rate = f" ({seconds / steps * 1e6:.0f} µs a GAN-step)" if seconds else ", all of them trained before"
        count = sum(row["outcome"] == "pruned" for row in rows)
        pruned = f", {count} pruned" if count else ""
        self._console.print(
            f"population {index + 1}/{self._populations}  {stage}: {len(rows)} members in {seconds:.1f} s{rate}, "
            f"{lost} diverged or failed{pruned}; "
            f"best KS {best['ks']:.4f} by {best['arm']}"
        )
