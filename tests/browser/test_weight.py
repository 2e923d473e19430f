"""A page of the book is light: few requests, few bytes, and only its style sheet keeps it from being drawn."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request

PACKED = (".woff2", ".png")  # these formats are compressed already


def size(path: Path) -> int:
    """A file's size in bytes as servers send it: with gzip, unless its format is compressed already."""
    content = path.read_bytes()
    return len(content) if path.suffix in PACKED else len(gzip.compress(content, 6))


def is_of_a_lab(request: Request) -> bool:
    """Whether a lab made the request: for its module, the engine, or the model."""
    return request.url.endswith((".mjs", ".wasm", ".safetensors", ".txt", ".json", ".jsonl"))


def weigh(page: Page, address: str, path: str, site: Path) -> dict[str, float]:
    """Load a page; returns its requests, kilobytes, and blocking requests, those of its labs apart."""
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.goto(f"{address}/{path}", wait_until="networkidle")
    blocking = page.evaluate(
        "performance.getEntriesByType('resource').filter((r) => r.renderBlockingStatus === 'blocking').length"
    )
    local = [request for request in requests if request.url.startswith(address)]
    files = {request: site / urlsplit(request.url).path.lstrip("/") for request in local}
    own = [file for request, file in files.items() if not is_of_a_lab(request)]
    labs = [file for request, file in files.items() if is_of_a_lab(request)]
    return {
        "requests": len(own),
        "KB": round(sum(map(size, own)) / 1000, 1),
        "blocking": blocking,
        "requests of labs": len(labs),
        "KB of labs": round(sum(map(size, labs)) / 1000, 1),
    }


@pytest.mark.parametrize("path", ["book/intro.html", "chapters/04_attention.html"])
def test_a_page_is_light(page: Page, served: str, site: Path, path: str) -> None:
    weight = weigh(page, served, path, site)
    assert weight["blocking"] == 1, weight  # its style sheet
    assert weight["requests"] <= 15, weight
    assert weight["KB"] <= 170, weight
