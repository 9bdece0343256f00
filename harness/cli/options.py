"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EngineName = Annotated[
    str,
    typer.Option(
        "--engine", help="Engine by name, or auto: the fastest that can train a member (see `harness doctor`)."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one value, e.g. train.lr_g=1e-3; can be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's folder, or its name in sweeps/.")]
SweepsFolder = Annotated[
    Path | None, typer.Option("--in", metavar="DIR", help="Folder that holds the sweeps (default: sweeps/).")
]
