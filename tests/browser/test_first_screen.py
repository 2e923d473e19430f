"""The front page on its first screen: what the course is, a model at work, its temperature, and one button."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect
from seeing import look_at
from test_any_model import in_eight_bits

from book.look import drag, press
from gpt2_course import GPT2
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.labs import Storyteller
from gpt2_course.labs.kernel import Kernel, uniform
from gpt2_course.wall import BRICKS

FRONT = "book/intro.html"
PROMISED = ("h1", "h1 + p", "h1 + p + p > a", ".lab-story", ".lab-bars", ".lab-field input")
TOKENS = ".lab-story .lab-sure"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(in_eight_bits(GPT2.from_pretrained()), "tiny-world")  # as in the page


def wait_for_tokens(page: Page, least: int) -> None:
    page.wait_for_function("([tokens, n]) => document.querySelectorAll(tokens).length >= n", arg=[TOKENS, least])


def open_paused(page: Page, served: str) -> Locator:
    """Open the front page and pause its lab after the first token."""
    page.goto(f"{served}/{FRONT}")
    wait_for_tokens(page, 1)
    lab = page.locator(".lab-storyteller")
    press(lab, "Pause")
    expect(lab.get_by_role("button", name="Write")).to_be_visible()
    page.wait_for_timeout(300)  # the last answer is shown
    return lab


def boxes(page: Page, *parts: str) -> list[dict[str, float]]:
    """Where parts of the page are: left, top, right, bottom."""
    return page.evaluate(
        """(parts) => parts.map((part) => {
          const { left, top, right, bottom } = document.querySelector(part).getBoundingClientRect();
          return { left, top, right, bottom };
        })""",
        list(parts),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_everything_promised_is_visible_without_scrolling(
    browser: Browser, served: str, width: int, height: int, theme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    blocked: list[Route] = []
    page.route("**/worker.mjs", lambda route: blocked.append(route))
    page.goto(f"{served}/{FRONT}", wait_until="commit")
    expect(page.locator(".lab-slot progress")).to_be_visible()  # while the model loads
    page.evaluate("document.fonts.ready")
    before = boxes(page, *PROMISED, "[data-lab]")
    assert look_at(page.locator("body")) == []
    for route in list(blocked):
        route.continue_()
    wait_for_tokens(page, 3)
    after = boxes(page, *PROMISED, "[data-lab]")
    bar = boxes(page, ".bar")[0]["bottom"]
    for part, was, box in zip((*PROMISED, "lab"), before, after, strict=True):
        assert box == pytest.approx(was, abs=1), f"{part} has moved"
        assert 0 <= box["left"] < box["right"] <= width, part
        assert bar <= box["top"] < box["bottom"] <= height, part
    press(page.locator(".lab-storyteller"), "Pause")
    page.wait_for_timeout(1000)  # colors settle
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert look_at(page.locator("body")) == []
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
    page.close()


def test_the_lab_continues_the_story_as_python_does(page: Page, served: str, kernel: Kernel) -> None:
    page.goto(f"{served}/{FRONT}")
    begun = page.locator(".lab-story").text_content() or ""
    wait_for_tokens(page, 12)
    lab = Storyteller(seed=14)
    written = begun[: begun.index("It") + 2]
    assert written.startswith(lab.prompt)
    wanted, added = written, []
    settings = {"temperature": lab.temperature, "top_k": None, "top_p": None}
    for n in range(12):
        drawn: Any = kernel.next(written, added, settings, uniform(lab.seed, n), 5)["drawn"]  # type: ignore[call-overload]
        added.append(drawn["id"])
        wanted += drawn["text"]
    assert (page.locator(".lab-story").text_content() or "").startswith(wanted)


def shares(lab: Locator) -> list[float]:
    """The probabilities beside the bars, in percent."""
    return [float(value.strip("<% ")) for value in lab.locator(".lab-value").all_text_contents()]


def test_temperature_changes_the_bars_at_once_and_a_bar_chooses_its_word(page: Page, served: str) -> None:
    lab = open_paused(page, served)
    count = lab.locator(TOKENS).count()
    drag(lab, "Temperature", 2)
    page.wait_for_function("parseFloat(document.querySelector('.lab-value').textContent) < 99")
    hot = shares(lab)
    drag(lab, "Temperature", 0)
    expect(lab.locator(".lab-value").first).to_have_text("100%")
    assert hot[0] < 99
    assert lab.locator(TOKENS).count() == count
    word = lab.locator(".lab-bars .lab-name").nth(1).text_content() or ""
    lab.locator(".lab-bars button").nth(1).click()
    expect(lab.locator(TOKENS)).to_have_count(count + 1)
    assert lab.locator(TOKENS).last.text_content() == word
    lab.get_by_role("button", name="New story").click()
    expect(lab.locator(".lab-begun")).to_have_text("A rain song for")
    wait_for_tokens(page, 3)


# Report each change of what is in view together with an older, opposite one, as a busy browser does.
LATE_REPORTS = """const Observer = IntersectionObserver;
window.IntersectionObserver = class extends Observer {
  constructor(tell, options) {
    const older = ({ target, isIntersecting }) => ({ target, isIntersecting: !isIntersecting });
    super((changes, self) => tell([...changes.map(older), ...changes], self), options);
  }
};"""


def test_the_story_is_written_although_a_busy_page_reports_late_what_is_in_view(page: Page, served: str) -> None:
    page.add_init_script(LATE_REPORTS)
    page.goto(f"{served}/{FRONT}")
    wait_for_tokens(page, 3)


# As soon as a token has been taken and the next bars are not yet known: press a bar, and cross the bars with a mouse.
PRESS_TOO_EARLY = """lab => {
  const bars = lab.querySelector(".lab-bars");
  new MutationObserver(() => {
    bars.querySelector("button").click();
    for (const event of ["pointerenter", "pointerleave"]) bars.dispatchEvent(new PointerEvent(event));
  }).observe(lab.querySelector(".lab-story"), { childList: true });
}"""


def test_a_bar_that_is_pressed_too_early_does_not_stop_the_story(page: Page, served: str) -> None:
    page.goto(f"{served}/{FRONT}")
    wait_for_tokens(page, 1)
    page.locator(".lab-storyteller").evaluate(PRESS_TOO_EARLY)
    wait_for_tokens(page, 5)


def test_the_story_ends_and_rests(page: Page, served: str) -> None:
    page.clock.install()
    page.goto(f"{served}/{FRONT}")
    lab = page.locator(".lab-storyteller")
    for _ in count():
        page.clock.run_for(1000)
        if lab.get_by_text("The end", exact=True).count():
            break
    expect(lab.get_by_role("button", name="Write")).to_be_disabled()
    assert (lab.locator(".lab-story").text_content() or "").endswith((".", "!", '"', "?"))


def test_with_reduced_motion_nothing_is_written_before_a_press(browser: Browser, served: str) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{served}/{FRONT}")
    lab = page.locator(".lab-storyteller")
    write = lab.get_by_role("button", name="Write")
    expect(write).to_be_enabled()
    page.wait_for_timeout(1500)
    assert lab.locator(TOKENS).count() == 0
    write.click()
    wait_for_tokens(page, 2)
    page.close()


def test_without_scripts_the_page_still_shows_a_continuation(browser: Browser, served: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{served}/{FRONT}")
    expect(page.locator(".lab-story")).to_contain_text("Once upon a time, a ")
    expect(page.locator(".lab-bars li")).to_have_count(5)
    expect(page.get_by_role("link", name="Start", exact=True)).to_have_attribute(
        "href", "../chapters/01_language_models.html"
    )
    context.close()


def test_a_model_that_does_not_arrive_leaves_the_example_and_one_note(browser: Browser, served: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.route("**/model.safetensors", lambda route: route.abort())
    page.goto(f"{served}/{FRONT}")
    note = page.locator(".lab-note")
    expect(note).to_have_text("Not live: the model can’t run here.")
    expect(note).to_have_attribute("title", re.compile("Could not reach"))
    assert note.evaluate("note => note.getClientRects().length && note.offsetHeight") < 30  # one line
    expect(page.locator(".lab-bars li")).to_have_count(5)
    assert look_at(page.locator("body")) == []
    page.close()


def test_the_first_visit_is_light(page: Page, served: str, site: Path) -> None:
    paths: list[str] = []
    page.on("request", lambda request: paths.append(request.url.removeprefix(f"{served}/").split("?")[0]))
    page.goto(f"{served}/{FRONT}", wait_until="networkidle")
    wait_for_tokens(page, 1)
    weights = "_static/tiny-world/model.safetensors"
    assert (site / weights).stat().st_size < 3.5e6
    assert len(set(paths)) <= 46, sorted(paths)
    others = sum((site / path).stat().st_size for path in set(paths) - {weights} if path)
    assert others < 450e3, sorted(paths)  # without compression
    head = (site / FRONT).read_text(encoding="utf-8").partition("</head>")[0]
    early = [path for path in set(paths) if path.endswith(".mjs") or "tiny-world" in path or path.endswith(".wasm")]
    late = [path for path in early if f"../{path}" not in head]
    assert sorted(late) == ["_static/find.mjs", "_static/memory.mjs"]  # for the search and the reader's place


def test_every_brick_of_the_wall_is_a_link_that_fits(page: Page, served: str) -> None:
    for width in (360, 820, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{served}/{FRONT}")
        bricks = page.locator(".brick-wall a")
        assert [brick.inner_text().split("\n")[0] for brick in bricks.all()] == [str(brick) for brick in BRICKS]
        for brick, made in zip(bricks.all(), BRICKS, strict=True):
            box = brick.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= width
            assert brick.evaluate("brick => brick.scrollWidth <= brick.clientWidth"), made
            assert float(brick.evaluate("brick => parseFloat(getComputedStyle(brick).fontSize)")) >= 11
            exercises = [number for number in EXERCISES if number.split(".")[0] == str(made.number)]
            assert brick.locator("i").count() == len(exercises)
