"""Texts by name, by file or by folder, read piece by piece: a text may be larger than memory."""

from __future__ import annotations

import codecs
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gpt2_course.files import replacing
from gpt2_course.tiny_world import Document, Split, documents

BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Download:
    """A text on the web, and what its bytes must hash to."""

    url: str
    sha256: str


DOWNLOADS = {
    # 40,000 lines of Shakespeare's plays, in the public domain
    "shakespeare": Download(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}
TINY_WORLD = "tiny-world"
HF = "hf:"  # before the name of a dataset of the Hugging Face hub, which is a stream
MANUAL = "python-manual"
CORPORA = (TINY_WORLD, MANUAL, *DOWNLOADS)
TRAIN_DOCUMENTS, VAL_DOCUMENTS = 40_000, 2_000  # of Tiny World: about 30 MB and 1.5 MB


@dataclass(frozen=True)
class Span:
    """The bytes of a text file from `start` up to `stop`, both at the border of a character."""

    path: Path
    start: int
    stop: int

    def pieces(self) -> Iterator[str]:
        """The text, about a megabyte at a time; `ValueError` where it is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        position = self.start
        with self.path.open("rb") as file:
            file.seek(position)
            while position < self.stop:
                block = file.read(min(BLOCK, self.stop - position))
                if not block:
                    raise ValueError(f"{self.path} became shorter while it was read: leave it alone and try again.")
                undecided = len(decoder.getstate()[0])  # bytes of a character that began in the block before
                try:
                    yield decoder.decode(block, final=position + len(block) == self.stop)
                except UnicodeDecodeError as error:
                    at = position - undecided + error.start
                    raise ValueError(
                        f"{self.path} is not UTF-8 text (byte {error.object[error.start]:#04x} at position {at}): "
                        f"save it as UTF-8."
                    ) from error
                position += len(block)


@dataclass(frozen=True)
class TinyWorld:
    """The first `n_documents` of one half of Tiny World, written as they are asked for."""

    split: Split
    n_documents: int

    def __iter__(self) -> Iterator[Document]:
        return islice(documents(0, self.split), self.n_documents)


@dataclass(frozen=True)
class Corpus:
    """A text in two parts, to learn from and to be tested on; each a row of documents."""

    train: Iterable[Span | Document]
    val: Iterable[Span | Document]


def folder_name(data: str) -> str:
    """What to call a folder that is made of a text: the last part of the text's name, in safe characters only.

    >>> [folder_name(data) for data in ("texts/my diary.txt", "tiny-world:500", "hf:HuggingFaceFW/fineweb-edu:default")]
    ['my-diary', 'tiny-world', 'fineweb-edu']
    """
    path = Path(data.removeprefix(HF))
    for name in (path.name, path.resolve().name):  # `.` has no name, but the folder that it stands for has
        name = re.sub(r"\.txt$", "", name.partition(":")[0], flags=re.IGNORECASE)
        if safe := re.sub(r"[^\w.-]+", "-", name).strip(".-"):
            return safe[:60]  # a file system takes 255 bytes
    return "text"


def find_corpus(data: str, val_fraction: float = 0.1) -> Corpus:
    """The text behind a name of `CORPORA`, a `.txt` file, or a folder of them (in the order of their names).

    The first part, up to a line's end near `1 - val_fraction` of the bytes, is for training, the rest for
    validation. Tiny World has a validation half of its own, and as many documents to learn from as are asked for:
    `tiny-world:100000`. Raises `FileNotFoundError`, `ConnectionError` or `ValueError` where there is no text to be had.
    """
    if not 0 < val_fraction <= 1:
        raise ValueError(f"val_fraction is the share of the text to test on, above 0 up to 1, but is {val_fraction}.")
    name, _, count = data.partition(":")
    if name == TINY_WORLD and not Path(data).exists():
        if count and not (count.isdecimal() and int(count)):
            raise ValueError(f"{data!r} should say how many documents to write, as in {TINY_WORLD}:{TRAIN_DOCUMENTS}.")
        return Corpus(TinyWorld("train", int(count or TRAIN_DOCUMENTS)), TinyWorld("val", VAL_DOCUMENTS))
    paths = _files(data)
    sizes = [path.stat().st_size for path in paths]
    if not any(sizes):
        raise ValueError(f"{data} is empty: there is nothing to learn from.")
    left = int(sum(sizes) * (1 - val_fraction))
    train, val = [], []
    for path, size in zip(paths, sizes, strict=True):
        cut = size if left >= size else _line_end(path, left) if left > 0 else 0
        train += [Span(path, 0, cut)] if cut > 0 else []
        val += [Span(path, cut, size)] if cut < size else []
        left -= size
    return Corpus(train, val)


def _files(data: str) -> list[Path]:
    if data.startswith(HF):
        raise ValueError(
            f"{data} is a stream: first write its tokens into a folder, by gpt2-course tokenize --data {data}, and "
            f"then give that folder."
        )
    path = Path(data)
    if data and path.is_dir():
        if (path / "merges.txt").exists():
            raise ValueError(f"{data} is a model's folder, not a text: give the folder or file of the text itself.")
        paths = sorted(p for p in path.rglob("*.txt") if p.is_file())
        if not paths:
            raise FileNotFoundError(f"The folder {data} holds no .txt file and no token shards.")
        return paths
    if path.is_file():
        return [path]
    if data == MANUAL:
        return [_python_manual()]
    if data in DOWNLOADS:
        return [_download(data, DOWNLOADS[data])]
    raise FileNotFoundError(
        f"There is no text {data!r}: give a .txt file, a folder of them, a folder of token shards, or one of "
        f"{', '.join(CORPORA)}."
    )


def _line_end(path: Path, at: int) -> int:
    """The first line's end from `at` on, or, where none is near, the next border of a character."""
    with path.open("rb") as file:
        file.seek(at)
        line = file.readline(4096)
    if line.endswith(b"\n") and at + len(line) < path.stat().st_size:
        return at + len(line)
    # the bytes inside a UTF-8 character are 10xxxxxx
    return at + next((i for i, byte in enumerate(line) if byte & 0b1100_0000 != 0b1000_0000), len(line))


def _cache() -> Path:
    """Where texts are kept from run to run: the user's cache folder, by the customs of the system."""
    import pooch  # here and below, because few runs download, and it takes long to import

    return Path(pooch.os_cache("gpt2-course"))


def _python_manual() -> Path:
    """Half a megabyte of English on every learner's machine: the reference manual that comes with Python."""
    path = _cache() / f"python-manual-{sys.version_info[0]}.{sys.version_info[1]}.txt"
    if not path.exists():
        from pydoc_data.topics import topics

        with replacing(path) as temporary:
            temporary.write_bytes(("\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n").encode())
    return path


def _download(name: str, download: Download) -> Path:
    """The file in the local cache, downloaded once; it gets there only whole and with the right checksum."""
    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel(logging.WARNING)
    try:
        path = pooch.retrieve(
            download.url,
            f"sha256:{download.sha256}",
            fname=f"{name}.txt",
            path=_cache(),
            progressbar=sys.stderr.isatty(),
        )
    except (RequestException, OSError) as error:
        raise ConnectionError(
            f"The text {name!r} could not be downloaded from {download.url} ({type(error).__name__}): connect to "
            f"the internet and try again, or give a file of your own with --data FILE.txt."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"What {download.url} sent for {name!r} has another checksum than it should and was thrown away: try "
            f"again later."
        ) from error
    return Path(path)
