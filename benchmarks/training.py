"""Training: single steps against `transformers` with PyTorch's AdamW, and a whole run against a plain loop."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from benchmarks.measure import SHAKESPEARE, Row, in_new_process, peak_memory, side_by_side
from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
from gpt2_course.data import TokenStream
from gpt2_course.evaluation import evenly_spaced_windows, mean_loss
from gpt2_course.optimizers import build_optimizers

# ---- one step: 6 × 6 × 192, batch 16 × 256, AdamW ----------------------------------------------------------------

VOCABULARIES = (2048, 50257)


def our_step(vocab_size: int) -> Callable[[], object]:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size, 256, 192, 6, 6, 0.0, 0.0, 0.0))
    stream = TokenStream([np.random.default_rng(0).integers(vocab_size, size=100_000).astype(np.uint16)], vocab_size)
    settings = TrainConfig(model=model.config, batch_size=16, context=256, optimizer="adamw", learning_rate=1e-3)
    return Trainer(model, stream, stream, settings).train_step


def their_step(vocab_size: int) -> Callable[[], object]:
    torch.manual_seed(0)
    config = TheirConfig(
        vocab_size=vocab_size, n_positions=256, n_embd=192, n_layer=6, n_head=6,
        embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = torch.randint(vocab_size, (100_000,))

    def step() -> None:
        starts = torch.randint(len(data) - 256, (16,)).tolist()
        rows = torch.stack([data[start : start + 256] for start in starts])
        optimizer.zero_grad(set_to_none=True)
        model(rows, labels=rows).loss.backward()  # the model shifts the labels itself
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def step_rows() -> Iterator[Row]:
    for vocab_size in VOCABULARIES:
        what = f"a training step, 6×6×192, 16 × 256 tokens, AdamW, vocabulary {vocab_size}"
        rounds = 15 if vocab_size < 10_000 else 5
        ours, theirs, ratio = side_by_side(our_step(vocab_size), their_step(vocab_size), rounds)
        yield Row(what, "transformers, torch AdamW", ours * 1000, theirs * 1000, "ms", ratio, "≤ 0.9")
        peak = [in_new_process("benchmarks.training", side, str(vocab_size))["peak"] for side in ("ours", "theirs")]
        memory = f"peak memory during that step, vocabulary {vocab_size}"
        yield Row(memory, "the same", peak[0], peak[1], "MB", peak[0] / peak[1], "≤ 1")


# ---- one step of `python train.py` -------------------------------------------------------------------------------


def plain_preset_step(config: TrainConfig, stream: TokenStream) -> Callable[[], object]:
    """The same model and optimizers in the loop of most tutorials: all logits at once, AdamW not fused."""
    torch.manual_seed(0)
    model = GPT2(config.model).train()
    optimizers = build_optimizers(model, replace(config, fused="off"))
    data = torch.from_numpy(np.concatenate(stream.arrays).astype(np.int64))

    def step() -> None:
        starts = torch.randint(len(data) - config.context, (config.batch_size,)).tolist()
        rows = torch.stack([data[start : start + config.context + 1] for start in starts])
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
        loss.item()

    return step


def preset_rows() -> Iterator[Row]:
    config = TrainConfig()
    vocab_size = config.model.vocab_size
    stream = TokenStream([np.random.default_rng(0).integers(vocab_size, size=300_000).astype(np.uint16)], vocab_size)
    torch.manual_seed(0)
    ours = Trainer(GPT2(config.model), stream, stream, config).train_step
    a, b, ratio = side_by_side(ours, plain_preset_step(config, stream), 30)
    what = "a step of python train.py, sequences of full length"
    yield Row(what, "plain loop, same model and optimizers", a * 1000, b * 1000, "ms", ratio, "≤ 0.75")


# ---- a whole run: seconds to a validation loss of 1.88 nats per character ----------------------------------------

CHARACTERS = GPT2Config(65, 64, 128, 4, 4, 0.0, 0.0, 0.0)
TARGET = 1.88


def characters() -> tuple[TokenStream, TokenStream]:
    """Shakespeare, one id per character: the first 90% for training, the rest for validation."""
    text = SHAKESPEARE.read_text(encoding="utf-8")
    number = {character: i for i, character in enumerate(sorted(set(text)))}
    ids = np.array([number[character] for character in text], dtype=np.uint16)
    cut = int(0.9 * len(ids))
    return TokenStream([ids[:cut]], len(number)), TokenStream([ids[cut:]], len(number))


def validation_loss(model: GPT2, val: TokenStream) -> float:
    """The loss over the whole validation text, in windows of 64, in nats per character."""
    return mean_loss(model, val, evenly_spaced_windows(val, 65), 64, 128)


def plain_loop(seed: int) -> tuple[float, float]:
    """Seconds and validation loss of the loop found in most tutorials: AdamW, batch 12, 2000 steps."""
    train, val = characters()
    torch.manual_seed(seed)
    model = GPT2(CHARACTERS)
    nn.init.ones_(model.final_norm.weight)
    data = torch.from_numpy(train.arrays[0].astype(np.int64))
    decay = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    model.train()
    began = perf_counter()
    for step in range(2000):
        progress = max(0, step - 100) / 1900
        rate = 1e-3 * (step + 1) / 100 if step < 100 else 1e-4 + 9e-4 * (1 + math.cos(math.pi * progress)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(data) - 64, (12,)).tolist()
        rows = torch.stack([data[start : start + 65] for start in starts])
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    spent = perf_counter() - began
    return spent, validation_loss(model, val)


def our_run(seed: int) -> tuple[float, float]:
    """Seconds and validation loss of our trainer, with its defaults unless set here."""
    train, val = characters()
    torch.manual_seed(seed)
    settings = TrainConfig(
        model=CHARACTERS,
        context=64,
        batch_size=16,
        steps=375,
        learning_rate=0.006,
        muon_learning_rate=0.04,
        warmup_steps=5,
        seed=seed,
    )
    trainer = Trainer(GPT2(CHARACTERS), train, val, settings)
    began = perf_counter()
    while trainer.step < settings.steps:
        trainer.train_step()
    spent = perf_counter() - began
    return spent, validation_loss(trainer.model, val)


def run_rows() -> Iterator[Row]:
    plain_loop_seconds, our_seconds, ratios = [], [], []
    for seed in range(2):
        ours, our_loss = our_run(seed)
        theirs, their_loss = plain_loop(seed)
        print(f"  seed {seed}: ours {our_loss:.3f} in {ours:.1f} s, the plain loop {their_loss:.3f} in {theirs:.1f} s")
        our_seconds.append(ours if our_loss <= TARGET else math.inf)
        plain_loop_seconds.append(theirs)
        ratios.append(our_seconds[-1] / theirs)
    ours, theirs, ratio = max(our_seconds), min(plain_loop_seconds), max(ratios)  # the worse of two seeds
    what = f"seconds to {TARGET} nats/character, 4×4×128 on Shakespeare"
    yield Row(what, "plain AdamW loop, 2000 steps", ours, theirs, "s", ratio, "≤ 0.4")


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [step_rows, preset_rows, run_rows]


if __name__ == "__main__":  # print the peak memory of a process that trains for a few steps
    side, vocab_size = sys.argv[1:]
    step = {"ours": our_step, "theirs": their_step}[side](int(vocab_size))
    for _ in range(3):
        step()
    print(json.dumps({"peak": peak_memory()}))
