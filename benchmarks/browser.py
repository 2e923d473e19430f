"""A page in headless Chromium for the benchmarks that run there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from book.look import launch
from tasks import Pages


@contextmanager
def opened(site: Path, path: str) -> Iterator[Page]:
    """Open `path` of a folder, served as a static host does: without the headers that allow shared memory."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_context(base_url=f"http://127.0.0.1:{server.server_port}").new_page()
            page.goto(path)
            yield page
            browser.close()
    finally:
        server.shutdown()
