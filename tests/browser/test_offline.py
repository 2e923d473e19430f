"""After one visit to any page, the whole book works without a network, and a newer version replaces it whole."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Error, Page, Playwright, Request, expect

from book.look import Isolated, chromium, wake
from book.pace import patience

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book/extensions"))
from offline import hashes, worker

BOOK = "gpt2-from-scratch"  # on GitHub, a book is in a folder of its host
WORKER = "service_worker.js"
SAVED = re.compile(r"^Ready to read offline, \d+ MB\.$")


class Host:
    """A web server for folders, which can be stopped and started at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.asked: list[str] = []
        self.start()

    def start(self) -> None:
        host = self

        class Recording(Isolated):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                super().do_GET()

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), partial(Recording, directory=str(self.folder)))
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def address(self) -> str:
        return f"http://reader.test:{self.port}/{BOOK}"


@pytest.fixture
def host(site: Path, tmp_path: Path) -> Iterator[Host]:
    """A server with a copy of the book in a folder."""
    shutil.copytree(site, tmp_path / "host" / BOOK)
    host = Host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture
def visitor(playwright: Playwright, host: Host, tmp_path: Path) -> Iterator[Callable[..., BrowserContext]]:
    """Starts browsers that know the server by a name and trust it as they would with https."""
    started: list[BrowserContext] = []

    def start(*options: str) -> BrowserContext:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / f"profile{len(started)}",
            executable_path=chromium(),
            args=[
                "--no-sandbox",
                "--host-resolver-rules=MAP reader.test 127.0.0.1",
                f"--unsafely-treat-insecure-origin-as-secure=http://reader.test:{host.port}",
                *options,
            ],
        )
        started.append(context)
        return context

    yield start
    for context in started:
        context.close()


def visit(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    return page


def wait_until_saved(page: Page) -> None:
    expect(page.locator(".foot .offline")).to_have_text(SAVED)


def wait_until(page: Page, condition: str) -> None:
    """Wait until an expression that may be a promise is true in a page."""
    for _ in range(int(patience(120) * 10)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never true: {condition}")


def is_missing(request: Request) -> bool:
    """Whether a request failed for another reason than that its page was left."""
    return request.failure != "net::ERR_ABORTED"


def test_after_one_visit_the_whole_book_works_without_a_network(
    host: Host, visitor: Callable[..., BrowserContext], site: Path
) -> None:
    context = visitor()
    page = visit(context, f"{host.address}/chapters/01_language_models.html")
    wait_until_saved(page)
    host.stop()
    context.set_offline(True)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url) if is_missing(request) else None)

    page.goto(f"{host.address}/")  # leads to the front page
    page.wait_for_url("**/book/intro.html")
    for path in sorted(path.relative_to(site).as_posix() for path in site.glob("*/*.html")):
        if path.startswith(("book/", "chapters/")):
            answer = page.goto(f"{host.address}/{path}#main-content")
            assert answer is not None
            assert answer.text() == (site / path).read_text(encoding="utf-8")
    page.goto(f"{host.address}/search.html?q=temperature")
    expect(page.locator("main li a mark").first).to_be_visible()

    page.goto(f"{host.address}/chapters/11_playground.html")
    lab = wake(page, "playground")
    expect(lab.locator(".lab-samples")).to_have_attribute("aria-busy", "false")
    assert len(lab.locator(".lab-sample .lab-text").first.inner_text()) > 40
    assert faults == []
    host.start()


def test_a_new_version_replaces_the_old_one_whole(host: Host, visitor: Callable[..., BrowserContext]) -> None:
    folder = host.folder / BOOK
    context = visitor()
    page = visit(context, f"{host.address}/chapters/02_tokenizer.html")
    wait_until_saved(page)

    def publish(word: str) -> None:
        """Publish a version whose front page and one script contain a word."""
        page, script = folder / "book/intro.html", folder / "_static/page.js"
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("</footer>", f"{word}</footer>"), encoding="utf-8")
        script.write_text(f"{script.read_text(encoding='utf-8')}// {word}\n", encoding="utf-8")
        source = (folder / WORKER).read_text(encoding="utf-8").partition(";\n")[2]
        (folder / WORKER).write_text(worker(source, hashes(folder) | size_of(folder)))

    def size_of(folder: Path) -> dict[str, str]:
        found = re.search(r'"_static/offline.json": "(\w+)"', (folder / WORKER).read_text(encoding="utf-8"))
        assert found
        return {"_static/offline.json": found[1]}

    def seen(page: Page) -> tuple[str, str]:
        page.goto(f"{host.address}/book/intro.html")
        page.wait_for_load_state("load")
        script = page.evaluate("fetch(new URL('../_static/page.js', location)).then((r) => r.text())")
        return page.content(), script

    host.asked.clear()
    publish("second edition")
    other = visit(context, f"{host.address}/book/faq.html")  # finds the new version
    wait_until(other, "navigator.serviceWorker.getRegistration().then((r) => Boolean(r.waiting))")
    loaded = [path for path in host.asked if not path.endswith(WORKER)]
    assert sorted(set(loaded)) == [f"/{BOOK}/_static/page.js", f"/{BOOK}/book/intro.html"]  # only what has changed

    # While another window shows the old version, all stay with it.
    assert not any("second edition" in text for text in seen(other))
    other.close()
    # Alone, a page changes to the new version and reloads itself. The browser may need a moment to forget the other.
    for _ in range(100):
        with suppress(Error):  # its reload may interrupt this visit
            page.goto(f"{host.address}/book/intro.html")
            has_changed = "document.querySelector('.foot')?.textContent.includes('second edition')"
            page.wait_for_function(has_changed, timeout=3000)
            break
    page.wait_for_load_state("load")
    assert all("second edition" in text for text in seen(page))
    caches = [name for name in page.evaluate("caches.keys()") if name.startswith("book ")]  # a lab has its own
    assert len(caches) == 1, caches

    # If a version cannot be saved whole, nothing old is kept: pages come from the network.
    publish("third edition")
    (folder / "book/intro.html").write_text("not the file in the list", encoding="utf-8")
    page.reload()
    wait_until(page, "caches.match('../_static/offline.json').then((found) => !found)")
    page.goto(f"{host.address}/book/intro.html")
    assert page.inner_text("body") == "not the file in the list"


def test_readers_who_save_data_are_asked_first(host: Host, visitor: Callable[..., BrowserContext]) -> None:
    context = visitor()
    context.add_init_script("Object.defineProperty(navigator.connection, 'saveData', { value: true });")
    page = visit(context, f"{host.address}/book/faq.html")
    button = page.get_by_role("button", name=re.compile(r"^Save the book to read offline, \d+ MB$"))
    expect(button).to_be_visible()
    assert page.evaluate("caches.keys()") == []
    button.click()
    wait_until_saved(page)


def test_the_worker_saves_what_pages_need_and_nothing_else(site: Path) -> None:
    text = (site / WORKER).read_text(encoding="utf-8")
    listed = json.loads(text.partition(";\n")[0].removeprefix("self.BOOK = "))["files"]
    assert {"index.html", "_static/tiny-world/model.safetensors", "_static/hydrate.mjs", "manifest.webmanifest"} <= set(
        listed
    )
    assert not [name for name in listed if not (site / name).is_file()]
    assert not [name for name in listed if name.endswith((".pdf", ".epub", ".ipynb")) or name.startswith("_sources")]
    size = json.loads((site / "_static/offline.json").read_text(encoding="utf-8"))["bytes"]
    assert size < 16_000_000
    assert not (site / "_static" / WORKER).exists()


def test_a_change_of_any_file_is_a_new_version(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("one", encoding="utf-8")
    before = worker("source", hashes(tmp_path))
    assert worker("source", hashes(tmp_path)) == before
    (tmp_path / "a.html").write_text("two", encoding="utf-8")
    assert worker("source", hashes(tmp_path)).splitlines()[1] != before.splitlines()[1]
    other = worker("other source", hashes(tmp_path))
    assert other.splitlines()[1] != worker("source", hashes(tmp_path)).splitlines()[1]


def test_the_book_can_be_installed(host: Host, visitor: Callable[..., BrowserContext], site: Path) -> None:
    described = json.loads((site / "manifest.webmanifest").read_text(encoding="utf-8"))
    assert (site / described["start_url"]).is_file()
    for icon in described["icons"]:
        with Image.open(site / icon["src"]) as image:
            assert icon["sizes"] == "{}x{}".format(*image.size)
    page = visit(visitor(), f"{host.address}/book/intro.html")
    errors = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert errors == []
    page.evaluate("localStorage.setItem('mode', 'dark')")
    page.reload()
    expect(page.locator("meta[name=theme-color]")).to_have_attribute("content", "#14161b")


def test_nothing_is_saved_on_localhost(page: Page, served: str) -> None:
    page.goto(f"{served}/book/faq.html", wait_until="networkidle")
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    assert page.locator(".foot .offline").inner_text() == ""
