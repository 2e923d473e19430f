"""GPT-2's tokenizer, byte-level byte-pair encoding (BPE): text to integers and back.

The idea (Sennrich et al., 2016, https://arxiv.org/abs/1508.07909; on bytes: Radford et al., 2019, GPT-2):

1. Split the text into pieces of about one word, each with the space before it (`SPLIT_PATTERN`).
2. Start with the UTF-8 bytes of each piece. The 256 bytes are the first tokens, so any text can be encoded.
3. To train, merge the most frequent pair of adjacent tokens into a new token, and repeat.
4. To encode, apply the same merges to new text, in the order in which they were learned.

In "hop hop hopping", for example, `h` comes before `o` three times, so they are merged first:

>>> tokenizer = Tokenizer.train("hop hop hopping", vocab_size=260)
>>> tokenizer.merges
[(b'h', b'o'), (b'ho', b'p'), (b' ', b'hop')]
>>> [(token.text, token.id) for token in tokenizer.tokens_of("hop, hopping")]
[('hop', 257), (',', 11), (' hop', 258), ('p', 79), ('i', 72), ('n', 77), ('g', 70)]
>>> tokenizer.decode([257, 11, 258])
'hop, hop'

Ids are numbered as in GPT-2: first the 256 bytes (in GPT-2's order, in which "!" is 0), then the merges in the order in
which they were learned, then the special tokens, such as `<|endoftext|>`, which separates documents.
"""

from __future__ import annotations

import codecs
import copy
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt2_course import tokenizer_files
from gpt2_course.bpe import BYTES, learn_merges, unreachable_token
from gpt2_course.files import replacing
from gpt2_course.pieces import (
    CHARACTERS_PER_BLOCK,
    LONG_SPACE,
    SPLIT_PATTERN,
    check_text,
    count_pieces,
    safe_blocks,
    special_pattern,
    split_at,
)
from gpt2_course.tokenizer_files import END_OF_TEXT, spell, unspell

if TYPE_CHECKING:  # tiktoken and regex would double the import time, so they are imported only when needed
    import tiktoken


class Token(NamedTuple):
    """A token for display; `text` is its bytes decoded, with U+FFFD for incomplete characters."""

    text: str
    id: int
    bytes: bytes


class Tokenizer:
    """A vocabulary that encodes text as ids and decodes ids as text. Immutable; made by `train`, `load`, or `gpt2`.

    Args:
        merges: pairs of tokens, as bytes, in the order in which they are merged.
        special_tokens: their names, which get the ids after bytes and merges, or a dictionary of names and ids,
            which leaves the other ids to bytes and merges.
        words: special tokens to recognize in every text, as transformers does with tokens from `add_tokens`.
        end: the special token that ends a document.
        chat_template: how to write a dialogue as one text, in Jinja (see `gpt2_course.dialogue`). It has no effect on
            ids: tokenizers that differ only in this are equal.

    Raises `ValueError` for merges that cannot be applied in this order, and for special tokens that are empty
    or duplicated, have invalid ids, or could be mistaken for an ordinary token.
    """

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]],
        special_tokens: Iterable[str] | Mapping[str, int] = (END_OF_TEXT,),
        words: Iterable[str] = (),
        end: str = END_OF_TEXT,
        chat_template: str | None = None,
    ) -> None:
        self.merges = list(merges)
        ordinary = dict.fromkeys(BYTES)
        for number, (left, right) in enumerate(self.merges, start=1):
            merged = left + right
            if left not in ordinary or right not in ordinary or merged in ordinary:
                why = "makes a token that already exists" if merged in ordinary else "needs a token that does not exist"
                raise ValueError(
                    f"Merge {number}, {left!r} with {right!r}, {why}: give the merges in the order in which they were "
                    f"learned."
                )
            ordinary[merged] = None
        names = _check_special_tokens(special_tokens)
        for name in names:
            if unspell(name) in ordinary:
                raise ValueError(
                    f"The special token {name!r} has the name of an ordinary token: rename it, for example to "
                    f"<|{name}|>."
                )
        size = len(ordinary) + len(names)
        at_the_end = dict(zip(names, range(len(ordinary), size), strict=True))
        self.special_tokens = dict(special_tokens) if isinstance(special_tokens, Mapping) else at_the_end
        taken = {i: name for name, i in self.special_tokens.items()}
        if len(taken) < len(names) or not taken.keys() <= set(range(size)):
            raise ValueError(
                f"special_tokens must have distinct ids, each from 0 to {size - 1}, but is {special_tokens!r:.60}."
            )
        self.words = frozenset(words)
        if unknown := self.words - self.special_tokens.keys():
            raise ValueError(f"The word {min(unknown)!r} is not a special token: add it to special_tokens.")
        self._end = end
        self.chat_template = chat_template
        self.ordinary = dict(zip(ordinary, (i for i in range(size) if i not in taken), strict=True))
        """The id of each ordinary token (bytes and merges), by its bytes."""
        self._tokens = list(ordinary)  # the bytes of each token, by id
        for i in sorted(taken):
            self._tokens.insert(i, taken[i].encode())

    @classmethod
    def train(
        cls, texts: str | Iterable[str], vocab_size: int, special_tokens: Iterable[str] = (END_OF_TEXT,)
    ) -> Tokenizer:
        """Learn a vocabulary of `vocab_size` tokens from one text or any iterable of texts.

        Of equally frequent pairs, the one with the smaller left id, then the smaller right id, is merged first, so the
        order of the texts does not matter. Special tokens separate documents and are never part of a merge. If no
        pairs are left, the vocabulary stays smaller than requested. Only the distinct pieces and their counts are kept
        in memory, not the texts.

        Raises `ValueError` if `vocab_size` is too small for bytes and special tokens or a text is not valid Unicode,
        `TypeError` if a text is not a `str`.
        """
        names = _check_special_tokens(special_tokens)
        smallest, largest = 256 + len(names), 0x110000
        if not isinstance(vocab_size, int) or not smallest <= vocab_size <= largest:
            raise ValueError(
                f"vocab_size must be an integer from {smallest} (256 bytes and {len(names)} special tokens) to "
                f"{largest}, but is {vocab_size!r}."
            )
        if not isinstance(texts, Iterable):
            raise TypeError(
                f"texts must be a str or an iterable of them, but is {texts!r:.60}: read files into strings first."
            )
        pieces = count_pieces([texts] if isinstance(texts, str) else texts, names)
        return cls(learn_merges(pieces, vocab_size - smallest), names)

    @classmethod
    def gpt2(cls) -> Tokenizer:
        """GPT-2's own tokenizer (50,257 tokens), from the merge table that ships with the package."""
        return cls(tokenizer_files.read_merges(Path(__file__).parent / "assets" / "gpt2" / "merges.txt"))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Tokenizer:
        """Load a tokenizer from a folder in Hugging Face's layout: `tokenizer.json`, or `vocab.json` and `merges.txt`.

        Tokens that are neither bytes nor made by a merge are special tokens. All except `<|endoftext|>` must be listed
        as special in one of the files; otherwise, tokens missing from a truncated `merges.txt` would count as special.

        Raises `FileNotFoundError` for a missing file, `ValueError` for files that are damaged, do not match each other,
        or describe a tokenizer that works differently from GPT-2's.
        """
        tokenizer = cls(*tokenizer_files.read(Path(folder)))
        if (token := unreachable_token(tokenizer.merges)) is not None:
            raise ValueError(
                f"The merges in {folder} can never make {token!r}, because earlier merges use up its parts: get the "
                "tokenizer's original files."
            )
        return tokenizer

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `vocab.json`, `merges.txt`, and `tokenizer_config.json` to a folder, which is created if necessary.

        `transformers.GPT2TokenizerFast.from_pretrained(folder)` can load them. Each file is replaced atomically. Other
        tokenizer files in the folder are removed, because transformers would prefer them.
        """
        folder = Path(folder)
        if folder.is_file():
            raise NotADirectoryError(f"{folder} is a file: give the path of a folder to save the tokenizer in.")
        vocab = {spell(token): i for token, i in self.ordinary.items()} | self.special_tokens
        merges = [f"{spell(left)} {spell(right)}" for left, right in self.merges]
        end = self._end if self._end in self.special_tokens else None
        config = {
            "tokenizer_class": "GPT2Tokenizer",
            # If these three are missing, transformers adds its own <|endoftext|>.
            **dict.fromkeys(("bos_token", "eos_token", "unk_token"), end),
            "additional_special_tokens": [name for name in self.special_tokens if name not in {end, *self.words}],
            "clean_up_tokenization_spaces": False,  # decoding must not change " ." to "."
        }
        if self.chat_template is not None:
            config["chat_template"] = self.chat_template
        if self.words:
            words = {self.special_tokens[name]: {"content": name, "special": False} for name in sorted(self.words)}
            config["added_tokens_decoder"] = words
        contents = {
            tokenizer_files.VOCAB: json.dumps(vocab, ensure_ascii=False),
            tokenizer_files.MERGES: "\n".join(["#version: 0.2", *merges, ""]),
            tokenizer_files.CONFIG: json.dumps(config, ensure_ascii=False, indent=2),
        }
        for name, content in contents.items():
            with replacing(folder / name) as unfinished:
                unfinished.write_bytes(content.encode())
        for name in (
            tokenizer_files.WHOLE,
            tokenizer_files.SPECIAL,
            tokenizer_files.ADDED,
            tokenizer_files.TEMPLATE,
        ):
            (folder / name).unlink(missing_ok=True)

    def with_chat_template(self, template: str) -> Tokenizer:
        """A copy with this chat template."""
        twin = copy.copy(self)
        twin.chat_template = template
        return twin

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text, in time proportional to its length.

        Unless `allow_special` is set, special tokens in the text (except `words`) are encoded as ordinary text, so user
        input cannot inject them. Raises `TypeError` for anything but a `str`, `ValueError` for a lone surrogate, which
        has no UTF-8 encoding.
        """
        check_text(text)
        names = self._recognized(allow_special)
        if not names:
            return self._encode_ordinary(text)
        ids: list[int] = []
        for i, part in enumerate(special_pattern(names).split(text)):
            ids += [self.special_tokens[part]] if i % 2 else self._encode_ordinary(part)  # text and names alternate
        return ids

    def encode_batch(self, texts: Iterable[str], allow_special: bool = False) -> list[list[int]]:
        """The ids of each text; raises the errors of `encode`."""
        if isinstance(texts, str):
            raise TypeError(f"texts must be a list, but is the str {texts[:40]!r}: use encode for a single text.")
        return [self.encode(text, allow_special) for text in texts]

    def encode_iterable(self, texts: Iterable[str], allow_special: bool = False) -> Iterator[int]:
        """Yield the ids of `encode("".join(texts), allow_special)`, for texts too long for memory, such as a file.

        The text may be split anywhere; the last word or so is held back until it is clear where it ends. Raises the
        errors of `encode`.
        """
        names = self._recognized(allow_special)
        parts = split_at(names, texts) if names else ((False, text) for text in texts)
        for is_special, group in groupby(parts, key=lambda part: part[0]):
            if is_special:
                yield from (self.special_tokens[name] for _, name in group)
            else:
                for block in safe_blocks(text for _, text in group):
                    yield from self._encode_ordinary(block)

    def tokens_of(self, text: str, allow_special: bool = False) -> list[Token]:
        """The tokens of a text, for display."""
        ids = self.encode(text, allow_special)
        return [Token(self._tokens[i].decode(errors="replace"), i, self._tokens[i]) for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids (T,), given as a list, array, or tensor, with U+FFFD for invalid UTF-8.

        Raises `ValueError` for an id outside the vocabulary, `TypeError` for anything but a sequence of ids.
        """
        return self.decode_bytes(ids).decode(errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The raw bytes of ids (T,); raises the errors of `decode`."""
        row: Any = ids.tolist() if hasattr(ids, "tolist") else list(ids) if isinstance(ids, Iterable) else ids
        try:
            return self._encoding.decode_bytes(row)
        except TypeError:
            raise TypeError(f"ids must be one sequence of integers, but is {ids!s:.60}.") from None
        except (KeyError, OverflowError):
            wrong = next(i for i in row if not 0 <= i < len(self))
            raise ValueError(
                f"The id {wrong} is outside this vocabulary (0 to {len(self) - 1}): decode with the tokenizer that "
                "encoded the text."
            ) from None

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of ids as they arrive, in pieces that never split a character and join to `decode(ids)`."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for i in ids:
            if text := decoder.decode(self.decode_bytes([i])):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    @property
    def vocab_size(self) -> int:
        """The number of tokens: bytes, merges, and special tokens."""
        return len(self._tokens)

    @property
    def end_of_text(self) -> int | None:
        """The id of the token that ends a document, usually `<|endoftext|>`; None if the vocabulary lacks it."""
        return self.special_tokens.get(self._end)

    def __len__(self) -> int:
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self._parts == other._parts

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, special_tokens={list(self.special_tokens)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies are rebuilt from these, without tiktoken's tables.
        return type(self), (*self._parts, self.chat_template)

    @property
    def _parts(self) -> tuple[Any, ...]:
        """What the ids depend on."""
        return self.merges, self.special_tokens, self.words, self._end

    def _recognized(self, allow_special: bool) -> Iterable[str]:
        """The special tokens to recognize in a text."""
        return self.special_tokens if allow_special else self.words

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        import tiktoken  # 0.13 or newer: in older versions, the time for a word was quadratic in its length

        return tiktoken.Encoding(
            "gpt2_course",
            pat_str=SPLIT_PATTERN,
            mergeable_ranks=self.ordinary,
            special_tokens=self.special_tokens,
        )

    def _encode_ordinary(self, text: str) -> list[int]:
        encode = self._encoding.encode_ordinary
        if len(text) < CHARACTERS_PER_BLOCK or not any(
            text[i : i + CHARACTERS_PER_BLOCK].isspace() for i in range(0, len(text), CHARACTERS_PER_BLOCK)
        ):
            return encode(text)
        ids, start = [], 0
        for run in LONG_SPACE.finditer(text):
            ids += encode(text[start : run.end()])
            start = run.end()
        return ids + encode(text[start:])


def _check_special_tokens(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"special_tokens must be a list, but is the str {names!r}: write [{names!r}].")
    names = list(names)
    for name in names:
        check_text(name)
        if not name or names.count(name) > 1:
            raise ValueError(f"The special token {name!r} is {'given twice' if name else 'empty'}: remove it.")
    return names
