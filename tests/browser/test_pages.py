"""Every page of the built book, on a large screen by day and on a phone by night."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_every_page_fits_its_screen_and_has_no_error(
    browser: Browser, served: str, site: Path, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    elsewhere = "https://cdn.jsdelivr.net/"  # what BertViz needs; a sentence says so where it cannot be had
    page.route(f"{elsewhere}**", lambda route: route.abort())
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))

    def hear(message: Any) -> None:
        if message.type == "error" and not message.location["url"].startswith(elsewhere):
            faults.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    paths = [path.relative_to(site) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    paths.remove(Path("index.html"))  # leads on to the front page
    assert len(paths) > 15
    for path in paths:
        page.goto(f"{served}/{path}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path} is wider than {width} pixels")
    page.close()
    assert faults == []
