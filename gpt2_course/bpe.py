"""Learning a vocabulary by byte-pair encoding: count pairs, merge the most frequent one, repeat."""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush
from itertools import pairwise

# GPT-2 numbers the 256 bytes in its own order: those that are visible characters in Latin-1 come first.
VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTE_OF_ID = bytes(VISIBLE + sorted(set(range(256)) - set(VISIBLE)))
ID_OF_BYTE = bytes(map(BYTE_OF_ID.index, range(256)))
BYTES = [bytes([byte]) for byte in BYTE_OF_ID]  # the first 256 tokens


def learn_merges(pieces: Counter[str], n_merges: int) -> list[tuple[bytes, bytes]]:
    """The first `n_merges` merges learned from pieces and their counts, or fewer if no pairs are left.

    Each word is stored as a string with one character, chr(id), per token, so a pair is a string of two characters:
    `split` finds every occurrence of a pair in a word, and `join` puts the new token in its place.
    """
    words = [piece.encode().translate(ID_OF_BYTE).decode("latin-1") for piece in pieces]
    counts = list(pieces.values())
    pair_counts: defaultdict[str, int] = defaultdict(int)
    words_with: defaultdict[str, list[int]] = defaultdict(list)  # words that contain the pair, or once did
    for i, word in enumerate(words):
        for left, right in pairwise(word):
            pair_counts[left + right] += counts[i]
            words_with[left + right].append(i)

    # The top of the heap is the most frequent pair; strings sort by id, so ties go to the smaller ids.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapify(heap)
    tokens = list(BYTES)
    merges: list[tuple[bytes, bytes]] = []
    while heap and len(merges) < n_merges:
        negative_count, pair = heappop(heap)
        count = pair_counts[pair]
        if count != -negative_count:  # outdated, because merges have made the pair rarer: put it back in its new place
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
            # No need to recount the word: only the pairs next to a new token change.
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


def unreachable_token(merges: list[tuple[bytes, bytes]]) -> bytes | None:
    """A token that no text ever produces, because earlier merges use up its parts; None if there is none.

    Training never makes one. With such a token, results would depend on the implementation: some apply the pair that
    is first in the list of merges, others, like tiktoken, the pair whose merged token has the lowest id.
    """
    ids = {token: i for i, token in enumerate([*BYTES, *map(b"".join, merges)])}
    halves = {256 + i: (ids[left], ids[right]) for i, (left, right) in enumerate(merges)}
    made = {pair: token for token, pair in halves.items()}
    for token, (left, right) in halves.items():
        before = token  # a pair that makes a smaller id than this would be merged first
        while made.get((left, right), before) >= before and max(left, right) >= 256:
            # Undo the later of the merges that made left and right, and check whether a different pair would be joined.
            if left > right:
                before, left = left, halves[left][1]
            else:
                before, right = right + 1, halves[right][0]
        if made.get((left, right), before) < before:
            return b"".join(merges[token - 256])
    return None
