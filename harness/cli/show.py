"""``harness show``: one sweep, or one member, in full."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli.options import AsJson


def command(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP|MEMBER",
            help="A sweep's folder or name, a member's key (6 digits or more of it), or the id of a trial's run.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a sweep (question, arms, outcomes, cost, spec, provenance) or a member (definition, scores, snapshots).

    Examples:

        harness show labels

        harness show sweeps/labels --json

        harness show 0123456789abcdef
    """
    from harness.cli.details import member_facts, sweep_facts
    from harness.errors import InputError
    from harness.sweep.lookup import places, sweep_named

    store = sweep_named(what)
    if store is not None:
        facts = sweep_facts(store)
    else:
        try:
            facts = member_facts(places(what))
        except InputError as error:
            raise InputError(f"no sweep is there, and as a member {error}") from None
    if as_json:
        print(json.dumps(facts, indent=1, allow_nan=False))  # noqa: T201
        return
    from harness.cli.shown import print_member, print_sweep

    (print_member if store is None else print_sweep)(facts)
