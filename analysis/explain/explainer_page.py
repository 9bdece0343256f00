"""The page as one file: the template with its style and scripts inlined, texts of all languages, and the frames."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.explain.encode import packed
from analysis.explain.frames import Show, read_show
from analysis.explain.words import LANGUAGES, texts
from harness.store import Store, write_whole
from harness.text import visible

#: In the order in which they are run; they share one scope.
SCRIPTS = ("show.js", "words.js", "drawing.js", "panels.js", "stage.js", "lessons.js", "box.js", "main.js")

#: Libraries whose versions stand on the page; ``sweep.json`` has all.
_TOLD = ("harness", "python", "torch", "numpy", "scipy")


def write_explainer(folder: Path, out: Path | None = None) -> Path:
    """Write the page of the recorded sweep in ``folder``: ``explain/why_true.html`` there, or in ``out``; its path.

    Raises:
        StoreError: there is no sweep, its recording is damaged, or the system refuses to write.
        InputError: it is not recorded, or lacks a variant that the page is about.
    """
    path = (out or folder / "explain") / "why_true.html"
    write_whole(path, html(read_show(Store(folder))).encode("utf-8", "backslashreplace"))
    return path


def html(show: Show) -> str:
    """The page of a show. It asks nobody for anything, and its policy allows no script but its own."""
    environment = Environment(
        loader=PackageLoader("analysis.explain", "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    script = '"use strict";\n(() => {\n' + "\n".join(_part(name) for name in SCRIPTS) + "})();\n"
    data = packed(show) | {"texts": {language: texts(language) for language in LANGUAGES}, "made": made(show)}
    return environment.get_template("explain.html").render(
        t=texts(LANGUAGES[0]),
        cast=list(show.cast),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        script=Markup(script),  # noqa: S704 -- the package's own files
        style=Markup(_part("style.css")),  # noqa: S704
        data=Markup(inert(data)),  # noqa: S704 -- escaped by ``inert``
    )


def inert(data: object) -> str:
    """JSON that can stand in a script element: no ``<``, ``>`` or ``&``, so that nothing in it ends the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def made(show: Show) -> dict[str, Any]:
    """Where the page was made: the sweep's own provenance, the command and the time, as text."""
    told: Mapping[str, Any] = show.description.get("provenance") or {}
    facts = {
        "sweep": show.description.get("name"),
        "created": show.description.get("created"),
        "engine": ", ".join(sorted({run.engine for run in show.runs})),
        "commit": told.get("git_commit"),
        "versions": ", ".join(f"{name} {told[name]}" for name in _TOLD if told.get(name)),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    shown = {name: None if value is None else visible(value) for name, value in facts.items()}
    return shown | {"dirty": bool(told.get("git_dirty"))}


def _part(name: str) -> str:
    return files("analysis.explain").joinpath("page", name).read_text(encoding="utf-8")
