"""Every page of the built book, on a large screen in light mode and on a phone in dark mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route

from book.repository import book_address


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_every_page_fits_its_screen_and_has_no_error(
    browser: Browser, served: str, site: Path, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))

    def collect_error(message: Any) -> None:
        if message.type == "error":
            faults.append(f"{page.url}: {message.text}")

    page.on("console", collect_error)
    paths = [path.relative_to(site) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    paths.remove(Path("index.html"))  # redirects to the front page
    assert len(paths) > 15
    for path in paths:
        page.goto(f"{served}/{path}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path} is wider than {width} pixels")
    page.close()
    assert faults == []


@pytest.mark.parametrize("home", ["/", urlsplit(book_address()).path])
def test_a_missing_page_leads_to_the_front_page_from_any_depth(
    browser: Browser, served: str, site: Path, home: str
) -> None:
    page = browser.new_page()

    def answer(route: Route) -> None:
        file = site / urlsplit(route.request.url).path.removeprefix(home)
        route.fulfill(path=file) if file.is_file() else route.fulfill(status=404, path=site / "404.html")

    page.route(f"{served}/**", answer)
    page.goto(f"{served}{home}chapters/no/such/page.html")
    assert page.locator("h1").inner_text() == "This brick is missing"
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Course Serif"')
    page.get_by_role("link", name="Go to the front page").click()
    page.wait_for_url(f"{served}{home}book/intro.html")
    page.close()
