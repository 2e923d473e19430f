"""The playground shows what Tiny World's judge says of each text, and marks its first mistake."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from scripted import Scripted
from seeing import look_at

from gpt2_course.labs.kernel import Kernel
from gpt2_course.labs.lab import CSS, bundle
from gpt2_course.tiny_world import Document, documents

# A page with the playground. Python answers its calls.
PLAYGROUND = """
async ([code, css, theme, traits]) => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.lang = "en";
  document.title = "Playground";
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const main = document.body.appendChild(document.createElement("main"));
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: lab } = await import(url);
  const listeners = {};
  const tell = (event, message) => (listeners[event] ?? []).forEach((listener) => listener(message));
  window.traits = traits;
  async function answer({ id, call, ...asked }) {
    const { parts, ...last } = await kernel(call, asked);
    for (const part of parts) tell("msg:custom", { id, part });
    tell("msg:custom", { id, ...last });
  }
  await lab.render({
    el: main.appendChild(document.createElement("div")),
    model: {
      get: (name) => traits[name],
      set: (name, value) => { traits[name] = value; tell(`change:${name}`); },
      save_changes() {},
      on: (event, listener) => { (listeners[event] ??= []).push(listener); },
      send: (request) => { if (!("cancel" in request)) answer(request); },
    },
  });
}
"""
SETTINGS = {"temperature": 0, "top_k": 0, "top_p": 1, "seed": 0, "texts": []}


def write(
    browser: Browser, prompt: str, *texts: str, name: str = "tiny-world", theme: str = "light", width: int = 360
) -> Page:
    """A page with the playground after a model of this name has continued the prompt with each text."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(
        f"<!doctype html><style>body {{ background: {'#14181e' if theme == 'dark' else '#fff'}; "
        f"--pst-color-text-base: {'#ced6dd' if theme == 'dark' else '#323232'} }}</style>"
    )
    judge = Kernel(Scripted(), "").judge

    def answer(call: str, asked: dict[str, Any]) -> dict[str, Any]:
        if call == "describe":
            return {"parts": [], "done": {"name": name}}
        if call == "judge":
            return {"parts": [], "done": judge(**asked)}
        tokens = re.findall(r"\s?\w{1,4}|\W", texts[asked["seed"]])
        return {
            "parts": [{"text": token, "p": 1 / (n % 9 + 1)} for n, token in enumerate(tokens)],
            "done": {"tokens": len(tokens), "seconds": 1, "cut": {"tokens": 0, "text": ""}},
        }

    page.expose_function("kernel", answer)
    traits = {**SETTINGS, "prompt": prompt, "samples": len(texts), "length": 300}
    page.evaluate(PLAYGROUND, [bundle("playground"), CSS, theme, traits])
    page.get_by_role("button", name="Write").click()
    expect(page.locator(".lab-samples")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".lab-sample")).to_have_count(len(texts))
    return page


def shown(page: Page) -> list[list[str]]:
    """The verdict below each text, and what is marked."""
    return page.locator(".lab-sample").evaluate_all(
        """cards => cards.map((card) => [
          ...[...card.querySelectorAll(".lab-verdict")].map((line) => line.textContent),
          [...card.querySelectorAll("mark")].map((mark) => mark.textContent).join(""),
        ])"""
    )


@pytest.fixture(scope="module")
def story() -> Document:
    return next(d for d in documents(0, "val") if d.kind == "story" and d.text.startswith("Once upon a time, a"))


PROMPT = "Once upon a time"


def test_a_document_has_no_mistake(browser: Browser, story: Document) -> None:
    kinds = {d.kind: d for d in (next(d for d in documents(1, "val") if d.kind == kind) for kind in WHOLE)}
    page = write(browser, "", *[document.text for document in kinds.values()])
    assert shown(page) == [[f"✓ No mistake: {WHOLE[kind]} of Tiny World.", ""] for kind in kinds]
    page.close()


WHOLE = {
    "story": "a whole story",
    "reading": "a whole story with its questions",
    "song": "a whole song",
    "facts": "a whole page of questions",
    "musing": "a whole thought",
}


@pytest.mark.parametrize(
    ("text", "verdict", "marked"),
    [
        (", an owl named Pip", "✗ First mistake: “Pip”. Tiny World says “Olive”.", "Pip"),
        (
            ", an owl named Oliver lost",
            "✗ First mistake: “Oliver”. Tiny World says “lost”, “had”, “promised to bring”, or something else.",
            "Oliver",
        ),
        (", an owl named Oli lost", "✗ First mistake: “Oli”. Tiny World says “Olive”.", "Oli"),
        (", an owl named\nOlive", "✗ First mistake: “↵Olive”. Tiny World says “Olive”.", "\nOlive"),
        (" an owl", "✗ First mistake: “an”. Tiny World says “time,”.", " an"),
        (
            ", an owl named Olive had a bed",
            "✗ First mistake: “bed”. Tiny World says “blue”, “brown”, or “black”.",
            "bed",
        ),
        (", an owl named Olive", "Not finished; no mistake so far.", ""),
        ("", "Not finished; no mistake so far.", ""),
    ],
)
def test_the_first_mistake_is_marked(browser: Browser, text: str, verdict: str, marked: str) -> None:
    page = write(browser, PROMPT, text)
    assert shown(page) == [[verdict, marked]]
    assert page.locator(".lab-text").text_content() == PROMPT + text
    assert page.evaluate("traits.texts") == [PROMPT + text]
    page.close()


def test_a_text_that_goes_on_after_its_end_is_marked(browser: Browser, story: Document) -> None:
    page = write(browser, PROMPT, f"{story.text.removeprefix(PROMPT)} The end.")
    assert shown(page) == [["✗ First mistake: “The”. In Tiny World, the text ends before that.", " The"]]
    page.close()


def test_a_prompt_from_elsewhere_is_not_judged(browser: Browser) -> None:
    page = write(browser, "To be, or not to be", " is a question.")
    assert shown(page) == [["The prompt is not from Tiny World, so the judge has no opinion.", ""]]
    page.close()


def test_models_of_other_texts_are_not_judged(browser: Browser, story: Document) -> None:
    rest = story.text.removeprefix(PROMPT)
    texts = [", there was a king.", "", rest[:50], rest[:70], rest, f"{rest[:70]} zzz"]
    page = write(browser, PROMPT, *texts, name="your model")
    assert [(each[:-1] or [""])[0][:12] for each in shown(page)] == [
        "", "", "", "Not finished", "✓ No mistake", "✗ First mist",
    ]  # fmt: skip
    page.close()


def test_a_judge_that_cannot_be_reached_says_so(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(browser, PROMPT, "")
    page.evaluate(
        """() => {
          const ask = kernel;
          const out = { parts: [], error: "It is <b>out</b>." };
          window.kernel = (call, asked) => (call === "judge" ? out : ask(call, asked));
        }"""
    )
    page.get_by_role("button", name="Write").click()
    expect(page.locator(".lab-verdict")).to_have_text("It is <b>out</b>.")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_verdicts_fit_the_page_and_pass_axe(browser: Browser, story: Document, theme: str, width: int) -> None:
    text = story.text.removeprefix(PROMPT)
    texts = [text, text.replace(". ", ", ", 1), text[:90], f"{text[:40]}{'x' * 200}"]
    page = write(browser, PROMPT, *texts, theme=theme, width=width)
    assert page.locator(".lab-verdict").count() == 4
    assert page.locator("mark").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert look_at(page) == []
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
    page.close()
