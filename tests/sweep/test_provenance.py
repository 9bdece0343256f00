"""With what a sweep was run: every installed version, and what the repository had beside the commit."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.paths import ROOT

from analysis.report import write_report
from analysis.report.report_page import plotly_script
from harness.cli.doctor import OPTIONAL
from harness.store import Store
from harness.sweep.provenance import LONGEST_DIFF, closure
from harness.tracking.committed_trials import Trials
from harness.tracking.run_content import sweep_run


def test_versions_are_those_installed_of_all_that_is_required() -> None:
    """All that pyproject requires, directly or not, is listed by installed version; tools that it does not, are not."""
    found = closure("mlflow")
    assert found["mlflow"] == importlib.metadata.version("mlflow")
    assert all(importlib.metadata.version(name) == version for name, version in found.items())
    required = [Requirement(line) for line in importlib.metadata.requires("mlflow") or ()]
    for requirement in required:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            assert canonicalize_name(requirement.name) in found
    assert {"sqlalchemy", "typing-extensions"} <= set(found)  # required by what mlflow requires
    assert not {"pytest", "ruff", "hypothesis"} & set(found)
    assert list(found) == sorted(found)
    assert closure("no-such-distribution") == {}


def test_a_sweep_records_with_what_it_was_run(finished_sweep: Store) -> None:
    """Its description holds the closure and nothing that names the machine or its user; the mirror takes scalars."""
    told = finished_sweep.describe()["provenance"]
    assert told["torch"] == told["distributions"].get("torch", told["torch"])
    assert told["distributions"] == closure("harness")
    text = json.dumps({key: value for key, value in told.items() if key != "git_changes"})
    # As a word of its own: a machine that is called "vm" would be found in "llvmlite".
    assert not re.search(rf"(?<![\w.-]){re.escape(os.uname().nodename)}(?![\w.-])", text)
    run = sweep_run(finished_sweep.describe(), Trials(finished_sweep, finished_sweep.describe()), "here")
    assert not {f"harness.{name}" for name in ("distributions", "git_changes")} & set(run.tags)


def test_the_report_cuts_what_is_long(finished_sweep: Store, tmp_path: Path) -> None:
    """A diff of a megabyte, as text that no line of a page should hold, is cut on the page; versions stand there."""
    description = finished_sweep.describe()
    description["provenance"] |= {"git_changes": {"diff": "<b>\udcff" * 200_000}, "distributions": {"torch": "1.2.3"}}
    shutil.copytree(finished_sweep.folder, tmp_path / "small")
    store = Store(tmp_path / "small")
    store.amend(description)
    page = write_report(store.folder).read_text(encoding="utf-8")
    assert "more characters are in sweep.json)" in page
    assert "&#34;torch&#34;: &#34;1.2.3&#34;" in page
    assert "<b>" not in page
    assert len(page) < len(plotly_script()) + 10**6


def git(folder: Path, *arguments: str) -> bytes:
    """The output of git, in a repository without the machine's own settings."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **settings}, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds this program, committed, with a picture and a text that is no UTF-8."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "harness", folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", folder)
    (folder / ".gitignore").write_text("__pycache__/\n")
    (folder / "picture").write_bytes(bytes(range(256)))
    (folder / "latin").write_bytes("größer\n".encode("latin-1"))
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "all")
    return folder


@pytest.fixture
def repository(committed: Path, tmp_path: Path) -> Path:
    """A copy to alter."""
    return Path(shutil.copytree(committed, tmp_path / "repository"))


def revision(folder: Path) -> dict[str, Any]:
    """The provenance that the program in a folder gives of its repository."""
    code = "import json; from harness.sweep.provenance import revision; print(json.dumps(revision()))"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    return dict(json.loads(done.stdout))


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    """The commit, not dirty, the hash of the tested set of versions, and no changes."""
    constraints = hashlib.sha256((ROOT / "constraints.txt").read_bytes()).hexdigest()
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    assert revision(repository) == {"git_commit": commit, "git_dirty": False, "constraints_sha256": constraints}


def test_a_dirty_tree_can_be_made_again_from_its_diff(repository: Path, tmp_path: Path) -> None:
    """The diff, applied to the commit, gives every byte: of text, of what is no UTF-8, of what is no text.

    Untracked files are named, also those of odd names, and their content is not recorded.
    """
    git(repository, "clone", "--quiet", ".", str(tmp_path / "clone"))
    (repository / "latin").write_bytes("größer noch\n".encode("latin-1"))
    (repository / "picture").write_bytes(bytes(reversed(range(256))))
    with (repository / "harness/errors.py").open("a") as file:
        file.write("# more\n")
    odd = os.fsdecode(b"odd\n\xff name")
    (repository / odd).write_text("s3cret")
    told = revision(repository)
    changes = told["git_changes"]
    assert (told["git_dirty"], changes["cut"], changes["untracked"], changes["untracked_count"]) == (
        True,
        False,
        [odd],
        1,
    )
    assert "s3cret" not in json.dumps(told)
    (tmp_path / "diff").write_bytes(changes["diff"].encode("utf-8", "surrogateescape"))
    git(tmp_path / "clone", "apply", str(tmp_path / "diff"))
    for name in ("latin", "picture", "harness/errors.py"):
        assert (tmp_path / "clone" / name).read_bytes() == (repository / name).read_bytes()


def test_a_long_diff_is_cut(repository: Path) -> None:
    """Of more than a mebibyte the beginning is kept, and it says that it was cut."""
    (repository / "latin").write_text("line\n" * (LONGEST_DIFF // 4))
    changes = revision(repository)["git_changes"]
    assert changes["cut"]
    assert len(changes["diff"].encode("utf-8", "surrogateescape")) == LONGEST_DIFF
    assert changes["diff"].startswith("diff --git ")


def test_no_repository_says_nothing(repository: Path) -> None:
    """Neither without git's folder nor as an untracked copy in a repository of somebody else's."""
    shutil.rmtree(repository / ".git")
    assert revision(repository) == {"git_commit": None, "git_dirty": None}
    git(repository, "init", "--quiet")
    git(repository, "add", "latin")
    git(repository, "commit", "--quiet", "-m", "mine")
    assert revision(repository) == {"git_commit": None, "git_dirty": None}


def test_doctor_names_the_extras_that_there_are() -> None:
    """Each extra of pyproject.toml installs what `harness doctor` says it does, and there is no other."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    required = {(Requirement(line).name, extra) for extra, lines in extras.items() for line in lines}
    assert set(OPTIONAL.values()) == required
