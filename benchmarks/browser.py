"""A page in headless Chromium for the benchmarks that run there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from book.look import launch, serving
from tasks import Pages


@contextmanager
def opened(site: Path, path: str) -> Iterator[Page]:
    """Open `path` of a folder, served as a static host does: without the headers that allow shared memory."""
    with serving(site, Pages) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_context(base_url=address).new_page()
        page.goto(path)
        yield page
        browser.close()
