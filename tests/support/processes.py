"""Python processes that have the harness in reach."""

from __future__ import annotations

import sys

from support.paths import ROOT


def python(program: str, *arguments: object) -> list[str]:
    """The command line of a Python process with the harness in reach."""
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}", *map(str, arguments)]


#: Holds the lock of the sweep in the folder ``sys.argv[1]`` until its standard input ends.
HOLD = """
from pathlib import Path
from harness.store import Store
with Store(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
