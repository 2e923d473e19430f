"""The exercises of chapter 2: the tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from gpt2_course.exercises.registry import exercise

IDS = [1, 2, 3, 1, 2, 3, 3, 1, 2, 4, 2, 4]  # (1, 2) comes three times, no other pair so often
RUN = [7, 7, 7, 5, 7, 7]  # pairs that overlap


@exercise("2.1", "The most frequent pair")
def most_frequent_pair(answer: Callable[[list[int]], Any]) -> str | None:
    """`answer(ids)` is the pair of neighbours that comes most often."""
    found = answer(list(IDS))
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return one pair such as (1, 2); this is {found!r}."
    if found == (1, 2):
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


@exercise("2.2", "Merge a pair")
def merge(answer: Callable[[list[int], tuple[int, int], int], Any]) -> str | None:
    """`answer(ids, pair, new_id)` puts `new_id` wherever `pair` stood."""
    given = list(IDS)
    found = answer(given, (1, 2), 9)
    right = [9, 3, 9, 3, 3, 9, 4, 2, 4]
    if not isinstance(found, list):
        return f"Return a list of ids; this is a {type(found).__name__}."
    if found == IDS:
        return f"Nothing was merged: (1, 2) stands three times in {IDS}."
    if found == [9, 3, *IDS[3:]]:
        return "Only the first place was merged. Go on to the end of the list."
    if found == [9, 2, 3, 9, 2, 3, 3, 9, 2, 4, 2, 4]:
        return "The second id of the pair is still there: after a merge, go on two places further, not one."
    if found == [9 if n == 1 else n for n in IDS if n != 2] or found == [9 if n in (1, 2) else n for n in IDS]:
        return "You replaced each 1 and each 2. Merge only where a 1 is directly followed by a 2."
    if found == right[:-1]:
        return "The last id is missing: it has no neighbour after it, but it still belongs into the list."
    if found != right:
        return f"From {IDS}, merging (1, 2) to 9 gives {right}, but you gave {found}."
    if given != IDS:
        return (
            "The result is right, but you changed the list that was given. Build a new one: others still need the old."
        )
    run = answer(list(RUN), (7, 7), 9)
    if run != [9, 7, 5, 9]:
        return f"From {RUN}, merging (7, 7) to 9 gives [9, 7, 5, 9], from left to right; you gave {run}."
    return None


@exercise("2.3", "Encode with merges")
def encode(answer: Callable[[str, dict[tuple[int, int], int]], Any]) -> str | None:
    """`answer(text, merges)` are the ids of a text: its bytes, merged in the order in which the merges were learned."""
    merges = {(98, 99): 256, (97, 98): 257, (256, 100): 258}  # bc, ab, bcd
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
