"""Reading an experiment file. The file is untrusted: it is data, of bounded size and depth."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.error_messages import keys, one_line, quoted, unknown_key
from harness.config.experiment import Experiment
from harness.config.search import SEARCHABLE
from harness.errors import InputError

MAX_BYTES = 2**20

#: Fields of ``Experiment`` that a file may not set.
_DERIVED = ("needs",)

#: A dotted key of over 32 parts. tomllib takes time and memory that grow with the square of its length.
_LONG_KEY = re.compile(
    r"""(?m)(?:^|[\[{,])[ \t]*+(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}"""
)


def load(path: Path | str, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment that a file describes, after ``overrides`` such as ``"train.steps=100"``.

    The value of an override is read as TOML, or else as text, so ``search.sampler=sobol`` works.

    Raises:
        InputError: one line with the file, the key, the fault and the allowed values. Nothing was started.
    """
    path = Path(path)
    shown = str(path) if str(path).isprintable() else quoted(str(path))
    try:
        data = parse(_read(path))
    except InputError as error:
        raise InputError(f"{shown}: {error}") from None
    return from_table(data, overrides, shown)


def from_table(data: dict[str, Any], overrides: Sequence[str], shown: str) -> Experiment:
    """The experiment that a file's content describes; ``shown`` stands for the file in messages.

    Raises:
        InputError: as ``load``.
    """
    try:
        for override in overrides:
            _apply(data, override)
        for key in _DERIVED:
            if key in data:
                raise InputError(unknown_key(key, known_keys(), beside(key)))
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{shown}: {one_line(error, Experiment, _DERIVED)}") from None
    except InputError as error:
        raise InputError(f"{shown}: {error}") from None


def known_keys() -> list[str]:
    """Every dotted key that a file may set, without loss parameters in the space and shapes of the target's law."""
    listed = list(keys(Experiment, _DERIVED))
    return [*listed, "target.law", "target.loc", "target.scale", *(f"search.space.{key}" for key in SEARCHABLE)]


def beside(key: str) -> list[str]:
    """The keys of the table that a dotted key would be in, or those of the file if there is no such table."""
    known = known_keys()
    siblings = [other for other in known if other.rpartition(".")[0] == key.rpartition(".")[0]]
    return siblings or [other for other in known if "." not in other]


def parse(content: bytes) -> dict[str, Any]:
    """The tables of a TOML text in UTF-8.

    Raises:
        InputError: the content is too large, nested too deeply, not UTF-8 or not TOML.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES} bytes; write an experiment of at most 1 MiB")
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InputError("starts with a byte order mark; save the file as UTF-8 without one")
    if b"\0" in content:
        raise InputError(f"holds a NUL byte at {content.index(0)}; write TOML as UTF-8 text")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    if _LONG_KEY.search(text):
        raise InputError("has a key of over 32 parts; write an experiment as TOML")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError("is nested too deeply; write an experiment as TOML") from None
    except ValueError as error:  # also for an int of thousands of digits
        raise InputError(f"is not TOML: {_reason(error)}; write an experiment as TOML") from None


def _read(path: Path) -> bytes:
    try:
        regular, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name too long, or a NUL in the path
        regular = folder = False
    if folder:
        raise InputError("is a folder; name an experiment file (TOML)")
    if not regular:
        raise InputError("no such file; name an experiment file (TOML)")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); make the file readable") from None


def _reason(error: BaseException) -> str:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first if first.isprintable() and len(first) <= 200 else quoted(first, 200)


def _apply(data: dict[str, Any], override: str) -> None:
    """Set one ``key=value`` in the data of a file."""
    key, equals, text = override.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not text:
        raise InputError(f"--set {quoted(override)}: write KEY=VALUE, such as train.steps=100")
    known = known_keys()
    free = re.fullmatch(r"target\.\w{1,60}|search\.space\.\w{1,60}(?:\.(?:low|high|log|choices))?", key)
    if key not in known and not free:
        raise InputError(f"--set: {unknown_key(key, known, beside(key))}")
    *tables, leaf = key.split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise InputError(f"--set {quoted(override)}: {table!r} is not a table in this file; make it one")
    data[leaf] = _value(text)


def _value(text: str) -> Any:
    if not text.isprintable():
        raise InputError(f"--set: got {quoted(text)}; write a value of printable characters on one line")
    try:
        return parse(b"value = " + text.encode())["value"]
    except InputError:
        return text
