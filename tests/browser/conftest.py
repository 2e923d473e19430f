"""A real Chromium, and a local server for the built book."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

from book.look import launch, serving
from book.pace import patience
from gpt2_course.labs.lab import STATIC

TIMEOUT = patience(120) * 1000  # milliseconds, for everything that tests wait for
expect.set_options(timeout=TIMEOUT)
OWN_HOSTS = {"127.0.0.1", "book"}  # tests use the second for pages that they make up


def with_timeout(new: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a browser's method so the pages or contexts that it creates wait as long as `expect` does."""

    def create(**options: Any) -> Any:
        created = new(**options)
        created.set_default_timeout(TIMEOUT)
        return created

    return create


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The address of the built book."""
    with serving(site) as address:
        yield address


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright, which a process can start only once."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """The computer's Chromium or Chrome, or Playwright's own."""
    try:
        browser = launch(playwright)
    except Error as error:
        pytest.skip(f"needs Chromium: .venv/bin/playwright install chromium ({str(error).splitlines()[0]})")
    browser.new_context = with_timeout(browser.new_context)  # type: ignore[method-assign]
    browser.new_page = with_timeout(browser.new_page)  # type: ignore[method-assign]
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; the test fails if the console shows an error or the page makes a request to another host."""
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url) if is_foreign(request.url) else None)
    yield page
    context.close()
    assert errors == []


def is_foreign(url: str) -> bool:
    return urlsplit(url).scheme.startswith("http") and urlsplit(url).hostname not in OWN_HOSTS


# What a script in Node.js can use: the labs' modules, the arguments of the test, and a way to answer.
NODE = """
import { readFileSync, writeFileSync } from "node:fs";
const load = (name) => import(`STATIC/${name}.mjs`);
const given = JSON.parse(readFileSync("given.json", "utf8"));
const say = (answer) => writeFileSync("answer.json", JSON.stringify(answer));
"""


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., Any]:
    """Runs a script in Node.js, in the test's temporary folder; returns what it says."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node.js")

    def run(script: str, **given: Any) -> Any:
        (tmp_path / "given.json").write_text(json.dumps(given), encoding="utf-8")
        (tmp_path / "script.mjs").write_text(NODE.replace("STATIC", STATIC.as_uri()) + script, encoding="utf-8")
        done = subprocess.run(
            [program, "script.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=patience(300)
        )
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))

    return run
