"""Token shards: a text as files of `uint16` ids, memory-mapped so that only the parts in use are loaded.

A folder of shards contains `train-00000.npy` and so on, `val-….npy`, the tokenizer that made them, and `index.json`,
which is written last: without it, the folder is incomplete. If only some tokens are to be learned, as in dialogues, the
companion `train-00000.graded.npy` says which (one bool per token).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from gpt2_course.data.formats import Text
from gpt2_course.data.spec import DataSpec
from gpt2_course.data.text import Corpus
from gpt2_course.dialogue import TEMPLATE, Dialogue
from gpt2_course.files import remove_leftovers, replacing
from gpt2_course.loss import IGNORED
from gpt2_course.tiny_world import Document
from gpt2_course.tokenizer import Tokenizer

Tokens = NDArray[np.uint16]
Graded = NDArray[np.bool_]
Item = TypeVar("Item", np.uint16, np.bool_)
INDEX = "index.json"
SHARD_TOKENS = 50_000_000  # 100 MB per file
TOKENS_PER_BLOCK = 2**16  # scanned at once to find the ends of documents


class TokenStream:
    """One long sequence of token ids, stored in one or more arrays, usually memory-mapped.

    >>> stream = TokenStream([np.arange(10, dtype=np.uint16)], vocab_size=10)
    >>> stream.windows([2, 5], 3)
    tensor([[2, 3, 4],
            [5, 6, 7]])
    """

    def __init__(
        self,
        arrays: Sequence[Tokens],
        vocab_size: int,
        end_of_text: int | None = None,
        longest_document: int | None = None,
        document_nats: Sequence[float] = (),
        graded: Sequence[Graded] = (),
    ) -> None:
        """`end_of_text` ends every document, the longest of which has `longest_document` tokens before it;
        `document_nats` is each document's −ln p under its true distribution, if that is known; `graded` says which
        tokens a model learns to predict (default: all), in arrays of the same lengths as `arrays`."""
        self.arrays = list(arrays)
        self.graded_arrays = list(graded)
        self.vocab_size = vocab_size
        self.end_of_text = end_of_text
        self.longest_document = longest_document
        self.document_nats = list(document_nats)
        self.ends = np.cumsum([len(a) for a in self.arrays])

    def __len__(self) -> int:
        return int(self.ends[-1]) if self.arrays else 0

    def windows(self, starts: Iterable[int], length: int) -> Tensor:
        """The `length` ids from each of B starts, int64 (B, length); a window may span several shards.

        Raises `ValueError` for an id outside the vocabulary.
        """
        rows = np.stack([self._slice(self.arrays, start, start + length) for start in starts])
        if rows.max() >= self.vocab_size:
            raise ValueError(
                f"The shards contain the token id {rows.max()}, but their vocabulary ends at {self.vocab_size - 1}: "
                f"write the shards again."
            )
        return torch.from_numpy(rows.astype(np.int64))

    def random_windows(self, count: int, length: int, random: torch.Generator, share: slice = slice(None)) -> Tensor:
        """`count` windows at random positions, int64 (count, length). With `share`, read and return only those rows.

        If every document fits into a window, each window starts at the beginning of a document, about half of them with
        the `end_of_text` before it. So a model never has to continue a document whose beginning it cannot see.
        """
        return self.windows(self._random_starts(count, length, random, share), length)

    def random_examples(self, count: int, length: int, random: torch.Generator, share: slice = slice(None)) -> Tensor:
        """Like `random_windows`, but the tokens and targets of each: (count, 2, length). See `examples`."""
        return self.examples(self._random_starts(count, length + 1, random, share), length)

    def _random_starts(self, count: int, length: int, random: torch.Generator, share: slice) -> list[int]:
        n = self._documents_before(len(self) - length) if self.fits(length - 1) else 0
        if n == 0:
            starts: list[int] = torch.randint(len(self) - length + 1, (count,), generator=random)[share].tolist()
            return starts
        chosen, after = torch.randint(n, (count,), generator=random), torch.randint(2, (count,), generator=random)
        ends = [self._document_end(number) for number in chosen[share].tolist()]
        starts = (torch.tensor(ends) + after[share]).tolist()
        return starts

    def examples(self, starts: Iterable[int], length: int) -> Tensor:
        """The `length` tokens from each of B starts, and the target of each, which is the next token: (B, 2, length).

        Targets that are not to be learned are `loss.IGNORED`.
        """
        starts = list(starts)
        rows = self.windows(starts, length + 1)
        targets = rows[:, 1:]
        if self.graded_arrays:
            graded = torch.stack([self.graded(start + 1, start + 1 + length) for start in starts])
            targets = targets.masked_fill(~graded, IGNORED)
        return torch.stack([rows[:, :-1], targets], dim=1)

    def graded(self, start: int, stop: int) -> Tensor:
        """Which tokens from `start` to `stop` a model learns to predict: bool (stop − start,)."""
        if not self.graded_arrays:
            return torch.ones(stop - start, dtype=torch.bool)
        return torch.from_numpy(np.array(self._slice(self.graded_arrays, start, stop)))

    def fits(self, context: int) -> bool:
        """Whether every document fits into a context of this many tokens, with the `end_of_text` before it."""
        return self.end_of_text is not None and self.longest_document is not None and self.longest_document < context

    @cached_property
    def _ended_by(self) -> NDArray[np.int64]:
        """How many documents have ended by the end of each block (one number per block).

        Storing every end would take memory in proportion to the shards, which may be larger than memory.
        """
        return np.cumsum([len(self._ends_in(block)) for block in self._blocks], dtype=np.int64)

    @property
    def _blocks(self) -> range:
        return range(-(-len(self) // TOKENS_PER_BLOCK))  # rounded up: the last one may be shorter

    def _ends_in(self, block: int) -> NDArray[np.int64]:
        """The positions of `end_of_text` in a block of tokens."""
        start = block * TOKENS_PER_BLOCK
        ids = self._slice(self.arrays, start, min(start + TOKENS_PER_BLOCK, len(self)))
        return start + np.flatnonzero(ids == self.end_of_text)

    def _documents_before(self, position: int) -> int:
        """How many documents end before a position."""
        ends = self._ends_in(position // TOKENS_PER_BLOCK)
        return int(self._ended_by[position // TOKENS_PER_BLOCK]) - int(np.count_nonzero(ends >= position))

    def _document_end(self, number: int) -> int:
        """The position of the `end_of_text` of document `number`, counted from 0."""
        block = int(np.searchsorted(self._ended_by, number, side="right"))
        return int(self._ends_in(block)[number - self._ended_by[block]])  # negative: counts from the block's last end

    def documents(self, count: int | None = None) -> list[Tensor]:
        """The first `count` documents (default: all), int64 (T,), each with `end_of_text` before and after it."""
        ends = list(islice((int(end) for block in self._blocks for end in self._ends_in(block)), count))
        starts = [0, *(end + 1 for end in ends[:-1])]
        end_of_text = torch.tensor([self.end_of_text])
        return [
            torch.cat([end_of_text, self.windows([start], end + 1 - start)[0]])
            for start, end in zip(starts, ends, strict=True)
        ]

    def _slice(self, arrays: list[NDArray[Item]], start: int, stop: int) -> NDArray[Item]:
        shard = int(np.searchsorted(self.ends, start, side="right"))
        first = int(self.ends[shard]) - len(arrays[shard])  # where this shard begins
        parts = [arrays[shard][start - first : stop - first]]
        while sum(map(len, parts)) < stop - start:
            shard += 1
            parts.append(arrays[shard][: stop - start - sum(map(len, parts))])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def write_shards(
    corpus: Corpus,
    tokenizer: Tokenizer,
    folder: Path,
    shard_tokens: int = SHARD_TOKENS,
    context: int | None = None,
) -> dict[str, int]:
    """Tokenize a corpus into a folder of shards; return the number of `train` tokens, `val` tokens, `documents`, and
    `shortened` questions with answers.

    Only one shard is in memory at a time. Each document ends with `<|endoftext|>` if the tokenizer has it. Dialogues
    are cut into pieces that fit into `context` (default: never; see `Dialogue.encode_pieces`), and then the tokenizer
    in the folder has their chat template. Raises `ValueError` for a vocabulary that does not fit in 16 bits.
    """
    check_vocabulary(tokenizer)
    if corpus.dialogues:
        tokenizer = tokenizer.with_chat_template(TEMPLATE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)  # the shards it lists are about to be replaced
    remove_leftovers(folder)
    for part in ("train", "val"):
        for shard in folder.glob(f"{part}-[0-9][0-9][0-9][0-9][0-9].*npy"):  # left by an earlier run
            shard.unlink()
    index: dict[str, Any] = {"vocab_size": tokenizer.vocab_size, "graded": corpus.dialogues}
    counts = {"documents": -corpus.cut_documents, "shortened": 0}  # a document cut in two is counted in both parts
    with tqdm(desc="tokenizing", unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for part, documents in (("train", corpus.train), ("val", corpus.val)):
            reader = _Reader(documents, tokenizer, bar, corpus.dialogues, context)
            ids = iter(reader)
            shards: list[dict[str, str | int]] = []
            while len(tokens := np.fromiter(islice(ids, shard_tokens), dtype=np.uint16)):
                shards.append(write_shard(folder, part, len(shards), tokens))
                if corpus.dialogues:
                    graded = np.frombuffer(bytes(reader.graded[: len(tokens)]), np.bool_)
                    _save(_companion(folder / str(shards[-1]["file"])), graded)
                    del reader.graded[: len(tokens)]
            # the floor is computed only for validation documents, so only their nats are stored
            index[part] = {
                "shards": shards,
                "longest_document": reader.longest_document,
                "nats": reader.document_nats if part == "val" else [],
            }
            counts[part] = sum(int(s["tokens"]) for s in shards)
            counts["documents"] += reader.n_documents
            counts["shortened"] += reader.n_shortened
    tokenizer.save(folder)
    with replacing(folder / INDEX) as path:
        path.write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    return counts


def check_vocabulary(tokenizer: Tokenizer) -> None:
    """Raise `ValueError` for a vocabulary that does not fit in 16 bits."""
    if tokenizer.vocab_size > 2**16:
        raise ValueError(
            f"A vocabulary for shards must have at most {2**16} tokens, but this one has {tokenizer.vocab_size}: use a "
            f"smaller one."
        )


def write_shard(folder: Path, part: str, number: int, tokens: Tokens) -> dict[str, str | int]:
    """Write a shard and return its entry for the index."""
    name = f"{part}-{number:05}.npy"
    _save(folder / name, tokens)
    return {"file": name, "tokens": len(tokens)}


def _companion(shard: Path) -> Path:
    """The file that says which tokens of a shard are to be learned."""
    return shard.with_suffix(".graded.npy")


def _save(path: Path, array: Tokens | Graded) -> None:
    with replacing(path) as unfinished:
        try:
            with unfinished.open("wb") as file:
                np.save(file, array)
        except OSError as error:  # NumPy's message gives the number of elements written, not the reason
            raise OSError(
                f"The token shard {path} could not be written (is the disk full?): make room and run the same command "
                f"again."
            ) from error


class _Reader:
    """The ids of several documents, one by one; counts and measures the documents along the way."""

    def __init__(
        self,
        documents: Iterable[Text | Dialogue | Document],
        tokenizer: Tokenizer,
        bar: tqdm,  # type: ignore[type-arg]
        dialogues: bool,
        context: int | None,
    ) -> None:
        self.documents = documents
        self.tokenizer = tokenizer
        self.bar = bar
        self.dialogues = dialogues
        self.context = context
        self.n_documents = 0
        self.n_shortened = 0
        self.longest_document = 0
        self.document_nats: list[float] = []
        self.graded = bytearray()  # if some documents are dialogues: 1 for each of the last ids to be learned, else 0

    def __iter__(self) -> Iterator[int]:
        n_end = self.tokenizer.end_of_text is not None
        for document in self.documents:
            for ids in self._dialogue(document) if isinstance(document, Dialogue) else [self._text(document)]:
                length = -n_end
                for token in ids:
                    length += 1
                    yield token
                self.longest_document = max(self.longest_document, length)
            self.n_documents += 1
            if isinstance(document, Document) and not self.dialogues:  # the floor of a mixture is not known
                self.document_nats.append(round(-document.log_prob, 6))

    def _text(self, document: Text | Document) -> Iterator[int]:
        for token in self.tokenizer.encode_iterable(self._pieces(document)):
            if self.dialogues:
                self.graded.append(True)
            yield token
        if self.tokenizer.end_of_text is not None:
            if self.dialogues:
                self.graded.append(True)
            yield self.tokenizer.end_of_text

    def _dialogue(self, document: Dialogue) -> Iterator[list[int]]:
        pieces, n_shortened = document.encode_pieces(self.tokenizer, self.context)
        self.bar.update(sum(len(piece.encode()) for piece in document.pieces()))
        self.n_shortened += n_shortened
        for ids, graded in pieces:
            self.graded += bytes(graded)
            yield ids

    def _pieces(self, document: Text | Document) -> Iterator[str]:
        for piece in document.pieces():
            self.bar.update(len(piece.encode()))
            yield piece


def find_shards(data: str) -> Path | None:
    """The folder of token shards that `data` names; None if it names something else."""
    spec = DataSpec.parse(data)
    return spec.path if spec.kind == "files" and (spec.path / INDEX).exists() else None


def read_shards(folder: Path) -> tuple[Tokenizer, TokenStream, TokenStream]:
    """The tokenizer, training tokens, and validation tokens in a folder of shards; tokens are loaded when used.

    Raises `FileNotFoundError` if the folder is incomplete, `ValueError` if it is damaged.
    """
    path = folder / INDEX
    if not path.exists():
        raise FileNotFoundError(f"{folder} contains no complete token shards (no {INDEX}): write them again.")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        vocab_size = int(index["vocab_size"])
        parts = [index[part] for part in ("train", "val")]
        listed = [[(str(s["file"]), int(s["tokens"])) for s in part["shards"]] for part in parts]
        about = [(int(part["longest_document"]), [float(x) for x in part["nats"]]) for part in parts]
        has_grades = bool(index.get("graded", False))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not an index of token shards ({error!r}): write the shards again.") from error
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size != vocab_size:
        raise ValueError(
            f"The tokenizer in {folder} has {tokenizer.vocab_size} tokens, but {INDEX} says {vocab_size}: write the "
            f"shards again."
        )
    streams = []
    for shards, (longest, nats) in zip(listed, about, strict=True):
        files = [(folder / Path(name).name, n) for name, n in shards]
        arrays = [_map(path, n, np.uint16) for path, n in files]
        graded = [_map(_companion(path), n, np.bool_) for path, n in files if has_grades]
        streams.append(TokenStream(arrays, vocab_size, tokenizer.end_of_text, longest, nats, graded))
    train, val = streams
    return tokenizer, train, val


def _map(path: Path, n_tokens: int, dtype: type[Item]) -> NDArray[Item]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"The token shard {path} is missing: write the shards again.") from None
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"The token shard {path} is broken ({error}): write the shards again.") from error
    if array.dtype != dtype or array.shape != (n_tokens,):
        raise ValueError(
            f"The token shard {path} contains {array.dtype} of shape {array.shape}, but {INDEX} says {n_tokens} "
            f"{dtype.__name__}{' ids' * (dtype is np.uint16)}: write the shards again."
        )
    return array
