"""BertViz's pictures work in a notebook's output and in the book, without requests to other hosts."""

from __future__ import annotations

import base64
import hashlib

import pytest
from playwright.sync_api import Page, Route, expect

from gpt2_course import GPT2
from gpt2_course.bertviz_views import LIBRARIES, head_view, model_view

TEXT = "Once upon a time, a fox named Pip"


@pytest.fixture(scope="module")
def model() -> GPT2:
    return GPT2.from_pretrained()


def show(page: Page, body: str, html: str = "<html>") -> list[str]:
    """Open a page with this body; returns a list that keeps collecting the addresses of what it fetches."""
    fetched: list[str] = []

    def answer(route: Route) -> None:
        fetched.append(route.request.url)
        folder, _, file = route.request.url.rpartition("/")
        if folder == "http://book/_static/bertviz":
            route.fulfill(path=LIBRARIES / file, content_type="text/javascript")  # type: ignore[arg-type]
        else:
            route.fulfill(body=f"<!doctype html>{html}<body>{body}</body>", content_type="text/html; charset=utf-8")

    page.route("**/*", answer)
    page.goto("http://book/")
    fetched.remove("http://book/")
    return fetched


def test_the_head_view_draws_lines_and_responds_to_the_mouse(page: Page, model: GPT2) -> None:
    show(page, head_view(model, TEXT)._repr_html_())
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


def test_the_model_view_draws_every_head(page: Page, model: GPT2) -> None:
    show(page, model_view(model, TEXT)._repr_html_())
    c = model.config
    assert model.tokenizer is not None
    n = len(model.tokenizer.encode(TEXT))
    expect(page.locator("#vis line")).to_have_count(c.n_layer * c.n_head * n * n)
    page.locator("#vis .attn_background").nth(1).click(force=True)  # the second in the first row
    expect(page.locator("#vis text.detail").first).to_have_text("Layer 0, Head 1")


def test_an_output_includes_its_libraries_and_hides_them_from_other_scripts(page: Page, model: GPT2) -> None:
    taken = "<script>$ = 'theirs'; define = () => { throw new Error('not for you') }; define.amd = {}</script>"
    fetched = show(page, taken + head_view(model, TEXT)._repr_html_())
    expect(page.locator("#attention line")).not_to_have_count(0)
    assert fetched == []
    assert page.evaluate("[window.$, window.jQuery, window.d3]") == ["theirs", None, None]


def test_the_book_loads_the_libraries_once_from_its_own_files(page: Page, model: GPT2) -> None:
    views = head_view(model, TEXT).page + head_view(model, TEXT).page + model_view(model, "The witch").page
    fetched = show(page, views, '<html data-content_root="./">')
    expect(page.locator("svg #attention")).to_have_count(2)
    expect(page.locator("#vis .attn_background")).not_to_have_count(0)
    assert sorted(fetched) == [f"http://book/_static/bertviz/{name}.min.js" for name in ("d3", "jquery")]


def test_a_saved_notebook_tells_how_to_see_the_picture(page: Page, model: GPT2) -> None:
    assert show(page, head_view(model, TEXT).page) == []
    expect(page.locator("p")).to_have_text("This picture is drawn by a script. In a notebook, run the cell to see it.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_black_on_white(page: Page, model: GPT2, scheme: str) -> None:
    dark = "<style>:root { color-scheme: dark; background: black; color: white }</style>" if scheme == "dark" else ""
    show(page, dark + head_view(model, TEXT)._repr_html_() + model_view(model, TEXT)._repr_html_())
    expect(page.locator("#vis svg")).to_have_count(2)
    for ground in page.locator("#vis svg").all():
        expect(ground).to_have_css("background-color", "rgb(255, 255, 255)")
    for text in page.locator("#vis svg text").all():
        expect(text).to_have_css("fill", "rgb(0, 0, 0)")


def test_markup_in_a_token_stays_text(page: Page, model: GPT2) -> None:
    text = "</script><script>window.hacked = 1</script>"
    show(page, head_view(model, text)._repr_html_())
    expect(page.locator("#attention line")).not_to_have_count(0)
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("d3", "M06Cb6r/Yrkprjr7ngOrJlzgekrkkdmGZDES/SUnkUpUol0/qjsaQWQfLzq0mcfg"),
        ("jquery", "1H217gwSVyLSIfaLxHbE7dRb3v4mYCKbpQvzx0cegeju1MVsGrX5xXxAvs/HgeFs"),
    ],
)
def test_the_libraries_are_the_ones_published_on_npm(name: str, published: str) -> None:
    content = (LIBRARIES / f"{name}.min.js").read_bytes()
    assert base64.b64encode(hashlib.sha384(content).digest()).decode() == published


def test_a_view_is_small_and_reproducible(model: GPT2) -> None:
    first, again = (head_view(model, TEXT).page for _ in range(2))
    assert first == again
    assert len(first) < 40_000
    assert first.count('"attn"') == 1  # the attention weights are stored once
    assert "require.min.js" not in first
    with pytest.raises(ValueError, match="shows 1 to 64"):
        head_view(model, "word " * 100)
    with pytest.raises(ValueError, match="layer must be from 0 to"):
        head_view(model, TEXT, layer=9)
