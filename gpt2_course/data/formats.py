"""Files as streams of documents: plain text, JSON Lines, and CSV, each optionally compressed with gzip.

No file is ever loaded whole. Positions are byte offsets in the uncompressed content.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, cast

from gpt2_course.dialogue import Dialogue, is_row

PLAIN, ROWS = (".txt", ".md"), (".jsonl", ".csv")  # each may be followed by .gz
COLUMN = "text"  # the column to read from a .jsonl or .csv file or a dataset
BYTES_PER_BLOCK = 2**20  # of plain text, decoded at once
BYTES_PER_READ = 2**16  # at most; a longer line comes in parts
LONGEST_ROW = 2**27  # bytes; a row must fit in memory
SEPARATOR = b"<|endoftext|>"  # ends a document if it is alone on a line
BORDER = re.compile(rb"\n[ \t]*" + re.escape(SEPARATOR) + rb"[ \t]*\r?\n\s*")


@dataclass(frozen=True)
class Text:
    """A document that is still being read: an iterator over its pieces, which can be consumed only once."""

    _pieces: Iterator[str]

    def pieces(self) -> Iterator[str]:
        return self._pieces


@dataclass(frozen=True)
class Span:
    """The documents between two positions in a file.

    Each row of JSON Lines or CSV is a document, and belongs to the span that contains its end. Plain text is one
    document, or several separated by lines that contain only `<|endoftext|>`.
    """

    path: Path
    start: int
    stop: int
    column: str = COLUMN  # for JSON Lines and CSV
    dialogues: bool = False  # for JSON Lines: whether each row is a dialogue

    def __iter__(self) -> Iterator[Text | Dialogue]:
        """The documents.

        Raises `ValueError`, with the position or line number, if the content does not match the file name's suffix.
        """
        if format_of(self.path) not in ROWS:
            for _, pieces in groupby(self._plain(), itemgetter(0)):
                yield Text(piece for _, piece in pieces)
            return
        if self.dialogues:
            rows: Iterator[tuple[int, str | Dialogue]] = _dialogues(self.path)
        else:
            rows = (_json_rows if format_of(self.path) == ".jsonl" else _csv_rows)(self.path, self.column)
        for end, content in rows:
            if end > self.stop:
                return
            if end > self.start and content:
                yield content if isinstance(content, Dialogue) else Text(iter([content]))

    def _plain(self) -> Iterator[tuple[int, str]]:
        """Pieces of about a megabyte of plain text, each with the number of its document."""
        decoder = _Decoder(self.path)
        document, position = 0, self.start
        block: list[bytes] = []  # lines not decoded yet, starting at `position`
        size = 0
        line_begins = True  # False in the middle of a line that comes in parts
        for at, line in _lines(self.path, BYTES_PER_READ, self.start, self.stop):
            word = line.strip()
            separates = line_begins and word == SEPARATOR
            line_begins = line.endswith(b"\n")
            # A full block waits for the next nonblank line: before a separator, trailing whitespace is stripped.
            if separates or (size >= BYTES_PER_BLOCK and word):
                data = b"".join(block)
                if piece := decoder.decode(data.rstrip() if separates else data, position):
                    yield document, piece
                block, size = [], 0
            if separates:
                document += 1
            elif word or block or document == 0:  # skip blank lines after a separator
                position = position if block else at
                block.append(line)
                size += len(line)
        if piece := decoder.decode(b"".join(block), position, final=True):
            yield document, piece


def format_of(path: Path) -> str:
    """The format that a file's name implies, in lower case: `.csv` for `DATA.CSV.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def content_size(path: Path) -> int:
    """The size of a file in bytes, uncompressed."""
    if path.suffix.lower() != ".gz":
        return path.stat().st_size
    with _opened(path) as file:
        return file.seek(0, io.SEEK_END)  # decompress the whole file: the size that gzip stores is wrong above 4 GB


def find_cut(path: Path, at: int, size: int) -> tuple[int, bool]:
    """A position at or soon after `at` at which to cut a file of `size` bytes, and whether that splits a document.

    The cut falls between two documents if one ends in the first half of what remains (at most a megabyte); otherwise,
    at the end of a line; otherwise, between two characters. Rows may be cut anywhere; see `Span`.
    """
    if format_of(path) in ROWS:
        return at, False
    with _opened(path) as file:
        file.seek(at)
        near = file.read(min(BYTES_PER_BLOCK, (size - at) // 2))
        file.seek(at)
        line = file.readline(4096)
    if border := BORDER.search(near):
        return at + border.end(), False
    if line.endswith(b"\n") and at + len(line) < size:
        return at + len(line), True
    # Do not split a line break or a UTF-8 character, whose bytes after the first are 10xxxxxx.
    inside = (byte == ord("\n") or byte & 0b1100_0000 == 0b1000_0000 for byte in line)
    return at + next((i for i, is_inside in enumerate(inside) if not is_inside), len(line)), True


def has_dialogues(path: Path, column: str) -> bool:
    """Whether the rows of a file are dialogues: the first has the keys of one, and the default column is missing."""
    if format_of(path) != ".jsonl" or column != COLUMN:
        return False
    with suppress(ValueError):  # a row that is not valid is reported when it is read
        for _, _, row in _json_objects(path):
            return column not in row and is_row(row)
    return False


def _dialogues(path: Path) -> Iterator[tuple[int, Dialogue]]:
    """The dialogue in each row of JSON Lines, with the position at which the row ends."""
    for end, where, row in _json_objects(path):
        try:
            yield end, Dialogue.from_row(row)
        except ValueError as error:
            raise ValueError(f"{where} is not a dialogue to learn from ({error}): correct it or remove it.") from None


def _json_objects(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each row of JSON Lines, with the position at which it ends and its place in words."""
    decoder = _Decoder(path)
    for number, (at, line) in enumerate(_whole_lines(path), start=1):
        where = f"Line {number} of {path}"
        content = decoder.decode(line, at, final=True)
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{where} is not valid JSON ({getattr(error, 'msg', error)}): correct it or remove it."
            ) from None
        if not isinstance(row, dict):
            raise ValueError(f"{where} must be a JSON object, but is {row!r:.60}: correct it.")
        yield at + len(line), where, row


def _json_rows(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """The text of each row of JSON Lines, with the position at which the row ends."""
    for end, where, row in _json_objects(path):
        if column not in row:
            raise ValueError(f"{where} {missing_column(column, row)}")
        text = "" if row[column] is None else row[column]
        if not isinstance(text, str):
            raise ValueError(f"{where} must have text in {column!r}, but has {text!r:.60}: correct or remove it.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where} has a lone surrogate (half a character) in {column!r}: remove it.") from None
        yield end, re.sub("\r\n?", "\n", text)


def _csv_rows(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """The text of each row of CSV, with the position at which the row ends."""
    decoder = _Decoder(path)
    end = 0  # of the last line read

    def lines() -> Iterator[str]:
        nonlocal end
        for at, line in _whole_lines(path):
            end = at + len(line)
            yield decoder.decode(line, at, final=True)

    csv.field_size_limit(LONGEST_ROW)
    rows = csv.reader(lines(), strict=True)
    header: list[str] = []
    try:
        for row in rows:
            where = f"Line {rows.line_num} of {path}"
            if not row:  # an empty line
                continue
            if not header:
                header = row
                if column not in header:
                    raise ValueError(f"{path} {missing_column(column, header)}")
            elif len(row) != len(header):
                raise ValueError(f"{where} has {len(row)} fields, but the header has {len(header)}: correct the line.")
            else:
                yield end, row[header.index(column)]
    except csv.Error as error:
        raise ValueError(f"Line {rows.line_num} of {path} is not valid CSV ({error}): correct or remove it.") from None


def missing_column(column: str, columns: Iterable[str]) -> str:
    """The end of an error message about a row or table without the requested column."""
    names = ", ".join(f"{name!s:.40}" for name in columns)
    return f"has no column {column!r}, only {names:.200}: name the text column with --column."


class _Decoder:
    """Decodes the bytes of a file, block by block, and turns every line break into a line feed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._line_breaks = io.IncrementalNewlineDecoder(self._utf8, translate=True)

    def decode(self, block: bytes, position: int, final: bool = False) -> str:
        """The text of the block that begins at `position`; `ValueError` for anything but UTF-8 text."""
        pending = len(self._utf8.getstate()[0])  # bytes of a character that began in the previous block
        try:
            text = self._line_breaks.decode(block, final=final)
        except UnicodeDecodeError as error:
            at = position - pending + error.start
            raise ValueError(
                f"{self._path} is not UTF-8 text (byte {error.object[error.start]:#04x} at position {at}): save it as "
                f"UTF-8."
            ) from None
        if b"\0" in block:
            raise ValueError(
                f"{self._path} is not UTF-8 text (a NUL byte at position {position + block.index(0)}): save it as "
                f"UTF-8, or exclude it if it is not text."
            )
        return text


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for at, line in _lines(path, LONGEST_ROW):
        if len(line) == LONGEST_ROW:
            raise ValueError(f"{path} has a line of {LONGEST_ROW} bytes or more at position {at}: split it.")
        yield at, line


def _lines(path: Path, longest: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Lines from `start` to `stop` (default: the end) with positions; those over `longest` bytes come in parts."""
    with _opened(path) as file:
        position = start
        if start == 0 and file.read(3) == codecs.BOM_UTF8:
            position = 3
        file.seek(position)
        while stop is None or position < stop:
            line = file.readline(longest if stop is None else min(longest, stop - position))
            if not line and stop is None:
                return
            if not line:
                raise ValueError(f"{path} became shorter while being read: try again without changing the file.")
            yield position, line
            position += len(line)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with cast(BinaryIO, gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")) as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a complete gzip file ({error}): get a new copy.") from None
