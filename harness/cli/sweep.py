"""``harness sweep``: run an experiment, from the search to the report and the copy in MLflow."""

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
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML); see experiments/.")],
    *,
    overrides: Overrides = None,
    engine: EngineName = "auto",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the sweep (default: sweeps/NAME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a sweep; an error if there is none.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set an existing sweep aside (as NAME.1) and start anew.")
    ] = False,
    extend: Annotated[
        str | None, typer.Option(metavar="trials=N", help="Extend an existing sweep to N trials per arm.")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="failed", help="Retrain committed members that ran out of memory.")
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse/--no-reuse", help="Reuse members that this or a neighbouring sweep committed.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained and for how long; start nothing.")
    ] = False,
) -> None:
    """Run an experiment: search each variant, confirm on fresh seeds, write a report, copy all to MLflow.

    Committed results are never trained again: the same command resumes an interrupted sweep.

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

    resuming = {"--resume": resume, "--extend": bool(extend), "--retry": bool(retry)}
    trials, retry_failed = _parse_extend(extend), _parse_retry(retry)
    spec = _load(experiment, overrides or ())
    folder = out or SWEEPS / slug(spec.name)
    _check_resuming([option for option, used in resuming.items() if used], folder, fresh)
    # Everything that can be refused comes before the folder is touched.
    mirror = Mirror(folder.absolute(), default_uri())  # absolute, so that its runs can be replayed from any folder
    job = Sweep(spec, Store(folder), choose(engine), reuse=reuse)
    for setting in spec.overridden:
        _say(setting.text)
    if dry_run:
        _dry_run(job, folder)
        return
    if fresh and (aside := set_aside(folder)):
        _say(f"set aside: {aside}")
    with _resume_command_noted():
        _run(job, mirror, trials, retry_failed)


def _load(file: Path, overrides: Sequence[str]) -> Experiment:
    """Read an experiment file and check that memory suffices for it."""
    from harness.config import load
    from harness.engines.memory import check_memory

    experiment = load(file, overrides)
    check_memory(experiment, file=str(file))
    return experiment


@contextmanager
def _resume_command_noted() -> Iterator[None]:
    """Add the command that resumes the sweep to an interruption."""
    try:
        yield
    except SystemExit as interrupted:
        interrupted.add_note(f"to resume: {resume_command(sys.argv[1:])}")
        raise


def resume_command(arguments: Sequence[str]) -> str:
    """The command that resumes this one: the same without --fresh, which would start anew."""
    words = [word for word in arguments if word != "--fresh"]
    # Within a session of nox, `harness` is on its path alone: the user's shell may not find it.
    if os.environ.get("NOX_CURRENT_SESSION") == "sweep":
        return f"nox -s sweep -- {shlex.join(words[1:])}"
    return f"harness {shlex.join(words)}"


def _open(job: Sweep, trials: int | None, on_commit: Callable[[], None]) -> Reporter:
    from harness.sweep.dry_run import assignment_text

    resumed = job.open(trials)
    if resumed:
        # Another writer is reported first; if the folder cannot be written at all, run() says why.
        with suppress(OSError), job.store.lock():
            pass
    reporter = sweep_reporter(job, on_commit)  # reads all committed files, so a damaged one is reported first too
    _say(f"{'resuming' if resumed else 'starting'} {job.store.folder}; {assignment_text(job.assignments)}")
    return reporter


def _run(job: Sweep, mirror: Mirror, trials: int | None, retry_failed: bool) -> None:
    from analysis.report import write_report
    from analysis.winner_figure import draw_winners
    from harness.tracking import default_uri, redact

    def start_mirror() -> None:
        if mirror.pid is None:
            mirror.start()

    # At the first commit this process has the folder's lock, and all committed files are sound.
    with _open(job, trials, start_mirror) as reporter:
        job.run(reporter, retry_failed=retry_failed)
    start_mirror()  # if nothing was left to commit, runs of an interrupted mirror may still be missing
    draw_winners(job.store)
    page = write_report(job.store.folder)
    _say(f"MLflow ({redact(default_uri())}): {mirror.finish()}")
    _say(f"report: {page}")


def sweep_reporter(job: Sweep, on_commit: Callable[[], None] = lambda: None) -> Reporter:
    """Reporter of a sweep that knows what was committed before."""
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
    members = sum(size for round_ in rounds for _, size in round_.populations)
    search, confirm = spec.search, spec.confirm
    seconds = max(estimated_seconds(spec, job.trainer), 1)
    lines = [
        f"{spec.name}: {len(spec.arms)} arms, target {spec.target.text}, {spec.train.steps} steps per member",
        *(f"  {arm.text}" + _space_text(spec, arm) for arm in spec.arms),
        f"search: {search.trials} trials per arm ({search.sampler}), {search.seeds} seeds each, rounds of "
        f"{spec.batch}; confirm: {confirm.seeds} fresh seeds per arm",
        *_halving_lines(spec),
        f"{members} members, {gan_steps(spec):,} GAN-steps, {sum(len(r.populations) for r in rounds)} populations",
        assignment_text(job.assignments),
        f"about {seconds:.0f} s by a short probe; nothing was started; results would go to {folder}",
    ]
    print("\n".join(lines))  # noqa: T201


def _halving_lines(spec: Experiment) -> list[str]:
    """Steps that halving saves; an upper bound, because a diverged member takes no further steps either way."""
    from harness.sweep.plan import gan_steps

    if not spec.search.halving:
        return []
    whole, rungs = gan_steps(spec, halved=False), ", ".join(map(str, spec.arm_rungs(spec.arms[0])))
    return [
        f"halving: of n trials the best n/{spec.search.halving} continue at steps {rungs}; saves at most "
        f"{whole - gan_steps(spec):,} of {whole:,} GAN-steps"
    ]


def _check_resuming(options: Sequence[str], folder: Path, fresh: bool) -> None:
    """Refuse ``options`` that need an existing sweep, together with --fresh or without a sweep."""
    from harness.errors import InputError
    from harness.store import Store

    if options and fresh:
        raise InputError(f"{options[0]} and --fresh exclude each other; give one of them")
    if options and not Store(folder).exists:
        raise InputError(f"{folder}: no sweep to resume; leave out {options[0]} to start one")


def _parse_extend(extend: str | None) -> int | None:
    from harness.errors import InputError

    if extend is None:
        return None
    key, _, number = extend.partition("=")
    if key.strip() not in ("trials", "search.trials") or not number.strip().isdecimal() or len(number) > 9:
        raise InputError(f"--extend: got {extend[:60]!r}; allowed: trials=N, such as trials=200")
    return int(number)


def _parse_retry(retry: str | None) -> bool:
    from harness.errors import InputError

    if retry not in (None, "failed"):
        raise InputError(f"--retry: got {retry[:60]!r}; allowed: failed")
    return retry is not None


def _space_text(spec: Experiment, arm: Arm) -> str:
    """The search space of an arm, after a colon; empty if nothing is searched."""
    space = spec.arm_space(arm) if spec.search.trials else {}
    return ": " * bool(space) + ", ".join(f"{key} in {span.text}" for key, span in space.items())


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)  # noqa: T201
