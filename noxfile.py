#!/usr/bin/env -S python -m nox
# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.5.1"]
# ///
"""Every command of the project: `nox --list`, `nox -s NAME -- ARGUMENTS`.

Sessions that need the program share one environment, .nox/program: it holds torch and mlflow, a gigabyte and a minute
to make. nox gives every session its own, so these sessions have none of nox's and use that one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")
ENVIRONMENT = Path(".nox/program").absolute()
STORE = "sqlite:///mlflow.db"

#: On two cores. A file's tests stay together, as they share sweeps that take seconds to make; files come in the order
#: of their names, since the longest have few tests, and would otherwise come last.
SPREAD = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")

#: Tests before each commit: the parts that everything rests on, and sweeps on the reference, batched and cpu engines.
QUICK = (
    *("tests/config", "tests/data", "tests/losses", "tests/metrics", "tests/search", "tests/store"),
    *("tests/test_docs.py", "tests/test_imports.py", "tests/test_promises.py", "tests/test_text.py"),
    "tests/sweep/test_earlier_version.py::test_trained_again_the_rows_are_those_committed",
)


def _install(session: nox.Session, *groups: str) -> None:
    """Bring the shared environment to the tested set of constraints.txt, with these dependency groups."""
    if not ENVIRONMENT.exists():
        session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    wanted = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    _run(session, "python", "-m", "pip", "install", "--quiet", "-c", "constraints.txt", "-e", ".", *wanted)


def _run(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the shared environment, found first by the programs that it starts, too.

    Tests and sweeps start hundreds of processes: bytecode is kept on disk even where the caller's environment says no,
    for without it every process compiles torch and mlflow from their sources.
    """
    folder = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
    path = os.pathsep.join((str(folder), os.environ.get("PATH", "")))
    environment = {"PATH": path, "VIRTUAL_ENV": str(ENVIRONMENT), "PYTHONDONTWRITEBYTECODE": ""}
    session.run(str(folder / program), *arguments, env=environment, external=True)


@nox.session(default=False, venv_backend="none")
def sweep(session: nox.Session) -> None:
    """Search, train, score, track and report (default: experiments/labels.toml, about five minutes on two cores)."""
    _install(session)
    arguments = session.posargs
    if not arguments or arguments[0].startswith("-"):
        arguments = ["experiments/labels.toml", *arguments]
    _run(session, "harness", "sweep", *arguments)


@nox.session(default=False, venv_backend="none")
def report(session: nox.Session) -> None:
    """Write the report of a sweep (default: the newest), or of several with -o FOLDER."""
    _install(session)
    _run(session, "harness", "report", *session.posargs)


@nox.session(default=False, venv_backend="none")
def explain(session: nox.Session) -> None:
    """Write the page that answers the question by watching (trains what is missing: a minute on two idle cores)."""
    _install(session)
    _run(session, "harness", "explain", *session.posargs)


@nox.session(default=False, venv_backend="none")
def ui(session: nox.Session) -> None:
    """Open MLflow's pages on the store that the sweep wrote, on this machine only, and say where the runs are."""
    _install(session)
    _run(
        session,
        "python",
        "-m",
        "harness.tracking.ui",
        "--backend-store-uri",
        STORE,
        "--host",
        "127.0.0.1",
        *session.posargs,
    )


@nox.session(default=False, venv_backend="none")
def bench(session: nox.Session) -> None:
    """Time the engines beside their peers (`--quick`: under a minute); with `overhead`, all that is not training."""
    _install(session, "bench")
    _run(session, "python", "experiments/benchmarks", *session.posargs)


@nox.session(default=False, venv_backend="none")
def agreement(session: nox.Session) -> None:
    """Train the same GANs with every engine that is fast on any machine, and compare where they end (ten minutes)."""
    _install(session)
    for engine, members in (("cpu", 256), ("batched-cpu", 256), ("cuda-host", 64)):
        _run(session, "python", "experiments/agreement", "train", engine, f"--members={members}")
    _run(session, "python", "experiments/agreement", "report")


@nox.session(default=False, venv_backend="none")
def docs(session: nox.Session) -> None:
    """Write docs/losses/, docs/penalties.md, docs/theory.md and docs/promises.md again, from records and tests."""
    _install(session)
    _run(session, "python", "-m", "analysis.loss_pages")
    _run(session, "python", "-m", "analysis.dirac", "-o", "docs")
    _run(session, "python", "tests/support/promises.py")


@nox.session(default=False, venv_backend="none")
def quick(session: nox.Session) -> None:
    """The tests before each commit: under a minute on two idle cores once compiled code is cached."""
    _install(session, "test")
    _run(session, "python", "-m", "pytest", *SPREAD, "-m", "not slow and not gpu", *QUICK, *session.posargs)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """The tests, without a GPU, a browser or a network, on two cores."""
    _install(session, "test")
    _run(session, "python", "-m", "pytest", *SPREAD, "-m", "not browser", *session.posargs)


@nox.session(venv_backend="none")
def browser(session: nox.Session) -> None:
    """The tests that open pages in Chromium; where there is none and none can be installed they are skipped."""
    _install(session, "test")
    if shutil.which("chromium") is None and shutil.which("apt-get") and os.geteuid() == 0:
        # What fails here is told by the tests, which say what they lack.
        for arguments in (("update", "-q"), ("install", "-q", "-y", "--no-install-recommends", "chromium")):
            session.run("apt-get", *arguments, external=True, silent=True, success_codes=range(256))
    if shutil.which("chromium") is None:
        session.warn("no Chromium, so that the tests are skipped; on Debian: apt-get install chromium")
    _run(session, "python", "-m", "pytest", *SPREAD, "-m", "browser", *session.posargs)


@nox.session(default=False, venv_backend="none")
def gpu(session: nox.Session) -> None:
    """The tests that need CUDA; where there is none they are skipped, with the reason, and the session succeeds."""
    _install(session, "test")
    _run(session, "python", "-m", "pytest", "-m", "gpu", *session.posargs)


@nox.session(default=False, venv_backend="none")
def faults(session: nox.Session) -> None:
    """Kill a sweep a hundred times and compare it with one that nobody touched (eighteen minutes on two busy cores)."""
    _install(session)
    _run(session, "python", "experiments/faults", *session.posargs)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Known holes in the versions of constraints.txt, by PyPI's advisories; without a network it says so and fails."""
    session.install("pip-audit==2.10.1")
    # Strict: what no advisories could be asked for is no pass.
    arguments = (
        "--strict",
        "--requirement",
        "constraints.txt",
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
    )
    try:
        session.run("pip-audit", *arguments, *session.posargs)
    except nox.command.CommandFailed:
        session.error("holes were found, or PyPI's advisories could not be reached: that takes a network (see above)")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: rules and format."""
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """mypy, strict, on harness/ and analysis/."""
    _install(session, "types")
    _run(session, "mypy")


if __name__ == "__main__":
    nox.main()
