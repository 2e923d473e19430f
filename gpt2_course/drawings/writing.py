"""Drawings of chapters 10 and 11: from probabilities to text."""

from __future__ import annotations

import torch
from torch import Tensor

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, percent, visible
from gpt2_course.drawings.shipped import shipped, surprises
from gpt2_course.drawings.start import after


def _after_she(top: int = 7) -> tuple[list[str], Tensor]:
    """The commonest words after “She” in the texts of chapter 1, and their shares.

    The shares are whole percents that add up to 100, so that a reader can add them up.
    """
    common = after("She").most_common(top)
    counts = torch.tensor([float(n) for _, n in common], dtype=torch.float64)
    ends = (counts.cumsum(0) / counts.sum()).round(decimals=2)
    return [word for word, _ in common], ends.diff(prepend=torch.zeros(1, dtype=torch.float64))


@drawn(10, "cuts")
def cuts() -> Drawing:
    words, shares = _after_she()
    p = shares.tolist()
    k, mass = 3, 0.8
    kept_p = int((shares.cumsum(0) - shares < mass).sum())
    panels = []
    for title, kept in ((f"Top-k = {k}: keep {k} tokens", k), (f"Top-p = {mass}: keep enough for {mass:.0%}", kept_p)):
        panel = Panel(204, title)
        panel.bars(34, words, p, role=["probability" if i < kept else None for i in range(len(words))], largest=0.42)
        y = 34 + 22 * kept
        panel.line((10, y), (WIDTH - 4, y), role="loss", width=2, dashed=True)
        panel.text(WIDTH - 4, y - 5, f"{sum(p[:kept]):.0%} kept", anchor="end", role="floor", bold=True)
        panel.text(WIDTH - 4, y + 15, "cut", anchor="end", role="loss", bold=True)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        f"The same bars twice: {', '.join(f'{word} {percent(share)}' for word, share in zip(words, p, strict=True))}. "
        f"Top-k with k = {k} keeps the first {k}. Top-p with p = {mass} keeps the first {kept_p}, the fewest that "
        f"add up to at least {mass:.0%}.",
    )


@drawn(10, "die")
def die() -> Drawing:
    words, shares = _after_she()
    edges = [0.0, *shares.cumsum(0).tolist()]
    drawn_number = 0.62
    chosen = next(i for i in range(len(words)) if drawn_number < edges[i + 1])
    panel = Panel(276, "A number between 0 and 1 picks a token")
    left, top, height = 96.0, 32.0, 232.0
    for i, word in enumerate(words):
        y, end = top + height * edges[i], top + height * edges[i + 1]
        strong = i == chosen
        panel.box(left, y + 1, 70, end - y - 2, role="probability", tint=0.6 if strong else 0.25, line=0, radius=2)
        panel.text(left + 80, (y + end) / 2 + 4, word, anchor="start", bold=strong)
        ends = f"{edges[i]:.2f} to {edges[i + 1]:.2f}"
        panel.text(WIDTH, (y + end) / 2 + 4, ends, anchor="end", bold=strong)
    y = top + height * drawn_number
    panel.box(0, y - 15, 54, 30, f"{drawn_number}", role="loss", tint=0.2, bold=True, size=15)
    panel.line((57, y), (left - 2, y), arrow=True, role="loss", width=2.4)
    panel.text(left - 6, top + 10, "0", anchor="end", size=11.5)
    panel.text(left - 6, top + height, "1", anchor="end", size=11.5)
    told = ", ".join(f"{word} from {a:.2f} to {b:.2f}" for word, a, b in zip(words, edges, edges[1:], strict=False))
    return Drawing(
        (panel,),
        f"A line from 0 to 1, divided among tokens: {told}. The number {drawn_number} falls on {words[chosen]}.",
    )


@drawn(10, "cache")
def cache() -> Drawing:
    T = 6
    without = sum(t for t in range(1, T + 1))
    panels = []
    for title, new in (("Without a cache: everything again", False), ("With a cache: one new row", True)):
        panel = Panel(226, title)
        left, top, size = 96.0, 56.0, 24.0
        panel.text(left + size * T / 2, 46, "keys and values", role="key", bold=True)
        for t in range(T):
            fresh = t == T - 1 or not new
            panel.box(
                left - 70,
                top + size * t + 1,
                62,
                size - 2,
                f"token {t}",
                role="query" if fresh else None,
                tint=0.25 if fresh else 0.05,
                line=0,
                size=11.5,
                radius=3,
            )
            for s in range(t + 1):
                panel.box(
                    left + size * s + 1,
                    top + size * t + 1,
                    size - 2,
                    size - 2,
                    role="attention" if fresh else None,
                    tint=0.55 if fresh else 0,
                    line=0 if fresh else 1,
                    dashed=True,
                    radius=3,
                )
        done = T if new else without
        panel.text(left - 70, 220, f"{done} scores to choose the next token", anchor="start", bold=True)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        f"Scores of {T} tokens as a triangle. Without a cache, all {without} are computed again for each new token. "
        "With "
        f"one, the keys and values of earlier tokens are kept, and only the last row, {T} scores, is computed.",
    )


@drawn(11, "surprise-at-a-prompt")
def surprise_at_a_prompt() -> Drawing:
    _, tokenizer = shipped()
    panels, told = [], []
    for title, who in (("At home", "fox named Pip"), ("Far from home", "tiger named Zoe")):
        text = f"Once upon a time, a {who} lost a red kite."
        nats = surprises(text).tolist()
        mean = sum(nats) / len(nats)
        names = [token.text for token in tokenizer.tokens_of(text)]
        start = names.index(" a", 4) + 1  # after “Once upon a time, a”
        shown = list(zip(names, nats, strict=True))[start:]
        panel = Panel(64 + 20 * len(shown), f"{title}: {mean:.1f} nats per token")
        panel.bars(
            34, [visible(name) for name, _ in shown], [n for _, n in shown], shown=lambda n: f"{n:.0f}",
            role=["loss" if n > 8 else "probability" for _, n in shown], step=20, largest=17, left=72,
        )  # fmt: skip
        panel.text(0, panel.height - 8, f"… a {who} lost a red kite.", anchor="start", size=11.5)
        panels.append(panel)
        told.append(f"“{text}” costs {mean:.1f} nats per token")
    return Drawing(
        tuple(panels),
        f"Bars of the model's surprise at each token of two prompts. {'; '.join(told)}. The pieces of tiger and Zoe "
        "have by far the longest bars.",
    )


@drawn(11, "best-of-n")
def best_of_n() -> Drawing:
    texts = ("a fox lost a red kite.", "a fox named Luna lost a red kite.", "a fox named Pip lost a red kite.",
             "a fox named Pip lost a car.")  # fmt: skip
    costs = [surprises(f"Once upon a time, {text}").mean().item() for text in texts]
    best = costs.index(min(costs))
    panel = Panel(262, "Write four, keep the one it is surest of")
    panel.box(0, 122, 50, 28, "prompt", role="token", tint=0.2, line=0, size=11.5)
    for i, (text, cost) in enumerate(zip(texts, costs, strict=True)):
        y = 34 + 52 * i
        chosen = i == best
        panel.line(
            (52, 136),
            (58, 136),
            (54, y + 20),
            (68, y + 20),
            arrow=True,
            smooth=True,
            faint=1 if chosen else 0.5,
            width=2.4 if chosen else 1.4,
            role="floor" if chosen else None,
        )
        panel.box(
            72,
            y,
            WIDTH - 74,
            42,
            role="floor" if chosen else None,
            tint=0.12 if chosen else 0.04,
            line=2.2 if chosen else 1,
            dashed=not chosen,
        )
        panel.text(80, y + 17, f"… {text}", anchor="start", size=11.5, bold=chosen)
        panel.box(80, y + 25, 40 * cost, 9, role="floor" if chosen else "loss", tint=0.7, line=0, radius=2)
        panel.text(86 + 40 * cost, y + 34, f"{cost:.1f} nats per token", anchor="start", size=11.5)
    told = "; ".join(f"“{text}” {cost:.1f}" for text, cost in zip(texts, costs, strict=True))
    return Drawing(
        (panel,),
        f"A prompt and four continuations with their mean surprise in nats per token: {told}. The one "
        "with the smallest is kept.",
    )
