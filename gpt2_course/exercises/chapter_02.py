"""The exercises of chapter 2: the tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from gpt2_course.exercises.registry import exercise

IDS = [1, 2, 3, 1, 2, 3, 3, 1, 2, 4, 2, 4]  # (1, 2) comes three times, no other pair so often
MERGES = {(98, 99): 256, (97, 98): 257, (256, 100): 258}  # bc, ab, bcd


@exercise("2.1", "The most frequent pair")
def most_frequent_pair(answer: Callable[[list[int]], Any]) -> str | None:
    """`answer(ids)` is the pair of neighbours that comes most often."""
    found = answer(list(IDS))
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return one pair such as (1, 2); this is {found!r}."
    if found == (1, 2):
        if answer([9, 8, 5, 6, 5, 6]) != (5, 6):
            return "Right for one list, but in [9, 8, 5, 6, 5, 6] the pair (5, 6) comes most often: count the pairs."
        return None
    if found == ((1, 2), 3):
        return "This is the pair together with its count: return the pair alone, the first of the two."
    if found == (2, 3) or found == (2, 1):
        return f"In {IDS}, (1, 2) comes three times. Count neighbours in the order in which they stand."
    counts = Counter(pairwise(IDS))
    if counts[found] == min(counts.values()):
        return f"{found} is the rarest pair, not the most frequent one."
    if found == tuple(n for n, _ in Counter(IDS).most_common(2)):
        return f"{found} are the two most frequent ids, but not neighbours that often: count the pairs, not the ids."
    return f"In {IDS}, the pair {found} comes {counts[found]} times, and (1, 2) comes {counts[1, 2]} times."


@exercise("2.2", "Decode with merges")
def decode(answer: Callable[[list[int], dict[tuple[int, int], int]], Any]) -> str | None:
    """`answer(ids, merges)` is the text of ids, bytes being their own numbers."""
    tests = {(104, 105): "hi", (257, 99): "abc", (97, 258): "abcd", (195, 169): "é", (): ""}
    for ids, right in tests.items():
        found = answer(list(ids), dict(MERGES))
        if found == right:
            continue
        if isinstance(found, bytes):
            return f"These are bytes, {found!r}. One step is missing: .decode() makes them a text."
        if not isinstance(found, str):
            return f"Return a text; this is a {type(found).__name__}."
        if right == "é":
            return (
                f"'é' is spread over the ids [195, 169], and came out as {found!r}: join all bytes, then decode once."
            )
        if found == "bac":
            return "A merged id came out the wrong way round: first the bytes of its left part, then of its right part."
        if any(chr(i) in found for i in ids if i > 255):
            return (
                f"{max(ids)} is no character, but the number of a merge. Put the bytes of its two parts in its place."
            )
        if chr(256) in found:
            return "258 is made of 256 and 100, and 256 is itself made of two: take apart until only bytes are left."
        return f"With the merges {MERGES}, {list(ids)} is {right!r}, but you gave {found!r}."
    return None


@exercise("2.3", "Encode with merges")
def encode(answer: Callable[[str, dict[tuple[int, int], int]], Any]) -> str | None:
    """`answer(text, merges)` are the ids of a text: its bytes, merged in the order in which the merges were learned."""
    merges = MERGES
    tests = {"abcd": [97, 258], "ab": [257], "bcbc": [256, 256], "": [], "é": [195, 169]}
    for text, right in tests.items():
        found = answer(text, dict(merges))
        if found == right:
            continue
        if found == [257, 99, 100] or found == [257, 256]:
            return (
                "In 'abcd' you merged 'ab' first, because it stands first. 'bc' was learned earlier, so it goes first: "
                "of all pairs that are there, take the one with the smallest new id."
            )
        if found == [97, 256, 100]:
            return "One round is not enough: when 'bc' has become 256, there is the pair (256, 100). Repeat."
        if text == "é" and found == [233]:
            return "'é' is two bytes in UTF-8, [195, 169]. ord() gives its number in Unicode: use text.encode()."
        if text == "bcbc" and found in ([256, 98, 99], [98, 99, 256]):
            return "In 'bcbc' the pair stands twice. Merge it wherever it stands."
        if found == list(text.encode()):
            return f"{text!r} came out as bytes, {found}: nothing was merged. The merges give {right}."
        return f"With the merges {merges}, {text!r} becomes {right}, but you gave {found}."
    return None
