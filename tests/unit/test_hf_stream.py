"""Datasets of the Hugging Face hub become shards: every document once, whatever stops the work on the way."""

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
    # the library locks files in its cache even where it reads a stream
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "home")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


def write_dataset(folder: str, kind: str, texts: list[str] = TEXTS, n_files: int = 3) -> str:
    """A folder of Parquet or JSON Lines files with a column beside the text; its name as data."""
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
    """The documents of a stream, each of which must have its end."""
    ids = stream.windows([0], len(stream))[0].tolist()
    *texts, rest = TOKENIZER.decode(ids).split("<|endoftext|>")
    assert rest == ""
    return texts


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- what it writes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_every_document_is_there_once_and_in_its_order(kind: str) -> None:
    counts = stream_shards(write_dataset("data", kind), TOKENIZER, Path("shards"), shard_tokens=2000)
    tokenizer, train, val = read_shards(Path("shards"))
    assert tokenizer == TOKENIZER
    assert counts == {"train": len(train), "val": len(val)}
    assert all(2000 <= len(a) + len(b) < 2200 for a, b in list(zip(train.arrays, val.arrays, strict=True))[:-1])
    assert len(train.arrays) > 3
    learned, tested = texts_of(train), texts_of(val)
    assert sorted(learned + tested) == sorted(TEXTS)
    assert learned == sorted(learned, key=TEXTS.index)
    assert tested == sorted(tested, key=TEXTS.index)
    for stream, texts in ((train, learned), (val, tested)):
        assert stream.longest_document == max(len(TOKENIZER.encode(text)) for text in texts)


def test_validation_gets_its_share_from_everywhere_up_to_a_shard() -> None:
    data = write_dataset("data", "parquet")
    counts = stream_shards(data, TOKENIZER, Path("all"), val_fraction=0.2)
    assert counts["val"] / sum(counts.values()) == pytest.approx(0.2, abs=0.02)
    places = [TEXTS.index(text) for text in texts_of(read_shards(Path("all"))[2])]
    assert places[0] < 10
    assert places[-1] > 290
    counts = stream_shards(data, TOKENIZER, Path("shard"), val_fraction=0.2, shard_tokens=1000)
    assert 1000 <= counts["val"] < 1200


def test_it_stops_with_the_document_that_reaches_the_number_of_tokens() -> None:
    data = write_dataset("data", "parquet")
    lengths = [len(TOKENIZER.encode(text)) + 1 for text in TEXTS]
    for tokens in (1, sum(lengths[:100]), sum(lengths[:100]) + 1, sum(lengths) + 1):
        out = Path(f"shards-{tokens}")
        stream_shards(data, TOKENIZER, out, tokens, shard_tokens=1000)
        _, train, val = read_shards(out)
        texts = (texts_of(train) if len(train) else []) + (texts_of(val) if len(val) else [])
        n_documents = next((n for n in range(len(TEXTS)) if sum(lengths[:n]) >= tokens), len(TEXTS))
        assert sorted(texts) == sorted(TEXTS[:n_documents])


def test_rows_without_text_are_left_out() -> None:
    texts = ["one", "", "two", None, "three"]
    stream_shards(write_dataset("data", "parquet", texts, 1), TOKENIZER, Path("shards"))  # type: ignore[arg-type]
    _, train, val = read_shards(Path("shards"))
    assert sorted(texts_of(train) + texts_of(val)) == ["one", "three", "two"]


def test_one_trains_on_what_the_command_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    data = write_dataset("data", "jsonl")
    TOKENIZER.save("tokenizer")
    command = ["tokenize", "--data", data, "--tokens", "3K", "--out", "shards", "--tokenizer", "tokenizer"]
    assert main(command) == 0
    _, train, val = read_shards(Path("shards"))
    assert 3000 <= len(train) + len(val) < 3200
    assert f"{len(train):,} tokens to train on, {len(val):,} to test on" in capsys.readouterr().out
    shape = "--n-positions 32 --n-embd 32 --n-layer 2 --n-head 2 --context 32 --steps 2 --sample-tokens 8"
    assert main(["train", "--data", "shards", *shape.split()]) == 0


def test_a_dataset_has_its_name_as_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenize", "--data", write_dataset("data", "jsonl"), "--tokens", "3K"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"The tokens of hf:data go to {Path('shards/data')}."
    assert said[-1] == f"  python train.py --data {Path('shards/data')}"
    assert read_shards(Path("shards/data"))[0] == Tokenizer.gpt2()


@pytest.mark.posix
def test_memory_does_not_grow_with_the_stream() -> None:
    """The peak of a process, for 4 MB of text and for 80 MB of it, which is 40 million tokens."""
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


# ---- stopped and continued -------------------------------------------------------------------------------------

# Writes shards, and is killed when a file was written for the so-manieth time but did not get its name yet.
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
def test_killed_anywhere_and_continued_it_leaves_the_same_bytes(kind: str) -> None:
    data = write_dataset("data", kind)
    TOKENIZER.save("tokenizer")
    stream_shards(data, TOKENIZER, Path("whole"), 12_000, shard_tokens=2000)
    # A start writes the tokenizer (3 files), and then by turns a shard to train on, one to test on and the progress:
    # so it dies before anything is there, between the shards, before the progress is noted, and far on.
    for out, stops in (("early", [2]), ("often", [4, 5, 6, 7, 9, 11])):
        for files in stops:
            command = [sys.executable, "-c", textwrap.dedent(KILLED), data, out, str(files)]
            killed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            assert killed.returncode == -9, killed.stderr
            assert list(Path(out).glob("*.tmp"))
            assert not Path(out, "index.json").exists()
    noted = json.loads(Path("often/progress.json").read_text())["train"]["shards"]
    assert len(noted) == 4  # of 6, by six starts: none was lost but the one in progress
    for out in ("early", "often"):
        stream_shards(data, TOKENIZER, Path(out), 12_000, shard_tokens=2000)
        assert content(Path(out)) == content(Path("whole"))


def test_killed_before_the_very_last_move_nothing_is_added() -> None:
    data = write_dataset("data", "parquet")
    stream_shards(data, TOKENIZER, Path("whole"))
    before = content(Path("whole"))
    Path("whole/index.json").rename("whole/progress.json")
    stream_shards(data, TOKENIZER, Path("whole"))
    assert content(Path("whole")) == before


def test_after_ctrl_c_the_same_command_goes_on(
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
        said = capsys.readouterr().out
        assert "tokens are kept. The same command goes on after them." in said
        kept.append(int(said.split("Stopped; ")[1].split()[0].replace(",", "")))
        assert kept[-1] == sum(len(np.load(path)) for path in Path("shards").glob("*.npy"))
    assert 0 == kept[0] < kept[1] < kept[2]
    assert main(command) == 0
    assert read_shards(Path("shards"))[0] == Tokenizer.gpt2()
    assert main(command) == 1  # it is done
    assert "already holds token shards" in capsys.readouterr().err


# ---- mistakes --------------------------------------------------------------------------------------------------


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a mistake prints: exit code 1, one sentence, no traceback."""
    capsys.readouterr()
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


@pytest.fixture
def begun() -> Path:
    """A folder in which the work is not done yet."""
    write_dataset("data", "parquet")
    out = Path("begun")
    stream_shards("hf:data", TOKENIZER, out, 3000)
    (out / "index.json").rename(out / "progress.json")
    TOKENIZER.save("tokenizer")
    return out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--tokens", "4K"], "were begun with tokens=3000, which cannot become 4000 on the way"),
        (["--tokens", "3K", "--val-fraction", "0.2"], "with val_fraction=0.1, which cannot become 0.2"),
        (["--tokens", "3K", "--data", "hf:elsewhere"], "with data='hf:data', which cannot become 'hf:elsewhere'"),
        (["--tokens", "3K", "--tokenizer", "gpt2"], "with tokenizer=Tokenizer(vocab_size=300"),
        (["--data", "python-manual"], "already holds token shards"),
    ],
)
def test_other_work_is_not_mixed_in(
    begun: Path, changed: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(begun)
    command = ["tokenize", "--data", "hf:data", "--tokenizer", "tokenizer", "--out", str(begun), *changed]
    assert message in error_of(capsys, *command)
    assert content(begun) == before


@pytest.mark.parametrize("damage", ["", "{}", '{"source": 7}', "[]"])
def test_a_damaged_progress_gets_a_sentence(begun: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    (begun / "progress.json").write_text(damage)
    message = error_of(capsys, "tokenize", "--data", "hf:data", "--tokenizer", "tokenizer", "--out", str(begun))
    assert "progress.json is damaged" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "hf:untold"], "has no column 'text', only id, story: name the column of the text with --column."),
        (["--data", "hf:numbers"], "must have text in its column 'text', but has 5: name another with --column."),
        (["--data", "hf:nothing"], "hf:nothing could not be opened ("),
        (["--data", "hf:broken"], "hf:broken could not be opened ("),
        (["--data", "hf:"], "give hf:OWNER/NAME, hf:OWNER/NAME:CONFIG or hf:FOLDER"),
        (["--data", "hf:data", "--val-fraction", "1"], "val_fraction is the share of the text to test on, between"),
        (["--data", "hf:data", "--tokens", "ten"], "'ten' is no number of tokens: write it as in 10B, 500M, 250K"),
        (["--data", "python-manual", "--tokens", "5K"], "--tokens is for datasets of the hub (hf:OWNER/NAME)"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset("data", "parquet")
    for name, row in (("untold", '{"id": 1, "story": "Once"}'), ("numbers", '{"text": 5}'), ("broken", '{"text')):
        Path(name).mkdir()
        Path(name, "a.jsonl").write_text(row + "\n")
    Path("nothing").mkdir()
    assert message in error_of(capsys, "tokenize", "--out", "shards", *arguments)
    assert not Path("shards").exists()


def test_a_number_among_the_texts_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset("data", "jsonl", [None, 7], 1)  # type: ignore[list-item]
    message = error_of(capsys, "tokenize", "--data", "hf:data", "--out", "shards")
    assert message.endswith("hf:data must have text in its column 'text', but has 7: name another with --column.\n")


def test_the_column_can_be_chosen_and_work_goes_on_with_the_same_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_text('{"story": "one"}\n{"story": "two"}\n')
    TOKENIZER.save("tokenizer")
    command = ["tokenize", "--data", "hf:data", "--out", "shards", "--tokenizer", "tokenizer", "--column", "story"]
    assert main(command) == 0
    _, train, val = read_shards(Path("shards"))
    assert texts_of(train) + texts_of(val) == ["one", "two"]
    Path("shards/index.json").rename("shards/progress.json")
    assert "with column='story', which cannot become 'text'" in error_of(capsys, *command[:-2])
    assert main(command) == 0


def test_work_begun_before_columns_could_be_chosen_goes_on(begun: Path) -> None:
    progress = json.loads((begun / "progress.json").read_text())
    del progress["source"]["column"]
    (begun / "progress.json").write_text(json.dumps(progress))
    stream_shards("hf:data", TOKENIZER, begun, 3000)
    assert (begun / "index.json").exists()


def test_a_stream_is_tokenized_before_one_trains_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "gpt2-course tokenize --data hf:data, and then" in error_of(capsys, "train", "--data", "hf:data")


def test_without_the_library_one_reads_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["tokenize", "--data", "hf:data", "--out", "shards"]
    with monkeypatch.context() as patch:
        patch.setattr("datasets.__version__", "5.0.1")
        assert "datasets, 5.2 or newer, to read (here is version 5.0.1): pip install" in error_of(capsys, *command)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "datasets", None)
        message = error_of(capsys, *command)
    assert "takes the library datasets, 5.2 or newer, to read (import of datasets halted" in message


def test_numbers_of_tokens_are_written_as_people_do() -> None:
    written = {"10B": 10**10, "500M": 5 * 10**8, "250K": 250_000, "250k": 250_000, "1.5M": 1_500_000, "1000": 1000}
    assert {text: parse_count(text) for text in written} == written
    for text in ("", "B", "10 B", "-5", "0", "0.1", "1e9", "10T", "٣"):
        with pytest.raises(ValueError, match="is no number of tokens"):
            parse_count(text)


# ---- the hub ---------------------------------------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """As much of the hub's protocol as streaming the dataset `owner/world` takes."""

    commits: dict[str, dict[str, bytes]]  # the files of each, by name
    head: str
    gone: str = ""  # a file that cannot be had


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
        elif what == "resolve" and name in files and name != self.server.gone:
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
    """The command in a process of its own, because the hub's address is read at import; it waits for no retry."""
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
    """All but the index, which says where the text came from."""
    return {name: data for name, data in content(Path(folder)).items() if name != "index.json"}


def test_a_dataset_of_the_hub_is_streamed_by_its_name_and_configuration(hub: Hub) -> None:
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


def test_a_stream_that_broke_goes_on_with_what_the_hub_held_when_it_began(hub: Hub) -> None:
    hub.gone = "part-2.parquet"
    broken = tokenize_from(hub, "hf:owner/world", "streamed").stdout
    assert broken.startswith("ConnectionError Reading hf:owner/world broke off (")
    assert broken.endswith("): the same command goes on after the last shard written.\n")
    assert broken.count("\n") == 1
    assert Path("streamed/progress.json").exists()
    hub.gone = ""
    hub.head = "b" * 40
    assert tokenize_from(hub, "hf:owner/world", "streamed").stdout == ""
    stream_shards("hf:data", TOKENIZER, Path("local"), shard_tokens=2000)
    assert shards_of("streamed") == shards_of("local")
