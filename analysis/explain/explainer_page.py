"""The page as one file: the template with inlined style and scripts, the texts of all languages, and the data."""

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

from analysis.explain.encode import encoded
from analysis.explain.frames import ExplainerData, read_explainer_data
from analysis.explain.texts import LANGUAGES, texts
from harness.store import Store, write_whole
from harness.text import visible

#: The scripts in the order in which they run; they share one scope.
SCRIPTS = ("show.js", "words.js", "drawing.js", "panels.js", "stage.js", "lessons.js", "box.js", "main.js")

#: Libraries whose versions stand on the page; ``sweep.json`` has all.
_LIBRARIES = ("harness", "python", "torch", "numpy", "scipy")


def write_explainer(folder: Path, out: Path | None = None) -> Path:
    """Write the page of the recorded sweep in ``folder``: ``explain/why_true.html`` there, or in ``out``; its path.

    Raises:
        StoreError: there is no sweep, its recording is damaged, or the system refuses to write.
        InputError: it is not recorded, or lacks a variant that the page is about.
    """
    path = (out or folder / "explain") / "why_true.html"
    write_whole(path, html(read_explainer_data(Store(folder))).encode("utf-8", "backslashreplace"))
    return path


def html(data: ExplainerData) -> str:
    """The page. It loads nothing from elsewhere, and its policy allows no script but its own."""
    environment = Environment(
        loader=PackageLoader("analysis.explain", "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    script = '"use strict";\n(() => {\n' + "\n".join(_source(name) for name in SCRIPTS) + "})();\n"
    languages = {language: texts(language) for language in LANGUAGES}
    values = encoded(data) | {"texts": languages, "made": provenance(data)}
    return environment.get_template("explain.html").render(
        t=texts(LANGUAGES[0]),
        cast=list(data.cast),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        script=Markup(script),  # noqa: S704 -- the package's own files
        style=Markup(_source("style.css")),  # noqa: S704
        data=Markup(inert(values)),  # noqa: S704 -- escaped by ``inert``
    )


def inert(values: object) -> str:
    """JSON that can stand in a script element: no ``<``, ``>`` or ``&``, so that nothing in it ends the element."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def provenance(data: ExplainerData) -> dict[str, Any]:
    """The sweep's own provenance, and the command and time of this page, as text."""
    recorded: Mapping[str, Any] = data.description.get("provenance") or {}
    facts = {
        "sweep": data.description.get("name"),
        "created": data.description.get("created"),
        "engine": ", ".join(sorted({member.engine for member in data.members})),
        "commit": recorded.get("git_commit"),
        "versions": ", ".join(f"{name} {recorded[name]}" for name in _LIBRARIES if recorded.get(name)),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    shown = {name: None if value is None else visible(value) for name, value in facts.items()}
    return shown | {"dirty": bool(recorded.get("git_dirty"))}


def _source(name: str) -> str:
    return files("analysis.explain").joinpath("page", name).read_text(encoding="utf-8")
