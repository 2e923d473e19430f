"""The built site has no warnings, no dead links, and no pictures without alt text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from book.refresh import NOTEBOOKS
from book.repository import book_address
from gpt2_course.tiny_world.tables import tables


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, BeautifulSoup]:
    made = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in made}


def test_links_within_the_site_work(site: Path, pages: dict[Path, BeautifulSoup]) -> None:
    anchors = {path: {tag["id"] for tag in page.find_all(id=True)} for path, page in pages.items()}
    dead = []
    n = 0
    for path, page in pages.items():
        for tag in page.find_all("a", href=True):
            link = urlsplit(str(tag["href"]))
            if link.scheme or link.netloc or "headerlink" in tag.get("class", []):
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            n += 1
            if not target.exists() or (link.fragment and target in anchors and link.fragment not in anchors[target]):
                dead.append((path.name, tag["href"]))
    assert n > 50
    assert dead == []


def test_links_in_notebooks_lead_to_published_pages_and_anchors(site: Path, pages: dict[Path, BeautifulSoup]) -> None:
    links = {
        link
        for path in NOTEBOOKS
        for link in re.findall(rf"{re.escape(book_address())}[^\s)\"'\\]*", path.read_text(encoding="utf-8"))
    }
    assert len(links) > 50
    dead = []
    for link in links:
        page, _, anchor = link.removeprefix(book_address()).partition("#")
        found = pages.get(site / page)
        if found is None or (anchor and found.find(id=anchor) is None):
            dead.append(link)
    assert dead == []


def test_the_built_book_links_to_its_own_pages_at_any_address(pages: dict[Path, BeautifulSoup]) -> None:
    outside = f"a[href^='{book_address().removesuffix('/')}']"
    assert {path.name: tags for path, page in pages.items() if (tags := page.select(outside))} == {}
    attention = next(page for path, page in pages.items() if path.name == "04_attention.html")
    assert attention.select("a.internal[href='../book/glossary.html#query']")


def test_the_site_includes_bertvizs_libraries(site: Path) -> None:
    for library in ("d3", "jquery"):
        assert (site / f"_static/bertviz/{library}.min.js").stat().st_size > 80_000
        assert (site / f"_static/bertviz/{library}.LICENSE.txt").exists()


def test_the_site_includes_tiny_worlds_tables(site: Path) -> None:
    written = json.loads((site / "_static/tiny_world.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(tables()))


def test_every_picture_has_alt_text(pages: dict[Path, BeautifulSoup]) -> None:
    silent = []
    for path, page in pages.items():
        article = page.find("article") or page
        silent += [(path.name, str(tag)[:80]) for tag in article.find_all("img") if not tag.get("alt")]
        for tag in article.find_all("svg"):
            labelled = any(t.get("aria-label") or t.get("aria-hidden") for t in [tag, *tag.parents])
            if not labelled:
                silent.append((path.name, str(tag)[:80]))
    assert silent == []


def test_the_site_can_be_searched(site: Path) -> None:
    assert "perplex" in (site / "searchindex.js").read_text(encoding="utf-8")


def test_pages_load_nothing_from_other_hosts(pages: dict[Path, BeautifulSoup]) -> None:
    for path, page in pages.items():
        for tag in page.find_all(["script", "link", "img"]):
            address = str(tag.get("src") or (tag.get("href") if "stylesheet" in tag.get("rel", []) else "") or "")
            assert not address.startswith(("http:", "https:", "//")), (path.name, address)
