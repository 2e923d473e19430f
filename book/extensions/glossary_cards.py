"""A Sphinx extension that connects the glossary with the chapters.

In a chapter, the first use of a term in each section becomes a link to the glossary, unless the term is introduced only
later. An appendix may use all terms. In the glossary, the numbers of chapters in parentheses become links to where the
term is taught. The file _static/glossary.json contains what `terms.mjs` shows when a term is pointed at or focused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from search_index import prose
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from gpt2_course.wall import PARTS

GLOSSARY, APPENDICES = "book/glossary", "book/appendix_"
CHAPTERS = {int(file[:2]): f"chapters/{file}" for _, files in PARTS.values() for file in files}
AMBIGUOUS = {"value", "judge", "position", "hook"}  # mostly used in their everyday sense, so only linked by hand
NUMBERS = re.compile(r"\s*\((\d+(?:, \d+)*)\)\s*$")  # at the end of a definition: the chapters that teach the term
NOT_LINKED = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.strong, nodes.math, nodes.raw)


@dataclass(frozen=True)
class Term:
    """A term of the glossary, its anchor, definition, and the chapters that teach it."""

    name: str
    id: str
    definition: str
    chapters: tuple[int, ...]

    @property
    def pattern(self) -> str:
        """A regular expression for the term in running text, in the singular or plural."""
        *words, last = re.split(r"[ -]", self.name)
        singular = last.removesuffix("s") if last in ("logits", "values") else last
        term = r"[ \n–-]".join(map(re.escape, [*words, singular]))
        flag = "" if re.search("[A-Z]", self.name) else "i"
        return rf"(?<![\w-])(?{flag}:{term})(?:e?s)?(?![\w-])"


def terms(doctree: nodes.document) -> Iterator[Term]:
    """The terms on the page of the glossary."""
    for section in list(doctree.findall(nodes.section))[1:]:
        text = prose(section)
        found = NUMBERS.search(text)
        chapters = tuple(map(int, found[1].split(", "))) if found else ()
        yield Term(section.next_node(nodes.title).astext(), section["ids"][0], NUMBERS.sub("", text), chapters)


@cache
def _terms(env: BuildEnvironment) -> list[Term]:
    return list(terms(env.get_doctree(GLOSSARY)))


def connect(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if page == GLOSSARY:
        link_to_chapters(app, doctree)
    elif page in CHAPTERS.values() or page.startswith(APPENDICES):
        number = next((n for n, file in CHAPTERS.items() if file == page), max(CHAPTERS))
        to_glossary = app.builder.get_relative_uri(page, GLOSSARY)
        link_terms(doctree, [t for t in _terms(app.env) if t.chapters and min(t.chapters) <= number], to_glossary)


# ---- chapters → glossary -----------------------------------------------------------------------------------------


def link_terms(doctree: nodes.document, known: list[Term], glossary: str) -> None:
    """Link the first use of each term in each section to the address of the glossary."""
    page = doctree.next_node(nodes.section)
    if page is None:
        return
    longest_first = sorted(known, key=lambda term: -len(term.name))  # "layer norm" is no "layer"
    pattern = re.compile("|".join(f"({term.pattern})" for term in longest_first))
    parts = [section for section in page.children if isinstance(section, nodes.section)]
    for part in [page, *parts]:
        linked = {link["refuri"].partition("#")[2] for link in _links(part, parts) if "glossary" in link["refuri"]}
        for text in [node for node in _texts(part, parts) if not _inside(node, NOT_LINKED)]:
            string, pieces, at = text.astext(), [], 0
            for match in pattern.finditer(string):
                term = longest_first[match.lastindex - 1]
                if term.id in linked or term.name in AMBIGUOUS:
                    continue
                linked.add(term.id)
                address = f"{glossary}#{term.id}"
                link = nodes.reference("", match[0], internal=True, refuri=address, classes=["term"])
                pieces += [nodes.Text(string[at : match.start()]), link]
                at = match.end()
            text.parent.replace(text, [*pieces, nodes.Text(string[at:])])


def _links(part: nodes.Element, others: list[nodes.section]) -> list[nodes.reference]:
    return [link for link in _within(part, nodes.reference, others) if link.get("refuri")]


def _texts(part: nodes.Element, others: list[nodes.section]) -> list[nodes.Text]:
    return [text for text in _within(part, nodes.Text, others) if _inside(text, (nodes.paragraph,))]


def _within(part: nodes.Element, kind: type[Any], others: list[nodes.section]) -> Iterator[Any]:
    """The nodes of a kind in a part of a page, without those in the other parts."""
    for node in part.findall(kind):
        if not any(each in others and each is not part for each in _above(node)):
            yield node


def _above(node: nodes.Node) -> Iterator[nodes.Element]:
    while node.parent is not None:
        node = node.parent
        yield node


def _inside(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    return any(isinstance(each, kinds) for each in _above(node))


# ---- glossary → chapters -----------------------------------------------------------------------------------------


def link_to_chapters(app: Sphinx, doctree: nodes.document) -> None:
    """Turn the numbers of chapters after each definition into links to where the term is taught."""
    for term, section in zip(_terms(app.env), list(doctree.findall(nodes.section))[1:], strict=True):
        last = list(section.findall(nodes.Text))[-1]
        if not term.chapters or not NUMBERS.search(last.astext()):
            continue
        line = nodes.paragraph("", "Chapters " if len(term.chapters) > 1 else "Chapter ", classes=["taught"])
        for number in term.chapters:
            link = nodes.reference("", str(number), internal=True, refuri=_taught(app, term, number))
            line += [nodes.Text(", "), link] if number != term.chapters[0] else [link]
        last.parent.replace(last, nodes.Text(NUMBERS.sub("", last.astext())))
        section += line


def _taught(app: Sphinx, term: Term, number: int, page: str = GLOSSARY) -> str:
    """The address of the section of a chapter that defines a term, which is where the term is bold."""
    address = app.builder.get_relative_uri(page, CHAPTERS[number])
    for bold in app.env.get_doctree(CHAPTERS[number]).findall(nodes.strong):
        if re.fullmatch(term.pattern, bold.astext().strip()):
            section = next(each for each in _above(bold) if isinstance(each, nodes.section))
            return address if section.parent.parent is None else f"{address}#{section['ids'][0]}"
    return address


def write_cards(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    cards = {}
    for term in _terms(app.env):
        taught = [(n, _taught(app, term, n, "index")) for n in term.chapters]
        cards[term.id] = {"name": term.name, "definition": term.definition, "taught": taught}
    target = Path(app.outdir) / "_static" / "glossary.json"
    target.write_text(json.dumps(cards, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-resolved", connect)
    app.connect("build-finished", write_cards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
