"""Take screenshots of all pages and of every lab in every state, to look through: `make look`.

Each is taken at three widths, light and dark, and put on contact sheets: PNG files, all shown in `index.html` in the
same folder. Needs the built book (`make site`) and Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from html import escape
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Error, Locator, Page, Playwright, expect, sync_playwright

from book.pace import patience
from tasks import Pages

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build/html"
WIDTHS = (360, 820, 1440)  # pixels; a phone, a tablet, a laptop
THEMES = ("light", "dark")
SHEET, GAP = 2400, 24  # pixels; the size of a contact sheet and the gap between its pictures
COVERING = ".bar, .skip-link"  # what covers a lab while the page is scrolled
COLUMN = 2600  # pixels; a longer page is cut into columns of this height


class Isolated(Pages):
    """Serves pages in isolation from other sites."""

    def end_headers(self) -> None:
        # Only a page isolated from others may ask how much memory it and its workers use.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@contextmanager
def serving(site: Path, handler: type[Pages] = Isolated) -> Iterator[str]:
    """Serve a built book; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site)))
    server.daemon_threads = True  # a browser may hold a connection open
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def chromium() -> str | None:
    """The computer's Chromium or Chrome; without one, Playwright uses its own (`playwright install chromium`)."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def launch(playwright: Playwright) -> Browser:
    """Start a Chromium."""
    return playwright.chromium.launch(
        executable_path=chromium(), args=["--no-sandbox", "--enable-blink-features=ForceEagerMeasureMemory"]
    )


def pages_of(site: Path) -> list[str]:
    """The paths of a built book's pages, relative to its address."""
    found = (path.relative_to(site) for path in site.rglob("*.html") if "_static" not in path.parts)
    return sorted(path.as_posix() for path in found if path.as_posix() != "index.html")  # it only redirects


# --- every state of every lab -------------------------------------------------------------------------------------


def wake(page: Page, name: str) -> Locator:
    """Scroll to a lab and wait until it runs; returns it."""
    page.locator(f'[data-lab="{name}"]').first.scroll_into_view_if_needed()
    lab = page.locator(f'[data-lab="{name}"][data-alive]').first
    lab.wait_for(timeout=patience(120) * 1000)
    return lab


def drag(lab: Locator, label: str, value: float) -> None:
    """Move a slider to a value."""
    lab.get_by_label(label).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def press(lab: Locator, name: str) -> None:
    """Press a button, even one that is covered or off the screen."""
    lab.get_by_role("button", name=name).first.evaluate("button => button.click()")


def _playground(lab: Locator) -> Iterator[str]:
    def wait_for_texts() -> None:
        expect(lab.locator(".lab-samples")).to_have_attribute("aria-busy", "false", timeout=patience(120) * 1000)

    wait_for_texts()  # the lab writes the first one on its own
    yield "a first text"
    lab.locator(".lab-sample .lab-text").focus()
    lab.page.keyboard.press("End")
    yield "a token's probability"
    for label, value in (("Samples", 4), ("Maximum length", 40), ("Temperature", 2)):
        drag(lab, label, value)
    press(lab, "A rain song for")
    expect(lab.locator(".lab-sample")).to_have_count(4)
    wait_for_texts()
    yield "four hot texts"
    drag(lab, "Temperature", 0)
    drag(lab, "Samples", 1)
    lab.get_by_label("Your prompt").fill("")
    press(lab, "Write")
    expect(lab.locator(".lab-sample")).to_have_count(1)
    wait_for_texts()
    yield "greedy, without a prompt"
    lab.get_by_label("Your prompt").fill("word " * 400)
    press(lab, "Write")
    expect(lab).to_contain_text("The prompt is too long")
    yield "too long a prompt"
    press(lab, "Copy link")
    expect(lab.locator(".lab-link [role=status]")).not_to_be_empty()
    yield "a link"


def _storyteller(lab: Locator) -> Iterator[str]:
    def wait_for_tokens(count: int) -> None:
        expect(lab.locator(".lab-sure").nth(count - 1)).to_be_attached(timeout=patience(120) * 1000)

    wait_for_tokens(1)
    yield "writing"
    press(lab, "Pause")
    drag(lab, "Temperature", 2)
    yield "paused and hot"
    drag(lab, "Temperature", 0)
    yield "paused and greedy"
    lab.locator(".lab-bar").nth(1).evaluate("bar => bar.click()")
    yield "a bar pressed"
    press(lab, "New story")
    wait_for_tokens(3)
    yield "another story"


def _chat(lab: Locator) -> Iterator[str]:
    bubbles, answer = lab.locator(".lab-bubble"), lab.locator("[aria-busy]")

    def send(text: str) -> None:
        lab.get_by_label("Your message").fill(text)
        press(lab, "Send")

    def wait_for_answer(n: int) -> None:
        expect(answer).to_have_attribute("aria-busy", "false", timeout=patience(120) * 1000)
        expect(bubbles).to_have_count(2 * n)

    expect(lab).to_contain_text("continues each text")
    yield "nothing said"
    press(lab, "Send")
    yield "answering"
    wait_for_answer(1)
    yield "a first answer"
    for n, text in enumerate(("Once upon a time", "<b>Why?</b>\n\nUser: " + 60 * "long"), 2):
        send(text)
        wait_for_answer(n)
    yield "a long conversation"
    send(" ")
    expect(lab.locator(".lab-message")).to_contain_text("write something")
    yield "an empty message"
    press(lab, "Start over")
    expect(bubbles).to_have_count(0)
    yield "started over"


def _tokenizer_lab(lab: Locator) -> Iterator[str]:
    text = "Unbelievable hedgehogs 🦔 in 1234 <b>markup</b>"
    words = lab.locator(".lab-detail [role=status]")
    for vocabulary in ("the model’s own", "GPT-2’s 50,257 tokens"):
        lab.get_by_label("Your text").fill("")
        expect(lab).to_contain_text("Type something.")
        lab.get_by_label(vocabulary).check()
        lab.get_by_label("Your text").fill(text)
        expect(lab.locator(".lab-counts")).to_contain_text(f"{len(text)} characters")
        lab.locator("[aria-label=Tokens] button").filter(has_text="·h").evaluate("button => button.click()")
        merges = lab.get_by_label("How “ hedgehogs” came together")
        for step in range(int(merges.get_attribute("max") or 0), -1, -1):
            expect(words).to_contain_text(f"Step {step}:")
            yield f"{vocabulary}, merge {step}"
            if step > 0:
                press(lab, "Unmerge")
    lab.get_by_label("Your text").fill("")
    expect(lab).to_contain_text("Type something.")
    yield "no text"


def _next_token_lab(lab: Locator) -> Iterator[str]:
    why, new = lab.get_by_text("can be drawn"), lab.locator("mark")
    expect(why).to_be_visible()
    yield "the start"
    for n in range(1, 4):
        press(lab, "Take")
        expect(new).to_have_count(n)
        yield f"{n} taken"
    press(lab, "Undo")
    expect(new).to_have_count(2)
    yield "one undone"
    told = why.text_content() or ""
    press(lab, "Draw another number")
    expect(why).not_to_have_text(told)
    yield "another number"
    drag(lab, "Top-k", 3)
    expect(lab).to_contain_text("3 tokens can be drawn")
    yield "top-k 3"
    drag(lab, "Top-p", 0.05)
    expect(lab).to_contain_text("1 token can be drawn")
    yield "top-p 0.05"
    drag(lab, "Temperature", 0)
    expect(lab).to_contain_text("Greedy")
    yield "greedy"
    lab.get_by_label("Your prompt").fill("")
    expect(new).to_have_count(0)
    yield "no prompt"


def _attention_lab(lab: Locator) -> Iterator[str]:
    heads = lab.locator(".lab-head")
    expect(heads.first).to_be_visible()
    for head in range(heads.count()):
        label = heads.nth(head).get_attribute("aria-label") or ""
        press(lab, label)
        expect(lab.get_by_role("button", name=label)).to_have_attribute("aria-pressed", "true")
        yield label
    for token in (0, 7):
        drag(lab, "Token to follow", token)
        yield f"token {token}"
    lab.locator(".lab-picture").focus()
    yield "a weight"
    press(lab, "Turn this head off")
    expect(lab).to_contain_text("With these heads off")
    yield "a head switched off"
    press(lab, "Turn all heads on")
    expect(lab).to_contain_text("Next token: ")
    lab.get_by_label("Your sentence").fill("word " * 40)
    expect(lab).to_contain_text("Only the first")
    yield "a long text"
    lab.get_by_label("Your sentence").fill("")
    expect(lab).to_contain_text("Type a sentence")
    yield "no text"


def _walk_through_lab(lab: Locator) -> Iterator[str]:
    title, progress = lab.locator(".lab-title").first, lab.locator(".lab-tour span")
    expect(progress).to_contain_text("1 of ")
    stops = int((progress.text_content() or "").split()[2])
    for stop in range(1, stops + 1):
        expect(progress).to_have_text(f"{stop} of {stops}")
        yield f"stop {stop}: {title.text_content()}"
        press(lab, "Next")
    drag(lab, "Temperature", 0)
    expect(lab).to_contain_text("At temperature 0")
    yield "a cold next token"
    for name, heading in (("Embeddings", "From tokens to numbers"), ("Output", "From numbers to the next token")):
        press(lab, name)
        expect(title).to_have_text(heading)
        yield heading
    press(lab, "Block 5")
    expect(title).to_have_text("Block 5")
    lab.get_by_role("button", name=re.compile("^Expand|^MLP, expand")).dispatch_event("click")
    expect(title).to_have_text("Block 5 · MLP, expand")
    drag(lab, "Columns", 700)
    expect(lab).to_contain_text("Columns 700 to")
    yield "later columns"
    press(lab, "Zoom out")
    lab.get_by_role("button", name="Head 3: show it").dispatch_event("click")
    lab.get_by_role("button", name="Scores and mask").dispatch_event("click")
    expect(title).to_have_text("Block 5 · Scores and mask")
    lab.locator("[data-cell^='0,']").last.dispatch_event("click")
    expect(lab).to_contain_text("crossed out: a later token")
    yield "a crossed out score"
    press(lab, "Whole")
    for text in ("Once upon a time, a hedgehog who could unbelievably 🥞 <b>speak</b> sat on a wall", ""):
        lab.get_by_label("Your sentence").fill(text)
        expect(lab.locator(".lab-chip")).to_have_count(16 if text else 1)
        yield "a long text" if text else "no text"


def _training_replay(lab: Locator) -> Iterator[str]:
    slider = lab.get_by_label("Training progress")
    expect(slider).to_be_visible()
    for report in range(int(slider.get_attribute("max") or 0) + 1):
        drag(lab, "Training progress", report)
        yield slider.get_attribute("aria-valuetext") or ""


def _training_lab(lab: Locator) -> Iterator[str]:
    def wait_for(text: str) -> None:
        expect(lab).to_contain_text(text, timeout=patience(120) * 1000)

    learns = lab.get_by_label("What it learns")
    expect(learns).to_be_visible()
    yield "before the training"
    learns.select_option("my own text")
    press(lab, "Train")
    wait_for("The text is empty")
    yield "no text"
    learns.select_option("songs")
    lab.get_by_label("small, for phones").check()
    press(lab, "Train")
    wait_for("times the floor")
    yield "training"
    press(lab, "Pause")
    wait_for("Paused after step")
    yield "paused"
    press(lab, "Start over")
    yield "about to start over"
    press(lab, "Press again to discard")
    expect(lab.get_by_role("button", name="Train", exact=True)).to_be_visible()
    learns.select_option("my own text")
    lab.get_by_label("The text to learn").fill("All work and no play makes Jack a dull boy. " * 100)
    press(lab, "Train")
    wait_for("Nobody knows the floor")
    yield "training on an own text"
    press(lab, "Pause")
    wait_for("Paused after step")
    press(lab, "Start over")
    press(lab, "Press again to discard")


# By lab name: a walk that puts the lab, on a fresh page, into each of its states and yields the state's name.
LABS: dict[str, Callable[[Locator], Iterator[str]]] = {
    "playground": _playground,
    "storyteller": _storyteller,
    "chat": _chat,
    "tokenizer_lab": _tokenizer_lab,
    "next_token_lab": _next_token_lab,
    "attention_lab": _attention_lab,
    "walk_through_lab": _walk_through_lab,
    "training_replay": _training_replay,
    "training_lab": _training_lab,
}


# --- contact sheets -----------------------------------------------------------------------------------------------


def screenshot(seen: Page | Locator, theme: str, **options: Any) -> Image.Image:
    """A screenshot of a page or a part of it in a theme; takes the options of Playwright's method."""
    page = seen if isinstance(seen, Page) else seen.page
    page.evaluate(
        """theme => new Promise((go) => {
          document.documentElement.dataset.theme = theme;
          requestAnimationFrame(() => requestAnimationFrame(go)); // labs repaint their pictures in the next frame
        })""",
        theme,
    )
    return Image.open(BytesIO(seen.screenshot(animations="disabled", **options))).convert("RGB")


def columns(long: Image.Image) -> list[Image.Image]:
    """A long picture cut into columns, from top to bottom."""
    return [long.crop((0, top, long.width, min(top + COLUMN, long.height))) for top in range(0, long.height, COLUMN)]


def sheets(pictures: list[tuple[str, Image.Image]], scale: float) -> Iterator[Image.Image]:
    """Lay out pictures in rows, each below its name, on as many sheets as needed; `scale` shrinks them."""
    font = ImageFont.load_default(16)
    row: list[tuple[str, Image.Image]] = []
    rows = [row]
    for name, large in pictures:
        picture = large.resize((int(large.width * scale), 1 + int(large.height * scale)))
        if row and sum(p.width + GAP for _, p in row) + picture.width > SHEET:
            row = []
            rows.append(row)
        row.append((name, picture))
    heights = [max(picture.height for _, picture in row) + 2 * GAP for row in rows]
    while rows:
        n = 1
        while n < len(rows) and sum(heights[: n + 1]) <= SHEET:
            n += 1
        sheet = Image.new("RGB", (SHEET + GAP, sum(heights[:n]) + GAP), "#808080")
        draw = ImageDraw.Draw(sheet)
        top = 0
        for row, height in zip(rows[:n], heights[:n], strict=True):
            left = GAP
            for name, picture in row:
                while name and draw.textlength(name, font) > picture.width:
                    name = name[:-1]
                draw.text((left, top + 4), name, "white", font)
                sheet.paste(picture, (left, top + GAP))
                left += picture.width + GAP
            top += height
        yield sheet
        rows, heights = rows[n:], heights[n:]


def look(site: Path, folder: Path) -> int:
    """Save the contact sheets of a built book in a folder; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []

    def save_sheets(name: str, pictures: list[tuple[str, Image.Image]], width: int) -> None:
        scale = {360: 0.75, 820: 0.6}.get(width, 0.5)
        for n, sheet in enumerate(sheets(pictures, scale), 1):
            names.append(f"{name}-{n}.png")
            sheet.save(folder / names[-1])

    with serving(site) as home, sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        for path in pages_of(site):
            print(path, flush=True)
            page.goto(f"{home}/{path}", wait_until="networkidle")
            for lab in page.locator("[data-lab]").all():
                wake(page, lab.get_attribute("data-lab") or "")
            page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
            page.evaluate("scrollTo(0, 0)")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                for theme in THEMES:
                    pieces = columns(screenshot(page, theme, full_page=True))
                    name = re.sub(r"\W+", "_", path.removesuffix(".html"))
                    save_sheets(f"{name}-{width}-{theme}", [("", piece) for piece in pieces], width)
        for lab_name, walk in LABS.items():
            for width in WIDTHS:
                print(lab_name, width, flush=True)
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(f"{home}/book/labs.html")
                page.add_style_tag(content=f"{COVERING} {{ display: none !important }}")
                for name in LABS:
                    wake(page, name)  # all of them, because labs grow when they wake, which would move this one
                lab = wake(page, lab_name)
                seen = [(state, {theme: screenshot(lab, theme) for theme in THEMES}) for state in walk(lab)]
                for theme in THEMES:
                    save_sheets(f"{lab_name}-{width}-{theme}", [(state, shots[theme]) for state, shots in seen], width)
        browser.close()
    figures = "".join(
        f'<h2>{escape(name)}</h2><img src="{name}" alt="{escape(name)}" loading="lazy">' for name in names
    )
    style = "<style>img { max-width: 100% }</style>"
    page_of_all = f"<!doctype html><meta charset='utf-8'><title>Contact sheets</title>{style}{figures}\n"
    (folder / "index.html").write_text(page_of_all, encoding="utf-8")
    return len(names)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m book.look", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "_build/look", help="folder for the sheets")
    folder = parser.parse_args().folder
    if not SITE.exists():
        sys.exit("_build/html does not contain the book: run `make site` first.")
    try:
        count = look(SITE, folder)
    except Error as error:
        sys.exit(
            f"The browser failed ({str(error).splitlines()[0]}): if there is none, run "
            "`.venv/bin/playwright install chromium`."
        )
    print(f"Saved {count} contact sheets: open {folder / 'index.html'}.")


if __name__ == "__main__":
    main()
