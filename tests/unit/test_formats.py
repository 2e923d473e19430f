"""File formats: each is read correctly, or rejected with one helpful sentence."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2_course import Tokenizer
from gpt2_course.cli import main
from gpt2_course.data import find_corpus, formats, read_shards, write_shards

STORIES = [f"Story {i} of the fox and the owl.\nThey shared a plum, {'very ' * (i % 5)}happily." for i in range(54)]
SEPARATOR = "<|endoftext|>"
TOKENIZER = Tokenizer.train(STORIES, 280)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def texts_of(part: Iterable[Any]) -> list[str]:
    return ["".join(document.pieces()) for document in part]


def documents_of(data: Path | str, *arguments: Any) -> list[str]:
    """All documents of a text, all in the validation part so none is cut."""
    return texts_of(find_corpus(str(data), 1, *arguments).val)


def make_file(name: str, content: str | bytes) -> Path:
    """Write a file, compressed if its name ends with .gz."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def make_csv(rows: list[list[str]], path: str = "stories.csv") -> Path:
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return Path(path)


# ---- documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.TXT", "a.md", "a.txt.gz", "a.text"])
@pytest.mark.parametrize("between", ["\n<|endoftext|>\n", "\n \t<|endoftext|> \n\n", "\r\n<|endoftext|>\r\n"])
def test_a_separator_alone_on_a_line_separates_documents(name: str, between: str) -> None:
    path = make_file(name, between.join(STORIES) + between)
    assert documents_of(path) == STORIES
    corpus = find_corpus(str(path), 0.2)
    assert texts_of(corpus.train) + texts_of(corpus.val) == STORIES  # cut between two documents
    assert 5 <= len(texts_of(corpus.val)) <= 11
    counts = write_shards(corpus, TOKENIZER, Path("shards"))
    _, train, val = read_shards(Path("shards"))
    ids = np.concatenate([*train.arrays, *val.arrays])
    assert counts["documents"] == (ids == TOKENIZER.end_of_text).sum() == len(STORIES)
    assert train.longest_document == max(len(TOKENIZER.encode(story)) for story in texts_of(corpus.train))


def test_a_document_split_by_the_cut_counts_once() -> None:
    for stories, fraction in ((STORIES[:1], 0.5), (STORIES[:2], 0.2), (STORIES[:2], 1)):
        corpus = find_corpus(str(make_file("a.txt", f"\n{SEPARATOR}\n".join(stories))), fraction)
        assert write_shards(corpus, TOKENIZER, Path("shards"))["documents"] == len(stories)


def test_a_separator_within_a_line_or_a_row_is_ordinary_text() -> None:
    text = f"GPT-2 writes {SEPARATOR} at the end.\n{SEPARATOR} is a token.\nIts name is {SEPARATOR}\nwith bars.\n"
    assert documents_of(make_file("a.txt", text)) == [text]
    rows = [f"one\n{SEPARATOR}\ntwo"]
    assert documents_of(make_file("a.jsonl", json.dumps({"text": rows[0]}))) == rows
    assert documents_of(make_csv([["text"], rows])) == rows
    write_shards(find_corpus("a.jsonl"), TOKENIZER, Path("shards"))
    val = read_shards(Path("shards"))[2].arrays[0]
    assert val.tolist() == [*TOKENIZER.encode(rows[0]), TOKENIZER.end_of_text]


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.sampled_from(["", "  ", "a", "é", SEPARATOR, f" {SEPARATOR} ", f"{SEPARATOR}a"]), min_size=1),
    block=st.integers(1, 40),
    compressed=st.booleans(),
)
def test_the_size_of_blocks_does_not_change_the_documents(lines: list[str], block: int, compressed: bool) -> None:
    expected = [""]
    for line in lines:
        if line.strip() == SEPARATOR:
            expected = [*expected[:-1], expected[-1].rstrip(), ""]
        elif line.strip() or expected[-1] or len(expected) == 1:
            expected[-1] += line + "\n"
    path = make_file("a.txt.gz" if compressed else "a.txt", "".join(line + "\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BYTES_PER_BLOCK", block)
        assert documents_of(path) == [text for text in expected if text]


def test_pieces_of_a_text_are_at_most_about_a_megabyte() -> None:
    story = "Once upon a time there was a fox.\n" * 50_000  # 1.7 MB
    for content in (story * 3, f"{SEPARATOR}\n".join([story] * 3), story.replace("\n", " ") * 3):
        documents = find_corpus(str(make_file("a.txt.gz", content)), 1).val
        assert sum(1 for _ in documents) == (3 if SEPARATOR in content else 1)
        pieces = [len(piece) for document in documents for piece in document.pieces()]
        assert max(pieces) <= formats.BYTES_PER_BLOCK + formats.BYTES_PER_READ
        assert len(pieces) >= 5


# ---- rows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("fraction", [0.01, 0.3, 1])
def test_rows_are_documents_and_the_last_ones_are_for_validation(ending: str, fraction: float) -> None:
    stories = [*STORIES, 'He said "Ü, no", and left; 5,5\n\n\nend']
    make_file(f"a.JSONL{ending}", "\n".join(json.dumps({"id": 1, "story": story}) for story in stories))
    table = make_csv([["id", "story"], *([str(i), story] for i, story in enumerate(stories))]).read_bytes()
    make_file(f"b.csv{ending}", codecs.BOM_UTF8 + table)
    for path in (f"a.JSONL{ending}", f"b.csv{ending}"):
        corpus = find_corpus(path, fraction, "story")
        train, val = texts_of(corpus.train), texts_of(corpus.val)
        assert train + val == stories
        assert val
        assert abs(len(val) / len(stories) - fraction) < 0.06


def test_rows_without_text_and_blank_lines_are_skipped() -> None:
    assert documents_of(
        make_file("a.jsonl", '{"text": "one"}\n\n{"text": null}\n{"text": ""}\r\n{"text": "a\\r\\nb"}')
    ) == [
        "one",
        "a\nb",
    ]
    assert documents_of(make_file("a.csv", "text,id\none,1\n\n,2\ntwo,3\n")) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.jsonl",
            '{"text": "a"}\n{"text"\n',
            r"Line 2 of a.jsonl is not valid JSON \(Expecting ':' delimiter\): correct it",
        ),
        ("a.jsonl", "[" * 100_000, "Line 1 of a.jsonl is not valid JSON"),
        ("a.jsonl", '{"text": "a"}\n\n"b"\n', "Line 3 of a.jsonl must be a JSON object, but is 'b'"),
        ("a.jsonl", '{"story": "a"}\n', "Line 1 of a.jsonl has no column 'text', only story: name the text column"),
        ("a.jsonl.gz", '{"text": 5}\n', "Line 1 of a.jsonl.gz must have text in 'text', but has 5: correct"),
        ("a.jsonl", '{"text": 0}\n', "Line 1 of a.jsonl must have text in 'text', but has 0: correct"),
        ("a.jsonl", '{"text": "\\ud800"}\n', r"Line 1 of a.jsonl has a lone surrogate \(half a character\)"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}', r"a.jsonl is not UTF-8 text \(byte 0xff at position 24\)"),
        ("a.csv", "id;text\n1;a\n", "a.csv has no column 'text', only id;text: name the text column with --column"),
        ("a.csv", "text,id\na,1\nb, c,2\n", "Line 3 of a.csv has 3 fields, but the header has 2: correct the line"),
        ("a.csv", 'text,id\n"a,1\n', r"Line 2 of a.csv is not valid CSV \(unexpected end of data\)"),
        ("a.csv", 'text\n"a" b\n', "Line 2 of a.csv is not valid CSV"),
        ("a.csv.gz", b"text\na\0", r"a.csv.gz is not UTF-8 text \(a NUL byte at position 6\)"),
    ],
)
def test_a_bad_row_is_reported_with_file_and_line(name: str, content: str | bytes, message: str) -> None:
    path = make_file(name, content)
    with pytest.raises(ValueError, match=message) as error:
        documents_of(path)
    assert "\n" not in str(error.value)


def test_an_overlong_row_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LONGEST_ROW", 50)
    for name, content in (("a.jsonl", json.dumps({"text": "a" * 60})), ("a.csv", "text\n" + "a" * 60)):
        with pytest.raises(ValueError, match=f"{name} has a line of 50 bytes or more at position "):
            documents_of(make_file(name, content))
    with pytest.raises(ValueError, match=r"Line 4 of a\.csv is not valid CSV"):
        documents_of(make_file("a.csv", 'text\n"' + "a b c d e f g h i j\n" * 9))


# ---- encodings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.md.gz"])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(name: str) -> None:
    text = "The fox\nshared a plum.\n\nThe owl, too: ü.\n" * 30
    plain = documents_of(make_file(name, text))
    assert documents_of(make_file(name, codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())) == plain
    assert documents_of(make_file(name, text.replace("\n", "\r"))) == plain
    assert "".join(plain) == text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", bytes(999), r"a.txt is not UTF-8 text \(a NUL byte at position 0\)"),
        ("a.md", "fox".encode("utf-16-le"), r"a.md is not UTF-8 text \(a NUL byte at position 1\)"),
        ("a.md", "fox".encode("utf-16-be"), r"a.md is not UTF-8 text \(a NUL byte at position 0\)"),
        ("a.txt", "fox".encode("utf-16"), r"a.txt is not UTF-8 text \(byte 0xf[ef] at position 0\): save it as UTF-8"),
        ("a.txt.gz", "füx".encode("latin-1"), r"a.txt.gz is not UTF-8 text \(byte 0xfc at position 1\)"),
        ("a.csv", "text\nfüx\n".encode("cp1252"), r"a.csv is not UTF-8 text \(byte 0xfc at position 6\)"),
    ],
)
def test_text_that_is_not_utf_8_is_reported_with_file_and_byte(name: str, content: bytes, message: str) -> None:
    path = make_file(name, content)
    with pytest.raises(ValueError, match=message):
        documents_of(path)


@pytest.mark.parametrize("damage", ["no gzip", "cut off", "changed"])
def test_a_damaged_gzip_file_is_reported(damage: str) -> None:
    path = make_file("a.txt.gz", "\n".join(STORIES))
    data = path.read_bytes()
    changed = {"no gzip": b"text", "cut off": data[:-20], "changed": data[:100] + b"\xff" * 9 + data[109:]}
    path.write_bytes(changed[damage])
    with pytest.raises(ValueError, match=r"a.txt.gz is not a complete gzip file \(.*\): get a new copy"):
        documents_of(path)


# ---- which files -----------------------------------------------------------------------------------------------


def test_one_line_lists_the_files_read_and_those_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.MD", "deep/c.jsonl", "d.csv.gz", "deep/e.txt"):
        make_file(f"texts/{name}", '{"text": "a"}' if "json" in name else "text\na" if "csv" in name else "a")
    for name in (
        ".ipynb_checkpoints/a.txt",
        ".hidden.txt",
        "model/tokenizer.json",
        "secret/a.txt",
        "deep/.git/config.txt",
    ):
        make_file(f"texts/{name}", "sneaks in")
    make_file("texts/empty.txt", "")
    for i in range(5):
        make_file(f"texts/deep/{i}.pdf", "%PDF")
    make_file("elsewhere/f.txt", "linked")
    Path("texts/loop").symlink_to(Path("texts").resolve(), target_is_directory=True)
    Path("texts/link").symlink_to(Path("elsewhere").resolve(), target_is_directory=True)
    Path("texts/linked.txt").symlink_to(Path("elsewhere/f.txt").resolve())
    Path("texts/broken.txt").symlink_to(Path("elsewhere/nosuch.txt").resolve())
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterable[Path]:
        if folder.name == "secret":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    corpus = find_corpus("texts")
    assert sorted(documents_of("texts")) == ["a", "a", "a", "a", "a", "linked"]
    read, skipped = corpus.files.split(" Skipped: ")
    n_bytes = sum(Path("texts", name).stat().st_size for name in ("a.txt", "b.MD", "d.csv.gz", "deep/c.jsonl"))
    assert read == f"Reading 6 files ({n_bytes + len('a' + 'linked')} bytes): a.txt, b.MD, d.csv.gz, and 3 more."
    assert skipped.removesuffix(".").split("; ") == [
        "secret (cannot be read)",
        "empty.txt (empty)",
        ".hidden.txt, .ipynb_checkpoints, deep/.git (hidden)",
        "link, loop (linked folder)",
        "model (model folder)",
        "broken.txt, deep/0.pdf, deep/1.pdf, and 3 more (not text)",
    ]


def test_the_error_for_a_folder_without_texts_lists_what_it_skipped() -> None:
    make_file("texts/a.pdf", "%PDF")
    make_file("texts/new\u2028line.docx", "")
    with pytest.raises(FileNotFoundError, match=r"skipped: a.pdf, new\?line.docx \(not text\)\): give a "):
        find_corpus("texts")


def test_a_pattern_means_the_files_and_folders_that_match_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one/a.txt", "one/b.log", "two/a.txt", "two/.c.txt", "a[1].txt", ".hidden/a.txt"):
        make_file(f"home/texts/{name}", name)
    monkeypatch.setenv("HOME", str(Path("home").resolve()))
    monkeypatch.setenv("USERPROFILE", str(Path("home").resolve()))
    assert documents_of("home/texts/*/a.txt") == ["one/a.txt", "two/a.txt"]
    assert documents_of("~/texts/*/*.txt") == ["one/a.txt", "two/a.txt"]
    assert documents_of(Path("home/texts/**/*.txt").resolve()) == ["a[1].txt", "one/a.txt", "two/a.txt"]
    assert documents_of("home/../home/texts/o*") == ["one/a.txt"]
    assert documents_of("home/texts/one/*.l?g") == ["one/b.log"]
    assert documents_of("home/texts/two/.*.txt") == ["two/.c.txt"]
    assert documents_of("~/texts/a[1].txt") == ["a[1].txt"]
    with pytest.raises(FileNotFoundError, match=r"There is no text '~/texts/\*.pdf'"):
        find_corpus("~/texts/*.pdf")
    with pytest.raises(FileNotFoundError, match=r"There is no text '~nobody-here/a\.txt'"):
        find_corpus("~nobody-here/a.txt")


# ---- commands --------------------------------------------------------------------------------------------------

SMALL = "--n-positions 16 --n-embd 16 --n-layer 1 --n-head 2 --context 16 --steps 1 --sample-tokens 2 --vocab-size 300"


def test_training_on_a_table_prints_what_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    make_csv([["story"], *([story] for story in STORIES)])
    make_file("notes.pdf", "")
    assert main(["train", "--data", "*.csv", "--column", "story", "--out", "run", *SMALL.split()]) == 0
    output = capsys.readouterr().out
    assert output.startswith("Reading 1 file (4,037 bytes): stories.csv.\nFound 54 documents.\n")
    assert main(["evaluate", "--model", "run", "--data", "stories.csv", "--column", "story"]) == 0
    assert main(["train", "--data", "*.csv", "--out", "run", "--resume", "--column", "text"]) == 1
    assert "was started with column='story' and cannot be resumed with 'text'" in capsys.readouterr().err


def test_tokenize_reads_the_same_texts_and_both_expand_the_home_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", os.fspath(Path.cwd()))
    monkeypatch.setenv("USERPROFILE", os.fspath(Path.cwd()))
    make_file("stories.txt.gz", f"\n{SEPARATOR}\n".join(STORIES))
    TOKENIZER.save("tokenizer")
    assert main(["tokenize", "--data", "~/stories.txt.gz", "--tokenizer", "tokenizer"]) == 0
    output = capsys.readouterr().out
    assert f"Writing the tokens of ~/stories.txt.gz to {Path('shards/stories')}.\nReading 1 file (" in output
    assert "Found 54 documents.\n" in output
    assert main(["train", "--data", "~/shards/stories", "--out", "run", *SMALL.split()]) == 0


# ---- shards ----------------------------------------------------------------------------------------------------


def test_the_leftovers_of_a_killed_run_are_removed_by_the_next() -> None:
    shards = Path("shards")
    for name in ("train-00007.npy", "val-00003.npy", f"train-00001.npy.{os.getpid()}.tmp", "notes.npy"):
        make_file(f"shards/{name}", "left")
    write_shards(find_corpus(str(make_file("a.txt", "\n".join(STORIES)))), TOKENIZER, shards)
    names = {path.name for path in shards.iterdir()}
    assert {"train-00000.npy", "val-00000.npy", "index.json", "notes.npy"} <= names
    assert not names & {"train-00007.npy", "val-00003.npy"}
    assert not [name for name in names if name.endswith(".tmp")]


def test_a_full_disk_is_reported_in_one_sentence(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_file("a.txt", "the fox and the owl\n" * 200_000)
    TOKENIZER.save("tokenizer")
    out = small_disk / "shards"
    assert main(["tokenize", "--data", "a.txt", "--tokenizer", "tokenizer", "--out", str(out)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f"error: The token shard {out / 'train-00000.npy'} could not be written (is the disk full?): make room and run "
        f"the same command again."
    )
    assert not out.exists()
