"""``harness compare``: two sweeps side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import AsJson
from harness.text import duration_text, visible

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.comparison import ArmResult
    from analysis.intervals import Interval
    from analysis.sweep_diff import ArmPair, Side, SweepDiff

_HELP = "A sweep's folder, or its name in sweeps/."


def command(
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help=_HELP)],
    as_json: AsJson = False,
) -> None:
    """Compare two sweeps: different settings, results of common arms, arms that only one of them has.

    Differences are B minus A, paired by seed: below 0, B is closer to the target.

    Examples:

        harness compare labels labels_longer

        harness compare sweeps/labels /tmp/other --json
    """
    from analysis.sweep_diff import diff_sweeps
    from harness.sweep.lookup import existing_sweep

    diff = diff_sweeps(existing_sweep(a), existing_sweep(b))
    if as_json:
        print(json.dumps(diff.as_json(), indent=1, allow_nan=False))  # noqa: T201
        return
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    for line in _head(diff):
        console.print(line, soft_wrap=True)
    if diff.arms:
        console.print(_table(diff))
    for line in _tail(diff):
        console.print(line, soft_wrap=True)


def _head(diff: SweepDiff) -> Iterator[str]:
    yield _side("A", diff.a)
    yield _side("B", diff.b)
    yield "settings that differ (A -> B):" if diff.settings else "no setting that decides results differs"
    yield from (f"  {visible(change)}" for change in diff.settings)


def _side(letter: str, side: Side) -> str:
    state = "finished" if side.finished else "not finished"
    return (
        f"{letter}: {visible(side.name)} ({visible(side.folder)}), {state}: {side.arms} arms, {side.trials} trials, "
        f"{duration_text(side.seconds)} of training"
    )


def _table(diff: SweepDiff) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = "Median KS of the confirm seeds, successes; below it the 95 % interval"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("arm", overflow="fold")
    for heading in ("A", "B", "B − A by seed", "p (Holm)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in diff.arms:
        cells = (_reached(arm.a), _reached(arm.b), *_difference(arm))
        table.add_row(Text(visible(arm.arm)), *map(Text, cells))
    return table


def _reached(result: ArmResult | None) -> str:
    if result is None or not result.n:
        return "-"
    return _interval(result.ks_median, ".4f", f", {result.successes}/{result.n}")


def _difference(arm: ArmPair) -> tuple[str, str]:
    if arm.gap is None:
        return "only in B" if arm.a is None else "only in A" if arm.b is None else "not paired", "-"
    if arm.gap.same == arm.gap.pairs:
        return "the same members", "-"
    return _interval(arm.gap.median, "+.4f"), f"{arm.gap.p_holm:.2g}"


def _interval(interval: Interval, form: str, behind: str = "") -> str:
    if interval.estimate is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.estimate:{form}}{behind}\n[{interval.low:{form}}, {interval.high:{form}}]"


def _tail(diff: SweepDiff) -> Iterator[str]:
    for why in dict.fromkeys(arm.unpaired for arm in diff.arms if arm.a and arm.b and arm.unpaired):
        yield f"not paired: {why}"
    for letter, side in (("A", diff.a), ("B", diff.b)):
        yield from (f"{letter}: {visible(remark)}" for remark in side.remarks)
