"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

EngineName = Annotated[str, typer.Option("--engine", help="auto, or an engine by name (see `harness doctor`).")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one value, e.g. train.lr_g=1e-3. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Data on standard output, and nothing else there.")]
