"""The key-value cache: the keys and values of all tokens so far, so that each is computed once.

Attention only looks back, so a token's keys and values never change. With a cache, generating the next token costs one
row of work instead of the whole window.
"""

from __future__ import annotations

import torch
from torch import Tensor

# How many tokens a chunk of a batch holds. A processor reads memory without gaps two to three times as fast, so chunks
# should fill up soon; but the fewer of them, the better.
CHUNK = 32


class KVCache:
    """Storage for one generation, in chunks along time: (n_layer, 2, B, H, size, D) each.

    B rows, H heads, D channels per head. A single row has one chunk for everything.

    Rows of different lengths are padded on the left so that their newest tokens line up. `padding` (B,) counts the pads
    of each row, which attention ignores and positions skip.

    Args:
        shape: (n_layer, 2, B, H, capacity, D), where `capacity` is the most tokens the cache may hold.
        like: a tensor of the type and on the device of the keys and values.
        padding: the number of pads per row, or None for no pads.
    """

    def __init__(self, shape: tuple[int, int, int, int, int, int], like: Tensor, padding: Tensor | None = None) -> None:
        *self.outer, self.capacity, self.n_channels = shape  # outer: (n_layer, 2, B, H)
        self.like = like
        self.chunk_size = self.capacity if self.n_rows == 1 else CHUNK
        self.chunks: list[Tensor] = []
        self.padding = padding if padding is not None and bool(padding.any()) else None
        self.length = 0  # columns in use
        self.in_last = 0  # columns in use in the last chunk
        self.mask: Tensor | None = None

    @property
    def n_rows(self) -> int:
        return self.outer[2]

    @property
    def is_full(self) -> bool:
        return self.length == self.capacity

    def advance(self, n_tokens: int) -> Tensor:
        """Reserve the next `n_tokens` columns; return their positions: (T,), or (B, T) if rows are padded."""
        start, stop = self.length, self.length + n_tokens
        if stop > self.capacity:
            raise ValueError(
                f"The cache has room for {self.capacity} tokens and contains {start}, so {n_tokens} more do not fit: "
                f"make a new one with a larger capacity."
            )
        if not self.chunks or self.in_last + n_tokens > self.chunks[-1].shape[4]:
            self.chunks = self.filled()
            size = min(max(self.chunk_size, n_tokens), self.capacity - start)
            self.chunks.append(self.like.new_zeros((*self.outer, size, self.n_channels)))
            self.in_last = 0
        self.length = stop
        self.in_last += n_tokens
        queries = torch.arange(start, stop, device=self.like.device)  # (T,)
        self.mask = None
        if self.padding is None:
            if start > 0 and n_tokens > 1:  # otherwise attention's own causal mask, or none, will do
                self.mask = torch.arange(stop, device=self.like.device) <= queries[:, None]  # (T, S)
            return queries
        keys = torch.arange(stop, device=self.like.device)  # (S,)
        pads = self.padding[:, None, None, None]  # (B, 1, 1, 1)
        causal = keys <= queries[:, None]  # (T, S)
        # Each pad sees itself, because a softmax over nothing would be 0/0.
        self.mask = (causal & (keys >= pads)) | (keys == queries[:, None])  # (B, 1, T, S)
        return (queries - self.padding[:, None]).clamp(min=0)

    def filled(self) -> list[Tensor]:
        """The chunks without the columns that are not in use."""
        return [*self.chunks[:-1], *(chunk[..., : self.in_last, :] for chunk in self.chunks[-1:])]

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Store the newest keys and values (B, H, T, D); return all so far (B, H, S, D) and the mask to use."""
        chunks = [chunk[layer] for chunk in self.filled()]  # (2, B, H, size, D)
        chunks[-1][0, :, :, -k.shape[2] :] = k
        chunks[-1][1, :, :, -v.shape[2] :] = v
        keys, values = chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=3)
        return keys, values, self.mask

    def remove(self, row: int) -> None:
        """Remove a row; the last one takes its place, so that the others need not be copied."""
        last = self.n_rows - 1
        for chunk in self.chunks if row < last else []:
            chunk[:, :, row] = chunk[:, :, last]
        self.chunks = [chunk[:, :, :last] for chunk in self.chunks]
        self.outer[2] = last
        if self.padding is not None:
            self.padding[row] = self.padding[last]
            self.padding = self.padding[:last]
