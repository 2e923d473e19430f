"""Drawings of chapters 6 and 7: the transformer block and the whole model."""

from __future__ import annotations

from math import erf, sqrt

import torch
from torch.nn import functional as F

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, marked, percent, signed
from gpt2_course.drawings.shipped import shipped
from gpt2_course.introspection import activations
from gpt2_course.model import GPT2, GPT2Config


@drawn(6, "residual-stream")
def residual_stream() -> Drawing:
    model, tokenizer = shipped()
    text = "Once upon a time, a fox named Pip lost a red kite. Pip looked under the bed."
    found = activations(model, tokenizer.encode(text))

    def length(name: str, layer: int | None = 0) -> str:
        return f"{found[name, layer].norm(dim=-1).mean():.1f}"

    panel = Panel(212, "Parts read the stream and add to it")
    y = 150.0
    panel.box(0, y, WIDTH - 14, 24, role="stream", tint=0.3, line=0, radius=0)
    panel.line(
        (WIDTH - 14, y - 6), (WIDTH, y + 12), (WIDTH - 14, y + 30), role="stream", width=0, tint=0.3, closed=True
    )
    for left, name, role in ((14, "attention", "attention"), (166, "MLP", "mlp")):
        panel.line((left + 12, y), (left + 12, 122), arrow=True, role=role)
        panel.box(left - 14, 98, 52, 24, "norm", role="norm", tint=0.15)
        panel.line((left + 12, 98), (left + 12, 74), arrow=True, role=role)
        panel.box(left - 14, 44, 88, 30, name, role=role, tint=0.2, bold=True)
        panel.line((left + 74, 59), (left + 104, 59), (left + 104, y - 1), arrow=True, role=role)
        panel.dot(left + 104, y + 12, 9, role=role)
        panel.box(left + 95, y + 3, 18, 18, tint=0, line=0)
        panel.line((left + 99, y + 12), (left + 109, y + 12), width=2)
        panel.line((left + 104, y + 7), (left + 104, y + 17), width=2)
    added = (length("attention_out"), length("mlp_out"))
    for x, text in ((72, added[0]), (224, added[1])):
        panel.text(x + 42, 112, f"+ {text}", anchor="end", bold=True)
    stream = (length("embedding", None), length("after_attention"), length("after_mlp"))
    for x, text in ((2, stream[0]), (150, stream[1]), (294, stream[2])):
        panel.text(x + 4, y + 42, text, role="stream", bold=True, anchor="start" if x < 290 else "middle")
    panel.text(0, 208, "Numbers: mean lengths of the tokens’ vectors, layer 0", anchor="start", size=11.5)
    return Drawing(
        (panel,),
        "A conveyor belt, the residual stream, runs from left to right. Attention reads it through a norm and adds its "
        "result to it; then the MLP does the same. In layer 0 of the trained model, the vectors on the belt have a "
        f"mean length of {stream[0]}; attention adds vectors of length {added[0]}, which makes {stream[1]}; the MLP "
        f"adds vectors of length {added[1]}, which makes {stream[2]}.",
    )


@drawn(6, "layer-norm")
def layer_norm() -> Drawing:
    x = torch.tensor([6.0, 9.0, 4.0, 8.0, 3.0])
    y = F.layer_norm(x, (5,), eps=0)
    mean, deviation = x.mean().item(), x.std(unbiased=False).item()
    panels = []
    for title, values, center, spread, unit in (
        (f"Before: mean {mean:.0f}, standard deviation {deviation:.1f}", x, mean, deviation, 10.0),
        ("After: mean 0, standard deviation 1", y, 0.0, 1.0, 10 * deviation),
    ):
        panel = Panel(164, title)
        zero = 150.0 if center else 94.0
        middle = zero - unit * center
        panel.box(0, middle - unit * spread, WIDTH - 38, 2 * unit * spread, role="norm", tint=0.12, line=0, radius=2)
        for i, value in enumerate(values.tolist()):
            left, height = 10 + 54 * i, unit * value
            panel.box(left, zero - max(height, 0), 40, abs(height), role="stream", tint=0.55, line=0, radius=2)
            panel.text(left + 20, zero - height + (-5 if height > 0 else 14), signed(value, 0 if center else 1))
        panel.line((0, zero), (WIDTH - 38, zero), faint=0.6, width=1.2)
        panel.text(WIDTH - 32, zero + 4, "0", anchor="start", size=11.5)
        if center:
            panel.line((0, middle), (WIDTH - 38, middle), role="norm", dashed=True)
            panel.text(WIDTH - 32, middle + 4, "mean", anchor="start", size=11.5)
        panels.append(panel)
    told = ", ".join(signed(value) for value in y.tolist())
    return Drawing(
        tuple(panels),
        f"Five bars before and after layer norm. Before: 6, 9, 4, 8, 3, with mean {mean:.0f} and standard deviation "
        f"{deviation:.1f}. After: {told}, with mean 0 and standard deviation 1. Their order and proportions are the "
        "same.",
    )


@drawn(6, "mlp")
def mlp() -> Drawing:
    C = shipped()[0].config.n_embd
    panel = Panel(236, "The MLP: widen, GELU, narrow")
    narrow, wide = 80.0, 226.0
    middle = wide / 2
    for y, width, role, text in (
        (206, narrow, "stream", f"C = {C}"),
        (120, wide, "mlp", f"4C = {4 * C}"),
        (34, narrow, "stream", f"C = {C}"),
    ):
        panel.box(middle - width / 2, y, width, 26, text, role=role, tint=0.3, line=0, bold=True)
    for a, b, down, up in ((206, 146, narrow, wide), (120, 60, wide, narrow)):
        corners = (middle - down / 2, a), (middle - up / 2, b), (middle + up / 2, b), (middle + down / 2, a)
        panel.line(*corners, role="mlp", width=0, tint=0.1, closed=True)
        panel.line((middle + 52, a - 8), (middle + 52, b + 10), role="mlp", arrow=True)
    panel.text(middle, 181, "x @ W_up + b")
    panel.text(middle, 95, "@ W_down + b")
    x0, y0, unit = 276.0, 142.0, 13.0
    panel.line((x0 - 3 * unit, y0), (x0 + 3 * unit, y0), faint=0.4, width=1)
    panel.line((x0, y0 + 6), (x0, y0 - 3 * unit), faint=0.4, width=1)
    curve = [-3 + 0.2 * i for i in range(31)]
    panel.line(*[(x0 + unit * v, y0 - unit * v * 0.5 * (1 + erf(v / sqrt(2)))) for v in curve], role="mlp", width=2.4)
    panel.text(x0, 168, "GELU", role="mlp", bold=True)
    return Drawing(
        (panel,),
        f"A vector of {C} numbers is widened to {4 * C}, goes through GELU, a curve that lets positive numbers pass "
        "and "
        f"flattens negative ones to nearly 0, and is narrowed to {C} again.",
    )


@drawn(7, "tied-table")
def tied_table() -> Drawing:
    words = ["fox", "kite", "red", "the"]
    table = torch.tensor([[0.9, 0.1, 0.3], [0.2, 1.4, 0.1], [-0.5, 0.6, 1.1], [-0.8, -0.9, 0.2]])
    last = torch.tensor([0.3, 2.0, -0.4])
    logits = table @ last
    p = logits.softmax(-1).tolist()
    rows = [[signed(v) for v in row] for row in table.tolist()]
    first = Panel(176, "At the bottom: pick a row")
    end = Panel(176, "At the top: compare with every row")
    for panel, strong in ((first, 2), (end, int(logits.argmax()))):
        left = 92 if panel is first else 100
        for r, word in enumerate(words):
            panel.text(left - 6, 76 + 28 * r, word, anchor="end")
        panel.cells(left, 58, rows, role="token", width=36, height=28,
                    tint=marked(strong))  # fmt: skip
    first.box(0, 118, 40, 24, "red", role="token", tint=0.25, line=0, bold=True)
    first.line((43, 130), (56, 130), arrow=True, role="token")
    first.line((204, 128), (224, 128), arrow=True, role="token", width=2)
    first.text(268, 124, "into the", size=12)
    first.text(268, 140, "first block", size=12)
    end.cells(0, 58, [[signed(v)] for v in last.tolist()], role="stream", width=40, height=28, tint=0.3)
    end.text(33, 50, "last vector", size=11.5)
    end.text(56, 104, "·", size=18)
    for r, (logit, share) in enumerate(zip(logits.tolist(), p, strict=True)):
        y = 76 + 28 * r
        end.text(238, y, signed(logit), anchor="end")
        end.box(246, y - 11, max(2, 40 * share), 15, role="probability", tint=0.7, line=0, radius=2)
        end.text(290, y, percent(share), anchor="start", size=11.5)
    end.text(222, 50, "logit", size=11.5)
    end.text(286, 50, "softmax", size=11.5)
    for panel in (first, end):
        panel.text(146 if panel is first else 154, 50, "token table", size=11.5, role="token", bold=True)
    told = ", ".join(f"{word} {percent(share)}" for word, share in zip(words, p, strict=True))
    return Drawing(
        (first, end),
        "The same token table twice. At the bottom of the model, the token red picks its row. At the top, the last "
        f"vector is compared with every row, and softmax turns the dot products into probabilities: {told}.",
    )


@drawn(7, "parameters")
def parameters() -> Drawing:
    with torch.device("meta"):  # shapes without numbers
        model = GPT2(GPT2Config())
    sizes = {name: value.numel() for name, value in model.named_parameters()}
    parts = (
        ("token table", "token", "token_embedding"),
        ("positions", "position", "position_embedding"),
        ("attention", "attention", ".attention."),
        ("MLPs", "mlp", ".mlp."),
        ("norms", "norm", "norm"),
    )
    total = sum(sizes.values())
    counted = [(name, role, sum(n for key, n in sizes.items() if mark in key)) for name, role, mark in parts]
    assert sum(n for *_, n in counted) == total  # each parameter is counted once
    panel = Panel(222, f"Where GPT-2’s {total / 1e6:.0f} million parameters are")
    x = 0.0
    for _, role, n in counted:
        width = WIDTH * n / total
        panel.box(x, 32, width, 40, role=role, tint=0.6, line=0, radius=0)
        x += width
    for i, (name, role, n) in enumerate(counted):
        y = 104 + 24 * i
        panel.box(0, y - 12, 14, 14, role=role, tint=0.6, line=0, radius=3)
        panel.text(22, y, name, anchor="start")
        panel.text(190, y, f"{n:,}", anchor="end")
        panel.text(250, y, f"{n / total:.{1 if n > 0.001 * total else 2}%}", anchor="end")
    panel.text(258, 104 + 48, "12 blocks", anchor="start", size=11.5)
    panel.text(258, 104 + 72, "12 blocks", anchor="start", size=11.5)
    told = ", ".join(f"{name} {n / total:.1%}" for name, _, n in counted)
    return Drawing((panel,), f"A bar of all {total:,} parameters of the smallest GPT-2, divided into: {told}.")
