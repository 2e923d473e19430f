"""Training and generation on a GPU, compared with a plain loop: `python -m benchmarks.gpu` writes gpu.md.

It takes a few minutes on one GPU, of which compiling both models is the larger part. `--tiny` runs everything on the
CPU with tiny settings, to see that it works; it writes nothing.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
from gpt2_course.data import TokenStream
from gpt2_course.devices import best_device

# Peak bfloat16 operations per second without sparsity, from NVIDIA's data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}
GPT2_124M = replace(GPT2Config(), embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
SETTINGS = TrainConfig(
    model=GPT2_124M, batch_size=16, context=512, accumulation=8, optimizer="adamw", learning_rate=6e-4,
    copying_start=False,
)  # fmt: skip
TINY = replace(
    SETTINGS, model=replace(GPT2_124M, vocab_size=100, n_positions=32, n_embd=16, n_layer=2, n_head=2), batch_size=2,
    context=32, accumulation=2, device="cpu", compile="off",
)  # fmt: skip


class PlainBlock(nn.Module):
    def __init__(self, c: GPT2Config) -> None:
        super().__init__()
        self.heads = c.n_head
        self.ln_1, self.ln_2 = nn.LayerNorm(c.n_embd), nn.LayerNorm(c.n_embd)
        self.qkv, self.out = nn.Linear(c.n_embd, 3 * c.n_embd), nn.Linear(c.n_embd, c.n_embd)
        self.up, self.down = nn.Linear(c.n_embd, 4 * c.n_embd), nn.Linear(4 * c.n_embd, c.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2) for part in self.qkv(self.ln_1(x)).split(C, 2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Plain(nn.Module):
    """The same network, written as in most training scripts: it returns PyTorch's cross-entropy of all logits."""

    def __init__(self, c: GPT2Config) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(c.vocab_size, c.n_embd), nn.Embedding(c.n_positions, c.n_embd)
        self.blocks = nn.ModuleList(PlainBlock(c) for _ in range(c.n_layer))
        self.norm = nn.LayerNorm(c.n_embd)

    def forward(self, rows: Tensor, targets: Tensor) -> Tensor:
        x = self.tokens(rows) + self.positions(torch.arange(rows.shape[1], device=rows.device))
        for block in self.blocks:
            x = block(x)
        logits = self.norm(x) @ self.tokens.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def ours(config: TrainConfig, device: torch.device) -> Callable[[], Tensor]:
    """A step of our trainer."""
    shape = config.model
    ids = np.random.default_rng(0).integers(shape.vocab_size, size=1_000_000).astype(np.uint16)
    stream = TokenStream([ids], shape.vocab_size)
    torch.manual_seed(0)
    return Trainer(GPT2(shape).to(device), stream, stream, config).train_step


def plain(config: TrainConfig, device: torch.device) -> Callable[[], Tensor]:
    """A step of a loop with the usual means: autocast, a compiled model, fused AdamW, gradient accumulation."""
    torch.manual_seed(0)
    model = Plain(config.model).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    loss_of = torch.compile(model) if device.type == "cuda" else model
    data = torch.randint(config.model.vocab_size, (1_000_000,))
    reduced = device.type == "cuda"

    def step() -> Tensor:
        total = torch.zeros((), device=device)
        for _ in range(config.accumulation):
            starts = torch.randint(len(data) - config.context, (config.batch_size,)).tolist()
            rows = torch.stack([data[start : start + config.context + 1] for start in starts])
            rows = rows.pin_memory().to(device, non_blocking=True) if reduced else rows
            with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
                loss = loss_of(rows[:, :-1], rows[:, 1:]) / config.accumulation
            loss.backward()
            total += loss.detach()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total

    return step


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(step: Callable[[], Tensor], n: int, device: torch.device) -> float:
    """Seconds per step, over `n` steps."""
    wait(device)
    began = perf_counter()
    for _ in range(n):
        step()
    wait(device)
    return (perf_counter() - began) / n


def operations_per_token(c: GPT2Config, context: int) -> int:
    """Floating-point operations to train on one token: 6 per weight of a matrix product, and those of attention.

    As in PaLM (Chowdhery et al., 2022, appendix B), which counts attention as if nothing were masked.
    """
    matrices = 12 * c.n_layer * c.n_embd**2 + c.vocab_size * c.n_embd
    return 6 * matrices + 12 * c.n_layer * c.n_embd * context


def training_rows(config: TrainConfig, device: torch.device, rounds: int, steps: int) -> Iterator[str]:
    tokens = config.batch_size * config.context * config.accumulation
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    peak = next((peak for card, peak in PEAKS.items() if card in name), float("nan"))
    sides = {
        "ours, AdamW": ours(config, device),
        "ours, Muon": ours(replace(config, optimizer="muon"), device),
        "plain loop, AdamW": plain(config, device),
    }
    for step in sides.values():
        timed(step, 2, device)  # compiles
    times = [{side: timed(step, steps, device) for side, step in sides.items()} for _ in range(rounds)]
    for side in sides:
        seconds = median(t[side] for t in times)
        ratio = median(t["plain loop, AdamW"] / t[side] for t in times)
        mfu = operations_per_token(config.model, config.context) * tokens / seconds / peak
        yield f"| train: {side} | {tokens / seconds:,.0f} tokens/s | {mfu:.1%} | {ratio:.2f} |"


def generation_rows(config: TrainConfig, device: torch.device, new_tokens: int) -> Iterator[str]:
    model = GPT2(config.model).to(device).eval()
    model.tokenizer = None  # so that nothing stops at <|endoftext|>
    for rows in (1, 64):
        prompt = torch.ones(rows, 8, dtype=torch.int64, device=device)

        def write(prompt: Tensor = prompt) -> Tensor:
            return model.generate(prompt, max_new_tokens=new_tokens, temperature=0.8, top_k=50, seed=0)

        timed(write, 1, device)
        seconds = timed(write, 2, device)
        yield f"| generate: {rows} at a time, float32 | {rows * new_tokens / seconds:,.0f} tokens/s | | |"


def main(arguments: list[str]) -> int:
    tiny = arguments == ["--tiny"]
    device = best_device("cpu" if tiny else "auto")
    if not tiny and device.type != "cuda":
        print("These benchmarks need a CUDA GPU, which this computer does not have: give --tiny to try them.")
        return 1
    config, rounds, steps = (TINY, 1, 1) if tiny else (SETTINGS, 5, 4)
    lines = [
        "| GPT-2 124M | speed | share of the peak (MFU) | speed / plain loop |" if not tiny else "| tiny | | | |",
        "|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for row in chain(training_rows(config, device, rounds, steps), generation_rows(config, device, 8 if tiny else 200)):
        print(row, flush=True)
        lines.append(row)
    if not tiny:
        text = (
            f"# On a GPU\n\nMeasured by `python -m benchmarks.gpu` on {date.today()}: one "
            f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Python {platform.python_version()}. Batches "
            f"of {config.batch_size} × {config.context} tokens, {config.accumulation} per step, bfloat16, compiled, "
            f"fused AdamW. The sides take turns, {rounds} times {steps} steps each; the table shows medians, and "
            "the median of the turns' ratios.\n\n"
        )
        Path(__file__).with_name("gpu.md").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
