"""Text generation compared with `transformers`, both with key-value caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from benchmarks.measure import Row, side_by_side
from gpt2_course import GPT2, GPT2Config

NEW_TOKENS = 200


def pair(config: GPT2Config) -> tuple[GPT2, GPT2LMHeadModel]:
    """A model in our class and one in theirs, with the same weights."""
    torch.manual_seed(0)
    ours = GPT2(config).eval()
    ours.tokenizer = None  # neither side stops at <|endoftext|>
    with TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        theirs = GPT2LMHeadModel.from_pretrained(folder).eval()
    return ours, theirs


def compare(config: GPT2Config, sampled: bool, rounds: int) -> tuple[float, float, float]:
    """Tokens per second of ours and theirs, and the ratio, for 200 tokens after a prompt of 8."""
    ours, theirs = pair(config)
    prompt = torch.arange(1, 9)[None]
    mask = torch.ones_like(prompt)
    sampling: dict[str, Any] = {"temperature": 0.8, "top_k": 50} if sampled else {}

    def generate_ours() -> torch.Tensor:
        return ours.generate(prompt, max_new_tokens=NEW_TOKENS, **(sampling or {"temperature": 0}))

    def generate_theirs() -> torch.Tensor:
        return theirs.generate(
            prompt,
            attention_mask=mask,
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=sampled,
            pad_token_id=0,
            **sampling,
        )

    if not sampled and not torch.equal(generate_ours(), generate_theirs()):
        raise AssertionError("The two sides generate different texts, so their speeds cannot be compared.")
    ours_seconds, theirs_seconds, ratio = side_by_side(generate_ours, generate_theirs, rounds)
    return NEW_TOKENS / ours_seconds, NEW_TOKENS / theirs_seconds, 1 / ratio


def rows() -> Iterator[Row]:
    small = GPT2Config(n_layer=6, n_head=6, n_embd=192)
    cases: list[tuple[str, GPT2Config, bool, int, str]] = [
        ("6×6×192, GPT-2's vocabulary, sampled", small, True, 7, "≥ 5"),
        ("6×6×192, GPT-2's vocabulary, greedy", small, False, 7, "≥ 5"),
        ("6×6×192, vocabulary 2048, sampled", GPT2Config(2048, n_layer=6, n_head=6, n_embd=192), True, 7, "≥ 5"),
        ("124M, sampled", GPT2Config(), True, 3, "≥ 1.5"),
        ("124M, greedy", GPT2Config(), False, 3, "≥ 1.5"),
    ]
    for what, config, sampled, rounds, goal in cases:
        ours, theirs, ratio = compare(config, sampled, rounds)
        yield Row(f"generate 200 tokens, {what}", "transformers generate", ours, theirs, "tokens/s", ratio, goal)


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [rows]
