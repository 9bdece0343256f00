"""The live view of a run: stage, speed, time left, and the ranking of the arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.cli.live.rate import StepRate
from harness.cli.live.scoreboard import ArmResult, Scoreboard
from harness.text import duration_text, visible

#: Arms shown at most, however high the terminal is.
MAX_ARMS = 12

#: Lines that are not arms: head and rate (two each where they wrap), bar, heading, number of arms left out, cursor.
_OTHER_LINES = 8

#: Columns below which the rate gets a line of its own and arms lose their last columns.
_NARROW = 72


@dataclass(frozen=True)
class LiveView:
    """One frame, at the time ``now``, for a terminal of ``height`` lines; as wide as the terminal when it is drawn."""

    rate: StepRate
    scoreboard: Scoreboard | None
    last: str
    now: float
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        narrow = width < _NARROW
        yield _line(", ".join(_head(self.scoreboard)) if self.scoreboard else "training", "bold", narrow)
        yield from _bar(self.rate, self.now, narrow)
        if self.scoreboard and self.scoreboard.committed:
            most = max(1, min(MAX_ARMS, self.height - _OTHER_LINES))
            yield _arm_table(self.scoreboard.ranking(), most, width)
        if self.last and not narrow:
            yield _line(f"last: {self.last}", "dim", narrow)


def rate_text(rate: StepRate, now: float) -> str:
    """``8,108 GAN-steps/s, about 2 min 10 s left``."""
    per_second, left = rate.per_second(now), rate.seconds_left(now)
    if per_second is None or left is None:
        return "no GAN-steps yet"
    return f"{per_second:,.0f} GAN-steps/s, about {duration_text(left)} left"


def _head(scoreboard: Scoreboard) -> Iterator[str]:
    if scoreboard.stage:
        yield scoreboard.stage
    yield f"population {scoreboard.committed}/{scoreboard.populations} committed"
    yield from (f"{count} {outcome}" for outcome, count in scoreboard.lost().items() if count)


def _bar(rate: StepRate, now: float, narrow: bool) -> Iterator[RenderableType]:
    share = f"{rate.done / rate.total:4.0%}"
    text = _line(f"{rate_text(rate, now)}, {duration_text(rate.elapsed(now))} so far", "", narrow)
    bar = ProgressBar(rate.total, min(rate.done, rate.total))
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    if narrow:
        grid.add_row(bar, share)
        yield from (grid, text)
        return
    grid.add_column(no_wrap=True)
    grid.add_row(bar, share, text)
    yield grid


def _arm_table(ranking: Sequence[ArmResult], most: int, width: int) -> Table:
    shown, hidden = ranking[:most], ranking[most:]
    cells = {"variant": [visible(arm.arm) for arm in shown], "best KS": [_number(arm.best) for arm in shown]}
    if any(arm.confirmed for arm in ranking):
        cells["confirm"] = [_number(arm.median) for arm in shown]
    if width >= _NARROW:
        if "confirm" in cells:
            cells["seeds"] = [str(len(arm.confirmed)) for arm in shown]
        cells["trial"] = ["-" if arm.best is None else f"#{arm.trial}" for arm in shown]
    cells["lost"] = [str(arm.lost) for arm in shown]
    # Only the names are cut where the terminal is narrow.
    widths = {heading: max(map(len, (heading, *column))) for heading, column in cells.items()}
    room = width - sum(widths.values()) - 2 * len(widths) + widths["variant"]
    widths["variant"] = max(10, min(widths["variant"], room))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading, columns in widths.items():
        table.add_column(
            heading,
            width=columns,
            justify="left" if heading == "variant" else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    for position, row in enumerate(zip(*cells.values(), strict=True)):
        table.add_row(*row, style="green" if position == 0 and shown[0].best is not None else "")
    if hidden:
        unscored = sum(arm.best is None for arm in hidden)
        table.add_row(f"and {len(hidden)} more" + f", {unscored} unscored" * bool(unscored), style="dim")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _line(text: str, style: str, wrapped: bool) -> Text:
    return Text(text, style=style, no_wrap=not wrapped, overflow="fold" if wrapped else "ellipsis")
