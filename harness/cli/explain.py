"""``harness explain``: write the page that answers the question of the label with animations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import EngineName


def command(
    experiment: Annotated[
        Path, typer.Argument(help="Experiment file that searches learning rates under a view of single values.")
    ] = Path("experiments/why_true.toml"),
    engine: EngineName = "auto",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Folder to write into (default: explain/ in the sweep)."),
    ] = None,
) -> None:
    """Write the page "Why is the generator trained with the label True?": one HTML file that needs no network.

    If the experiment's sweep is missing it is trained first, and then its searched members once more to record
    them. A second call trains nothing.

    Examples:

        harness explain

        harness explain -o /tmp/page
    """
    from analysis.explain.explainer_page import write_explainer
    from harness.cli.live.reporter import Reporter
    from harness.cli.sweep import sweep_reporter
    from harness.config import load
    from harness.engines import choose
    from harness.store import SWEEPS, Store, slug
    from harness.sweep.plan import planned
    from harness.sweep.recording import record
    from harness.sweep.sweep import Sweep

    spec, trainer = load(experiment), choose(engine)
    job = Sweep(spec, Store(SWEEPS / slug(spec.name)), trainer)
    job.open()
    with sweep_reporter(job) as reporter:
        job.run(reporter)
    searched = sum(size for round_ in planned(spec) if round_.stage == "search" for _, size in round_.populations)
    with Reporter(searched * spec.train.steps) as reporter:
        record(job.store, trainer, reporter.advanced)
    print(write_explainer(job.store.folder, out))  # noqa: T201
