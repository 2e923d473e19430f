"""Looking inside a GPT-2 while it reads: every number on the way from the embeddings to the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.model import GPT2, Block

Place = tuple[str, int | None]  # what it is, and in which layer: None outside of the blocks


@torch.no_grad()  # and not inference_mode: readers go on computing with what they find
def activations(
    model: GPT2,
    tokens: Sequence[int],
    without: Iterable[tuple[int, int]] = (),
    instead: Mapping[Place, Tensor] | None = None,
) -> dict[Place, Tensor]:
    """Everything that GPT-2 computes for T tokens, by name and layer (None outside of the blocks).

    Outside: `token_embedding`, `position_embedding`, their sum `embedding`, and `final_norm`, all (T, C), and `logits`
    (T, V). In every layer: `norm_1`, `q`, `k`, `v`, `heads`, `attention_out`, `after_attention`, `norm_2`, `mlp_out`,
    `after_mlp`, all (T, C); `mlp_hidden` (T, 4C); and `attention` (H, T, T), how much each token (a row) looks at each
    one before it. The heads in `without`, as (layer, head), contribute nothing to what follows.

    What stands in `instead` takes the place of what the model computes, and all that follows goes on from it: this is
    how numbers of another text are patched in. Any of the above can be replaced, by a tensor of its shape.

    The model's own `forward` keeps none of this; the arithmetic is the same. Raises `ValueError` for no tokens, or more
    than the model has positions, and for something to patch in that has no place or another shape.
    """
    config = model.config
    T, C, H = len(tokens), config.n_embd, config.n_head
    if not 1 <= T <= config.n_positions:
        raise ValueError(f"{T} tokens were given, but this model reads 1 to {config.n_positions} at a time.")
    found: dict[Place, Tensor] = {}
    patches = dict(instead or {})

    def keep(name: str, layer: int | None, value: Tensor) -> Tensor:
        patch = patches.pop((name, layer), value)
        if patch.shape != value.shape:
            raise ValueError(
                f"What is put instead of {name!r} has the shape {tuple(patch.shape)}, not {tuple(value.shape)}."
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
        hidden = keep("mlp_hidden", layer, F.gelu(block.mlp.expand(normed), approximate="tanh"))  # (T, 4C)
        x = keep("after_mlp", layer, x + keep("mlp_out", layer, block.mlp.projection(hidden)))
    normed = keep("final_norm", None, model.final_norm(x))
    keep("logits", None, model.unembed(normed))
    if patches:
        raise ValueError(f"This model computes no {next(iter(patches))}, so nothing can be put in its place.")
    return found


@torch.no_grad()
def logit_lens(model: GPT2, tokens: Sequence[int]) -> Tensor:
    """What the model would predict if it stopped early: ln p of every next token, (L + 1, T, V).

    Row 0 reads the embeddings, row l + 1 the residual stream after block l; the last row is what the model says. (An
    idea of nostalgebraist, 2020: the output head reads anything that has the stream's form.)
    """
    found = activations(model, tokens)
    stream = [found["embedding", None], *(found["after_mlp", layer] for layer in range(model.config.n_layer))]
    return model.unembed(model.final_norm(torch.stack(stream))).log_softmax(-1)


Score = Callable[[Tensor], Tensor]  # the logits (T, V) of a text → one number


def patch_heads(model: GPT2, tokens: Sequence[int], other: Sequence[int], score: Score) -> Tensor:
    """How much of a difference each head makes, (L, H): `score` for the text `tokens`, but with one head's output taken
    from the text `other`; 0 where that changes nothing, 1 where the score becomes that of the other text.

    Both texts must have the same number of tokens. The method is called activation patching (Vig et al., 2020; Meng et
    al., 2022).
    """
    here, there = _pair(model, tokens, other)
    D = model.config.n_embd // model.config.n_head

    def patched(layer: int, head: int) -> Tensor:
        heads = here["heads", layer].clone()  # (T, C): head h has the channels from h·D on
        heads[:, head * D : (head + 1) * D] = there["heads", layer][:, head * D : (head + 1) * D]
        return score(activations(model, tokens, instead={("heads", layer): heads})["logits", None])

    rows = [[patched(layer, head) for head in range(model.config.n_head)] for layer in range(model.config.n_layer)]
    return _share(torch.stack([torch.stack(row) for row in rows]), score, here, there)


def patch_stream(model: GPT2, tokens: Sequence[int], other: Sequence[int], score: Score) -> Tensor:
    """As `patch_heads`, for each place of the residual stream: (L + 1, T), before the first block and after each.

    Where the number is 1, all that tells the two texts apart passes through that token at that height.
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
        raise ValueError(f"The two texts must be of one length, but have {len(tokens)} and {len(other)} tokens.")
    return activations(model, tokens), activations(model, other)


def _share(patched: Tensor, score: Score, here: dict[Place, Tensor], there: dict[Place, Tensor]) -> Tensor:
    ours, theirs = score(here["logits", None]), score(there["logits", None])
    if bool(ours == theirs):
        raise ValueError(f"The score is {float(ours):.3g} for both texts: there is no difference to explain.")
    return (patched - ours) / (theirs - ours)


@torch.no_grad()
def induction_scores(model: GPT2, rows: Tensor, period: int) -> Tensor:
    """How much each head looks to where an induction head would, (L, H): from 0 to 1, a mean over `rows` (N, T).

    In every row the tokens repeat with the given period. At its second time a token stood `period` places before, and
    what came after it then, `period - 1` places before, is what will come again (Olsson et al., 2022).
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
