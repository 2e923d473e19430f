"""The tokenizer compared with Hugging Face's `tokenizers` and OpenAI's tiktoken, both written in Rust."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import tiktoken
from tokenizers import Tokenizer as TheirTokenizer
from tokenizers import models, pre_tokenizers, trainers

from benchmarks.measure import SHAKESPEARE, Row, in_new_process, peak_memory, side_by_side
from gpt2_course import Tokenizer
from gpt2_course.tokenizer import END_OF_TEXT

VOCAB_SIZE = 2048
# The split pattern that OpenAI publishes for GPT-2.
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


def train_ours() -> Tokenizer:
    return Tokenizer.train(SHAKESPEARE.read_text(encoding="utf-8"), VOCAB_SIZE)


def train_theirs() -> TheirTokenizer:
    tokenizer = TheirTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(SHAKESPEARE)], trainer)
    return tokenizer


def rows() -> Iterator[Row]:
    ours, theirs, ratio = side_by_side(train_ours, train_theirs)
    what = f"train a BPE vocabulary of {VOCAB_SIZE} on Shakespeare"
    yield Row(what, "Hugging Face tokenizers", ours, theirs, "s", ratio, "≤ 4")
    peak = in_new_process("benchmarks.text")["peak"]
    yield Row("peak memory while training that vocabulary", "300 MB", peak, 300, "MB", peak / 300, "≤ 1")

    text = SHAKESPEARE.read_text(encoding="utf-8")
    tokenizer = train_ours()
    ranks = {}
    for id in range(tokenizer.vocab_size - 1):
        ranks[tokenizer.decode_bytes([id])] = id
    encoding = tiktoken.Encoding("own", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    if tokenizer.encode(text) != encoding.encode_ordinary(text):
        raise AssertionError("The two sides give different ids, so their speeds cannot be compared.")
    megabytes = len(text.encode()) / 1e6
    ours, theirs, ratio = side_by_side(lambda: tokenizer.encode(text), lambda: encoding.encode_ordinary(text), 15)
    what = f"encode Shakespeare, vocabulary {VOCAB_SIZE}"
    yield Row(what, "tiktoken with its own pattern", megabytes / ours, megabytes / theirs, "MB/s", 1 / ratio, "≥ 0.9")


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [rows]


if __name__ == "__main__":  # print the peak memory of a process that trains a vocabulary
    train_ours()
    print(json.dumps({"peak": peak_memory()}))
