"""Make the book one file to take along: `python tasks.py takealong` writes an EPUB and a PDF beside the built pages.

Both are made from the built site (`make site`) with Chromium: takealong.js takes each page's text, and this module puts
the texts together. Hints, solutions, and the quiz's answers are at the end; labs are drawings.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, sync_playwright

from book.extensions.offline import PAPER, write_worker
from book.look import SITE, launch, serving
from book.pace import patience
from gpt2_course.wall import BRICKS

HERE = Path(__file__).parent
ROOT = HERE.parent
FILE = "build-your-own-gpt2"  # the files' name
# Pages that are nothing without a browser or the repository: the review, all labs once more, the package's reference.
ONLY_ON_THE_WEB = {"book/progress", "book/labs", "book/api", "book/contributing"}
FONT = HERE / "extensions/inter-bold.ttf"
LIGHT = (HERE / "_static/type.css").read_text(encoding="utf-8").split("html[data-theme")[0]
COLORS = dict(re.findall(r"--(\w+): (#\w+);", LIGHT))  # the light pages' colors by name
FONTS = ("course-serif", "course-serif-italic", "inter", "jetbrains-mono", "stix-two-math")
DATE = "2026-01-01T00:00:00Z"  # an EPUB must name a date of its last change; the same book is the same file


@dataclass(frozen=True)
class Taken:
    """A page's text: XHTML without a head, with links such as `book:book/glossary#book-glossary--query`."""

    page: str
    part: str
    title: str
    body: str
    solutions: str


def config() -> dict[str, Any]:
    """The book's settings."""
    return dict(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8")))


def pages() -> list[tuple[str, str]]:
    """The part and the name of each page that is taken along, in reading order; the front page has no part."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    rest = [(part["caption"], chapter["file"]) for part in toc["parts"] for chapter in part["chapters"]]
    return [("", toc["root"]), *((part, page) for part, page in rest if page not in ONLY_ON_THE_WEB)]


def published_at(site: Path) -> str:
    """The address of the published book, which the built front page names; a fork's differs from _config.yml's."""
    front = (site / "book/intro.html").read_text(encoding="utf-8")
    found = re.search(r'<link rel="canonical" href="(.*?)book/intro.html">', front)
    if not found:
        sys.exit(f"The front page in {site} does not say where it is published: build it with `make site`.")
    return found[1]


def name_of(page: str) -> str:
    """A page's name in ids and files: chapters/04_attention → chapters-04_attention."""
    return re.sub(r"\W+", "-", page)


def take(browser: Browser, address: str) -> list[Taken]:
    """The texts of all pages of a served book."""
    context = browser.new_context(color_scheme="light")
    context.route(re.compile(r"\.m?js(\?|$)"), lambda route: route.abort())  # pages as they are without scripts
    page = context.new_page()
    script = (HERE / "takealong.js").read_text(encoding="utf-8").rstrip().removesuffix(";")
    taken = []
    for part, name in pages():
        page.goto(f"{address}/{name}.html", timeout=patience(120) * 1000)
        taken.append(Taken(name, part, **page.evaluate(script, f"{address}/")))
    context.close()
    return taken


def link(text: str, address: str, here: dict[str, str]) -> str:
    """Lead each link within the book to its place in the file, or on the web if its page is not in it.

    `here` maps the pages in the file to the beginning of their addresses, such as `chapters-04_attention.xhtml`.
    """

    def lead(found: re.Match[str]) -> str:
        page, anchor = found[1], found[2]
        if page in here:
            return f'href="{here[page]}#{anchor or name_of(page)}"'
        return f'href="{address}{page}.html{"#" + anchor.partition("--")[2] if anchor else ""}"'

    return re.sub(r'href="book:([^"#]*)#([^"]*)"', lead, text)


def on_the_web(text: str, served: str, address: str) -> str:
    """A text whose links to the served book lead to the published one."""
    return text.replace(f"{served}/", address)


def solutions_page(taken: Sequence[Taken]) -> str:
    """The page with the hints, solutions, and answers of all chapters."""
    parts = "".join(f"<h2>{escape(each.title)}</h2>{each.solutions}" for each in taken if each.solutions)
    return f"<h1>Hints, solutions, and answers</h1>{parts}"


def cover(title: str, size: tuple[int, int] = (1200, 1800)) -> bytes:
    """The cover as a PNG: the title above the wall of all bricks."""
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    large, small = ImageFont.truetype(str(FONT), 132), ImageFont.truetype(str(FONT), 46)
    for row, line in enumerate(textwrap.wrap(title, 12)):
        draw.text((100, 150 + row * 146), line, COLORS["ink"], large)
    draw.text((104, 660), "A language model from scratch,\nbrick by brick", COLORS["soft"], small, spacing=18)
    per_row = 4
    width = (size[0] - 200) / (per_row + 0.5)
    for n, brick in enumerate(BRICKS):
        row, place = divmod(n, per_row)
        left = 100 + place * width + (width / 2 if row % 2 else 0)
        top = size[1] - 160 - row * 118
        draw.rounded_rectangle((left, top, left + width - 12, top + 96), 10, brick.color)
        for stud in range(3):
            x = left + (width - 12) * (stud + 0.5) / 3 - 26
            draw.rounded_rectangle((x, top - 18, x + 52, top + 8), 5, brick.color)
    png = BytesIO()
    image.quantize(64).save(png, "PNG", optimize=True)
    return png.getvalue()


# ---- EPUB ----------------------------------------------------------------------------------------------------------


def xhtml(title: str, body: str) -> str:
    """A whole page of an EPUB."""
    head = f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="book.css"/>'
    kinds = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html {kinds} lang="en" xml:lang="en">\n'
        f'<head>\n<meta charset="utf-8"/>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    )


def contents(taken: Sequence[Taken], address_of: dict[str, str]) -> str:
    """The table of contents, part by part, as nested lists."""
    parts: dict[str, list[Taken]] = {}
    for each in taken:
        parts.setdefault(each.part, []).append(each)
    lists = ""
    for part, inside in parts.items():
        items = "".join(f'<li><a href="{address_of[each.page]}">{escape(each.title)}</a></li>' for each in inside)
        lists += f"<li><span>{escape(part)}</span><ol>{items}</ol></li>" if part else items
    return f'<ol>{lists}<li><a href="{address_of["solutions"]}">Hints, solutions, and answers</a></li></ol>'


def write_epub(target: Path, taken: Sequence[Taken], title: str, address: str) -> None:
    """Write the book as an EPUB 3.3: https://www.w3.org/TR/epub-33/."""
    files = {each.page: f"{name_of(each.page)}.xhtml" for each in taken} | {"solutions": "solutions.xhtml"}
    bodies = {
        files[each.page]: xhtml(each.title, each.body.replace("<article", f'<article id="{name_of(each.page)}"', 1))
        for each in taken
    }
    bodies["solutions.xhtml"] = xhtml("Solutions", f'<section id="solutions">{solutions_page(taken)}</section>')
    bodies = {name: link(text, address, files) for name, text in bodies.items()}
    nav = f'<nav epub:type="toc" id="toc"><h1>Contents</h1>{contents(taken, files)}</nav>'
    bodies["contents.xhtml"] = xhtml("Contents", nav)
    bodies["cover.xhtml"] = xhtml(
        title, f'<section epub:type="cover"><img src="cover.png" alt="{escape(title)}"/></section>'
    )
    order = ["cover.xhtml", *(files[each.page] for each in taken[:1]), "contents.xhtml"]
    order += [*(files[each.page] for each in taken[1:]), "solutions.xhtml"]

    def item(name: str, kind: str, properties: Sequence[str] = ()) -> str:
        listed = f' properties="{" ".join(properties)}"' if properties else ""
        return f'<item id="{name_of(name)}" href="{name}" media-type="{kind}"{listed}/>'

    def properties(text: str) -> list[str]:
        found = [("mathml", "<math"), ("svg", "<svg"), ("nav", 'epub:type="toc"')]
        return [name for name, sign in found if sign in text]

    items = [item(name, "application/xhtml+xml", properties(bodies[name])) for name in order]
    items += [item("book.css", "text/css"), item("cover.png", "image/png", ["cover-image"])]
    items += [item(f"{font}.woff2", "font/woff2") for font in FONTS]
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, address)
    package = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">\n'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n'
        f'<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>\n<dc:title>{escape(title)}</dc:title>\n'
        f"<dc:creator>{escape(config()['author'])}</dc:creator>\n<dc:language>en</dc:language>\n"
        f'<dc:source>{address}</dc:source>\n<meta property="dcterms:modified">{DATE}</meta>\n</metadata>\n'
        f"<manifest>\n{chr(10).join(items)}\n</manifest>\n"
        f"<spine>\n{chr(10).join(f'<itemref idref={chr(34)}{name_of(name)}{chr(34)}/>' for name in order)}\n</spine>\n"
        "</package>\n"
    )
    container = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">\n<rootfiles>\n'
        '<rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/>\n</rootfiles>\n'
        "</container>\n"
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, content: str | bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, method)

        add("mimetype", "application/epub+zip", zipfile.ZIP_STORED)  # must come first, as it is
        add("META-INF/container.xml", container)
        add("book/package.opf", package)
        add("book/book.css", styles())
        add("book/cover.png", cover(title))
        for font in FONTS:
            add(f"book/{font}.woff2", (HERE / f"_static/fonts/{font}.woff2").read_bytes())
        for name, text in bodies.items():
            add(f"book/{name}", text)


def styles(fonts: str = "") -> str:
    """The style sheet of both files; `fonts` is the address of the fonts' folder."""
    css = (HERE / "takealong.css").read_text(encoding="utf-8").replace("FONTS/", fonts)
    return re.sub(r"var\(--(\w+)\)", lambda used: COLORS[used[1]], css)


# ---- PDF -----------------------------------------------------------------------------------------------------------


def joined(taken: Sequence[Taken], title: str, address: str, numbers: dict[str, int]) -> str:
    """The whole book as one page of HTML; `numbers` are the page numbers for its contents, by id."""
    here = {each.page: "" for each in taken} | {"solutions": ""}
    anchors = {each.page: f"#{name_of(each.page)}" for each in taken} | {"solutions": "#solutions"}
    table = re.sub(
        r'(<a href="#([^"]+)">.*?)</a>',
        lambda found: f'{found[1]} <span class="number">{numbers.get(found[2], "")}</span></a>',
        contents(taken[1:], anchors),
    )
    front, *rest = taken
    chapters = "".join(f'<div class="page" id="{name_of(each.page)}">{each.body}</div>' for each in rest)
    body = (
        f'<div class="cover"><img src="cover.png" alt="{escape(title)}"></div>'
        f'<div class="page" id="{name_of(front.page)}">{front.body}</div>'
        f'<nav class="page contents"><h1>Contents</h1>{table}</nav>{chapters}'
        f'<div class="page" id="solutions">{solutions_page(taken)}</div>'
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{styles("_static/fonts/")}</style>'
    body = link(body, address, here)
    return f'<!DOCTYPE html><html lang="en" class="paper"><head>{head}</head><body>{body}</body></html>'


def print_pdf(page: Page, address: str, html: str, picture: bytes) -> bytes:
    """Print a page of HTML on A4, with page numbers and an outline."""
    page.unroute_all()
    page.route("**/book.html", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.route("**/cover.png", lambda route: route.fulfill(body=picture, content_type="image/png"))
    page.goto(f"{address}/book.html", timeout=patience(300) * 1000)
    page.evaluate("document.fonts.ready.then(() => {})")
    number = '<div style="font: 8px sans-serif; width: 100%; text-align: center"><span class="pageNumber"></span></div>'
    return page.pdf(
        format="A4", outline=True, tagged=True, print_background=True, prefer_css_page_size=True,
        display_header_footer=True, header_template="<span></span>", footer_template=number,
    )  # fmt: skip


def page_numbers(pdf: bytes) -> dict[str, int]:
    """The number of the page on which each target of a link is, by its id."""
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(pdf))
    return {
        name.removeprefix("/"): (reader.get_destination_page_number(place) or 0) + 1
        for name, place in reader.named_destinations.items()
    }


def write_pdf(target: Path, browser: Browser, served: str, taken: Sequence[Taken], title: str, address: str) -> None:
    """Write the book as a PDF: printed twice, because only the first print shows on which page a chapter begins."""
    page = browser.new_page()
    picture = cover(title, (1240, 1754))
    first = print_pdf(page, served, joined(taken, title, address, {}), picture)
    numbers = page_numbers(first)
    target.write_bytes(print_pdf(page, served, joined(taken, title, address, numbers), picture))
    page.close()


# ---- both ----------------------------------------------------------------------------------------------------------


def offer(site: Path) -> None:
    """Let the built front page link to the files that are there, and the service worker know of the changed page."""
    links = [
        f'<a href="../{FILE}.{kind}" download>{kind.upper()}</a> ({path.stat().st_size / 1e6:.1f} MB)'
        for kind in ("epub", "pdf")
        if (path := site / f"{FILE}.{kind}").is_file()
    ]
    front = site / "book/intro.html"
    text = front.read_text(encoding="utf-8")
    place = f'<div class="take-along">Take the book along: {" or ".join(links)}.</div>'
    front.write_text(re.sub('<div class="take-along">.*?</div>', place, text), encoding="utf-8")
    write_worker(site)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--site", type=Path, default=SITE, help="the folder of the built book")
    parser.add_argument("formats", nargs="*", default=["epub", "pdf"], help="epub, pdf, or both (the default)")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.formats if name not in ("epub", "pdf")]:
        sys.exit(f"The book can be made an epub or a pdf, not {unknown[0]}.")
    if not (chosen.site / "book/intro.html").is_file():
        sys.exit(f"There is no built book in {chosen.site}: run `make site` first.")
    title, address = config()["title"], published_at(chosen.site)
    with serving(chosen.site) as served, sync_playwright() as playwright:
        browser = launch(playwright)
        taken = [
            Taken(each.page, each.part, each.title, on_the_web(each.body, served, address), each.solutions)
            for each in take(browser, served)
        ]
        for kind in chosen.formats:
            target = chosen.site / f"{FILE}.{kind}"
            if kind == "epub":
                write_epub(target, taken, title, address)
            else:
                write_pdf(target, browser, served, taken, title, address)
            print(
                f"{target.relative_to(ROOT) if target.is_relative_to(ROOT) else target}: "
                f"{target.stat().st_size / 1e6:.1f} MB"
            )
        browser.close()
    offer(chosen.site)


if __name__ == "__main__":
    main()
