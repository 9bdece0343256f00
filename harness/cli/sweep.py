"""``harness sweep``: search, confirm, commit, report, mirror."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.escaping import visible
from harness.cli.options import EngineName, Overrides

if TYPE_CHECKING:
    from harness.spec import Arm, Experiment
    from harness.sweep import Sweep
    from harness.tracking import Mirror


def command(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML); see experiments/.")],
    overrides: Overrides = None,
    engine: EngineName = "auto",
    out: Annotated[Path | None, typer.Option(help="The sweep's folder (default: sweeps/NAME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a sweep that must exist.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set an existing sweep aside and start anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and for how long.")] = False,
) -> None:
    """Run an experiment: search per variant, confirm on fresh seeds, report, mirror to MLflow.

    What is committed in the folder is never trained again: the same command goes on where it was stopped.

    Examples:

        harness sweep experiments/labels.toml

        harness sweep experiments/labels.toml --set search.trials=4 --set train.steps=2000 --out /tmp/small

        harness sweep experiments/seed.toml --dry-run
    """
    from harness.assignment import assignment_text
    from harness.engines import choose
    from harness.errors import InputError
    from harness.spec import load
    from harness.store import SWEEPS, Store, slug
    from harness.sweep import Sweep, set_aside
    from harness.tracking import Mirror, default_uri

    if resume and fresh:
        raise InputError("--resume and --fresh exclude each other; give one of them")
    spec = load(experiment, overrides or ())
    trainer = choose(engine)
    folder = out or SWEEPS / slug(spec.name)
    if resume and not Store(folder).exists:
        raise InputError(f"{folder}: no sweep to resume; leave --resume out to start one")
    # All that can be refused is made before the folder is touched.
    uri = default_uri()
    mirror = Mirror(folder.absolute(), uri)  # as its runs name the folder: `harness replay` may be called elsewhere
    job = Sweep(spec, Store(folder), trainer)
    for setting in spec.overridden:
        _say(setting.text)
    if dry_run:
        _dry_run(job, folder)
        return
    if fresh and (aside := set_aside(folder)):
        _say(f"set aside: {aside}")
    resumed = job.open()
    if resumed:
        # Told before anything else is told; where the folder cannot be written at all, run() says why.
        with suppress(OSError), job.store.lock():
            job.store.table()
    _say(f"{'going on with' if resumed else 'starting'} {folder}; {assignment_text(job.services)}")
    _run(job, mirror, uri)


def _run(job: Sweep, mirror: Mirror, uri: str) -> None:
    from analysis.report import write_report
    from analysis.winners import draw_winners
    from harness.cli.progress import Reporter
    from harness.plan import gan_steps, planned
    from harness.tracking import redact

    def begin() -> None:
        if mirror.pid is None:
            mirror.start()

    populations = sum(len(this.populations) for this in planned(job.experiment))
    # At the first commit the folder is known to be this process's alone and all that is committed to be sound.
    with Reporter(gan_steps(job.experiment), populations, on_commit=begin) as reporter:
        job.run(reporter)
    begin()  # nothing was left to commit, but runs of a mirror that was cut off may be missing
    draw_winners(job.store)
    page = write_report(job.store.folder)
    _say(f"MLflow ({redact(uri)}): {mirror.finish()}")
    _say(f"report: {page}")


def _dry_run(job: Sweep, folder: Path) -> None:
    from harness.assignment import assignment_text
    from harness.estimate import estimated_seconds
    from harness.plan import gan_steps, planned

    spec = job.experiment
    rounds = planned(spec)
    members = sum(size for this in rounds for _, size in this.populations)
    search, confirm = spec.search, spec.confirm
    seconds = max(estimated_seconds(spec, job.trainer), 1)
    lines = [
        f"{spec.name}: {len(spec.arms)} arms, target {spec.target.text}, {spec.train.steps} steps a member",
        *(f"  {arm.text}" + _searched(spec, arm) for arm in spec.arms),
        f"search: {search.trials} trials an arm ({search.sampler}), {search.seeds} seeds each, rounds of {spec.batch}; "
        f"confirm: {confirm.seeds} fresh seeds an arm",
        *_saved(spec),
        f"{members} members, {gan_steps(spec):,} GAN-steps, {sum(len(r.populations) for r in rounds)} populations",
        assignment_text(job.services),
        f"about {seconds:.0f} s by a short probe; nothing was started, {folder} would hold the results",
    ]
    print("\n".join(lines))  # noqa: T201


def _saved(spec: Experiment) -> list[str]:
    """What halving spares: an upper bound, because who diverges in a race takes no steps either way."""
    from harness.plan import gan_steps

    if not spec.search.halving:
        return []
    whole, rungs = gan_steps(spec, halved=False), ", ".join(map(str, spec.arm_rungs(spec.arms[0])))
    return [
        f"halving: of n trials the best n/{spec.search.halving} go on at steps {rungs}; saves at most "
        f"{whole - gan_steps(spec):,} of {whole:,} GAN-steps"
    ]


def _searched(spec: Experiment, arm: Arm) -> str:
    space = spec.arm_space(arm) if spec.search.trials else {}
    return ": " * bool(space) + ", ".join(f"{key} in {span.text}" for key, span in space.items())


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)  # noqa: T201
