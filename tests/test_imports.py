"""Who knows whom: the imports of harness/ and analysis/, read from their source, and what may not grow.

``KNOWS`` is the one table of it; docs/architecture.md shows the same table to people.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.paths import ROOT

#: For each module or package of harness/, and for analysis/ as a whole: which others it may import. Each line names
#: only what stands above it, so nothing can import in a circle.
KNOWS: dict[str, tuple[str, ...]] = {
    "harness": (),
    "errors": (),
    "text": (),
    "data": ("errors",),
    "losses": ("data", "errors"),
    "config": ("data", "errors", "losses"),
    "members": ("config", "data", "losses"),
    "metrics": ("data", "errors"),
    "store": ("errors", "metrics"),
    "search": ("config", "errors", "metrics"),
    "engines": ("config", "data", "errors", "losses", "members", "store"),
    "tracking": ("errors", "metrics", "store"),
    "sweep": (
        *("config", "data", "engines", "errors", "harness", "losses", "members", "metrics", "search", "store"),
        "tracking",
    ),
    "analysis": ("config", "data", "errors", "losses", "metrics", "search", "store", "text"),
    "cli": (
        *(
            "analysis",
            "config",
            "data",
            "engines",
            "errors",
            "losses",
            "members",
            "metrics",
            "search",
            "store",
            "sweep",
        ),
        *("text", "tracking"),
    ),
}

#: The libraries that one part alone may import, and those that none may.
OWNERS = {"optuna": {"search"}, "mlflow": {"tracking"}, "typer": {"cli"}, "ray": set[str]()}

#: What the engines take from the store: names of columns, so that an engine can be written without knowing files.
ENGINES_TAKE = {"harness.store.SNAPSHOT_COLUMNS"}

#: The engines, and the modules beside them that may import some of them.
ENGINES = {"batched", "cpu", "cuda", "reference"}
ENGINE_USERS = {"__init__": ENGINES, "generate": {"cpu"}}

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60

SOURCES = sorted(path.relative_to(ROOT) for name in ("harness", "analysis") for path in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a source file."""
    return ast.parse((ROOT / path).read_text())


def part_of(path: Path) -> str:
    """The key of ``KNOWS`` that a source file belongs to."""
    package, *rest = path.with_suffix("").parts
    return "analysis" if package == "analysis" else package if rest == ["__init__"] else rest[0]


def imported(path: Path) -> set[str]:
    """Dotted names of all that a file imports, at its top and inside functions: ``harness.store.Store``."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what they name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parts_in(name: str) -> str | None:
    """The key of ``KNOWS`` that a dotted name leads to; None for a library."""
    package, *rest = name.split(".")
    if package == "analysis":
        return "analysis"
    if package != "harness":
        return None
    folder = ROOT / "harness"
    inside = bool(rest) and ((folder / f"{rest[0]}.py").exists() or (folder / rest[0] / "__init__.py").exists())
    return rest[0] if inside else "harness"


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_table_has_no_circles() -> None:
    """Each line of ``KNOWS`` names lines above it alone."""
    names = list(KNOWS)
    for i, name in enumerate(names):
        assert set(KNOWS[name]) <= set(names[:i]), name


def test_every_part_stands_in_the_table() -> None:
    """A new module or package of harness/ needs a line that says whom it may know; a removed one leaves none."""
    assert {part_of(path) for path in SOURCES} == set(KNOWS)


def test_a_part_imports_what_the_table_allows() -> None:
    """Imports inside functions and for type checking count like those at the top of a file."""
    offenders = {}
    for path in SOURCES:
        part = part_of(path)
        if forbidden := {parts_in(name) for name in imported(path)} - {None, part, *KNOWS[part]}:
            offenders[str(path)] = forbidden
    assert offenders == {}


def test_a_library_has_one_owner() -> None:
    """optuna, mlflow and typer can be exchanged in one place each; no source imports by a name made up at run time."""
    libraries = {path: {name.split(".")[0] for name in imported(path)} for path in SOURCES}
    users = {library: {part_of(path) for path in SOURCES if library in libraries[path]} for library in OWNERS}
    assert users == OWNERS
    dynamic = {"importlib.import_module", "__import__"}
    called = {ast.unparse(n.func) for path in SOURCES for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}
    assert not called & {*dynamic, "import_module"}


def test_engines_take_names_of_columns_from_the_store() -> None:
    """Of the store an engine knows ``SNAPSHOT_COLUMNS``, and nothing that reads or writes."""
    paths = [path for path in SOURCES if part_of(path) == "engines"]
    taken = {name for path in paths for name in imported(path) if parts_in(name) == "store"}
    assert taken == ENGINES_TAKE


def test_engines_do_not_import_each_other() -> None:
    """An engine can be read, changed and deleted alone; parts that several share lie beside them in engines/."""
    for path in (path for path in SOURCES if part_of(path) == "engines"):
        place = path.with_suffix("").parts[2]
        names = [name.split(".") for name in imported(path) if name.startswith("harness.engines.")]
        met = {parts[2] for parts in names} & ENGINES - {place}
        assert met <= ENGINE_USERS.get(place, set()), f"{path} imports {sorted(met)}"


def test_the_documentation_shows_this_table() -> None:
    """docs/architecture.md lists the same parts in the same order, each with what it may import and with a subject."""
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)/?` \| (.*) \| (.*) \|$", text, re.MULTILINE)
    shown = {name: tuple(re.findall(r"`(\w+)`", known)) for name, known, _ in rows}
    assert list(shown.items()) == list(KNOWS.items())
    assert all(subject.strip() for _, _, subject in rows)


def test_importing_the_package_loads_no_heavy_library() -> None:
    """``import harness`` loads none of torch, mlflow, optuna, numba, ray, sympy, scipy and pandas."""
    heavy = ("torch", "mlflow", "optuna", "numba", "ray", "sympy", "scipy", "pandas")
    code = f"import sys, harness; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_files_and_functions_stay_short() -> None:
    """A file has at most 400 lines and a function at most 60, so that one subject fits one look."""
    lines = {str(path): len((ROOT / path).read_text().splitlines()) for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > MAX_FILE_LINES} == {}
    lengths = {
        f"{path}: {f.name}": (f.end_lineno or 0) - f.lineno + 1 for path in SOURCES for f in functions(tree(path))
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_every_test_says_what_it_promises() -> None:
    """A test module and each of its tests have a docstring."""
    silent = []
    for path in TESTS:
        module = tree(path)
        tests = [f for f in functions(module) if f.name.startswith("test")]
        silent += [path] * (not ast.get_docstring(module))
        silent += [f"{path}: {test.name}" for test in tests if not ast.get_docstring(test)]
    assert silent == []
