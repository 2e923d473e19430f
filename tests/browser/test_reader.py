"""What the page remembers about its reader, and the glossary's cards: with keyboard, touch, and a blocked storage."""

from __future__ import annotations

import json
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from seeing import look_at, set_theme

AXE = {"preload": False}  # preloading would look for imported style sheets in the wrong folder
BLOCK_STORAGE = """for (const name of ["getItem", "setItem", "removeItem"]) {
  const real = Storage.prototype[name];
  Storage.prototype[name] = function (key, ...rest) {
    if (key === "gpt2-course") throw new DOMException("blocked", "SecurityError");
    return real.call(this, key, ...rest);
  };
}"""


# Of chapter 4's quiz: a wrong answer to the first question, then its right answer, and the right one to the second
ANSWERS = ("The same weight for every token", "A 1, and then only zeros", "About 84%")


def looks_right(page: Page, part: str) -> None:
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in ("light", "dark"):
            set_theme(page, theme)
            assert look_at(page.locator(part)) == []
            assert Axe().run(page, context=part, options=AXE).response["violations"] == []


def test_the_page_remembers_its_reader_until_told_to_forget(page: Page, served: str, tmp_path: Path) -> None:
    page.clock.install(time="2026-03-02T10:00:00")
    page.goto(f"{served}/chapters/04_attention.html")
    for answer in ANSWERS:
        page.locator(".quiz summary", has_text=answer).click()
    expect(page.locator(".quiz-score")).to_contain_text("2 of 5 questions answered, 1 right at the first try.")
    page.get_by_label("I have read this chapter").scroll_into_view_if_needed()
    expect(page.get_by_label("I have read this chapter")).to_be_checked()
    expect(page.locator(".bd-sidebar-primary a", has_text="Attention").get_by_label("read")).to_have_count(1)
    expect(page.locator(".bd-sidebar-primary .read-mark")).to_have_count(1)  # none at its sections
    page.goto(f"{served}/chapters/05_many_heads.html#bertviz")
    heading, top = page.locator("#bertviz h2"), -1.0
    for _ in range(100):
        if heading.evaluate("heading => heading.getBoundingClientRect().top") == top:
            break
        top = heading.evaluate("heading => (heading.scrollIntoView(), heading.getBoundingClientRect().top)")
        page.wait_for_load_state("networkidle")  # labs and fonts move what is below them
        page.wait_for_timeout(500)

    page.goto(f"{served}/book/intro.html")
    expect(page.get_by_role("link", name="Continue Chapter 5, Many heads: BertViz")).to_be_visible()
    wall = page.locator(".brick-wall")
    expect(wall.get_by_role("link", name="4 Attention, read")).to_have_count(1)
    expect(wall.locator(".read")).to_have_count(1)
    looks_right(page, ".brick-wall")
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url("**/chapters/05_many_heads.html#bertviz")

    page.clock.set_fixed_time("2026-03-03T10:00:00")  # a day later, both questions are due
    page.goto(f"{served}/book/progress.html")
    review = page.locator("#progress section").first
    expect(review).to_contain_text("2 questions are due.")
    page.get_by_role("button", name="Start").click()
    expect(review).to_contain_text("Question 1 of 2")
    page.get_by_role("button", name="A 1, and then only zeros").click()
    expect(review).to_contain_text("✓ Right.")
    expect(review).to_contain_text("It comes back in 3 days.")
    page.keyboard.press("Enter")  # the focus is on Next
    page.get_by_role("button", name="About 50%").click()
    expect(review).to_contain_text("✗ No.")
    expect(review).to_contain_text("It comes back in 1 day.")
    looks_right(page, "#progress")
    page.get_by_role("button", name="Finish").click()
    expect(review).to_contain_text("Done: 1 of 2 right.")
    expect(review).to_contain_text("Next: 1 question on Wednesday, March 4.")

    file = tmp_path / "solved.json"
    status = page.locator("#progress section").last.get_by_role("status")
    for content, told in (
        ("{", "solved.json is not a progress file: choose the one that progress().save() wrote."),
        ('["<img src=x onerror=alert(1)>"]', "names an exercise that does not exist: <img src=x onerror=alert(1)>."),
        ('["4.1", "4.2", "17.4"]', "solved.json was read: 3 more solved exercises."),
    ):
        file.write_text(content)
        page.get_by_label("Progress file from a notebook").set_input_files(file)
        expect(status).to_contain_text(told)
    expect(page.get_by_role("row", name="4 Attention ✓ 1/5 2/4")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download solved.json").click()
    assert download.value.path().read_text() == '["17.4","4.1","4.2"]\n'

    page.get_by_role("button", name="Forget everything").click()
    page.keyboard.press("Enter")  # the focus is on Keep it
    expect(page.get_by_role("row", name="4 Attention ✓ 1/5 2/4")).to_be_visible()
    page.get_by_role("button", name="Forget everything").click()
    page.get_by_role("button", name="Forget it").click()
    expect(status).to_contain_text("Everything is forgotten.")
    assert page.evaluate("localStorage.getItem('gpt2-course')") is None
    expect(review).to_contain_text("Nothing to review yet.")


def test_answers_given_before_the_script_has_come_count(page: Page, served: str) -> None:
    held: list[Route] = []
    page.route("**/quiz.mjs", lambda route: held.append(route))  # Playwright marks its handlers
    page.goto(f"{served}/chapters/04_attention.html")
    for answer in ANSWERS:
        page.locator(".quiz summary", has_text=answer).click()
    for _ in range(120):
        if held:
            break
        page.wait_for_timeout(1000)
    held[0].continue_()
    expect(page.locator(".quiz-score")).to_contain_text("2 of 5 questions answered, 1 right at the first try.")


def test_a_broken_memory_counts_as_empty(page: Page, served: str) -> None:
    page.goto(f"{served}/book/progress.html")
    expect(page.locator("#progress")).to_contain_text("Nothing to review yet.")
    recalled = """async (stored) => {
      const { recall } = await import("/_static/memory.mjs");
      localStorage.setItem("gpt2-course", stored);
      const { last, read, answered, solved } = recall();
      return [last, [...read], [...answered], [...solved]];
    }"""
    for broken in ("{", "17", "[]", "null", '{"last": {"page": 3}, "read": 1, "answered": [[1], null], "solved": {}}'):
        assert page.evaluate(recalled, broken) == [None, [], [], []]
    right = ["Why?", {"first": True, "right": 2, "due": 20000}]
    partly = json.dumps({"answered": [right, ["Why?"], ["How?", {"first": 1}]], "solved": ["1.1", 2]})
    assert page.evaluate(recalled, partly) == [None, [], [right], ["1.1"]]


def test_with_a_blocked_storage_nothing_breaks(page: Page, served: str) -> None:
    page.add_init_script(BLOCK_STORAGE)
    page.goto(f"{served}/book/progress.html")
    expect(page.locator("#progress")).to_contain_text("This browser does not let the page store anything")
    page.goto(f"{served}/chapters/04_attention.html")
    page.locator(".quiz summary").first.click()
    expect(page.locator(".quiz-score")).to_have_text(
        "Your answers are not kept, because this browser does not let the page store anything."
    )


def test_without_scripts_quizzes_and_terms_still_work(browser: Browser, served: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{served}/chapters/04_attention.html")
    page.locator(".quiz summary").first.click()
    expect(page.get_by_text("✓ Right.").first).to_be_visible()
    page.locator("article a.term").first.click()
    assert "/book/glossary.html#" in page.url
    page.close()


def test_a_terms_card_opens_by_pointer_and_focus_and_closes_with_escape(page: Page, served: str) -> None:
    page.goto(f"{served}/chapters/06_transformer_block.html")
    card = page.locator(".term-card")
    term = page.locator("#the-mlp a.term", has_text="MLP").first
    term.hover()
    expect(card).to_contain_text("The part of a block that works on each token separately.")
    page.mouse.move(0, 0)
    expect(card).to_have_count(0)
    term.focus()
    expect(term).to_have_accessible_description(re.compile("^MLP The part of a block that works on each token"))
    looks_right(page, ".term-card")
    page.keyboard.press("Tab")
    expect(card.get_by_role("link", name="Chapter 6")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(term).to_be_focused()

    page.goto(f"{served}/book/glossary.html")
    page.get_by_label("Filter the terms").fill("scores probabilities")
    expect(page.get_by_role("status").filter(has_text="terms")).to_have_text(re.compile(r"^2 of \d+ terms$"))
    expect(page.get_by_role("heading", name="softmax")).to_be_visible()
    expect(page.get_by_role("heading", name="AdamW")).to_be_hidden()


def test_the_first_touch_shows_a_terms_card(browser: Browser, served: str) -> None:
    context = browser.new_context(has_touch=True, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{served}/chapters/06_transformer_block.html")
    page.locator("#the-mlp a.term").first.tap()
    expect(page.locator(".term-card")).to_be_visible()
    page.locator(".term-card").get_by_role("link", name="Glossary").tap()
    page.wait_for_url("**/book/glossary.html#*")
    context.close()
