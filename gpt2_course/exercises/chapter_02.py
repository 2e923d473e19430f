"""The exercises of chapter 2: the tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.watch import STEPS, Stopped

Ids = list[int]
Pair = tuple[int, int]
Merges = dict[Pair, int]

# in each, one pair alone is the most frequent; in the second, (1, 2) and (2, 1) are together more frequent
LISTS = (
    [1, 2, 3, 1, 2, 3, 3, 1, 2, 4, 2, 4, 2],
    [1, 2, 1, 2, 1, 3, 1, 6, 4, 3, 1, 3, 1, 6, 4],
    [9, 8, 5, 6, 5, 6],
)
MERGES = {(98, 99): 256, (97, 98): 257, (256, 100): 258}  # bc, ab, bcd
CROSSED_MERGES = {(98, 99): 256, (97, 98): 257, (99, 97): 258}  # bc, ab, ca
MORE_MERGES = {(97, 97): 256, (195, 169): 257, (32, 98): 258, (256, 256): 259, (258, 257): 260}  # aa, é, " b", …


def _first(counts: Iterable[tuple[Any, int]]) -> Any:
    return next(iter(counts))[0]


@exercise("2.1", "The most frequent pair")
def most_frequent_pair(answer: Callable[[Ids], Any]) -> str | None:
    """`answer(ids)` returns the most frequent pair of neighboring IDs."""

    def right(ids: Ids) -> Any:
        return _first(Counter(pairwise(ids)).most_common(1))

    usual: dict[str, Callable[[Ids], Any]] = {
        "This is the pair together with its count. Return only the pair, the first of the two.": lambda ids: Counter(
            pairwise(ids)
        ).most_common(1)[0],
        "This is a list with one entry, the pair together with its count. Return only the pair.": lambda ids: Counter(
            pairwise(ids)
        ).most_common(1),
        "This is the count of the most frequent pair. Return the pair itself.": lambda ids: max(
            Counter(pairwise(ids)).values()
        ),
        "You count (1, 2) and (2, 1) as the same pair. Keep the order of neighbors.": lambda ids: _first(
            Counter((min(pair), max(pair)) for pair in pairwise(ids)).most_common(1)
        ),
        "The two IDs are reversed. Keep the order of neighbors.": lambda ids: right(ids)[::-1],
        "This is the rarest pair, not the most frequent one.": lambda ids: Counter(pairwise(ids)).most_common()[-1][0],
        "These are the two most frequent IDs, but they are rarely neighbors. Count pairs, not IDs.": lambda ids: tuple(
            i for i, _ in Counter(ids).most_common(2)
        ),
        "You moved two IDs at a time, so you skipped every second pair.": lambda ids: _first(
            Counter(zip(ids[::2], ids[1::2], strict=False)).most_common(1)
        ),
        "These are pairs of IDs that are two places apart. Pair each ID with the next one.": lambda ids: _first(
            Counter(zip(ids, ids[2:], strict=False)).most_common(1)
        ),
        "This is the largest pair, whatever its count. Compare the counts: max(counts, key=counts.get).": lambda ids: (
            max(pairwise(ids))
        ),
        "This is the first pair. Count all pairs, and return the most frequent one.": lambda ids: tuple(ids[:2]),
        "This is the last pair. Count all pairs, and return the most frequent one.": lambda ids: tuple(ids[-2:]),
    }
    return compare(answer, [(ids,) for ids in LISTS], right, usual, "one pair, such as (1, 2)")


def _split_once(ids: Ids, merges: Merges) -> Ids:
    parts = {new_id: pair for pair, new_id in merges.items()}
    return [part for i in ids for part in parts.get(i, (i,))]


def _bytes_of(ids: Ids, merges: Merges, swap: bool = False) -> bytes:
    parts = {new_id: pair[::-1] if swap else pair for pair, new_id in merges.items()}
    return b"".join(_bytes_of(list(parts[i]), merges, swap) if i in parts else bytes([i]) for i in ids)


@exercise("2.2", "Decode with merges")
def decode(answer: Callable[[Ids, Merges], Any]) -> str | None:
    """`answer(ids, merges)` returns the text; the ID of a byte is its value."""
    inputs: list[tuple[Ids, Merges]] = [
        *((ids, MERGES) for ids in ([104, 105], [257, 99], [97, 258], [195, 169], [])),
        *((ids, MORE_MERGES) for ids in ([259, 97], [260, 256], [195, 169])),
    ]
    usual: dict[str, Callable[[Ids, Merges], Any] | tuple[Callable[[Ids, Merges], Any], ...]] = {
        "These are bytes. One step is missing: turn them into text with .decode().": _bytes_of,
        "'é' consists of two bytes, [195, 169]. Join all bytes, then decode once.": lambda ids, merges: "".join(
            _bytes_of([i], merges).decode(errors="replace") for i in ids
        ),
        "'é' consists of two bytes, [195, 169]. chr() turns each byte into a letter of its own. Use .decode().": (
            lambda ids, merges: _bytes_of(ids, merges).decode("latin-1")
        ),
        "The parts of a merged ID are reversed. Put the bytes of its left part first.": lambda ids, merges: _bytes_of(
            ids, merges, swap=True
        ).decode(),
        "The parts of each merged ID are reversed. Put the bytes of its left part first.": lambda ids, merges: (
            _bytes_of(ids, merges, swap=True).decode(errors="replace")
        ),
        "An ID above 255 is the ID of a merge, not a character. Replace it with the bytes of its two parts.": (
            lambda ids, merges: "".join(map(chr, ids))
        ),
        "merges goes from pair to ID. To look up an ID, turn it around: {new_id: pair}.": (
            lambda ids, merges: [merges[i] for i in ids if i > 255]  # type: ignore[index]
        ),
        "A merge may consist of other merges: 258 is 256 and 100, and 256 has two parts, too. Keep splitting until "
        "only bytes are left.": (
            lambda ids, merges: "".join(map(chr, _split_once(ids, merges))),
            lambda ids, merges: bytes(_split_once(ids, merges)).decode(),
        ),
        "An ID above 255 is the ID of a merge, not a byte. Replace it with the bytes of its two parts.": (
            lambda ids, merges: bytes(ids).decode()
        ),
        "You left out the merged IDs. Replace each with the bytes of its two parts.": lambda ids, merges: bytes(
            i for i in ids if i < 256
        ).decode(errors="replace"),
        "This is a list of pieces. Join their bytes, and decode once.": lambda ids, merges: [
            _bytes_of([i], merges).decode(errors="replace") for i in ids
        ],
        "These are bytes written out, b'…'. Use .decode() instead of str().": lambda ids, merges: str(
            _bytes_of(ids, merges)
        ),
        "The IDs are reversed. Start from the first one.": lambda ids, merges: _bytes_of(ids[::-1], merges).decode(
            errors="replace"
        ),
    }
    return compare(answer, inputs, bricks.decode, usual) or _half_a_character(answer)


def _half_a_character(answer: Callable[[Ids, Merges], Any]) -> str | None:
    """The mistake in decoding the first of two bytes of a character."""
    advice = 'Half a character, such as the byte 195 alone, must become “�”: .decode(errors="replace").'
    try:
        return None if answer([97, 195], dict(MERGES)) == "a\ufffd" else advice
    except Stopped:
        return advice


def _encode_by(text: str, merges: Merges, key: Callable[[Pair, list[Pair]], Any], rounds: int = 100) -> Ids:
    """Encode, but merge the known pair with the smallest key first."""
    ids = list(text.encode())
    for _ in range(rounds):
        pairs = list(pairwise(ids))
        known = [pair for pair in pairs if pair in merges]
        if not known:
            break
        first = min(known, key=lambda pair: key(pair, pairs))
        ids = bricks.merge(ids, first, merges[first])
    return ids


def _encode_once(text: str, merges: Merges, sort: bool) -> Ids:
    """Merge only the pairs that are in the text before any merge, in the order of the merges or of the text."""
    ids = list(text.encode())
    known = [pair for pair in dict.fromkeys(pairwise(ids)) if pair in merges]
    for pair in sorted(known, key=merges.__getitem__) if sort else known:
        ids = bricks.merge(ids, pair, merges[pair])
    return ids


def _never_ends(text: str, merges: Merges) -> Ids:
    raise TimeoutError(f"still running after {STEPS:,} lines")


def _one_occurrence(text: str, merges: Merges) -> Ids:
    ids = list(text.encode())
    for pair, new_id in merges.items():
        places = [i for i, found in enumerate(pairwise(ids)) if found == pair]
        if places:
            ids[places[0] : places[0] + 2] = [new_id]
    return ids


@exercise("2.3", "Encode with merges")
def encode(answer: Callable[[str, Merges], Any]) -> str | None:
    """`answer(text, merges)` returns the IDs of a text: its bytes, merged in the order in which merges were learned."""
    inputs: list[tuple[str, Merges]] = [
        *((text, MERGES) for text in ("abcd", "ab", "bcbc", "", "é", "a", "abcab")),
        *((text, CROSSED_MERGES) for text in ("bcab", "cabc", "bcaca")),
        *((text, MORE_MERGES) for text in ("aaaaaa", "aaa", " bébé", "é bé", "caaab")),
    ]
    usual: dict[str, Callable[[str, Merges], Any] | tuple[Callable[[str, Merges], Any], ...]] = {
        "In 'abcd', you merged 'ab' first, because it comes first. But 'bc' was learned earlier: of all pairs in the "
        "text, merge the one with the smallest new ID.": lambda text, merges: _encode_by(
            text, merges, lambda pair, pairs: pairs.index(pair)
        ),
        "You merged the pair that was learned last. Of all pairs in the text, merge the one with the smallest new "
        "ID.": lambda text, merges: _encode_by(text, merges, lambda pair, pairs: -merges[pair]),
        "You merged the smallest pair. Of all pairs in the text, merge the one with the smallest new ID.": (
            lambda text, merges: _encode_by(text, merges, lambda pair, pairs: pair)
        ),
        "You merged the most frequent pair. That is how merges are learned; to encode, merge the pair with the "
        "smallest new ID.": lambda text, merges: _encode_by(text, merges, lambda pair, pairs: -pairs.count(pair)),
        "One round is not enough. In 'abcd', once 'bc' has become 256, there is a new pair, (256, 100). Repeat.": (
            lambda text, merges: _encode_by(text, merges, lambda pair, pairs: merges[pair], rounds=1)
        ),
        "You looked for pairs only once. A merge makes new neighbors: look again after each one.": (
            lambda text, merges: _encode_once(text, merges, sort=True),
            lambda text, merges: _encode_once(text, merges, sort=False),
        ),
        "Return when no pair of neighbors is in merges.": _never_ends,
        "When no pair is left to merge, min has nothing to choose from. Return before that.": (
            lambda text, merges: min([])
        ),
        "These are letters. Start from the bytes: list(text.encode()).": lambda text, merges: list(text),
        "'é' is two bytes in UTF-8, [195, 169]. ord() returns its Unicode number. Use text.encode().": (
            lambda text, merges: bricks.encode(text, merges) if text.isascii() else _encode_characters(text, merges)
        ),
        "In 'bcbc', the pair occurs twice. Merge every occurrence.": _one_occurrence,
        "Nothing was merged: these are the bytes of the text.": lambda text, merges: list(text.encode()),
        "These are bytes. Start from a list of numbers, list(text.encode()), and merge pairs in it.": (
            lambda text, merges: text.encode()
        ),
    }
    return compare(answer, inputs, bricks.encode, usual)


def _encode_characters(text: str, merges: Merges) -> Ids:
    ids = list(map(ord, text))
    for pair, new_id in merges.items():
        ids = bricks.merge(ids, pair, new_id)
    return ids


def _merge_without_skipping(ids: Ids, pair: Pair, new_id: int) -> Ids:
    """Append the new ID for each pair, and nothing for the second half of a pair, even of one that overlaps."""
    here = [found == pair for found in pairwise(ids)]
    return [
        new_id if i < len(here) and here[i] else old
        for i, old in enumerate(ids)
        if (i < len(here) and here[i]) or not (i and here[i - 1])
    ]


def _merge_first(ids: Ids, pair: Pair, new_id: int, last: bool = False) -> Ids:
    places = [i for i, found in enumerate(pairwise(ids)) if found == pair]
    if not places:
        return ids
    i = places[-1 if last else 0]
    return [*ids[:i], new_id, *ids[i + 2 :]]


def _merge_without_the_last(ids: Ids, pair: Pair, new_id: int) -> Ids:
    """Look only at places where a pair can start."""
    merged, i = [], 0
    while i < len(ids) - 1:
        here = (ids[i], ids[i + 1]) == pair
        merged.append(new_id if here else ids[i])
        i += 2 if here else 1
    return merged


@exercise("2.4", "Merge")
def merge(answer: Callable[[Ids, Pair, int], Any]) -> str | None:
    """`answer(ids, pair, new_id)` returns a list in which every occurrence of the pair is replaced by `new_id`."""
    inputs = [
        ([1, 2, 3, 1, 2], (1, 2), 300),
        ([1, 1, 1], (1, 1), 256),
        ([7, 5, 5, 5, 5, 5, 7], (5, 5), 258),
        ([2, 1, 2, 1, 1, 2, 2], (1, 2), 257),
        ([4, 9], (4, 9), 261),
        ([9, 4], (4, 9), 261),
        ([4], (4, 9), 261),
        ([], (4, 9), 261),
    ]
    usual: dict[str, Callable[[Ids, Pair, int], Any]] = {
        "In [1, 1, 1], the second 1 belongs to the first pair, so it cannot be used again: the result is [256, 1]. "
        "After a merge, continue after both IDs.": _merge_without_skipping,
        "You work from right to left, so [1, 1, 1] becomes [1, 256]. Go from left to right: [256, 1].": (
            lambda ids, pair, new_id: bricks.merge(ids[::-1], pair[::-1], new_id)[::-1]
        ),
        "The right half of the pair is still there. After a merge, skip both IDs.": lambda ids, pair, new_id: [
            new_id if found == pair else found[0] for found in pairwise([*ids, -1])
        ],
        "The right half of the pair is still there, and the last ID is missing. Skip both IDs after a merge, and go on "
        "to the last ID.": lambda ids, pair, new_id: [new_id if found == pair else found[0] for found in pairwise(ids)],
        "You put the pair itself into the list. Put the new ID in its place.": lambda ids, pair, new_id: [
            pair if i == new_id else i for i in bricks.merge(ids, pair, new_id)
        ],
        "You put a list into the list. Put in the new ID, a number: append(new_id).": lambda ids, pair, new_id: [
            [i] if i == new_id else i for i in bricks.merge(ids, pair, new_id)
        ],
        "You merged only the first occurrence. Merge all of them.": _merge_first,
        "You merged only the last occurrence. Merge all of them.": lambda ids, pair, new_id: _merge_first(
            ids, pair, new_id, last=True
        ),
        "The last ID is lost if it does not belong to a pair.": _merge_without_the_last,
        "A pair at the very end is not merged. What is the last place where a pair can start?": lambda ids, pair, n: (
            bricks.merge(ids[:-1], pair, n) + ids[-1:]
        ),
        "The last ID has no neighbor: check that i + 1 < len(ids).": lambda ids, pair, new_id: [
            (ids[i], ids[i + 1]) for i in range(len(ids))
        ],
        "You replaced each of the two IDs wherever it occurs. Replace only the two of them side by side.": (
            lambda ids, pair, new_id: [new_id if i in pair else i for i in ids]
        ),
        "You also merged the reversed pair, (2, 1) in place of (1, 2). Keep the order.": lambda ids, pair, new_id: (
            bricks.merge(bricks.merge(ids, pair, new_id), pair[::-1], new_id)
        ),
        "You removed the pair. Put the new ID in its place.": lambda ids, pair, new_id: [
            i for i in bricks.merge(ids, pair, new_id) if i != new_id
        ],
        "Nothing was merged. A list is never equal to a tuple: compare (ids[i], ids[i + 1]) with pair.": (
            lambda ids, pair, new_id: ids
        ),
    }
    return compare(answer, inputs, bricks.merge, usual)
