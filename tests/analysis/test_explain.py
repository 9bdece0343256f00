"""The page "Why True?" without a browser: which labels are labels, its densities and sentences' numbers, its texts."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.command_line import harness
from support.paths import ROOT
from support.recordings import FILE, small
from support.sweeps import carry_on, experiment

from analysis.explain.__main__ import main
from analysis.explain.cast import CAST, label_of
from analysis.explain.encode import DRAWN, LOGITS, UNITS, encoded
from analysis.explain.explainer_page import SCRIPTS, html, inert, write_explainer
from analysis.explain.frames import ExplainerData, density, read_explainer_data, toward
from analysis.explain.texts import LANGUAGES, SAME_LOSS, same_loss_pair, texts, weakest_push
from analysis.plotting.theme import THEMES, styles_of
from harness.errors import InputError
from harness.losses import LOSSES, parse_variant
from harness.store import QUANTILE_LEVELS, Store

LEVELS = np.array(QUANTILE_LEVELS)
#: A name in braces, and a number as a text writes it.
PART, NUMBER = re.compile(r"\{(\w+)\}"), re.compile(r"\d+(?:[.,]\d+)*")


@pytest.fixture(scope="module")
def show(recorded: Store) -> ExplainerData:
    """The data of the page of the small recorded sweep."""
    return read_explainer_data(recorded)


class Told(HTMLParser):
    """The addresses that a page asks for, and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.asked += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]
        self._inside = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)
            self._inside = False


# -- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_a_label_is_read_off_the_formulas(t: float) -> None:
    """Whatever its name, a generator whose slope is sigmoid(l) - t, against label True's own D, has the label t."""
    assert label_of(f"generator_label(t={t})") == pytest.approx(t, abs=1e-12)


def test_label_true_and_false_are_ends_of_the_dial_and_others_are_on_none() -> None:
    """non_saturating is 1, flipped_labels 0; minimax has another slope, flipped_convention another D."""
    found = {name: label_of(name) for name in LOSSES}
    assert {name: label for name, label in found.items() if label in (0.0, 1.0)}.keys() >= {
        "non_saturating",
        "flipped_labels",
    }
    assert (found["non_saturating"], found["flipped_labels"]) == (1.0, 0.0)
    assert found["minimax"] is found["flipped_convention"] is found["least_squares"] is found["rpgan"] is None


@given(st.floats(-3, 8), st.floats(0.5, 3))
def test_a_density_is_that_of_the_law(mean: float, sd: float) -> None:
    """From the 200 quantiles of a normal law: its density widened by 2 %, within a hundredth of its peak's height."""
    law = stats.norm(mean, sd)
    grid = np.linspace(-20, 25, 901)
    found = density(law.ppf(LEVELS)[None], grid)[0]
    assert np.trapezoid(found, grid) == pytest.approx(1, abs=1e-3)
    wider = stats.norm(mean, sd * np.sqrt(1 + 0.2**2)).pdf(grid)
    assert np.abs(found - wider).max() < 0.015 / sd


def test_toward_counts_pushes_along_the_transport(show: ExplainerData) -> None:
    """All of them where each force is the way to the target's value of the same rank, none where it is the reverse."""
    run = show.members[0]
    way = show.target.quantile(LEVELS) - run.values
    assert toward(replace(run, forces=way), show.target).tolist() == [1.0] * len(run.ks)
    assert toward(replace(run, forces=-way), show.target).tolist() == [0.0] * len(run.ks)


def test_same_loss_finds_the_worst_pair(show: ExplainerData) -> None:
    """Of all pairs whose losses differ by at most SAME_LOSS, the one whose KS differ most; None without any."""
    losses, ks = np.array([np.nan, 0.7, 0.9, 0.71, 0.705]), np.array([1.0, 1.0, 0.4, 0.5, 0.1])
    found = same_loss_pair(replace(show.members[0], loss_g=losses, ks=ks))
    assert found is not None
    assert (found.early, found.late, found.gap) == (1, 4, pytest.approx(0.9))
    apart = np.array([np.nan, 1.0, 2.0, 3.0, 4.0])
    assert same_loss_pair(replace(show.members[0], loss_g=apart, ks=ks)) is None
    assert 0 < SAME_LOSS < 0.05


def test_the_cast_is_one_seed_at_the_files_own_setting(show: ExplainerData) -> None:
    """Five runs of trial 0 that share seed and rates, in the order of the cast; each variant is written canonically."""
    runs = [show.members[place] for place in show.cast.values()]
    assert [run.loss for run in runs] == list(CAST.values())
    assert len({(run.seed, run.lr_d, run.lr_g, run.trial) for run in runs}) == 1
    assert {run.trial for run in runs} == {0}
    assert all(LOSSES.text(parse_variant(loss)[0].name, parse_variant(loss)[1]) == loss for loss in CAST.values())
    assert set(CAST.values()) <= set(small().variants)


def test_losses_stand_at_their_steps(show: ExplainerData, recorded: Store) -> None:
    """Nothing at the start, then the committed snapshots."""
    rows = {row["key"]: row for row in recorded.table().to_pylist()}
    for run in show.members:
        assert np.isnan([run.loss_g[0], run.loss_d[0]]).all()
        np.testing.assert_array_equal(run.loss_g[1:], rows[run.key]["snapshot_loss_g"])
        np.testing.assert_array_equal(run.loss_d[1:], rows[run.key]["snapshot_loss_d"])


def test_packed_frames_come_back(show: ExplainerData) -> None:
    """Half a unit from what was recorded: decisions, and the drawn values, logits and forces, run by run."""
    made = encoded(show)
    count, frames = len(show.members), len(show.steps)
    decisions = np.frombuffer(base64.b64decode(made["packed"]["decision"]), np.uint8).reshape(count, frames, -1) / 255
    samples = np.frombuffer(base64.b64decode(made["packed"]["samples"]), "<i2").reshape(count, frames, -1, 3)
    for place, run in enumerate(show.members):
        assert np.abs(decisions[place] - 1 / (1 + np.exp(-run.curve))).max() <= 0.5 / 255 + 1e-7
        for part, (exact, unit) in enumerate(zip((run.values, run.logits, run.forces), UNITS, strict=True)):
            held = np.clip(exact[:, DRAWN], -32768 * unit, 32767 * unit)
            assert np.abs(samples[place, :, :, part] * unit - held).max() <= unit / 2 + 1e-7
    json.dumps(made, allow_nan=False)


def test_slopes_are_the_registrys(show: ExplainerData) -> None:
    """sigma(l) - t for the labels and -sigma(l) for minimax, by their closed forms; one colour each, the report's."""
    sigma = 1 / (1 + np.exp(-LOGITS.numpy()))
    told = {loss["name"]: loss for loss in encoded(show)["losses"]}
    for loss in told.values():
        expected = -sigma if loss["name"] == "minimax" else sigma - (loss["label"] or 0)
        np.testing.assert_allclose(loss["slopes"], expected, atol=6e-5)
    assert told["non_saturating"]["slope"] == "−σ(−ℓ)"
    styles = styles_of(show.losses)
    for theme, colours in THEMES.items():
        assert [loss["colours"][theme] for loss in told.values()] == [colours[styles[name].colour] for name in told]
        assert len({told[loss]["colours"][theme] for loss in CAST.values()}) == len(CAST)


# -- what is read -------------------------------------------------------------------------------------------------


def entries(language: str) -> Iterator[tuple[str, str]]:
    """Every text of a language by "section.key"."""
    for section, keys in texts(language).items():
        for key, text in keys.items():
            yield f"{section}.{key}", text


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_languages_say_the_same(language: str) -> None:
    """The same keys; in each text the same names in braces, the same numbers, and paired marks of emphasis."""
    first, other = dict(entries(LANGUAGES[0])), dict(entries(language))
    assert list(first) == list(other)
    for key, text in first.items():
        assert sorted(PART.findall(text)) == sorted(PART.findall(other[key])), key
        assert sorted(NUMBER.findall(text)) == sorted(NUMBER.findall(other[key])), key
        assert text.count("*") % 2 == other[key].count("*") % 2 == 0, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_used(language: str) -> None:
    """The scripts and the template name each key, or make its name from a part of it; none is left over."""
    folder = ROOT / "analysis/explain/page"
    said = "".join(path.read_text() for path in folder.iterdir())
    made = ("cast.", "foot.", "box.what_", "box.allowed_", "lesson.col_", "sentence.")
    unused = [key for key, _ in entries(language) if key not in said and not key.startswith(made)]
    pairs = {(section, key) for section, key in re.findall(r'say\("\w+", "(\w+)", "(\w+)"', said)}
    assert [key for key in unused if tuple(key.split(".")) not in pairs] == []


def test_the_seeds_question_is_asked_in_chinese() -> None:
    """The second language is simplified Chinese, and its page has the question's title."""
    assert LANGUAGES == ("en", "zh-Hans")
    assert texts("zh-Hans")["page"]["title"] == "为什么训练生成器时标签总是 True？"


# -- the page -----------------------------------------------------------------------------------------------------


def test_the_page_asks_nobody(show: ExplainerData) -> None:
    """No source but the empty icon inside it; its policy allows one script, by its hash, and no connection at all."""
    page = html(show)
    told = Told(page)
    assert told.asked == ["data:,"]
    assert "default-src 'none'" in page
    assert len(told.scripts) == 2
    assert "fetch(" not in told.scripts[1]
    assert all((Path("analysis/explain/page") / name).suffix == ".js" for name in SCRIPTS)


@given(st.text())
def test_nothing_in_the_data_ends_its_element(text: str) -> None:
    """Whatever a name holds, the data read back are the same, and no sign that could be markup stands in them."""
    written = inert({"name": text, "tag": "</script><!--"})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {"name": text, "tag": "</script><!--"}


def test_a_hostile_sweep_is_shown_as_text(show: ExplainerData) -> None:
    """A name and a commit that are markup stay inside the data."""
    evil = "<img src=x onerror=alert(1)></script>"
    description = {**show.description, "name": evil, "provenance": {"git_commit": evil}}
    page = html(replace(show, description=description))
    assert evil not in page
    assert page.count("</script>") == 2


def test_the_page_is_small(show: ExplainerData) -> None:
    """A run and frame take less than 400 bytes, so that the 126 runs of the experiment stay below 3 MB."""
    page = html(show)
    frames = len(show.members) * len(show.steps)
    cast = tuple(show.members[index] for index in sorted(show.cast.values()))
    fixed = len(html(replace(show, members=cast, cast={word: i for i, word in enumerate(show.cast)})))
    per_frame = (len(page) - fixed) / (frames - len(show.cast) * len(show.steps))
    assert per_frame < 470
    assert fixed < 150_000


def test_the_command_makes_what_is_missing_and_then_nothing(tmp_path: Path) -> None:
    """In an empty place: sweep, recording and page; again with -o: the page alone, and no member is trained."""
    lines = FILE.read_text().replace("steps = 2000", "steps = 20\nbatch = 20\nhidden = 8")
    lines = lines.replace('noise = "normal"\n', "")  # whose table takes seconds to make
    lines = re.sub(r"snapshots = \[.*?\]", "snapshots = [5, 20]", lines, flags=re.DOTALL)
    lines = (
        lines.replace("trials = 6", "trials = 1").replace("seeds = 3", "seeds = 1").replace("seeds = 6", "seeds = 1")
    )
    (tmp_path / "why.toml").write_text(lines)
    first = harness(tmp_path, "explain", "why.toml")
    assert (first.returncode, first.stdout) == (0, "sweeps/why_true/explain/why_true.html\n"), first.stderr
    recording = (tmp_path / "sweeps/why_true/recording.parquet").read_bytes()
    again = harness(tmp_path, "explain", "why.toml", "-o", "there")
    assert (again.returncode, again.stdout) == (0, "there/why_true.html\n")
    assert "members in" not in again.stderr
    assert (tmp_path / "sweeps/why_true/recording.parquet").read_bytes() == recording
    kept = harness(tmp_path, "clean")
    assert "explain" not in kept.stdout + kept.stderr
    assert "recording" not in kept.stdout + kept.stderr


def test_a_sweep_without_the_cast_is_refused(tmp_path: Path) -> None:
    """Not recorded, or without a variant that the page is about: one line that says so, and no file."""
    store = carry_on(experiment(), tmp_path / "small")
    with pytest.raises(InputError, match="is not recorded yet; `harness explain` records it"):
        write_explainer(store.folder)
    assert main([str(store.folder)]) == 2
    assert not (store.folder / "explain").exists()


def test_page_and_figure_by_module(recorded: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m analysis.explain`` prints the one path that it wrote: the page, or a PNG of the runs."""
    shutil.copytree(recorded.folder, tmp_path / "sweep")
    assert main([str(tmp_path / "sweep")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'sweep/explain/why_true.html'}\n"
    assert main([str(tmp_path / "sweep"), "--figure", str(tmp_path / "why.png")]) == 0
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_late_is_where_the_push_was_least_before_either_arrived(show: ExplainerData) -> None:
    """The frame of the least ratio of mean pushes, counted to the first arrival; none where one never arrives."""
    ks = np.array([1.0, 1.0, 0.9, 0.5, 0.05, 0.05])
    pushes, others = np.array([1.0, 0.5, 0.1, 0.4, 0.0, 0.0]), np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    run, other = (
        replace(show.members[0], ks=values, forces=np.repeat(push[:, None], 4, axis=1))
        for values, push in ((ks, pushes), (np.append(ks[:1], ks[:-1]), others))
    )
    found = weakest_push(run, other, 0.1)
    assert found is not None
    assert (found.frame, found.arrived, found.other_arrived) == (2, 4, 5)
    assert weakest_push(run, replace(other, ks=np.ones(6)), 0.1) is None
