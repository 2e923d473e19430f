"""Texts by name, file, folder, or pattern, read piece by piece, so a text may be larger than memory."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from gpt2_course.data.formats import (
    COLUMN,
    PLAIN,
    ROWS,
    Span,
    Text,
    content_size,
    find_cut,
    format_of,
    has_dialogues,
)
from gpt2_course.data.spec import DIALOGUES, TINY_WORLD, DataSpec
from gpt2_course.dialogue import Dialogue, Message
from gpt2_course.files import replacing
from gpt2_course.tiny_world import Document, Split, World, documents, load_world
from gpt2_course.tiny_world.dialogues import Exchange, dialogues
from gpt2_course.tiny_world.documents import DEFAULT_WORLD
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.tokenizer_files import has_tokenizer


@dataclass(frozen=True)
class Download:
    """A text on the web, and the SHA-256 of its bytes."""

    url: str
    sha256: str


# Corpora to download, by the name that `--data` takes; a new corpus needs only an entry here.
DOWNLOADS = {
    # 40,000 lines of Shakespeare's plays, in the public domain
    "shakespeare": Download(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}
MANUAL = "python-manual"
CORPORA = (TINY_WORLD, DIALOGUES, MANUAL, *DOWNLOADS)
"""The names of the texts that need no file from the user."""
VAL_DOCUMENTS = 2_000  # of Tiny World: about 1.5 MB
VAL_DIALOGUES = 500  # about Tiny World
VAL_FRACTION = 0.1  # the fraction of a text, at its end, to validate on


@dataclass(frozen=True)
class Texts:
    """The documents in the given parts of files."""

    spans: list[Span]

    def __iter__(self) -> Iterator[Text | Dialogue]:
        return chain.from_iterable(self.spans)


@dataclass(frozen=True)
class TinyWorld:
    """The first `n_documents` of one split of Tiny World or of another world, sampled as they are read."""

    split: Split
    n_documents: int
    world: World = DEFAULT_WORLD

    def __iter__(self) -> Iterator[Document]:
        return islice(documents(0, self.split, self.world), self.n_documents)

    def fitting(self, tokenizer: Tokenizer, context: int) -> Iterable[Document]:
        """These documents, but of a world of the user's own, without the few that are longer than the context.

        Its words may take many tokens, and a single document that does not fit would keep all from being read one by
        one. Leaving out a share s of them lowers the floor by -ln(1 - s) nats per document, which is next to nothing.
        A world of which fewer than 9 in 10 documents fit is left whole.
        """
        if self.world is DEFAULT_WORLD:
            return self
        few = list(Fitting(replace(self, n_documents=100), tokenizer, context))
        return Fitting(self, tokenizer, context) if len(few) >= 90 else self


@dataclass(frozen=True)
class TinyWorldDialogues:
    """The first `n_dialogues` of one split of the dialogues about Tiny World, mixed with its ordinary documents."""

    split: Split
    n_dialogues: int

    def __iter__(self) -> Iterator[Dialogue | Document]:
        for found in islice(dialogues(0, self.split), self.n_dialogues):
            yield found if isinstance(found, Document) else as_dialogue(found)


def as_dialogue(exchanges: Iterable[Exchange]) -> Dialogue:
    """Questions and their answers as a dialogue of user and assistant."""
    pairs = ((Message("user", question), Message("assistant", answer)) for question, answer in exchanges)
    return Dialogue(tuple(chain.from_iterable(pairs)))


@dataclass(frozen=True)
class Fitting:
    """Those of a world's documents that fit into a context of tokens, with the `<|endoftext|>` before them."""

    documents: TinyWorld
    tokenizer: Tokenizer
    context: int

    def __iter__(self) -> Iterator[Document]:
        return (document for document in self.documents if len(self.tokenizer.encode(document.text)) < self.context)


@dataclass(frozen=True)
class Corpus:
    """A text in two parts, for training and for validation, each a series of documents."""

    train: Iterable[Text | Dialogue | Document]
    val: Iterable[Text | Dialogue | Document]
    cut_documents: int = 0  # how many begin in `train` and end in `val`
    files: str = ""  # one line about the user's files: which are read, which are skipped
    dialogues: bool = False  # whether some documents are dialogues, of which only the answers are learned

    def fitting(self, tokenizer: Tokenizer, context: int) -> Corpus:
        """The same text, but of a world of the user's own, only documents that fit; see `TinyWorld.fitting`."""
        train, val = (
            part.fitting(tokenizer, context) if isinstance(part, TinyWorld) else part for part in (self.train, self.val)
        )
        return replace(self, train=train, val=val)


def find_world(data: str) -> World:
    """The world that `data` names: Tiny World, unless it is a file that adds to it; see `load_world` for errors."""
    spec = DataSpec.parse(data)
    return load_world(spec.path) if spec.is_own_world else DEFAULT_WORLD


def find_corpus(data: str, val_fraction: float = VAL_FRACTION, column: str = COLUMN) -> Corpus:
    """The text named by `data`: a name in `CORPORA`, a file, a folder (read in name order), or a pattern (`*.md`).

    Each row of JSON Lines or CSV is a document, read from `column`. If the first row of a .jsonl file has no "text" but
    "messages", or "prompt" and "completion", its rows are dialogues (see `Dialogue.from_row`).

    The text is cut at the end of a document or line near `1 - val_fraction` of its bytes; the first part is for
    training, the rest for validation. Tiny World has separate validation documents, and as many training documents as
    requested (`tiny-world:100000`), and so has a world of the user's own (`new.toml` or `new.toml:100000`; see
    `load_world` for errors).

    Raises `FileNotFoundError` if there is no such text, `ConnectionError` if it cannot be downloaded, `ValueError` if
    it is empty or damaged.
    """
    if not 0 < val_fraction <= 1:
        raise ValueError(f"val_fraction must be above 0 and at most 1, but is {val_fraction}.")
    spec = DataSpec.parse(data)
    if spec.n_documents is not None:
        if spec.kind == "dialogues":
            train, val = TinyWorldDialogues("train", spec.n_documents), TinyWorldDialogues("val", VAL_DIALOGUES)
            return Corpus(train, val, dialogues=True)
        world = find_world(data)
        return Corpus(TinyWorld("train", spec.n_documents, world), TinyWorld("val", VAL_DOCUMENTS, world))
    paths, files = _files(data)
    sizes = [content_size(path) for path in paths]
    if not any(sizes):
        raise ValueError(f"{data} is empty: choose a file or folder that contains text.")
    left = int(sum(sizes) * (1 - val_fraction))
    before, after = [], []
    cut_documents = 0
    with_dialogues = {path: has_dialogues(path, column) for path in paths}
    for path, size in zip(paths, sizes, strict=True):
        cut = size if left >= size else 0
        if 0 < left < size:
            cut, splits_document = find_cut(path, left, size)
            cut_documents += splits_document and cut < size
        before += [Span(path, 0, cut, column, with_dialogues[path])] if cut > 0 else []
        after += [Span(path, cut, size, column, with_dialogues[path])] if cut < size else []
        left -= size
    return Corpus(Texts(before), Texts(after), cut_documents, files, any(with_dialogues.values()))


def _files(data: str) -> tuple[list[Path], str]:
    """The files that make up a text, and a line about them if they are the user's own."""
    spec = DataSpec.parse(data)
    if spec.kind == "hub":
        raise ValueError(
            f"{data} is a stream: write its tokens to a folder first, with gpt2-course tokenize --data {data}, then "
            f"give that folder."
        )
    path = spec.path
    found = [path] if data and (path.is_dir() or path.is_file()) else _matches(path)
    if not found and data == MANUAL:
        return [_python_manual()], ""
    if not found and data in DOWNLOADS:
        return [_download(data, DOWNLOADS[data])], ""
    if not found:
        raise FileNotFoundError(
            f"There is no text {data!r}: give a .txt file (or {', '.join(PLAIN[1:] + ROWS)}), a folder of such "
            f"files, a folder of token shards, or one of {', '.join(CORPORA)}."
        )
    texts: dict[Path, str] = {}  # the name to show for each
    skipped: dict[str, list[str]] = defaultdict(list)  # names by reason
    for path in found:
        if not path.is_dir():
            texts[path] = path.name
        elif has_tokenizer(path):
            raise ValueError(f"{path} is a model folder, not a text: give the file or folder of the text itself.")
        else:
            inside = _walk(path, skipped)
            texts |= {file: file.relative_to(path).as_posix() for file in sorted(inside)}
    left_out = "; ".join(f"{_first_names(sorted(names))} ({reason})" for reason, names in sorted(skipped.items()))
    if not texts:
        raise FileNotFoundError(
            f"The folder {data} contains no {', '.join(PLAIN + ROWS)} file and no token shards"
            f"{left_out and f' (skipped: {left_out})'}: give a folder that does."
        )
    n_bytes = sum(path.stat().st_size for path in texts)
    size = f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 10**5 else f"{n_bytes:,} bytes"
    about = f"Reading {len(texts):,} file{'s' * (len(texts) > 1)} ({size}): {_first_names(list(texts.values()))}."
    return list(texts), about + (f" Skipped: {left_out}." if left_out else "")


def _matches(pattern: Path) -> list[Path]:
    """The files and folders that match a pattern; hidden ones only if the pattern itself names hidden ones."""
    if not re.search(r"[*?[]", str(pattern)):
        return []
    hidden = any(part.startswith(".") for part in pattern.parts if part != "..")
    root = Path(pattern.anchor)
    found = sorted(root.glob(str(pattern.relative_to(root))))
    return [path for path in found if hidden or not any(part.startswith(".") for part in path.parts if part != "..")]


def _walk(folder: Path, skipped: dict[str, list[str]]) -> Iterator[Path]:
    """The text files in a folder and its subfolders; record in `skipped` what is not read, by reason."""
    unread = [folder]
    while unread:
        here = unread.pop()
        try:
            entries = list(here.iterdir())
        except OSError:
            skipped["cannot be read"].append(str(here.relative_to(folder)))
            continue
        for path in entries:
            if reason := _reason_to_skip(path):
                skipped[reason].append(path.relative_to(folder).as_posix())
            elif path.is_dir():
                unread.append(path)
            else:
                yield path


def _reason_to_skip(path: Path) -> str:
    """Why a file or folder is not read; empty if it is read."""
    try:
        if path.name.startswith("."):
            return "hidden"
        if path.is_dir():
            if path.resolve() != path.parent.resolve() / path.name:  # a link might form a loop
                return "linked folder"
            return "model folder" if has_tokenizer(path) else ""
        if format_of(path) not in PLAIN + ROWS or not path.is_file():
            return "not text"
        if not os.access(path, os.R_OK):
            return "cannot be read"
        return "" if path.stat().st_size else "empty"
    except OSError:
        return "cannot be read"


def _first_names(names: list[str]) -> str:
    """The first three names and the number of the others, on one line."""
    shown = ["".join(c if c.isprintable() else "?" for c in name) for name in names[:3]]
    return ", ".join(shown) + (f", and {len(names) - 3:,} more" if len(names) > 3 else "")


def _cache() -> Path:
    """The operating system's cache folder for this user, which keeps texts between runs."""
    import pooch  # imported here because it is slow to import and rarely needed

    return Path(pooch.os_cache("gpt2-course"))


def _python_manual() -> Path:
    """The language reference that comes with Python: half a megabyte of English, without a download."""
    path = _cache() / f"python-manual-{sys.version_info[0]}.{sys.version_info[1]}.txt"
    if not path.exists():
        from pydoc_data.topics import topics

        with replacing(path) as temporary:
            temporary.write_bytes(("\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n").encode())
    return path


def _download(name: str, download: Download) -> Path:
    """The file in the local cache; downloaded once, and stored only if it is complete and its checksum matches."""
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
            f"The text {name!r} could not be downloaded from {download.url} ({type(error).__name__}): check your "
            f"internet connection and try again, or give your own file with --data FILE.txt."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"The download of {name!r} from {download.url} has the wrong checksum and was discarded: try again later."
        ) from error
    return Path(path)
