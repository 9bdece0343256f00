"""Faults of an experiment on one line: the key, the fault, the allowed values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from harness.errors import InputError


def quoted(value: object, length: int = 60) -> str:
    """The value as Python writes it, control characters escaped, cut to ``length`` characters."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python converts to text
        text = "a number with thousands of digits"
    except RecursionError:
        text = "a value nested too deeply"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word most like ``word``: one that ends in it after a dot, else the closest by matching characters."""
    known = list(words)
    leaf = word.rpartition(".")[2]
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    close = same_leaf or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return close[0] if close else None


def choose(word: object, words: Iterable[str]) -> str:
    """``got 'tpee'; nearest: 'tpe'; allowed: tpe, random``, for a word that is none of ``words``."""
    known = list(words)
    near = nearest(word, known) if isinstance(word, str) and len(word) < 200 else None
    hint = f"; nearest: {near!r}" if near else ""
    return f"got {quoted(word)}{hint}; allowed: {', '.join(known)}"


def unknown_key(key: str, words: Iterable[str], allowed: Iterable[str] = ()) -> str:
    """``unknown key 'train.stepz'; nearest: 'train.steps'; allowed: ...``, which lists ``allowed`` or all words."""
    known = list(words)
    near = nearest(key, known) if len(key) < 200 else None
    hint = f"; nearest: {near!r}" if near else ""
    return f"unknown key {quoted(key)}{hint}; allowed: {', '.join(allowed or known)}"


def keys(root: type[BaseModel], hidden: Iterable[str] = (), prefix: str = "") -> Iterator[str]:
    """Every dotted key below ``root`` except the ``hidden`` ones, a table before its keys."""
    for name, field in root.model_fields.items():
        if name in hidden:
            continue
        yield f"{prefix}{name}"
        table = field.annotation
        if isinstance(table, type) and issubclass(table, BaseModel):
            yield from keys(table, prefix=f"{prefix}{name}.")


def one_line(error: ValidationError, root: type[BaseModel], hidden: Iterable[str] = ()) -> InputError:
    """The first fault that pydantic reports, with the number of further ones."""
    faults = [e for e in error.errors(include_url=False) if e["type"] != "default_factory_not_called"]
    first, more = faults[0], len(faults) - 1
    key = ".".join(part for part in first["loc"] if isinstance(part, str))
    field = _field(root, first["loc"])
    allowed = f"; allowed: {field.description}" if field and field.description else ""
    if first["type"] == "extra_forbidden":
        table = ".".join(part for part in first["loc"][:-1] if isinstance(part, str))
        fields = [name for name in _model(root, first["loc"][:-1]).model_fields if table or name not in hidden]
        siblings = [f"{table}.{name}" if table else name for name in fields]
        key, text = "", unknown_key(key, dict.fromkeys([*keys(root, hidden), *siblings]), fields)
    elif first["type"] == "missing":
        text = f"missing{allowed}"
    elif first["type"] == "literal_error" and field:
        text = choose(first["input"], _words(field.annotation))
    elif first["type"] == "value_error":
        whole = isinstance(first["input"], dict) and (field is None or _table(field) is not None)
        # A rule that joins keys of a table names the values that break it; quoting the whole table would bury them.
        text = f"{first['ctx']['error']}" + ("" if whole else f" (got {quoted(first['input'])}){allowed}")
    elif isinstance(first["input"], str | int | float | bool):
        text = f"got {quoted(first['input'])}{allowed}"
    else:
        text = f"got {type(first['input']).__name__} {quoted(first['input'])}{allowed}"
    rest = f" (and {more} more fault{'s' if more > 1 else ''})" if more else ""
    shown = key if key.isprintable() else quoted(key)
    return InputError(f"{shown}: {text}{rest}" if key else f"{text}{rest}")


def _words(annotation: Any) -> list[str]:
    """The words of the Literal that a field holds, itself or in a list."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for part in get_args(annotation) for word in _words(part)]


def _table(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, directly or as the values of a mapping."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
    return None


def _field(root: type[BaseModel], loc: tuple[Any, ...]) -> FieldInfo | None:
    """The innermost field that a location passes through."""
    field: FieldInfo | None = None
    model = root
    for part in loc:
        if part in model.model_fields:
            field = model.model_fields[str(part)]
            model = _table(field) or model
    return field


def _model(root: type[BaseModel], loc: tuple[Any, ...]) -> type[BaseModel]:
    """The innermost model that a location lies in."""
    field = _field(root, loc)
    return (field and _table(field)) or root
