"""How long a first visit to the front page waits for the first token, on a cable and at 9 Mbit/s.

The server compresses what GitHub Pages compresses, and Chromium throttles the connection. Needs Chromium and the built
book: `make site`, then `python -m benchmarks.first_screen`.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from book.look import SITE, launch, serving
from book.pace import patience
from tasks import Pages

STARTS = 3
LATENCY = 40  # milliseconds per request
CONNECTIONS = {"cable, 100 Mbit/s": 100e6, "9 Mbit/s": 9e6}  # bits per second
COMPRESSED = (".html", ".css", ".js", ".mjs", ".json", ".svg", ".txt")  # GitHub Pages sends other files as they are

# Notes when the browser has drawn something, and when the lab has added its first token.
WATCH = """
window.seen = {};
new PerformanceObserver((list) => {
  for (const { name, startTime } of list.getEntries()) window.seen[name] = startTime;
}).observe({ type: "paint", buffered: true });
new MutationObserver(() => {
  if (document.querySelector(".lab-story .lab-now")) window.seen["first token"] ??= performance.now();
}).observe(document, { childList: true, subtree: true });
"""


class Zipped(Pages):
    """Serves pages like GitHub Pages: connections stay open, text is compressed, and files may be kept ten minutes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Cache-Control", "max-age=600")
        if path.suffix in COMPRESSED:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def first_visit(browser: Browser, address: str, bits: float) -> dict[str, float]:
    """The seconds until a new reader sees something, and the first token; and how much was loaded until then."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(WATCH)
    throttle: dict[str, Any] = {"offline": False, "latency": LATENCY, "uploadThroughput": bits / 8}
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {**throttle, "downloadThroughput": bits / 8})
    page.goto(f"{address}/book/intro.html", wait_until="commit")
    page.wait_for_function("window.seen['first token']", timeout=patience(120) * 1000)
    seen = page.evaluate("window.seen")
    context.close()
    return {"something": seen["first-contentful-paint"] / 1000, "first token": seen["first token"] / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_screen", description=__doc__)
    parser.add_argument("site", nargs="?", type=Path, default=SITE, help="folder of the built book")
    site = parser.parse_args().site
    if not (site / "book/intro.html").exists():
        sys.exit(f"{site} does not contain the book: run `make site` first.")
    print(f"Medians of {STARTS} first visits, {LATENCY} ms per request, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}:" if hasattr(os, "getloadavg") else "load unknown:")
    with sync_playwright() as playwright, serving(site, Zipped) as address:
        browser = launch(playwright)
        for name, bits in CONNECTIONS.items():
            visits = [first_visit(browser, address, bits) for _ in range(STARTS)]
            shown = ", ".join(f"{what} after {median(v[what] for v in visits):.2f} s" for what in visits[0])
            print(f"{name}: {shown}")
        browser.close()


if __name__ == "__main__":
    main()
