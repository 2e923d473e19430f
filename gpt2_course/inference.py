"""Running GPT-2 one token at a time: the key–value cache, and a decoder without overhead.

A token's keys and values never change once they are computed, because attention only looks back. Kept in a cache,
they make the next token cost one row of work instead of the whole text again. What is left is so little that for
a small model Python and thread management take longer than the arithmetic; `SingleTokenDecoder` trims both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from gpt2_course.model import GPT2, Block


class KVCache:
    """Keys and values of the tokens so far, for every layer and head: (n_layer, B, H, capacity, D) each.

    Rows of different lengths are padded on the left, so that their newest tokens stand in one column. `padding`
    (B,) counts each row's pads: nothing looks at them, and positions count from the first real token.
    """

    def __init__(self, empty: Tensor, padding: Tensor | None = None, decoder: SingleTokenDecoder | None = None) -> None:
        self.keys = empty
        self.values = torch.zeros_like(empty)
        self.padding = padding if padding is not None and bool(padding.any()) else None
        self.decoder = decoder  # the fast path, where the model allows it
        self.length = 0  # columns filled so far
        self.mask: Tensor | None = None

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def advance(self, n_tokens: int) -> Tensor:
        """Makes room for `n_tokens` columns and returns their positions: (T,), or (B, T) for padded rows."""
        start, stop = self.length, self.length + n_tokens
        if stop > self.capacity:
            raise ValueError(
                f"The cache has room for {self.capacity} tokens and holds {start}, so {n_tokens} more do not fit."
            )
        self.length = stop
        queries = torch.arange(start, stop, device=self.keys.device)  # (T,)
        self.mask = None
        if self.padding is None:
            if start > 0 and n_tokens > 1:  # from nothing, or by one token, attention needs no mask of ours
                self.mask = torch.arange(stop, device=self.keys.device) <= queries[:, None]  # (T, S)
            return queries
        keys = torch.arange(stop, device=self.keys.device)  # (S,)
        pads = self.padding[:, None, None, None]  # (B, 1, 1, 1)
        causal = keys <= queries[:, None]  # (T, S)
        # A pad may look at itself: a softmax over nothing at all would be 0/0.
        self.mask = (causal & (keys >= pads)) | (keys == queries[:, None])  # (B, 1, T, S)
        return (queries - self.padding[:, None]).clamp(min=0)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Stores the newest keys and values (B, H, T, D); returns all so far (B, H, S, D) and the mask to use."""
        new = slice(self.length - k.shape[2], self.length)
        self.keys[layer, :, :, new] = k
        self.values[layer, :, :, new] = v
        return self.keys[layer, :, :, : self.length], self.values[layer, :, :, : self.length], self.mask


class SplitLinear:
    """A linear layer for one row of input, cut into equal bands of outputs so that every core gets some.

    Multiplying a matrix by a single vector is a race to read the matrix from memory, and the BLAS runs it on one
    core only. As a batch of smaller products it uses them all: 2.4 times as fast at 124M parameters on 2 cores.
    The bands are views: no weight is copied.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        n_out, n_in = weight.shape
        at_least = torch.get_num_threads() if weight.device.type == "cpu" else 1
        # the smallest number of equal bands that keeps every core busy; 50257 = 29 × 1733
        n_bands = next(n for n in range(min(at_least, n_out), n_out + 1) if n_out % n == 0)
        self.bands = weight.view(n_bands, n_out // n_bands, n_in)
        self.bias = None if bias is None else bias.view(n_bands, -1, 1)
        self.column = (n_bands, 1, n_in)

    def __call__(self, x: Tensor) -> Tensor:
        """(1, n_in) to (1, n_out)."""
        column = x.expand(self.column).mT  # (bands, n_in, 1), the same memory for each band
        y = torch.bmm(self.bands, column) if self.bias is None else torch.baddbmm(self.bias, self.bands, column)
        return y.view(1, -1)


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
                SplitLinear(block.attention.qkv.weight, block.attention.qkv.bias),
                SplitLinear(block.attention.projection.weight, block.attention.projection.bias),
                (block.norm_2.weight, block.norm_2.bias),
                SplitLinear(block.mlp.expand.weight, block.mlp.expand.bias),
                SplitLinear(block.mlp.projection.weight, block.mlp.projection.bias),
            )
            for block in cast("Iterable[Block]", model.blocks)
        ]
        self.final_norm = (model.final_norm.weight, model.final_norm.bias)
        self.head = SplitLinear(model.token_embedding.weight)

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
        # views for all layers at once: slicing costs as much as arithmetic does here
        new_keys = cache.keys[..., position:stop, :].unbind(0)  # each (1, H, 1, D)
        new_values = cache.values[..., position:stop, :].unbind(0)
        all_keys = cache.keys[..., :stop, :].unbind(0)  # each (1, H, S, D)
        all_values = cache.values[..., :stop, :].unbind(0)
        x = F.embedding(token, self.token_table) + self.position_table[position]  # (1, C)
        for i, (norm_1, qkv, attention_projection, norm_2, expand, mlp_projection) in enumerate(self.layers):
            q, k, v = qkv(torch.layer_norm(x, self.shape, *norm_1, self.eps)).view(self.heads).unbind(0)
            new_keys[i].copy_(k)
            new_values[i].copy_(v)
            y = F.scaled_dot_product_attention(q, all_keys[i], all_values[i])  # (1, H, 1, D)
            x = attention_projection(y.view(1, -1)).add_(x)
            h = expand(torch.layer_norm(x, self.shape, *norm_2, self.eps))
            x = mlp_projection(F.gelu(h, approximate="tanh")).add_(x)
        return self.head(torch.layer_norm(x, self.shape, *self.final_norm, self.eps))
