"""Streaming datasets on the Hugging Face hub into shards: every document once, despite any interruption."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpt2_course import Tokenizer
from gpt2_course.cli import main
from gpt2_course.data import TokenStream, parse_count, read_shards, stream_shards

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [f"Number {i}: " + "the fox and the owl shared a plum. " * (i % 7) for i in range(300)]
TOKENIZER = Tokenizer.train(TEXTS, 300)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # the library locks files in its cache even for streaming
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "home")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


def write_dataset(folder: str, kind: str, texts: list[str] = TEXTS, n_files: int = 3) -> str:
    """Write Parquet or JSON Lines files with a second column beside the text; return the folder as `--data` value."""
    Path(folder).mkdir()
    for number in range(n_files):
        part = texts[len(texts) * number // n_files : len(texts) * (number + 1) // n_files]
        rows = [{"id": i, "text": text} for i, text in enumerate(part)]
        path = Path(folder) / f"part-{number}.{kind}"
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=17)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"hf:{folder}"


def texts_of(stream: TokenStream) -> list[str]:
    """The documents of a stream, which must all end with <|endoftext|>."""
    ids = stream.windows([0], len(stream))[0].tolist()
    *texts, rest = TOKENIZER.decode(ids).split("<|endoftext|>")
    assert rest == ""
    return texts


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- the shards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_every_document_is_written_once_and_in_order(kind: str) -> None:
    counts = stream_shards(write_dataset("data", kind), TOKENIZER, Path("shards"), shard_tokens=2000)
    tokenizer, train, val = read_shards(Path("shards"))
    assert tokenizer == TOKENIZER
    assert counts == {"train": len(train), "val": len(val)}
    assert all(2000 <= len(a) + len(b) < 2200 for a, b in list(zip(train.arrays, val.arrays, strict=True))[:-1])
    assert len(train.arrays) > 3
    train_texts, val_texts = texts_of(train), texts_of(val)
    assert sorted(train_texts + val_texts) == sorted(TEXTS)
    assert train_texts == sorted(train_texts, key=TEXTS.index)
    assert val_texts == sorted(val_texts, key=TEXTS.index)
    for stream, texts in ((train, train_texts), (val, val_texts)):
        assert stream.longest_document == max(len(TOKENIZER.encode(text)) for text in texts)


def test_validation_documents_come_from_the_whole_stream_up_to_one_shard() -> None:
    data = write_dataset("data", "parquet")
    counts = stream_shards(data, TOKENIZER, Path("all"), val_fraction=0.2)
    assert counts["val"] / sum(counts.values()) == pytest.approx(0.2, abs=0.02)
    positions = [TEXTS.index(text) for text in texts_of(read_shards(Path("all"))[2])]
    assert positions[0] < 10
    assert positions[-1] > 290
    counts = stream_shards(data, TOKENIZER, Path("shard"), val_fraction=0.2, shard_tokens=1000)
    assert 1000 <= counts["val"] < 1200


def test_streaming_stops_after_the_document_that_reaches_the_number_of_tokens() -> None:
    data = write_dataset("data", "parquet")
    lengths = [len(TOKENIZER.encode(text)) + 1 for text in TEXTS]
    for tokens in (1, sum(lengths[:100]), sum(lengths[:100]) + 1, sum(lengths) + 1):
        out = Path(f"shards-{tokens}")
        stream_shards(data, TOKENIZER, out, tokens, shard_tokens=1000)
        _, train, val = read_shards(out)
        texts = (texts_of(train) if len(train) else []) + (texts_of(val) if len(val) else [])
        n_documents = next((n for n in range(len(TEXTS)) if sum(lengths[:n]) >= tokens), len(TEXTS))
        assert sorted(texts) == sorted(TEXTS[:n_documents])


def test_rows_without_text_are_skipped() -> None:
    texts = ["one", "", "two", None, "three"]
    stream_shards(write_dataset("data", "parquet", texts, 1), TOKENIZER, Path("shards"))  # type: ignore[arg-type]
    _, train, val = read_shards(Path("shards"))
    assert sorted(texts_of(train) + texts_of(val)) == ["one", "three", "two"]


def test_train_reads_the_shards_that_tokenize_writes(capsys: pytest.CaptureFixture[str]) -> None:
    data = write_dataset("data", "jsonl")
    TOKENIZER.save("tokenizer")
    command = ["tokenize", "--data", data, "--tokens", "3K", "--out", "shards", "--tokenizer", "tokenizer"]
    assert main(command) == 0
    _, train, val = read_shards(Path("shards"))
    assert 3000 <= len(train) + len(val) < 3200
    assert f"{len(train):,} tokens for training, {len(val):,} for validation" in capsys.readouterr().out
    shape = "--n-positions 32 --n-embd 32 --n-layer 2 --n-head 2 --context 32 --steps 2 --sample-tokens 8"
    assert main(["train", "--data", "shards", *shape.split()]) == 0


def test_the_folder_of_shards_is_named_after_the_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenize", "--data", write_dataset("data", "jsonl"), "--tokens", "3K"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"Writing the tokens of hf:data to {Path('shards/data')}."
    assert printed[-1] == f"  python train.py --data {Path('shards/data')}"
    assert read_shards(Path("shards/data"))[0] == Tokenizer.gpt2()


@pytest.mark.posix
def test_memory_does_not_grow_with_the_stream() -> None:
    """Compare the peak memory of a process that reads 4 MB of text with one that reads 80 MB (40 million tokens)."""
    script = """
        import resource, sys
        from pathlib import Path
        from gpt2_course import Tokenizer
        from gpt2_course.data import stream_shards

        stream_shards(sys.argv[1], Tokenizer.gpt2(), Path(sys.argv[2]), shard_tokens=200_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1000 if sys.platform == "linux" else 10**6))
    """
    peaks = []
    for n_files in (1, 20):
        texts = ["a b c d e f g h " * 128] * 2000 * n_files
        data = write_dataset(f"data-{n_files}", "jsonl", texts, n_files)
        command = [sys.executable, "-c", textwrap.dedent(script), data, f"shards-{n_files}"]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
        peaks.append(float(result.stdout))
    short, long = peaks
    assert long < short + 30  # MB


# ---- interrupted and resumed -----------------------------------------------------------------------------------

# Write shards, and kill this process once the given number of files was written, before the last one is renamed.
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from gpt2_course import Tokenizer
    from gpt2_course.data import stream_shards

    data, out, left = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

    def fsync(file):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync
    stream_shards(data, Tokenizer.load("tokenizer"), out, 12_000, shard_tokens=2000)
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@pytest.mark.posix
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_resuming_after_a_kill_gives_the_same_bytes(kind: str) -> None:
    data = write_dataset("data", kind)
    TOKENIZER.save("tokenizer")
    stream_shards(data, TOKENIZER, Path("whole"), 12_000, shard_tokens=2000)
    # Each start writes the tokenizer (3 files), then in turn a training shard, a validation shard, and the progress. So
    # the kills come before any shard, between shards, before the progress is saved, and much later.
    for out, stops in (("early", [2]), ("often", [4, 5, 6, 7, 9, 11])):
        for files in stops:
            command = [sys.executable, "-c", textwrap.dedent(KILLED), data, out, str(files)]
            killed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            assert killed.returncode == -9, killed.stderr
            assert list(Path(out).glob("*.tmp"))
            assert not Path(out, "index.json").exists()
    saved = json.loads(Path("often/progress.json").read_text())["train"]["shards"]
    assert len(saved) == 4  # of 6, after six starts: only shards in progress were lost
    for out in ("early", "often"):
        stream_shards(data, TOKENIZER, Path(out), 12_000, shard_tokens=2000)
        assert content(Path(out)) == content(Path("whole"))


def test_resuming_after_a_kill_before_the_last_rename_adds_nothing() -> None:
    data = write_dataset("data", "parquet")
    stream_shards(data, TOKENIZER, Path("whole"))
    before = content(Path("whole"))
    Path("whole/index.json").rename("whole/progress.json")
    stream_shards(data, TOKENIZER, Path("whole"))
    assert content(Path("whole")) == before


def test_the_same_command_resumes_after_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["tokenize", "--data", write_dataset("data", "parquet"), "--out", "shards"]
    monkeypatch.setattr("gpt2_course.cli.stream_shards", partial(stream_shards, shard_tokens=1000))
    encode = Tokenizer.encode
    kept: list[int] = []
    for n_documents in (0, 100, 200):

        def until_interrupted(*arguments: Any) -> list[int]:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return encode(*arguments)

        left = n_documents
        with monkeypatch.context() as patch:
            patch.setattr(Tokenizer, "encode", until_interrupted)
            assert main(command) == 130
        printed = capsys.readouterr().out
        assert "tokens written. To continue, repeat the command." in printed
        kept.append(int(printed.split("Stopped with ")[1].split()[0].replace(",", "")))
        assert kept[-1] == sum(len(np.load(path)) for path in Path("shards").glob("*.npy"))
    assert 0 == kept[0] < kept[1] < kept[2]
    assert main(command) == 0
    assert read_shards(Path("shards"))[0] == Tokenizer.gpt2()
    assert main(command) == 1  # the shards are complete
    assert "already contains token shards" in capsys.readouterr().err


# ---- mistakes --------------------------------------------------------------------------------------------------


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a command that fails with exit code 1, in one line, without a traceback."""
    capsys.readouterr()
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


@pytest.fixture
def started() -> Path:
    """A folder with unfinished work."""
    write_dataset("data", "parquet")
    out = Path("started")
    stream_shards("hf:data", TOKENIZER, out, 3000)
    (out / "index.json").rename(out / "progress.json")
    TOKENIZER.save("tokenizer")
    return out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--tokens", "4K"], "were started with tokens=3000, which cannot change to 4000: keep it"),
        (["--tokens", "3K", "--val-fraction", "0.2"], "with val_fraction=0.1, which cannot change to 0.2"),
        (["--tokens", "3K", "--data", "hf:elsewhere"], "with data='hf:data', which cannot change to 'hf:elsewhere'"),
        (["--tokens", "3K", "--tokenizer", "gpt2"], "with tokenizer=Tokenizer(vocab_size=300"),
        (["--data", "python-manual"], "already contains token shards"),
    ],
)
def test_resuming_with_different_arguments_is_rejected(
    started: Path, changed: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(started)
    command = ["tokenize", "--data", "hf:data", "--tokenizer", "tokenizer", "--out", str(started), *changed]
    assert message in error_of(capsys, *command)
    assert content(started) == before


@pytest.mark.parametrize("damage", ["", "{}", '{"source": 7}', "[]"])
def test_a_damaged_progress_file_is_reported(started: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    (started / "progress.json").write_text(damage)
    message = error_of(capsys, "tokenize", "--data", "hf:data", "--tokenizer", "tokenizer", "--out", str(started))
    assert "progress.json is damaged" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "hf:untold"], "has no column 'text', only id, story: name the text column with --column."),
        (["--data", "hf:numbers"], "must have text in its column 'text', but has 5: name another column with"),
        (["--data", "hf:nothing"], "hf:nothing could not be opened ("),
        (["--data", "hf:broken"], "hf:broken could not be opened ("),
        (["--data", "hf:"], "give hf:OWNER/NAME, hf:OWNER/NAME:CONFIG, or hf:FOLDER"),
        (["--data", "hf:data", "--val-fraction", "1"], "val_fraction must be between 0 and 1, but is 1.0."),
        (["--data", "hf:data", "--tokens", "ten"], "'ten' is not a number of tokens: write it like 10B, 500M, 250K"),
        (["--data", "python-manual", "--tokens", "5K"], "--tokens works only for datasets (hf:OWNER/NAME)"),
    ],
)
def test_a_mistake_is_reported_in_one_line_and_leaves_no_files(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset("data", "parquet")
    for name, row in (("untold", '{"id": 1, "story": "Once"}'), ("numbers", '{"text": 5}'), ("broken", '{"text')):
        Path(name).mkdir()
        Path(name, "a.jsonl").write_text(row + "\n")
    Path("nothing").mkdir()
    assert message in error_of(capsys, "tokenize", "--out", "shards", *arguments)
    assert not Path("shards").exists()


def test_a_number_in_the_text_column_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset("data", "jsonl", [None, 7], 1)  # type: ignore[list-item]
    message = error_of(capsys, "tokenize", "--data", "hf:data", "--out", "shards")
    assert message.endswith(
        "hf:data must have text in its column 'text', but has 7: name another column with --column.\n"
    )


def test_work_with_another_column_resumes_only_with_that_column(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_text('{"story": "one"}\n{"story": "two"}\n')
    TOKENIZER.save("tokenizer")
    command = ["tokenize", "--data", "hf:data", "--out", "shards", "--tokenizer", "tokenizer", "--column", "story"]
    assert main(command) == 0
    _, train, val = read_shards(Path("shards"))
    assert texts_of(train) + texts_of(val) == ["one", "two"]
    Path("shards/index.json").rename("shards/progress.json")
    assert "with column='story', which cannot change to 'text'" in error_of(capsys, *command[:-2])
    assert main(command) == 0


def test_work_started_by_a_version_without_columns_resumes(started: Path) -> None:
    progress = json.loads((started / "progress.json").read_text())
    del progress["source"]["column"]
    (started / "progress.json").write_text(json.dumps(progress))
    stream_shards("hf:data", TOKENIZER, started, 3000)
    assert (started / "index.json").exists()


def test_training_on_a_stream_asks_to_tokenize_it_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert "gpt2-course tokenize --data hf:data, then" in error_of(capsys, "train", "--data", "hf:data")


def test_a_missing_or_old_library_is_reported_with_the_command_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["tokenize", "--data", "hf:data", "--out", "shards"]
    with monkeypatch.context() as patch:
        patch.setattr("datasets.__version__", "5.0.1")
        assert "datasets, 5.2 or newer (found version 5.0.1): run pip install" in error_of(capsys, *command)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "datasets", None)
        message = error_of(capsys, *command)
    assert "requires the library datasets, 5.2 or newer (import of datasets halted" in message


def test_numbers_of_tokens_may_end_with_k_m_or_b() -> None:
    written = {"10B": 10**10, "500M": 5 * 10**8, "250K": 250_000, "250k": 250_000, "1.5M": 1_500_000, "1000": 1000}
    assert {text: parse_count(text) for text in written} == written
    for text in ("", "B", "10 B", "-5", "0", "0.1", "1e9", "10T", "٣"):
        with pytest.raises(ValueError, match="is not a number of tokens"):
            parse_count(text)


# ---- the hub ---------------------------------------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """As much of the hub's protocol as streaming the dataset `owner/world` needs."""

    commits: dict[str, dict[str, bytes]]  # the files of each commit, by name
    head: str
    unavailable: str = ""  # the name of a file that the server fails to send


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        api, _, path = urlsplit(self.path).path.partition("owner/world")
        what, _, rest = path.strip("/").partition("/")
        commit, _, name = rest.partition("/")
        files = self.server.commits.get(commit, {})
        if api == "/api/datasets/" and what in ("", "revision"):
            self.send(json.dumps({"id": "owner/world", "sha": commit or self.server.head, "siblings": []}).encode())
        elif api == "/api/datasets/" and what == "tree" and files and not name:
            entries = [{"type": "file", "path": n, "size": len(b), "oid": digest(b)} for n, b in files.items()]
            self.send(json.dumps(entries).encode())
        elif what == "resolve" and name in files and name != self.server.unavailable:
            self.send(files[name], {"ETag": f'"{digest(files[name])}"', "X-Repo-Commit": commit})
        elif what == "resolve" and name in files:
            self.send(b"", status=503)
        else:
            self.send(b"", {"X-Error-Code": "EntryNotFound" if what else "RepoNotFound"}, 404)

    def send(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = body[int(first) : int(last or len(body)) + 1]
        self.send_response(206 if "Range" in self.headers and status == 200 else status)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)

    def log_message(self, *args: object) -> None:
        pass


def digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


CONFIGS = (
    b"---\nconfigs:\n- config_name: small\n  data_files: part-0.*\n- config_name: all\n  data_files: part-*\n---\n"
)


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    write_dataset("data", "parquet")
    write_dataset("changed", "parquet", TEXTS[::-1])
    server.commits = {"a" * 40: content(Path("data")), "b" * 40: content(Path("changed"))}
    server.head = "a" * 40
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def tokenize_from(hub: Hub, data: str, out: str) -> subprocess.CompletedProcess[str]:
    """Stream a dataset in a subprocess, because the hub's address is read at import; retries do not wait."""
    script = """
        import sys, time
        from pathlib import Path
        from gpt2_course import Tokenizer
        from gpt2_course.data import stream_shards

        time.sleep = lambda seconds: None
        try:
            stream_shards(sys.argv[1], Tokenizer.load("tokenizer"), Path(sys.argv[2]), shard_tokens=2000)
        except (ConnectionError, ValueError) as error:
            print(type(error).__name__, error)
    """
    TOKENIZER.save("tokenizer")
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), data, out],
        capture_output=True,
        text=True,
        check=True,
        env=environment(HF_ENDPOINT=endpoint),
    )


def shards_of(folder: str) -> dict[str, bytes]:
    """All files but the index, which contains the source of the text."""
    return {name: data for name, data in content(Path(folder)).items() if name != "index.json"}


def test_a_hub_dataset_is_streamed_by_name_and_configuration(hub: Hub) -> None:
    result = tokenize_from(hub, "hf:owner/world", "streamed")
    assert result.stdout == "", result.stderr
    stream_shards("hf:data", TOKENIZER, Path("local"), shard_tokens=2000)
    assert shards_of("streamed") == shards_of("local")
    hub.commits[hub.head]["README.md"] = CONFIGS
    assert tokenize_from(hub, "hf:owner/world:small", "small").stdout == ""
    _, train, val = read_shards(Path("small"))
    assert sorted(texts_of(train) + texts_of(val)) == sorted(TEXTS[:100])
    assert "'nosuch' not found. Available: ['small', 'all']" in tokenize_from(hub, "hf:owner/world:nosuch", "c").stdout
    assert "pick one among the available configs: ['small', 'all']" in tokenize_from(hub, "hf:owner/world", "c").stdout
    result = tokenize_from(hub, "hf:owner/nosuch", "c")
    assert result.stdout.startswith("ConnectionError hf:owner/nosuch could not be opened (404 Client Error")
    assert result.stdout.count("\n") == 1


def test_a_failed_stream_resumes_with_the_revision_it_started_with(hub: Hub) -> None:
    hub.unavailable = "part-2.parquet"
    broken = tokenize_from(hub, "hf:owner/world", "streamed").stdout
    assert broken.startswith("ConnectionError Reading hf:owner/world failed (")
    assert broken.endswith("): run the same command to resume after the last shard written.\n")
    assert broken.count("\n") == 1
    assert Path("streamed/progress.json").exists()
    hub.unavailable = ""
    hub.head = "b" * 40
    assert tokenize_from(hub, "hf:owner/world", "streamed").stdout == ""
    stream_shards("hf:data", TOKENIZER, Path("local"), shard_tokens=2000)
    assert shards_of("streamed") == shards_of("local")
