"""The exercises of chapter 2: the tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from gpt2_course.exercises.registry import exercise

IDS = [1, 2, 3, 1, 2, 3, 3, 1, 2, 4, 2, 4]  # (1, 2) occurs three times, every other pair less often
MERGES = {(98, 99): 256, (97, 98): 257, (256, 100): 258}  # bc, ab, bcd


@exercise("2.1", "The most frequent pair")
def most_frequent_pair(answer: Callable[[list[int]], Any]) -> str | None:
    """`answer(ids)` returns the most frequent pair of neighboring IDs."""
    found = answer(list(IDS))
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return one pair, such as (1, 2). You returned {found!r}."
    if found == (1, 2):
        if answer([9, 8, 5, 6, 5, 6]) != (5, 6):
            return "This works for one list, but in [9, 8, 5, 6, 5, 6], (5, 6) is most frequent. Count the pairs."
        return None
    if found == ((1, 2), 3):
        return "This is the pair together with its count. Return only the pair, the first of the two."
    if found == (2, 3) or found == (2, 1):
        return f"In {IDS}, (1, 2) occurs three times. Count neighbors, and keep their order."
    counts = Counter(pairwise(IDS))
    if counts[found] == min(counts.values()):
        return f"{found} is the rarest pair, not the most frequent one."
    if found == tuple(n for n, _ in Counter(IDS).most_common(2)):
        return f"{found} are the two most frequent IDs, but they are rarely neighbors. Count pairs, not IDs."
    return f"In {IDS}, the count of {found} is {counts[found]}, but (1, 2) occurs {counts[1, 2]} times."


@exercise("2.2", "Decode with merges")
def decode(answer: Callable[[list[int], dict[tuple[int, int], int]], Any]) -> str | None:
    """`answer(ids, merges)` returns the text; the ID of a byte is its value."""
    tests = {(104, 105): "hi", (257, 99): "abc", (97, 258): "abcd", (195, 169): "é", (): ""}
    for ids, right in tests.items():
        found = answer(list(ids), dict(MERGES))
        if found == right:
            continue
        if isinstance(found, bytes):
            return f"These are bytes, {found!r}. One step is missing: turn them into text with .decode()."
        if not isinstance(found, str):
            return f"Return a string; your result has type {type(found).__name__}."
        if right == "é":
            return (
                f"'é' consists of two bytes, [195, 169], but you returned {found!r}. Join all bytes, then decode once."
            )
        if found == "bac":
            return "The parts of a merged ID are reversed. Put the bytes of its left part first."
        if any(chr(i) in found for i in ids if i > 255):
            return f"{max(ids)} is the ID of a merge, not a character. Replace it with the bytes of its two parts."
        if chr(256) in found:
            return "258 consists of 256 and 100, and 256 has two parts, too. Keep splitting until only bytes are left."
        return f"With the merges {MERGES}, {list(ids)} decodes to {right!r}, but you returned {found!r}."
    return None


@exercise("2.3", "Encode with merges")
def encode(answer: Callable[[str, dict[tuple[int, int], int]], Any]) -> str | None:
    """`answer(text, merges)` returns the IDs of a text: its bytes, merged in the order in which merges were learned."""
    merges = MERGES
    tests = {"abcd": [97, 258], "ab": [257], "bcbc": [256, 256], "": [], "é": [195, 169]}
    for text, right in tests.items():
        found = answer(text, dict(merges))
        if found == right:
            continue
        if found == [257, 99, 100] or found == [257, 256]:
            return (
                "In 'abcd', you merged 'ab' first, because it comes first. But 'bc' was learned earlier: of all pairs "
                "in the text, merge the one with the smallest new ID."
            )
        if found == [97, 256, 100]:
            return "One round is not enough. Once 'bc' has become 256, there is a new pair, (256, 100). Repeat."
        if text == "é" and found == [233]:
            return "'é' is two bytes in UTF-8, [195, 169]. ord() returns its Unicode number. Use text.encode()."
        if text == "bcbc" and found in ([256, 98, 99], [98, 99, 256]):
            return "In 'bcbc', the pair occurs twice. Merge every occurrence."
        if found == list(text.encode()):
            return f"For {text!r}, you returned its bytes, {found}. Nothing was merged; the result should be {right}."
        return f"With the merges {merges}, {text!r} becomes {right}, but you returned {found}."
    return None
