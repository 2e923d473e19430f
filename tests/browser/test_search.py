"""The search: what readers ask leads to the right section first, and the field works with the keyboard alone."""

from __future__ import annotations

import json
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from seeing import look_at, set_theme

AXE = {"preload": False}  # preloading would look for imported style sheets in the wrong folder
# What a reader types, and the page or section that must come first. A page means any of its sections.
WANTED = {
    "why sqrt d": "book/faq#why-is-attention-divided-by-d",
    "divide by square root": "book/faq#why-is-attention-divided-by-d",
    "loss is nan": "book/faq#my-loss-is-nan-or-infinite",
    "loss does not decrease": "book/faq#my-loss-does-not-go-down",
    "install on windows": "book/faq#how-do-i-install-it-on-windows",
    "macos": "book/faq#how-do-i-install-it-on-a-mac-or-on-linux",
    "install": "book/setup",
    "GPU": "book/faq",
    "cuda out of memory": "book/faq#cuda-out-of-memory-what-now",
    "ModuleNotFoundError": "book/setup#if-something-goes-wrong",
    "colab": "book/faq#can-i-use-colab-or-no-computer-at-all",
    "hallucination": "book/faq#why-does-the-model-make-things-up-hallucination",
    "why does it lie?": "book/faq#why-does-the-model-make-things-up-hallucination",
    "backpropagation": "chapters/08_gradients",
    "chatgpt": "book/faq#will-i-build-something-like-chatgpt",
    "what is a token": "book/faq#what-is-a-token",
    "bert": "book/faq#what-is-the-difference-between-gpt-and-bert",
    "rlhf": "book/glossary#rlhf",
    "repeats itself": "book/faq#why-does-it-repeat-itself",
    "train on my own text": "book/faq#how-do-i-train-on-my-own-text",
    "resume training": "book/faq#how-do-i-stop-a-training-run-and-resume-it",
    "how long does it take": "book/faq#how-long-does-it-take",
    "prerequisites": "book/faq#what-do-i-need-to-know-before-i-start",
    "solutions": "book/faq#where-are-the-solutions",
    "luck or effect": "chapters/17_blank_page#luck-or-effect",
    "final project": "chapters/17_blank_page#your-project",
    "privacy": "book/faq#is-it-free-is-anything-i-type-sent-anywhere",
    "tokeniser": "chapters/02_tokenizer",  # British
    "byte pair encoding": "book/glossary#byte-pair-encoding",
    "embeding": "chapters/03_embeddings",  # a typing mistake
    "self-attention": "chapters/04_attention",
    "multi head attention": "chapters/05_many_heads",
    "attention mask future": "chapters/04_attention#detail-two-the-mask",
    "layernorm": "book/glossary#layer-norm",
    "residual connection": "book/glossary#residual-stream",
    "cross entropy": "book/glossary#cross-entropy",
    "overfitting": "book/glossary#overfitting",
    "nucleus sampling": "book/glossary#top-p",
    "kv cache": "chapters/10_writing#faster-the-key-value-cache",
    "why can't it spell": "book/faq#why-can-t-it-count-letters",
    "cost of training gpt-2": "chapters/16_bigger#what-gpt-2-cost",
    "markov chain": "book/glossary#bigram",
    "what is a language model": "chapters/01_language_models",
    "teacher": "book/teachers",
}
FIRST = """async (queries) => {
  const { Finder } = await import("/_static/find.mjs");
  const finder = new Finder(await (await fetch("/_static/search.json")).json());
  return queries.map((query) => {
    const first = finder.find(query)[0]?.section;
    return first && `${first.page}#${first.id}`;
  });
}"""


def test_the_index_contains_prose_without_boilerplate(site: Path) -> None:
    sections = json.loads((site / "_static/search.json").read_text(encoding="utf-8"))["sections"]
    assert len(sections) > 300
    text = "\n".join(section["text"] for section in sections)
    assert "it must look back" not in text.lower()  # a heading
    for boilerplate in ("%pip install", "Binder Colab", "importlib.util", "nbval", "<div", "\\frac"):
        assert boilerplate not in text


def test_readers_questions_lead_to_the_right_section_first(page: Page, served: str) -> None:
    page.goto(f"{served}/search.html")
    first = dict(zip(WANTED, page.evaluate(FIRST, list(WANTED)), strict=True))
    wrong = {query: first[query] for query, wanted in WANTED.items() if not (first[query] or "").startswith(wanted)}
    assert wrong == {}


def test_the_search_works_with_the_keyboard_alone(page: Page, served: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{served}/chapters/04_attention.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("<i>xyzzyq</i>")
    dialog = page.locator("#pst-search-dialog")
    expect(dialog.get_by_role("status")).to_contain_text("Nothing found for “<i>xyzzyq</i>”")
    page.keyboard.press("Control+a")
    page.keyboard.type("divide by √D")
    expect(dialog.get_by_role("status")).to_contain_text("results")
    for theme in ("light", "dark"):
        set_theme(page, theme)
        assert look_at(dialog) == []
        assert Axe().run(page, context="#pst-search-dialog", options=AXE).response["violations"] == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("link", name="Detail one: divide by √D")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    page.wait_for_url("**/chapters/04_attention.html#detail-one-divide-by-d")
    page.goto(f"{served}/search.html?q=what+is+a+token")
    page.locator("main").get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/book/faq.html#what-is-a-token")
