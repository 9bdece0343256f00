"""The command line: arguments and printing, no logic. One module per command; heavy imports inside the commands.

Exit status: 0 done, 1 a replay whose bits differ, training in which every member failed or a store that stopped
answering `harness mirror`, 2 wrong input (one line on standard error), 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType

import typer

from harness.cli import (
    clean,
    compare,
    doctor,
    explain,
    export,
    losses,
    mirror,
    replay,
    report,
    score,
    show,
    sweep,
    sweeps,
    train,
)
from harness.errors import InputError
from harness.text import visible

_HELP = """Compare GAN losses where the truth is known exactly: which works, how robustly, and why.

Examples:

    harness sweep experiments/labels.toml

    harness train --loss non_saturating --seeds 32

    harness losses
"""

#: Errors of the system that mean no room to write: a full disk, a quota, a limit on the size of files.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="harness",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
#: Commands that need an argument: without one they show their help.
_NEED_ARGUMENT = (sweep, train, score, show, compare, replay, mirror, export)
_COMMANDS = (sweep, train, losses, score, sweeps, show, compare, replay, mirror, export, report, explain, clean, doctor)
for module in _COMMANDS:
    app.command(name=module.__name__.rpartition(".")[2], no_args_is_help=module in _NEED_ARGUMENT)(module.command)


def main() -> None:
    """Run the command line; the console script ``harness``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, or in the background of a script
            signal.signal(number, _exit)
    try:
        _run()
    except InputError as error:
        for line in (f"error: {error}", *(f"  {detail}" for detail in error.details)):
            print(visible(line), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "harness", "analysis"):
            raise
        print(f"error: {missing} is not installed; python -m pip install {missing}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except SystemExit as ended:
        if ended.code in (130, 143):
            for line in ("interrupted; what was committed is kept", *getattr(ended, "__notes__", ())):
                print(visible(line), file=sys.stderr)  # noqa: T201
        raise


def _run() -> None:
    """Run the command and check that its output could be written."""
    try:
        try:
            app(standalone_mode=True)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename or error.errno not in _NO_ROOM:
            raise
        # The rest of the buffer is lost; otherwise the interpreter would try, and fail, to write it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise InputError(
            f"standard output: cannot be written ({error.strerror}); make room, or send it elsewhere"
        ) from None


def _exit(number: int, frame: FrameType | None) -> None:
    # A second signal ends the process at once, as without a handler.
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)
