"""The live view of a run: what is being trained, how fast and how long still, and how the arms stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.cli.amounts import duration_text
from harness.cli.live.rate import Pace
from harness.cli.live.scoreboard import Board, Reached
from harness.text import visible

#: Arms shown at most, however high the terminal is.
MOST_ARMS = 12

#: Lines that are not arms: of the head and of the pace two each where they wrap, the bar, a heading, how many arms are
#: left out, and the line in which the cursor stands.
_OTHER_LINES = 8

#: Columns below which the pace gets a line of its own, and arms lose their last columns.
_NARROW = 72


@dataclass(frozen=True)
class Screen:
    """One frame, at the time ``now``, for a terminal of ``height`` lines; as wide as the terminal when it is drawn."""

    pace: Pace
    board: Board | None
    last: str
    now: float
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        narrow = width < _NARROW
        yield _line(", ".join(_head(self.board)) if self.board else "training", "bold", narrow)
        yield from _bar(self.pace, self.now, narrow)
        if self.board and self.board.committed:
            most = max(1, min(MOST_ARMS, self.height - _OTHER_LINES))
            yield _arms(self.board.ranking(), most, width)
        if self.last and not narrow:
            yield _line(f"last: {self.last}", "dim", narrow)


def pace_text(pace: Pace, now: float) -> str:
    """``8,108 GAN-steps/s, about 2 min 10 s left``."""
    rate, left = pace.rate(now), pace.left(now)
    if rate is None or left is None:
        return "no GAN-steps yet"
    return f"{rate:,.0f} GAN-steps/s, about {duration_text(left)} left"


def _head(board: Board) -> Iterator[str]:
    if board.stage:
        yield board.stage
    yield f"population {board.committed}/{board.populations} committed"
    for outcome in ("diverged", "failed"):
        if count := board.lost(outcome):
            yield f"{count} {outcome}"


def _bar(pace: Pace, now: float, narrow: bool) -> Iterator[RenderableType]:
    share = f"{pace.done / pace.total:4.0%}"
    told = _line(f"{pace_text(pace, now)}, {duration_text(pace.elapsed(now))} so far", "", narrow)
    bar = ProgressBar(pace.total, min(pace.done, pace.total))
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    if narrow:
        grid.add_row(bar, share)
        yield from (grid, told)
        return
    grid.add_column(no_wrap=True)
    grid.add_row(bar, share, told)
    yield grid


def _arms(ranking: Sequence[Reached], most: int, width: int) -> Table:
    shown, left = ranking[:most], ranking[most:]
    cells = {"variant": [visible(reached.arm) for reached in shown], "best KS": [_number(r.best) for r in shown]}
    if any(reached.confirmed for reached in ranking):
        cells["confirm"] = [_number(reached.median) for reached in shown]
    if width >= _NARROW:
        if "confirm" in cells:
            cells["seeds"] = [str(len(reached.confirmed)) for reached in shown]
        cells["trial"] = ["-" if reached.best is None else f"#{reached.trial}" for reached in shown]
    cells["lost"] = [str(reached.lost) for reached in shown]
    # The names alone give way where the terminal is narrow.
    wide = {heading: max(map(len, (heading, *column))) for heading, column in cells.items()}
    room = width - sum(wide.values()) - 2 * len(wide) + wide["variant"]
    wide["variant"] = max(10, min(wide["variant"], room))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading, columns in wide.items():
        table.add_column(
            heading,
            width=columns,
            justify="left" if heading == "variant" else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    for place, row in enumerate(zip(*cells.values(), strict=True)):
        table.add_row(*row, style="green" if place == 0 and shown[0].best is not None else "")
    if left:
        unscored = sum(reached.best is None for reached in left)
        table.add_row(f"and {len(left)} more" + f", {unscored} unscored" * bool(unscored), style="dim")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _line(text: str, style: str, wrapped: bool) -> Text:
    return Text(text, style=style, no_wrap=not wrapped, overflow="fold" if wrapped else "ellipsis")
