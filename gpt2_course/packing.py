"""Several documents in one row, each read as if it were alone."""

from __future__ import annotations

import torch
from torch import Tensor


class PackedDocuments:
    """Takes the place of a key-value cache in a forward pass: every token sees only its own document.

    Each document begins with `end_of_text`, and its positions count from 0, as they do when a model reads it alone. A
    row may also begin in the middle of a document.

    Args:
        tokens: (B, T), the rows to read.
        end_of_text: the id at which documents begin.
    """

    def __init__(self, tokens: Tensor, end_of_text: int) -> None:
        begins = tokens == end_of_text  # (B, T)
        columns = torch.arange(tokens.shape[1], device=tokens.device)  # (T,)
        self.positions = columns - (begins * columns).cummax(dim=1).values  # (B, T)
        number = begins.cumsum(dim=1)  # of each token's document in its row (B, T)
        same = number[:, :, None] == number[:, None]  # (B, T, T)
        self.mask = (same & (columns <= columns[:, None]))[:, None]  # (B, 1, T, T), for all heads

    def advance(self, n_tokens: int) -> Tensor:
        """The positions of all tokens: (B, T)."""
        return self.positions

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The keys and values as they are, and the mask: there is nothing to remember."""
        return k, v, self.mask
