"""The command line: arguments and printing, no logic. One module a command; heavy imports inside the commands.

Exit status: 0 done, 1 a replay whose bits differ, training in which every member failed or a store that stopped
answering `harness mirror`, 2 a wrong input (one line on standard error), 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from analysis.escaping import visible
from harness.cli import doctor, losses, mirror, replay, report, score, sweep, train
from harness.errors import InputError

_HELP = """Which GAN loss works, how robustly, and why, where the truth is known exactly.

Examples:

    harness sweep experiments/labels.toml

    harness train --loss non_saturating --seeds 32

    harness losses
"""

app = typer.Typer(
    name="harness",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_ASKING = (sweep, train, score, replay, mirror)  # need an argument: without one they show their help
for module in (sweep, train, losses, score, replay, mirror, report, doctor):
    app.command(name=module.__name__.rpartition(".")[2], no_args_is_help=module in _ASKING)(module.command)


def main() -> None:
    """Run the command line; the console script ``harness``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, or in the background of a script
            signal.signal(number, _ended)
    try:
        app(standalone_mode=True)
    except InputError as error:
        print(f"error: {visible(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except SystemExit as ended:
        if ended.code in (130, 143):
            print("interrupted; what was committed is kept", file=sys.stderr)  # noqa: T201
        raise


def _ended(number: int, frame: FrameType | None) -> None:
    # A second signal ends the process at once, as without a handler.
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)
