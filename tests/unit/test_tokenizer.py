"""The tokenizer: lossless on any text, the same ids as GPT-2, the same merges as the textbook algorithm."""

from __future__ import annotations

import copy
import doctest
import hashlib
import json
import pickle
import random
import re
import string
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
import tiktoken
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiktoken_ext.openai_public import r50k_pat_str

from gpt2_course import pieces as pieces_module
from gpt2_course import tokenizer as tokenizer_module
from gpt2_course.bpe import unreachable_token
from gpt2_course.tokenizer import END_OF_TEXT, Token, Tokenizer

SHAKESPEARE = Path(__file__).resolve().parents[3] / "shared/data/tinyshakespeare.txt"
MERGES = Path(tokenizer_module.__file__).parent / "assets/gpt2/merges.txt"
MERGES_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
# As in OpenAI's src/encoder.py.
GPT2_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

WORDS = "the they then he'll we've it's 1999 naïve 中文。 hop hop! \n\n  x\t\tthe end 😀😀 "
SPECIAL = ("<|endoftext|>", "<|user|>", "<|user|>!", "end of answer")

# Characters that are easy to get wrong: contractions, kinds of whitespace, digits, marks, several scripts, a recent
# letter (U+088F, since Unicode 17).
TRICKY = "ab'sltrevdm  \n\t\r\x1c\x85\xa0\u3000\u200b09½٣!?_<|>é\u0301ß中文。！ぁーж\u088f😀👨\u200d\x00\u00ad\ufeff"
texts = st.text(st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"])), max_size=60)
# The same without characters that are assigned in some libraries' versions of Unicode only.
assigned = st.one_of(
    st.sampled_from(TRICKY.replace("\u088f", "")),
    st.characters(exclude_categories=["Cs", "Cn", "Co"], max_codepoint=0x2FFF),
)


@pytest.fixture(scope="module")
def gpt2() -> Tokenizer:
    return Tokenizer.gpt2()


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return Tokenizer.train(WORDS * 3, 330, SPECIAL)


@pytest.fixture(scope="module")
def reference() -> tiktoken.Encoding:
    """tiktoken's "gpt2" encoding, built from the merge table without our code; tiktoken itself would download it."""
    bytes_in_order = [i for i in range(256) if chr(i).isprintable() and chr(i) != " "]
    byte_of = {chr(i): i for i in bytes_in_order}
    for i in range(256):
        if i not in bytes_in_order:
            byte_of[chr(256 + len(byte_of) - 188)] = i
    ranks = {bytes([byte]): rank for rank, byte in enumerate(byte_of.values())}
    for line in MERGES.read_text("utf-8").split("\n")[1:-1]:
        ranks[bytes(byte_of[character] for character in line.replace(" ", ""))] = len(ranks)
    return tiktoken.Encoding(
        "gpt2-reference",
        explicit_n_vocab=50257,
        pat_str=r50k_pat_str,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: 50256},
    )


@pytest.fixture(scope="module")
def shakespeare() -> str:
    if not SHAKESPEARE.exists():
        pytest.skip("shared/data/tinyshakespeare.txt is not here")
    return SHAKESPEARE.read_text("utf-8")


def gpt2_spelling() -> dict[int, str]:
    """The spelling of each byte in GPT-2's files."""
    visible = [i for i in range(256) if chr(i).isprintable() and chr(i) != " "]
    hidden = [i for i in range(256) if i not in visible]
    return {i: chr(i) for i in visible} | {i: chr(256 + n) for n, i in enumerate(hidden)}


def textbook_merges(texts: Iterable[str], n_merges: int, special: Iterable[str] = ()) -> list[tuple[bytes, bytes]]:
    """Training in the simplest way: recount all pairs before every merge."""
    tokens = [bytes([byte]) for byte in gpt2_spelling()]
    words = []
    for text in texts:
        for name in special:
            text = text.replace(name, "\ue000")
        for document in text.split("\ue000"):
            words += [
                [tokens.index(bytes([b])) for b in piece.encode()] for piece in regex.findall(GPT2_PATTERN, document)
            ]
    merges = []
    for _ in range(n_merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        left, right = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append((tokens[left], tokens[right]))
        words = [merge(word, (left, right), len(tokens)) for word in words]
        tokens.append(tokens[left] + tokens[right])
    return merges


def textbook_encode(tokenizer: Tokenizer, text: str) -> list[bytes]:
    """Encoding in the simplest way: apply every merge, in order, to every piece."""
    ids = []
    for piece in regex.findall(GPT2_PATTERN, text):
        word = [bytes([byte]) for byte in piece.encode()]
        for pair in tokenizer.merges:
            word = merge(word, pair, b"".join(pair))
        ids += word
    return ids


def merge(word: list[Any], pair: tuple[Any, Any], new: Any) -> list[Any]:
    merged, i = [], 0
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        merged.append(new if found else word[i])
        i += 2 if found else 1
    return merged


def megabyte(kind: str) -> str:
    letters = random.Random(0).choices(string.ascii_lowercase, k=1_000_000)
    return {
        "one letter": "a" * 1_000_000,
        "two letters in turn": "ab" * 500_000,
        "random letters": "".join(letters),
        "signs": "!" * 1_000_000,
        "spaces": " " * 1_000_000,
        "spaces, then a word": "x" + " " * 1_500_000 + "word",
        "line ends, then a word": "x" + "\n" * 1_500_000 + "word",
        "spaces again and again": ("x" + " " * 70_000) * 15,
        "Chinese": "中" * 333_333,
    }[kind]


MEGABYTES = [
    "one letter",
    "two letters in turn",
    "random letters",
    "signs",
    "spaces",
    "spaces, then a word",
    "line ends, then a word",
    "spaces again and again",
    "Chinese",
]


# --- Text to ids and back


def test_the_example_in_the_module_docstring_is_correct() -> None:
    assert doctest.testmod(tokenizer_module) == (0, 4)


@given(text=texts)
def test_any_text_is_decoded_unchanged(small: Tokenizer, gpt2: Tokenizer, text: str) -> None:
    for tokenizer in (small, gpt2):
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.decode_bytes(tokenizer.encode(text)) == text.encode()
        assert tokenizer.decode(tokenizer.encode(text, allow_special=True)) == text


def test_every_character_is_decoded_unchanged(small: Tokenizer) -> None:
    everything = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)
    assert small.decode(small.encode(everything)) == everything


def test_the_256_bytes_alone_can_encode_any_text() -> None:
    bare = Tokenizer.train("", 257)
    assert len(bare) == 257
    assert bare.encode("!A é") == [0, 32, 220, 127, 102]
    assert bare.decode(bare.encode("naïve 中文 😀")) == "naïve 中文 😀"


@given(text=st.text(st.sampled_from("theyn '\n!ll中"), max_size=30))
def test_encode_equals_the_textbook_algorithm(small: Tokenizer, text: str) -> None:
    assert [token.bytes for token in small.tokens_of(text)] == textbook_encode(small, text)


@given(ids=st.lists(st.integers(0, 329)))
def test_invalid_utf_8_decodes_to_replacement_characters(small: Tokenizer, ids: list[int]) -> None:
    ids = [i % len(small) for i in ids]
    assert small.decode(ids) == small.decode_bytes(ids).decode("utf-8", errors="replace")


@given(ids=st.lists(st.integers(0, 329)))
def test_a_stream_of_ids_joins_to_the_decoded_text(small: Tokenizer, ids: list[int]) -> None:
    ids = [i % len(small) for i in ids]
    assert "".join(small.decode_stream(iter(ids))) == small.decode(ids)


def test_a_stream_of_ids_never_splits_a_character() -> None:
    bare = Tokenizer.train("", 257)
    ids = bare.encode("aé😀")
    assert list(bare.decode_stream(ids)) == ["a", "é", "😀"]
    assert list(bare.decode_stream(ids[:-1])) == ["a", "é", "\ufffd"]


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, torch.tensor])
def test_ids_can_be_any_sequence_of_integers(gpt2: Tokenizer, kind: Callable[[list[int]], Any]) -> None:
    assert gpt2.decode(kind([15496, 995, 0])) == "Hello world!"
    assert list(gpt2.decode_stream(kind([15496, 995, 0]))) == ["Hello", " world", "!"]


def test_empty_text_has_no_ids_and_vice_versa(gpt2: Tokenizer) -> None:
    assert gpt2.encode("") == gpt2.encode_batch([]) == list(gpt2.encode_iterable([])) == []
    assert gpt2.decode([]) == gpt2.decode(torch.tensor([])) == "".join(gpt2.decode_stream([])) == ""


def test_tokens_of_shows_text_id_and_bytes(gpt2: Tokenizer) -> None:
    assert gpt2.tokens_of("Hi 😀") == [
        Token("Hi", 17250, b"Hi"),
        Token(" \ufffd", 30325, b" \xf0\x9f\x98"),
        Token("\ufffd", 222, b"\x80"),
    ]


def test_a_batch_encodes_each_text_separately(gpt2: Tokenizer) -> None:
    batch = ["Hello world!", "", END_OF_TEXT]
    assert gpt2.encode_batch(iter(batch)) == [gpt2.encode(text) for text in batch]
    assert gpt2.encode_batch(batch, allow_special=True) == [[15496, 995, 0], [], [50256]]


@pytest.mark.parametrize("kind", MEGABYTES)
def test_a_piece_of_a_megabyte_is_encoded_like_any_other(
    gpt2: Tokenizer, reference: tiktoken.Encoding, kind: str
) -> None:
    text = megabyte(kind)
    ids = gpt2.encode(text)
    assert gpt2.decode(ids) == text
    assert list(gpt2.encode_iterable([text])) == ids
    if "then" not in kind:  # on the others, tiktoken itself fails
        assert ids == reference.encode_ordinary(text)


@pytest.mark.parametrize("space", [" ", "\n", "\u3000", "\x1c"])
@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 2**16 + 1, 2**17 + 1])
def test_long_whitespace_is_encoded_as_by_tiktoken(
    gpt2: Tokenizer, reference: tiktoken.Encoding, space: str, length: int
) -> None:
    for text in (
        f"a{space * length}",
        f"{space * length}a",
        f"a {space * length} b{space * length}\n'll",
        f"\x1c{space * length}!",
    ):
        assert gpt2.encode(text) == reference.encode_ordinary(text)


# --- GPT-2's tokenizer


def test_the_merge_table_is_openais() -> None:
    assert hashlib.sha256(MERGES.read_bytes()).hexdigest() == MERGES_SHA256


def test_gpt2_gives_well_known_ids(gpt2: Tokenizer) -> None:
    assert gpt2.encode("Hello world!") == [15496, 995, 0]
    assert gpt2.decode([3748, 995, 0]) == " unique world!"
    assert len(gpt2) == gpt2.vocab_size == 50257
    assert gpt2.end_of_text == gpt2.special_tokens[END_OF_TEXT] == 50256
    assert gpt2.merges[0] == (b" ", b"t")


def test_every_id_of_gpt2_has_the_same_bytes_as_in_tiktoken(gpt2: Tokenizer, reference: tiktoken.Encoding) -> None:
    assert [gpt2.decode_bytes([i]) for i in range(50257)] == [reference.decode_bytes([i]) for i in range(50257)]


@settings(max_examples=500)
@given(text=texts)
@example(text=" " * 1000 + "x")
@example(text="I'll  we'VE'd 's''s 1234567890½ \n\n \t end  ")
@example(text="👩‍👩‍👧‍👦🇩🇪 e\u0301 ß中文 \x1c\x1d \u00a0\u3000 x")
def test_gpt2_equals_tiktoken(gpt2: Tokenizer, reference: tiktoken.Encoding, text: str) -> None:
    assert gpt2.encode(text) == reference.encode_ordinary(text)


def test_gpt2_equals_tiktoken_on_shakespeare(gpt2: Tokenizer, reference: tiktoken.Encoding, shakespeare: str) -> None:
    assert gpt2.encode(shakespeare) == reference.encode_ordinary(shakespeare)


# --- Training


@settings(max_examples=150, deadline=None)
@given(
    documents=st.lists(st.text(st.sampled_from("aab' \n<1é中"), max_size=40), max_size=6),
    n_merges=st.integers(0, 40),
)
@example(documents=["aaaaaaa aaaa aaa", "aaaaa"], n_merges=10)
@example(documents=["abababab bababa", "aabbaabb"], n_merges=20)
def test_training_equals_the_textbook(documents: list[str], n_merges: int) -> None:
    trained = Tokenizer.train(documents, 258 + n_merges, ["a<b", "<|>"])
    assert trained.merges == textbook_merges(documents, n_merges, ["a<b", "<|>"])


def test_training_equals_the_textbook_on_shakespeare(shakespeare: str) -> None:
    text = shakespeare[:30_000]
    assert Tokenizer.train(text, 257 + 60).merges == textbook_merges([text], 60)


@given(documents=st.lists(st.text(st.sampled_from("ab '中\n"), max_size=20), max_size=6), seed=st.integers(0, 9))
def test_the_order_of_the_texts_does_not_matter(documents: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(documents, len(documents))
    assert Tokenizer.train(documents, 290) == Tokenizer.train(shuffled, 290)


def test_equally_frequent_pairs_are_merged_in_order_of_their_ids() -> None:
    assert Tokenizer.train("zy yx ba", 260).merges == [(b"b", b"a"), (b"y", b"x"), (b"z", b"y")]


def test_ids_are_bytes_then_merges_then_special_tokens() -> None:
    trained = Tokenizer.train("hop hop hopping", 261, ["<|a|>", "<|b|>"])
    assert trained.encode("!") == [0]
    assert trained.encode("ho") == [256]
    assert trained.special_tokens == {"<|a|>": 259, "<|b|>": 260}
    assert trained.end_of_text is None


def test_training_takes_a_text_a_list_or_a_generator(shakespeare: str) -> None:
    lines = shakespeare[:50_000].splitlines(keepends=True)
    from_list = Tokenizer.train(lines, 400)
    assert from_list == Tokenizer.train((line for line in lines), 400) == Tokenizer.train(iter(lines), 400)
    assert from_list.vocab_size == 400


def test_training_stops_when_no_pair_is_left() -> None:
    trained = Tokenizer.train(["hop hop"], 5000)
    assert trained.merges == [(b"h", b"o"), (b"ho", b"p"), (b" ", b"hop")]
    assert len(trained) == 260
    assert Tokenizer.train([], 5000) == Tokenizer.train("", 5000) == Tokenizer.train(iter(["", "a"]), 5000)


def test_training_never_merges_across_a_special_token() -> None:
    trained = Tokenizer.train(f"ab{END_OF_TEXT}cd{END_OF_TEXT}" * 50, 1000)
    assert set(trained.merges) == {(b"a", b"b"), (b"c", b"d")}
    assert Tokenizer.train("ab<|x|>cd<|x|>" * 50, 1000, ["<|x|>"]).merges == trained.merges


def test_training_keeps_only_distinct_pieces_in_memory() -> None:
    def stories() -> Iterator[str]:
        for _ in range(2000):
            yield "once upon a time there was a fox " * 100

    tracemalloc.start()
    Tokenizer.train(stories(), 300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the texts are 6.6 MB


@pytest.mark.parametrize("kind", MEGABYTES)
def test_training_works_on_a_piece_of_a_megabyte(kind: str) -> None:
    text = megabyte(kind)
    trained = Tokenizer.train(text, 300)
    assert trained.decode(trained.encode(text)) == text


def test_a_long_text_gives_the_same_merges_as_its_pieces(shakespeare: str) -> None:
    text = shakespeare[:200_000]
    assert Tokenizer.train(text, 300).merges == Tokenizer.train(regex.findall(GPT2_PATTERN, text), 300).merges


# --- Special tokens


def test_a_special_token_in_a_text_is_ordinary_text_unless_allowed(small: Tokenizer) -> None:
    text = "the<|user|>end"
    assert small.special_tokens["<|user|>"] not in small.encode(text)
    assert small.encode(text, allow_special=True) == [
        *small.encode("the"),
        small.special_tokens["<|user|>"],
        *small.encode("end"),
    ]


def test_the_longest_special_token_wins(small: Tokenizer) -> None:
    assert small.encode("<|user|>!<|user|>?", allow_special=True) == [
        small.special_tokens["<|user|>!"],
        small.special_tokens["<|user|>"],
        *small.encode("?"),
    ]


def test_special_tokens_come_last_and_decode_to_their_names(small: Tokenizer) -> None:
    assert list(small.special_tokens) == list(SPECIAL)
    assert list(small.special_tokens.values()) == list(range(len(small) - 4, len(small)))
    assert small.decode(small.special_tokens.values()) == "".join(SPECIAL)
    assert small.end_of_text == len(small) - 4


def test_a_tokenizer_without_special_tokens_works() -> None:
    plain = Tokenizer.train(WORDS, 300, [])
    assert plain.special_tokens == {}
    assert plain.end_of_text is None
    assert plain.encode(END_OF_TEXT, allow_special=True) == plain.encode(END_OF_TEXT)


# --- Streams of text


@settings(max_examples=500)
@given(text=texts, data=st.data())
@example(text="I'll go  to \n\n the  end", data=None)
def test_a_text_split_anywhere_has_the_ids_of_the_whole(
    small: Tokenizer, gpt2: Tokenizer, text: str, data: Any
) -> None:
    if data is None:
        pieces = list(text)
    else:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    assert "".join(pieces) == text
    for tokenizer in (small, gpt2):
        assert list(tokenizer.encode_iterable(iter(pieces))) == tokenizer.encode(text)
        assert list(tokenizer.encode_iterable(text)) == tokenizer.encode(text)


@pytest.mark.parametrize("block", [1, 2, 3, 7])
@given(text=texts)
def test_the_size_of_blocks_does_not_change_the_ids(gpt2: Tokenizer, block: int, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (pieces_module, tokenizer_module):
            patch.setattr(module, "CHARACTERS_PER_BLOCK", block)
        assert list(gpt2.encode_iterable([text])) == gpt2.encode(text)
        documents = text.split(END_OF_TEXT)  # the separator itself is not part of any document
        assert Tokenizer.train(text, 270).merges == textbook_merges(documents, 13)


@settings(max_examples=300)
@given(text=st.lists(st.one_of(texts, st.sampled_from([*SPECIAL, "<|", "end of "]))).map("".join), data=st.data())
def test_special_tokens_are_found_in_a_text_split_anywhere(small: Tokenizer, text: str, data: Any) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    ids = small.encode(text, allow_special=True)
    assert list(small.encode_iterable(iter(pieces), allow_special=True)) == ids
    assert list(small.encode_iterable(text, allow_special=True)) == ids


def test_a_stream_with_special_tokens_takes_constant_memory(small: Tokenizer) -> None:
    line = "the end<|user|>"
    list(small.encode_iterable([line], True))  # build the tables before measuring
    tracemalloc.start()
    count = sum(1 for _ in small.encode_iterable((line for _ in range(10_000)), allow_special=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000 * len(small.encode(line, True))
    assert peak < 100_000  # bytes, of a stream of 150,000


def test_the_position_of_a_lone_surrogate_counts_earlier_texts_and_special_tokens(small: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"U\+D800, at position 10: "):
        list(small.encode_iterable(["the<|user|", "\ud800>"], allow_special=True))


def test_an_open_file_has_the_ids_of_its_text(gpt2: Tokenizer, shakespeare: str) -> None:
    with SHAKESPEARE.open(encoding="utf-8") as file:
        assert list(gpt2.encode_iterable(file)) == gpt2.encode(shakespeare)


@pytest.mark.parametrize(
    "line", ["Once upon a time, there was a fox.\n", "x1,", "中文很好。", "deadbeef0", '{"a":[1,2]}', "a\t"]
)
def test_a_stream_of_text_takes_constant_memory(gpt2: Tokenizer, line: str) -> None:
    stream = (line * 1000 for _ in range(3_000_000 // 1000 // len(line)))
    list(gpt2.encode_iterable([line]))  # build the tables before measuring
    tracemalloc.start()
    count = sum(1 for _ in gpt2.encode_iterable(stream))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 600_000
    assert peak < 3_000_000  # bytes, of a stream of three to seven million


def test_ids_are_yielded_as_soon_as_a_piece_is_complete(gpt2: Tokenizer) -> None:
    def typing() -> Iterator[str]:
        for character in "Hello world, it'll rain":
            typed.append(character)
            yield character

    typed: list[str] = []
    ids = gpt2.encode_iterable(typing())
    assert gpt2.decode([next(ids)]) == "Hello"
    assert "".join(typed) == "Hello "


# --- Files


@pytest.mark.parametrize("special", [[END_OF_TEXT], [], ["<s>"], SPECIAL, ["\n", "ü <a>", END_OF_TEXT]])
def test_a_saved_tokenizer_loads_unchanged(tmp_path: Path, special: list[str]) -> None:
    trained = Tokenizer.train(WORDS, 300, special)
    trained.save(tmp_path / "new" / "folder")
    assert Tokenizer.load(str(tmp_path / "new" / "folder")) == trained


def test_gpt2_loads_unchanged_and_its_files_equal_openais(tmp_path: Path, gpt2: Tokenizer) -> None:
    gpt2.save(tmp_path)
    assert (tmp_path / "merges.txt").read_bytes() == MERGES.read_bytes()
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1024}')  # as in Hugging Face's folder
    assert Tokenizer.load(tmp_path) == gpt2
    (tmp_path / "tokenizer_config.json").unlink()
    assert Tokenizer.load(tmp_path) == gpt2


@pytest.mark.parametrize("first", [0, 1])  # with or without the version line
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_may_have_other_line_endings_a_byte_order_mark_or_no_version_line(
    tmp_path: Path, small: Tokenizer, first: int, end: bytes, mark: bytes
) -> None:
    small.save(tmp_path)
    lines = (tmp_path / "merges.txt").read_bytes().split(b"\n")
    (tmp_path / "merges.txt").write_bytes(mark + end.join(lines[first:]))
    for name in ("vocab.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes(mark + (tmp_path / name).read_bytes().replace(b"\n", end))
    assert Tokenizer.load(tmp_path) == small


def test_a_merge_of_hash_signs_is_not_a_comment(tmp_path: Path) -> None:
    trained = Tokenizer.train("#### ####", 260)
    trained.save(tmp_path)
    assert Tokenizer.load(tmp_path) == trained


def test_an_interrupted_save_keeps_the_old_files(
    tmp_path: Path, small: Tokenizer, gpt2: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.save(tmp_path)

    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="no space left"):
        gpt2.save(tmp_path)
    assert Tokenizer.load(tmp_path) == small
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "tokenizer_config.json", "vocab.json"]


@pytest.mark.parametrize("special", [[END_OF_TEXT], [], ["<s>", "</s>"], SPECIAL])
@settings(max_examples=60, deadline=None)
@given(text=st.lists(st.one_of(st.text(assigned, max_size=20), st.sampled_from(["<s>", *SPECIAL]))).map("".join))
def test_transformers_gives_the_same_ids_for_a_saved_tokenizer(
    tmp_path_factory: pytest.TempPathFactory, special: list[str], text: str
) -> None:
    ours, theirs = with_transformers(tmp_path_factory, tuple(special))
    ids = ours.encode(text, allow_special=True)
    assert theirs.encode(text) == ids
    assert theirs.decode(ids) == text
    assert len(theirs) == len(ours)


PAIRS: dict[tuple[str, ...], tuple[Tokenizer, Any]] = {}


def with_transformers(tmp_path_factory: pytest.TempPathFactory, special: tuple[str, ...]) -> tuple[Tokenizer, Any]:
    """A tokenizer, and the one that transformers loads from its folder."""
    if special not in PAIRS:
        from transformers import GPT2TokenizerFast

        ours = Tokenizer.gpt2() if special == ("gpt2",) else Tokenizer.train(WORDS * 3, 300 + len(special), special)
        folder = tmp_path_factory.mktemp("saved")
        ours.save(folder)
        PAIRS[special] = ours, GPT2TokenizerFast.from_pretrained(folder)
    return PAIRS[special]


@settings(max_examples=100, deadline=None)
@given(text=st.text(assigned, max_size=60))
def test_transformers_gives_the_same_ids_for_gpt2(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    ours, theirs = with_transformers(tmp_path_factory, ("gpt2",))
    assert theirs.encode(text) == ours.encode(text)
    assert theirs.eos_token_id == ours.end_of_text


def test_auto_tokenizer_finds_the_class(tmp_path: Path, small: Tokenizer) -> None:
    from transformers import AutoTokenizer

    small.save(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).encode(WORDS) == small.encode(WORDS)


# --- Files of other libraries


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a tokenizer trained by the library tokenizers and saved by transformers. Its special tokens come
    first, and others were added."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2TokenizerFast

    folder = tmp_path_factory.mktemp("foreign")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([WORDS * 3], vocab_size=330, special_tokens=[END_OF_TEXT, "<unk>"])
    trained.save(str(folder / "trained.json"))
    theirs = GPT2TokenizerFast(tokenizer_file=str(folder / "trained.json"))
    theirs.add_special_tokens({"pad_token": "<pad>"})
    theirs.add_tokens(["zebra", "zebras "])
    theirs.save_pretrained(folder)
    (folder / "trained.json").unlink()
    return folder


def copied(folder: Path, to: Path, change: Callable[[dict[str, Any]], object] = lambda whole: None) -> Path:
    to.mkdir(exist_ok=True)
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    whole = json.loads((to / "tokenizer.json").read_text("utf-8"))
    change(whole)
    (to / "tokenizer.json").write_text(json.dumps(whole), "utf-8")
    return to


@settings(max_examples=100, deadline=None)
@given(text=st.lists(st.one_of(st.text(assigned, max_size=20), st.sampled_from([END_OF_TEXT, "zebras ", "<pad>"]))))
@example(text=["zebras", " the zebra ", "the"])
def test_a_tokenizer_json_gives_the_same_ids_as_in_transformers(foreign: Path, text: list[str]) -> None:
    from transformers import GPT2TokenizerFast

    if foreign not in FOREIGN:
        FOREIGN[foreign] = Tokenizer.load(foreign), GPT2TokenizerFast.from_pretrained(foreign)
    ours, theirs = FOREIGN[foreign]
    joined = "".join(text)
    ids = ours.encode(joined, allow_special=True)
    assert theirs.encode(joined) == ids
    assert list(ours.encode_iterable(text, allow_special=True)) == ids
    assert ours.decode(ids) == joined
    assert len(theirs) == len(ours)


FOREIGN: dict[Path, tuple[Tokenizer, Any]] = {}


def test_added_words_are_recognized_in_any_text_but_special_tokens_are_not(foreign: Path) -> None:
    ours = Tokenizer.load(foreign)
    assert ours.special_tokens == {END_OF_TEXT: 0, "<unk>": 1} | ours.special_tokens
    assert ours.words == {"zebra", "zebras "}
    assert ours.end_of_text == 0
    assert ours.encode("the zebra")[-1] == ours.special_tokens["zebra"]
    assert list(ours.encode_iterable("the zebra")) == ours.encode("the zebra")
    assert ours.special_tokens["<pad>"] not in ours.encode("the <pad>")


def test_a_foreign_tokenizer_survives_saving_here_and_in_transformers(foreign: Path, tmp_path: Path) -> None:
    from transformers import GPT2TokenizerFast

    ours = Tokenizer.load(foreign)
    ours.save(copied(foreign, tmp_path))
    assert not (tmp_path / "tokenizer.json").exists()  # transformers would still prefer it
    assert Tokenizer.load(tmp_path) == ours
    assert pickle.loads(pickle.dumps(ours)) == ours
    text = "the zebra's end<pad> zebras <unk>"
    theirs = GPT2TokenizerFast.from_pretrained(tmp_path)
    assert theirs.encode(text) == GPT2TokenizerFast.from_pretrained(foreign).encode(text)
    assert theirs.eos_token == END_OF_TEXT


def test_older_versions_of_tokenizer_json_are_read(foreign: Path, tmp_path: Path) -> None:
    def as_in_2020(whole: dict[str, Any]) -> None:
        whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]
        for part, name in (("model", "type"), ("model", "ignore_merges"), ("pre_tokenizer", "use_regex")):
            whole[part].pop(name, None)

    assert Tokenizer.load(copied(foreign, tmp_path, as_in_2020)) == Tokenizer.load(foreign)


def test_added_tokens_next_to_merges_txt_are_read(tmp_path: Path, small: Tokenizer) -> None:
    small.save(tmp_path)
    n = len(small)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<pad>": n, "zebra": n + 1}))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": {"content": "<pad>", "lstrip": False}}))
    ours = Tokenizer.load(tmp_path)
    assert ours.special_tokens == {**small.special_tokens, "<pad>": n, "zebra": n + 1}
    assert ours.words == {"zebra"}
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<pad>": n + 1}))
    with pytest.raises(ValueError, match=r"'<pad>' the id 308, but its 308 tokens must have the ids 0 to 307, .*\.$"):
        Tokenizer.load(tmp_path)


def test_the_settings_in_a_folder_name_the_token_that_ends_a_document(tmp_path: Path) -> None:
    trained = Tokenizer.train(WORDS, 300, ["<s>", "</s>"])
    trained.save(tmp_path)
    assert trained.end_of_text is None
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": "</s>"}')
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    ours = Tokenizer.load(tmp_path)
    assert ours.end_of_text == ours.special_tokens["</s>"]
    ours.save(tmp_path)
    assert Tokenizer.load(tmp_path) == ours


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: whole["model"].update(type="WordPiece"), "model.type='WordPiece', not 'BPE' as in"),
        (lambda whole: whole["model"].update(dropout=0.1), "model.dropout=0.1, not None as in"),
        (lambda whole: whole["model"].update(byte_fallback=True), "model.byte_fallback=True, not None as in"),
        (lambda whole: whole["model"].update(ignore_merges=True), "model.ignore_merges=True, not None as in"),
        (
            lambda whole: whole["model"].update(end_of_word_suffix="</w>"),
            "model.end_of_word_suffix='</w>', not None as in",
        ),
        (lambda whole: whole.update(normalizer={"type": "NFC"}), "normalizer.type='NFC', not None as in"),
        (lambda whole: whole.update(pre_tokenizer=None), "pre_tokenizer.type=None, not 'ByteLevel' as in"),
        (
            lambda whole: whole["pre_tokenizer"].update(type="Sequence"),
            "pre_tokenizer.type='Sequence', not 'ByteLevel' as in",
        ),
        (
            lambda whole: whole["pre_tokenizer"].update(add_prefix_space=True),
            "pre_tokenizer.add_prefix_space=True, not False as in",
        ),
        (lambda whole: whole["pre_tokenizer"].update(use_regex=False), "pre_tokenizer.use_regex=False, not True as in"),
        (
            lambda whole: whole.update(post_processor={"type": "TemplateProcessing", "special_tokens": {"<s>": {}}}),
            "post_processor.special_tokens={'<s>': {}}, not None as in",
        ),
        (lambda whole: whole.update(decoder={"type": "Metaspace"}), "decoder.type='Metaspace', not 'ByteLevel' as in"),
        (lambda whole: whole["model"].pop("vocab"), "tokenizer.json has no vocabulary with merges: get a new copy."),
        (lambda whole: whole["model"].pop("merges"), "tokenizer.json has no vocabulary with merges: get a new copy."),
        (
            lambda whole: whole["model"]["merges"].append(["a", 5]),
            "must be two tokens with a space between them, but is",
        ),
        (lambda whole: whole["model"]["vocab"].pop("A"), "but its "),
        (
            lambda whole: whole["model"]["vocab"].update(new=len(whole["model"]["vocab"]) + 3),
            "contains the token 'new', which",
        ),
        (
            lambda whole: whole["added_tokens"][0].update(id=1),
            "gives '<|endoftext|>' the ids 0 and 1: get a new copy.",
        ),
        (
            lambda whole: whole["added_tokens"][0].update(lstrip=True),
            "has lstrip=true, which GPT-2's tokenizer does not support: use another tokenizer.",
        ),
        (lambda whole: whole["model"]["merges"].append(["x", "q"]), "the id 303, but tokenizer.json lacks it"),
        (
            lambda whole: whole["model"]["merges"].append(whole["model"]["merges"][0]),
            "makes a token that already exists",
        ),
    ],
)
def test_a_tokenizer_of_another_kind_is_rejected_with_the_reason(
    foreign: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Tokenizer.load(copied(foreign, tmp_path, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["add_prefix_space", "add_bos_token"])
def test_a_tokenizer_that_adds_to_a_text_is_rejected(tmp_path: Path, small: Tokenizer, setting: str) -> None:
    small.save(tmp_path)
    damage(tmp_path, "tokenizer_config.json", lambda text: json.dumps({**json.loads(text), setting: True}))
    with pytest.raises(ValueError, match=f"says {setting}=true, but GPT-2's tokenizer adds nothing to a text: use"):
        Tokenizer.load(tmp_path)


def test_merges_with_an_unreachable_token_are_rejected(tmp_path: Path) -> None:
    """Implementations disagree about them: one encodes "abc" as "ab" and "c", another as "abc"."""
    Tokenizer([(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")]).save(tmp_path)
    with pytest.raises(ValueError, match=r"never make b'abc', because earlier merges use up its parts: .*\.$"):
        Tokenizer.load(tmp_path)


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("aab' \n<1é中"), max_size=200), n_merges=st.integers(0, 60))
def test_training_makes_no_unreachable_token(text: str, n_merges: int) -> None:
    assert unreachable_token(Tokenizer.train(text, 257 + n_merges).merges) is None


@settings(max_examples=200)
@given(data=st.data())
def test_without_unreachable_tokens_ids_equal_those_of_the_tokenizers_library(data: Any) -> None:
    """For any list of merges, not only trained ones: the ids differ exactly if a token is unreachable."""
    from tokenizers import Tokenizer as Theirs
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = [b"a", b"b", b"c"]
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(data.draw(st.integers(1, 8))):
        pair = data.draw(st.tuples(st.sampled_from(tokens), st.sampled_from(tokens)))
        if b"".join(pair) not in tokens:
            merges.append(pair)
            tokens.append(b"".join(pair))
    ours = Tokenizer(merges, [])
    spelled = {"".join(map(chr, token)): i for token, i in ours.ordinary.items() if token.isalnum() and token.isascii()}
    theirs = Theirs(BPE(spelled, [(left.decode(), right.decode()) for left, right in merges]))
    theirs.pre_tokenizer = ByteLevel(add_prefix_space=False)
    words = [token.decode() for token in tokens] + data.draw(st.lists(st.text("abc", max_size=12), max_size=5))
    if unreachable_token(merges) is None:
        assert [theirs.encode(word).ids for word in words] == ours.encode_batch(words)
    else:
        assert [theirs.encode(word).ids for word in words] != ours.encode_batch(words)


# --- Copies, equality, and repr


def test_copies_and_pickles_are_equal_and_work(small: Tokenizer) -> None:
    small.encode("the")  # build tiktoken's tables, which must not be copied
    for twin in (copy.deepcopy(small), copy.copy(small), pickle.loads(pickle.dumps(small))):
        assert twin == small
        assert twin.encode(WORDS) == small.encode(WORDS)
    assert len(pickle.dumps(small)) < 3000


def test_tokenizers_are_equal_if_their_merges_and_special_tokens_are() -> None:
    trained = Tokenizer.train(WORDS, 300)
    assert trained == Tokenizer(trained.merges)
    assert trained != Tokenizer(trained.merges[:-1])
    assert trained != Tokenizer(trained.merges, ["<s>"])
    assert trained != Tokenizer(trained.merges, {END_OF_TEXT: 0})
    assert trained != Tokenizer(trained.merges, words=[END_OF_TEXT])
    assert trained != "trained"


def test_repr_shows_the_size_and_the_special_tokens(gpt2: Tokenizer) -> None:
    assert repr(gpt2) == "Tokenizer(vocab_size=50257, special_tokens=['<|endoftext|>'])"


# --- Errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Tokenizer.train("a", 256),
            ValueError,
            r"from 257 \(256 bytes and 1 special tokens\) .* but is 256\.$",
        ),
        (lambda: Tokenizer.train("a", 257, ["<a>", "<b>"]), ValueError, r"from 258 .* but is 257\.$"),
        (lambda: Tokenizer.train("a", 300.0), ValueError, r"an integer .* but is 300\.0\.$"),
        (lambda: Tokenizer.train("a", 2_000_000), ValueError, r"to 1114112, but is 2000000\.$"),
        (lambda: Tokenizer.train("a", 300, ["<a>", "<a>"]), ValueError, r"special token '<a>' is given twice: .*\.$"),
        (lambda: Tokenizer.train("a", 300, [""]), ValueError, r"special token '' is empty: .*\.$"),
        (lambda: Tokenizer.train("a", 300, "<a>"), TypeError, r"must be a list, but is the str '<a>': write .*\.$"),
        (lambda: Tokenizer.train("a", 300, [7]), TypeError, r"must be a str, but is 7: .*\.$"),
        (
            lambda: Tokenizer.train("a", 300, ["a"]),
            ValueError,
            r"'a' has the name of an ordinary token: rename it, for example to <\|a\|>\.$",
        ),
        (lambda: Tokenizer.train(" a a", 300, ["Ġa"]), ValueError, r"'Ġa' has the name of an ordinary token: .*\.$"),
        (lambda: Tokenizer.train(["a", None], 300), TypeError, r"must be a str, but is None: .*\.$"),
        (lambda: Tokenizer.train(b"abc", 300), TypeError, r"must be a str, but is 97: .*\.$"),
        (
            lambda: Tokenizer.train(Path("a.txt"), 300),
            TypeError,
            r"a str or an iterable of them, but is .*a\.txt.*: .*\.$",
        ),
        (lambda: Tokenizer.train(["a", "b\ud83d"], 300), ValueError, r"U\+D83D, at position 1: remove it\.$"),
        (
            lambda: Tokenizer([(b"a", b"bc")]),
            ValueError,
            r"^Merge 1, b'a' with b'bc', needs a token that does not exist: .*\.$",
        ),
        (
            lambda: Tokenizer([(b"a", b"b")] * 2),
            ValueError,
            r"^Merge 2, .*, makes a token that already exists: .*\.$",
        ),
        (
            lambda: Tokenizer([], {"<a>": 5, "<b>": 5}),
            ValueError,
            r"^special_tokens must have distinct ids, each from 0 to 257, but is .*\.$",
        ),
        (lambda: Tokenizer([], {"<a>": 257}), ValueError, r"ids, each from 0 to 256, but is \{'<a>': 257\}\.$"),
        (lambda: Tokenizer([], words=["x"]), ValueError, r"^The word 'x' is not a special token: .*\.$"),
        (
            lambda: Tokenizer([]).encode("ab\udc00c"),
            ValueError,
            r"lone surrogate \(half a character\), U\+DC00, at position 2: remove it\.$",
        ),
        (lambda: Tokenizer([]).encode(b"ab"), TypeError, r"must be a str, but is b'ab': decode bytes.*\.$"),
        (lambda: Tokenizer([]).encode(None), TypeError, r"must be a str, but is None: .*\.$"),
        (lambda: Tokenizer([]).encode("<|endoftext|>\ud800", True), ValueError, r"U\+D800, at position 13: .*\.$"),
        (
            lambda: Tokenizer([]).encode_batch("abc"),
            TypeError,
            r"must be a list, but is the str 'abc': use encode for a single text\.$",
        ),
        (lambda: list(Tokenizer([]).encode_iterable(["ab ", "c\ud800"])), ValueError, r"U\+D800, at position 4: .*\.$"),
        (lambda: list(Tokenizer([]).encode_iterable(["a", b"b"])), TypeError, r"must be a str, but is b'b': .*\.$"),
        (
            lambda: Tokenizer([]).decode([0, 257]),
            ValueError,
            r"^The id 257 is outside this vocabulary \(0 to 256\): .*\.$",
        ),
        (lambda: Tokenizer([]).decode(torch.tensor([-1])), ValueError, r"^The id -1 is outside .*\.$"),
        (lambda: Tokenizer([]).decode([10**30]), ValueError, r"^The id 10{30} is outside .*\.$"),
        (lambda: Tokenizer([]).decode(5), TypeError, r"^ids must be one sequence of integers, but is 5\.$"),
        (lambda: Tokenizer([]).decode(torch.tensor(5)), TypeError, r"^ids must be one .*, but is tensor\(5\)\.$"),
        (lambda: Tokenizer([]).decode([[1, 2]]), TypeError, r"^ids must be one .*, but is \[\[1, 2\]\]\.$"),
        (lambda: Tokenizer([]).decode([1.5]), TypeError, r"^ids must be one .*, but is \[1\.5\]\.$"),
        (lambda: Tokenizer([]).decode("ab"), TypeError, r"^ids must be one .*, but is ab\.$"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def damage(folder: Path, name: str, change: Callable[[str], str | bytes]) -> None:
    changed = change((folder / name).read_text("utf-8"))
    (folder / name).write_bytes(changed if isinstance(changed, bytes) else changed.encode())


def with_vocab(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        vocab = json.loads(text)
        change(vocab)
        return json.dumps(vocab)

    return changed


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vocab.json", lambda text: text[:50], r"vocab\.json is not valid JSON \(.*\): get a new copy\.$"),
        ("vocab.json", lambda text: "[" * 100_000, r"vocab\.json is not valid JSON \(.*\): get a new copy\.$"),
        ("vocab.json", lambda text: "[1, 2]", r"vocab\.json must contain a JSON object, but contains \[1, 2\]: .*\.$"),
        (
            "vocab.json",
            lambda text: b"\xff" + text.encode(),
            r"vocab\.json is not UTF-8 at byte 0: get a new copy\.$",
        ),
        ("vocab.json", with_vocab(lambda vocab: vocab.update(A="32")), r"gives 'A' the id '32', but its 261 .*\.$"),
        ("vocab.json", with_vocab(lambda vocab: vocab.update(A=True)), r"gives 'A' the id True, but .*\.$"),
        ("vocab.json", with_vocab(lambda vocab: vocab.update(A=[1])), r"gives 'A' the id \[1\], but .*\.$"),
        (
            "vocab.json",
            with_vocab(lambda vocab: vocab.update(A=33)),
            r"the id 33, but .* 0 to 260, each exactly once: .*\.$",
        ),
        (
            "vocab.json",
            with_vocab(lambda vocab: vocab.pop("A")),
            r"'<b>' the id 260, but its 260 tokens .* 0 to 259, .*\.$",
        ),
        (
            "vocab.json",
            with_vocab(lambda vocab: vocab.update(A=33, B=32)),
            r"merges\.txt gives 'A' the id 32, but vocab\.json gives it 33: .*\.$",
        ),
        (
            "vocab.json",
            with_vocab(lambda vocab: vocab.update(no=vocab.pop("hop"))),
            r"gives 'hop' the id 257, but vocab\.json lacks it: .*\.$",
        ),
        (
            "merges.txt",
            lambda text: text + "h op ho\n",
            r"Line 5 of .*merges\.txt must be two tokens .* but is 'h op ho': .*\.$",
        ),
        ("merges.txt", lambda text: text + "hop\n", r"Line 5 of .* but is 'hop': get a new copy\.$"),
        ("merges.txt", lambda text: text + "\nh h", r"Line 5 of .* but is '': get a new copy\.$"),
        ("merges.txt", lambda text: text + "h 中\n", r"Line 5 of .* but is 'h 中': get a new copy\.$"),
        (
            "merges.txt",
            lambda text: text + "p p\n",
            r"merges\.txt gives 'pp' the id 259, but vocab\.json lacks it: .*\.$",
        ),
        (
            "merges.txt",
            lambda text: text.encode() + b"\xe4",
            r"merges\.txt is not UTF-8 at byte \d+: get a new copy\.$",
        ),
        (
            "merges.txt",
            lambda text: text.replace("Ġ hop\n", ""),
            r"vocab\.json contains the token 'Ġhop', which merges\.txt does not make and .*\.$",
        ),
        (
            "merges.txt",
            lambda text: text.replace("ho p", "h op"),
            r"^Merge 2, b'h' with b'op', needs a token that does not exist: .*\.$",
        ),
        (
            "tokenizer_config.json",
            lambda text: "{}",
            r"contains the token '<b>', which .* does not make and .* does not list as special: .*\.$",
        ),
        (
            "tokenizer_config.json",
            lambda text: "",
            r"tokenizer_config\.json is not valid JSON \(.*\): get a new copy\.$",
        ),
    ],
)
def test_a_damaged_file_is_reported_in_one_sentence(
    tmp_path: Path, name: str, change: Callable[[str], str | bytes], message: str
) -> None:
    Tokenizer.train("hop hop", 1000, [END_OF_TEXT, "<b>"]).save(tmp_path)
    damage(tmp_path, name, change)
    with pytest.raises(ValueError, match=message) as caught:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_reported(tmp_path: Path, small: Tokenizer, name: str) -> None:
    small.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"{name} is missing: give a folder that contains a saved tokenizer\.$"
    ):
        Tokenizer.load(tmp_path)


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path, small: Tokenizer) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"file is a file: give the path of a folder .*\.$"):
        small.save(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match=r"vocab\.json is missing: .*\.$"):
        Tokenizer.load(tmp_path / "file")
