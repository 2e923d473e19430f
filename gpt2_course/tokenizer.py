"""Byte-level byte-pair encoding (BPE), GPT-2's tokenizer: text becomes whole numbers, and text again.

The idea (Sennrich et al., 2016, https://arxiv.org/abs/1508.07909; on bytes: Radford et al., 2019, GPT-2):

1. Split the text into pieces of about one word, each with the space before it (`SPLIT_PATTERN`).
2. A piece starts out as its UTF-8 bytes: 256 tokens to begin with, so that no text is ever unknown.
3. To train: merge the pair of neighbouring tokens that is most frequent into one new token, and repeat.
4. To encode: do those merges again on new text, in the order in which they were learned.

In "hop hop hopping", for example, `h` comes before `o` three times, and so they are merged first:

>>> tokenizer = Tokenizer.train("hop hop hopping", vocab_size=260)
>>> tokenizer.merges
[(b'h', b'o'), (b'ho', b'p'), (b' ', b'hop')]
>>> [(token.text, token.id) for token in tokenizer.tokens_of("hop, hopping")]
[('hop', 257), (',', 11), (' hop', 258), ('p', 79), ('i', 72), ('n', 77), ('g', 70)]
>>> tokenizer.decode([257, 11, 258])
'hop, hop'

The ids are GPT-2's: first the 256 bytes (in GPT-2's order, so that "!" is 0), then the merges in the order in which
they were learned, then the special tokens, such as `<|endoftext|>`, which stands between two documents.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt2_course import tokenizer_files
from gpt2_course.bpe import BYTES, learn_merges, lost_token
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

if TYPE_CHECKING:  # regex and tiktoken double the time of this import, so they are imported where they are needed
    import tiktoken


class Token(NamedTuple):
    """A token to look at: `text` is its bytes as text, with U+FFFD for the bytes of an incomplete character."""

    text: str
    id: int
    bytes: bytes


class Tokenizer:
    """A vocabulary, and the way from text to ids and back. Made by `train`, `load` or `gpt2`, and not changed again.

    `merges` lists the pairs of tokens, as bytes, in the order in which they are merged. Ids follow that order: bytes,
    merges, special tokens. A dictionary gives `special_tokens` other ids, around which the rest is numbered. `words`
    are those of them that are looked for in every text, as transformers does with tokens from `add_tokens`; `end` is
    the one that ends a document.

    Raises `ValueError` for merges that cannot be done in that order, and for special tokens that are empty, come twice,
    have ids that are not free, or could be mistaken for an ordinary token.
    """

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]],
        special_tokens: Iterable[str] | Mapping[str, int] = (END_OF_TEXT,),
        words: Iterable[str] = (),
        end: str = END_OF_TEXT,
    ) -> None:
        self.merges = list(merges)
        ordinary = dict.fromkeys(BYTES)
        for number, (left, right) in enumerate(self.merges, start=1):
            merged = left + right
            if left not in ordinary or right not in ordinary or merged in ordinary:
                why = "makes a token that is already there" if merged in ordinary else "needs a token that is not there"
                raise ValueError(f"Merge {number}, {left!r} with {right!r}, {why}: give merges as they were learned.")
            ordinary[merged] = None
        names = _check_special_tokens(special_tokens)
        for name in names:
            if unspell(name) in ordinary:
                raise ValueError(f"{name!r} is the name of an ordinary token: call the special token <|{name}|>, say.")
        size = len(ordinary) + len(names)
        at_the_end = dict(zip(names, range(len(ordinary), size), strict=True))
        self.special_tokens = dict(special_tokens) if isinstance(special_tokens, Mapping) else at_the_end
        taken = {i: name for name, i in self.special_tokens.items()}
        if len(taken) < len(names) or not taken.keys() <= set(range(size)):
            raise ValueError(
                f"special_tokens must have ids of their own from 0 to {size - 1}; got {special_tokens!r:.60}."
            )
        self.words = frozenset(words)
        if unknown := self.words - self.special_tokens.keys():
            raise ValueError(f"The word {min(unknown)!r} is not among the special tokens: add it to them.")
        self._end = end
        self.ordinary = dict(zip(ordinary, (i for i in range(size) if i not in taken), strict=True))
        """The ids of the bytes and of what the merges make, by the bytes of each token."""
        self._tokens = list(ordinary)  # the bytes of each token, by id
        for i in sorted(taken):
            self._tokens.insert(i, taken[i].encode())

    @classmethod
    def train(
        cls, texts: str | Iterable[str], vocab_size: int, special_tokens: Iterable[str] = (END_OF_TEXT,)
    ) -> Tokenizer:
        """A vocabulary of `vocab_size` tokens, learned from one text or from any number of them, a generator's too.

        Of pairs that are equally frequent, the one whose left token has the smaller id is merged first, then the one
        whose right token has; so the order of the texts makes no difference. Special tokens separate documents and are
        never part of a merge. With no pairs left, the vocabulary stays smaller than asked for. Memory holds the
        different pieces and their counts, not the texts. Raises `ValueError` where `vocab_size` has no room for the
        bytes and special tokens, or a text is not valid Unicode, and `TypeError` where one is not a `str`.
        """
        names = _check_special_tokens(special_tokens)
        smallest, largest = 256 + len(names), 0x110000
        if not isinstance(vocab_size, int) or not smallest <= vocab_size <= largest:
            raise ValueError(
                f"vocab_size must be a whole number from {smallest} (256 bytes and {len(names)} special tokens) to "
                f"{largest}, but it is {vocab_size!r}."
            )
        if not isinstance(texts, Iterable):
            raise TypeError(
                f"texts must be a str or a list of them, but it is {texts!r:.60}: read a file's text first."
            )
        pieces = count_pieces([texts] if isinstance(texts, str) else texts, names)
        return cls(learn_merges(pieces, vocab_size - smallest), names)

    @classmethod
    def gpt2(cls) -> Tokenizer:
        """GPT-2's own tokenizer, of 50,257 tokens, from the merge table that comes with the package."""
        return cls(tokenizer_files.read_merges(Path(__file__).parent / "assets" / "gpt2" / "merges.txt"))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Tokenizer:
        """The tokenizer of a folder in Hugging Face's layout: `tokenizer.json`, or `vocab.json` and `merges.txt`.

        Special tokens are those that no merge makes. All but `<|endoftext|>` have to be named as such in one of the
        files, since otherwise the tokens of a truncated `merges.txt` would pass for special ones. Raises
        `FileNotFoundError` for a missing file, and `ValueError` for damaged ones, for files that do not fit together,
        and for a tokenizer that does not work as GPT-2's does.
        """
        tokenizer = cls(*tokenizer_files.read(Path(folder)))
        if (lost := lost_token(tokenizer.merges)) is not None:
            raise ValueError(
                f"The merges in {folder} never make {lost!r}, because earlier ones come between: take the files of a "
                "tokenizer as it was trained."
            )
        return tokenizer

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes `vocab.json`, `merges.txt` and `tokenizer_config.json`, and the folder, if it is not there.

        `transformers.GPT2TokenizerFast.from_pretrained(folder)` reads them too. No file is ever seen half written.
        Files in which transformers has kept another tokenizer there are removed, since it would go on reading those.
        """
        folder = Path(folder)
        if folder.is_file():
            raise NotADirectoryError(f"{folder} is a file, so no tokenizer can be saved in it: give a folder's path.")
        vocab = {spell(token): i for token, i in self.ordinary.items()} | self.special_tokens
        merges = [f"{spell(left)} {spell(right)}" for left, right in self.merges]
        end = self._end if self._end in self.special_tokens else None
        config = {
            "tokenizer_class": "GPT2Tokenizer",
            # Where these three are not set, transformers adds an <|endoftext|> of its own.
            **dict.fromkeys(("bos_token", "eos_token", "unk_token"), end),
            "additional_special_tokens": [name for name in self.special_tokens if name not in {end, *self.words}],
            "clean_up_tokenization_spaces": False,  # decoding is to give back " ." as it was
        }
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
        for name in (tokenizer_files.WHOLE, tokenizer_files.SPECIAL, tokenizer_files.ADDED):
            (folder / name).unlink(missing_ok=True)

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text, in time proportional to its length.

        A special token in the text is read as plain text, so that no user can slip one in, unless `allow_special` is
        set. Raises `TypeError` for anything but a `str`, and `ValueError` for a lone surrogate, which has no UTF-8.
        """
        check_text(text)
        names = self._looked_for(allow_special)
        if not names:
            return self._encode_ordinary(text)
        ids: list[int] = []
        for i, part in enumerate(special_pattern(names).split(text)):
            ids += [self.special_tokens[part]] if i % 2 else self._encode_ordinary(part)  # text and tokens alternate
        return ids

    def encode_batch(self, texts: Iterable[str], allow_special: bool = False) -> list[list[int]]:
        """The ids of each text; raises as `encode` does."""
        if isinstance(texts, str):
            raise TypeError(f"encode_batch takes a list of texts, but got the text {texts[:40]!r}: use encode.")
        return [self.encode(text, allow_special) for text in texts]

    def encode_iterable(self, texts: Iterable[str], allow_special: bool = False) -> Iterator[int]:
        """Yields the ids of `encode("".join(texts), allow_special)`, for texts too long for memory: an open file, say.

        However it is cut, only its last word or so is kept until it is clear where that ends. Raises as `encode` does.
        """
        names = self._looked_for(allow_special)
        parts = split_at(names, texts) if names else ((False, text) for text in texts)
        for is_special, group in groupby(parts, key=lambda part: part[0]):
            if is_special:
                yield from (self.special_tokens[name] for _, name in group)
            else:
                for block in safe_blocks(text for _, text in group):
                    yield from self._encode_ordinary(block)

    def tokens_of(self, text: str, allow_special: bool = False) -> list[Token]:
        """The tokens of a text, for people to look at."""
        ids = self.encode(text, allow_special)
        return [Token(self._tokens[i].decode(errors="replace"), i, self._tokens[i]) for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids (T,), a list, an array or a tensor, with U+FFFD for bytes that are not UTF-8.

        Raises `ValueError` for an id that is not in the vocabulary, `TypeError` for what is not a row of ids.
        """
        return self.decode_bytes(ids).decode(errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ids (T,), just as they are; raises as `decode` does."""
        row: Any = ids.tolist() if hasattr(ids, "tolist") else list(ids) if isinstance(ids, Iterable) else ids
        try:
            return self._encoding.decode_bytes(row)
        except TypeError:
            raise TypeError(f"Ids must be a row of whole numbers, but got {ids!s:.60}: pass one sequence.") from None
        except (KeyError, OverflowError):
            wrong = next(i for i in row if not 0 <= i < len(self))
            raise ValueError(
                f"The id {wrong} is not among this vocabulary's, 0 to {len(self) - 1}: decode with the tokenizer that "
                "encoded the text."
            ) from None

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yields the text of ids as they arrive, in pieces that never split a character and join to `decode(ids)`."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for i in ids:
            if text := decoder.decode(self.decode_bytes([i])):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    @property
    def vocab_size(self) -> int:
        """How many tokens there are: bytes, merges and special tokens."""
        return len(self._tokens)

    @property
    def end_of_text(self) -> int | None:
        """The id of `<|endoftext|>`, or what a folder says instead; None where the vocabulary does not have it."""
        return self.special_tokens.get(self._end)

    def __len__(self) -> int:
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, special_tokens={list(self.special_tokens)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies are built anew from what defines them, without tiktoken's tables.
        return type(self), (self.merges, self.special_tokens, self.words, self._end)

    def _looked_for(self, allow_special: bool) -> Iterable[str]:
        return self.special_tokens if allow_special else self.words

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        import tiktoken  # from 0.13 on: before, the time for a long word grew with the square of its length

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
        raise TypeError(f"special_tokens must be a list, but got the text {names!r}: write [{names!r}].")
    names = list(names)
    for name in names:
        check_text(name)
        if not name or names.count(name) > 1:
            raise ValueError(f"The special token {name!r} {'comes twice' if name else 'is empty'}: leave it out.")
    return names
