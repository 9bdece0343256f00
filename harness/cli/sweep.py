"""``harness sweep``: search, confirm, commit, report, mirror."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import EngineName, Overrides
from harness.text import visible

if TYPE_CHECKING:
    from harness.cli.live.reporter import Reporter
    from harness.config import Arm, Experiment
    from harness.sweep.sweep import Sweep
    from harness.tracking import Mirror


def command(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML); see experiments/.")],
    overrides: Overrides = None,
    engine: EngineName = "auto",
    out: Annotated[Path | None, typer.Option(help="The sweep's folder (default: sweeps/NAME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a sweep that must exist.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set an existing sweep aside and start anew.")] = False,
    extend: Annotated[
        str | None, typer.Option(metavar="trials=N", help="Raise the budget of an existing sweep to N trials an arm.")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="failed", help="Retrain committed members that ran out of memory.")
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse/--no-reuse", help="Take members that this or another sweep here committed.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and for how long.")] = False,
) -> None:
    """Run an experiment: search per variant, confirm on fresh seeds, report, mirror to MLflow.

    What is committed in the folder is never trained again: the same command goes on where it was stopped.

    Examples:

        harness sweep experiments/labels.toml

        harness sweep experiments/labels.toml --set search.trials=4 --set train.steps=2000 --out /tmp/small

        harness sweep experiments/labels.toml --extend trials=20

        harness sweep experiments/script.toml --dry-run
    """
    from harness.engines import choose
    from harness.store import SWEEPS, Store, slug
    from harness.sweep.folder import set_aside
    from harness.sweep.sweep import Sweep
    from harness.tracking import Mirror, default_uri

    going_on = {"--resume": resume, "--extend": bool(extend), "--retry": bool(retry)}
    more, retry_failed = _trials_of(extend), _is_retry(retry)
    spec = _load(experiment, overrides or ())
    trainer = choose(engine)
    folder = out or SWEEPS / slug(spec.name)
    _check_together([option for option, given in going_on.items() if given], folder, fresh)
    # All that can be refused is made before the folder is touched.
    uri = default_uri()
    mirror = Mirror(folder.absolute(), uri)  # as its runs name the folder: `harness replay` may be called elsewhere
    job = Sweep(spec, Store(folder), trainer, reuse=reuse)
    for setting in spec.overridden:
        _say(setting.text)
    if dry_run:
        _dry_run(job, folder)
        return
    if fresh and (aside := set_aside(folder)):
        _say(f"set aside: {aside}")
    with _told_how_to_go_on():
        _run(job, mirror, uri, more, retry_failed)


def _load(file: Path, overrides: Sequence[str]) -> Experiment:
    """Read an experiment file and check that memory suffices for it."""
    from harness.config import load
    from harness.engines.memory import check_memory

    experiment = load(file, overrides)
    check_memory(experiment, file=str(file))
    return experiment


@contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except SystemExit as interrupted:
        interrupted.add_note(f"to go on: {going_on_text(sys.argv[1:])}")
        raise


def going_on_text(arguments: Sequence[str]) -> str:
    """The command that goes on where this one was interrupted: the same, but for --fresh, which would start anew."""
    # A session of nox has put its own programs on the path, where the shell that it returns to finds none of them.
    program = "nox -s sweep --" if os.environ.get("NOX_CURRENT_SESSION") == "sweep" else "harness"
    kept = [word for word in arguments if word != "--fresh"]
    return f"{program} {shlex.join(kept[1:] if program != 'harness' else kept)}"


def _open(job: Sweep, extend: int | None, begin: Callable[[], None]) -> Reporter:
    from harness.sweep.dry_run import assignment_text

    resumed = job.open(extend)
    if resumed:
        # Who else writes is told before anything else; where the folder cannot be written at all, run() says why.
        with suppress(OSError), job.store.lock():
            pass
    reporter = reporter_of(job, begin)  # reads what is committed, so that a damaged file is told first, too
    _say(f"{'going on with' if resumed else 'starting'} {job.store.folder}; {assignment_text(job.assignments)}")
    return reporter


def _run(job: Sweep, mirror: Mirror, uri: str, extend: int | None, retry_failed: bool) -> None:
    from analysis.report import write_report
    from analysis.winner_figure import draw_winners
    from harness.tracking import redact

    def begin() -> None:
        if mirror.pid is None:
            mirror.start()

    # At the first commit the folder is known to be this process's alone and all that is committed to be sound.
    with _open(job, extend, begin) as reporter:
        job.run(reporter, retry_failed=retry_failed)
    begin()  # nothing was left to commit, but runs of a mirror that was cut off may be missing
    draw_winners(job.store)
    page = write_report(job.store.folder)
    _say(f"MLflow ({redact(uri)}): {mirror.finish()}")
    _say(f"report: {page}")


def reporter_of(job: Sweep, on_commit: Callable[[], None] = lambda: None) -> Reporter:
    """Shows the sweep, what was committed before included."""
    from harness.cli.live.reporter import Reporter
    from harness.cli.live.scoreboard import COLUMNS, Scoreboard, committed_steps
    from harness.sweep.plan import gan_steps, round_steps

    spec, rounds = job.experiment, job.rounds
    populations = sum(len(round_.populations) for round_ in rounds)
    scoreboard = Scoreboard([arm.text for arm in spec.arms], populations, spec.search.seeds)
    committed = job.store.committed()
    for index in committed:
        scoreboard.add(index, job.store.population(index, COLUMNS).to_pylist())
    done = committed_steps(rounds, {round_.number: round_steps(spec, round_) for round_ in rounds}, committed)
    total = gan_steps(spec, job.extensions)
    return Reporter(total, committed_steps=done, scoreboard=scoreboard, on_commit=on_commit)


def _dry_run(job: Sweep, folder: Path) -> None:
    from harness.sweep.dry_run import assignment_text, estimated_seconds
    from harness.sweep.plan import gan_steps, planned

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
        assignment_text(job.assignments),
        f"about {seconds:.0f} s by a short probe; nothing was started, {folder} would hold the results",
    ]
    print("\n".join(lines))  # noqa: T201


def _saved(spec: Experiment) -> list[str]:
    """What halving spares: an upper bound, because who diverges in a race takes no steps either way."""
    from harness.sweep.plan import gan_steps

    if not spec.search.halving:
        return []
    whole, rungs = gan_steps(spec, halved=False), ", ".join(map(str, spec.arm_rungs(spec.arms[0])))
    return [
        f"halving: of n trials the best n/{spec.search.halving} go on at steps {rungs}; saves at most "
        f"{whole - gan_steps(spec):,} of {whole:,} GAN-steps"
    ]


def _check_together(going_on: Sequence[str], folder: Path, fresh: bool) -> None:
    from harness.errors import InputError
    from harness.store import Store

    if going_on and fresh:
        raise InputError(f"{going_on[0]} and --fresh exclude each other; give one of them")
    if going_on and not Store(folder).exists:
        raise InputError(f"{folder}: no sweep to go on with; leave {going_on[0]} out to start one")


def _trials_of(extend: str | None) -> int | None:
    from harness.errors import InputError

    if extend is None:
        return None
    key, _, number = extend.partition("=")
    if key.strip() not in ("trials", "search.trials") or not number.strip().isdecimal() or len(number) > 9:
        raise InputError(f"--extend: got {extend[:60]!r}; allowed: trials=N, such as trials=200")
    return int(number)


def _is_retry(retry: str | None) -> bool:
    from harness.errors import InputError

    if retry not in (None, "failed"):
        raise InputError(f"--retry: got {retry[:60]!r}; allowed: failed")
    return retry is not None


def _searched(spec: Experiment, arm: Arm) -> str:
    space = spec.arm_space(arm) if spec.search.trials else {}
    return ": " * bool(space) + ", ".join(f"{key} in {span.text}" for key, span in space.items())


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)  # noqa: T201
