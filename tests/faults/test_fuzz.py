"""Files made at random, and sound ones altered at random: an answer or one line, never a traceback."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.command_line import EXPERIMENT
from support.reports import page_of

from analysis.load import read_sweep
from analysis.report.context import report_context
from analysis.report.report_page import markdown_page
from harness.config import Experiment, load
from harness.data.target import Target
from harness.errors import InputError, StoreError
from harness.metrics.sample_files import score_file
from harness.store import SCHEMA, Store, slug

#: One file is written again and again, so that a fixture of the function may stay.
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

#: What stands between two marks of an experiment file: a word, a number, a string, a bracket.
TOKENS = re.findall(r'"[^"]*"|[\w.+-]+|\s+|.', EXPERIMENT)

VALUES = st.sampled_from(
    [
        "nan",
        "-inf",
        "1e308",
        "0",
        "-1",
        "1e-320",
        "true",
        "[]",
        "{}",
        '""',
        "2020-01-01",
        "99999999999999999999",
        "0x10",
    ]
)
WORDS = st.sampled_from(
    ["name", "seed", "lr_g", "[train]", "[search]", "choices", "low", "=", "=", '"', "[", "}", ".", "#", "\n"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MARKUP = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "=1+1", "\x1b[31m"]
)


class Elements(HTMLParser):
    """The names of the elements on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs if name.startswith("on"))}


def assert_one_line(error: Exception, start: str) -> None:
    """What a person reads begins with the file, and is one line of printable text."""
    line = str(error)
    assert line.isprintable()
    assert line.startswith(start)


def loaded(path: Path) -> Experiment | None:
    """The experiment, or None where it was refused as it should be: one printable line that names the file."""
    try:
        return load(path)
    except InputError as error:
        assert_one_line(error, f"{path}: ")
        return None


@pytest.mark.promise("P8", "P12")
@one_folder
@given(data=st.data())
def test_an_altered_experiment_is_one_or_is_refused(data: st.DataObject, tmp_path: Path) -> None:
    """Up to four words of the file replaced or doubled: an Experiment that comes back from its JSON, or a line."""
    tokens = list(TOKENS)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(tokens) - 1))
        tokens[place] = data.draw(st.one_of(VALUES, WORDS, TEXTS, st.sampled_from(TOKENS), st.just(tokens[place] * 2)))
    path = tmp_path / "altered.toml"
    path.write_text("".join(tokens), encoding="utf-8")
    if experiment := loaded(path):
        assert Experiment.from_json(json.loads(json.dumps(experiment.to_json()))) == experiment
        assert slug(experiment.name).strip(".") == slug(experiment.name)
    assert [p.name for p in tmp_path.iterdir()] == ["altered.toml"]


@pytest.mark.promise("P8", "P12")
@one_folder
@given(content=st.binary(max_size=200), place=st.integers(0, len(EXPERIMENT)))
@example(content=b"\x00", place=3)
@example(content=b"\xef\xbb\xbf", place=0)
def test_an_experiment_with_bytes_in_it_is_one_or_is_refused(content: bytes, place: int, tmp_path: Path) -> None:
    """Any bytes anywhere in the file."""
    whole = EXPERIMENT.encode()
    path = tmp_path / "altered.toml"
    path.write_bytes(whole[:place] + content + whole[place:])
    loaded(path)


@pytest.mark.promise("P8", "P12")
@one_folder
@given(
    suffix=st.sampled_from([".csv", ".npy"]),
    content=st.binary(max_size=300)
    | st.lists(st.sampled_from(["1", "nan", "inf", ",", "\n", "x", '"', "1e999"])).map(
        lambda parts: "".join(parts).encode()
    ),
    of_numpy=st.booleans(),
)
def test_any_score_file_is_scored_or_refused(suffix: str, content: bytes, of_numpy: bool, tmp_path: Path) -> None:
    """Through all of scoring: numbers that JSON can hold, or one line with the file's name."""
    path = tmp_path / f"sample{suffix}"
    path.write_bytes((b"\x93NUMPY\x01\x00" if of_numpy else b"") + content)
    try:
        json.dumps(score_file(path, Target(), None), allow_nan=False)
    except InputError as error:
        assert_one_line(error, str(path))


@pytest.mark.promise("P7", "F13")
@one_folder
@given(data=st.data())
def test_an_altered_file_of_a_sweep_is_the_old_one_or_is_refused(
    data: st.DataObject, finished_sweep: Store, tmp_path: Path
) -> None:
    """Bytes of a population or of sweep.json cut out, overwritten or inserted: the same content, or a StoreError."""
    name = data.draw(st.sampled_from(["populations/000002.parquet", "sweep.json"]))
    whole = (finished_sweep.folder / name).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(start + 50, len(whole))))
    altered = whole[:start] + data.draw(st.binary(max_size=50)) + whole[stop:]
    store = Store(tmp_path)
    (tmp_path / "populations").mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(altered)
    try:
        found = store.population(2) if name.startswith("p") else store.describe()
        wanted = finished_sweep.population(2) if name.startswith("p") else finished_sweep.describe()
        assert found == wanted
    except StoreError as error:
        assert_one_line(error, str(tmp_path / name))
    (tmp_path / name).unlink()


def any_value(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Any value of a column: what only another program, or a hostile one, would commit."""
    if pa.types.is_string(kind):
        return TEXTS | MARKUP
    if pa.types.is_integer(kind):
        return st.integers(-(2**31), 2**31 - 1)
    if pa.types.is_floating(kind):
        return st.floats() if kind.bit_width == 64 else st.floats(width=32)
    if pa.types.is_map(kind):
        return st.dictionaries(TEXTS, st.floats(), max_size=2)
    return st.lists(any_value(kind.value_type) | st.none(), max_size=3)


@pytest.mark.promise("P9", "F27")
@settings(one_folder, max_examples=15)
@given(data=st.data())
def test_any_sound_sweep_has_a_page(data: st.DataObject, finished_sweep: Store, tmp_path: Path) -> None:
    """Rows of random values and a description of random JSON, properly committed: a page without a new element.

    Only the pages: the figures of such rows are drawn from the same tables.
    """
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    store = Store(folder)
    rows = finished_sweep.population(2).to_pylist(maps_as_pydicts="strict")
    for name in data.draw(st.lists(st.sampled_from(SCHEMA.names), unique=True, max_size=6)):
        for row in rows:
            row[name] = data.draw(st.none() | any_value(SCHEMA.field(name).type))
    description = finished_sweep.describe()
    for name in data.draw(st.lists(st.sampled_from(sorted(description)), unique=True, max_size=3)):
        description[name] = data.draw(JSON)
    store.start(description)
    store.commit(0, rows, {})
    context = report_context(read_sweep(store))
    names = Elements(page_of(context)).names
    assert not names & {"img", "iframe", "link", "form", "onerror"}
    assert markdown_page(context)
