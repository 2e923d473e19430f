"""Does dividing by √D help? `python -m benchmarks.attention_scale` trains small GPT-2s with and without it.

Each pair differs in nothing but the scale of the attention scores: same seed, same start, same batches. Heads have 64
channels (2 heads) or 16 (8 heads). The printed loss is that of 100 held-out documents, in nats per token.
"""

from __future__ import annotations

import argparse
from itertools import islice
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.tiny_world import documents

LENGTH, BATCH = 64, 8
TOKENIZER = GPT2.from_pretrained().tokenizer
fused = F.scaled_dot_product_attention


def unscaled(q: Tensor, k: Tensor, v: Tensor, **rest: Any) -> Tensor:
    """Attention without the division by √D."""
    return fused(q, k, v, scale=1.0, **rest)


def rows(split: str, n: int) -> Tensor:
    """The ids of the first documents of a split, cut into rows (rows, LENGTH + 1)."""
    assert isinstance(TOKENIZER, Tokenizer)
    texts = (document.text for document in islice(documents(seed=0, split=split), n))  # type: ignore[arg-type]
    ids = [i for text in texts for i in [*TOKENIZER.encode(text), TOKENIZER.end_of_text]]
    return torch.tensor(ids)[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].view(-1, LENGTH + 1)


def trained(train: Tensor, held_out: Tensor, heads: int, scaled: bool, seed: int, steps: int) -> float:
    """The held-out loss of a GPT-2 with 2 layers and 128 channels."""
    torch.manual_seed(seed)
    model = GPT2(GPT2Config(vocab_size=3072, n_positions=LENGTH, n_layer=2, n_embd=128, n_head=heads))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.01)

    def loss(batch: Tensor) -> Tensor:
        return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

    with patch.object(F, "scaled_dot_product_attention", fused if scaled else unscaled):
        model.train()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1, (step + 1) / 50) * (1 - step / steps)
            optimizer.zero_grad()
            loss(train[torch.randint(len(train), (BATCH,))]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            return float(torch.stack([loss(part) for part in held_out.split(BATCH)]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.manual_seed(0)
    x = torch.randn(1000, 768)  # tokens after a layer norm
    q, k = (x @ (0.02 * torch.randn(768, 64)) for _ in range(2))
    print(f"raw scores in a fresh head of GPT-2 (D = 64): standard deviation {(q @ k.T).std():.1f}")
    train, held_out = rows("train", 2000), rows("val", 100)
    for seed in range(given.seeds):
        for heads in (2, 8):
            with_scale, without = (trained(train, held_out, heads, s, seed, given.steps) for s in (True, False))
            print(
                f"seed {seed}   D = {128 // heads:2}   scaled {with_scale:.3f}   not {without:.3f}   "
                f"difference {without - with_scale:+.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
