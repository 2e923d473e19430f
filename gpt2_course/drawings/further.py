"""Drawings of chapters 16 and 18: larger models and newer ones."""

from __future__ import annotations

from math import cos, pi, sin

import torch
from torch import Tensor

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, percent, signed
from gpt2_course.optimizers import orthogonalize
from gpt2_course.quantization import LEVELS, quantize_rows


@drawn(16, "muon")
def muon() -> Drawing:
    step = torch.tensor([[1.7, 0.6], [0.9, 0.7]])
    even = orthogonalize(step)
    panels, told = [], []
    for title, matrix, role in (
        ("A step as it comes", step, "loss"),
        ("After Muon: all directions alike", even, "floor"),
    ):
        panel = Panel(206, title)
        cx, cy, unit = WIDTH / 2, 112.0, 44.0
        strengths = torch.linalg.svdvals(matrix)

        def place(v: Tensor, cx: float = cx, cy: float = cy, unit: float = unit) -> tuple[float, float]:
            return cx + unit * v[0].item(), cy - unit * v[1].item()

        circle = [torch.tensor([cos(2 * pi * i / 72), sin(2 * pi * i / 72)]) for i in range(73)]
        panel.line((cx - 130, cy), (cx + 130, cy), faint=0.25, width=1)
        panel.line((cx, cy - 78), (cx, cy + 74), faint=0.25, width=1)
        panel.line(*[place(v) for v in circle], dashed=True, faint=0.6)
        panel.line(*[place(matrix @ v) for v in circle], role=role, width=2.4, tint=0.14, closed=True)
        _, _, directions = torch.linalg.svd(matrix)
        for direction in directions:
            tip = matrix @ direction
            tip = tip if tip[0] > 0 else -tip
            panel.line((cx, cy), place(tip), role=role, width=2, arrow=True)
        texts = f"{strengths[0]:.1f} and {strengths[1]:.1f}"
        panel.text(WIDTH / 2, 202, f"strengths {texts}", bold=True)
        panels.append(panel)
        told.append(texts)
    return Drawing(
        tuple(panels),
        "Left, a step turns a circle into a long, thin ellipse: its two strengths (singular values) are "
        f"{told[0]}. Right, after Muon the ellipse is nearly a circle: {told[1]}.",
    )


@drawn(16, "eight-bits")
def eight_bits() -> Drawing:
    row = torch.tensor([[0.31, -0.08, 0.54, -0.42, 0.02]])
    numbers, scale = quantize_rows(row)
    back = numbers * scale
    panel = Panel(228, "Eight bits: one scale per row")
    largest = row.abs().max().item()
    rows: tuple[tuple[str, list[str], str | None, float], ...] = (
        ("32 bits", [signed(v, 2) for v in row[0].tolist()], "stream", 46),
        ("8 bits", [signed(v, 0) for v in numbers[0].tolist()], "query", 118),
        ("back", [signed(v, 3) for v in back[0].tolist()], "stream", 190),
    )
    for name, texts, role, y in rows:
        panel.text(0, y + 18, name, anchor="start", bold=True)
        panel.cells(54, y, [texts], role=role, width=53, height=28, tint=0.2)
    for i in range(5):
        x = 80.5 + 53 * i
        panel.line((x, 77), (x, 114), role="query", arrow=True)
        panel.line((x, 149), (x, 186), role="query", arrow=True, dashed=True)
    for y, text in ((90, f"÷ {largest:.2f}"), (106, f"· {LEVELS}"), (162, f"÷ {LEVELS}"), (178, f"· {largest:.2f}")):
        panel.text(0, y, text, anchor="start", role="query", bold=True)
    error = (back - row).abs().max().item()
    panel.height = 244
    panel.text(54, 238, f"The largest error is {error:.4f}.", anchor="start")
    return Drawing(
        (panel,),
        f"A row of five weights, {', '.join(rows[0][1])}, is divided by its largest, {largest:.2f}, times {LEVELS}, "
        "and "
        f"rounded to the integers {', '.join(rows[1][1])}. Multiplied back, it is {', '.join(rows[2][1])}.",
    )


@drawn(16, "data-parallel")
def data_parallel() -> Drawing:
    w = torch.tensor(1.0, requires_grad=True)
    batches = (torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0]))
    slopes = [torch.autograd.grad(((w - batch) ** 2).mean(), w)[0].item() for batch in batches]
    mean = sum(slopes) / 2
    together = torch.autograd.grad(((w - torch.cat(batches)) ** 2).mean(), w)[0].item()
    assert mean == together
    panel = Panel(282, "Two ranks, one model")
    for i, (batch, slope) in enumerate(zip(batches, slopes, strict=True)):
        x = 4 + 180 * i
        color = ("token", "position")[i]
        panel.box(x, 30, 132, 124, role=color, tint=0.06, radius=8)
        panel.text(x + 66, 48, f"rank {i}", role=color, bold=True)
        panel.box(
            x + 14, 58, 104, 24, "texts " + ", ".join(f"{v:.0f}" for v in batch.tolist()), role=color, tint=0.2, line=0
        )
        panel.line((x + 66, 84), (x + 66, 94), arrow=True)
        panel.box(x + 14, 97, 104, 22, f"weight {w.item():.0f}", role="stream", tint=0.2, line=0)
        panel.line((x + 66, 121), (x + 66, 130), arrow=True)
        panel.text(x + 66, 147, f"gradient {signed(slope, 0)}", bold=True, role="loss")
        panel.line(
            (x + 66, 158),
            (x + 66, 172),
            (160 + (-30 if i == 0 else 30), 170),
            (160 + (-30 if i == 0 else 30), 186),
            arrow=True,
            smooth=True,
            role="loss",
        )
        panel.line(
            (160 + (-30 if i == 0 else 30), 222),
            (160 + (-30 if i == 0 else 30), 238),
            (x + 66, 236),
            (x + 66, 250),
            arrow=True,
            smooth=True,
            role="floor",
        )
        panel.text(x + 66, 268, "the same step", role="floor", bold=True)
    panel.box(100, 190, 120, 30, f"mean {signed(mean, 0)}", role="loss", tint=0.2, bold=True, size=14)
    return Drawing(
        (panel,),
        f"Two ranks with the same weight read different texts and find the gradients {signed(slopes[0], 0)} and "
        f"{signed(slopes[1], 0)}. Both take the same step, along the mean, {signed(mean, 0)}, which is the gradient of "
        "all four texts together.",
    )


@drawn(18, "rotation")
def rotation() -> Drawing:
    angle = 0.5  # radians per position
    q, k = torch.tensor([1.0, 0.2]), torch.tensor([0.85, -0.3])

    def turned(v: Tensor, position: int) -> Tensor:
        c, s = cos(angle * position), sin(angle * position)
        return torch.tensor([[c, -s], [s, c]]) @ v

    panels, dots = [], []
    for title, at_q, at_k in (("Positions 2 and 1", 2, 1), ("Positions 5 and 4: the same match", 5, 4)):
        panel = Panel(200, title)
        cx, cy, unit = WIDTH / 2, 104.0, 66.0
        panel.dot(cx, cy, unit, hollow=True)
        ends = {}
        for name, v, position, role in (("query", q, at_q, "query"), ("key", k, at_k, "key")):
            tip = turned(v, position)
            ends[name] = tip
            plain = (cx + unit * v[0].item(), cy - unit * v[1].item())
            end = (cx + unit * tip[0].item(), cy - unit * tip[1].item())
            panel.line((cx, cy), plain, role=role, faint=0.35, dashed=True)
            panel.line((cx, cy), end, role=role, width=2.8, arrow=True)
            side = 1 if end[0] >= cx else -1
            panel.text(
                end[0] + 10 * side,
                end[1] - (6 if end[1] < cy else -14),
                f"{name} at {position}",
                role=role,
                bold=True,
                anchor="start" if side > 0 else "end",
            )
        dots.append((ends["query"] @ ends["key"]).item())
        panel.text(WIDTH / 2, 196, f"query · key = {dots[-1]:.2f}", bold=True, size=13)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        "RoPE: a query and a key are turned by an angle that grows with their position. At positions 2 and 1, and at 5 "
        "and 4, they point elsewhere, but the angle between them is the same, and so is their dot product: "
        f"{dots[0]:.2f} "
        f"and {dots[1]:.2f}.",
    )


@drawn(18, "grouped-queries")
def grouped_queries() -> Drawing:
    heads, panels, told = 8, [], []
    for title, groups in (("Multi-head: 8 keys and values", 8), ("Grouped: 2 keys and values, shared by 4", 2)):
        panel = Panel(176, title)
        step = 39.0
        for h in range(heads):
            x = 4 + step * h
            panel.box(x, 34, 32, 26, f"q{h}", role="query", tint=0.25, line=0)
        share = heads // groups
        for g in range(groups):
            middle = 4 + step * (share * g + (share - 1) / 2) + 16
            for h in range(share * g, share * (g + 1)):
                panel.line((20 + step * h, 62), (middle, 92), faint=0.6, width=1.3)
            panel.box(middle - 16, 94, 32, 24, f"k{g}", role="key", tint=0.25, line=0)
            panel.box(middle - 16, 121, 32, 24, f"v{g}", role="value", tint=0.25, line=0)
        panel.text(0, 170, f"The cache holds {2 * groups} vectors per token.", anchor="start", bold=True)
        told.append(2 * groups)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        f"Eight query heads. Left, each has its own key and value head, so the cache holds {told[0]} vectors per "
        "token. "
        f"Right, four of them share each key and value head, and it holds {told[1]}.",
    )


@drawn(18, "router")
def router() -> Drawing:
    logits = torch.tensor([0.2, 1.6, -0.7, 0.4, 2.3, -1.1, 0.1, -0.3])
    best = logits.topk(2)
    shares = best.values.softmax(-1).tolist()
    weight = dict(zip(best.indices.tolist(), shares, strict=True))
    panel = Panel(258, "A router sends each token to 2 of 8 experts")
    panel.box(124, 226, 72, 26, "token", role="token", tint=0.25, bold=True)
    panel.line((160, 224), (160, 208), arrow=True)
    panel.box(110, 178, 100, 28, "router", role="stream", tint=0.25, bold=True)
    for i in range(8):
        x = 4 + 40 * i
        on = i in weight
        panel.line(
            (160, 176),
            (x + 16, 138),
            role="query" if on else None,
            width=1 + 5 * weight.get(i, 0),
            faint=1 if on else 0.25,
            arrow=on,
        )
        panel.box(
            x,
            104,
            32,
            32,
            f"{i + 1}",
            role="mlp" if on else None,
            tint=0.4 if on else 0.04,
            line=0 if on else 1,
            dashed=True,
            bold=on,
        )
        panel.text(x + 16, 156 if not on else 152, "", size=11.5)
        if on:
            panel.line(
                (x + 16, 102), (x + 16, 90), (160, 92), (160, 72), role="mlp", smooth=True, width=1 + 5 * weight[i]
            )
            panel.text(
                x + 16 + (-8 if x < 150 else 8), 96, percent(weight[i]), bold=True, anchor="end" if x < 150 else "start"
            )
    panel.box(92, 40, 136, 28, "weighted sum", role="stream", tint=0.25)
    told = " and ".join(f"{i + 1} with {percent(w)}" for i, w in sorted(weight.items()))
    return Drawing(
        (panel,),
        f"A token goes to a router, which sends it to two of eight experts, {told}. The other six do "
        "nothing. The results are added with these weights.",
    )
