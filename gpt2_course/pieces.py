"""How a text is cut into pieces, about a word each, before byte-pair encoding looks at it.

Nothing is ever merged across pieces. So a text of any length can be encoded block by block, as long as every block ends
where a piece ends for certain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

# A contraction, a word, a number, other signs, or white space; of that, the last space goes to the word that follows:
# "of   it" is "of", "  ", " it". GPT-2's own pattern gives the same pieces, but it has no branch \s+$, and without that
# tiktoken's regex engine gives up on a text that ends in a million spaces.
SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+$|\s+(?!\S)|\s"

_SPACE = r"[^\S\x1c-\x1f]"  # white space to GPT-2; to Python, \s is also U+001C to U+001F
# Everything up to the last place where a text can be cut whatever follows: before white space, and between a letter
# and a digit or sign. (Between ' and s it depends on what came before, between two spaces on what follows.) The letters
# are listed, because \p{L} is not the same in two libraries: each new version of Unicode adds some.
_UP_TO_LAST_CUT = re.compile(
    rf".*(?:\S(?={_SPACE})|[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3]"
    r"(?=[!-@\[-`{-~\u3001-\u3003\u3008-\u3011\uff01-\uff20]))",
    re.DOTALL,
)
CHARACTERS_PER_BLOCK = 2**16  # characters of a long text that are looked at in one go
# White space before a word, all but its last character, if it is so long that tiktoken's regex engine might give up.
LONG_SPACE = re.compile(rf"(?<!{_SPACE}){_SPACE}{{{CHARACTERS_PER_BLOCK},}}(?={_SPACE}[\S\x1c-\x1f])")


def count_pieces(texts: Iterable[str], special_tokens: list[str]) -> Counter[str]:
    """How often each piece occurs in the texts."""
    import regex  # type: ignore[import-untyped]  # unlike Python's re, it knows \p{L}

    find_pieces = regex.compile(SPLIT_PATTERN).findall
    documents = special_pattern(special_tokens).split if special_tokens else lambda text: [text]

    def all_pieces() -> Iterator[str]:
        for text in texts:
            check_text(text)
            for document in documents(text)[::2]:  # without the special tokens between them
                for block in [document] if len(document) <= CHARACTERS_PER_BLOCK else safe_blocks([document]):
                    yield from find_pieces(block)

    return Counter(all_pieces())


def safe_blocks(texts: Iterable[str]) -> Iterator[str]:
    """Cuts "".join(texts) into blocks that, each by itself, split into the same pieces as the whole."""
    held = [""]  # what is not yet safe to cut; its last entry is looked at again, together with what comes next
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


def special_pattern(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(f"({'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})")


def split_at(names: Iterable[str], texts: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Cuts "".join(texts) at every name in it; yields its parts, each with whether it is a name.

    Whatever the cuts between the texts, a name is found, and of several that begin at one place, the longest.
    """
    names = list(names)
    pattern, longest = special_pattern(names), max(map(len, names))
    held, position = "", 0
    for text in texts:
        check_text(text, position)
        position += len(text)
        held += text
        certain = len(held) - longest  # a name that begins here, or before, cannot become a longer one
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
