"""The tab of tests/support/browser.py finds what it looks for; otherwise no test that uses it would hold anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import Tab

pytestmark = pytest.mark.browser


@pytest.fixture
def faulty(chromium: Browser, tmp_path: Path) -> Iterator[Tab]:
    """A tab whose problems are wanted, and do not fail the test."""
    tab = Tab(chromium, tmp_path)
    yield tab
    tab.close()


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """A server on loopback of the files in ``tmp_path``: its origin."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def written(folder: Path, body: str, name: str = "page.html") -> Path:
    """A page with an icon of its own, since browsers ask servers for one."""
    path = folder / name
    path.write_text(f'<!doctype html><title>t</title><link rel="icon" href="data:,"><body>{body}', encoding="utf-8")
    return path


def test_a_page_of_files_alone_has_no_problems(tab: Tab, tmp_path: Path) -> None:
    """Files, data: and blob: are no requests to elsewhere; a picture is written."""
    (tmp_path / "near.js").write_text("document.body.append('ran')", encoding="utf-8")
    body = """<script src="near.js"></script><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
        <script>fetch(URL.createObjectURL(new Blob(['x']))).then(() => document.body.append(' fetched'))</script>"""
    page = tab.open(written(tmp_path, body))
    page.wait_for_function("document.body.innerText.includes('fetched')")
    assert "ran" in page.inner_text("body")
    assert tab.picture("page").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<script>console.error('lost', 3)</script>", "console: lost 3"),
        ("<script>nowhere()</script>", "page error: nowhere is not defined"),
        ("<script>Promise.reject(Error('late'))</script>", "page error: late"),
        ("<script src='https://example.org/x.js'></script>", "request: GET https://example.org/x.js"),
        ("<style>body { background: url(http://127.0.0.1:9/x.png) }</style>", "request: GET http://127.0.0.1:9/x.png"),
        ("<img src='missing.png'>", "console: Failed to load resource: net::ERR_FILE_NOT_FOUND"),
    ],
)
def test_each_kind_of_problem_is_noted(faulty: Tab, tmp_path: Path, body: str, problem: str) -> None:
    """A page may print, throw, reject or ask others, from a tag as from a style sheet: each is noticed."""
    faulty.open(written(tmp_path, body))
    faulty.page.wait_for_load_state("networkidle")
    assert any(problem in noted for noted in faulty.problems), faulty.problems


def test_only_the_allowed_server_answers(faulty: Tab, tmp_path: Path, file_server: str) -> None:
    """Offline at first; then the one origin and none beside it, and none that is not on loopback can be allowed."""
    written(tmp_path, "served", "index.html")
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        faulty.page.goto(file_server)
    faulty.problems.clear()
    faulty.allow(file_server)
    faulty.page.goto(file_server)
    assert faulty.page.inner_text("body") == "served"
    assert faulty.problems == []
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        faulty.page.goto("https://example.org/")
    assert faulty.problems[0] == "request: GET https://example.org/"
    with pytest.raises(AssertionError, match="not on loopback"):
        faulty.allow("https://example.org")
