"""``harness score``: measure the distance of any sample from a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import AsJson
from harness.text import visible


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .npy file with one array, or a .csv file with one column.")
    ],
    target: Annotated[str, typer.Option(help='The target distribution, by its name in scipy.stats: "t(df=3)".')] = (
        "norm(loc=4, scale=1.25)"
    ),
    column: Annotated[str | None, typer.Option(help="Name of the column, if the .csv file has several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a sample against a target: KS distance and test, Wasserstein, Cramér-von Mises, Anderson-Darling, floors.

    A floor is the distance of a sample of the same size from the target itself.

    Examples:

        harness score sample.csv

        harness score draws.npy --target "t(df=3)" --json
    """
    from harness.data.target import Target
    from harness.metrics.sample_files import score_file

    result = score_file(file, Target.parse(target), column)
    if as_json:
        print(json.dumps(result, allow_nan=False))  # noqa: T201
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"{visible(file.name)}: {result['n']} values against {result['target']} ({result['state']})")
    )
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name in ("ks", "ks_over_floor", "ks_pvalue", "w1", "cvm", "ad", "mean", "sd"):
        table.add_row(name, _number(result[name]))
    for name, value in (result["floors"] or {}).items():
        table.add_row(f"floor: {name}", _number(value))
    Console().print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
