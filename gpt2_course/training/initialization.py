"""A better start for small models than random weights alone."""

from __future__ import annotations

import torch

from gpt2_course.model import GPT2, CausalSelfAttention


def start_as_copier(model: GPT2) -> None:
    """Initialize attention to look at similar tokens and pass on what it finds (Trockman & Kolter, 2023, "mimetic").

    In each layer W_Q = W_K and W_O = W_Vᵀ, both orthogonal, at the scale of the random matrices they replace. The
    output head is the token embedding, so a token that attention passes on unchanged is predicted at once. Where an
    earlier word must come back, looking at it pays off from the first step. With random matrices, the model would have
    to learn where to look and how to pass it on at the same time.
    """
    C = model.config.n_embd
    size = model.config.initializer_range * C**0.5  # the ratio of a random (C, C) matrix's norm to an orthogonal one's
    with torch.no_grad():
        for attention in model.modules():
            if isinstance(attention, CausalSelfAttention):
                qkv = attention.qkv.weight  # (3C, C): queries, keys, and values
                qkv[C : 2 * C] = torch.nn.init.orthogonal_(qkv[:C], size)
                attention.projection.weight.copy_(torch.nn.init.orthogonal_(qkv[2 * C :], size).T)
