#!/usr/bin/env -S python -m nox
# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.5.1"]
# ///
"""Every command of the project: `nox --list`, `nox -s NAME -- ARGUMENTS`.

Sessions that run the program share one environment (it holds torch and mlflow: gigabytes, and a minute to make).
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.5.1"
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")
SHARED = ".nox/program"
STORE = "sqlite:///mlflow.db"


def _install(session: nox.Session, *groups: str) -> None:
    wanted = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    session.install("-c", "constraints.txt", "-e", ".", *wanted)


@nox.session(default=False, venv_location=SHARED)
def sweep(session: nox.Session) -> None:
    """Search, train, score, track and report (default: experiments/labels.toml, about five minutes on two cores)."""
    _install(session)
    arguments = session.posargs
    if not arguments or arguments[0].startswith("-"):
        arguments = ["experiments/labels.toml", *arguments]
    session.run("harness", "sweep", *arguments)


@nox.session(default=False, venv_location=SHARED)
def report(session: nox.Session) -> None:
    """Write the report of a sweep (default: the newest)."""
    _install(session)
    session.run("harness", "report", *session.posargs)


@nox.session(default=False, venv_location=SHARED)
def ui(session: nox.Session) -> None:
    """Open MLflow's pages on the store that the sweep wrote, on this machine only."""
    _install(session)
    session.run("mlflow", "ui", "--backend-store-uri", STORE, "--host", "127.0.0.1", *session.posargs)


@nox.session(default=False, venv_location=SHARED)
def bench(session: nox.Session) -> None:
    """Time the engines against the literal seed loop, side by side."""
    _install(session)
    session.run("python", "experiments/benchmarks/engines.py", *session.posargs)


@nox.session(venv_location=SHARED)
def tests(session: nox.Session) -> None:
    """The tests, without a GPU or a network."""
    _install(session, "test")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(default=False, venv_location=SHARED)
def gpu(session: nox.Session) -> None:
    """The tests that need CUDA; says so and succeeds where there is none."""
    _install(session, "test")
    found = session.run("python", "-c", "import torch; print(torch.cuda.is_available())", silent=True)
    if str(found).strip() != "True":
        session.log("torch sees no CUDA device: the GPU tests were not run")
        return
    session.run("python", "-m", "pytest", "-m", "gpu", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: rules and format."""
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(venv_location=SHARED)
def types(session: nox.Session) -> None:
    """mypy, strict, on harness/ and analysis/."""
    _install(session, "types")
    session.run("mypy")


if __name__ == "__main__":
    nox.main()
