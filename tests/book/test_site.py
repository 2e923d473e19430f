"""The built site has no warnings, no dead links, and no pictures without alt text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from book.extensions.fork import moved, moves
from book.look import pages_of
from book.refresh import NOTEBOOKS
from book.repository import address, book_address
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


def test_the_first_use_of_a_term_in_each_section_is_linked(pages: dict[Path, BeautifulSoup]) -> None:
    block = next(page for path, page in pages.items() if path.name == "06_transformer_block.html")
    parts = block.select("article > section > section")
    linked = [[str(link["href"]) for link in part.select("a.term")] for part in parts]
    assert sum(map(len, linked)) > 20
    assert all(len(links) == len(set(links)) for links in linked)
    assert not block.select("h1 a.term, h2 a.term, h3 a.term, pre a.term, a a.term, strong a.term")
    shown = {str(link["href"]).rpartition("#")[2]: link.get_text() for link in block.select("a.term")}
    assert shown["layer-norm"].lower() == "layer norm"
    assert shown["block"] in ("block", "blocks")
    first = next(page for path, page in pages.items() if path.name == "01_language_models.html")
    assert not first.select("a.term[href$='#key']")  # the term is introduced only later
    lens = next(page for path, page in pages.items() if path.name == "appendix_lens.html")
    assert lens.select("a.term[href$='#residual-stream']")  # an appendix may use all terms


def test_the_glossary_leads_to_where_terms_are_taught(pages: dict[Path, BeautifulSoup]) -> None:
    glossary = next(page for path, page in pages.items() if path.name == "glossary.html")
    assert len(glossary.select("article section > section")) == len(glossary.select(".taught")) > 70
    assert not re.search(r"\(\d+(, \d+)*\)", glossary.find("article").get_text())  # type: ignore[union-attr]
    assert glossary.select("#key-value-cache .taught a[href^='../chapters/10_writing.html#']")


def test_the_quizzes_can_be_imported_into_anki(site: Path) -> None:
    header, cards = [], []
    for line in (site / "_static/quiz_anki.txt").read_text(encoding="utf-8").splitlines():
        (header if line.startswith("#") else cards).append(line)
    assert {"#separator:tab", "#html:true", "#guid column:1"} <= set(header)
    fields = [card.split("\t") for card in cards]
    assert len(fields) > 50
    assert {len(each) for each in fields} == {4}
    assert len({identifier for identifier, *_ in fields}) == len(fields)
    for _, front, back, tag in fields:
        assert BeautifulSoup(front, "html.parser").li
        assert BeautifulSoup(back, "html.parser").b
        assert not any('"' in text for text in (front, back))  # Anki would read a field that begins with one as quoted
        assert re.fullmatch(r"gpt2-course::chapter-\d\d", tag)


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


def test_pages_load_nothing_from_other_hosts(pages: dict[Path, BeautifulSoup]) -> None:
    for path, page in pages.items():
        for tag in page.find_all(["script", "link", "img"]):
            address = str(tag.get("src") or (tag.get("href") if "stylesheet" in tag.get("rel", []) else "") or "")
            assert not address.startswith(("http:", "https:", "//")), (path.name, address)


def test_formulas_are_drawn_by_the_browser(pages: dict[Path, BeautifulSoup]) -> None:
    assert sum(len(page.find_all("math")) for page in pages.values()) > 50
    for path, page in pages.items():
        article = page.find("article") or page
        assert not re.search(r"\\[(\[]|\\(frac|sqrt|text|ln)\b", article.get_text()), path.name
        assert not article.find("merror"), path.name
    chapter = next(page for path, page in pages.items() if path.name == "01_language_models.html")
    logarithm = next(formula for formula in chapter.find_all("math") if "ln" in formula.get_text())
    assert logarithm.find("mspace"), "ln and its argument need a space between them"


def test_every_page_says_in_its_head_what_it_is(site: Path, pages: dict[Path, BeautifulSoup]) -> None:
    titles = set()
    for path, page in pages.items():
        assert page.html is not None
        assert page.html["lang"] == "en"
        assert len(page.select("meta[name=viewport]")) == 1, path.name
        assert page.title is not None
        titles.add(page.title.get_text())
    assert len(titles) == len(pages) - 1  # index.html only leads to the front page
    content = [name for name in pages_of(site) if name.startswith(("book/", "chapters/"))]
    assert len(content) > 20
    descriptions = set()
    for name in content:
        head = pages[site / name]

        def attribute(selector: str, key: str = "content", head: BeautifulSoup = head) -> str:
            (tag,) = head.select(selector)
            return str(tag[key])

        descriptions.add(attribute("meta[name=description]"))
        assert 30 <= len(attribute("meta[name=description]")) <= 160, name
        assert attribute("link[rel=canonical]", "href") == attribute("meta[property='og:url']") == book_address() + name
        picture = site / attribute("meta[property='og:image']").removeprefix(book_address())
        with Image.open(picture) as preview:
            assert preview.size == (1200, 630)
        assert picture.stat().st_size < 40_000
        assert attribute("meta[property='og:title']") in head.find("h1").get_text()  # type: ignore[union-attr]
    assert len(descriptions) == len(content)
    assert pages[site / "index.html"].select("meta[http-equiv=refresh][content$='book/intro.html']")


def test_search_engines_find_every_page_and_nothing_else(site: Path, pages: dict[Path, BeautifulSoup]) -> None:
    listed = re.findall("<loc>(.*?)</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    content = [name for name in pages_of(site) if name.startswith(("book/", "chapters/"))]
    assert listed == [book_address() + name for name in content]
    assert f"Sitemap: {book_address()}sitemap.xml" in (site / "robots.txt").read_text(encoding="utf-8")
    for name in ("404.html", "search.html"):
        assert pages[site / name].select("meta[name=robots][content=noindex]")


def test_actions_publish_a_fork_under_its_own_addresses() -> None:
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com"}
    own = (address(), book_address())
    fork = moves({**actions, "GITHUB_REPOSITORY": "Ada/my-gpt2"}, *own)
    assert fork == {address(): "https://github.com/Ada/my-gpt2", book_address(): "https://ada.github.io/my-gpt2/"}
    assert moves({**actions, "GITHUB_REPOSITORY": address().removeprefix("https://github.com/")}, *own) == {}
    assert moves({"GITHUB_REPOSITORY": "Ada/my-gpt2"}, *own) == {}  # not in Actions
    owner = address().split("/")[-2]
    for path in [*NOTEBOOKS, *Path(__file__).parents[2].glob("book/*.md")]:
        text = moved(path.read_text(encoding="utf-8"), fork)
        assert owner not in text, path.name
        if path.suffix == ".ipynb":
            json.loads(text)
