"""BertViz's pictures in a plain page, with its two libraries served from the npm packages in place of the CDN."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from gpt2_course import GPT2
from gpt2_course.bertviz_views import LIBRARIES, head_view, model_view

TEXT = "Once upon a time, a fox named Pip"


@pytest.fixture(scope="module")
def model() -> GPT2:
    return GPT2.from_pretrained()


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the CDN, by address."""
    folder = tmp_path_factory.mktemp("npm")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, to fetch d3 and jQuery from its registry")
    files = {}
    for url in LIBRARIES:
        found = re.fullmatch(r"https://cdn\.jsdelivr\.net/npm/((\w+)@[\d.]+)/(.+)", url)
        assert found
        package, _, path = found.groups()
        done = subprocess.run(
            [npm, "pack", "--json", package], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            pytest.skip(f"needs npm's registry, which cannot be reached: {done.stderr[-200:]}")
        with tarfile.open(folder / json.loads(done.stdout)[0]["filename"]) as tar:
            member = tar.extractfile(f"package/{path}")
            assert member
            files[url] = member.read()
    return files


def show(page: Page, html: str, libraries: dict[str, bytes]) -> None:
    def answer(route: Route) -> None:
        cors = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(body=libraries[route.request.url], content_type="text/javascript", headers=cors)

    page.route("https://cdn.jsdelivr.net/**", answer)
    page.route("http://book/", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto("http://book/")


def test_the_head_view_draws_lines_and_answers_to_the_mouse(
    page: Page, model: GPT2, libraries: dict[str, bytes]
) -> None:
    show(page, f"<!doctype html><body>{head_view(model, TEXT)._repr_html_()}</body>", libraries)
    lines = page.locator("#attention line")
    expect(lines).not_to_have_count(0)
    page.locator("#left text", has_text="·fox").hover()
    visible = page.locator("#attention line[visibility=visible]")
    expect(visible).not_to_have_count(0)
    assert visible.count() < lines.count()
    shown = "lines => lines.map(line => line.getAttribute('stroke-opacity'))"
    before = lines.evaluate_all(shown)
    page.locator("select#layer").select_option("2")
    assert lines.evaluate_all(shown) != before


def test_the_model_view_draws_every_head(page: Page, model: GPT2, libraries: dict[str, bytes]) -> None:
    show(page, f"<!doctype html><body>{model_view(model, TEXT)._repr_html_()}</body>", libraries)
    c = model.config
    assert model.tokenizer is not None
    n = len(model.tokenizer.encode(TEXT))
    expect(page.locator("#vis line")).to_have_count(c.n_layer * c.n_head * n * n)
    page.locator("#vis .attn_background").nth(1).click(force=True)  # the second of the first row
    expect(page.locator("#vis text.detail").first).to_have_text("Layer 0, Head 1")


def test_two_views_on_a_page_load_the_libraries_once(page: Page, model: GPT2, libraries: dict[str, bytes]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    views = head_view(model, TEXT)._repr_html_() + head_view(model, "The witch")._repr_html_()
    show(page, f"<!doctype html><body>{views}</body>", libraries)
    expect(page.locator("svg #attention")).to_have_count(2)
    assert sorted(url for url in asked if "jsdelivr" in url) == sorted(LIBRARIES)


def test_markup_in_a_token_stays_text(page: Page, model: GPT2, libraries: dict[str, bytes]) -> None:
    text = "</script><script>window.hacked = 1</script>"
    show(page, f"<!doctype html><body>{head_view(model, text)._repr_html_()}</body>", libraries)
    expect(page.locator("#attention line")).not_to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_changed_libraries_are_refused(browser: object, model: GPT2, libraries: dict[str, bytes]) -> None:
    page: Page = browser.new_page()  # type: ignore[attr-defined]
    changed = {url: body + b" " for url, body in libraries.items()}
    show(page, f"<!doctype html><body>{head_view(model, TEXT)._repr_html_()}</body>", changed)
    expect(page.locator("p")).to_contain_text("cannot be reached")
    page.close()


def test_a_view_is_small_and_the_same_every_time(model: GPT2, tmp_path: Path) -> None:
    first, again = (head_view(model, TEXT)._repr_html_() for _ in range(2))
    assert first == again
    assert first.count('"attn"') == 1  # its numbers are there once
    assert "require.min.js" not in first
    with pytest.raises(ValueError, match="shows 1 to 64"):
        head_view(model, "word " * 100)
    with pytest.raises(ValueError, match="layer must be from 0 to"):
        head_view(model, TEXT, layer=9)
