"""README and docs/: links lead somewhere, paths and commands exist, counts are right, and the first script runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import environment
from support.paths import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
README = ROOT / "README.md"

#: A path of the repository in code marks, as in `harness/store/schema.py`.
_PATH = re.compile(r"`((?:harness|analysis|experiments|tests|docs)/[\w./-]*)`")


def prose(page: Path) -> str:
    """A page without its blocks of code, which may hold what looks like a link."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Target and anchor of every relative link and picture."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


def test_every_link_leads_somewhere() -> None:
    """A relative link names a file or folder of the repository, and a heading in it where it names one."""
    dead = []
    for page in PAGES:
        for file, anchor in links(page):
            target = (page.parent / file).resolve() if file else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                dead.append((str(page.relative_to(ROOT)), f"{file}#{anchor}"))
    assert dead == []


def test_every_path_exists() -> None:
    """A path of the repository that a page names exists; the changelog alone may name what is no more."""
    named = [(page, path) for page in PAGES if page.name != "CHANGELOG.md" for path in _PATH.findall(prose(page))]
    assert len(named) > 50
    assert [(page.name, path) for page, path in named if not (ROOT / path).exists()] == []


def test_the_readme_lists_every_command() -> None:
    """The table of commands names those of ``harness --help``, in the same order."""
    from harness.cli import app

    shown = re.findall(r"^\| `harness (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == [command.name for command in app.registered_commands]


def test_the_readme_counts_right() -> None:
    """The README has as many losses, penalties and experiments as there are."""
    from harness.losses import BUILT_IN
    from harness.losses.penalties import PENALTIES

    text = README.read_text(encoding="utf-8")
    experiments = len(list((ROOT / "experiments").glob("*.toml")))
    assert set(re.findall(r"(\d+) losses", text)) == {str(len(BUILT_IN))}
    assert f"**{len(PENALTIES)} penalties**" in text
    assert f"{experiments} experiments" in text


@pytest.mark.slow
def test_the_first_script_runs(tmp_path: Path) -> None:
    """The script of the README trains the loss that it registers; here for a few steps."""
    script = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert script is not None
    assert '"3000"' in script[1]
    (tmp_path / "mine.py").write_text(script[1].replace('"3000"', '"20"'))
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "heated / variances" in done.stdout
    assert "median KS" in done.stdout
