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
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt2_course.files import replacing

if TYPE_CHECKING:  # regex and tiktoken double the time of this import, so they are imported where they are needed
    import tiktoken

END_OF_TEXT = "<|endoftext|>"

# A contraction, a word, a number, other signs, or white space; of that, the last space goes to the word that follows:
# "of   it" is "of", "  ", " it". GPT-2's own pattern gives the same pieces, but it has no branch \s+$, and without that
# tiktoken's regex engine gives up on a text that ends in a million spaces.
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+$|\s+(?!\S)|\s"

# In files each byte is spelled as a visible character: the letter A as "A", but a space as "Ġ". Bytes that are visible
# by themselves come first; the other 68 take the characters from U+0100 on.
_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTE_OF_ID = bytes(_VISIBLE + sorted(set(range(256)) - set(_VISIBLE)))
_ID_OF_BYTE = bytes(map(_BYTE_OF_ID.index, range(256)))
_SPELLINGS = [chr(byte) for byte in _VISIBLE] + [chr(0x100 + i) for i in range(256 - len(_VISIBLE))]
_SPELLING_OF_BYTE = dict(zip(_BYTE_OF_ID, _SPELLINGS, strict=True))
_BYTE_OF_SPELLING = dict(zip(_SPELLINGS, _BYTE_OF_ID, strict=True))
_BYTES = [bytes([byte]) for byte in _BYTE_OF_ID]

_SPACE = r"[^\S\x1c-\x1f]"  # white space to GPT-2; to Python, \s is also U+001C to U+001F
# Everything up to the last place where a text can be cut whatever follows: before white space, and between a letter
# and a digit or sign. (Between ' and s it depends on what came before, between two spaces on what follows.) The letters
# are listed, because \p{L} is not the same in two libraries: each new version of Unicode adds some.
_UP_TO_LAST_CUT = re.compile(
    rf".*(?:\S(?={_SPACE})|[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3]"
    r"(?=[!-@\[-`{-~\u3001-\u3003\u3008-\u3011\uff01-\uff20]))",
    re.DOTALL,
)
_BLOCK = 2**16  # characters of a long text that are looked at in one go
# White space before a word, all but its last character, if it is so long that tiktoken's regex engine might give up.
_LONG_SPACE = re.compile(rf"(?<!{_SPACE}){_SPACE}{{{_BLOCK},}}(?={_SPACE}[\S\x1c-\x1f])")


class Token(NamedTuple):
    """A token to look at: `text` is its bytes as text, with U+FFFD for the bytes of an incomplete character."""

    text: str
    id: int
    bytes: bytes


class Tokenizer:
    """A vocabulary, and the way from text to ids and back. Made by `train`, `load` or `gpt2`, and not changed again.

    `merges` lists the pairs of tokens, as bytes, in the order in which they are merged; `special_tokens` maps each
    special token to its id. Raises `ValueError` for merges that cannot be done in that order, and for special tokens
    that are empty, come twice or could be mistaken for an ordinary token.
    """

    def __init__(self, merges: Iterable[tuple[bytes, bytes]], special_tokens: Iterable[str] = (END_OF_TEXT,)) -> None:
        self.merges = list(merges)
        self._tokens = list(_BYTES)  # the bytes of each token, by id
        ordinary = set(_BYTES)
        for number, (left, right) in enumerate(self.merges, start=1):
            merged = left + right
            if left not in ordinary or right not in ordinary or merged in ordinary:
                why = "makes a token that is already there" if merged in ordinary else "needs a token that is not there"
                raise ValueError(f"Merge {number}, {left!r} with {right!r}, {why}: give merges as they were learned.")
            self._tokens.append(merged)
            ordinary.add(merged)
        names = _check_special_tokens(special_tokens)
        for name in names:
            if _BYTE_OF_SPELLING.keys() >= set(name) and _unspell(name) in ordinary:
                raise ValueError(f"{name!r} is the name of an ordinary token: call the special token <|{name}|>, say.")
        self.special_tokens = {name: len(self._tokens) + i for i, name in enumerate(names)}
        self._tokens += [name.encode() for name in names]

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
        pieces = _count_pieces([texts] if isinstance(texts, str) else texts, names)
        return cls(_learn_merges(pieces, vocab_size - smallest), names)

    @classmethod
    def gpt2(cls) -> Tokenizer:
        """GPT-2's own tokenizer, of 50,257 tokens, from the merge table that comes with the package."""
        return cls(_read_merges(Path(__file__).parent / "assets" / "gpt2" / "merges.txt"))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Tokenizer:
        """The tokenizer of a folder in Hugging Face's layout: `vocab.json` and `merges.txt`.

        Special tokens are those that no merge makes. All but `<|endoftext|>` have to be named in
        `tokenizer_config.json`, since otherwise the tokens of a truncated `merges.txt` would pass for special ones.
        Raises `FileNotFoundError` for a missing file, and `ValueError` for damaged ones or such as do not fit together.
        """
        vocab_file, merges_file, config_file = _files(folder)
        vocab = _read_json(vocab_file)
        seen = set()
        for token, i in vocab.items():
            if type(i) is not int or not 0 <= i < len(vocab) or i in seen:
                raise ValueError(
                    f"{vocab_file} gives {token!r} the id {i!r}, but its {len(vocab)} tokens must have the ids 0 to "
                    f"{len(vocab) - 1}, each of them once: get a fresh copy."
                )
            seen.add(i)
        merges = _read_merges(merges_file)
        ordinary = [_spell(token) for token in _BYTES] + [_spell(left + right) for left, right in merges]
        for i, token in enumerate(ordinary):
            if vocab.get(token) != i:
                has = f"gives it {vocab[token]}" if token in vocab else "does not have it"
                raise ValueError(
                    f"{merges_file} gives {token!r} the id {i}, but {vocab_file.name} {has}: take both files from one "
                    "tokenizer, with its ids in GPT-2's order (bytes, merges, special tokens)."
                )
        special_tokens = sorted(vocab.keys() - set(ordinary), key=lambda token: vocab[token])
        config = _read_json(config_file) if config_file.exists() else {}
        if unknown := set(special_tokens) - _strings_in(config) - {END_OF_TEXT}:
            raise ValueError(
                f"{vocab_file} has the token {min(unknown)!r}, which neither {merges_file.name} makes nor "
                f"{config_file.name} calls a special token: get a fresh copy of all three files."
            )
        return cls(merges, special_tokens)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes `vocab.json`, `merges.txt` and `tokenizer_config.json`, and the folder, if it is not there.

        `transformers.GPT2TokenizerFast.from_pretrained(folder)` reads them too. No file is ever seen half written.
        """
        if Path(folder).is_file():
            raise NotADirectoryError(f"{folder} is a file, so no tokenizer can be saved in it: give a folder's path.")
        vocab = {_spell(token): i for i, token in enumerate(self._ordinary)}
        merges = [f"{_spell(left)} {_spell(right)}" for left, right in self.merges]
        end = END_OF_TEXT if END_OF_TEXT in self.special_tokens else None
        config = {
            "tokenizer_class": "GPT2Tokenizer",
            # Where these three are not set, transformers adds an <|endoftext|> of its own.
            **dict.fromkeys(("bos_token", "eos_token", "unk_token"), end),
            "additional_special_tokens": [name for name in self.special_tokens if name != END_OF_TEXT],
            "clean_up_tokenization_spaces": False,  # decoding is to give back " ." as it was
        }
        contents = (
            json.dumps(vocab | self.special_tokens, ensure_ascii=False),
            "\n".join(["#version: 0.2", *merges, ""]),
            json.dumps(config, ensure_ascii=False, indent=2),
        )
        for file, content in zip(_files(folder), contents, strict=True):
            with replacing(file) as unfinished:
                unfinished.write_bytes(content.encode())

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text, in time proportional to its length.

        A special token in the text is read as plain text, so that no user can slip one in, unless `allow_special` is
        set. Raises `TypeError` for anything but a `str`, and `ValueError` for a lone surrogate, which has no UTF-8.
        """
        _check_text(text)
        if not (allow_special and self.special_tokens):
            return self._encode_ordinary(text)
        ids: list[int] = []
        for i, part in enumerate(_special_pattern(self.special_tokens).split(text)):
            ids += [self.special_tokens[part]] if i % 2 else self._encode_ordinary(part)  # text and tokens alternate
        return ids

    def encode_batch(self, texts: Iterable[str], allow_special: bool = False) -> list[list[int]]:
        """The ids of each text; raises as `encode` does."""
        if isinstance(texts, str):
            raise TypeError(f"encode_batch takes a list of texts, but got the text {texts[:40]!r}: use encode.")
        return [self.encode(text, allow_special) for text in texts]

    def encode_iterable(self, texts: Iterable[str]) -> Iterator[int]:
        """Yields the ids of `encode("".join(texts))`, for texts too long for memory: an open file, say.

        However it is cut, only its last word or so is kept until it is clear where that ends. Raises as `encode` does.
        """
        for block in _safe_blocks(texts):
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
        """The id of `<|endoftext|>`, or None where the vocabulary does not have it."""
        return self.special_tokens.get(END_OF_TEXT)

    def __len__(self) -> int:
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self.merges == other.merges and self.special_tokens == other.special_tokens

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, special_tokens={list(self.special_tokens)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies are built anew from what defines them, without tiktoken's tables.
        return type(self), (self.merges, list(self.special_tokens))

    @property
    def _ordinary(self) -> list[bytes]:
        return self._tokens[: 256 + len(self.merges)]

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        import tiktoken  # from 0.13 on: before, the time for a long word grew with the square of its length

        return tiktoken.Encoding(
            "gpt2_course",
            pat_str=SPLIT_PATTERN,
            mergeable_ranks={token: i for i, token in enumerate(self._ordinary)},
            special_tokens=self.special_tokens,
        )

    def _encode_ordinary(self, text: str) -> list[int]:
        encode = self._encoding.encode_ordinary
        if len(text) < _BLOCK or not any(text[i : i + _BLOCK].isspace() for i in range(0, len(text), _BLOCK)):
            return encode(text)
        ids, start = [], 0
        for run in _LONG_SPACE.finditer(text):
            ids += encode(text[start : run.end()])
            start = run.end()
        return ids + encode(text[start:])


def _count_pieces(texts: Iterable[str], special_tokens: list[str]) -> Counter[str]:
    """How often each piece occurs in the texts."""
    import regex  # type: ignore[import-untyped]  # unlike Python's re, it knows \p{L}

    find_pieces = regex.compile(SPLIT_PATTERN).findall
    documents = _special_pattern(special_tokens).split if special_tokens else lambda text: [text]

    def all_pieces() -> Iterator[str]:
        for text in texts:
            _check_text(text)
            for document in documents(text)[::2]:  # without the special tokens between them
                for block in [document] if len(document) <= _BLOCK else _safe_blocks([document]):
                    yield from find_pieces(block)

    return Counter(all_pieces())


def _learn_merges(pieces: Counter[str], n_merges: int) -> list[tuple[bytes, bytes]]:
    """The first `n_merges` merges for these pieces, or all there are.

    A word is kept as a string in which each token is one character, chr(id), and so a pair is a string of two:
    `split` finds every place of a pair in a word, and `join` puts the new token there.
    """
    words = [piece.encode().translate(_ID_OF_BYTE).decode("latin-1") for piece in pieces]
    counts = list(pieces.values())
    pair_counts: defaultdict[str, int] = defaultdict(int)
    words_with: defaultdict[str, list[int]] = defaultdict(list)  # words that have the pair, or once had it
    for i, word in enumerate(words):
        for left, right in pairwise(word):
            pair_counts[left + right] += counts[i]
            words_with[left + right].append(i)

    # On top of the heap is the most frequent pair; of several, the one with the smaller ids, as strings are ordered.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(heap)
    tokens = list(_BYTES)
    merges: list[tuple[bytes, bytes]] = []
    while heap and len(merges) < n_merges:
        negative_count, pair = heappop(heap)
        count = pair_counts[pair]
        if count != -negative_count:  # other merges have made it rarer since it was put there: to its new place
            if count:
                heappush(heap, (-count, pair))
            continue
        left, right = pair[0], pair[1]
        new = chr(len(tokens))
        merges.append((tokens[ord(left)], tokens[ord(right)]))
        tokens.append(tokens[ord(left)] + tokens[ord(right)])

        new_pairs = set()
        for i in set(words_with.pop(pair)):
            rest = words[i].split(pair)
            words[i] = new.join(rest)
            # Never recount the word: only pairs with a neighbour of the new token change, or with another new token.
            changes = [(before + left, before + new) for part in rest[:-1] for before in part[-1:]]
            changes += [(right + after, new + after) for part in rest[1:] for after in part[:1]]
            changes += [(right + left, new + new)] * rest[1:-1].count("")
            for old_pair, new_pair in changes:
                pair_counts[old_pair] -= counts[i]
                pair_counts[new_pair] += counts[i]
                words_with[new_pair].append(i)
                new_pairs.add(new_pair)
        del pair_counts[pair]
        for new_pair in new_pairs:
            heappush(heap, (-pair_counts[new_pair], new_pair))
    return merges


def _safe_blocks(texts: Iterable[str]) -> Iterator[str]:
    """Cuts "".join(texts) into blocks that, each by itself, split into the same pieces as the whole."""
    held = [""]  # what is not yet safe to cut; its last entry is looked at again, together with what comes next
    position = 0
    for text in texts:
        _check_text(text, position)
        position += len(text)
        for start in range(0, len(text), _BLOCK):
            seen = held.pop() + text[start : start + _BLOCK]
            if safe := _UP_TO_LAST_CUT.match(seen):
                yield "".join(held) + safe.group()
                held = [seen[safe.end() :]]
            else:
                held += [seen[:-1], seen[-1]]
    yield "".join(held)


def _check_text(text: str, position: int = 0) -> None:
    """Refuses what is not a text; `position` is where `text` begins in a longer one."""
    if not isinstance(text, str):
        raise TypeError(f"A text must be a str, but got {text!r:.60}: decode bytes, and open files in text mode.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text has a lone surrogate, U+{ord(text[error.start]):04X}, at position {position + error.start}, "
            "which is half a character and cannot be encoded: remove it."
        ) from None


def _check_special_tokens(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"special_tokens must be a list, but got the text {names!r}: write [{names!r}].")
    names = list(names)
    for name in names:
        _check_text(name)
        if not name or names.count(name) > 1:
            raise ValueError(f"The special token {name!r} {'comes twice' if name else 'is empty'}: leave it out.")
    return names


def _special_pattern(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(f"({'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})")


def _files(folder: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
    return Path(folder, "vocab.json"), Path(folder, "merges.txt"), Path(folder, "tokenizer_config.json")


def _spell(token: bytes) -> str:
    return token.decode("latin-1").translate(_SPELLING_OF_BYTE)


def _unspell(spelling: str) -> bytes:
    return bytes(map(_BYTE_OF_SPELLING.__getitem__, spelling))


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{file} is missing: give a folder that a tokenizer was saved in.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 at byte {error.start}: get a fresh copy.") from None


def _read_json(file: Path) -> dict[str, Any]:
    text = _read(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON ({error}): get a fresh copy.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a JSON object, but it is {content!s:.60}: get a fresh copy.")
    return content


def _read_merges(file: Path) -> list[tuple[bytes, bytes]]:
    merges = []
    for number, line in enumerate(_read(file).splitlines(), start=1):
        if number == 1 and line.startswith("#version"):
            continue
        try:
            left, right = map(_unspell, line.split())
        except (ValueError, KeyError):
            raise ValueError(
                f"Line {number} of {file} must be two tokens with a space between them, but it is {line!r:.60}: get a "
                "fresh copy."
            ) from None
        merges.append((left, right))
    return merges


def _strings_in(document: dict[str, Any]) -> set[str]:
    """Every string among the values of a JSON document, however deep."""
    found, unseen = set(), [document]
    while unseen:
        value: Any = unseen.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, (dict, list)):
            unseen += value.values() if isinstance(value, dict) else value
    return found
