"""``harness losses``: the registry as a table, and the card of one variant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="A variant, or a combination JUDGE|FORGER of two; with values, as in NAME(t=0.25), its card at them.",
        show_default=False,
    ),
]


def command(name: Name = None, as_json: AsJson = False) -> None:
    """List every loss variant in two lines, or print the card of one: all that is known and proved of it.

    Logits: high means "real" to the discriminator. Both players minimise. The slope is the derivative of the
    generator's loss in the logit of a generated value; the table has its value at logit -infinity (the discriminator
    is sure that the value is generated), 0 and +infinity.

    Examples:

        harness losses

        harness losses minimax

        harness losses "generator_label(t=0.25)"

        harness losses "hinge|minimax" --json
    """
    from harness.losses import LOSSES, catalogue
    from harness.losses.describe import outline

    if name is None:
        if as_json:
            _print_json(catalogue())
        else:
            console = Console()
            console.print(_table([outline(variant) for variant in LOSSES.values()], console.width))
        return
    from harness.cli.card import print_card
    from harness.losses.card import card

    variant, values = LOSSES.parse(name)
    # The bare name asks for the whole family of its parameters, which stay symbols.
    facts = card(variant, LOSSES, None if name.strip() == variant.name else values)
    if as_json:
        _print_json(facts)
    else:
        print_card(facts)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, allow_nan=False))  # noqa: T201


#: Characters that one limit takes at most, and a formula at least.
_LIMIT, _FORMULA = 7, 20


def _table(rows: list[dict[str, Any]], width: int) -> Table:
    """Two lines an entry, under its family; a formula or limit is cut where its column ends: the card has it whole."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), caption="harness losses NAME: the whole card")
    names = max(len(row[key]) for row in rows for key in ("name", "citation", "family"))
    heads = ("\n-∞", "slope\nat 0", "\n+∞")
    columns = zip(heads, zip(*map(_slopes, rows), strict=True), strict=True)
    ends = [min(max(map(len, (*head.splitlines(), *limits))), _LIMIT) for head, limits in columns]
    # rich narrows the last columns away before it cuts a formula, so the formula gets what the others leave.
    left = max(width - names - sum(ends) - 2 * (1 + len(ends)), _FORMULA)
    table.add_column("variant\nsource", no_wrap=True, width=names)
    table.add_column("D minimises\nG minimises", no_wrap=True, overflow="ellipsis", max_width=left)
    for head, characters in zip(heads, ends, strict=True):
        table.add_column(head, no_wrap=True, overflow="ellipsis", width=characters)
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    for family, members in families.items():
        table.add_row(Text(f"\n{family}", "italic underline"))
        for row in members:
            named = Text("\n").join([Text(row["name"], "bold"), Text(row["citation"])])
            limits = (Text(f"\n{slope}") for slope in _slopes(row))
            table.add_row(named, Text(f"{row['discriminator']}\n{row['generator']}"), *limits)
    return table


def _slopes(row: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("slope_at_minus_infinity", "slope_at_zero", "slope_at_plus_infinity")
    return tuple((row[key] if row["reads_logits"] else None) or "-" for key in keys)
