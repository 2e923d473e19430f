"""What a model practises before it reads: looking back."""

from __future__ import annotations

import torch
from torch import Tensor

LENGTH = 64  # tokens a row of practice has: short rows, so that there is little to search through


def random_repeats(vocab_size: int, count: int, length: int, random: torch.Generator) -> Tensor:
    """Rows of random tokens in which a piece comes again and again: there is nothing to know, only to look up.

    A model that reads text from the beginning learns words and phrases first, and to copy a name from ten lines above
    last of all, if its time suffices. Copying is learned much faster where nothing else helps. Sequences like these
    are how Olsson et al. (2022) find the heads that copy, "induction heads"; we use them to make such heads.

    Args:
        vocab_size: the ids are drawn from those below.
        count, length: how many rows, and how many tokens each has. A piece has 2 tokens or more, and at most half of
            the length.
        random: decides the rows.

    Returns:
        int64, of shape (count, length).
    """
    longest = max(2, length // 2)
    period = 2 * (longest / 2) ** torch.rand(count, 1, generator=random)  # short ones as often as long ones
    pieces = torch.randint(vocab_size, (count, longest), generator=random)
    return pieces.gather(1, torch.arange(length) % period.long())
