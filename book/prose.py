"""What the chapters' prose promises, checked by rule: `python -m book.prose 11 12` lists what is wrong in two chapters.

Terms: a term of the glossary is not used before the chapter that introduces it, in bold. Numbers: a number in the prose
is shown by an output, a code cell, a table, or a drawing of the same page.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
# Terms that are also everyday words, or words of Python, and what they mean before they are introduced.
EVERYDAY = {
    "brick": "what a wall is built from",
    "head": "one side of a coin",
    "hook": "what a coat hangs on",
    "key": "what a dictionary of Python is asked for",
    "language model": "the question in the title of chapter 1",
    "layer": "one of several things that lie on top of each other",
    "logarithm": "known from school, and explained in the sentence after its first use",
    "neural network": "a word of the news",
    "position": "a place in a list",
    "value": "any number, or what a dictionary contains",
}
# Numbers that a page need not show, by chapter, and where they come from.
KNOWN = {
    1: {
        "1.79": "ln 6, computed in the sentence",
        "124": "GPT-2's parameters in millions, which chapter 7 counts",
        "18": "the number of a chapter",
    },
    2: {
        "255": "the largest byte",
        "257": "the number after 256",
        "3,072": "the size of the shipped vocabulary, which chapter 7 prints",
        "260,000": "the size of other models' vocabularies",
    },
    3: {
        "39": "GPT-2's token table in millions, which chapter 7 counts",
        "124": "GPT-2's parameters in millions, which chapter 7 counts",
    },
    4: {
        "336": "the context of the shipped model",
        "0.02": "GPT-2's start, and a measurement of `benchmarks.attention_scale`, which the sentence before names",
        "1,024": "the context of GPT-2, and of a model whose description is linked",
        "131,072": "the context of other models",
        "17": "131,072 times 131,072, in billions",
        "128": "from the description that is linked",
        "512": "from the description that is linked",
    },
    6: {"8.03": "ln 3,072"},
    7: {"0.02": "GPT-2's own start", "0.05": "the default of `GPT2Config`"},
    8: {
        "2.1": "computed in the sentence",
        "10.5": "computed in the sentence",
        "800,000": "the parameters of chapter 9's model, rounded",
    },
    9: {"128": "the channels of the file's model", "0.08": "2 / 25, from the slope of the valley in the code"},
    10: {
        "10,000": "a way to say how rare",
        "0.75": "computed by hand in the paragraph",
        "0.625": "computed in the sentence",
        "0.375": "computed in the sentence",
        "20,100": "computed in the sentence",
    },
    11: {"2.7": "e, rounded"},
    12: {"144": "12 layers of 12 heads"},
    13: {
        "42": "the inhabitants of Tiny World",
        "3.3": "the parameters of the shipped model in millions, which chapter 7 counts",
        "68": "from the table of `benchmarks/answering.md`",
    },
    14: {
        "175": "from the paper that the paragraph names",
        "15.6": "from the paper that the sentence before names",
    },
    15: {
        "10.5": "a quarter of 42, computed in the sentence",
        "63.1": "from the paper that the sentence names",
        "62.9": "from the paper that the sentence before names",
    },
    16: {
        "0.69": "ln 2, computed in the sentence",
    },
    18: {
        "174,000": "the parameters in the table of `benchmarks/today.md`, rounded",
        "48": "in the same table",
        "500,000": "the base of Llama 3, from its paper",
        "3.5": "the width of Llama 3 8B's MLP, from its paper",
    },
}
PATHS = {int(path.stem[:2]): path for path in sorted((ROOT / "chapters").glob("*.ipynb"))}
PROMISE = re.compile(r"\b[Cc]hapters? (\d+)(?:(?:,|, and| and| to|–) (\d+))*")
SENTENCE = re.compile(r"(?<=[.!?:])[)*\"”]*\s+(?=[*(“\"A-Z`$[])|\n(?=\s*(?:-|\d+\.) )")
OUTLOOK = re.compile(r"\*\*(Where real systems differ|To go further)\.?\*\*")


def pattern(name: str) -> str:
    """A regular expression for a term of the glossary in running text, as in `extensions/glossary_cards.py`."""
    *words, last = re.split(r"[ -]", name)
    singular = last.removesuffix("s") if last in ("logits", "values") else last
    term = r"[ \n–-]".join(map(re.escape, [*words, singular]))
    flag = "" if re.search("[A-Z]", name) else "i"
    return rf"(?<![\w-])(?{flag}:{term})(?:e?s)?(?![\w-])"


def glossary() -> dict[str, tuple[int, ...]]:
    """The terms of the glossary, and the chapters that teach each."""
    entries = re.split(r"^## ", (ROOT / "book/glossary.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        name, _, text = entry.strip().partition("\n")
        chapters = re.search(r"\((\d+(?:, \d+)*)\)$", text.strip())
        found[name] = tuple(map(int, chapters[1].split(", "))) if chapters else ()
    return found


def paragraphs(notebook: Any) -> list[str]:
    """The paragraphs and tables of a notebook, without code, formulas, headings, and solutions."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            folded = r'<details class="solution">.*?</details>|<summary>.*?</summary>'
            text = re.sub(rf"{folded}|```.*?```|\$\$.*?\$\$", "\n\n", cell.source, flags=re.DOTALL)
            text = re.sub(r"\$[^$\n]*\$|`[^`\n]*`|</?\w[^>]*>", " ", text)
            found += [each.strip() for each in re.split(r"\n\s*\n", text) if each.strip() and not each.startswith("#")]
    return found


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, without addresses and marks. A table has none."""
    if paragraph.startswith("|"):
        return []
    text = re.sub(r"\]\([^)\s]*\)", "]", paragraph)
    return [" ".join(each.split()) for each in SENTENCE.split(text) if each.strip()]


def read(number: int) -> Any:
    return nbformat.read(PATHS[number], as_version=4)


# ---- terms ---------------------------------------------------------------------------------------------------------


def introduced(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Where each term is bold for the first time: the chapter, and the number of the paragraph in it."""
    found: dict[str, tuple[int, int]] = {}
    patterns = {name: re.compile(rf"(?:the |a |an )?{pattern(name)}[.:,]?") for name in names}
    for number in PATHS:
        for i, paragraph in enumerate(paragraphs(read(number))):
            for bold in re.findall(r"\*\*(.+?)\*\*", re.sub(r"\]\([^)\s]*\)|\[", "", paragraph)):
                for name, term in patterns.items():
                    if name not in found and term.fullmatch(bold):
                        found[name] = number, i
    return found


def early_uses(number: int, where: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """The terms that a chapter uses before they are introduced, each with the first sentence that does.

    A sentence may look ahead if it says so, by naming a later chapter. So may the last paragraphs, which lead beyond
    the book.
    """
    longest_first = sorted(where, key=len, reverse=True)
    either = re.compile("|".join(f"({pattern(name)})" for name in longest_first))
    seen = set()
    for i, paragraph in enumerate(paragraphs(read(number))):
        if OUTLOOK.match(paragraph):
            continue
        for sentence in sentences(paragraph):
            named = re.findall(r"\d+", " ".join(match[0] for match in PROMISE.finditer(sentence)))
            if any(int(chapter) > number for chapter in named):
                continue
            for match in either.finditer(sentence):
                name = longest_first[(match.lastindex or 0) - 1]
                if (number, i) < where[name] and name not in seen:
                    seen.add(name)
                    yield name, sentence


def misplaced(where: Mapping[str, tuple[int, int]]) -> list[str]:
    """The terms of the glossary that no chapter introduces, or another chapter than the glossary says."""
    found = []
    for term, chapters in glossary().items():
        if term not in where:
            found.append(f"glossary {term!r} is bold in no chapter")
        elif where[term][0] not in (0, *chapters[:1]):  # the glossary does not lead to the warm-up, chapter 0
            found.append(f"glossary {term!r} is bold first in chapter {where[term][0]}, but taught in {chapters}")
    return found


# ---- numbers -------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.,])[−-]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
NOT_MEASURED = re.compile(
    r"\b(?:[Cc]hapters?|[Ee]xercises?|[Bb]ricks?|[Pp]arts?|[Ss]ections?|[Ss]teps?|seeds?|layers?|blocks?|heads?|quiz)"
    r" \d[\d.]*(?:(?:, and|,| and| to| or|–) \d[\d.]*)*"  # names of things
    r"|\b(?:1[5-9]|20)\d\d\b"  # years
    r"|GPT-\d(?:\.\d)?|Llama \d(?:\.\d)?|UTF-8|[A-Za-z]+-?\d+[A-Za-z]?\b"  # names
)
SOURCE = re.compile(r"\{cite|\((?:[A-Z][^()]*, )?(?:19|20)\d\d[^()]*\)|\[[^\]]*(?:19|20)\d\d[^\]]*\]")
FEW = 12  # whole numbers up to this one are counts that a reader sees


def shown_numbers(notebook: Any) -> set[float]:
    """All numbers in the code, the outputs, and the tables of a page."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found += re.findall(r"```.*?```|`[^`\n]*`|\$[^$]*\$|^\|.*$", cell.source, re.DOTALL | re.MULTILINE)
            continue
        found.append(cell.source)
        for output in cell.outputs:
            data = output.get("data", {})
            drawn = re.sub(r"<(style|script).*?</\1>", " ", data.get("text/html", ""), flags=re.DOTALL)
            found += [output.get("text", ""), data.get("text/plain", ""), re.sub(r"<[^>]*>", " ", drawn)]
            found += re.findall(r'(?:aria-label|alt)="([^"]*)"', drawn)
    text = unescape("\n".join(found)).replace("−", "-")
    numbers = re.findall(r"\d[\d,_]*(?:\.\d+)?(?:e-?\d+)?", text)
    return {float(re.sub("[,_]", "", number)) for number in numbers}


def unshown_numbers(notebook: Any) -> Iterator[tuple[str, str]]:
    """The numbers in a page's prose that it does not show, each with its sentence.

    Rounded numbers count as shown, and so do shares in percent. Not checked are whole numbers up to 12, years, the
    numbers of chapters and the like, and sentences that name their source.
    """
    shown = shown_numbers(notebook)
    shown |= {100 * number for number in shown} | {100 - number for number in shown}
    for paragraph in paragraphs(notebook):
        for sentence in sentences(paragraph):
            if SOURCE.search(sentence):
                continue
            for match in NUMBER.finditer(NOT_MEASURED.sub(" ", sentence)):
                text = match[0].lstrip("−-").replace(",", "")
                value, decimals = float(text), len(text.partition(".")[2])
                few = decimals == 0 and value <= FEW
                if not few and not any(abs(number - value) <= 0.5001 * 10**-decimals for number in shown):
                    yield match[0], sentence


# ---- what remains, and why -----------------------------------------------------------------------------------------


def findings(number: int, where: Mapping[str, tuple[int, int]]) -> list[str]:
    """What is wrong with a chapter, without the exceptions."""
    found = [
        f"{number:2} term   {term!r} is introduced only later, in chapter {where[term][0]}: {sentence}"
        for term, sentence in early_uses(number, {term: at for term, at in where.items() if term not in EVERYDAY})
    ]
    return found + [
        f"{number:2} number {text} is not shown on the page: {sentence}"
        for text, sentence in unshown_numbers(read(number))
        if text not in KNOWN.get(number, {})
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", type=int, default=list(PATHS), help="their numbers; all, if none")
    where = introduced(glossary())
    for number in parser.parse_args().chapters:
        for finding in findings(number, where):
            print(finding)
    for finding in misplaced(where):
        print(finding)


if __name__ == "__main__":
    main()
