"""A Sphinx extension for what surrounds a page's text: few files to load, and what search engines and links show.

The theme's own styles and scripts (Bootstrap, FontAwesome, MathJax, thebe, 2 MB in all) are left out. `book/_templates`
has the HTML instead, and the style sheets of `html_css_files` are joined into one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from previews import preview
from sphinx.application import Sphinx

import gpt2_course.labs
from gpt2_course.wall import BRICKS, Brick

STYLES = "book.css"  # all style sheets in one
STATIC = Path(gpt2_course.labs.__file__).with_name("static")
FIRST = ("hydrate.mjs", "storyteller.mjs", "worker.mjs")  # what the front page's lab starts with
# What its worker reads, the largest last, because a slow connection loads in this order.
MODEL = ("linear.wasm", "tiny-world/config.json", "tiny-world/merges.txt", "tiny-world/model.safetensors")
DESCRIPTION = 160  # characters; search engines cut what is longer

# Tags, and what is not prose; or the name, which a narrow screen would break after its hyphen.
NAME = re.compile(r"(<(pre|code|script|style|svg|textarea)\b.*?</\2>|<[^>]*>)|\bGPT-2\b", re.DOTALL)


def joined_styles(app: Sphinx) -> str:
    """All style sheets of the settings, in their order."""
    folders = [Path(app.confdir, folder) for folder in app.config.html_static_path]
    paths = [folder / name for name, _ in app.config.html_css_files for folder in folders]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())


def minified(css: str) -> str:
    """A style sheet without comments and indentation."""
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)).strip()


def join_styles(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    css = minified(joined_styles(app))
    folder = Path(app.outdir, "_static")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STYLES).write_text(css, encoding="utf-8")
    app.config.html_context["stylesheet"] = f"_static/{STYLES}?v={hashlib.sha256(css.encode()).hexdigest()[:8]}"


def description(doctree: nodes.document) -> str:
    """What a page is about, in at most `DESCRIPTION` characters: what it builds, and how it begins."""
    built = [
        row.children[1].astext() for row in doctree.findall(nodes.row) if row.astext().startswith("You will build")
    ]
    prose = [text.astext() for text in doctree.findall(nodes.paragraph) if isinstance(text.parent, nodes.section)]
    text = " ".join([*(f"Build {what}." for what in built), *prose])
    text = " ".join(text.split())
    if len(text) <= DESCRIPTION:
        return text
    return text[: DESCRIPTION - 1].rsplit(" ", 1)[0].rstrip(",;:. ") + "…"


def contents(app: Sphinx, page: str, context: dict[str, Any]) -> str:
    """The book's table of contents; below the current page, that page's sections."""
    toc = app.env.tocs.get(page)
    title = next(iter(toc.findall(nodes.list_item)), None) if toc else None
    inner = [part for part in title.children if isinstance(part, nodes.bullet_list)] if title else []
    links = [link for part in inner for item in part.children for link in list(item.findall(nodes.reference))[:1]]
    sections = "".join(
        f'<li class="toctree-l2"><a href="{link["anchorname"]}">{escape(link.astext())}</a></li>'
        for link in links
        if link.get("anchorname")
    )
    tree = context["toctree"](collapse=True, maxdepth=1, includehidden=True)
    return re.sub(
        r'(<a class="current reference internal" href="#">.*?</a>)',
        rf'\1<ul class="bd-sidebar-secondary">{sections}</ul>',
        tree,
        count=1,
    )


def imported(*modules: str) -> list[str]:
    """Labs' modules and the modules that they import, each once."""
    found: list[str] = []
    waiting = list(modules)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            code = (STATIC / name).read_text(encoding="utf-8")
            waiting += re.findall(r'^(?:import|\}) .*from "\./([\w.]+)";$', code, re.MULTILINE)
    return found


def mark_chapter_facts(_app: Sphinx, doctree: nodes.document) -> None:
    """The table that says what a chapter builds, needs, and takes: wide screens show it beside the title.

    It has no headings, and each row begins with words in bold. It moves up, in front of the folded set-up cell.
    """
    for table in doctree.findall(nodes.table):
        heads, bodies = list(table.findall(nodes.thead)), list(table.findall(nodes.tbody))
        if heads and not heads[0].astext().strip() and all(row[0].next_node(nodes.strong) for row in bodies[0]):
            table["classes"].append("chapter-facts")
            section = table.parent
            cell = next((node for node in section.children if "cell" in node.get("classes", [])), None)
            if cell is not None and section.index(cell) < section.index(table):
                section.remove(table)
                section.insert(section.index(cell), table)


def end_exercises(_app: Sphinx, doctree: nodes.document) -> None:
    """Let the section of an exercise, which is drawn as a card, end after its solution."""
    for section in list(doctree.findall(nodes.section)):
        texts = [node.astext() if isinstance(node, nodes.raw) else "" for node in section.children]
        solutions = [i for i, text in enumerate(texts) if 'class="solution"' in text]
        if not solutions or not isinstance(section.parent, nodes.section):
            continue
        end = next(i for i in range(solutions[-1], len(texts)) if "</details>" in texts[i]) + 1
        rest = section.children[end:]
        del section[end:]
        after = section.parent.index(section) + 1
        section.parent.insert(after, rest)


def save_preview(app: Sphinx, page: str, title: str, brick: Brick | None) -> str:
    """Draw a page's preview; returns its path within the site."""
    path = Path("_static/previews", f"{page.replace('/', '-')}.png")
    target = Path(app.outdir, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    preview(title, brick, app.config.html_title).save(target, optimize=True)
    return path.as_posix()


def complete(app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Give the page's template what it needs besides what Sphinx does."""
    ours = {f"_static/{name}" for name, _ in app.config.html_js_files}
    context["scripts"] = [script for script in context["script_files"] if script.filename in ours]
    context["contents"] = contents(app, page, context)
    is_front = page == app.config.root_doc
    context["modules"] = imported(*FIRST)[1:] if is_front else []  # the first one has a script tag
    context["files"] = MODEL if is_front else []
    number = re.match(r"chapters/(\d+)", page)
    brick = next((brick for brick in BRICKS if number and brick.number == int(number[1])), None)
    context["brick"] = brick.color if brick else ""
    context["home_path"] = urlsplit(app.config.html_baseurl).path
    if doctree:
        title = re.sub(r"^\d+\. ", "", unescape(re.sub("<[^>]+>", "", context["title"])))
        context["description"] = (
            description(doctree) or f"{title} of {app.config.html_title}, a course with a live model."
        )
        context["preview"] = f"{app.config.html_baseurl}{save_preview(app, page, title, brick)}"
        context["body"] = NAME.sub(lambda at: at[1] or '<span class="unbroken">GPT-2</span>', context["body"])
        context["preview_alt"] = f"{title}, above a wall of bricks"


def write_for_robots(app: Sphinx, exception: Exception | None) -> None:
    """Write what search engines read: a sitemap, robots.txt, and an index.html that leads to the front page."""
    if exception or app.builder.format != "html":
        return
    base, site = app.config.html_baseurl, Path(app.outdir)
    pages = "".join(f"<url><loc>{base}{page}.html</loc></url>\n" for page in sorted(app.env.found_docs))
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    sitemap = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{namespace}">\n{pages}</urlset>\n'
    (site / "sitemap.xml").write_text(sitemap, encoding="utf-8")
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", encoding="utf-8")
    root = app.config.root_doc
    front = (site / f"{root}.html").read_text(encoding="utf-8")
    head = "\n".join(re.findall(r"<title>.*?</title>|<meta .*?>|<link rel=\"canonical\".*?>", front))
    redirect = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n<meta http-equiv="refresh" content="0; url={root}.html">'
    )
    (site / "index.html").write_text(
        f'{redirect}\n</head>\n<body><a href="{root}.html">{escape(app.config.html_title)}</a></body>\n</html>\n',
        encoding="utf-8",
    )


def remove_unused(app: Sphinx, exception: Exception | None) -> None:
    """Delete what the theme and other extensions copied into _static, and no page refers to."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    for folder in ("scripts", "styles", "vendor", "locales", "images"):
        shutil.rmtree(static / folder, ignore_errors=True)
    folders = [Path(app.confdir, folder) for folder in app.config.html_static_path if not Path(folder).is_absolute()]
    ours = {path.name for folder in folders for path in folder.iterdir() if path.suffix != ".css"}
    for path in static.iterdir():
        if path.suffix in (".css", ".html", ".js", ".png", ".svg") and path.name not in ours | {STYLES}:
            path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", mark_chapter_facts)
    app.connect("doctree-read", end_exercises)
    app.connect("builder-inited", join_styles, priority=900)
    app.connect("html-page-context", complete, priority=900)
    app.connect("build-finished", write_for_robots)
    app.connect("build-finished", remove_unused, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
