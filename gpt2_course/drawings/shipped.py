"""The model that ships with the course, for drawings with its numbers."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from gpt2_course.model import GPT2
from gpt2_course.tokenizer import Tokenizer


@cache
def shipped() -> tuple[GPT2, Tokenizer]:
    """The model and its tokenizer."""
    model = GPT2.from_pretrained()
    assert model.tokenizer is not None
    return model, model.tokenizer


@torch.no_grad()
def next_probabilities(text: str) -> list[tuple[str, float]]:
    """All tokens and their probabilities of coming next, the likeliest first."""
    model, tokenizer = shipped()
    p, ids = model(torch.tensor([tokenizer.encode(text)]))[0, -1].softmax(-1).sort(descending=True, stable=True)
    return [(tokenizer.decode([i]), share) for share, i in zip(p.tolist(), ids.tolist(), strict=True)]


@torch.no_grad()
def surprises(text: str) -> Tensor:
    """−ln p of each token of a document that begins with this text, (T,)."""
    model, tokenizer = shipped()
    ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(text)]])
    log_p = model(ids[:, :-1])[0].log_softmax(-1)
    return -log_p.gather(1, ids[0, 1:, None])[:, 0]
