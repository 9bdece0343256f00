"""The report: complete, self-contained, honest about what is missing, and nothing that a user wrote becomes markup."""

import base64
import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.fabricated import ARMS, fabricate_sweep
from support.reports import Outline, committed, page_of

from analysis.report import write_report, write_reports
from analysis.report.axes import extent
from analysis.report.report_page import markdown_page
from analysis.report.sections.answer import remarks
from analysis.report.sections.settings import budget_table
from analysis.report.tables import MAX_LINES, table_of
from harness.config import Experiment
from harness.errors import InputError, StoreError
from harness.store import SCHEMA, Store
from harness.text import visible

QUESTION = "Which label should the generator be trained towards?"
STORABLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
MARKUP = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "{{ 7*7 }}{% raw %}",
     "</td><td onclick='x'>", "| a | `b` |\n# c", "&lt;b&gt;", "<!--", "]]><![CDATA[", "' style='x", "a [b] c"]
)  # fmt: skip
HOSTILE = st.one_of(MARKUP, STORABLE, st.tuples(MARKUP, STORABLE).map("".join)).filter(str.strip)
ANY = st.one_of(HOSTILE, st.text(min_size=1)).filter(str.strip)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written report of four arms, one failed member among them."""
    made = tmp_path_factory.mktemp("sweep")
    fabricate_sweep(made, trials=3, seeds=2, confirm=6, failure="out of memory")
    write_report(made)
    return made


@pytest.fixture(scope="module")
def outline(two_arm_sweep: Store) -> Outline:
    """The page of the small sweep; the first arm's formula is not the registry's, and so is shown as text."""
    description = two_arm_sweep.describe()
    description["arms"][0]["generator"] = "f"
    return Outline(page_of(committed(description, two_arm_sweep.frame())))


#: Every figure of a page, as its files are named.
FIGURES = {
    "ranking", "differences", "improvement", "ranks", "final_ks", "profiles", "ks_over_steps", "losses",
    "gradient_norms", "gradient_anatomy", "densities", "quantiles", "cdf_differences", "budget", "importance", "slices",
    "parallel", "rates", "diagnosis",
}  # fmt: skip

#: Those of them for which three trials an arm are too few: the page says so instead.
UNDRAWN = {"importance"}


def test_an_axis_holds_numbers_of_any_size() -> None:
    """The room beside the largest number of float64 ends no axis at infinity."""
    assert extent([1e-300, 1.7e308], 1e-4) == (1e-4 / 1.25, pytest.approx(np.finfo(np.float64).max))
    assert extent([None, float("nan")], 1e-4) == (1e-4, 1.0)


def test_the_page_has_every_part(folder: Path) -> None:
    """Question, prediction, every arm with its formulas, lost members, provenance and all figures are on the page."""
    outline = Outline((folder / "report" / "report.html").read_text(encoding="utf-8"))
    text = " ".join(outline.text)
    parts = (QUESTION, "label 0 runs away", "t*softplus(-fake) + (1-t)*softplus(fake)", "Its slope vanishes early.")
    told = ("out of memory", "t 0.5", "gradient of D.weight1", "fabricated", "0" * 40, *(a.label for a in ARMS))
    for part in (*parts, *told):
        assert part in text
    assert {dict(a)["id"] for tag, a in outline.elements if tag == "figure"} >= FIGURES
    images = [dict(a) for tag, a in outline.elements if tag == "img"]
    assert len(images) == len(FIGURES - UNDRAWN)
    for image in images:
        assert image["alt"]
        assert base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


def test_formulas_are_mathematics_where_the_registry_has_them(folder: Path) -> None:
    """Arms whose recorded formulas are the registry's have MathML for both players; the dial's is written otherwise."""
    tags = [t for t, _ in Outline((folder / "report" / "report.html").read_text(encoding="utf-8")).elements]
    assert tags.count("math") == 2 * 3


def test_figures_are_sound_and_small(folder: Path) -> None:
    """Every figure's data are plotly's own (its Python package takes them), and hold at most 5000 numbers.

    Colours are names, which the page's script resolves; any colour stands for them here.
    """
    outline = Outline((folder / "report" / "report.html").read_text(encoding="utf-8"))
    scenes = {a["data-scene"]: json.loads(data) for a, data in outline.scripts if "data-scene" in a}
    assert set(scenes) == FIGURES - UNDRAWN
    for scene in scenes.values():
        count = 0
        for panel in scene["panels"]:
            whole = re.sub(
                r'"@[a-z0-9]+(:[0-9.]+)?"', '"#123456"', json.dumps({k: panel[k] for k in ("data", "layout")})
            )
            drawn = go.Figure(json.loads(whole))
            count += sum(len(t.y) if t.type != "heatmap" else len(t.y) * len(t.x) for t in drawn.data)
        assert 0 < count <= 5000


def test_overridden_needs_are_remarks(two_arm_sweep: Store) -> None:
    """A sweep whose [train] overrides what a variant needs says so; a spec that cannot be read says nothing."""
    spec = Experiment.from_json({"name": "x", "variants": ["ns_r1"], "r1": 1, "needs": {}}).to_json()
    told = [
        remarks(committed(two_arm_sweep.describe() | {"spec": s}, two_arm_sweep.frame()))
        for s in (spec, two_arm_sweep.describe()["spec"])
    ]
    assert told[0][-1] == "ns_r1 needs r1 = 10.0, but [train] says r1 = 1.0."
    assert not any("[train]" in remark for remark in told[1])


@pytest.mark.promise("P9", "P11")
def test_the_page_asks_nobody(folder: Path) -> None:
    """No link out, no frame; every source is inside the page, and its policy forbids any other.

    Of scripts only two run, plotly's and the page's own: the policy names them by their hashes. The rest are data.
    """
    outline = Outline((folder / "report" / "report.html").read_text(encoding="utf-8"))
    assert not {t for t, _ in outline.elements} & {"link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in outline.elements:
        for name, value in attributes:
            assert not name.startswith("on")
            assert name != "src" or (value or "").startswith("data:image/png;base64,")
            assert name != "href" or (value or "").startswith("#")
    policy = next(dict(a)["content"] for t, a in outline.elements if t == "meta" and "http-equiv" in dict(a)) or ""
    run = [text for attributes, text in outline.scripts if "type" not in attributes]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert policy == (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src "
        + " ".join(f"'sha256-{h}'" for h in hashes)
    )
    assert len(run) == 2


def test_tables_have_headers(folder: Path) -> None:
    """Every table has a caption and column headers with a scope."""
    outline = Outline((folder / "report" / "report.html").read_text(encoding="utf-8"))
    tags = [t for t, _ in outline.elements]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") > 6
    assert all(dict(a).get("scope") in ("col", "row") for t, a in outline.elements if t == "th")


def test_files_beside_the_page(folder: Path) -> None:
    """report.md has a line per arm, summary.json reads back without NaN; figures have copies and their numbers.

    A table's CSV and parquet hold the same lines.
    """
    report = folder / "report"
    lines = (report / "report.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| ") for line in lines) == 1 + len(ARMS)
    told = json.loads((report / "summary.json").read_text(), parse_constant=pytest.fail)
    assert told["sweep"]["name"] == "labels"
    assert {a["arm"] for a in told["arms"]} == {a.label for a in ARMS}
    with (report / "arms.csv").open(encoding="utf-8") as file:
        assert [r["arm"] for r in csv.DictReader(file)] == [a["arm"] for a in told["arms"]]
    for form in ("png", "svg"):
        assert {p.stem for p in report.glob(f"*.{form}")} == FIGURES
    assert {p.stem for p in report.glob("*.csv")} == {p.stem for p in report.glob("*.parquet")} >= {"arms", *FIGURES}
    for path in report.glob("*.parquet"):
        whole = pd.read_parquet(path)
        with path.with_suffix(".csv").open(encoding="utf-8") as file:
            lines = list(csv.reader(file))
        assert (lines[0], len(lines) - 1) == (list(whole.columns), len(whole))


@pytest.mark.promise("P10")
def test_the_report_is_a_function_of_the_rows(folder: Path, tmp_path: Path) -> None:
    """Written again from a copied folder, every file has the same bytes."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("report"))
    write_report(copy)
    for path in (folder / "report").iterdir():
        assert path.read_bytes() == (copy / "report" / path.name).read_bytes()


@pytest.mark.promise("P9")
@example(arm="a [b] c", failure="a [b] c", question="a [b] c", other="a [b] c")
@example(arm="<b>|`", failure="</td><td>", question="<script>alert(1)</script>", other='"><img src=x onerror=alert(1)>')
@settings(max_examples=6, deadline=None)
@given(arm=HOSTILE, failure=HOSTILE, question=ANY, other=HOSTILE)
def test_user_text_adds_no_element(
    two_arm_sweep: Store, outline: Outline, arm: str, failure: str, question: str, other: str
) -> None:
    """With hostile names, question, failure, formula and provenance the elements and attributes are the same.

    The texts appear on the page literally (control characters as escapes).
    """
    description, frame, old = two_arm_sweep.describe(), two_arm_sweep.frame(), ARMS[0].label
    frame["arm"] = [arm if a == old else a for a in frame["arm"]]
    frame["failure"] = [failure if f == "gone" else f for f in frame["failure"]]
    description["spec"] |= {"name": other, "question": question, "prediction": other}
    description["arms"][0] |= {"arm": arm, "generator": other, "citation": failure, "prediction": question}
    description["provenance"] |= {"device": other}
    found = Outline(page_of(committed(description, frame)))
    assert [shape(e) for e in found.elements] == [shape(e) for e in outline.elements]
    assert found.other == outline.other
    assert [a for a, _ in found.scripts] == [a for a, _ in outline.scripts]
    text = "".join(found.text)
    for told in (arm, failure, question, other):
        assert visible(told) in text


def shape(element: tuple[str, tuple[tuple[str, str | None], ...]]) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    """An element with its attributes, without what two of them say in words."""
    tag, attributes = element
    return tag, tuple((n, None if n in ("aria-label", "alt", "content") else v) for n, v in attributes)


@pytest.mark.promise("P9")
@settings(max_examples=8, deadline=None)
@given(arm=HOSTILE, question=HOSTILE)
def test_markdown_keeps_its_shape(two_arm_sweep: Store, arm: str, question: str) -> None:
    """A hostile name or question adds no line, heading or cell to report.md."""
    description, frame, old = two_arm_sweep.describe(), two_arm_sweep.frame(), ARMS[0].label
    plain = markdown_page(committed(description, frame)).splitlines()
    frame["arm"] = [arm if a == old else a for a in frame["arm"]]
    description["spec"] |= {"question": question}
    description["arms"][0] |= {"arm": arm}
    found = markdown_page(committed(description, frame)).splitlines()
    assert len(found) == len(plain)
    for one, two in zip(found, plain, strict=True):
        cells = [line.replace("\\\\", "").replace("\\|", "").count("|") for line in (one, two)]
        assert cells[0] == cells[1]
        assert one.startswith("#") == two.startswith("#")


@pytest.mark.promise("F27")
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_missing_data_are_said(two_arm_sweep: Store, data: st.DataObject) -> None:
    """Rows and columns of the table and keys of sweep.json removed at random: a page that names every arm it knows."""
    description, frame = two_arm_sweep.describe(), two_arm_sweep.frame()
    keep = data.draw(st.lists(st.integers(0, len(frame) - 1), unique=True, max_size=len(frame)))
    partial = frame.iloc[keep].copy()
    for name in data.draw(st.lists(st.sampled_from(SCHEMA.names), unique=True, max_size=8)):
        partial[name] = None
    for name in data.draw(st.lists(st.sampled_from(sorted(description)), unique=True)):
        description[name] = data.draw(st.sampled_from([None, [], {}, "text", 3]))
    text = "".join(Outline(page_of(committed(description, partial))).text)
    named = [a["arm"] for a in description["arms"]] if isinstance(description["arms"], list) else []
    for arm in named:
        assert arm in text
    if partial.empty:
        assert "No rows that can be compared are committed." in text


@pytest.mark.promise("F27")
def test_a_search_only_sweep_is_no_answer(tmp_path: Path) -> None:
    """Before the confirm stage the page says that its numbers are no comparison."""
    fabricate_sweep(tmp_path, arms=ARMS[:2], trials=2, confirm=0)
    text = "".join(Outline(write_report(tmp_path).read_text(encoding="utf-8")).text)
    assert "search only, not a comparison" in text
    assert "No answer yet" in text


@pytest.mark.promise("F27")
def test_an_empty_sweep_has_a_page(tmp_path: Path) -> None:
    """A sweep without any committed row gives a complete page that says so."""
    fabricate_sweep(tmp_path, arms=ARMS[:2], trials=0, confirm=0)
    text = "".join(Outline(write_report(tmp_path).read_text(encoding="utf-8")).text)
    assert "No rows that can be compared are committed." in text
    assert ARMS[0].label in text


@pytest.mark.promise("F17", "F27")
def test_all_members_diverged(tmp_path: Path) -> None:
    """All members diverged: all score 1, none succeeds, and the page lists them."""
    arms = [replace(a, diverging=1.0) for a in ARMS[:2]]
    fabricate_sweep(tmp_path, arms=arms, trials=1, confirm=3)
    text = " ".join(Outline(write_report(tmp_path).read_text(encoding="utf-8")).text)
    assert text.count("gradient of D.weight1") >= 6
    assert "1 (all values equal)" in text


def test_only_settings_that_say_something_are_shown(two_arm_sweep: Store) -> None:
    """A column for each setting in which arms differ; what all share is told where it is not the default.

    In the fabricated rows steps, hidden, lr_decay and, with one trial's rates for all, nothing else are set.
    """
    frame = two_arm_sweep.frame()
    frame["lr_d"] = 0.01
    frame["lr_g"] = [1e-3 if arm == ARMS[0].label else 2e-3 for arm in frame["arm"]]
    frame["activations_g"] = [["tanh"]] * len(frame)
    frame["noise"] = ["normal" if arm == ARMS[0].label else "uniform" for arm in frame["arm"]]
    table, shared, _ = budget_table(committed(two_arm_sweep.describe(), frame))
    assert table.columns[6:] == ("noise", "lr_g")
    assert {line[0]: line[6:] for line in table.lines} == {
        ARMS[0].label: ("normal", "0.001"),
        ARMS[1].label: ("uniform", "0.002"),
    }
    told, rest = shared.split(". ")
    assert told == "steps 2000, hidden 16, activations_g tanh, lr_d 0.01, lr_decay 1"
    assert rest == "Settings not named here are at their defaults"


def test_long_tables_are_cut_and_say_so() -> None:
    """A table of one line too many leaves out one and counts it."""
    table = table_of(pd.DataFrame({"seed": range(MAX_LINES + 1)}))
    assert (len(table.lines), table.left_out) == (MAX_LINES, 1)


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    """No report without a sweep, and nothing is written there."""
    with pytest.raises(StoreError, match="no sweep here"):
        write_report(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_several_sweeps_stand_on_one_page(tmp_path: Path) -> None:
    """Arms of both sweeps with their sweeps' names, figures of each, and in words what cannot be compared."""
    for name, seeds in (("one", 3), ("two", 4)):
        fabricate_sweep(tmp_path / name, arms=ARMS[:2], trials=2, confirm=seeds, name=name)
    description = Store(tmp_path / "two").describe()
    description["spec"]["target"]["params"] = {"loc": 0.0, "scale": 1.0}
    Store(tmp_path / "two").amend(description)
    page = write_reports([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    outline = Outline(page.read_text(encoding="utf-8"))
    text = "".join(outline.text)
    assert "Not the same target (one: norm(loc=4, scale=1.25); two: norm(loc=0, scale=1))" in text
    assert "Not the same confirm seeds (one: 3; two: 4)" in text
    figures = {dict(a)["id"] for tag, a in outline.elements if tag == "figure"}
    assert figures >= {"across", *(f"sweep{i}_{name}" for i in (1, 2) for name in FIGURES - {"ranks"})}
    arms = pd.read_csv(tmp_path / "both/arms.csv")
    assert arms["sweep"].tolist() == ["one", "one", "two", "two"]


def test_several_sweeps_need_a_folder(folder: Path, tmp_path: Path) -> None:
    """Without -o, and where a sweep is named twice, nothing is written and a line says why."""
    fabricate_sweep(tmp_path / "two", arms=ARMS[:1], trials=1, confirm=1)
    for folders, out in (([folder, tmp_path / "two"], None), ([folder, folder], tmp_path / "out")):
        with pytest.raises(InputError):
            write_reports(folders, out)
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
