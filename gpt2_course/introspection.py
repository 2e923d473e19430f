"""Looking inside a GPT-2 while it reads: every number on the way from the embeddings to the logits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.model import GPT2, Block


@torch.inference_mode()
def activations(
    model: GPT2, tokens: Sequence[int], without: Iterable[tuple[int, int]] = ()
) -> dict[tuple[str, int | None], Tensor]:
    """Everything that GPT-2 computes for T tokens, by name and layer (None outside of the blocks).

    Outside: `token_embedding`, `position_embedding`, their sum `embedding`, and `final_norm`, all (T, C), and `logits`
    (T, V). In every layer: `norm_1`, `q`, `k`, `v`, `heads`, `attention_out`, `after_attention`, `norm_2`, `mlp_out`,
    `after_mlp`, all (T, C); `mlp_hidden` (T, 4C); and `attention` (H, T, T), how much each token (a row) looks at each
    one before it. The heads in `without`, as (layer, head), contribute nothing to what follows.

    The model's own `forward` keeps none of this; the arithmetic is the same. Raises `ValueError` for no tokens, or more
    than the model has positions.
    """
    config = model.config
    T, C, H = len(tokens), config.n_embd, config.n_head
    if not 1 <= T <= config.n_positions:
        raise ValueError(f"{T} tokens were given, but this model reads 1 to {config.n_positions} at a time.")
    found: dict[tuple[str, int | None], Tensor] = {}
    ids = torch.tensor(list(tokens), device=model.device)
    found["token_embedding", None] = model.token_embedding(ids)  # (T, C)
    found["position_embedding", None] = model.position_embedding.weight[:T]  # (T, C)
    x = found["embedding", None] = found["token_embedding", None] + found["position_embedding", None]
    off = set(without)
    future = torch.ones(T, T, dtype=torch.bool, device=model.device).triu(1)
    for layer, block in enumerate(cast("Iterable[Block]", model.blocks)):
        here = found.__setitem__
        normed = block.norm_1(x)
        here(("norm_1", layer), normed)
        q, k, v = block.attention.qkv(normed).split(C, dim=-1)  # three of (T, C)
        for name, value in zip("qkv", (q, k, v), strict=True):
            here((name, layer), value)
        q, k, v = (each.view(T, H, C // H).transpose(0, 1) for each in (q, k, v))  # (H, T, D)
        scores = q @ k.mT / (C // H) ** 0.5  # (H, T, T)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        here(("attention", layer), weights)
        heads = weights @ v  # (H, T, D)
        for head in range(H):
            if (layer, head) in off:
                heads[head] = 0
        heads = heads.transpose(0, 1).reshape(T, C)
        here(("heads", layer), heads)
        here(("attention_out", layer), block.attention.projection(heads))
        x = x + found["attention_out", layer]
        here(("after_attention", layer), x)
        here(("norm_2", layer), block.norm_2(x))
        here(("mlp_hidden", layer), F.gelu(block.mlp.expand(found["norm_2", layer]), approximate="tanh"))  # (T, 4C)
        here(("mlp_out", layer), block.mlp.projection(found["mlp_hidden", layer]))
        x = x + found["mlp_out", layer]
        here(("after_mlp", layer), x)
    found["final_norm", None] = model.final_norm(x)
    found["logits", None] = found["final_norm", None] @ model.token_embedding.weight.T
    return found
