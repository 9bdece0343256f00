"""Parts of every benchmark's report: the machine it ran on, a document as a file, tables."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

Document = dict[str, Any]

#: Version of the documents that are written.
FORMAT = 1

#: Folder from which a process of its own imports the benchmarks.
FOLDER = Path(__file__).resolve().parent

#: Packages that a figure may depend on; those that are not installed are left out.
_PACKAGES = ("torch", "numpy", "numba", "llvmlite", "scipy", "jax", "jaxlib", "optuna", "mlflow", "pyarrow")

#: Load average a core above which a run before it began was not alone.
_BUSY = 0.5


@dataclass(frozen=True)
class Table:
    """Headings and rows of equal length; the first column is text, the others are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def text(self) -> str:
        """Title in bold and a table of Markdown whose columns are aligned."""
        widths = [max(3, *map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [
            " | ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])
            for cells in (self.headings, rule, *self.rows)
        ]
        return "\n".join([f"**{self.title}**\n", *(f"| {line} |" for line in lines)])


def environment(**changes: str) -> dict[str, str]:
    """Environment of a process that imports the benchmarks: this one's, with ``changes``."""
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **changes}


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, versions, date, and how busy the machine was before the run began."""
    from harness.engines.parallel import cores
    from harness.sweep.provenance import processor

    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions,
    }


def heading(document: Document) -> str:
    """Command, date, machine and versions, and a warning where the machine did other work."""
    machine: Mapping[str, Any] = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = (
        f"`{document['command']}`, {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; {versions}. Load average before the run: "
        f"{machine['load_before']}."
    )
    if machine["load_before"] <= _BUSY * machine["cores"]:
        return text
    return (
        f"{text}\n\n**The machine was busy (load average {machine['load_before']} before the run), so contenders that "
        "use all cores lost most of them. These figures only show that the benchmark runs.**"
    )


def write(document: Document, path: Path) -> None:
    """Write the document to a file; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def read(path: Path, part: str) -> Document:
    """Read a document that has this part.

    Raises:
        SystemExit: the file holds something else.
    """
    document: Document = json.loads(path.read_text())
    if document.get("format") != FORMAT or part not in document:
        raise SystemExit(f"{path}: no results of this benchmark (format {FORMAT}, with {part!r})")
    return document


def stopwatch() -> Callable[[str], None]:
    """Return a function that says on standard error what a run is at, with the seconds since the start."""
    start = time.perf_counter()
    return lambda what: print(f"[{time.perf_counter() - start:5.0f} s] {what}", file=sys.stderr, flush=True)
