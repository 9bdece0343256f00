"""File names: each says what is in the file, and no other file has it with another meaning."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from support.paths import ROOT

#: Parts of an engine: each engine has its own file of that name, and some stand outside for what all engines share.
ENGINE_PARTS = {
    *("engine", "step", "gradients", "optimizers", "losses", "penalties", "layout"),  # one in each engine
    *("generate", "mlp", "rng", "views"),  # the cpu engine's compiled form of the module of that name
}

#: Other names that stand twice, with the one meaning that they have.
TWINS = {
    "auto": "what the name `auto` chooses: the engine of a member, the sampler of a search",
    "base": "the protocol that the other modules of the package satisfy",
}

#: Names of one word that would say nothing.
EMPTY_WORDS = {"helper", "helpers", "misc", "common", "utils", "util", "manager", "tools", "stuff"}


def modules() -> list[Path]:
    """Every module of the program, the analysis and the experiments, relative to the repository."""
    folders = ("harness", "analysis", "experiments")
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [path.relative_to(ROOT) for path in paths if not path.stem.startswith("__")]


def is_named_after(path: Path) -> bool:
    """True for a command, a section of the report or a part of an engine, named as what it runs or shows."""
    folder = str(path.parent)
    return folder in ("harness/cli", "analysis/report/sections") or (
        folder.startswith("harness/engines") and path.stem in ENGINE_PARTS
    )


def test_a_file_name_has_one_meaning() -> None:
    """Two modules share a name only as deliberate twins; the lists of these say why."""
    named = defaultdict(list)
    for path in modules():
        if not is_named_after(path):
            named[path.stem].append(str(path))
    assert {name: paths for name, paths in named.items() if len(paths) > 1 and name not in TWINS} == {}


def test_every_twin_is_there() -> None:
    """The lists of twins hold no name that stands once."""
    counts = Counter(path.stem for path in modules())
    assert [name for name in (*TWINS, *ENGINE_PARTS) if counts[name] < 2] == []


def test_no_name_is_an_empty_word() -> None:
    """A name such as `helper`, `utils` or `manager` says nothing of what is in the file."""
    everything = [*modules(), *(p.relative_to(ROOT) for p in (ROOT / "tests").rglob("*.py"))]
    assert [str(path) for path in everything if path.stem in EMPTY_WORDS] == []


def test_test_files_are_named_once() -> None:
    """A test file's name leads to one file."""
    named = defaultdict(list)
    for path in (ROOT / "tests").rglob("test_*.py"):
        named[path.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in named.items() if len(paths) > 1} == {}
