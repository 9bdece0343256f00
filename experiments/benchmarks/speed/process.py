"""A contender in another process, as its benchmark sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from speed.contenders.contender import Absent

FOLDER = Path(__file__).resolve().parents[1]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, by which a process of its own finds ``speed`` and ``literal_script``."""
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **changes}


class Process:
    """Starts a worker at once, so that several load their libraries side by side; ``described`` waits for it."""

    def __init__(self, name: str, one_core: bool = False, **changes: str) -> None:
        self.name, self.one_core = name, one_core
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in stop
        command = [sys.executable, "-m", "speed.worker", name, *["--one-core"] * one_core]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(**changes),
        )
        self._questions, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def described(self) -> Mapping[str, Any]:
        """The contender's description; the first thing to ask for.

        Raises:
            Absent: it cannot run here.
        """
        description: Mapping[str, Any] = self._read()
        return description

    def ask(self, do: str, **question: Any) -> Any:
        """The answer to a question (``worker.Worker.answers``).

        Raises:
            RuntimeError: the contender raised, or its process ended.
        """
        self._questions.write(json.dumps({"do": do, **question}) + "\n")
        self._questions.flush()
        return self._read()

    def _read(self) -> Any:
        line = self._answers.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.name}: its process ended:\n{self._errors.read()[-4000:]}")
        said = json.loads(line)
        if "absent" in said:
            raise Absent(said["absent"])
        if "error" in said:
            raise RuntimeError(f"{self.name}: {said['error']}")
        return said["answer"]

    def stop(self) -> None:
        """End the worker. It holds nothing that could be lost, and libraries take seconds to leave in good order."""
        self._process.kill()
        self._process.wait()
        for file in (self._questions, self._answers, self._errors):
            file.close()
