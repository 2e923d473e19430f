"""Look inside a GPT-2 while it reads: all activations, from the embeddings to the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.model import GPT2, Block

__all__ = ["activations", "induction_scores", "logit_lens", "patch_heads", "patch_stream"]

Place = tuple[str, int | None]  # the name and layer of an activation; None outside the blocks


@torch.no_grad()  # not inference_mode: callers compute with the results
def activations(
    model: GPT2,
    tokens: Sequence[int],
    without: Iterable[tuple[int, int]] = (),
    instead: Mapping[Place, Tensor] | None = None,
) -> dict[Place, Tensor]:
    """Everything that GPT-2 computes for T tokens, by name and layer (None outside the blocks).

    Outside the blocks: `token_embedding`, `position_embedding`, their sum `embedding`, and `final_norm`, all (T, C);
    and `logits` (T, V). In each layer: `norm_1`, `q`, `k`, `v`, `heads`, `attention_out`, `after_attention`, `norm_2`,
    `mlp_out`, `after_mlp`, all (T, C); `mlp_expand` and `mlp_hidden`, before and after GELU, (T, 4C); and `attention`
    (H, T, T), how much each token (a row) looks at itself and each token before it. The arithmetic is that of the
    model's `forward`, which keeps none of this.

    Args:
        model: the model to look into.
        tokens: T token IDs.
        without: heads to switch off, as (layer, head); they contribute nothing to what follows.
        instead: activations to replace, by name and layer, with tensors of the same shape. Everything after them is
            computed from the replacement. Use this to patch in activations from another text.

    Raises:
        ValueError: there are no tokens or more than the model has positions, or a name in `instead` is not an
            activation of the model or its tensor has a different shape.
    """
    config = model.config
    T, C, H = len(tokens), config.n_embd, config.n_head
    if not 1 <= T <= config.n_positions:
        raise ValueError(f"This model reads 1 to {config.n_positions} tokens at a time, but got {T}.")
    found: dict[Place, Tensor] = {}
    patches = dict(instead or {})

    def keep(name: str, layer: int | None, value: Tensor) -> Tensor:
        patch = patches.pop((name, layer), value)
        if patch.shape != value.shape:
            raise ValueError(
                f"The replacement for {name!r} must have shape {tuple(value.shape)}, but has {tuple(patch.shape)}."
            )
        found[name, layer] = patch
        return patch

    ids = torch.tensor(list(tokens), device=model.device)
    token_embedding = keep("token_embedding", None, model.token_embedding(ids))  # (T, C)
    position_embedding = keep("position_embedding", None, model.position_embedding.weight[:T])  # (T, C)
    x = keep("embedding", None, token_embedding + position_embedding)
    off = set(without)
    future = torch.ones(T, T, dtype=torch.bool, device=model.device).triu(1)
    for layer, block in enumerate(cast("Iterable[Block]", model.blocks)):
        normed = keep("norm_1", layer, block.norm_1(x))
        made = block.attention.qkv(normed).split(C, dim=-1)  # three of (T, C)
        q, k, v = (
            keep(name, layer, value).view(T, H, C // H).transpose(0, 1) for name, value in zip("qkv", made, strict=True)
        )  # three of (H, T, D)
        scores = q @ k.mT / (C // H) ** 0.5  # (H, T, T)
        weights = keep("attention", layer, scores.masked_fill(future, -torch.inf).softmax(-1))
        heads = weights @ v  # (H, T, D)
        for head in range(H):
            if (layer, head) in off:
                heads[head] = 0
        heads = keep("heads", layer, heads.transpose(0, 1).reshape(T, C))
        x = keep("after_attention", layer, x + keep("attention_out", layer, block.attention.projection(heads)))
        normed = keep("norm_2", layer, block.norm_2(x))
        wide = keep("mlp_expand", layer, block.mlp.expand(normed))  # (T, 4C)
        hidden = keep("mlp_hidden", layer, F.gelu(wide, approximate="tanh"))
        x = keep("after_mlp", layer, x + keep("mlp_out", layer, block.mlp.projection(hidden)))
    normed = keep("final_norm", None, model.final_norm(x))
    keep("logits", None, model.unembed(normed))
    if patches:
        raise ValueError(f"This model has no activation {next(iter(patches))}, so it cannot be replaced.")
    return found


@torch.no_grad()
def logit_lens(model: GPT2, tokens: Sequence[int]) -> Tensor:
    """What the model would predict if it stopped early: ln p of each next token, (L + 1, T, V).

    Row 0 reads the embeddings, row l + 1 reads the residual stream after block l, and the last row is the model's
    output. The idea is from nostalgebraist (2020): the output layer can read the residual stream at any depth.
    """
    found = activations(model, tokens)
    stream = [found["embedding", None], *(found["after_mlp", layer] for layer in range(model.config.n_layer))]
    return model.unembed(model.final_norm(torch.stack(stream))).log_softmax(-1)


Score = Callable[[Tensor], Tensor]  # logits (T, V) of a text → one number


def patch_heads(model: GPT2, tokens: Sequence[int], other: Sequence[int], score: Score) -> Tensor:
    """How much each head contributes to the difference between two texts, (L, H), by activation patching.

    For each head, run `tokens` with that head's output taken from `other`. The result is 0 if this does not change the
    score, and 1 if it gives the score of `other`. The method is from Vig et al. (2020) and Meng et al. (2022).

    Raises `ValueError` if the texts differ in length or have the same score.
    """
    here, there = _pair(model, tokens, other)
    D = model.config.n_embd // model.config.n_head

    def patched(layer: int, head: int) -> Tensor:
        heads = here["heads", layer].clone()  # (T, C): head h has the D channels starting at h·D
        heads[:, head * D : (head + 1) * D] = there["heads", layer][:, head * D : (head + 1) * D]
        return score(activations(model, tokens, instead={("heads", layer): heads})["logits", None])

    rows = [[patched(layer, head) for head in range(model.config.n_head)] for layer in range(model.config.n_layer)]
    return _share(torch.stack([torch.stack(row) for row in rows]), score, here, there)


def patch_stream(model: GPT2, tokens: Sequence[int], other: Sequence[int], score: Score) -> Tensor:
    """`patch_heads` for each position of the residual stream, before the first block and after each one: (L + 1, T).

    If a number is 1, everything that distinguishes the two texts passes through that token at that depth.
    """
    here, there = _pair(model, tokens, other)
    places: list[Place] = [("embedding", None), *(("after_mlp", layer) for layer in range(model.config.n_layer))]

    def patched(place: Place, t: int) -> Tensor:
        x = here[place].clone()  # (T, C)
        x[t] = there[place][t]
        return score(activations(model, tokens, instead={place: x})["logits", None])

    rows = [torch.stack([patched(place, t) for t in range(len(tokens))]) for place in places]
    return _share(torch.stack(rows), score, here, there)


def _pair(model: GPT2, tokens: Sequence[int], other: Sequence[int]) -> tuple[dict[Place, Tensor], dict[Place, Tensor]]:
    if len(tokens) != len(other):
        raise ValueError(
            f"Both texts must have the same number of tokens, but they have {len(tokens)} and {len(other)}."
        )
    return activations(model, tokens), activations(model, other)


def _share(patched: Tensor, score: Score, here: dict[Place, Tensor], there: dict[Place, Tensor]) -> Tensor:
    ours, theirs = score(here["logits", None]), score(there["logits", None])
    if bool(ours == theirs):
        raise ValueError(
            f"Both texts have score {float(ours):.3g}, so there is no difference to explain. Choose another score."
        )
    return (patched - ours) / (theirs - ours)


@torch.no_grad()
def induction_scores(model: GPT2, rows: Tensor, period: int) -> Tensor:
    """How much each head looks where an induction head would: (L, H), from 0 to 1, averaged over `rows` (N, T).

    The tokens of each row repeat with the given period. When a token comes back, its previous occurrence is `period`
    positions earlier, and an induction head looks at the token right after it (Olsson et al., 2022).
    """
    scores = [
        torch.stack(
            [
                found["attention", layer].diagonal(1 - period, dim1=1, dim2=2)[:, 1:].mean(-1)  # (H,)
                for layer in range(model.config.n_layer)
            ]
        )
        for found in (activations(model, row.tolist()) for row in rows)
    ]
    return torch.stack(scores).mean(0)
