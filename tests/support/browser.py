"""A real headless Chromium for tests: a tab without a network that notes every error and every request to elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright

#: Where nothing is asked of a network. ``chrome`` and ``about`` are pages of the browser itself.
INSIDE = ("file", "data", "blob", "about", "chrome")

#: Nothing but loopback has an address, for the browser's own errands too: updates, lists, telemetry.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium with a profile of its own; one of them serves many tabs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """One page of a fresh profile, 1280 x 900 pixels, in English, offline until ``allow`` names a server on loopback.

    ``page`` is Playwright's; ``problems`` what went wrong so far, in words: errors on the console, errors that no
    script caught, requests that are neither for this machine's files nor for an allowed server.
    """

    def __init__(self, browser: Browser, pictures: Path) -> None:
        self._context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", offline=True)
        self._context.set_default_timeout(30_000)
        self._context.route("**/*", self._guard)
        self._pictures = pictures
        self._allowed = set[str]()
        self.problems: list[str] = []
        self.page: Page = self._context.new_page()
        self._context.on("request", self._asked)
        self._context.on("console", self._said)
        self._context.on("weberror", lambda error: self.problems.append(f"page error: {error.error}"))

    def open(self, file: Path) -> Page:
        """Open a file of this machine and wait until it has loaded."""
        self.page.goto(file.resolve().as_uri())
        return self.page

    def allow(self, origin: str) -> None:
        """Let pages ask the server at ``origin`` (``http://127.0.0.1:5000``), and no other."""
        address = urlsplit(origin)
        assert address.hostname == "127.0.0.1", f"{origin} is not on loopback"
        self._allowed.add(f"{address.scheme}://{address.netloc}")
        self._context.set_offline(False)

    def picture(self, name: str, whole: bool = True) -> Path:
        """A PNG of the whole page, or of what is in view, as ``name.png`` in the test's own folder."""
        path = self._pictures / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole)
        return path

    def close(self) -> None:
        """Give the profile up. Problems are told by whoever made the tab."""
        self._context.close()

    def _is_inside(self, url: str) -> bool:
        address = urlsplit(url)
        return address.scheme in INSIDE or f"{address.scheme}://{address.netloc}" in self._allowed

    def _guard(self, route: Route) -> None:
        if self._is_inside(route.request.url):
            route.continue_()
        else:
            route.abort("internetdisconnected")

    def _asked(self, request: Request) -> None:
        if not self._is_inside(request.url):
            self.problems.append(f"request: {request.method} {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location['url']})")
