"""``harness export``: a committed sweep in the form of another tool."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    sweep: Annotated[str, typer.Argument(help="A sweep's folder, or a name below sweeps/.")],
    optuna: Annotated[
        str, typer.Option(metavar="FILE|URL", help="A journal file of Optuna's, or the address of its database.")
    ],
) -> None:
    """Write the trials of a sweep as Optuna studies, one an arm, for optuna-dashboard and Optuna's own analyses.

    Every trial has its setting, values, what its race measured, and its state. Trials that are there already are left
    alone, so it can be repeated while the sweep grows.

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
