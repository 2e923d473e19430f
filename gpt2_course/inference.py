"""Running GPT-2 one token at a time: the key–value cache, and a decoder without overhead.

A token's keys and values never change once they are computed, because attention only looks back. Kept in a cache,
they make the next token cost one row of work instead of the whole text again. What is left is so little that for
a small model Python and thread management take longer than the arithmetic; `SingleTokenDecoder` trims both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from gpt2_course.model import GPT2, Block


class KVCache:
    """Keys and values of the tokens so far, for every layer and head: (n_layer, 2, B, H, capacity, D).

    Rows of different lengths are padded on the left, so that their newest tokens stand in one column. `padding`
    (B,) counts each row's pads: nothing looks at them, and positions count from the first real token.
    """

    def __init__(self, empty: Tensor, padding: Tensor | None = None, decoder: SingleTokenDecoder | None = None) -> None:
        self.keys_values = empty
        self.padding = padding if padding is not None and bool(padding.any()) else None
        self.decoder = decoder  # the fast path, where the model allows it
        self.length = 0  # columns filled so far
        self.mask: Tensor | None = None

    @property
    def capacity(self) -> int:
        return self.keys_values.shape[4]

    def advance(self, n_tokens: int) -> Tensor:
        """Makes room for `n_tokens` columns and returns their positions: (T,), or (B, T) for padded rows."""
        start, stop = self.length, self.length + n_tokens
        if stop > self.capacity:
            raise ValueError(
                f"The cache has room for {self.capacity} tokens and holds {start}, so {n_tokens} more do not fit."
            )
        self.length = stop
        queries = torch.arange(start, stop, device=self.keys_values.device)  # (T,)
        self.mask = None
        if self.padding is None:
            if start > 0 and n_tokens > 1:  # from nothing, or by one token, attention needs no mask of ours
                self.mask = torch.arange(stop, device=self.keys_values.device) <= queries[:, None]  # (T, S)
            return queries
        keys = torch.arange(stop, device=self.keys_values.device)  # (S,)
        pads = self.padding[:, None, None, None]  # (B, 1, 1, 1)
        causal = keys <= queries[:, None]  # (T, S)
        # A pad may look at itself: a softmax over nothing at all would be 0/0.
        self.mask = (causal & (keys >= pads)) | (keys == queries[:, None])  # (B, 1, T, S)
        return (queries - self.padding[:, None]).clamp(min=0)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Stores the newest keys and values (B, H, T, D); returns all so far (B, H, S, D) and the mask to use."""
        stored = self.keys_values[layer]  # (2, B, H, capacity, D)
        stored[0, :, :, self.length - k.shape[2] : self.length] = k
        stored[1, :, :, self.length - v.shape[2] : self.length] = v
        return stored[0, :, :, : self.length], stored[1, :, :, : self.length], self.mask


def one_row_linear(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The linear layer of `weight` (n_out, n_in), made for one row: (1, n_in) to (1, n_out).

    A matrix times a single vector is a race to read the matrix from memory, and the BLAS runs it on one core only. Cut
    into bands of outputs, as a batch of smaller products, it is read by all cores: twice as fast on 2 of them. The
    bands are views of the weights, not copies.
    """
    n_out, n_in = weight.shape
    at_least = torch.get_num_threads() if weight.device.type == "cpu" else 1
    # the smallest number of equal bands that keeps every core busy; 50257 = 29 × 1733
    n_bands = next(n for n in range(min(at_least, n_out), n_out + 1) if n_out % n == 0)
    bands = weight.view(n_bands, n_out // n_bands, n_in)
    rows = (n_bands, 1, n_in)  # the same row for each band, and no memory for it
    if bias is None:
        return lambda x: torch.bmm(bands, x.expand(rows).mT).view(1, n_out)
    banded_bias = bias.view(n_bands, n_out // n_bands, 1)
    return lambda x: torch.baddbmm(banded_bias, bands, x.expand(rows).mT).view(1, n_out)


class SingleTokenDecoder:
    """GPT-2's forward pass for the next token of one row: the same arithmetic as `GPT2.forward`, nothing around it.

    It reads the model's own weights through views, skips what only training needs (modules, dropout, autograd),
    and is built anew for every generation. `supports` says whether that is allowed.
    """

    plain = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.Dropout, nn.ModuleList)

    def __init__(self, model: GPT2) -> None:
        config = model.config
        self.heads = (3, 1, config.n_head, 1, config.n_embd // config.n_head)
        self.shape = (config.n_embd,)
        self.eps = config.layer_norm_epsilon
        self.token_table = model.token_embedding.weight
        self.position_table = model.position_embedding.weight
        self.layers = [
            (
                (block.norm_1.weight, block.norm_1.bias),
                one_row_linear(block.attention.qkv.weight, block.attention.qkv.bias),
                one_row_linear(block.attention.projection.weight, block.attention.projection.bias),
                (block.norm_2.weight, block.norm_2.bias),
                one_row_linear(block.mlp.expand.weight, block.mlp.expand.bias),
                one_row_linear(block.mlp.projection.weight, block.mlp.projection.bias),
            )
            for block in cast("Iterable[Block]", model.blocks)
        ]
        self.final_norm = (model.final_norm.weight, model.final_norm.bias)
        self.head = one_row_linear(model.token_embedding.weight)

    @classmethod
    def supports(cls, model: GPT2) -> bool:
        """Whether the model is as it was built: no layer exchanged, no hook that this path would jump over."""
        from_here = type(model).__module__
        return all(
            (type(m) in cls.plain or type(m).__module__ == from_here) and not (m._forward_hooks or m._forward_pre_hooks)
            for m in model.modules()
        )

    def __call__(self, token: Tensor, cache: KVCache) -> Tensor:
        """Logits (1, V) for the token after `token` (1,), which joins the cache."""
        position = cache.length
        cache.length = stop = position + 1
        # Views for all layers at once: at this size, slicing costs as much as arithmetic.
        new = cache.keys_values[..., position:stop, :].unbind(0)  # each (2, 1, H, 1, D)
        keys = cache.keys_values[:, 0, ..., :stop, :].unbind(0)  # each (1, H, S, D)
        values = cache.keys_values[:, 1, ..., :stop, :].unbind(0)
        x = torch.embedding(self.token_table, token) + self.position_table[position]  # (1, C)
        for i, (norm_1, qkv, attention_projection, norm_2, expand, mlp_projection) in enumerate(self.layers):
            heads = qkv(torch.layer_norm(x, self.shape, *norm_1, self.eps)).view(self.heads)  # (3, 1, H, 1, D)
            new[i].copy_(heads[1:])
            y = F.scaled_dot_product_attention(heads[0], keys[i], values[i])  # (1, H, 1, D)
            x = attention_projection(y.view(1, -1)).add_(x)
            h = expand(torch.layer_norm(x, self.shape, *norm_2, self.eps))
            x = mlp_projection(F.gelu(h, approximate="tanh")).add_(x)
        return self.head(torch.layer_norm(x, self.shape, *self.final_norm, self.eps))
