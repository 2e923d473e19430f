"""Notebooks in a real JupyterLab: the kernel runs the labs, exercises are unsolved, BertViz draws."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect

from book.pace import patience
from gpt2_course.labs import Playground

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
# A learner's code: read the input and the text written by the model, and set a trait.
READ = "print([playground.prompt, playground.texts[0][:16], tokenizer_lab.text])\ntraining_replay.report = 0"
# This picture needs d3 and jQuery.
VIEW = """from gpt2_course import GPT2
from gpt2_course.bertviz_views import head_view

head_view(GPT2.from_pretrained(), "Once upon a time")"""


def address(server: subprocess.Popen[bytes], runtime: Path) -> str:
    """Wait until the server responds; returns its address, which it writes to a file a moment before it listens."""
    end = time.monotonic() + patience(300)
    while time.monotonic() < end:
        assert server.poll() is None, "JupyterLab exited before it responded"
        try:
            url = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["url"].replace("localhost", "127.0.0.1")
            urlopen(f"{url}api/status?token={TOKEN}", timeout=patience(60)).read()
            return url
        except (StopIteration, ValueError, OSError):  # not written yet, half written, not listening yet
            time.sleep(0.1)
    raise AssertionError("JupyterLab did not respond")


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab with two notebooks: the labs plus two cells, and the exercises of a chapter."""
    folder = tmp_path_factory.mktemp("jupyter")
    labs = nbformat.read(ROOT / "book/labs.ipynb", as_version=4)
    labs.cells += map(nbformat.v4.new_code_cell, (VIEW, READ))
    nbformat.write(labs, folder / "labs.ipynb")
    chapter = nbformat.read(ROOT / "chapters/04_attention.ipynb", as_version=4)
    chapter.cells = [
        cell for cell in chapter.cells if re.search(r'^(check\("|quiz\(|<details)', cell.source, re.MULTILINE)
    ]
    nbformat.write(chapter, folder / "exercises.ipynb")
    runtime = folder / "runtime"
    arguments = ["lab", "--no-browser", "--allow-root", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(folder / "c"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield address(server, runtime)
    finally:
        server.terminate()
        server.wait(patience(60))


def opened(browser: Browser, jupyter: str, notebook: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 4000})  # JupyterLab draws only outputs in view
    page.goto(f"{jupyter}lab/workspaces/{notebook}/tree/{notebook}.ipynb?token={TOKEN}")
    page.locator(".jp-Notebook").wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").or_(page.get_by_title("Kernel status: Idle")).first.wait_for()
    return page


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def test_labs_and_bertviz_work_in_jupyterlab_with_nothing_but_the_kernel(browser: Browser, jupyter: str) -> None:
    page = opened(browser, jupyter, "labs")
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if "://127.0.0.1" not in request.url else None)
    run_all(page)
    expect(page.locator(".jp-OutputArea .lab textarea")).to_have_count(7)
    expect(page.locator(".jp-OutputArea .lab")).to_have_count(9)

    playground = page.locator(".lab", has=page.get_by_role("button", name="Write"))
    text, busy = playground.locator(".lab-sample .lab-text"), playground.locator("[aria-busy=true]")
    expect(playground).to_contain_text("tokens in")  # it does not wait for a press of the button
    drawn = str(Playground()._repr_html_())
    told = BeautifulSoup(drawn, "html.parser").find(class_="lab-text")
    assert told is not None
    assert text.text_content() == told.get_text()  # the story that the notebook's file has
    playground.get_by_label("Your prompt").fill("A rain song for")
    playground.get_by_label("Your prompt").press("Control+Enter")  # JupyterLab must not run the cell
    expect(text).to_contain_text("A rain song for")
    expect(busy).to_have_count(0)
    expect(playground.get_by_role("button", name="Copy link")).to_have_count(0)  # a notebook has no address
    expect(playground.locator(".lab-verdict")).to_contain_text("istake")  # the judge in the kernel
    chat = page.locator(".lab", has=page.get_by_role("button", name="Send"))
    chat.get_by_label("Your message").fill("Once")
    page.keyboard.press("Shift+Enter")  # a new line: JupyterLab must not run the cell
    page.keyboard.type("upon a time")
    page.keyboard.press("Enter")
    expect(chat.locator(".lab-bubble p").first).to_have_text("Once\nupon a time")
    expect(chat.locator("[aria-busy]")).to_have_attribute("aria-busy", "false")
    expect(chat.locator(".lab-bubble")).to_have_count(2)
    tokenizer_lab = page.locator(".lab", has=page.get_by_label("Your text"))
    tokenizer_lab.get_by_label("Your text").fill("The fox <b>")
    expect(tokenizer_lab.locator("[aria-label=Tokens] button")).not_to_have_count(0)

    cells = page.locator(".jp-CodeCell")
    last = cells.nth(cells.count() - 1)  # by number, because running the last cell adds another
    last.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text(
        "['A rain song for', 'A rain song for ', 'The fox <b>']"
    )
    expect(page.locator(".lab", has=page.get_by_label("Training progress"))).to_contain_text("Step 0:")
    expect(page.locator(".jp-OutputArea #attention line")).not_to_have_count(0)  # BertViz's
    assert [url for url in elsewhere if url.startswith("http")] == []
    page.close()


def test_an_unsolved_exercise_shows_no_check_mark_and_its_solution_opens(browser: Browser, jupyter: str) -> None:
    page = opened(browser, jupyter, "exercises")
    check_marks = page.get_by_text("✓").filter(visible=True)
    unsolved = page.locator(".exercise-card", has_text="not written yet")
    expect(unsolved).to_have_count(4)  # as committed
    expect(check_marks).to_have_count(0)
    run_all(page)
    expect(page.locator(".jp-InputPrompt", has_text="[5]")).to_be_visible()  # four exercises and the quiz
    expect(unsolved).to_have_count(4)  # run without any solution
    expect(check_marks).to_have_count(0)

    solution = page.locator("details.solution", has_text='check("4.2", mask)')
    expect(solution.get_by_text("masked_fill")).to_be_hidden()
    solution.get_by_text("Solution").click()
    expect(solution.get_by_text("masked_fill")).to_be_visible()
    expect(page.locator("details.solution[open]")).to_have_count(1)
    page.close()
