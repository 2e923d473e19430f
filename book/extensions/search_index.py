"""A Sphinx extension that replaces Sphinx's search: it writes what `find.mjs` searches, and the page `search.html`.

The index, _static/search.json, contains the prose of each section and the groups of words in synonyms.txt. Code, its
output, and what is folded away as HTML are not prose. Names in the package's reference are sections of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SYNONYMS = Path(__file__).with_name("synonyms.txt")
SKIPPED = (nodes.literal_block, nodes.raw, nodes.title, nodes.comment, nodes.field_list, addnodes.toctree)
# How much a section counts, by its page or by the heading above it; 1 if neither is listed. An answer to a reader's
# question comes before a chapter that mentions the same words, and a chapter before its exercises.
WEIGHTS = {
    "book/faq": 1.3,
    "book/glossary": 1.2,
    "book/labs": 0.8,
    "book/api": 0.5,
    "book/bibliography": 0.5,
    "book/changes": 0.5,
    "book/contributing": 0.5,
    "Exercises": 0.6,
    "Quiz": 0.6,
    "What you know now": 0.7,
}
TITLE = 1.5  # how much more the beginning of a page counts, with the page's title
# LaTeX as plain text, in the order in which it is replaced
LATEX = {
    r"\\text\{([^}]*)\}": r"\1",
    r"\\frac\{(.*?)\}\{(.*)\}": r"(\1)/\2",
    r"\\sqrt\{([^}]*)\}": r"√\1",
    r"\^\\top": "ᵀ",
    r"\^\{?\\infty\}?": "^∞",
    r"\\approx": "≈",
    r"\\leftarrow": "←",
    r"\\infty": "∞",
    r"\\alpha": "α",
    r"\\cdot": "·",
    r"\\ln\b": "ln",
    r"\\log_2": "log₂",
    r"\\(left|right|qquad|,|!)": " ",
    r"[{}\\]": "",
    r"(^|[ (])-": r"\1−",
}
_SPACES = re.compile(r"\s+")


def plain(latex: str) -> str:
    """A formula as a line of text, for places that cannot show formulas."""
    for pattern, text in LATEX.items():
        latex = re.sub(pattern, text, latex)
    return _SPACES.sub(" ", latex).strip()


def prose(node: nodes.Node) -> str:
    """The prose in a part of a page, without that of the sections in it."""
    return _SPACES.sub(" ", "".join(_pieces(node))).strip()


def _pieces(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Text):
        yield node.astext()
    elif isinstance(node, (nodes.math, nodes.math_block)):
        yield f"{plain(node.astext())}{' ' * isinstance(node, nodes.math_block)}"
    elif isinstance(node, addnodes.desc):
        return
    elif isinstance(node, nodes.Element) and not isinstance(node, SKIPPED) and not node.get("nb_element"):
        for child in node.children:
            if not isinstance(child, nodes.section):
                yield from _pieces(child)
        if not isinstance(node, nodes.Inline):
            yield " "


def sections(page: str, doctree: nodes.document, number: str = "") -> Iterator[dict[str, Any]]:
    """The sections of a page, each with the page, its anchor, heading, the headings above it, prose, and weight.

    The number is that of the page, such as "4. ".
    """
    for section in doctree.findall(nodes.section):
        above = [_heading(each) for each in _around(section)]
        heading = _heading(section)
        weight = WEIGHTS.get(page, 1) * min(WEIGHTS.get(name, 1) for name in (heading, *above))
        if above:
            above[0] = f"{number}{above[0]}"
        else:
            weight *= TITLE
        yield {
            "page": page,
            "id": section["ids"][0] if above else "",
            "heading": heading,
            "above": above,
            "text": prose(section),
            "weight": round(weight, 3),
        }
        for described in section.findall(addnodes.desc):
            signature = described.next_node(addnodes.desc_signature)
            content = described.next_node(addnodes.desc_content)
            if signature is not None and signature["ids"] and _around(described)[-1] is section:
                name = signature["ids"][0].removeprefix("gpt2_course.")
                yield {
                    "page": page,
                    "id": signature["ids"][0],
                    "heading": name,
                    "above": [*above, heading],
                    "text": prose(content) if content is not None else "",
                    "weight": WEIGHTS.get(page, 1),
                }


def _around(node: nodes.Node) -> list[nodes.section]:
    """The sections around a node, from the page's to the innermost."""
    around = []
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.section):
            around.insert(0, node)
    return around


def _heading(section: nodes.section) -> str:
    title = section.next_node(nodes.title)
    return "" if title is None else _SPACES.sub(" ", "".join(p for c in title.children for p in _pieces(c))).strip()


def synonyms(text: str) -> list[list[str]]:
    """The groups of words that mean the same: one group per line, with commas between the words."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [[word.strip() for word in line.split(",")] for line in lines if line.strip()]


def write_index(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    pages = [page for page in sorted(app.env.all_docs) if page in app.env.titles]
    found = [section for page in pages for section in sections(page, app.env.get_doctree(page), _number(app, page))]
    index = {"sections": found, "synonyms": synonyms(SYNONYMS.read_text(encoding="utf-8"))}
    target = Path(app.outdir) / "_static" / "search.json"
    target.write_text(json.dumps(index, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def _number(app: Sphinx, page: str) -> str:
    numbers = app.env.toc_secnumbers.get(page, {}).get("")
    return f"{numbers[0]}. " if numbers else ""


def leave_out_sphinx_search(app: Sphinx) -> None:
    if app.builder.format == "html":
        app.builder.search = False  # type: ignore[attr-defined]


def search_page(_app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    yield "search", {"title": "Search"}, "find.html"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", leave_out_sphinx_search)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
