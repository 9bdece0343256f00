"""What test files share: hypothesis without deadlines, members in one line, sweeps, stores, forks, a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from support.forks import Forks, end_shared, shared

from harness.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from support.browser import Tab

# A busy machine is no failure: speed lives in the benchmarks.
settings.register_profile("harness", deadline=None, print_blob=True)
settings.load_profile("harness")

# Small arrays: a second thread only waits for the first, and on a busy machine much longer than it computes.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished sweep of the sampler "random", to read only."""
    from support.sweeps import carry_on, experiment

    return carry_on(experiment(), tmp_path_factory.mktemp("finished") / "small")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished sweep of experiments/why_true.toml made small, with its recording, to read only."""
    from support.recordings import recorded

    return recorded(tmp_path_factory.mktemp("recorded") / "why_true")


@pytest.fixture
def sweep_copy(finished_sweep: Store, tmp_path: Path) -> Store:
    """A copy of ``finished_sweep`` to damage."""
    shutil.copytree(finished_sweep.folder, tmp_path / "small")
    return Store(tmp_path / "small")


@pytest.fixture(scope="session")
def committed_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed sweep to mirror, to read only: ``mlflow_store.make_sweep``."""
    from support.mlflow_store import make_sweep

    return make_sweep(tmp_path_factory.mktemp("committed") / "sweep")


@pytest.fixture(scope="session")
def two_arm_sweep(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two arms, two trials of two seeds, four confirm seeds, one of them failed; to read only."""
    from support.fabricated import ARMS, fabricate_sweep

    folder = tmp_path_factory.mktemp("two_arms")
    return fabricate_sweep(folder, arms=ARMS[:2], trials=2, confirm=4, failure="gone")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with tables and no runs, to copy."""
    from support.mlflow_store import make_database

    return make_database(tmp_path_factory.mktemp("database") / "mlflow.db")


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path) -> str:
    """A fresh SQLite store for MLflow."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def forks() -> Forks:
    """A process to fork from, with everything imported."""
    return shared()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium, for tests that are marked ``browser``."""
    from support.browser import launched

    with launched() as browser:
        yield browser


@pytest.fixture
def tab(chromium: Browser, tmp_path: Path) -> Iterator[Tab]:
    """A page in Chromium, offline; errors, and requests to elsewhere than ``tab.allow`` named, fail the test."""
    from support.browser import Tab

    opened = Tab(chromium, tmp_path)
    yield opened
    opened.close()
    assert opened.problems == []


def pytest_sessionfinish() -> None:
    """End the process that commands were forked from."""
    end_shared()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs CUDA or Chromium, with the reason, where there is none."""
    lacking = {}
    if not torch.cuda.is_available():
        lacking["gpu"] = "torch sees no CUDA device"
    if shutil.which("chromium") is None:
        lacking["browser"] = "no Chromium on the PATH: install Debian's package chromium"
    for item in items:
        for marker, reason in lacking.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
