"""OpenAI's weights come from the hub. Here a hub on this very machine hands out a small repository."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from gpt2_course import GPT2, GPT2Config, Tokenizer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Speaks as much of the hub's protocol as downloading a file takes; `broken` cuts a file's transfer short."""

    files: dict[str, bytes]
    broken: str | None = None
    served: list[str]

    def handle_error(self, request: object, client_address: object) -> None:  # a client that hangs up is no news
        pass


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        prefix = "/openai-community/gpt2/resolve/main/"
        data = self.server.files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
        name = self.path.rsplit("/", 1)[-1]
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self.server.served.append(name)
            broken = name == self.server.broken
            self.wfile.write(data[start : start + (len(data) - start) // 2] if broken else data[start:])
            self.close_connection = broken

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    torch.manual_seed(1)
    tokenizer = Tokenizer.train("The fox and the owl shared a plum. " * 20, 300)
    GPT2(GPT2Config(tokenizer.vocab_size, 32, 24, 2, 2), tokenizer).save_pretrained(tmp_path / "repository")
    server = Hub(("127.0.0.1", 0), Handler)
    server.files = {path.name: path.read_bytes() for path in (tmp_path / "repository").iterdir()}
    server.served = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def load(endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`GPT2.from_pretrained("gpt2")` in a process of its own, because the hub's address is read at import."""
    script = """
        from gpt2_course import GPT2
        try:
            print(GPT2.from_pretrained("gpt2").generate("The fox", max_new_tokens=9, temperature=0))
        except (ConnectionError, FileNotFoundError, ValueError) as error:
            print(type(error).__name__, error)
    """
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PATH": "/usr/bin:/bin", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )


def test_a_model_is_downloaded_once_and_then_comes_from_the_cache(hub: Hub, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    expected = GPT2.from_pretrained(tmp_path / "repository").generate("The fox", max_new_tokens=9, temperature=0)
    first = load(endpoint, tmp_path / "home")
    assert first.stdout.strip() == expected.strip()
    assert sorted(hub.served) == ["config.json", "merges.txt", "model.safetensors", "vocab.json"]
    again = load(endpoint, tmp_path / "home")
    assert again.stdout == first.stdout
    assert len(hub.served) == 4
    hub.shutdown()
    hub.server_close()
    assert load(endpoint, tmp_path / "home").stdout == first.stdout  # offline, from the cache


def test_a_broken_transfer_leaves_no_half_file_and_the_next_one_succeeds(hub: Hub, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    hub.broken = "model.safetensors"
    result = load(endpoint, tmp_path / "home")
    assert result.stdout.startswith("ConnectionError openai-community/gpt2 could not be downloaded"), result
    assert result.stdout.count("\n") == 1
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file() and path.stat().st_size]
    whole = set(hub.files.values())
    assert all(path.read_bytes() in whole for path in left if "/blobs/" in str(path)), left
    hub.broken = None
    assert load(endpoint, tmp_path / "home").stdout.startswith("The fox")


def test_offline_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    output = load("http://127.0.0.1:9", tmp_path / "home").stdout
    assert output.startswith(
        "ConnectionError openai-community/gpt2 could not be downloaded from the Hugging Face hub ("
    )
    assert output.endswith(
        "connect to the internet and try again, or give the path of a model folder that is already here.\n"
    )
    assert output.count("\n") == 1
