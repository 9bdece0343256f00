"""``harness replay``: does a committed member come out again, bit for bit?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    what: Annotated[
        str, typer.Argument(metavar="RUN_ID_OR_MEMBER", help="A member's key, or the id of a trial's run.")
    ],
    sweep: Annotated[Path | None, typer.Option(help="The sweep's folder (default: search in sweeps/).")] = None,
) -> None:
    """Train one committed member again, alone, and say whether its bits match.

    A member's key is the column `key` of the committed rows (16 hex digits; its first 6 or more will do). For the id
    of a trial's MLflow run, its first member is replayed.

    Examples:

        harness replay 0123456789abcdef

        harness replay 4f0c2f1e5b7d4e0f8c3b2a1908f7e6d5 --sweep sweeps/labels
    """
    from harness.sweep.lookup import find_member
    from harness.sweep.replay import replay

    outcome = replay(find_member(what, sweep))
    print(outcome.text)  # noqa: T201
    raise typer.Exit(0 if outcome.matches else 1)
