"""The notebook of all labs in a real JupyterLab: what one types and clicks is answered by the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
# What a learner does from Python: read what was typed and written, and set a trait.
READ = "print([playground.prompt, playground.texts[0][:16], tokenizer_lab.text])\ntraining_replay.report = 0"


def address(server: subprocess.Popen[bytes], runtime: Path) -> str:
    """Where the server answers. It writes its address down a moment before it listens there."""
    for _ in range(600):
        assert server.poll() is None, "JupyterLab ended before it answered"
        try:
            url = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["url"].replace("localhost", "127.0.0.1")
            urlopen(f"{url}api/status?token={TOKEN}", timeout=10).read()
            return url
        except (StopIteration, ValueError, OSError):  # not written yet, half written, not listening yet
            time.sleep(0.1)
    raise AssertionError("JupyterLab did not answer within a minute")


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab whose folder holds the notebook, with one cell more."""
    notebook = nbformat.read(ROOT / "book/labs.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(READ))
    nbformat.write(notebook, tmp_path / "labs.ipynb")
    arguments = ["lab", "--no-browser", "--allow-root", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}"]
    runtime = tmp_path / "runtime"
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", *arguments],
        cwd=tmp_path,
        env={
            **os.environ,
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "c"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield address(server, runtime)
    finally:
        server.terminate()
        server.wait(20)


def test_labs_in_jupyterlab_are_answered_by_the_kernel(browser: Browser, jupyter: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 4000})  # all outputs in view: Lab draws only those
    page.goto(f"{jupyter}lab/tree/labs.ipynb?token={TOKEN}")
    page.locator(".jp-Notebook").wait_for(timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").or_(page.get_by_title("Kernel status: Idle")).first.wait_for(
        timeout=90_000
    )
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.locator(".jp-OutputArea .lab textarea")).to_have_count(5, timeout=90_000)
    expect(page.locator(".jp-OutputArea .lab")).to_have_count(6)

    playground = page.locator(".lab", has=page.get_by_label("Your prompt"))
    playground.get_by_label("Your prompt").fill("A rain song for")
    playground.get_by_role("button", name="Write").click()
    expect(playground).to_contain_text("tokens in", timeout=60_000)
    expect(playground.locator(".lab-sample .lab-text")).to_contain_text("A rain song for")
    tokenizer_lab = page.locator(".lab", has=page.get_by_label("Your text"))
    tokenizer_lab.get_by_label("Your text").fill("The fox <b>")
    expect(tokenizer_lab.locator("[aria-label=Tokens] button")).not_to_have_count(0)

    cells = page.locator(".jp-CodeCell")
    last = cells.nth(cells.count() - 1)  # by number, because running it adds one more
    last.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text(
        "['A rain song for', 'A rain song for ', 'The fox <b>']", timeout=30_000
    )
    expect(page.locator(".lab", has=page.get_by_label("Training so far"))).to_contain_text("Step 0:")
    page.close()
