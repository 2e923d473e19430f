"""Drawings of chapters 0 to 2: shapes, probabilities, and tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import islice, pairwise
from math import exp, log

import torch

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, percent, signed, text_width, visible
from gpt2_course.drawings.shipped import next_probabilities, shipped
from gpt2_course.tiny_world import documents


def _whole(table: torch.Tensor) -> list[list[str]]:
    return [[f"{value:.0f}" for value in row] for row in table.tolist()]


@drawn(0, "shapes")
def shapes() -> Drawing:
    x = torch.arange(24).view(4, 2, 3)  # the chapter's example
    small = Panel(178, "One dimension, then two")
    small.cells(0, 30, _whole(x[0, :1]), role="token", width=36, height=28)
    small.text(124, 43, "shape (3,)", anchor="start", bold=True)
    small.text(124, 59, "a list of 3 numbers", anchor="start")
    small.cells(0, 92, _whole(x[0]), role="token", width=36, height=28)
    small.text(124, 114, "shape (2, 3)", anchor="start", bold=True)
    small.text(124, 130, "a table with 2 rows of 3", anchor="start")
    small.bracket(2, 154, 104, "3 columns")
    large = Panel(178, "Three: shape (4, 2, 3), four tables of 2 × 3")
    for i in range(4):
        left, top = 34 + 158 * (i % 2), 30 + 76 * (i // 2)
        large.box(left - 4, top - 4, 110, 64, tint=0, radius=7)
        large.text(left - 10, top + 32, f"x[{i}]", anchor="end")
        large.cells(left, top, _whole(x[i]), role="token", width=34, height=28)
    return Drawing(
        (small, large),
        "Three tensors drawn as cells. Shape (3,): one row, 0 1 2. Shape (2, 3): two rows, 0 1 2 and 3 4 5. "
        "Shape (4, 2, 3): four such tables, x[0] to x[3], that hold the numbers from 0 to 23 in order.",
    )


@drawn(0, "broadcasting")
def broadcasting() -> Drawing:
    table = torch.arange(6).view(2, 3)
    panels = []
    for other, title, by in (
        (torch.tensor([10, 20, 30]), "(2, 3) + (3,): the row is repeated", "position"),
        (torch.tensor([[10], [20]]), "(2, 3) + (2, 1): the column is repeated", "query"),
    ):
        panel = Panel(94, title)
        panel.cells(0, 32, _whole(table), role="token", width=30, height=26)
        panel.text(101, 62, "+", size=16)
        whole = other.expand(2, 3)
        for r in range(2):
            for c in range(3):
                real = r == 0 if other.dim() == 1 else c == 0
                panel.box(
                    113 + 30 * c,
                    33 + 26 * r,
                    28,
                    24,
                    f"{whole[r, c]}",
                    role=by,
                    tint=0.2 if real else 0,
                    dashed=not real,
                    line=0 if real else 1.2,
                    radius=3,
                )
        panel.text(214, 62, "=", size=16)
        panel.cells(227, 32, _whole(table + other), width=30, height=26, tint=0.08)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        "Two sums. The table 0 1 2, 3 4 5 plus the row 10 20 30: the row is repeated for both rows of the table. "
        "The same table plus the column 10, 20: the column is repeated for all three columns. "
        "Dashed cells are repeats.",
    )


@drawn(0, "matrix-product")
def matrix_product() -> Drawing:
    a = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])  # the chapter's matrices
    b = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    product = a @ b
    panel = Panel(212, "A row meets a column")
    left, top, size = 30, 118, 30
    panel.cells(left, top, _whole(a), role="query", width=size, height=size, tint=lambda r, c: 0.3 if r == 0 else 0.08)
    panel.cells(164, 24, _whole(b), role="key", width=size, height=size, tint=lambda r, c: 0.3 if c == 1 else 0.08)
    panel.cells(164, top, _whole(product), width=size, height=size, tint=0.08, strong=[(0, 1)])
    panel.line((124, top + 15), (158, top + 15), role="query", arrow=True)
    panel.text(24, top + 34, "a", bold=True, anchor="end")
    panel.text(156, 74, "b", bold=True, anchor="end")
    panel.text(234, top + 34, "a @ b", bold=True, anchor="start")
    terms = " + ".join(f"{p:.0f}·{q:.0f}" for p, q in zip(a[0].tolist(), b[:, 1].tolist(), strict=True))
    panel.text(left, 200, f"{terms} = {product[0, 1]:.0f}", anchor="start", size=13, bold=True)
    panel.text(234, 44, "(2, 3) @ (3, 2)", anchor="start", size=11.5)
    panel.text(234, 60, "→ (2, 2)", anchor="start", size=11.5)
    return Drawing(
        (panel,),
        f"A matrix product. The first row of a, 1 0 2, and the second column of b, 2 4 6, are marked. "
        f"Their dot product, {terms} = {product[0, 1]:.0f}, is where that row and that column meet.",
    )


@drawn(0, "rearranging")
def rearranging() -> Drawing:
    x = torch.arange(6).view(2, 3)

    def tint_of(numbers: list[list[int]]) -> Callable[[int, int], float]:
        """Light for the numbers of x's first row, dark for those of its second, wherever they are now."""
        return lambda row, column: 0.12 if numbers[row][column] < 3 else 0.36

    views = Panel(150, "The same six numbers, rearranged")
    for left, table, name, shape in (
        (0, x, "x", "(2, 3)"),
        (124, x.view(3, 2), "x.view(3, 2)", "same order"),
        (234, x.T, "x.T", "rows ↔ columns"),
    ):
        views.cells(left, 52, _whole(table), role="token", width=30, height=28, tint=tint_of(table.tolist()))
        middle = left + 15 * table.shape[1]
        views.text(middle, 44, name, bold=True, size=11.5)
        views.text(middle, 66 + 28 * table.shape[0], shape, size=11.5)
    p = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])  # the chapter's example
    targets = torch.tensor([1, 0])
    chosen = p.gather(1, targets[:, None])
    picks = Panel(150, "gather: one number from each row")
    picks.cells(
        0,
        52,
        [[f"{value:.1f}" for value in row] for row in p.tolist()],
        role="probability",
        width=36,
        height=28,
        tint=lambda r, c: 0.4 if c == targets[r] else 0.08,
    )
    picks.text(54, 44, "p (2, 3)", bold=True, size=11.5)
    picks.cells(146, 52, [[str(i)] for i in targets.tolist()], role="query", width=34, height=28, tint=0.2)
    picks.text(163, 44, "indices", bold=True, size=11.5)
    picks.line((194, 80), (224, 80), arrow=True)
    picks.cells(
        240,
        52,
        [[f"{value:.1f}"] for value in chosen[:, 0].tolist()],
        role="probability",
        width=40,
        height=28,
        tint=0.4,
    )
    picks.text(260, 44, "result", bold=True, size=11.5)
    picks.text(0, 138, "Row 0 gives its number 1, and row 1 its number 0.", anchor="start", size=11.5)
    return Drawing(
        (views, picks),
        "Left, the table 0 1 2, 3 4 5. As view(3, 2), its numbers stay in order: 0 1, 2 3, 4 5. Transposed, rows "
        "become columns: 0 3, 1 4, 2 5. Right, gather with the indices 1 and 0 takes number 1 of the first row, "
        f"{chosen[0, 0]:.1f}, and number 0 of the second, {chosen[1, 0]:.1f}.",
    )


@drawn(1, "loop")
def loop() -> Drawing:
    text, rows = "Once upon a time, a fox named Pip lost", []
    for _ in range(3):
        new, p = next_probabilities(text)[0]
        rows.append((text.replace("Once upon a time, a fox named", "…"), new, p))
        text += new
    panel = Panel(268, "Ask, append, ask again")
    for i, (given, new, p) in enumerate(rows):
        top = 30 + 84 * i
        width = text_width(given) + 14
        panel.box(0, top, width, 26, given, role="token")
        panel.line((width + 3, top + 13), (width + 17, top + 13), arrow=True)
        panel.box(width + 20, top - 3, 54, 32, "model", role="stream", tint=0.2, bold=True)
        panel.line((width + 77, top + 13), (width + 91, top + 13), arrow=True)
        left, size = width + 94, max(24, text_width(visible(new)) + 10)
        panel.box(left, top, size, 26, visible(new), role="query", tint=0.2, bold=True)
        panel.text(left + size + 6, top + 17, percent(p), anchor="start")
        if i < 2:
            end = text_width(rows[i + 1][0]) + 14 - size / 2 - 4
            middle, below = left + size / 2, top + 84
            panel.line(
                (middle, top + 29),
                (middle, top + 60),
                (end, top + 46),
                (end, below - 3),
                role="query",
                arrow=True,
                smooth=True,
            )
    panel.text(WIDTH, 262, "and so on, some 200 times", anchor="end", size=11.5)
    said = "; ".join(f"“{given}” gives “{new}” with {percent(p)}" for given, new, p in rows)
    return Drawing(
        (panel,),
        f"A loop: the text goes into the model, and the piece that comes out is put at the end of the text, "
        f"which goes into the model again. {said}.",
    )


@cache
def after(word: str) -> Counter[str]:
    """How often each word came after a word in the texts of chapter 1."""
    texts = (document.text for document in islice(documents(seed=0, split="train"), 2000))
    return Counter(
        second for text in texts for first, second in pairwise(re.findall(r"\w+|[^\w\s]", text)) if first == word
    )


@drawn(1, "counts")
def counts() -> Drawing:
    found = after("She")
    best = found.most_common(5)
    total = found.total()
    rest = total - sum(n for _, n in best)
    shown = [*best, (f"{len(found) - len(best)} others", rest)]
    panel = Panel(208, "What came after “She”? Count, then divide")
    panel.text(116, 42, "count", bold=True, anchor="end")
    panel.text(140, 42, "share", bold=True, anchor="start")
    for i, (word, n) in enumerate(shown):
        top = 48 + 22 * i
        panel.text(68, top + 15, word, anchor="end")
        panel.text(116, top + 15, str(n), anchor="end")
        panel.text(128, top + 15, "→")
        length = 130 * n / max(rest, best[0][1])
        panel.box(140, top + 3, length, 16, role="probability", tint=0.7, line=0, radius=3)
        panel.text(145 + length, top + 15, percent(n / total), anchor="start")
    panel.line((74, 184), (118, 184), width=1.2)
    panel.text(116, 199, str(total), anchor="end", bold=True)
    panel.text(140, 199, f"every count divided by {total}", anchor="start")
    told = ", ".join(f"{word} {n} ({percent(n / total)})" for word, n in shown)
    return Drawing(
        (panel,), f"A table of what followed the word She, {total} times in all, with each count and its share: {told}."
    )


@drawn(1, "surprise")
def surprise() -> Drawing:
    panel = Panel(240, "Surprise: −ln p")
    left, right, bottom, top = 34.0, 312.0, 200.0, 34.0

    def place(p: float) -> tuple[float, float]:
        return left + (right - left) * p, bottom - (bottom - top) * -log(p) / 5

    panel.line((left, top), (left, bottom), (right, bottom), faint=0.5, width=1.2)
    for tick in range(0, 6):
        panel.text(left - 6, place(exp(-tick))[1] + 4, str(tick), anchor="end", size=11.5)
    for p in (0.0, 0.25, 0.5, 0.75, 1.0):
        panel.text(left + (right - left) * p, bottom + 16, f"{p:g}", size=11.5)
    panel.text(right, bottom + 34, "p: the chance the model gave the actual word", anchor="end", size=11.5)
    panel.line(*[place(exp(-5 + i / 20)) for i in range(101)], role="loss", width=2.4)
    for p, words, dx, dy in (
        (0.01, "1 in 100: “What?!”", 10, 4),
        (0.1, "1 in 10: “Oh?”", 10, 0),
        (0.5, "1 in 2: “Fine.”", 8, -30),
        (1.0, "certain: “Sure.”", 0, -24),
    ):
        x, y = place(p)
        panel.line((x, y), (x + dx, y + dy), faint=0.3, width=1)
        panel.dot(x, y, 4.5, role="loss")
        panel.text(x + dx, y + dy, f"{words} {signed(-log(p), 2)}", anchor="end" if p == 1 else "start")
    return Drawing(
        (panel,),
        "The curve of minus ln p. If the actual word had p = 1, the surprise is 0. "
        f"At 1 in 2 it is {-log(0.5):.2f}, at 1 in 10 {-log(0.1):.2f}, at 1 in 100 {-log(0.01):.2f}, "
        "and it grows without end as p approaches 0.",
    )


@drawn(2, "pieces")
def pieces() -> Drawing:
    tokenizer = shipped()[1]
    text = "é 🦊 fox"
    tokens = tokenizer.tokens_of(text)
    panel = Panel(216, "From text to numbers")
    unit = 22.4
    names = ("text", "bytes", "tokens", "IDs")
    for name, y in zip(names, (48, 100, 152, 204), strict=True):
        panel.text(0, y, name, anchor="start", bold=True, size=11.5)
    at, left = 0, 50.0
    for character in text:
        raw = character.encode()
        panel.box(left + unit * at + 1, 32, unit * len(raw) - 2, 24, visible(character), role="stream", line=0)
        for i, byte in enumerate(raw):
            panel.box(left + unit * (at + i) + 1, 84, unit - 2, 24, str(byte), role="position", line=0, size=11)
            panel.line((left + unit * (at + len(raw) / 2), 58), (left + unit * (at + i + 0.5), 82), faint=0.4, width=1)
        at += len(raw)
    at, told = 0, []
    for token in tokens:
        raw = token.bytes
        x, width = left + unit * at, unit * len(raw)
        for j in range(len(raw)):
            panel.line((x + unit * (j + 0.5), 110), (x + width / 2, 134), faint=0.4, width=1)
        panel.box(x + 1, 136, width - 2, 24, visible(token.text), role="token", tint=0.2, line=0)
        panel.line((x + width / 2, 162), (x + width / 2, 182), arrow=True, width=1.2)
        number = raw[0] if len(raw) == 1 else token.id  # as in the chapter, where the ID of a byte is its value
        panel.text(x + width / 2, 204, str(number), size=11)
        told.append(f"“{visible(token.text)}” {number}")
        at += len(raw)
    return Drawing(
        (panel,),
        f"The text “{text}” in four rows: its characters; their bytes, of which é has two and the fox four; the tokens "
        f"that the bytes are merged into; and their IDs: {', '.join(told)}.",
    )


@drawn(2, "merges")
def merges() -> Drawing:
    tokenizer = shipped()[1]
    rank = {pair: number for number, pair in enumerate(tokenizer.merges, start=1)}
    word = " lantern"
    parts = [(bytes([byte]), float(i)) for i, byte in enumerate(word.encode())]  # each with its place
    unit, base = 268 / len(parts), 24.0
    steps: list[tuple[bytes, float, float, float, int]] = []  # merged, its place, its parts' places, its rank
    while len(parts) > 1:
        known = [(rank[a[0], b[0]], i) for i, (a, b) in enumerate(pairwise(parts)) if (a[0], b[0]) in rank]
        if not known:
            break
        number, i = min(known)
        (left, x), (right, y) = parts[i : i + 2]
        steps.append((left + right, (x + y) / 2, x, y, number))
        parts[i : i + 2] = [(left + right, (x + y) / 2)]
    height = 46 + 36 * len(steps) + 30
    panel = Panel(height, f"{len(steps)} merges make “{visible(word)}” one token")
    panel.text(WIDTH, 38, "merge", anchor="end", bold=True)
    tops: dict[float, float] = {}
    bottom = height - 30
    for i, byte in enumerate(word.encode()):
        panel.box(unit * (i + 0.5) - 13, bottom, 26, 24, visible(chr(byte)), role="position", line=0)
        tops[float(i)] = bottom
    for n, (merged, place, x, y, number) in enumerate(steps, start=1):
        top = bottom - 36 * n
        name = visible(merged.decode())
        width = max(28, text_width(name, bold=True) + 12)
        center = unit * (place + 0.5)
        for child in (x, y):
            panel.line((unit * (child + 0.5), tops[child]), (center, top + base), role="token", width=1.3, faint=0.7)
        panel.box(center - width / 2, top, width, base, name, role="token", tint=0.2, line=0, bold=True)
        panel.text(WIDTH, top + 16, f"{number:,}", anchor="end")
        tops[place] = top
    told = ", then ".join(f"“{visible(merged.decode())}” (merge {number})" for merged, *_, number in steps)
    return Drawing(
        (panel,), f"A tree over the letters of “{visible(word)}”. From the bottom up, pairs are merged: {told}."
    )
