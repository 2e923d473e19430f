"""The chapters' prose: no term before its definition, and no number that the page does not show."""

from __future__ import annotations

import importlib
from typing import Any

import nbformat
import pytest

from book import prose
from book.prose import EVERYDAY, KNOWN, PATHS, early_uses, findings, glossary, introduced, misplaced, read


def page(*cells: str | tuple[str, str]) -> Any:
    """A notebook of Markdown cells, and code cells that are tuples: the code, and what it prints."""
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(cell)
            if isinstance(cell, str)
            else nbformat.v4.new_code_cell(cell[0], outputs=[nbformat.v4.new_output("stream", text=cell[1])])
            for cell in cells
        ]
    )


@pytest.mark.parametrize("number", PATHS)
def test_a_chapter_introduces_its_terms_and_shows_its_numbers(number: int) -> None:
    assert findings(number, introduced(glossary())) == []


def test_the_glossary_says_where_each_term_is_introduced() -> None:
    assert misplaced(introduced(glossary())) == []


def test_every_exception_is_needed() -> None:
    where = introduced(glossary())
    assert set(EVERYDAY) <= {term for number in PATHS for term, _ in early_uses(number, where)}
    for number, known in KNOWN.items():
        assert set(known) <= {text for text, _ in prose.unshown_numbers(read(number))}, number


def test_terms_are_found_where_the_site_links_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(prose.ROOT / "book/extensions"))
    cards = importlib.import_module("glossary_cards")
    assert all(cards.Term(name, "", "", ()).pattern == prose.pattern(name) for name in glossary())


def test_a_term_before_its_definition_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {
        1: page("The residual stream is wide. See chapter 2 for its norms.", "Norms? Chapter 2 explains the norm."),
        2: page("No norm yet.\n\nThe **norm** divides. A **residual stream** flows.", "A norm, and another norm."),
    }
    monkeypatch.setattr(prose, "PATHS", pages)
    monkeypatch.setattr(prose, "read", pages.__getitem__)
    where = introduced(["norm", "residual stream", "key"])
    assert where == {"norm": (2, 1), "residual stream": (2, 1)}
    assert list(early_uses(1, where)) == [
        ("residual stream", "The residual stream is wide."),
        ("norm", "Norms?"),
    ]
    assert list(early_uses(2, where)) == [("norm", "No norm yet.")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The loss is 2.5 nats, that is 30% less, and 1,234 steps.", []),
        ("The loss is 2.6 nats.", ["2.6"]),
        ("After 1,235 steps, 31 percent.", ["1,235", "31"]),
        ("In chapter 18, in 2019, GPT-2 had 12 blocks; see exercise 15.2.", []),
        ("It was 99.5 ([Radford et al., 2019](https://example.org)).", []),
        ("In `x[:99]` and $99$, no number is prose.", []),
    ],
)
def test_a_number_that_the_page_does_not_show_is_found(text: str, found: list[str]) -> None:
    assert [number for number, _ in prose.unshown_numbers(page(text, ("for i in range(1_234):", "2.46\n0.3")))] == found
