"""``harness replay``: train a committed member again and compare bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN_ID_OR_MEMBER",
            help="A member's key (or its first 6 or more digits), or the id of a trial's MLflow run.",
        ),
    ],
    sweep: Annotated[Path | None, typer.Option(help="Folder of the sweep (default: search in sweeps/).")] = None,
) -> None:
    """Train one committed member again, alone, and check that its bits match.

    A member's key has 16 hex digits; it is the column `key` of the committed rows. For a trial's MLflow run, the
    trial's first member is replayed.

    Examples:

        harness replay 0123456789abcdef

        harness replay 4f0c2f1e5b7d4e0f8c3b2a1908f7e6d5 --sweep sweeps/labels
    """
    from harness.sweep.lookup import find_member
    from harness.sweep.replay import replay

    outcome = replay(find_member(what, sweep))
    print(outcome.text)  # noqa: T201
    raise typer.Exit(0 if outcome.matches else 1)
