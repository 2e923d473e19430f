"""The key-value cache: the keys and values of all tokens so far, so that each is computed once.

Attention only looks back, so a token's keys and values never change. With a cache, generating the next token costs one
row of work instead of the whole window.
"""

from __future__ import annotations

import torch
from torch import Tensor


class KVCache:
    """Storage for one generation: (n_layer, 2, B, H, capacity, D), for B rows, H heads, and D channels per head.

    Rows of different lengths are padded on the left so that their newest tokens line up. `padding` (B,) counts the pads
    of each row, which attention ignores and positions skip.
    """

    def __init__(self, empty: Tensor, padding: Tensor | None = None) -> None:
        self.keys_values = empty
        self.padding = padding if padding is not None and bool(padding.any()) else None
        self.length = 0  # columns in use
        self.mask: Tensor | None = None

    @property
    def capacity(self) -> int:
        return self.keys_values.shape[4]

    def advance(self, n_tokens: int) -> Tensor:
        """Reserve the next `n_tokens` columns; return their positions: (T,), or (B, T) if rows are padded."""
        start, stop = self.length, self.length + n_tokens
        if stop > self.capacity:
            raise ValueError(
                f"The cache has room for {self.capacity} tokens and contains {start}, so {n_tokens} more do not fit: "
                f"make a new one with a larger capacity."
            )
        self.length = stop
        queries = torch.arange(start, stop, device=self.keys_values.device)  # (T,)
        self.mask = None
        if self.padding is None:
            if start > 0 and n_tokens > 1:  # otherwise attention's own causal mask, or none, will do
                self.mask = torch.arange(stop, device=self.keys_values.device) <= queries[:, None]  # (T, S)
            return queries
        keys = torch.arange(stop, device=self.keys_values.device)  # (S,)
        pads = self.padding[:, None, None, None]  # (B, 1, 1, 1)
        causal = keys <= queries[:, None]  # (T, S)
        # Each pad sees itself, because a softmax over nothing would be 0/0.
        self.mask = (causal & (keys >= pads)) | (keys == queries[:, None])  # (B, 1, T, S)
        return (queries - self.padding[:, None]).clamp(min=0)

    def remove(self, row: int) -> None:
        """Remove a row; the last one takes its place, so that the others need not be copied."""
        last = self.keys_values.shape[2] - 1
        if row < last:
            used = self.keys_values[..., : self.length, :]
            used[:, :, row] = used[:, :, last]
        self.keys_values = self.keys_values[:, :, :last]
        if self.padding is not None:
            self.padding[row] = self.padding[last]
            self.padding = self.padding[:last]

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Store the newest keys and values (B, H, T, D); return all so far (B, H, S, D) and the mask to use."""
        stored = self.keys_values[layer]  # (2, B, H, capacity, D)
        stored[0, :, :, self.length - k.shape[2] : self.length] = k
        stored[1, :, :, self.length - v.shape[2] : self.length] = v
        return stored[0, :, :, : self.length], stored[1, :, :, : self.length], self.mask
