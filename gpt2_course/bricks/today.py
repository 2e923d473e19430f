"""What newer models exchange in GPT-2: functions that fit in place of the bricks of `my_gpt2.py`, one at a time.

Shapes as in `my_gpt2.py`: T tokens, V of them in the vocabulary, C channels, H heads with D channels each.

Sources: Biao Zhang and Rico Sennrich, "Root Mean Square Layer Normalization" (2019); Jianlin Su et al., "RoFormer"
(2021); Noam Shazeer, "GLU Variants Improve Transformer" (2020); Joshua Ainslie et al., "GQA" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import silu

from gpt2_course.bricks.assembly import Bricks
from gpt2_course.optimizers import ADAMW_BETAS, Muon
from gpt2_course.tiny_world.documents import DEFAULT_WORLD, documents
from gpt2_course.tokenizer import Tokenizer

Weights = dict[str, Tensor]

LAYERS, HEADS, CHANNELS = 2, 4, 64
KV_HEADS = 2  # of grouped-query attention
NARROW = 48  # channels with untied tables: the second table would not fit into the same number of parameters otherwise
CHANGES = {
    "rope": "rotary positions",
    "rms_norm": "RMSNorm",
    "swiglu": "SwiGLU",
    "no_biases": "no biases",
    "grouped": "grouped-query attention",
    "untied": "untied tables",
}
"""The names of the changes."""
MUON_RATE, ADAMW_RATE, WARMUP = 0.03, 0.015, 50


# ---- the new bricks ----------------------------------------------------------------------------------------------


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """Each token's channels divided by the root of the mean of their squares, times `gain`.

    x (T, C), gain (C,) → (T, C); 1e-5 is added to the mean before its root is taken.
    """
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * gain


def rotate(x: Tensor) -> Tensor:
    """Queries or keys (T, D) with each pair of channels (2i, 2i + 1) turned by its token's position t times a speed.

    Pair i turns by 10,000^(−2i/D) radians per position: the first by 1, the last by almost nothing.
    """
    T, D = x.shape
    speeds = 10_000 ** (-torch.arange(0, D, 2) / D)  # (D / 2,)
    angles = torch.arange(T)[:, None] * speeds  # (T, D / 2)
    a, b = x[:, 0::2], x[:, 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=-1).flatten(1)


def swiglu(x: Tensor, w_up: Tensor, b_up: Tensor, w_down: Tensor, b_down: Tensor) -> Tensor:
    """An MLP with gates: one half of x @ w_up + b_up, through SiLU, multiplies the other half.

    x (T, C), w_up (C, 2N), b_up (2N,), w_down (N, C), b_down (C,) → (T, C); the first half is the gate.
    """
    gate, up = (x @ w_up + b_up).chunk(2, dim=-1)
    return silu(gate) * up @ w_down + b_down


def share(x: Tensor, n_heads: int) -> Tensor:
    """Keys or values of a few heads (G, T, D) for `n_heads` queries: (H, T, D). Neighboring heads share one."""
    return x.repeat_interleave(n_heads // len(x), dim=0)


def cache_bytes(n_layers: int, n_kv_heads: int, head_size: int, bytes_per_number: int = 2) -> int:
    """The size of the key-value cache per token: a key and a value for each layer and each head that has its own."""
    return 2 * n_layers * n_kv_heads * head_size * bytes_per_number


# ---- in their places ---------------------------------------------------------------------------------------------


def exchange(bricks: Bricks, changes: Collection[str]) -> None:
    """Put the new functions in place of bricks. Raises `ValueError` for a change that is not one of `CHANGES`."""
    if unknown := set(changes) - CHANGES.keys():
        raise ValueError(f"There is no change called {min(unknown)!r}: choose among {', '.join(CHANGES)}.")
    if "rms_norm" in changes:
        bricks.exchange("layer_norm", lambda x, gain, bias: rms_norm(x, gain))
    if "rope" in changes:
        plain = bricks.attention_weights
        bricks.exchange("embed", lambda ids, token_table, position_table: token_table[ids])
        bricks.exchange("attention_weights", lambda q, k: plain(rotate(q), rotate(k)))
    if "swiglu" in changes:
        bricks.exchange("mlp", swiglu)
    if "grouped" in changes:
        bricks.exchange("attention", _grouped_attention(bricks))
    if "untied" in changes:
        bricks.exchange("gpt2", _untied_gpt2(bricks))


def _grouped_attention(bricks: Bricks) -> Callable[..., Tensor]:
    def attention(x: Tensor, w_qkv: Tensor, b_qkv: Tensor, w_out: Tensor, b_out: Tensor, n_heads: int) -> Tensor:
        C = x.shape[1]
        shared = KV_HEADS * (C // n_heads)  # channels of the keys, and of the values
        q, k, v = (x @ w_qkv + b_qkv).tensor_split((C, C + shared), dim=-1)
        q = bricks.split_heads(q, n_heads)
        k, v = (share(bricks.split_heads(part, KV_HEADS), n_heads) for part in (k, v))
        found = torch.stack([bricks.head(q[h], k[h], v[h]) for h in range(n_heads)])
        joined: Tensor = bricks.join_heads(found)
        return joined @ w_out + b_out

    return attention


def _untied_gpt2(bricks: Bricks) -> Callable[..., Tensor]:
    def gpt2(ids: Tensor, weights: Weights, n_heads: int) -> Tensor:
        x = bricks.embed(ids, weights["wte.weight"], weights["wpe.weight"])
        for w in bricks.layers(weights):
            x = bricks.block(x, w, n_heads)
        normed: Tensor = bricks.layer_norm(x, weights["ln_f.weight"], weights["ln_f.bias"])
        return normed @ weights["lm_head.weight"].T

    return gpt2


# ---- texts to learn from -----------------------------------------------------------------------------------------


class Questions(NamedTuple):
    """Questions about Tiny World as ids, each document with <|endoftext|> before and after it."""

    known: list[Tensor]
    held_out: list[Tensor]
    floor: float  # a perfect model's loss on the documents held out, in nats per token
    vocabulary: int


def read_questions(n_known: int = 4000, n_held_out: int = 200, vocabulary: int = 1024) -> Questions:
    """The same documents each time, with a vocabulary learned from those that a model may know."""
    world = replace(DEFAULT_WORLD, corner="questions")
    known = list(islice(documents(0, "train", world), n_known))
    held_out = list(islice(documents(0, "val", world), n_held_out))
    tokenizer = Tokenizer.train([document.text for document in known], vocabulary)
    end = tokenizer.end_of_text
    ids = {d.text: torch.tensor([end, *tokenizer.encode(d.text), end]) for d in known + held_out}
    learned, tested = ([ids[document.text] for document in part] for part in (known, held_out))
    floor = -sum(document.log_prob for document in held_out) / sum(len(row) - 1 for row in tested)
    return Questions(learned, tested, floor, vocabulary)


# ---- weights and training ----------------------------------------------------------------------------------------


def new_weights(
    vocabulary: int, context: int, changes: Collection[str] = (), n_parameters: int | None = None
) -> Weights:
    """Small random numbers for a fresh model; what is not learned stays at 0 and has no gradient.

    The MLP's width is 4C. With `n_parameters`, it is the one that brings the model closest to this number.
    """
    C = NARROW if "untied" in changes else CHANNELS
    hidden = 4 * C
    if n_parameters is not None:
        per_neuron = count(_fresh(vocabulary, context, changes, 2)) - count(_fresh(vocabulary, context, changes, 1))
        hidden = 1 + round((n_parameters - count(_fresh(vocabulary, context, changes, 1))) / per_neuron)
    return _fresh(vocabulary, context, changes, hidden)


def _fresh(vocabulary: int, context: int, changes: Collection[str], hidden: int) -> Weights:
    C = NARROW if "untied" in changes else CHANNELS
    shared = KV_HEADS * (C // HEADS) if "grouped" in changes else C
    tables = {"wte.weight": (vocabulary, C), "wpe.weight": (0 if "rope" in changes else context, C)}
    if "untied" in changes:
        tables["lm_head.weight"] = (vocabulary, C)
    matrices: dict[str, tuple[int, int]] = {}
    for n in range(LAYERS):
        matrices |= {f"h.{n}.attn.c_attn": (C, C + 2 * shared), f"h.{n}.attn.c_proj": (C, C)}
        matrices |= {f"h.{n}.mlp.c_fc": (C, hidden * (1 + ("swiglu" in changes))), f"h.{n}.mlp.c_proj": (hidden, C)}
    weights = {name: torch.randn(shape) * 0.05 for name, shape in tables.items()}
    weights |= {f"{name}.weight": torch.randn(shape) * 0.05 for name, shape in matrices.items()}
    weights |= {f"{name}.bias": torch.zeros(shape[1]) for name, shape in matrices.items()}
    norms = ["ln_f", *(f"h.{n}.ln_{i}" for n in range(LAYERS) for i in (1, 2))]
    for norm in norms:
        weights |= {f"{norm}.weight": torch.ones(C), f"{norm}.bias": torch.zeros(C)}
    fixed = {name for name in weights if name.endswith(".bias") and "no_biases" in changes}
    if "rms_norm" in changes:
        fixed |= {f"{norm}.bias" for norm in norms}
    return {name: w.requires_grad_(name not in fixed) for name, w in weights.items()}


def count(weights: Weights) -> int:
    """The number of parameters that are learned."""
    return sum(w.numel() for w in weights.values() if w.requires_grad)


class MuonAndAdamW:
    """Both optimizers as one, with a warmup and then a straight line to 0: Muon for matrices, AdamW for the rest.

    Args:
        weights: what to train.
        steps: the number of steps in all.
        scale: a factor for both learning rates.
    """

    def __init__(self, weights: Weights, steps: int, scale: float = 1.0) -> None:
        matrices = {name for name, w in weights.items() if w.ndim == 2 and name.startswith("h.")}
        rest = [w for name, w in weights.items() if w.requires_grad and name not in matrices]
        self.optimizers: list[Any] = [
            Muon([weights[name] for name in sorted(matrices)], MUON_RATE * scale),
            torch.optim.AdamW(rest, ADAMW_RATE * scale, betas=ADAMW_BETAS, weight_decay=0.01),
        ]
        self.peaks = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.steps, self.done = steps, 0

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self) -> None:
        factor = min(1, (self.done + 1) / WARMUP) * (1 - self.done / self.steps)
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
            optimizer.step()
        self.done += 1
