"""The book as an EPUB and a PDF: everything in it is there, works, and is not cut."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import Browser
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from book import takealong
from book.look import serving
from book.refresh import NOTEBOOKS

ROOT = Path(__file__).resolve().parents[2]
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def made(browser: Browser, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # skips without Chromium
    """A copy of the built book, with the EPUB and the PDF that were made from it."""
    folder = tmp_path_factory.mktemp("takealong") / "html"
    shutil.copytree(site, folder)
    subprocess.run([sys.executable, "-m", "book.takealong", "--site", folder], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def files(made: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(made / f"{takealong.FILE}.epub") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def texts(files: dict[str, bytes]) -> dict[str, ET.Element]:
    """The EPUB's pages; parsing fails if one is not well-formed XML."""
    return {
        name.removeprefix("book/"): ET.fromstring(content) for name, content in files.items() if name.endswith(".xhtml")
    }


def links(page: ET.Element) -> list[str]:
    return [element.get("href", "") for element in page.iter(f"{XHTML}a")]


def test_the_epub_is_packed_as_readers_expect(made: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(made / f"{takealong.FILE}.epub") as archive:
        first = archive.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert files["mimetype"] == b"application/epub+zip"
    package = ET.fromstring(files["book/package.opf"])
    kind = "{http://www.idpf.org/2007/opf}"
    items = {item.get("id"): item.get("href") for item in package.iter(f"{kind}item")}
    assert {f"book/{name}" for name in items.values()} == {
        name for name in files if name.startswith("book/") and name != "book/package.opf"
    }
    spine = [items[reference.get("idref")] for reference in package.iter(f"{kind}itemref")]
    assert len(spine) == len(set(spine)) > 25


def test_every_link_within_the_epub_leads_somewhere(texts: dict[str, ET.Element]) -> None:
    ids = {name: [e.get("id") for e in page.iter() if e.get("id")] for name, page in texts.items()}
    assert [name for name, found in ids.items() if len(found) != len(set(found))] == []
    inside = [(name, urlsplit(to)) for name, page in texts.items() for to in links(page) if "://" not in to]
    assert len(inside) > 500
    dead = [
        (name, to.geturl())
        for name, to in inside
        if not to.scheme and ((to.path or name) not in ids or (to.fragment and to.fragment not in ids[to.path or name]))
    ]
    assert dead == []


def test_every_chapter_solution_and_answer_is_there_once(site: Path, texts: dict[str, ET.Element]) -> None:
    chapters = [path for path in NOTEBOOKS if path.parent.name == "chapters"]
    assert len([name for name in texts if name.startswith("chapters-")]) == len(chapters)
    pages = [BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.glob("chapters/*.html")]
    solutions = [pre.get_text().strip() for page in pages for pre in page.select("details.solution pre")]
    reasons = [str(tag.get_text()) for page in pages for tag in page.select(".quiz details > p")]
    assert len(solutions) > 50
    assert len(reasons) > 100
    at_the_end = "".join(texts["solutions.xhtml"].itertext())
    before = "".join("".join(page.itertext()) for name, page in texts.items() if name != "solutions.xhtml")
    assert [code for code in solutions if code not in at_the_end] == []
    assert [reason for reason in reasons if reason not in at_the_end] == []
    assert not [reason for reason in reasons if len(reason) > 40 and reason in before]


def test_the_epub_has_drawings_formulas_and_nothing_that_needs_a_script(
    files: dict[str, bytes], texts: dict[str, ET.Element]
) -> None:
    whole = b"".join(content for name, content in files.items() if name.endswith(".xhtml")).decode()
    assert whole.count("<math ") > 50
    assert whole.count("<svg ") > 50
    assert whole.count('class="lab-drawing"') > 15
    assert not re.search(r"<(script|button|input|iframe|style|details)\b", whole)
    assert not re.search(r">(Show|Hide) the ", whole)  # what a page can fold, paper cannot
    assert "find_spec" not in "".join(texts["chapters-04_attention.xhtml"].itertext())  # the set-up cell


def test_the_pdf_has_an_outline_page_numbers_and_its_own_fonts(made: Path) -> None:
    reader = PdfReader(made / f"{takealong.FILE}.pdf")
    assert len(reader.pages) > 150
    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in reader.pages} == {(595, 842)}  # A4
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert {"Contents", "4. Attention", "Hints, solutions, and answers"} <= set(titles)
    resources = [page["/Resources"].get_object() for page in reader.pages]
    fonts = [
        font.get_object() for each in resources for font in each.get("/Font", DictionaryObject()).get_object().values()
    ]
    drawn = [font for font in fonts if font["/Subtype"] == "/Type3"]  # the course's variable fonts, glyph by glyph
    assert len(drawn) > len(reader.pages) / 2
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        described = inner["/FontDescriptor"].get_object()
        assert font["/Subtype"] == "/Type3" or {"/FontFile2", "/FontFile3"} & set(described), font["/BaseFont"]
    listed = next(text for page in reader.pages if (text := page.extract_text()).startswith("Contents"))
    number = re.search(r"4\. Attention\s*(\d+)", listed)
    assert number
    assert "4. Attention" in reader.pages[int(number[1]) - 1].extract_text()


def test_no_line_of_the_pdf_is_cut(browser: Browser, made: Path) -> None:
    width = 210 - 2 * 21  # millimeters between the margins
    with serving(made) as served:
        page = browser.new_page(viewport={"width": round(width / 25.4 * 96), "height": 1000})
        html = takealong.joined(takealong.take(browser, served), "Title", "https://book.example/", {})
        page.route("**/book.html", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(f"{served}/book.html")
        page.emulate_media(media="print")
        wide = page.evaluate(
            """() => [...document.querySelectorAll("pre, table, svg, .math, p, li")]
              .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1)
              .filter((e) => !e.closest(".cover") && e.clientWidth)
              .map((e) => e.outerHTML.slice(0, 200))"""
        )
        page.close()
    assert wide == []


def test_the_front_page_links_to_the_files_that_are_there(site: Path, made: Path) -> None:
    front = BeautifulSoup((made / "book/intro.html").read_text(encoding="utf-8"), "html.parser")
    targets = [str(link["href"]) for link in front.select(".take-along a")]
    assert targets == [f"../{takealong.FILE}.epub", f"../{takealong.FILE}.pdf"]
    assert all((made / "book" / target).resolve().is_file() for target in targets)
    before = BeautifulSoup((site / "book/intro.html").read_text(encoding="utf-8"), "html.parser")
    assert before.select_one(".take-along") is not None
    assert not before.select(".take-along a")
    hashes = [(folder / "service_worker.js").read_text(encoding="utf-8").splitlines()[1] for folder in (site, made)]
    assert hashes[0] != hashes[1]  # the front page has changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["docx"], "The book can be made an epub or a pdf, not docx."),
        (["--site", "nowhere"], "There is no built book in nowhere: run `make site` first."),
    ],
)
def test_a_wrong_wish_gets_one_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stop:
        takealong.main(arguments)
    assert stop.value.code == message


def test_the_cover_shows_the_wall() -> None:

    with Image.open(BytesIO(takealong.cover("A title", (600, 900)))) as image:
        assert image.size == (600, 900)
        assert len(image.convert("RGB").getcolors(10**6) or []) > 6
