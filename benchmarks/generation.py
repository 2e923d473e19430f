"""Text generation compared with `transformers` and, for weights in 8 bits, with CTranslate2; all with key-value caches.

CTranslate2 is optional (`pip install ctranslate2`): without it, its rows are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from benchmarks.measure import Row, side_by_side
from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.grades import BEGINNINGS
from gpt2_course.sources import DEFAULT_MODEL, find_model

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
        ("6×6×192, vocabulary 2048, sampled", GPT2Config(2048, n_layer=6, n_head=6, n_embd=192), True, 7, "≥ 4.5"),
        ("124M, sampled", GPT2Config(), True, 3, "≥ 2.2"),
        ("124M, greedy", GPT2Config(), False, 3, "≥ 2.2"),
    ]
    for what, config, sampled, rounds, goal in cases:
        ours, theirs, ratio = compare(config, sampled, rounds)
        yield Row(f"generate 200 tokens, {what}", "transformers generate", ours, theirs, "tokens/s", ratio, goal)


# ---- 64 stories at once ------------------------------------------------------------------------------------------

STORIES, LONGEST = 64, 330


def batch_rows() -> Iterator[Row]:
    """Both sides write 64 stories to their end with the shipped model. The texts differ, so count tokens."""
    ours = GPT2.from_pretrained()
    theirs = GPT2LMHeadModel.from_pretrained(find_model(DEFAULT_MODEL), dtype=torch.float32).eval()
    end = ours.require_tokenizer().end_of_text
    begin = BEGINNINGS["story"]
    rows = [ours.require_tokenizer().encode(begin[i % len(begin)]) for i in range(STORIES)]
    longest = max(map(len, rows))
    prompts = torch.tensor([[end] * (longest - len(row)) + row for row in rows])
    mask = (prompts != end).long()
    seeds = count()

    def tokens_per_second(write: Callable[[int], torch.Tensor]) -> float:
        began = perf_counter()
        written = write(next(seeds))[:, longest:]
        spent = perf_counter() - began
        return int((written != end).sum()) / spent

    def write_ours(seed: int) -> torch.Tensor:
        return ours.generate(prompts, max_length=LONGEST, seed=seed)

    def write_theirs(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return theirs.generate(
            prompts,
            attention_mask=mask,
            max_length=LONGEST,
            do_sample=True,
            temperature=0.8,
            top_k=0,
            pad_token_id=end,
            eos_token_id=end,
        )

    pairs = [(tokens_per_second(write_ours), tokens_per_second(write_theirs)) for _ in range(6)][1:]
    what = f"{STORIES} stories to their end, shipped model, sampled"
    a, b, ratio = median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)
    yield Row(what, "transformers generate, same batch", a, b, "tokens/s", ratio, "≥ 3")


# ---- weights in 8 bits -------------------------------------------------------------------------------------------


def ctranslate2_writer(model: GPT2, folder: str) -> Callable[[int], object]:
    """CTranslate2 with the same weights in 8 bits and as many threads, as a function of the number of tokens."""
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    model.save_pretrained(folder)
    Tokenizer.gpt2().save(folder)
    TransformersConverter(folder).convert(f"{folder}/int8", quantization="int8")
    writer = ctranslate2.Generator(
        f"{folder}/int8", device="cpu", compute_type="int8", intra_threads=torch.get_num_threads()
    )
    prompt = AutoTokenizer.from_pretrained(folder).convert_ids_to_tokens(list(range(1, 9)))
    return lambda n: writer.generate_batch(
        [prompt], max_length=n, min_length=n, sampling_topk=1, include_prompt_in_result=False
    )


def int8_rows() -> Iterator[Row]:
    ours, theirs = pair(GPT2Config())
    quantized = ours.quantize()
    prompt = torch.arange(1, 9)[None]

    def generate_ours() -> torch.Tensor:
        return quantized.generate(prompt, max_new_tokens=NEW_TOKENS, temperature=0)

    def generate_theirs() -> torch.Tensor:
        return theirs.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            pad_token_id=0,
        )

    what = "generate 200 tokens, 124M in 8 bits, greedy"
    a, b, ratio = side_by_side(generate_ours, generate_theirs, 3)
    yield Row(what, "transformers generate, 32 bits", NEW_TOKENS / a, NEW_TOKENS / b, "tokens/s", 1 / ratio, "≥ 4")
    if find_spec("ctranslate2") is None:
        print("CTranslate2 is not installed, so its row is left out: pip install ctranslate2.", file=sys.stderr)
        return
    with TemporaryDirectory() as folder:
        write = ctranslate2_writer(ours, folder)
        a, b, ratio = side_by_side(generate_ours, lambda: write(NEW_TOKENS), 3)
    yield Row(what, "CTranslate2, 8 bits", NEW_TOKENS / a, NEW_TOKENS / b, "tokens/s", 1 / ratio, "≥ 0.8")


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [rows, batch_rows, int8_rows]
