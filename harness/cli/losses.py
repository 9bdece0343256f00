"""``harness losses``: the registry as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson


def command(as_json: AsJson = False) -> None:
    """List every loss variant: its formulas, the slope that drives the generator, its limits, its source.

    Logits: high means "real" to the discriminator. Both players minimise. The slope is the derivative of the
    generator's loss in the logit of a generated value, given at logit -infinity (the discriminator is sure that the
    value is generated), 0 and +infinity.

    Examples:

        harness losses

        harness losses --json
    """
    from harness.losses import catalogue

    rows = catalogue()
    if as_json:
        print(json.dumps(rows, indent=1, allow_nan=False))  # noqa: T201
        return
    # Stacked in five columns: one a fact would leave each too narrow for its words on a terminal of 80.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 1, 0))
    table.add_column("variant", no_wrap=True)
    table.add_column("discriminator and generator minimise; generator's slope", overflow="fold")
    for end in ("-∞", "0", "+∞"):
        table.add_column(f"at {end}", no_wrap=True)
    for row in rows:
        slopes = (row["slope_at_minus_infinity"], row["slope_at_zero"], row["slope_at_plus_infinity"])
        table.add_row(_named(row), _formulas(row), *(Text(slope or "-") for slope in slopes))
    Console().print(table)


def _named(row: Mapping[str, Any]) -> Text:
    parameters = (f"{p['name']} = {p['default']:g} in {p['interval']}" for p in row["parameters"])
    return Text("\n").join([Text(row["name"], "bold"), *map(Text, (row["family"], row["citation"], *parameters))])


def _formulas(row: Mapping[str, Any]) -> Table:
    lines = Table.grid(padding=(0, 1, 0, 0))
    for mark, formula in (("D", row["discriminator"]), ("G", row["generator"]), ("slope", row["generator_slope"])):
        lines.add_row(mark, Text(formula, overflow="fold"))
    return lines
