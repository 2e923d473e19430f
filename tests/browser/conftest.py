"""A real Chromium, and the built book on a server of this computer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from book.look import launch, serving
from book.pace import patience

TIMEOUT = patience(120) * 1000  # milliseconds, for everything a test waits for
expect.set_options(timeout=TIMEOUT)
OURS = {"127.0.0.1", "book"}  # the second is a name that tests give to a page without a server


def patient(new: Callable[..., Any]) -> Callable[..., Any]:
    """Makes pages and contexts that wait as long as `expect` does."""

    def made(**options: Any) -> Any:
        thing = new(**options)
        thing.set_default_timeout(TIMEOUT)
        return thing

    return made


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The address of the built book."""
    with serving(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The computer's Chromium, or Playwright's own."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error as error:
            pytest.skip(f"needs Chromium: .venv/bin/playwright install chromium ({str(error).splitlines()[0]})")
        browser.new_context, browser.new_page = patient(browser.new_context), patient(browser.new_page)  # type: ignore[method-assign]
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; the test fails for an error in its console, and for a request to another host."""
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url) if is_strange(request.url) else None)
    yield page
    context.close()
    assert errors == []


def is_strange(url: str) -> bool:
    return urlsplit(url).scheme.startswith("http") and urlsplit(url).hostname not in OURS
