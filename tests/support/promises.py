"""docs/promises.md: what is promised, which faults can happen, and the tests that hold it.

``python tests/support/promises.py`` writes the page from the texts in promises.toml and from the marker ``promise`` on
the tests, which is read from their source.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"

#: Test files of which every test holds some promise.
ABOUT_PROMISES = re.compile(r"faults/test_\w+\.py|store/test_(store|files)\.py")

_HEAD = """\
# Promises

The promises of this program, the faults it is tested against, and the tests that prove each, in their own words.
Faults are injected for real: processes are killed, disks are full, files are damaged. Words are in the
[glossary](glossary.md).

Written by `nox -s docs` from `tests/support/promises.toml` and the tests. A hundred kills at random moments, each
followed by the same command again, are `nox -s faults`; its result is in [figures/faults.json](figures/faults.json).
"""

_ELSEWHERE = """\
## Faults that cannot happen here

One process writes a sweep, under a lock, and it writes whole populations. So none of these can happen:
"""


@dataclass(frozen=True)
class Test:
    """A test, what it promises in its own words, and the ids that its markers name."""

    place: str
    says: str
    ids: tuple[str, ...]


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """``promises``, ``faults`` and ``elsewhere``: the text of every id."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text())


@cache
def collected() -> tuple[Test, ...]:
    """Every test of the project, file by file."""
    return tuple(test for path in sorted((ROOT / "tests").rglob("test_*.py")) for test in _tests_of(path))


def page() -> str:
    """The page as it should be."""
    lines = [_HEAD]
    for part, title in (("promises", "Promises"), ("faults", "Faults")):
        lines.append(f"## {title}\n")
        for number, text in texts()[part].items():
            lines += [f"### {number}\n", f"{text}\n"]
            lines += [f"- `{test.place}`  \n  {_markdown(test.says)}" for test in collected() if number in test.ids]
            lines.append("")
    lines += [_ELSEWHERE, *(f"- **{number}** {text}" for number, text in texts()["elsewhere"].items())]
    return "\n".join(lines) + "\n"


def _tests_of(path: Path) -> Iterator[Test]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            says = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
            yield Test(f"{path.relative_to(ROOT / 'tests')}::{node.name}", says, tuple(_ids(node)))


def _ids(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.promise":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def _markdown(text: str) -> str:
    """Text as a paragraph of Markdown: reStructuredText's code marks become Markdown's, the rest stays literal."""
    parts = re.split(r"(``.+?``)", text)
    return "".join(part[1:-1] if part.startswith("``") else re.sub(r"([*_<\[\\|])", r"\\\1", part) for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page())
