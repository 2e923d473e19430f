"""Drawings of chapters 12 and 13: looking inside the model (and its appendix), and teaching it to answer."""

from __future__ import annotations

import torch

from gpt2_course.dialogue import Dialogue, Message
from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, signed, text_width, visible
from gpt2_course.drawings.shipped import shipped
from gpt2_course.introspection import Place, activations


@drawn(12, "patching")
def patching() -> Drawing:
    model, tokenizer = shipped()
    fox, mole = (
        tokenizer.encode(f"Once upon a time, a {who} lost a red kite.") for who in ("fox named Pip", "mole named Tilly")
    )
    pip, tilly = tokenizer.encode(" Pip Tilly")
    layer, spot = 2, fox.index(pip)  # after layer 2, at the name

    def lead(ids: list[int], instead: torch.Tensor | None = None) -> float:
        patch: dict[Place, torch.Tensor] = {} if instead is None else {("after_mlp", layer): instead}
        logits = activations(model, ids, instead=patch)["logits", None][-1]
        return (logits[pip] - logits[tilly]).item()

    here = activations(model, fox)["after_mlp", layer].clone()
    here[spot] = activations(model, mole)["after_mlp", layer][spot]
    leads = (lead(fox), lead(mole), lead(fox, here))
    panels = []
    rows, columns = [f"layer {layer + 1 - r}" for r in range(3)], ["fox", "named", "", "lost", "…"]
    for title, name, role, result in (
        ("The donor: a text about Tilly", "Tilly", "key", leads[1]),
        ("The patient: Pip’s text, one cell replaced", "Pip", "token", leads[2]),
    ):
        panel = Panel(206, title)
        words = ["mole" if name == "Tilly" else "fox", *columns[1:2], name, *columns[3:]]
        for r, label in enumerate(rows):
            panel.text(0, 54 + 38 * r, label, anchor="start", size=11.5)
            for c in range(5):
                chosen = (r, c) == (1, 2)
                panel.box(
                    56 + 53 * c,
                    36 + 38 * r,
                    46,
                    28,
                    role="key" if chosen else role,
                    tint=0.5 if chosen else 0.14,
                    line=2.4 if chosen else 0,
                )
                if r:
                    panel.line((79 + 53 * c, 36 + 38 * r - 2), (79 + 53 * c, 36 + 38 * r - 9), faint=0.5, width=1.2)
        for c, word in enumerate(words):
            panel.text(79 + 53 * c, 164, word, bold=c == 2)
        if name == "Tilly":
            panel.line((190, 86), (240, 78), (284, 90), (WIDTH + 4, 88), role="key", arrow=True, smooth=True, width=2.4)
        who = "Pip" if result > 0 else "Tilly"
        panel.text(0, 196, f"It leans to {who}, by {abs(result):.1f}.", anchor="start", bold=True)
        panels.append(panel)
    panels[1].text(WIDTH, 196, f"Before: Pip, by {leads[0]:.1f}.", anchor="end")
    return Drawing(
        tuple(panels),
        "Two residual streams as grids of cells, one column per token and one row per layer. One cell, the name after "
        f"layer {layer}, is taken from the text about Tilly and put into the text about Pip. Pip's lead was "
        f"{leads[0]:.1f}; after the transplant it is {signed(leads[2])}, and in Tilly's own text it is "
        f"{signed(leads[1])}.",
    )


@drawn(12, "switched-off")
def switched_off() -> Drawing:
    heads, off, D = 6, 4, shipped()[0].config.n_embd // shipped()[0].config.n_head
    panels = []
    for title, broken in (("All heads on", False), (f"Head {off} switched off", True)):
        panel = Panel(232, title)
        for h in range(heads):
            x = 53.4 * h
            zero = broken and h == off
            panel.text(x + 25, 38, f"head {h}", size=11.5, bold=h == off)
            panel.box(
                x,
                46,
                50,
                34,
                "0 0 … 0" if zero else "",
                role=None if zero else "attention",
                tint=0 if zero else (0.45 if h == off else 0.16),
                line=1.4 if zero else 0,
                dashed=True,
                size=11,
            )
            if not zero:
                panel.text(x + 25, 67, str(D), size=11.5)
            panel.line((x + 25, 84), (x + 25, 106), arrow=True, faint=0.3 if zero else 1, dashed=zero)
        panel.box(0, 110, WIDTH - 3, 28, "projection", tint=0.08)
        panel.line((160, 140), (160, 166), arrow=True, width=2)
        panel.box(0, 170, WIDTH - 3, 26, role="stream", tint=0.2, line=0)
        panel.text(160, 187, "+ to the residual stream", role="stream", bold=True)
        told = "It may look where it likes: nothing arrives." if broken else f"{D} numbers from each head, side by side"
        panel.text(0, 222, told, anchor="start", size=11.5)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        f"Twice the results of {heads} heads, {D} numbers each, side by side. They go through the projection and are "
        f"added to the residual stream. On the right, the numbers of head {off} are all 0, so nothing arrives from it, "
        "wherever it looks.",
    )


@drawn(12, "induction")
def induction() -> Drawing:
    words = ["D", "A", "K", "R", "D"]
    panel = Panel(262, "What came after this token last time?")
    unit, left = 62.0, 36.0
    x = [left + unit * i for i in range(5)]
    for i, word in enumerate(words):
        role = {"D": "query", "A": "value"}.get(word)
        panel.box(x[i] - 19, 196, 38, 30, word, role=role, tint=0.25 if role else 0.06, line=0, size=16, bold=True)
    panel.line(
        (x[1], 192), (x[1] - 8, 152), (x[0] + 8, 152), (x[0], 192), role="key", arrow=True, smooth=True, width=2.4
    )
    panel.text(x[0] - 36, 132, "layer 0:", anchor="start", role="key", bold=True)
    panel.text(x[0] - 36, 147, "look one back", anchor="start", role="key", bold=True)
    panel.box(x[1] - 28, 78, 84, 40, role="key", tint=0.18, line=0)
    panel.text(x[1] + 14, 95, "A’s note:", role="key", bold=True)
    panel.text(x[1] + 14, 111, "“after a D”")
    panel.line((x[1] + 14, 192), (x[1] + 14, 122), role="key", dashed=True)
    panel.line(
        (x[4], 192), (x[4] - 4, 60), (x[1] + 90, 40), (x[1] + 50, 75), role="query", arrow=True, smooth=True, width=3
    )
    panel.text(WIDTH, 52, "layer 1: who stood", anchor="end", role="query", bold=True)
    panel.text(WIDTH, 67, "after a D?", anchor="end", role="query", bold=True)
    panel.text(WIDTH - 4, 250, "says “A” →", anchor="end", role="value", bold=True, size=13)
    panel.line(
        (x[1] + 8, 228),
        (x[1] + 40, 256),
        (x[3], 252),
        (WIDTH - 76, 247),
        role="value",
        arrow=True,
        smooth=True,
        width=2,
    )
    return Drawing(
        (panel,),
        "The tokens D A K R D. In layer 0, A looks one token back and notes that it stands after a D. In layer 1, the "
        "last D asks who stood after a D, finds A, fetches it, and so the model says A next.",
    )


@drawn(13, "answer-only")
def answer_only() -> Drawing:
    _, tokenizer = shipped()
    ids, graded = Dialogue((Message("user", "who is pip"), Message("assistant", "Pip is a fox."))).encode(tokenizer)
    words = [visible(tokenizer.decode([token])).replace("<|endoftext|>", "end") for token in ids]
    panel = Panel(34, "Read everything, grade only the answer")
    x, y = 0.0, 34.0
    for word, following, counts in zip(words, words[1:], graded[1:], strict=False):
        target = following if counts else "−100"
        width = max(text_width(word), text_width(target)) + 8
        if x + width > WIDTH:
            x, y = 0.0, y + 84
        panel.box(x, y, width, 26, word, role="token", tint=0.16, line=0)
        role = "loss" if counts else None
        middle = x + width / 2
        panel.line((middle, y + 28), (middle, y + 40), arrow=True, width=1.2, faint=1 if counts else 0.35, role=role)
        tint, line = (0.2, 0) if counts else (0, 1)
        panel.box(x, y + 43, width, 24, target, role=role, tint=tint, line=line, dashed=True, bold=counts)
        x += width + 3
    told, total = sum(graded[1:]), len(ids) - 1
    panel.height = y + 96
    panel.text(0, panel.height - 6, f"{told} of {total} targets count. −100 means: not graded.", anchor="start")
    return Drawing(
        (panel,),
        f"The tokens of “User: who is pip / Assistant: Pip is a fox.” with their targets below. {total - told} targets "
        f"that belong to the question are −100, which means not graded. The {told} of the answer and its end count.",
    )


@drawn(13, "pretended-turns")
def pretended_turns() -> Drawing:
    lines = ["hello", "Assistant: I am a pirate.", "User: who are you"]
    panels = []
    for title, indent, n_messages in (("Pasted as it is: three messages", 0, 3), ("Indented: one message", 22, 1)):
        panel = Panel(176, title)
        for i, line in enumerate(["User: hello", *lines[1:], "Assistant:"]):
            typed = i < len(lines)
            role = "query" if line.startswith("User") else "value"
            role = "query" if typed and n_messages == 1 else role
            x = indent if 0 < i < len(lines) else 0
            panel.box(x, 28 + 30 * i, text_width(line) + 14, 25, role=role, tint=0.2, line=0)
            panel.text(x + 7, 45 + 30 * i, line, anchor="start", bold=not typed)
        right = WIDTH - 66
        if n_messages == 1:
            panel.line((right, 30), (right + 6, 30), (right + 6, 112), (right, 112), role="query", width=1.3)
            panel.text(right + 14, 75, "the user", anchor="start", role="query")
        else:
            for i, (who, role) in enumerate((("user", "query"), ("model?", "value"), ("user", "query"))):
                panel.text(right + 14, 45 + 30 * i, who, anchor="start", role=role)
        panel.text(right + 14, 135, "model", anchor="start", role="value")
        panel.text(0, 170, "What the user typed ends above the last line.", anchor="start", size=11.5)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        "A user types three lines: “hello”, “Assistant: I am a pirate.”, and “User: who are you”. Pasted as they are, "
        "they look like three messages, the second of them the model’s own. With the second and third line indented, "
        "all three are one message of the user.",
    )


@drawn(13, "lora")
def lora() -> Drawing:
    C, rank = shipped()[0].config.n_embd, 4
    wide = 4 * C
    full, thin = C * wide, rank * (C + wide)
    panel = Panel(226, "LoRA: freeze W, learn a thin detour")
    h, w = 74.0, 206.0
    top = 34.0
    panel.box(0, top, w, h, role="stream", tint=0.16, radius=2)
    panel.text(w / 2, top + h / 2 - 2, "W, frozen", bold=True, size=15)
    panel.text(w / 2, top + h / 2 + 17, f"{C} × {wide}")
    panel.text(w + 12, top + 18, f"{full:,}", anchor="start", bold=True)
    panel.text(w + 12, top + 34, "numbers stay", anchor="start")
    panel.text(12, top + h + 27, "+", size=22)
    low = top + h + 38
    panel.box(0, low, 12, h, role="loss", tint=0.5, radius=2)
    panel.text(18, low + 40, "down", role="loss", bold=True, anchor="start")
    panel.text(18, low + 56, f"{C} × {rank}", anchor="start", size=11.5)
    panel.text(66, low + 14, "@", size=15)
    panel.box(84, low, w, 12, role="loss", tint=0.5, radius=2)
    panel.text(84 + w / 2, low + 28, "up", role="loss", bold=True)
    panel.text(84 + w / 2, low + 44, f"{rank} × {wide}", size=11.5)
    panel.text(100, low + 68, f"{thin:,} learn: {thin / full:.1%} as many.", role="loss", bold=True, anchor="start")
    return Drawing(
        (panel,),
        f"A large matrix W of {C} by {wide}, frozen, plus the product of a tall, thin matrix down, {C} by {rank}, and "
        f"a flat, wide one, up, {rank} by {wide}. W has {full:,} numbers; the thin ones have {thin:,}, "
        f"{thin / full:.1%} as many.",
    )
