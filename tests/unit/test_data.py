"""Texts and token shards: correct splits, constant memory, and helpful errors."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2_course import Tokenizer, TrainConfig
from gpt2_course.data import DataSpec, TokenStream, find_corpus, find_shards, formats, read_shards, text, write_shards
from gpt2_course.tiny_world import documents

TOKENIZER = Tokenizer.train("the fox and the owl shared a plum with the other fox\n" * 9, 280)


def texts_of(part: Iterable[Any]) -> list[str]:
    """The documents of one part of a corpus."""
    return ["".join(document.pieces()) for document in part]


def joined(part: Iterable[Any]) -> str:
    return "".join(texts_of(part))


# ---- texts -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    content=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda s: s != "\ufeff"),
    fraction=st.floats(0.01, 1),
    block=st.integers(1, 9),
)
def test_the_two_parts_join_to_the_whole_text(
    tmp_path_factory: pytest.TempPathFactory, content: str, fraction: float, block: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BYTES_PER_BLOCK", block)
        patch.setattr(formats, "BYTES_PER_READ", block + 1)
        corpus = find_corpus(str(path), fraction)
        as_lines = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        assert joined(corpus.train) + joined(corpus.val) == as_lines


def test_the_cut_is_at_a_line_end_near_the_requested_fraction(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line number {i}\n" for i in range(1000)))
    corpus = find_corpus(str(path), 0.2)
    train = joined(corpus.train)
    assert train.endswith("\n")
    assert abs(len(train) / path.stat().st_size - 0.8) < 0.01


def test_a_folder_is_read_as_its_text_files_sorted_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, content in (("b.txt", "second "), ("a.txt", "first "), ("deep/c.txt", "fourth"), ("c.MD", "third ")):
        (tmp_path / name).write_text(content)
    corpus = find_corpus(str(tmp_path), 0.3)
    assert joined(corpus.train) + joined(corpus.val) == "first second third fourth"
    assert corpus.files == "Reading 4 files (25 bytes): a.txt, b.txt, c.MD, and 1 more."


def test_the_python_manual_is_english_text() -> None:
    train = joined(find_corpus("python-manual").train)
    assert len(train) > 300_000
    assert "The following" in train


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: choose a file or folder that contains text"),
        (b"fine\xff\xfe", r"is not UTF-8 text \(byte 0xff at position 4\)"),
    ],
)
def test_an_unusable_file_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)

    def read() -> None:
        corpus = find_corpus(str(path))
        joined(corpus.train) + joined(corpus.val)

    with pytest.raises(ValueError, match=message):
        read()


def test_an_invalid_byte_in_a_later_block_is_reported_at_its_position_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "BYTES_PER_READ", 3)
    monkeypatch.setattr(formats, "BYTES_PER_BLOCK", 4)
    path = tmp_path / "a.txt"
    path.write_bytes("ééé".encode() + b"\xc3")  # ends inside a character
    with pytest.raises(ValueError, match="byte 0xc3 at position 6"):
        joined(find_corpus(str(path), 1.0).val)


def test_unknown_names_and_folders_without_text_are_reported(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=r"no text 'nosuch': give a .txt file .* or one of tiny-world, tiny-world-dialogues, python-manual, shak",
    ):
        find_corpus("nosuch")
    with pytest.raises(FileNotFoundError, match=r"contains no \.txt, \.md, \.jsonl, \.csv file and no token sh"):
        find_corpus(str(tmp_path))
    (tmp_path / "a.txt").write_text("some text")
    with pytest.raises(ValueError, match="val_fraction must be above 0 and at most 1, but is 2"):
        find_corpus(str(tmp_path), 2)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("hf:HuggingFaceFW/fineweb-edu", "fineweb-edu"),
        ("hf:HuggingFaceFW/fineweb-edu:sample-10BT", "fineweb-edu"),
        ("hf:owner/world-v1.5", "world-v1.5"),
        ("tiny-world:100000", "tiny-world"),
        ("texts/my_diary.txt", "my_diary"),
        ("Déjà vu; rm -r.TXT", "Déjà-vu-rm--r"),
        ("one.two/", "one.two"),
        (".", "here"),
        ("..", "above"),
        ("?", "text"),
        ("a" * 99, "a" * 60),
    ],
)
def test_the_folder_of_a_text_is_named_after_it(
    data: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "above/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "above/here")
    assert DataSpec.parse(data).folder_name == name


# ---- downloads -------------------------------------------------------------------------------------------------


class Site(ThreadingHTTPServer):
    content = b"Once upon a time.\n" * 1000
    broken = False
    requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: 5000 if self.server.broken else None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    server = Site(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(text, "_cache", lambda: tmp_path / "cache")
    download = text.Download(f"http://127.0.0.1:{server.server_port}/", hashlib.sha256(Site.content).hexdigest())
    monkeypatch.setitem(text.DOWNLOADS, "story", download)
    yield server
    server.shutdown()
    server.server_close()


def test_shakespeare_has_the_expected_checksum(shakespeare: Path) -> None:
    assert hashlib.sha256(shakespeare.read_bytes()).hexdigest() == text.DOWNLOADS["shakespeare"].sha256


def test_a_text_is_downloaded_once(site: Site) -> None:
    for _ in range(2):
        corpus = find_corpus("story")
        assert (joined(corpus.train) + joined(corpus.val)).encode() == Site.content
    assert site.requests == 1


@pytest.mark.parametrize("fault", ["broken", "changed", "gone"])
def test_a_bad_download_leaves_nothing_behind(site: Site, tmp_path: Path, fault: str) -> None:
    if fault == "broken":
        site.broken = True
    elif fault == "changed":
        site.content = b"something else"
    else:
        site.shutdown()
        site.server_close()
    with pytest.raises((ConnectionError, ValueError), match=r"could not be downloaded|the wrong checksum") as error:
        find_corpus("story")
    assert "\n" not in str(error.value)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


# ---- shards ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("the fox and the owl\n" * 400)
    (tmp_path / "texts" / "b.txt").write_text("the other plum\n" * 400)
    write_shards(find_corpus(str(tmp_path / "texts"), 0.2), TOKENIZER, tmp_path / "shards", shard_tokens=1000)
    return tmp_path / "shards"


def test_shards_contain_every_token_of_the_text_in_order(shards: Path) -> None:
    tokenizer, train, val = read_shards(shards)
    assert tokenizer == TOKENIZER
    assert len(train.arrays) > 2
    corpus = find_corpus(str(shards.parent / "texts"), 0.2)
    for stream, part in ((train, corpus.train), (val, corpus.val)):
        whole = stream.windows([0], len(stream))[0].tolist()
        expected = [[*TOKENIZER.encode(document), TOKENIZER.end_of_text] for document in texts_of(part)]
        assert whole == list(chain.from_iterable(expected))


def test_windows_may_span_several_shards() -> None:
    numbers = np.arange(1000, dtype=np.uint16)
    stream = TokenStream(np.split(numbers, [10, 11, 500, 997]), vocab_size=1000)
    for length in (1, 7, 600, 1000):
        starts = list(range(0, 1000 - length + 1, 3))
        expected = [list(range(start, start + length)) for start in starts]
        assert stream.windows(starts, length).tolist() == expected


def test_random_windows_reach_the_first_and_the_last_token() -> None:
    stream = TokenStream([np.arange(12, dtype=np.uint16)], vocab_size=12)
    rows = stream.random_windows(500, 3, torch.Generator().manual_seed(0))
    assert rows.min() == 0
    assert rows.max() == 11
    assert (rows.diff(dim=1) == 1).all()


@pytest.mark.parametrize("end_of_text", [None, 0])
def test_slices_of_random_windows_join_to_the_whole_batch(end_of_text: int | None) -> None:
    stream = TokenStream([np.arange(99, dtype=np.uint16) % 9], 9, end_of_text, 8 if end_of_text == 0 else None)

    def rows(count: int, *share: slice) -> torch.Tensor:
        return stream.random_windows(count, 10, torch.Generator().manual_seed(0), *share)

    assert stream.fits(9) == (end_of_text == 0)
    assert rows(1).shape == (1, 10)
    assert torch.equal(torch.cat([rows(6, slice(0, 2)), rows(6, slice(2, 6))]), rows(6))


@pytest.mark.slow
@pytest.mark.linux
@pytest.mark.parametrize("longest_document", [10**6, 100])
def test_memory_does_not_grow_with_the_size_of_a_shard(tmp_path: Path, longest_document: int) -> None:
    """Train on a shard of 4 MB and on a sparse one of 4 GB, each in a subprocess that reports its peak memory.

    Documents are either too long for a window or short; short ones make training scan the whole shard for their ends.
    Only anonymous memory counts: the pages of a mapped file are cache, which the system drops if memory runs short.
    """
    script = """
        import sys, threading, time
        from pathlib import Path
        import torch
        from gpt2_course import GPT2Config, TrainConfig, Trainer

        def own_memory():  # in MB
            return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1000

        def watch():
            global peak
            while True:
                peak = max(peak, own_memory())
                time.sleep(0.005)

        before = peak = own_memory()
        threading.Thread(target=watch, daemon=True).start()
        shape = GPT2Config(n_positions=512, n_embd=32, n_layer=1, n_head=2)
        settings = dict(steps=20, batch_size=4, context=512, report_every=10, checkpoint_every=10)
        trainer = Trainer.from_config(TrainConfig(data=sys.argv[1], out=sys.argv[2], model=shape, **settings))
        trainer.train(verbose=False)
        random, train = torch.Generator().manual_seed(0), trainer.train_data
        at_ends = sum((train.random_windows(16, 513, random)[:, 0] == train.end_of_text).sum() for _ in range(300))
        print(trainer.step, peak - before, float(at_ends) / 4800)
    """
    peaks = []
    for n_tokens in (2 * 10**6, 2 * 10**9):
        folder = tmp_path / str(n_tokens)
        sparse_shards(folder, n_tokens, longest_document)
        command = [sys.executable, "-c", textwrap.dedent(script), str(folder), str(folder / "run")]
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        steps, peak, at_ends = map(float, result.stdout.split())
        assert steps == 20
        assert (0.4 < at_ends < 0.6) if longest_document < 512 else at_ends < 0.01
        peaks.append(peak)
    small, large = peaks
    assert large < small + 30  # MB


def sparse_shards(folder: Path, n_tokens: int, longest_document: int) -> None:
    """Shards of zeros with two hundred documents. The file system stores only the pages that contain their ends."""
    folder.mkdir()
    index: dict[str, Any] = {"vocab_size": TOKENIZER.vocab_size}
    for part, count in (("train", n_tokens), ("val", 10_000)):
        array = np.lib.format.open_memmap(folder / f"{part}-00000.npy", "w+", np.uint16, (count,))
        array[count // 200 - 1 :: count // 200] = TOKENIZER.end_of_text
        shards = [{"file": f"{part}-00000.npy", "tokens": count}]
        index[part] = {"shards": shards, "longest_document": longest_document, "nats": []}
    TOKENIZER.save(folder)
    (folder / "index.json").write_text(json.dumps(index))


def test_damaged_shards_are_reported(shards: Path) -> None:
    def error_message(kind: type[Exception]) -> str:
        with pytest.raises(kind) as error:
            read_shards(shards)
        assert "\n" not in str(error.value)
        return str(error.value)

    shard = shards / "train-00001.npy"
    data = shard.read_bytes()
    shard.write_bytes(data[:-100])
    assert "train-00001.npy is broken" in error_message(ValueError)
    np.save(shard, np.zeros(1000, np.int64))
    assert "contains int64 of shape (1000,), but index.json says 1000 uint16 ids" in error_message(ValueError)
    shard.unlink()
    assert "train-00001.npy is missing" in error_message(FileNotFoundError)
    (shards / "index.json").write_text("{}")
    assert "is not an index of token shards" in error_message(ValueError)
    (shards / "index.json").unlink()
    assert "contains no complete token shards" in error_message(FileNotFoundError)


def test_an_id_outside_the_vocabulary_is_reported(shards: Path) -> None:
    np.save(shards / "train-00000.npy", np.full(1000, 60000, np.uint16))
    _, train, _ = read_shards(shards)
    with pytest.raises(ValueError, match="contain the token id 60000, but their vocabulary ends at 279"):
        train.windows([0], 5)


def test_a_pickle_in_a_shard_is_never_loaded(shards: Path) -> None:
    np.save(shards / "train-00000.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is broken"):
        read_shards(shards)


# ---- documents -------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_world(tmp_path: Path) -> tuple[TokenStream, TokenStream, Tokenizer]:
    """Shards of 200 training documents of Tiny World and of its validation documents, with their tokenizer."""
    corpus = find_corpus("tiny-world:200")
    tokenizer = Tokenizer.train(chain.from_iterable(d.pieces() for d in corpus.train), 600)
    write_shards(corpus, tokenizer, tmp_path / "tokens", shard_tokens=7000)
    _, train, val = read_shards(tmp_path / "tokens")
    return train, val, tokenizer


def test_documents_and_their_nats_survive_the_shards(tiny_world: tuple[TokenStream, TokenStream, Tokenizer]) -> None:
    train, val, tokenizer = tiny_world
    corpus = find_corpus("tiny-world:200")
    end = tokenizer.end_of_text
    for stream, part in ((train, corpus.train), (val, corpus.val)):
        rows = stream.documents()
        texts = [tokenizer.decode(row[1:-1].tolist()) for row in rows]
        assert texts == texts_of(part)
        assert all(row[0] == row[-1] == end for row in rows)
        assert max(len(row) for row in rows) == (stream.longest_document or 0) + 2
    assert val.document_nats == pytest.approx([-d.log_prob for d in corpus.val], abs=1e-6)  # type: ignore[union-attr]
    assert [row.tolist() for row in val.documents(3)] == [row.tolist() for row in val.documents()[:3]]


def test_windows_begin_with_a_document_if_every_document_fits(
    tiny_world: tuple[TokenStream, TokenStream, Tokenizer],
) -> None:
    train, _, tokenizer = tiny_world
    longest = train.longest_document or 0
    assert train.fits(longest + 1)
    assert not train.fits(longest)
    beginnings = {tuple(row[1:5].tolist()) for row in train.documents()}
    rows = train.random_windows(200, longest + 2, torch.Generator().manual_seed(0)).tolist()
    with_end = [row[1:5] if row[0] == tokenizer.end_of_text else row[:4] for row in rows]
    assert all(tuple(begin) in beginnings for begin in with_end)
    assert 50 < sum(row[0] == tokenizer.end_of_text for row in rows) < 150
    anywhere = train.random_windows(200, longest + 1, torch.Generator().manual_seed(0)).tolist()
    assert not all(tuple(row[:4]) in beginnings or tuple(row[1:5]) in beginnings for row in anywhere)


# ---- Tiny World by name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", ["many", "0", "-5", "1.5"])
def test_tiny_world_takes_only_a_number_of_documents(count: str) -> None:
    message = f"'tiny-world:{count}' needs a positive number of documents after the colon, as in tiny-world:40000"
    with pytest.raises(ValueError, match=message):
        find_corpus(f"tiny-world:{count}")


@pytest.mark.parametrize("name", ["tiny-world", pytest.param("tiny-world:200", marks=pytest.mark.posix)])
@pytest.mark.parametrize("content", ["a text", "token shards"])
def test_tiny_world_wins_over_a_folder_of_the_same_name(
    name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("the fox and the owl\n" * 40)
    folder = tmp_path / name
    folder.mkdir()
    if content == "a text":
        (tmp_path / "a.txt").rename(folder / "a.txt")
    else:
        write_shards(find_corpus("a.txt"), TOKENIZER, folder)
    corpus = find_corpus(name)
    assert next(iter(corpus.train)) == next(documents(0, "train"))
    assert next(iter(corpus.val)) == next(documents(0, "val"))
    assert find_shards(name) is None
    assert TrainConfig(data=name).folder == Path("runs/laptop")
    # a path still leads to the folder
    if content == "a text":
        assert joined(find_corpus(f"./{name}", 1).val) == "the fox and the owl\n" * 40
    else:
        assert find_shards(f"./{name}") == Path(name)
    assert TrainConfig(data=f"./{name}").folder == Path("runs/laptop-tiny-world")
