"""The work of the mirror's process: follow a sweep's folder, write what is new, end when asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.store import Store, locked, slug
from harness.store.status import SweepStatus
from harness.tracking.committed_trials import RUN_LIMIT, Trial, Trials
from harness.tracking.notes import COMPARED_RUNS, sweep_note
from harness.tracking.orphans import close_orphans
from harness.tracking.run_content import RunContent, arm_run, sweep_run, trial_run
from harness.tracking.uri import check

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from harness.tracking.writer import RunWriter

#: Seconds between two reads of the folder.
POLL_SECONDS = 0.5

#: Length up to which every database can search for a tag.
_SOURCE_CHARACTERS = 500

WINNER_FILES = ("generator.safetensors", "sample.csv", "qq.png", "density.png")

#: waiting: for another mirror of the folder. asking: checking that the store answers. loading: importing mlflow,
#: creating the tables of a SQLite file, reading the folder; no store delays that. writing: calls to the store. done,
#: failed: the end.
Phase = Literal["waiting", "asking", "loading", "writing", "done", "failed"]


@dataclass(frozen=True)
class Progress:
    """Progress of the mirror, sent to its parent as a line of JSON after every answer of the store."""

    phase: Phase = "waiting"
    written: int = 0  # runs finished by this process
    mirrored: int = 0  # wanted trials of the search whose run is finished, whoever wrote it
    todo: int = 0  # trials, of either stage, that are to be written in this pass
    reason: str = ""

    def line(self) -> str:
        """The message as one line of JSON."""
        return json.dumps(asdict(self))


class Worker:
    """Mirrors one folder into one store; every step can be interrupted and repeated."""

    def __init__(self, folder: Path, uri: str, listener: Callable[[Progress], None], limit: int = RUN_LIMIT) -> None:
        self._folder, self._uri, self._limit = folder.absolute(), uri, limit
        self._store = Store(self._folder)
        self._listener = listener
        self.progress = Progress()

    def run(self, ended: Callable[[float], bool]) -> None:
        """Follow the folder until ``ended(seconds)``, which waits up to that long, is true; then make a last pass.

        Raises:
            InputError: no sweep here, a damaged file, or a store that cannot be used.
            Exception: whatever mlflow raises when the store stops answering.
        """
        self._report()
        with locked(self._folder / "mirror.lock", wait=True):
            description = self._store.describe()
            trials = Trials(self._store, description, self._limit)
            self._report(phase="asking")
            check(self._uri)
            client, writer = self._open(description)
            first, over = True, False
            while not over:
                # Before the folder is read, so that the last pass has everything committed before the end.
                over = ended(POLL_SECONDS)
                self._report(phase="loading")
                has_new = trials.refresh()
                if has_new or over or first:
                    self._write_new(writer, description, trials, last=over)
                self._report(phase="writing")
                if first:
                    close_orphans(client, str(description["uid"]), self._report)
                first = False
            self._report(phase="done", reason=writer.no_artifacts)

    def fail(self, reason: str) -> None:
        """Tell the parent why the mirror ends."""
        self._report(phase="failed", reason=reason)

    def _open(self, description: Mapping[str, Any]) -> tuple[MlflowClient, RunWriter]:
        self._report(phase="loading")
        from mlflow import MlflowClient

        from harness.tracking.writer import RunWriter

        if not self._uri.startswith("sqlite:"):
            self._report(phase="writing")  # from here on a delay is the server's
        client = MlflowClient(tracking_uri=self._uri)
        writer = RunWriter(client, self._uri, description, self._report)
        self._report(phase="writing")
        return client, writer

    def _write_new(self, writer: RunWriter, description: Mapping[str, Any], trials: Trials, *, last: bool) -> None:
        uid = str(description["uid"])
        unfinished = set(writer.unfinished())
        wanted = trials.wanted()
        chosen = [*wanted, *(trials.beyond() if last else ())]
        # Runs that a mirror with another limit wrote are finished and revised too.
        existing = unfinished.union(writer.trials())
        chosen += [trial for trial in trials.complete() if trial.key(uid) in existing]
        sources = {trial: _source_text(trials, trial) for trial in dict.fromkeys(chosen)}
        todo = [trial for trial, source in sources.items() if not writer.settled(trial.key(uid), source)]
        searched = {t for t in wanted if t.stage == "search"}
        self._report(written=writer.written, mirrored=len(searched.difference(todo)), todo=len(todo))
        training = not last and SweepStatus.of(self._store).complete is False
        sweep = sweep_run(description, trials, str(self._folder))
        arms = {a["arm"]: arm_run(description, trials, a) for a in description["arms"]} if todo or training else {}
        self._report(phase="writing")
        if todo or training:
            writer.start(sweep)
        for arm in arms.values() if training else ():
            if arm.key in unfinished:
                writer.start(arm, sweep)
        for trial in todo:
            writer.start(arms[trial.arm], sweep)
            content = trial_run(description, trial, trials.rows(trial), str(self._folder))
            tags = {**content.tags, "harness.populations": sources[trial]}
            revision = sum(trials.source(trial).values())
            writer.write(replace(content, tags=tags, revision=revision), arms[trial.arm])
            mirrored = self.progress.mirrored + (trial in searched)
            self._report(written=writer.written, mirrored=mirrored, todo=self.progress.todo - 1)
        if last:
            self._close(writer, description, trials, sweep)

    def _close(self, writer: RunWriter, description: Mapping[str, Any], trials: Trials, sweep: RunContent) -> None:
        uid, sweep_status = str(description["uid"]), SweepStatus.of(self._store)
        status = "FINISHED"
        if sweep_status.complete is False:
            # Training ended before the sweep did; another process may have resumed it by now.
            status = "RUNNING" if sweep_status.state == "running" else "KILLED"
        for arm in description["arms"]:
            content = arm_run(description, trials, arm)
            folder = self._folder / "winners" / slug(str(arm["arm"]))
            files = {name: folder / name for name in WINNER_FILES if _is_regular(folder / name)}
            if trials.members(arm=str(arm["arm"])):
                _finish(writer, content, files, sweep, status)
            writer.adopt(content.key, sweep.key)
            for trial in trials.complete(arm=str(arm["arm"])):
                writer.adopt(trial.key(uid), content.key)
        note = self._describe(writer, description, trials)
        sweep = replace(sweep, tags={**sweep.tags, "mlflow.note.content": note})
        for key in sorted(set(writer.trials()) - trials.keys(uid)) if sweep_status.complete else ():
            writer.supersede(key, "the sweep was changed since and no longer has this trial")
        files = {"sweep.json": self._folder / "sweep.json"}
        for path in sorted((self._folder / "report").rglob("*")):
            if _is_regular(path) and not path.name.startswith("."):  # a dot: a file still being written
                files[str(path.relative_to(self._folder))] = path
        _finish(writer, sweep, files, None, status)
        self._report(written=writer.written)

    def _describe(self, writer: RunWriter, description: Mapping[str, Any], trials: Trials) -> str:
        """Write the experiment's description, question and links to charts, and return it for the sweep's run."""
        uid = str(description["uid"])
        best = [trial.key(uid) for trial in trials.best(COMPARED_RUNS)]
        winners = [trial.key(uid) for trial in trials.complete(stage="confirm")[:COMPARED_RUNS]]
        note = sweep_note(description["spec"], writer.views(best, winners))
        writer.describe(note)
        return note

    def _report(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
        self._listener(self.progress)


def _is_regular(path: Path) -> bool:
    """True if this is a file of the sweep's folder itself; a link may lead to any file."""
    return path.is_file() and not path.is_symlink()


def _source_text(trials: Trials, trial: Trial) -> str:
    """The populations and revisions that a trial's run is made of, as in their files' names; a hash if too long."""
    text = " ".join(
        f"{index}.r{revision}" if revision else str(index) for index, revision in trials.source(trial).items()
    )
    return text if len(text) <= _SOURCE_CHARACTERS else sha256(text.encode()).hexdigest()


def _finish(
    writer: RunWriter, content: RunContent, files: Mapping[str, Path], parent: RunContent | None, status: str
) -> None:
    """End the run of a sweep or arm, unless it has already ended so with the same numbers and files."""
    if files:
        digest = sha256()
        for name, path in files.items():
            digest.update(name.encode() + b"\0" + sha256(path.read_bytes()).digest())
        content = replace(content, tags={**content.tags, "harness.files": digest.hexdigest()[:16]})
    if not writer.up_to_date(content, status):
        writer.start(content, parent)
        writer.finish(content, files, status)


def pending(folder: Path, mirrored: int, limit: int = RUN_LIMIT) -> int:
    """Number of committed trials that still need a run when ``mirrored`` have theirs.

    Raises:
        InputError: no sweep here, or a damaged file.
    """
    store = Store(folder)
    trials = Trials(store, store.describe(), limit)
    trials.refresh()
    return max(0, sum(t.stage == "search" for t in trials.wanted()) - mirrored)
