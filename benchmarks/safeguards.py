"""What warmup, clipping, and a falling learning rate are worth in a short training (chapter 9).

    python -m benchmarks.safeguards

A small model, 2 layers of 64 channels, learns questions and answers about Tiny World with AdamW, for two seeds.
Each safeguard is taken away where it matters: warmup from the start, clipping on a batch whose loss is a thousand times
too loud, and the falling rate from the end of a longer training. Prints the loss on pages set aside, in nats per token.
"""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config
from gpt2_course.bricks import start

T, B, PEAK, WARMUP = 64, 8, 0.01, 20


def rows() -> tuple[Tensor, Tensor]:
    """The tokens of 100 pages set aside and of 3,900 to learn from, one after another."""
    tokenizer = GPT2.from_pretrained().tokenizer
    assert tokenizer is not None
    with tempfile.TemporaryDirectory() as folder:
        start(folder)
        lines = (Path(folder) / "tiny-world.jsonl").read_text("utf-8").splitlines()[:4000]
    pages = [[tokenizer.end_of_text, *tokenizer.encode(json.loads(line)["text"])] for line in lines]
    return torch.tensor([i for page in pages[:100] for i in page]), torch.tensor(
        [i for page in pages[100:] for i in page]
    )


HELD_OUT, KNOWN = rows()


def new(seed: int) -> GPT2:
    """A fresh model."""
    torch.manual_seed(seed)
    return GPT2(replace(GPT2Config.preset("laptop"), n_positions=T, n_embd=64, n_layer=2, n_head=4))


def held_out_loss(model: GPT2) -> float:
    """The mean loss on the pages set aside, in nats per token."""
    n = (len(HELD_OUT) - 1) // T
    with torch.no_grad():
        return float(model(HELD_OUT[: n * T].view(n, T), HELD_OUT[1 : n * T + 1].view(n, T)))


def cosine(step: int, steps: int) -> float:
    """From 1 down to 0."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def train(
    model: GPT2,
    optimizer: torch.optim.Optimizer,
    steps: int,
    rate: Callable[[int], float],
    seed: int,
    clip: float = 1.0,
    loud: int | None = None,
) -> list[float]:
    """Take steps at the learning rate `PEAK * rate(step)`; the batch of step `loud` is a thousand times too loud."""
    generator, losses = torch.Generator().manual_seed(seed), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK * rate(step)
        starts = torch.randint(len(KNOWN) - T, (B,), generator=generator)
        windows = torch.stack([KNOWN[s : s + T + 1] for s in starts.tolist()])  # (B, T + 1)
        loss = model(windows[:, :-1], windows[:, 1:])
        optimizer.zero_grad()
        (loss * 1000 if step == loud else loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def adamw(model: GPT2) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95))


def warmed_up(step: int) -> float:
    return min(1.0, (step + 1) / WARMUP)


def main() -> None:
    for seed in (0, 1):
        for name, rate, clip, loud in (
            ("150 steps with warmup", lambda step: warmed_up(step) * cosine(step, 150), 1.0, None),
            ("150 steps without warmup", lambda step: cosine(step, 150), 1.0, None),
            ("150 steps, a loud batch, clipped", lambda step: warmed_up(step) * cosine(step, 150), 1.0, 75),
            ("150 steps, a loud batch, not clipped", lambda step: warmed_up(step) * cosine(step, 150), 1e9, 75),
        ):
            model = new(seed)
            losses = train(model, adamw(model), 150, rate, seed, clip, loud)
            around = f"; training loss before step 75 {losses[74]:.2f}, highest after {max(losses[76:]):.2f}"
            print(f"seed {seed}: {name}: {held_out_loss(model):.2f}{around if loud else ''}", flush=True)
        model = new(seed)
        optimizer = adamw(model)
        train(model, optimizer, 400, warmed_up, seed)
        print(f"seed {seed}: 400 steps at a constant rate: {held_out_loss(model):.2f}", flush=True)
        for name, rate in (
            ("constant", lambda step: 1.0),
            ("falling to 0", lambda step: cosine(step, 100)),
        ):
            again = copy.deepcopy(model)
            optimizer_again = adamw(again)
            optimizer_again.load_state_dict(optimizer.state_dict())
            train(again, optimizer_again, 100, rate, seed + 10)
            print(f"seed {seed}: 100 more, {name}: {held_out_loss(again):.2f}", flush=True)


if __name__ == "__main__":
    main()
