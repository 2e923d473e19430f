"""Drawings of chapters 3 to 5: embeddings, attention, and heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, percent, signed, text_width
from gpt2_course.drawings.shipped import shipped
from gpt2_course.introspection import activations

WORDS = ["Pip", "lost", "a", "red", "kite", ".", "the", "red"]  # the chapter's example


def by_hand() -> Tensor:
    """The attention weights (T,) of the last word, with the chapter's keys and query of two numbers."""
    keys = torch.zeros(len(WORDS), 2)  # (T, 2): am I a thing? am I a name?
    keys[0, 1] = keys[4, 0] = 1
    return (keys @ torch.tensor([4.0, 0.0])).softmax(-1)


STORY = (  # of chapters 4 and 5
    "Once upon a time, a fox named Pip lost a red kite. Pip looked under the bed. "
    "Then he ran to the lighthouse, and there lay the red"
)


@cache
def in_the_model() -> tuple[Tensor, int, int]:
    """How the last token of the story looks at each token: the weights (L, H, T) of all heads of the model.

    Also returns the layer and the head that look most at the thing of the story.
    """
    model, tokenizer = shipped()
    ids = tokenizer.encode(STORY)
    thing = ids.index(tokenizer.encode(" kite")[0])
    found = activations(model, ids)
    weights = torch.stack([found["attention", layer][:, -1] for layer in range(model.config.n_layer)])  # (L, H, T)
    return weights, *divmod(int(weights[:, :, thing].argmax()), model.config.n_head)


def _numbers(table: Tensor, digits: int = 1) -> list[list[str]]:
    return [[signed(value, digits) for value in row] for row in table.tolist()]


@drawn(3, "embedding")
def embedding() -> Drawing:
    table = torch.tensor([[0.2, -1.0, 0.5], [1.1, 0.3, -0.4], [-0.7, 0.8, 0.9], [0.6, -0.2, 1.3], [-1.2, 0.1, 0.0]])
    chosen = 2
    one_hot = torch.eye(5)[[chosen]]  # (1, V)
    row = one_hot @ table
    pick = Panel(182, "Look up: ID 2 picks row 2")
    pick.box(0, 99, 66, 26, f"ID {chosen}", role="token", tint=0.25, bold=True)
    pick.line((69, 112), (92, 112), role="token", arrow=True, width=2)
    for r in range(5):
        pick.text(108, 64 + 26 * r, str(r), anchor="end", size=11.5)
    pick.cells(
        112, 46, _numbers(table), role="token", width=42, height=26, tint=lambda r, c: 0.35 if r == chosen else 0.07
    )
    pick.text(175, 38, "token table (V, C)", size=11.5)
    pick.line((241, 111), (253, 111), role="token", arrow=True, width=2)
    pick.text(290, 108, "the vector", size=11.5)
    pick.text(290, 123, "of token 2", size=11.5)
    multiply = Panel(206, "The same as a product with a one-hot row")
    multiply.cells(
        0,
        98,
        [["0" if v == 0 else "1" for v in one_hot[0].tolist()]],
        width=17,
        height=26,
        role="token",
        tint=lambda r, c: 0.35 if c == chosen else 0.07,
    )
    multiply.text(95, 116, "@", size=14)
    multiply.cells(
        106, 46, _numbers(table), role="token", width=33, height=26, tint=lambda r, c: 0.35 if r == chosen else 0.07
    )
    multiply.text(212, 116, "=", size=14)
    multiply.cells(221, 98, _numbers(row), role="token", width=33, height=26, tint=0.35)
    multiply.text(42, 90, "(1, V)", size=11.5)
    multiply.text(155, 38, "(V, C)", size=11.5)
    multiply.text(270, 90, "(1, C)", size=11.5)
    return Drawing(
        (pick, multiply),
        f"A token table of 5 rows and 3 columns. Left, ID {chosen} picks row {chosen}: {', '.join(_numbers(row)[0])}. "
        f"Right, a row with a 1 in place {chosen} and 0 elsewhere, times the same table, gives the same numbers.",
    )


def _sentence(panel: Panel, y: float, words: Sequence[str], roles: Mapping[int, str]) -> list[float]:
    """Write words in a row as wide as the panel, those with a role in its color; returns the middle of each."""
    widths = [text_width(word, bold=i in roles) for i, word in enumerate(words)]
    edge = 3.0  # for fonts that are wider than text_width thinks
    gap = (WIDTH - 2 * edge - sum(widths)) / (len(words) - 1)
    x, middles = edge, []
    for i, (word, width) in enumerate(zip(words, widths, strict=True)):
        middles.append(x + width / 2)
        panel.text(x + width / 2, y, word, role=roles.get(i), bold=i in roles)
        x += width + gap
    return middles


def _arcs(
    panel: Panel,
    y: float,
    middles: Sequence[float],
    weights: Sequence[float],
    role: str = "attention",
    height: float = 1,
) -> None:
    """An arc from the last word to each word, as thick as its weight; `height` flattens the arcs."""
    end = middles[-1]
    for middle, weight in zip(middles, weights, strict=True):
        lift = height * (16 + 0.36 * (end - middle))
        start = (end, y)
        if middle == end:
            continue
        panel.line(
            start,
            (end - 4, y - lift),
            (middle + 4, y - lift),
            (middle, y),
            role=role,
            width=max(0.8, 9 * weight),
            smooth=True,
            faint=0.9 if weight > 0.2 else 0.45,
        )


@drawn(4, "query-key-value")
def query_key_value() -> Drawing:
    hand = Panel(226, "By hand: two numbers per token")
    weights = by_hand().tolist()
    middles = _sentence(hand, 138, WORDS, {4: "key", 7: "query"})
    _arcs(hand, 122, middles, weights)
    hand.text(middles[4] + 56, 60, percent(weights[4]), role="attention", bold=True, size=14)
    hand.text(middles[0] + 30, 76, f"{percent(weights[0])} each", size=11.5)
    for x, width, role, name, says in (
        (middles[4] - 134, 92, "key", "key (1, 0)", "“I’m a thing.”"),
        (middles[4] - 34, 60, "value", "value", "“kite”"),
        (WIDTH - 104, 104, "query", "query (4, 0)", "“Which thing?”"),
    ):
        hand.box(x, 164, width, 46, role=role, tint=0.15, line=0)
        hand.text(x + width / 2, 182, name, role=role, bold=True)
        hand.text(x + width / 2, 200, says)
    hand.line((middles[4] - 14, 144), (middles[4] - 58, 162), role="key")
    hand.line((middles[4] - 2, 144), (middles[4] - 4, 162), role="value")
    hand.line((middles[7] - 2, 144), (middles[7] - 20, 162), role="query")
    real, layer, head = in_the_model()
    trained = Panel(236, f"In the trained model: layer {layer}, head {head}")
    words = ["Pip", "lost", "a", "red", "kite", ".", "…", "there", "lay", "the", "red"]
    ends = [8, 9, 10, 11, 12, 13, None, 28, 29, 30, 31]  # their tokens in the story
    shown = [0.0 if t is None else float(real[layer, head, t]) for t in ends]
    middles = _sentence(trained, 138, words, {4: "key", 10: "query"})
    _arcs(trained, 122, middles, shown)
    trained.text((middles[4] + middles[10]) / 2, 50, percent(shown[4]), role="attention", bold=True, size=14)
    for y, line in (
        (176, "Nobody wrote these queries and keys."),
        (196, "They were learned, and are longer:"),
        (216, "32 numbers per token in place of 2."),
    ):
        trained.text(WIDTH / 2, y, line)
    return Drawing(
        (hand, trained),
        f"The sentence Pip lost a red kite. … the red, with an arc from the last red to each word before it. "
        f"The thick arc leads to kite, with {percent(weights[4])} by hand and {percent(shown[4])} in layer {layer}, "
        f"head {head} of the trained model. The query of red asks “Which thing?”, the key of kite says “I’m a thing.”, "
        "and its value is “kite”.",
    )


@drawn(4, "mask")
def mask() -> Drawing:
    torch.manual_seed(0)
    scores = (2 * torch.randn(4, 4)).round(decimals=1)
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    weights = scores.masked_fill(future, -torch.inf).softmax(-1)
    words = ["Pip", "lost", "a", "kite"]
    left = Panel(178, "Scores, with the future set to −∞")
    texts = [["−∞" if t < s else signed(scores[t, s].item()) for s in range(4)] for t in range(4)]
    right = Panel(178, "After softmax, each row adds up to 100%")
    shares = [["0" if t < s else percent(weights[t, s].item()) for s in range(4)] for t in range(4)]
    for panel, table in ((left, texts), (right, shares)):
        for i, word in enumerate(words):
            panel.text(70 + 54 * i + 27, 44, word)
            panel.text(62, 52 + 30 * i + 20, word, anchor="end")
        panel.cells(
            70,
            52,
            table,
            width=54,
            height=30,
            role=lambda r, c: None if c > r else "attention",
            tint=(lambda r, c: 0.05 if c > r else 0.16)
            if panel is left
            else (lambda r, c: 0.05 if c > r else 0.08 + 0.42 * round(weights[r, c].item(), 1)),
        )
        corner = [(70 + 54.0, 53.0)]
        for t in range(4):
            corner += [(70 + 54.0 * (t + 1), 52 + 30.0 * t + 1), (70 + 54.0 * (t + 1), 52 + 30.0 * (t + 1))]
        panel.line(*corner[1:], width=2.2)
    return Drawing(
        (left, right),
        "Two tables of 4 by 4 for the words Pip lost a kite. Left, the scores: all above the diagonal, the future, are "
        "minus infinity. Right, the weights after softmax: above the diagonal they are 0, and each row adds up to "
        f"100%. The first row is {shares[0][0]} on Pip itself.",
    )


@drawn(5, "qkv-columns")
def qkv_columns() -> Drawing:
    H, D = 3, 4  # the chapter's example
    C = H * D
    panel = Panel(212, "The columns of w_qkv")
    unit = WIDTH / (3 * C)
    for i, (role, name) in enumerate((("query", "queries"), ("key", "keys"), ("value", "values"))):
        left = i * C * unit
        for h in range(H):
            x = left + h * D * unit
            panel.box(x + 1, 58, D * unit - 2, 56, f"{name[0]}{h}", role=role, tint=0.12 + 0.14 * h, line=0, bold=True)
        panel.bracket(left + 2, 52, C * unit - 4, f"all {name}: C", role=role, up=True)
    panel.bracket(2, 118, D * unit - 4, f"D = {D}")
    panel.text(WIDTH, 136, f"3C = {3 * C} columns", anchor="end")
    panel.text(0, 166, "q1: the columns for the queries of head 1.", anchor="start")
    panel.text(0, 184, "First cut into three, (T, C) each: q, k, and v.", anchor="start")
    panel.text(0, 202, "Then split each of them into heads.", anchor="start")
    return Drawing(
        (panel,),
        f"A strip of {3 * C} columns. The first third belongs to the queries, the second to the keys, the last to the "
        f"values. Each third has the {D} columns of head 0, then those of head 1 and head 2: q0 q1 q2, k0 k1 k2, v0 v1 "
        "v2.",
    )


@drawn(5, "several-heads")
def several_heads() -> Drawing:
    layer = 5  # where three heads look at three different words
    weights = in_the_model()[0][layer]
    H, D = weights.shape[0], shipped()[0].config.n_embd // weights.shape[0]
    words = ["Once", "…", "Pip", "lost", "a", "red", "kite", ".", "…", "the", "red"]
    ends = [0, None, 8, 9, 10, 11, 12, 13, None, 30, 31]  # their tokens in the story
    panel = Panel(356, f"One token, several questions: layer {layer}")
    favorites: dict[int, int] = {}  # of three heads, where each looks most, in three different places
    for head in weights.amax(-1).argsort(descending=True).tolist():
        favorite = int(weights[head].argmax())
        if favorite in ends and favorite not in favorites.values() and len(favorites) < 3:
            favorites[head] = favorite
    told, roles = [], ("query", "mlp", "position")
    for i, ((head, favorite), role) in enumerate(zip(favorites.items(), roles, strict=True)):
        y, place = 92 + 84 * i, ends.index(favorite)
        middles = _sentence(panel, y + 16, words, {place: role, 10: role})
        _arcs(panel, y, middles, [0.0 if t is None else float(weights[head, t]) for t in ends], role, 0.55)
        share = percent(weights[head, favorite].item())
        panel.text(0, y - 40, f"head {head}", anchor="start", role=role, bold=True)
        aside, anchor = (-14, "end") if middles[place] > 60 else (14, "start")
        panel.text(middles[place] + aside, y - 12, share, anchor=anchor, role=role, bold=True)
        told.append(f"head {head} at {words[place]}, with {share}")
    colors = dict(zip(favorites, roles, strict=True))
    for head in range(H):
        tint = 0.3 if head in colors else 0.07
        panel.box(
            WIDTH / H * head + 1, 296, WIDTH / H - 2, 26, f"head {head}", role=colors.get(head), tint=tint, line=0
        )
    panel.text(0, 346, f"Side by side: {H} heads × {D} = {H * D} numbers", anchor="start", bold=True)
    return Drawing(
        (panel,),
        f"The story Once … Pip lost a red kite. … the red, three times. From the last red, the heads of layer "
        f"{layer} look at different words: {', '.join(told)}. The results of all {H} heads, {D} numbers each, are put "
        "side by side.",
    )
