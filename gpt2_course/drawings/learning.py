"""Drawings of chapters 8 to 10: gradients, training, and writing."""

from __future__ import annotations

import torch

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, signed, text_width, visible
from gpt2_course.drawings.shipped import shipped
from gpt2_course.packing import PackedDocuments


@drawn(8, "graph")
def graph() -> Drawing:
    given = {"w": 2.0, "x": 3.0, "b": 1.0, "target": -5.0}
    w, x, b, target = (torch.tensor(value, requires_grad=True) for value in given.values())
    product = w * x
    answer = product + b
    off = answer + target
    loss = off * off
    nodes = {"w": w, "x": x, "w·x": product, "b": b, "answer": answer, "target": target, "off": off, "loss": loss}
    signs = {"w·x": "·", "answer": "+", "target": "−5", "off": "+", "loss": "·"}
    slopes = dict(zip(nodes, torch.autograd.grad(loss, list(nodes.values())), strict=True))
    panel = Panel(258, "off = w·x + b + (−5), and loss = off · off")
    places = {
        "w": (24, 62), "x": (24, 146), "w·x": (88, 104), "b": (88, 192), "answer": (160, 104),
        "target": (160, 192), "off": (232, 104), "loss": (304, 104),
    }  # fmt: skip
    for start, end in (
        ("w", "w·x"), ("x", "w·x"), ("w·x", "answer"), ("b", "answer"), ("answer", "off"), ("target", "off"),
        ("off", "loss"),
    ):  # fmt: skip
        (ax, ay), (bx, by) = places[start], places[end]
        gap = 17 / ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        panel.line(
            (ax + gap * (bx - ax), ay + gap * (by - ay)),
            (bx - 1.1 * gap * (bx - ax), by - 1.1 * gap * (by - ay)),
            arrow=True,
            faint=0.7,
        )
    told = []
    for name, (px, py) in places.items():
        leaf = name in given
        panel.dot(px, py, 15, role="stream" if leaf else "mlp", hollow=True)
        panel.text(px, py + 5, signs.get(name, name), size=15, bold=True)
        forward, back = signed(nodes[name].item(), 0), signed(slopes[name].item(), 0)
        panel.text(px, py - 21, forward, bold=True, size=13)
        panel.text(px, py + 29, back, role="loss", bold=True, size=13)
        told.append(f"{name}: number {forward}, slope {back}")
    panel.text((places["off"][0] + places["loss"][0]) / 2, places["off"][1] - 6, "twice")
    panel.text(0, 252, "above: number", anchor="start", bold=True)
    panel.text(112, 252, "below: slope, .grad", anchor="start", bold=True, role="loss")
    return Drawing(
        (panel,), f"A graph with eight Values: off is w·x + b plus −5, and the loss off · off. {'; '.join(told)}."
    )


@drawn(8, "chain")
def chain() -> Drawing:
    x = torch.tensor(1.0, requires_grad=True)
    line = Panel(180, "One after the other: slopes multiply")
    (through,) = torch.autograd.grad(-2 * (3 * x), x)
    both = Panel(180, "Two paths that meet: slopes add")
    (meeting,) = torch.autograd.grad(x + 3 * x, x)
    nudge = 0.1
    for px, name in ((22, "x"), (160, "u"), (298, "y")):
        line.box(px - 20, 70, 40, 36, name, role="stream", tint=0.18, size=16, bold=True)
    for px, factor, role in ((42, 3, "query"), (180, -2, "mlp")):
        line.line((px + 3, 88), (px + 93, 88), arrow=True, role=role, width=2.5)
        line.text(px + 48, 78, f"slope {signed(factor, 0)}", role=role, bold=True)
    for px, moved in ((22, "+0.1"), (160, f"+{3 * nudge:.1f}"), (298, signed(nudge * through.item()))):
        line.text(px, 60, moved, bold=True)
    line.text(WIDTH / 2, 144, f"3 · (−2) = {signed(through.item(), 0)}", size=18, bold=True)
    line.text(WIDTH / 2, 168, "y moves six times as far, the other way.")
    both.box(2, 70, 40, 36, "x", role="stream", tint=0.18, size=16, bold=True)
    both.box(278, 70, 40, 36, "y", role="stream", tint=0.18, size=16, bold=True)
    both.line((44, 80), (110, 30), (210, 30), (275, 80), arrow=True, role="query", width=2.5, smooth=True)
    both.line((44, 96), (110, 146), (210, 146), (275, 96), arrow=True, role="mlp", width=2.5, smooth=True)
    both.text(WIDTH / 2, 60, f"slope 1: +{nudge:.1f}", role="query", bold=True)
    both.text(WIDTH / 2, 126, f"slope 3: +{3 * nudge:.1f}", role="mlp", bold=True)
    both.text(22, 60, f"+{nudge:.1f}", bold=True)
    both.text(298, 60, f"+{4 * nudge:.1f}", bold=True)
    both.text(WIDTH / 2, 98, f"1 + 3 = {meeting:.0f}", size=18, bold=True)
    both.text(WIDTH / 2, 168, "Each path moves y by its share.")
    return Drawing(
        (line, both),
        f"Left: x leads to u with slope 3, and u to y with slope −2, so y moves 3 · (−2) = {signed(through.item(), 0)} "
        f"times as far as x. Right: two paths lead from x to y, with slopes 1 and 3, so y moves 1 + 3 = {meeting:.0f} "
        "times as far.",
    )


@drawn(9, "shift")
def shift() -> Drawing:
    _, tokenizer = shipped()
    tokens = [visible(token.text) for token in tokenizer.tokens_of("Once upon a time, a")]
    inputs, targets = tokens[:-1], tokens[1:]
    panel = Panel(178, "The same text, shifted by one")
    widths = [max(34, text_width(token) + 10) for token in tokens]
    gap = (WIDTH - 54 - 12 - sum(widths[: len(inputs)])) / len(inputs)
    panel.text(0, 54, "reads", anchor="start", bold=True)
    panel.text(0, 132, "should", anchor="start", bold=True)
    panel.text(0, 147, "say", anchor="start", bold=True)
    x, middle = 54.0, 0.0
    for i, (given, wanted) in enumerate(zip(inputs, targets, strict=True)):
        width = widths[i]
        panel.box(x, 37, width, 26, given, role="token", tint=0.18, line=0)
        panel.box(x, 127, width, 26, wanted, role="loss", tint=0.18, line=0)
        if i:
            panel.line((x + width / 2 - 3, 66), (middle + 3, 122), role="loss", arrow=True, faint=0.8)
        middle = x + width / 2
        x += width + gap
    panel.line((x - 4, 66), (middle + 3, 122), role="loss", arrow=True, faint=0.8)
    panel.text(x - 2, 54, tokens[-1], anchor="start", bold=True)
    panel.text(54, 174, f"{len(tokens)} tokens make {len(inputs)} questions.", anchor="start")
    told = ", ".join(f"“{a}” → “{b}”" for a, b in zip(inputs, targets, strict=True))
    return Drawing((panel,), f"Two rows of tokens. Below each token that the model reads is the next one: {told}.")


@drawn(9, "packing")
def packing() -> Drawing:
    rows = torch.tensor([[0, 5, 6, 7, 0, 8, 9, 0, 3]])  # 0 stands for the end of a text
    packed = PackedDocuments(rows, end_of_text=0)
    mask, positions = packed.mask[0, 0], packed.positions[0].tolist()
    number = (rows[0] == 0).cumsum(0).tolist()
    colors = ("token", "position", "mlp")
    panel = Panel(290, "Three documents in one row")
    left, top, size = 86.0, 62.0, 25.0
    names = [f"{'ABC'[n - 1]}{p}" for n, p in zip(number, positions, strict=True)]
    for i, name in enumerate(names):
        panel.box(left + size * i + 1, 34, size - 2, 22, name, role=colors[number[i] - 1], tint=0.3, line=0, size=11.5)
        panel.box(
            left - 36, top + size * i + 1, 30, size - 2, name, role=colors[number[i] - 1], tint=0.3, line=0, size=11.5
        )
    panel.cells(
        left,
        top,
        [["" for _ in names] for _ in names],
        width=size,
        height=size,
        role=lambda r, c: colors[number[r] - 1] if mask[r, c] else None,
        tint=lambda r, c: 0.55 if mask[r, c] else 0.05,
    )
    panel.text(0, top + 14, "reads", anchor="start", size=11.5)
    panel.text(0, 50, "looks at", anchor="start", size=11.5)
    return Drawing(
        (panel,),
        "A mask of 9 by 9 tokens: documents A, B, and C follow one another in one row. Only three triangles on "
        "the "
        "diagonal are filled, one per document, so no token looks at another document. Positions restart at 0 in each.",
    )


@drawn(9, "valley")
def valley() -> Drawing:
    def descend(rate: float, momentum: float, steps: int) -> list[tuple[float, float]]:
        at, speed = torch.tensor([-9.0, 2.4]), torch.zeros(2)
        path = [(at[0].item(), at[1].item())]
        for _ in range(steps):
            slope = at * torch.tensor([0.04, 1.0])  # of the loss 0.02 x² + 0.5 y²
            speed = momentum * speed - rate * slope
            at = at + speed
            path.append((at[0].item(), at[1].item()))
        return path

    cx, cy, unit = 166.0, 92.0, 17.0

    def place(x: float, y: float) -> tuple[float, float]:
        return cx + unit * x, cy - unit * y

    panels, reached = [], []
    for title, rate, momentum in (
        ("Plain steps zigzag down the valley", 1.8, 0.0),
        ("With momentum, they pick up speed", 0.7, 0.8),
    ):
        panel = Panel(176, title)
        for level in (0.08, 0.35, 0.85, 1.6):
            panel.oval(cx, cy, unit * (2 * level / 0.04) ** 0.5, unit * (2 * level) ** 0.5)
        path = descend(rate, momentum, 12)
        panel.line(*[place(*p) for p in path], role="loss", width=1.8)
        for p in path:
            panel.dot(*place(*p), 3, role="loss")
        panel.dot(cx, cy, 4, role="floor")
        end = 0.02 * path[-1][0] ** 2 + 0.5 * path[-1][1] ** 2
        reached.append(f"{end:.2f}")
        panel.text(WIDTH, 170, f"after 12 steps, loss {end:.2f}", anchor="end", bold=True)
        panel.text(0, 170, "start", anchor="start", size=11.5)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        "Two maps of a long, narrow valley with its lowest point marked. Left, plain steps jump from one wall to the "
        f"other and creep along: after 12 steps the loss is {reached[0]}. Right, steps with momentum run along the "
        f"valley: {reached[1]}.",
    )
