"""Downloading models from the hub, which is a local server here that offers a small repository or stays silent."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import file_download
from huggingface_hub.utils import _http

from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer, hub, sources

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """As much of the hub's protocol as downloads need; the transfer of the file named `broken` is cut short."""

    files: dict[str, bytes]
    repository = "openai-community/gpt2"
    broken: str | None = None
    served: list[str]

    def handle_error(self, request: object, client_address: object) -> None:  # ignore clients that hang up
        pass


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        prefix = f"/{self.server.repository}/resolve/main/"
        data = self.server.files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
        name = self.path.rsplit("/", 1)[-1]
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if self.path.startswith(prefix) else "RepoNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
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
def server(tmp_path: Path) -> Iterator[Hub]:
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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate cache for each test, and no hub."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    use(monkeypatch, "http://127.0.0.1:9")  # no server listens there
    return tmp_path / "cache"


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setattr(hub.constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)  # before 1.0


def address(server: Hub) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def story(name: str = "gpt2") -> str:
    return GPT2.from_pretrained(name).generate("The fox", max_new_tokens=9, temperature=0)


def error_message(kind: type[Exception], name: str = "gpt2") -> str:
    with pytest.raises(kind) as caught:
        sources.find_model(name)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


ADVICE = "check your internet connection and try again, or give the path of a local model folder."


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2", "distilgpt2", "some-owner/a_GPT-2.1"])
def test_a_model_is_downloaded_once_and_then_comes_from_the_cache(
    server: Hub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.repository = sources.HUB_NAMES.get(name, name)
    expected = story(str(tmp_path / "repository"))
    use(monkeypatch, address(server))
    assert story(name) == expected
    assert sorted(server.served) == sorted(server.files)
    assert server.served[-1] == "model.safetensors"  # its presence shows that everything else is there
    use(monkeypatch, "http://127.0.0.1:9")
    assert story(name) == expected
    for path in [*cache.glob("*/snapshots/*/tokenizer_config.json"), *cache.glob("*/.no_exist/*/*")]:
        path.unlink()
    assert story(name) == expected  # from a cache of an earlier version of this package


@pytest.mark.parametrize("file", ["tokenizer_config.json", "chat_template.jinja"])
def test_a_chat_template_is_downloaded_with_the_model(
    server: Hub, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GPT2.from_pretrained(tmp_path / "repository").require_tokenizer().chat_template is None
    if file == "tokenizer_config.json":
        config = json.loads(server.files[file])
        server.files[file] = json.dumps({**config, "chat_template": "A template"}).encode()
    else:
        server.files[file] = b"A template"
    use(monkeypatch, address(server))
    assert GPT2.from_pretrained("gpt2").require_tokenizer().chat_template == "A template"


def test_all_files_of_a_model_split_by_transformers_5_are_downloaded(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import GPT2LMHeadModel, GPT2TokenizerFast

    expected = story(str(tmp_path / "repository"))
    GPT2LMHeadModel.from_pretrained(tmp_path / "repository").save_pretrained(tmp_path / "new", max_shard_size="20KB")
    GPT2TokenizerFast.from_pretrained(tmp_path / "repository").save_pretrained(tmp_path / "new")
    server.files = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert len(server.files) > 5
    use(monkeypatch, address(server))
    assert story() == expected
    use(monkeypatch, "http://127.0.0.1:9")
    assert story() == expected


def test_a_model_without_a_tokenizer_is_cached_too(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {name: server.files[name] for name in ("config.json", "model.safetensors")}
    use(monkeypatch, address(server))
    assert GPT2.from_pretrained("gpt2").tokenizer is None
    use(monkeypatch, "http://127.0.0.1:9")
    assert GPT2.from_pretrained("gpt2").tokenizer is None


def test_a_broken_transfer_leaves_no_incomplete_file_and_the_next_one_succeeds(
    server: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, address(server))
    server.broken = "model.safetensors"
    assert error_message(ConnectionError).startswith("openai-community/gpt2 could not be downloaded")
    left = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]
    whole = set(server.files.values())
    assert all(path.read_bytes() in whole for path in left if "/blobs/" in str(path)), left
    server.broken = None
    assert story().startswith("The fox")


def test_a_hub_that_cannot_be_reached_is_tried_twice_and_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    ask = hub.get_hf_file_metadata
    monkeypatch.setattr(hub, "get_hf_file_metadata", lambda url, **settings: asked.append(url) or ask(url, **settings))
    message = error_message(ConnectionError)
    assert message.startswith("openai-community/gpt2 could not be downloaded from the Hugging Face hub (")
    assert "refused" in message
    assert message.endswith(ADVICE)
    assert len(asked) == 2  # the library alone would retry for half a minute


def test_a_hub_that_fails_once_is_tried_again(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, address(server))
    ask = hub.get_hf_file_metadata
    answers = iter([OSError("connection reset")])

    def flaky(url: str, **settings: float) -> object:
        if (error := next(answers, None)) is not None:
            raise error
        return ask(url, **settings)

    monkeypatch.setattr(hub, "get_hf_file_metadata", flaky)
    assert story().startswith("The fox")


@pytest.mark.parametrize("cut", ["connect", "answer"])
def test_waiting_for_a_silent_hub_prints_a_notice_and_ends(
    cut: str, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hub accepts connections but never answers, or not after the first request."""
    monkeypatch.setattr(hub, "NOTICE_AFTER", 0.2)
    monkeypatch.setattr(hub, "GIVE_UP_AFTER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        use(monkeypatch, endpoint)
        if cut == "answer":
            monkeypatch.setattr(hub, "_check_reachable", lambda repository: None)
        message = error_message(ConnectionError)
    assert f"(no answer from {endpoint} for 0.5 seconds)" in message
    assert message.endswith(ADVICE)
    assert f"Waiting up to 0.5 seconds for an answer from {endpoint} …\n" in capsys.readouterr().err


def test_the_notice_comes_within_ten_seconds_and_the_error_after_a_minute() -> None:
    assert hub.NOTICE_AFTER <= 10
    assert hub.GIVE_UP_AFTER == 60


def test_a_slow_download_continues_while_data_arrives(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fake clock advances one second per call, so a single poll without progress would exceed the limits."""
    monkeypatch.setattr(hub, "POLL_INTERVAL", 0.001)
    monkeypatch.setattr(hub, "NOTICE_AFTER", 1.5)
    monkeypatch.setattr(hub, "GIVE_UP_AFTER", 1.5)
    seconds, polls = itertools.count(), itertools.count()
    monkeypatch.setattr(hub, "monotonic", lambda: next(seconds))
    enough = threading.Event()

    def progress() -> int:
        poll = next(polls)
        if poll == 50:
            enough.set()
        return poll

    def work() -> Path:
        assert enough.wait(patience(60))
        return Path("done")

    assert hub.wait_while_progressing(work, progress, "the hub") == Path("done")
    assert capsys.readouterr().err == ""


def test_new_files_and_bytes_in_the_cache_are_progress(tmp_path: Path) -> None:
    seen = [hub._size(tmp_path / "cache")]
    for name, content in (("a", b""), ("a", b"1"), ("b/c", b"")):
        (tmp_path / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / name).write_bytes(content)
        seen.append(hub._size(tmp_path / "cache"))
    assert len(set(seen)) == 4


def test_offline_mode_makes_no_request(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(yes: bool) -> None:
        monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", yes)
        getattr(_http, "reset_sessions", lambda: None)()  # before 1.0, an open session ignores the change

    use(monkeypatch, address(server))
    offline(True)
    assert "offline mode is enabled" in error_message(ConnectionError)
    assert not server.served
    offline(False)
    expected = story()
    offline(True)
    assert story() == expected
    offline(False)


@pytest.mark.parametrize("name", ["nobody/nothing", "no--body/nothing"])
def test_a_model_missing_from_the_hub_is_reported_by_name(
    server: Hub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    use(monkeypatch, address(server))
    message = error_message(FileNotFoundError, name)
    assert message.startswith(f"There is no model '{name}', neither as a local folder nor as a public model")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_without_a_required_file_is_reported_by_name(
    server: Hub, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    use(monkeypatch, address(server))
    del server.files[missing]
    assert error_message(FileNotFoundError).startswith(
        "openai-community/gpt2 on the Hugging Face hub cannot be read, because it lacks"
    )


@pytest.mark.parametrize("name", ["runs/laptop", "here/missing", "./a/b", "../a", "/a/b", "a/b/c", "gpt3"])
def test_a_path_is_never_requested_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert error_message(FileNotFoundError, name).startswith(f"There is no model folder {name!r}")


def test_an_unreachable_proxy_is_reported_in_one_sentence(server: Hub, tmp_path: Path) -> None:
    """Run in a subprocess, because the library reads the environment when it is imported."""
    script = """
        from gpt2_course import sources
        try:
            sources.find_model("gpt2")
        except ConnectionError as error:
            print(error)
    """
    environment = {
        **os.environ,
        "HF_ENDPOINT": "http://hub.example",
        "HF_HOME": str(tmp_path / "home"),
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "no_proxy": "",
        "NO_PROXY": "",
    }
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        timeout=patience(300),
    )
    assert "refused" in result.stdout
    assert result.stdout.endswith(f"{ADVICE}\n")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
