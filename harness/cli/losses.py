"""``harness losses``: the registry as a table."""

from __future__ import annotations

import json

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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for name in ("name", "family", "generator minimises", "slope", "at -∞", "at 0", "at +∞", "source", "parameters"):
        table.add_column(name, overflow="fold")
    for row in rows:
        parameters = "\n".join(f"{p['name']} = {p['default']:g} in {p['interval']}" for p in row["parameters"])
        slopes = (row["slope_at_minus_infinity"], row["slope_at_zero"], row["slope_at_plus_infinity"])
        cells = (
            row["name"],
            row["family"],
            row["generator"],
            row["generator_slope"],
            *slopes,
            row["citation"],
            parameters,
        )
        table.add_row(*(Text("-" if cell is None else str(cell)) for cell in cells))
    console = Console()
    console.print(table, crop=False, soft_wrap=False)
