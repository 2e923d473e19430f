"""A page with labs, and a small hub whose connections break on request, both served on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gpt2_course.labs.lab import STATIC

PACKAGE = STATIC.parents[1]
FOLDERS = (STATIC, PACKAGE / "pretrained", PACKAGE / "assets")  # as in _config.yml
TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm", ".css": "text/css", ".html": "text/html"}
STATES = {
    "playground": {"prompt": "The fox", "temperature": 0.8, "length": 40, "samples": 1, "seed": 3},
    "storyteller": {"prompt": "The fox", "text": "", "temperature": 0.8, "seed": 0},
    "chat": {"message": "Hi!", "messages": [], "temperature": 0.8, "length": 20, "seed": 0},
    "tokenizer_lab": {"text": "The fox and the owl", "vocabulary": "model"},
    "next_token_lab": {"prompt": "The fox", "added": [], "temperature": 1.0, "seed": 0},
    "attention_lab": {"text": "The fox and", "layer": 0, "head": 0, "token": -1, "without": []},
    "walk_through_lab": {"text": "The fox and", "step": 0, "part": "", "layer": 0, "head": 0, "temperature": 1.0},
    "training_replay": {"report": -1},
}
DEFAULTS = {"top_k": 0, "top_p": 1.0, "texts": []}


class Hub:
    """What the server was asked, and what it does wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str] = []  # the range of each request for the weights; "" for the whole file
        self.break_after: list[int] = []  # for each of the next requests for the weights, how many bytes arrive
        self.has_ranges = True
        self.is_down = False
        self.wait: threading.Event | None = None  # if set, the second half of a file waits for it

    @property
    def source(self) -> dict[str, object]:
        weights = self.files["model.safetensors"]
        return {"base": "/hub/", "size": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?")[0].lstrip("/")
        if path.startswith("hub/"):
            return self.give(path.removeprefix("hub/"))
        name = path.removeprefix("_static/")
        found = next((folder / name for folder in FOLDERS if (folder / name).is_file()), None)
        if path == "page.html":
            self.answer(200, page(self.hub).encode(), ".html")
        elif found is None:
            self.answer(204 if name == "favicon.ico" else 404, b"", "")
        else:
            self.answer(200, found.read_bytes(), found.suffix)
        return None

    def answer(self, status: int, body: bytes, suffix: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def give(self, name: str) -> None:
        hub = self.hub
        body = hub.files.get(name)
        if body is None or hub.is_down:
            return self.answer(404 if body is None else 503, b"", "")
        asked = self.headers.get("Range", "")
        most = len(body)
        if name == "model.safetensors":
            hub.ranges.append(asked)
            most = hub.break_after.pop(0) if hub.break_after else most
        start = int(re.findall(r"\d+", asked)[0]) if asked and hub.has_ranges else 0
        rest = body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        half = len(rest) // 2
        for part in (rest[: min(most, half)], rest[half:most]):
            self.wfile.write(part)
            self.wfile.flush()
            if hub.wait and name == "model.safetensors" and part:
                hub.wait.wait(60)
        if most < len(rest):
            self.close_connection = True
            self.connection.shutdown(2)
        return None

    def log_message(self, *_: object) -> None:
        pass


def page(hub: Hub, names: Sequence[str] = tuple(STATES)) -> str:
    """A page with these labs, as the book shows them."""
    labs = "".join(
        f'<div data-lab="{name}" data-state="{escape(json.dumps({**DEFAULTS, **STATES[name]}))}">'
        '<div class="lab">A static example</div></div>'
        for name in names
    )
    meta = f'<meta name="gpt2-source" content="{escape(json.dumps(hub.source))}">' if hub.files else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labs</title>'
        f'<meta name="viewport" content="width=device-width">'
        f'{meta}<link rel="stylesheet" href="/_static/labs.css"></head>'
        f'<body><main>{labs}</main><script type="module" src="/_static/hydrate.mjs"></script></body></html>'
    )


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Serve the page and the hub; yields the address of the page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Serving", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/page.html"
    finally:
        server.shutdown()
        server.server_close()


def model_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
