"""The report in a real browser: offline, in both themes, by keyboard, on paper, and with hostile names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.browser import Tab
from support.fabricated import ARMS, FabricatedArm, fabricate_sweep

from analysis.report import write_report

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep with a diverging arm, a failed member, and a hostile name and arm."""
    folder = tmp_path_factory.mktemp("sweep")
    arms = [*ARMS, FabricatedArm(HOSTILE, view="@c0:1 %{x} <b>"), replace(ARMS[1], loss="m" * 90)]
    fabricate_sweep(folder, arms=arms, trials=6, seeds=2, confirm=6, failure=f"lost: {HOSTILE}", name=HOSTILE)
    return write_report(folder)


def drawn(tab: Tab, report: Path) -> Page:
    """The page once every figure on it is drawn."""
    page = tab.open(report)
    page.locator("html[data-drawn=all]").wait_for(state="attached")
    return page


def test_every_figure_is_drawn_and_told(tab: Tab, report: Path) -> None:
    """Every figure has a drawing of its own and words in its place; the fixture forbids errors and requests."""
    page = drawn(tab, report)
    figures = page.locator("figure")
    assert figures.count() > 15
    for i in range(figures.count()):
        figure = figures.nth(i)
        told = figure.get_by_role("img")
        assert len(told.first.get_attribute("aria-label") or "") > 20
        if figure.locator(".live").count():
            assert figure.locator(".plot").count() == figure.locator(".plot svg.main-svg:first-child").count() > 0
            expect(figure.locator(".still")).to_be_hidden()
    assert page.evaluate("document.querySelectorAll('.live.failed').length") == 0


def test_hostile_names_are_text(tab: Tab, report: Path) -> None:
    """A name that is markup stands on the page, on axes, in legends and in hover texts as what it is."""
    page = drawn(tab, report)
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.title() == HOSTILE
    assert page.locator("img[src=x]").count() == 0
    key = page.locator("[data-keys=ks_over_steps] button", has_text=HOSTILE)
    assert key.count() == 1
    names = page.locator("[data-figure=final_ks] .ytick text").all_text_contents()
    assert any(name.startswith("<img src=x onerror=") for name in names)
    assert f"lost: {HOSTILE}" in page.locator("main").inner_text()
    told = page.evaluate("[...document.querySelectorAll('.plot')].flatMap(p => p.data.map(t => String(t.meta)))")
    assert any("@c0:1 %{x} <b>" in text for text in told)


def test_the_theme_follows_the_machine_and_the_switch(tab: Tab, report: Path) -> None:
    """Dark where the machine is dark; the switch decides otherwise, and figures are repainted with the page."""
    page = drawn(tab, report)
    seen = []
    for scheme, choice in (("light", None), ("dark", None), ("dark", "Light"), ("light", "Dark"), ("light", "System")):
        page.emulate_media(color_scheme=scheme)
        if choice:
            page.get_by_role("button", name=choice, exact=True).click()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        words = page.evaluate("document.querySelector('[data-figure=ranking] .plot').layout.font.color")
        seen.append((paper, words))
    light, dark = ("rgb(255, 255, 255)", "#222222"), ("rgb(24, 24, 24)", "#e8e8e8")
    assert seen == [light, dark, light, dark, light]


def test_the_keyboard_reaches_everything(tab: Tab, report: Path) -> None:
    """The first stop skips to the answer; a figure's numbers open by Enter; a legend's button hides its arm."""
    page = drawn(tab, report)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the answer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    summary = page.locator("#final_ks summary")
    for _ in range(200):
        page.keyboard.press("Tab")
        if summary.evaluate("e => e === document.activeElement"):
            break
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#final_ks table")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#final_ks .scroll")).to_be_focused()
    button = page.locator("[data-keys=ks_over_steps] button").first
    button.focus()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "false")
    shown = "document.querySelector('[data-figure=ks_over_steps] .plot').data.map(t => t.visible !== false)"
    assert page.evaluate(shown)[:3] == [False, False, True]


def test_paper_is_light_and_without_controls(tab: Tab, report: Path) -> None:
    """In print the copies of the figures stand for them, on white, and there is nothing to press."""
    page = drawn(tab, report)
    page.get_by_role("button", name="Dark", exact=True).click()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not [b for b in page.locator("button").all() if b.is_visible()]
    stills = page.locator("figure .still")
    assert stills.count() > 15
    for i in range(stills.count()):
        expect(stills.nth(i)).to_be_visible()
        assert stills.nth(i).evaluate("e => e.naturalWidth") > 300
    assert len(page.pdf(format="A4")) > 100_000


def test_a_narrow_page_does_not_scroll_sideways(tab: Tab, report: Path) -> None:
    """At 390 pixels the page is as wide as the window; what is wider scrolls within itself."""
    tab.page.set_viewport_size({"width": 390, "height": 844})
    page = drawn(tab, report)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_sandboxed_frame_shows_it(tab: Tab, report: Path, tmp_path: Path) -> None:
    """In a frame that may run scripts and nothing else, as MLflow shows it, all is drawn, the theme switches."""
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe sandbox="allow-scripts" width=1200 height=800 src="{report.as_uri()}"></iframe>')
    page = tab.open(frame)
    inner = page.frame_locator("iframe")
    inner.locator("html[data-drawn=all]").wait_for(state="attached")
    inner.get_by_role("button", name="Dark", exact=True).click()
    expect(inner.locator("html")).to_have_attribute("data-theme", "dark")
