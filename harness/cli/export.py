"""``harness export``: write a committed sweep in the format of another tool."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import SweepName


def command(
    sweep: SweepName,
    optuna: Annotated[
        str, typer.Option(metavar="FILE|URL", help="An Optuna journal file, or the URL of an Optuna database.")
    ],
) -> None:
    """Write the trials of a sweep as Optuna studies, one per arm, for optuna-dashboard and Optuna's own analyses.

    Each trial has its setting, values, intermediate values and state. Existing trials are left alone, so the command
    can be repeated while the sweep grows.

    Examples:

        harness export labels --optuna journal.log && optuna-dashboard journal.log

        harness export labels --optuna sqlite:///studies.db
    """
    from harness.errors import InputError
    from harness.sweep.lookup import existing_sweep
    from harness.sweep.optuna_export import export
    from harness.text import visible
    from harness.tracking import redact, scrub

    store = existing_sweep(sweep)
    try:
        export(store, optuna, lambda name, added: print(visible(f"{name}: {added} trials added")))  # noqa: T201
    except InputError:
        raise
    except Exception as error:  # Optuna, SQLAlchemy and database drivers have no common base
        reason = scrub((str(error).strip() or type(error).__name__).splitlines()[0], optuna)
        raise InputError(f"--optuna {redact(optuna)}: {type(error).__name__}: {reason[:300]}") from None
