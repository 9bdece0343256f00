"""The page "Why True?" in a real browser: offline, by keyboard, in both languages and colours, with the nearest run."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.browser import Tab

from analysis.explain.explainer_page import write_explainer
from analysis.explain.frames import ExplainerData, RecordedMember, read_explainer_data
from analysis.explain.texts import texts
from harness.store import Store

pytestmark = pytest.mark.browser

EN, ZH = texts("en"), texts("zh-Hans")


@pytest.fixture(scope="module")
def explainer_page(recorded: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the small recorded sweep, in a folder of its own."""
    return write_explainer(recorded.folder, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def show(recorded: Store) -> ExplainerData:
    """The data that it shows."""
    return read_explainer_data(recorded)


@pytest.fixture
def page(tab: Tab, explainer_page: Path) -> Page:
    """The page, opened from its file; whatever goes wrong in it fails the test."""
    return tab.open(explainer_page)


def step_told(page: Page) -> int:
    """The step that stands beside the slider."""
    found = re.search(r"[\d,]+", page.locator("#step").inner_text())
    assert found
    return int(found[0].replace(",", ""))


def move(page: Page, frame: int) -> None:
    """Drag the slider to a frame."""
    page.locator("#slider").fill(str(frame))


def test_every_run_stands_with_its_panels_and_their_numbers(page: Page, show: ExplainerData) -> None:
    """Five cards of four drawings, each with a text that holds the frame's numbers; none is empty or undefined."""
    move(page, 3)
    for word, place in show.cast.items():
        card, run = page.locator(f"#card-{word}"), show.members[place]
        drawings = card.locator("svg[role=img]")
        expect(drawings).to_have_count(4)
        told = [drawings.nth(i).get_attribute("aria-label") or "" for i in range(4)]
        assert f"{run.values[3].mean():.2f}".replace("-", "−")[:4] in told[0]
        assert f"KS {run.ks[3]:.2f}" in card.locator(".sentence").first.inner_text()
        assert f"{run.ks[3]:.2f} at step {show.steps[3]}" in told[2]
        assert f"ends at {run.ks[-1]:.2f}" in card.locator(".sentence").last.inner_text()
        for label in told:
            assert EN["cast"][word] in label
    for text in (page.inner_text("main"), *page.locator("svg").evaluate_all("all => all.map(one => one.outerHTML)")):
        assert not re.search(r"undefined|NaN|Infinity|\{\w+\}", text)


def test_drawings_all_have_texts_that_move_with_the_slider(page: Page) -> None:
    """Not one drawing of the page is without a text, and the texts of two frames differ for each that shows a run."""
    texts_at = []
    for frame in (1, 5):
        move(page, frame)
        texts_at.append(page.locator("svg").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"))
    assert all(texts_at[0])
    assert len(texts_at[0]) == 5 * 4 + 1 + 5 + 1 + 4
    assert sum(one != other for one, other in zip(*texts_at, strict=True)) >= 29


def test_the_slider_and_its_keys_move_the_step(page: Page, show: ExplainerData) -> None:
    """Right and left by one frame, End and Home to the ends; the text for those who cannot see it follows."""
    slider = page.locator("#slider")
    move(page, 2)
    assert step_told(page) == show.steps[2]
    slider.focus()
    for key, frame in (("ArrowRight", 3), ("ArrowLeft", 2), ("End", len(show.steps) - 1), ("Home", 0)):
        page.keyboard.press(key)
        assert step_told(page) == show.steps[frame]
        assert slider.get_attribute("aria-valuetext") == page.locator("#step").inner_text()


def test_play_runs_from_the_start_to_the_end_and_can_be_paused(page: Page, show: ExplainerData) -> None:
    """Nothing moves before play is pressed; then the button pauses, and play from the last frame begins anew."""
    play, first = page.locator("#play"), step_told(page)
    page.wait_for_timeout(400)
    assert step_told(page) == first
    play.focus()
    page.keyboard.press("Enter")
    expect(play).to_have_text(EN["page"]["pause"])
    expect(page.locator("#step")).to_contain_text(f"step {show.steps[-1]} of")
    expect(play).to_have_text(EN["page"]["play"])
    play.click()
    page.keyboard.press("Enter")
    expect(play).to_have_text(EN["page"]["play"])
    assert step_told(page) < show.steps[-1]


def test_the_language_changes_everywhere(page: Page) -> None:
    """lang, title, headings, sentences, drawings' texts and the button; and back again."""
    page.locator("#language").click()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert page.title() == ZH["page"]["title"]
    expect(page.locator("h1")).to_have_text(ZH["page"]["title"])
    expect(page.locator("#card-true h3")).to_have_text(ZH["cast"]["true"])
    for words in page.locator("[data-t]").all_inner_texts():
        assert re.search(r"[\u4e00-\u9fff]", words), words
    assert all("第" in (label or "") or "步" in (label or "") for label in page.locator(".card svg").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"))  # fmt: skip
    page.locator("#language").click()
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.locator("h1")).to_have_text(EN["page"]["title"])


def test_the_colours_change_and_follow_the_system(page: Page) -> None:
    """A button between light and dark; until it is pressed the system's choice counts, also while the page is open."""
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.locator("#theme").click()
    assert page.evaluate(paper) == light
    page.locator("#theme").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == dark


def expected(
    show: ExplainerData, label: float | None, loss: str, lr_d: float, lr_g: float, seed: int
) -> RecordedMember:
    """The nearest run by the stated rule, by sorting all of them: label, ratios of rates, seed or else the least."""
    dial = {"flipped_labels": 0.0, "generator_label(t=0.25)": 0.25, "generator_label(t=0.5)": 0.5,
            "generator_label(t=0.75)": 0.75, "non_saturating": 1.0}  # fmt: skip
    fitting = [run for run in show.members if (run.loss in dial if label is not None else run.loss == loss)]
    return min(fitting, key=lambda run: (
        abs(dial[run.loss] - label) if label is not None else 0.0,
        round(math.hypot(math.log(run.lr_d / lr_d), math.log(run.lr_g / lr_g)), 9),
        run.seed != seed, run.seed,
    ))  # fmt: skip


def test_the_box_answers_with_the_nearest_run(page: Page, show: ExplainerData) -> None:
    """For labels between the trained ones, far rates and unknown seeds: the run that sorting all of them gives."""
    box, answer = page.locator("#wish"), page.locator("#nearest")
    # Just above the geometric mean of two rates: nearer to the larger by the ratio, to the smaller by the difference.
    low, high = sorted({run.lr_g for run in show.members})
    rates = ((1e-2, 5e-4), (1e-4, 1.0), (1e-2, 1.04 * math.sqrt(low * high)))
    for t, (lr_d, lr_g), seed in itertools.product((0.0, 0.4, 0.9), rates, (0, 1, 77)):
        for name, value in (("t", t), ("lr_d", lr_d), ("lr_g", lr_g), ("seed", seed)):
            box.locator(f"[name={name}]").fill(str(value))
        run, told = expected(show, t, "", lr_d, lr_g, seed), answer.inner_text()
        assert f"rates {run.lr_d:g} (D) and {run.lr_g:g} (G), seed {run.seed}" in told
        assert (told.startswith("This very run")) == (
            t == 0.0 and (lr_d, lr_g) == (run.lr_d, run.lr_g) and seed == run.seed
        )
        assert (f"seed {run.seed} instead of {seed}" in told) == (seed != run.seed)
        assert (f"t {dict(zip((0.0, 0.4, 0.9), (0, 0.5, 1), strict=True))[t]} instead of {t}" in told) == (t > 0)
        assert f"seed {run.seed}" in page.locator("#card-chosen .about").inner_text()


def test_the_box_has_the_other_losses_and_says_what_is_wrong(page: Page, show: ExplainerData) -> None:
    """Minimax takes no label; a rate of 0, a label of 2 and half a seed are named with what is allowed."""
    box, answer = page.locator("#wish"), page.locator("#nearest")
    box.locator("[name=kind]").select_option(label=EN["cast"]["minimax"])
    assert box.locator("[name=t]").is_disabled()
    assert EN["cast"]["minimax"] in answer.inner_text()
    expect(page.locator("#card-chosen h3")).to_have_text(EN["cast"]["minimax"])
    box.locator("[name=kind]").select_option("label")
    for name, value, allowed in (("lr_d", "0", "allowed_lr"), ("t", "2", "allowed_t"), ("seed", "0.5", "allowed_seed")):
        field = box.locator(f"[name={name}]")
        kept = field.input_value()
        field.fill(value)
        assert EN["box"][allowed] in answer.inner_text()
        assert field.get_attribute("aria-invalid") == "true"
        field.fill(kept)
        assert field.get_attribute("aria-invalid") == "false"


def test_the_facts_have_the_measured_numbers(page: Page, show: ExplainerData) -> None:
    """A row for each run: what is cut and what D moves are 0; the rest are the recorded values of the frame."""
    move(page, 4)
    rows = page.locator("#still tbody tr").all()
    assert len(rows) == len(show.cast)
    for row, place in zip(rows, show.cast.values(), strict=True):
        cells, measured = row.locator("td").all_inner_texts(), show.members[place].measured
        assert (cells[1], cells[4]) == ("0", "0")
        if measured["through_input"][4] >= 0.1:
            assert float(cells[0].replace(",", "")) == pytest.approx(measured["through_input"][4], abs=0.006)


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    """On a phone and on a desk, in both languages, the page does not scroll sideways and the player stays in view."""
    page.set_viewport_size({"width": width, "height": 800})
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for place in (0, 0.5, 1):
            page.evaluate("share => scrollTo(0, share * document.documentElement.scrollHeight)", place)
            expect(page.locator("#play")).to_be_in_viewport()
        page.locator("#language").click()
