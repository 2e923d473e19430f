"""No page of the book and no state of a lab looks wrong, and the checks that say so find every kind of fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from seeing import buttons_that_change_nothing, look_at, set_theme

from book.look import LABS, pages_of, wake

GOOD = """
  <p>Text in <sup style="font-size: 9px">small</sup> letters, and an intended <code>NaN</code>.</p>
  <p style="color: #767676; font-size: 30px; opacity: 0.9">large and light</p>
  <button aria-disabled="true" style="color: #aaa">disabled</button>
  <table><tr><td>whole words</td></tr></table>
  <svg width="100" height="30" viewBox="0 0 50 15"><rect width="50" height="15"/>
    <text y="10" font-size="6" fill="white">fine</text></svg>
  <p hidden>undefined</p><details><summary>More</summary><p>NaN</p></details>
  <canvas id="painted" width="2" height="1" style="width: 20px"></canvas>
  <script>painted.getContext("2d").fillRect(0, 0, 1, 1)</script>
"""
FAULTS = {
    "an object as text": ("<p>a [object HTMLSpanElement]</p>", "“a \\[object HTMLSpanElement\\]” is shown in p"),
    "undefined": ("<p>It weighs undefined kilos.</p>", "“It weighs undefined kilos.” is shown in p"),
    "not a number": ("<svg width=9 height=20><text y=15>NaN</text></svg>", "“NaN” is shown in svg > text"),
    "infinity": ("<textarea>Infinity</textarea>", "“Infinity” is the value of textarea"),
    "a meaningless label": ('<input type="range" aria-label="step NaN">', "aria-label of input is “step NaN”"),
    "an empty canvas": ("<canvas width=5 height=5></canvas>", "an empty canvas"),
    "a canvas of one color": (
        "<canvas id=c width=5 height=5></canvas><script>c.getContext('2d').fillRect(0, 0, 5, 5)</script>",
        "an empty canvas",
    ),
    "an empty drawing": ("<svg width=20 height=20><rect width=0 height=0 /></svg>", "an empty drawing"),
    "a drawing of no size": ("<svg width=0 height=0><rect width=9 height=9 /></svg>", "an empty drawing"),
    "small text": ("<p style='font-size: 10px'>tiny</p>", "“tiny” is only 10.0 px high"),
    "text in a drawing that was scaled down": (
        "<svg width=50 viewBox='0 0 100 20'><text y=15 font-size=20>tiny</text></svg>",
        "“tiny” is only 10.0 px high",
    ),
    "faint text": ("<p style='color: #888'>faint</p>", "“faint” has a contrast of 3.54"),
    "text that is faint because its box is": (
        "<div style='opacity: 0.4'><p>faint</p></div>",
        "“faint” has a contrast of 2.85",
    ),
    "text in nearly the color of its background": (
        "<div style='background: #111'><p>dark</p></div>",
        "“dark” has a contrast of 1.1",
    ),
    "text in a drawing in the color of the shape under it": (
        "<svg width=99 height=20><circle cx=20 r=99 /><text y=15>dark</text></svg>",
        "“dark” has a contrast of 1.00",
    ),
    "a word that leaves its picture": (
        "<div class=picture><svg width=50 height=20><text y=15>a long word</text></svg></div>",
        "“a long word” leaves its picture",
    ),
    "faint text in a drawing with no shape under it": (
        "<svg width=99 height=20><text y=15 fill='#888'>faint</text><rect width=99 height=20 fill=none /></svg>",
        "“faint” has a contrast of 3.54",
    ),
    "a broken word": (
        "<table style='width: 30px; table-layout: fixed; overflow-wrap: anywhere'><td>dollars</td></table>",
        "“dollars” is broken in",
    ),
    "a covered note in the margin": (
        "<aside class=margin style='float: right'>a note</aside><pre style='width: 100%'>code</pre>",
        "something covers the note “a note”",
    ),
    "a page wider than the screen": ("<div style='width: 2000px'>wide</div>", "the page is 20\\d\\d px wide"),
    "a request to another host": ("<img alt='' src='http://elsewhere.test/x.png'>", "a request to elsewhere.test"),
}


@pytest.fixture
def blank(browser: Browser) -> Any:
    """An empty page without checks for errors, so tests can fill it with faults."""
    page = browser.new_page()
    page.route("http://elsewhere.test/**", lambda route: route.fulfill(status=204))
    yield page
    page.close()


def show(page: Page, body: str) -> None:
    html = f"<!doctype html><title>t</title><body style='background: white'>{body}</body>"
    page.route("http://book/", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto("http://book/")


def test_a_page_without_faults_passes(blank: Page) -> None:
    show(blank, GOOD)
    assert look_at(blank) == []


@pytest.mark.parametrize(("body", "message"), FAULTS.values(), ids=list(FAULTS))
def test_each_fault_is_found(blank: Page, body: str, message: str) -> None:
    show(blank, body)
    faults = look_at(blank)
    assert len(faults) == 1
    assert re.match(message, faults[0]), faults


def test_the_color_under_a_text_is_taken_from_the_bitmap_at_that_point(blank: Page) -> None:
    show(blank, "<canvas id=c width=2 height=1></canvas>")
    bitmap = blank.evaluate(
        """() => {
          const context = c.getContext("2d");
          context.fillRect(0, 0, 1, 1); // black on the left
          context.fillStyle = "white";
          context.fillRect(1, 0, 1, 1);
          return c.toDataURL();
        }"""
    )
    image = f"<image href='{bitmap}' width=200 height=20 preserveAspectRatio=none />"
    show(blank, f"<svg width=200 height=20>{image}<text y=15 x=10>left</text><text y=15 x=150>right</text></svg>")
    (fault,) = look_at(blank)
    assert fault.startswith("“left” has a contrast of 1.00")


def test_a_button_that_changes_nothing_is_found(blank: Page) -> None:
    show(
        blank,
        """<div id=scrolls style="height: 20px; overflow: auto"><p style="height: 200px">long</p></div>
        <canvas id=c width=2 height=2></canvas><input id=field aria-label="A field">
        <button onclick="this.textContent += '!'">changes a text</button>
        <button onclick="scrolls.scrollTop = 50">scrolls</button>
        <button onclick="c.getContext('2d').fillRect(0, 0, 1, 1)">paints</button>
        <button onclick="field.value = 'x'">fills a field</button>
        <button onclick="setTimeout(() => document.body.append('late'), 100)">is slow</button>
        <button onclick="this.focus()">does nothing</button>
        <button disabled>is disabled</button>""",
    )
    assert buttons_that_change_nothing(blank.locator("body")) == ["“does nothing” changes nothing: button"]


def test_every_page_looks_right(page: Page, served: str, site: Path) -> None:
    faults = {}
    for path in pages_of(site):
        page.goto(f"{served}/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        for width, theme in ((1280, "light"), (1280, "dark"), (820, "light"), (360, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            set_theme(page, theme)
            faults[path, width, theme] = look_at(page)
    assert {seen: found for seen, found in faults.items() if found} == {}
    assert len(faults) > 4 * 25


FITS = """() => {
  const stage = document.querySelector(".lab-stage");
  return Number(stage.querySelector("svg").getAttribute("width")) === Math.floor(stage.clientWidth);
}"""  # the drawing was laid out for the width of its place


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("name", LABS)
def test_every_state_of_a_lab_looks_right(page: Page, served: str, name: str, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{served}/book/labs.html")
    lab = wake(page, name)
    views = [(width, theme)]
    if name == "walk_through_lab":  # its layout depends on the width, so also look at a tablet's
        views.append((820, "dark" if theme == "light" else "light"))
    faults = {}
    for state in LABS[name](lab):
        for view_width, view_theme in views:
            page.set_viewport_size({"width": view_width, "height": 800})
            set_theme(page, view_theme)
            if name == "walk_through_lab":
                page.wait_for_function(FITS)
            faults[state, view_width, view_theme] = look_at(lab)
    assert {state: found for state, found in faults.items() if found} == {}
    assert len(faults) >= 3


@pytest.mark.parametrize("name", LABS)
def test_every_button_of_a_lab_does_something(page: Page, served: str, name: str) -> None:
    page.context.grant_permissions(["clipboard-write"])
    page.goto(f"{served}/book/labs.html")
    lab = wake(page, name)
    next(LABS[name](lab))
    assert buttons_that_change_nothing(lab) == []


@pytest.fixture(params=[360, 820, 1440])
def chapter(request: pytest.FixtureRequest, page: Page, served: str) -> Page:
    """A chapter on a phone, a tablet, and a laptop."""
    page.set_viewport_size({"width": request.param, "height": 800})
    page.goto(f"{served}/chapters/04_attention.html")
    return page


def is_in_view(part: Locator) -> bool:
    """Whether a reader sees a part of the page, which may be invisible or off the side of the screen."""
    return part.evaluate(
        """(part) => {
          const { left, right } = part.getBoundingClientRect();
          return part.checkVisibility({ visibilityProperty: true }) && right > 0 && left < innerWidth;
        }"""
    )


def eventually(page: Page, part: Locator, wanted: bool) -> None:
    """Wait until the contents have opened or closed."""
    for _ in range(200):
        if is_in_view(part) == wanted:
            return
        page.evaluate("new Promise(requestAnimationFrame)")
    raise AssertionError(f"{part} is {'not ' if wanted else ''}in view")


def test_the_menu_button_shows_and_hides_the_contents_of_the_book(chapter: Page) -> None:
    menu = chapter.locator(".menu-button")
    link = chapter.locator("nav.contents a[href$='05_many_heads.html']")
    if chapter.viewport_size["width"] > 1100:  # type: ignore[index]
        expect(menu).to_be_hidden()  # the contents are always there
        eventually(chapter, link, True)
        return
    eventually(chapter, link, False)
    menu.click()
    eventually(chapter, link, True)
    chapter.keyboard.press("Escape")
    eventually(chapter, link, False)
    expect(menu).to_be_focused()
    chapter.keyboard.press("Enter")
    eventually(chapter, link, True)
    chapter.mouse.click(chapter.viewport_size["width"] - 5, 400)  # type: ignore[index]  # outside of it
    eventually(chapter, link, False)
    menu.click()
    eventually(chapter, link, True)
    link.click()
    expect(chapter).to_have_url(re.compile("05_many_heads.html"))


def test_the_contents_lead_to_the_sections_of_the_page(chapter: Page) -> None:
    section = chapter.locator("nav.contents .toctree-l2 a").nth(2)
    is_narrow = chapter.viewport_size["width"] < 1100  # type: ignore[index]
    if is_narrow:
        chapter.locator(".menu-button").click()
    eventually(chapter, section, True)
    section.click()
    expect(chapter).to_have_url(re.compile("#second-idea-let-each-token-choose"))
    eventually(chapter, section, not is_narrow)
    expect(section).to_have_attribute("aria-current", "location")


def test_every_button_in_the_header_does_something(chapter: Page) -> None:
    bar = chapter.locator(".bar")
    assert bar.locator("button:visible").count() >= 3
    assert buttons_that_change_nothing(bar) == []


def test_the_run_menu_prints_the_page(chapter: Page) -> None:
    chapter.evaluate("window.print = () => { document.body.dataset.printed = ''; }")
    chapter.get_by_role("button", name="Run").click()
    chapter.get_by_role("button", name="Print this page").click()
    expect(chapter.locator("body[data-printed]")).to_have_count(1)


def test_the_search_opens_by_keyboard(chapter: Page) -> None:
    chapter.keyboard.press("Control+k")
    field = chapter.get_by_role("searchbox")
    expect(field).to_be_focused()
    chapter.keyboard.press("Escape")
    expect(field).to_be_hidden()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_color_mode_is_the_systems_until_the_reader_chooses_another(page: Page, served: str, system: Any) -> None:
    page.emulate_media(color_scheme=system)
    page.goto(f"{served}/book/glossary.html")
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", system)
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Color mode").click()
        expect(html).to_have_attribute("data-theme", theme)
        page.reload()
        expect(html).to_have_attribute("data-theme", theme)
    page.get_by_role("button", name="Color mode").click()
    expect(html).to_have_attribute("data-theme", system)


def test_copy_buttons_are_visible_without_a_mouse(browser: Browser, served: str) -> None:
    context = browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{served}/chapters/04_attention.html")
    button = page.locator("button.copybtn:visible").first
    assert button.evaluate("button => getComputedStyle(button).opacity") == "1"
    button.tap()
    expect(button).to_have_class(re.compile("success"))
    assert page.evaluate("navigator.clipboard.readText()")
    context.close()


@pytest.mark.parametrize("path", ["chapters/08_gradients.html", "book/teachers.html"])
def test_a_wide_table_or_picture_scrolls_by_keyboard_without_the_page(page: Page, served: str, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{served}/{path}")
    moving = page.locator(".pst-scrollable-table-container, .cell_output > .output").filter(
        has=page.locator("table, svg")
    )
    wide = [part for part in moving.all() if part.evaluate("part => part.scrollWidth > part.clientWidth + 20")]
    assert wide
    wide[0].focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("part => part.scrollLeft > 0", arg=wide[0].element_handle())
    assert page.evaluate("scrollX") == 0
