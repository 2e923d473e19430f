"""Splitting text into pieces of about one word, the units of byte-pair encoding.

Tokens are never merged across pieces. So a text of any length can be encoded in blocks, as long as each block ends
where a piece is certain to end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

# A contraction, a word, a number, other signs, or whitespace. The last of several spaces belongs to the next word:
# "of   it" becomes "of", "  ", " it". GPT-2's own pattern gives the same pieces but lacks the branch \s+$. Without it,
# tiktoken's regex engine fails on a text that ends in a million spaces.
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+$|\s+(?!\S)|\s"

_SPACE = r"[^\S\x1c-\x1f]"  # whitespace as GPT-2 defines it; Python's \s also matches U+001C to U+001F
# Everything up to the last position at which a cut is safe, whatever follows: before whitespace, or between a letter
# and a digit or sign. (Between ' and s, it depends on the text before; between two spaces, on the text after.) The
# letters are listed because \p{L} differs between libraries: every new version of Unicode adds some.
_UP_TO_LAST_CUT = re.compile(
    rf".*(?:\S(?={_SPACE})|[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3]"
    r"(?=[!-@\[-`{-~\u3001-\u3003\u3008-\u3011\uff01-\uff20]))",
    re.DOTALL,
)
CHARACTERS_PER_BLOCK = 2**16  # of a long text, searched at once
# A run of whitespace before a word, without its last character, if long enough to make tiktoken's regex engine fail.
LONG_SPACE = re.compile(rf"(?<!{_SPACE}){_SPACE}{{{CHARACTERS_PER_BLOCK},}}(?={_SPACE}[\S\x1c-\x1f])")


def count_pieces(texts: Iterable[str], special_tokens: list[str]) -> Counter[str]:
    """How often each piece occurs in the texts."""
    import regex  # type: ignore[import-untyped]  # unlike Python's re, it supports \p{L}

    find_pieces = regex.compile(SPLIT_PATTERN).findall
    documents = special_pattern(special_tokens).split if special_tokens else lambda text: [text]

    def all_pieces() -> Iterator[str]:
        for text in texts:
            check_text(text)
            for document in documents(text)[::2]:  # skip the special tokens in between
                for block in [document] if len(document) <= CHARACTERS_PER_BLOCK else safe_blocks([document]):
                    yield from find_pieces(block)

    return Counter(all_pieces())


def safe_blocks(texts: Iterable[str]) -> Iterator[str]:
    """Cut "".join(texts) into blocks whose pieces are those of the whole text."""
    held = [""]  # text after the last safe cut; its last entry is searched again together with the text that follows
    position = 0
    for text in texts:
        check_text(text, position)
        position += len(text)
        for start in range(0, len(text), CHARACTERS_PER_BLOCK):
            seen = held.pop() + text[start : start + CHARACTERS_PER_BLOCK]
            if safe := _UP_TO_LAST_CUT.match(seen):
                yield "".join(held) + safe.group()
                held = [seen[safe.end() :]]
            else:
                held += [seen[:-1], seen[-1]]
    yield "".join(held)


def check_text(text: str, position: int = 0) -> None:
    """Raise `TypeError` for anything but a `str`, `ValueError` for a lone surrogate.

    `position` is the position of `text` in a longer text.
    """
    if not isinstance(text, str):
        raise TypeError(f"A text must be a str, but is {text!r:.60}: decode bytes, and open files in text mode.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text has a lone surrogate (half a character), U+{ord(text[error.start]):04X}, at position "
            f"{position + error.start}: remove it."
        ) from None


def special_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches any of the names, the longest one first."""
    return re.compile(f"({'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})")


def split_at(names: Iterable[str], texts: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Split "".join(texts) at every occurrence of a name; yield (whether it is a name, part) for each part.

    A name is found even if it spans several texts. Of names that begin at the same position, the longest wins.
    """
    names = list(names)
    pattern, longest = special_pattern(names), max(map(len, names))
    held, position = "", 0
    for text in texts:
        check_text(text, position)
        position += len(text)
        held += text
        certain = len(held) - longest  # a name that begins here or earlier cannot become a longer one
        start = 0
        for name in pattern.finditer(held):
            if name.start() > certain:
                break
            yield False, held[start : name.start()]
            yield True, name.group()
            start = name.end()
        cut = max(start, certain + 1)
        yield False, held[start:cut]
        held = held[cut:]
    for i, part in enumerate(pattern.split(held)):
        yield i % 2 == 1, part  # text and names alternate
