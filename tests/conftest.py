"""What test files share: hypothesis without deadlines, members in one line, finished sweeps, empty stores, forks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from forking import Forks
from hypothesis import settings

from harness.population import Member
from harness.spec import Settings, Shape
from harness.store import Store
from harness.targets import Target

# A busy machine is no failure: speed lives in the benchmarks.
settings.register_profile("harness", deadline=None, print_blob=True)
settings.load_profile("harness")

# Small arrays: a second thread only waits for the first, and on a busy machine much longer than it computes.
torch.set_num_threads(1)


def member(loss: str = "non_saturating", seed: int = 0, view: str = "variances", **changes: Any) -> Member:
    """A member at the seed's setting, with fields of Shape and Settings, ``params``, ``target`` changed by name."""
    shape = Shape(**{"steps": 20} | {k: v for k, v in changes.items() if k in Shape.model_fields})
    setting = Settings(**{k: v for k, v in changes.items() if k in Settings.model_fields})
    params = tuple(sorted(changes.get("params", {}).items()))
    return Member(
        loss, params, view, changes.get("target", Target()), changes.get("study_seed", 0), seed, shape, setting
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished sweep of the sampler "random", to read only."""
    from sweeping import carry_on, experiment

    return carry_on(experiment(), tmp_path_factory.mktemp("done") / "small")


@pytest.fixture
def copied(done: Store, tmp_path: Path) -> Store:
    """A copy of ``done`` to damage."""
    shutil.copytree(done.folder, tmp_path / "small")
    return Store(tmp_path / "small")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed sweep to mirror, to read only: ``mirroring.make_sweep``."""
    from mirroring import make_sweep

    return make_sweep(tmp_path_factory.mktemp("made") / "sweep")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with tables and no runs, to copy."""
    from mirroring import make_database

    return make_database(tmp_path_factory.mktemp("database") / "mlflow.db")


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path) -> str:
    """A fresh SQLite store for MLflow."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process to fork from, with everything imported."""
    with Forks() as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs CUDA, with the reason, where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device"))
