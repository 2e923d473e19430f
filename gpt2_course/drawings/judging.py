"""Drawings of chapters 14 and 15: learning from a judge, and the limits of what was learned."""

from __future__ import annotations

import torch

from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import WIDTH, Panel, percent, signed
from gpt2_course.drawings.shipped import shipped, surprises


@drawn(14, "advantage")
def advantage() -> Drawing:
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    mean = rewards.mean().item()
    gains = rewards - mean
    answers = [
        "in the hollow oak.",
        "in a castle.",
        "on the moon.",
        "in the hollow oak.",
        "yes.",
        "under a bed.",
        "Pip.",
        "by the mill.",
    ]
    panel = Panel(298, "Better than the group, or worse?")
    panel.text(0, 42, "“Where does Pip live?”", anchor="start", bold=True)
    panel.text(190, 42, "reward", bold=True, size=11.5)
    panel.text(272, 42, "advantage", bold=True, size=11.5)
    zero = 272.0
    for i, (answer, reward, gain) in enumerate(zip(answers, rewards.tolist(), gains.tolist(), strict=True)):
        y = 68 + 26 * i
        role = "floor" if gain > 0 else "loss"
        panel.box(0, y - 15, 152, 22, role=role, tint=0.12, line=0)
        panel.text(8, y, answer, anchor="start")
        panel.text(190, y, f"{reward:.0f}", bold=True, size=14)
        length = 40 * abs(gain)
        panel.box(zero - (length if gain < 0 else 0), y - 12, length, 16, role=role, tint=0.65, line=0, radius=2)
        panel.text(
            zero + (-6 if gain > 0 else 6), y + 1, signed(gain, 2), anchor="end" if gain > 0 else "start", bold=True
        )
    panel.line((zero, 50), (zero, 262), faint=0.5, width=1.2)
    panel.line((170, 258), (210, 258), width=1.2)
    panel.text(190, 276, f"mean {mean:.2f}", bold=True)
    panel.text(zero, 276, "reward − mean", size=11.5)
    panel.text(0, 294, "Above the mean: more likely. Below: less likely.", anchor="start")
    told = ", ".join(f"“{a}” reward {r:.0f}, advantage {signed(g, 2)}" for a, r, g in
                     zip(answers, rewards.tolist(), gains.tolist(), strict=True))  # fmt: skip
    return Drawing((panel,), f"Eight answers to one question. The mean reward is {mean:.2f}. {told}.")


@drawn(14, "leash")
def leash() -> Drawing:
    words = ["oak", "mill", "cave", "bed", "moon"]
    before = torch.tensor([2.0, 1.8, 1.4, 0.9, -1.0]).softmax(-1)
    reward = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])  # the judge likes the moon
    panels, told = [], []
    for title, beta in (("A short leash (β = 1)", 1.0), ("A long leash (β = 0.2)", 0.2)):
        after = (before.log() + reward / beta).softmax(-1)  # what the best policy under the leash says
        kl = (after * (after / before).log()).sum().item()
        panel = Panel(204, title)
        step, base = 60.0, 150.0
        for i, word in enumerate(words):
            x = 6 + step * i
            for j, (p, role) in enumerate(((before[i].item(), "stream"), (after[i].item(), "query"))):
                panel.box(
                    x + 22 * j, base - 130 * p, 20, 130 * p, role=role, tint=0.35 if j == 0 else 0.7, line=0, radius=2
                )
            panel.text(x + 21, base + 16, word, bold=word == "moon")
            panel.text(x + 32, base - 130 * after[i].item() - 5, percent(after[i].item()), size=11)
        panel.line((0, base), (WIDTH, base), faint=0.5, width=1.2)
        panel.box(6, 184, 12, 12, role="stream", tint=0.35, line=0, radius=2)
        panel.text(24, 195, "before", anchor="start")
        panel.box(76, 184, 12, 12, role="query", tint=0.7, line=0, radius=2)
        panel.text(94, 195, "after", anchor="start")
        panel.text(WIDTH, 195, f"KL = {kl:.2f}", anchor="end", bold=True, size=14)
        panels.append(panel)
        told.append(f"with β = {beta:g}, moon gets {percent(after[4].item())}, and the KL is {kl:.2f}")
    return Drawing(
        tuple(panels),
        "Two pairs of distributions over five words, before and after learning from a judge that likes the moon, "
        "which "
        f"had {percent(before[4].item())} before: {'; '.join(told)}. A short leash keeps the model near where it was.",
    )


@drawn(15, "calibration")
def calibration() -> Drawing:
    panels = []
    for title, excess in (
        ("Honest: said 80%, right 8 of 10", 0.0),
        ("Overconfident: said 80%, right 6 of 10", 0.2),
    ):
        panel = Panel(178, title)
        for r, p in enumerate((0.5, 0.8, 1.0)):
            y = 52 + 44 * r
            right = round(10 * (p - excess))
            panel.text(0, y + 4, f"said {percent(p)}", anchor="start")
            for i in range(10):
                panel.dot(84 + 19 * i, y, 7, role="floor" if i < right else "loss", hollow=i >= right)
            panel.text(WIDTH, y + 4, f"{right} right", anchor="end", bold=True)
        panels.append(panel)
    return Drawing(
        tuple(panels),
        "Two models and three groups of ten answers each. The honest one says 50%, 80%, and 100%, and is right 5, 8, "
        "and "
        "10 times. The overconfident one says the same, and is right 3, 6, and 8 times.",
    )


@drawn(15, "endings")
def endings() -> Drawing:
    prompt = "Once upon a time, a fox named Pip lost a red kite. Pip looked"
    choices = [" under the bed.", " in the mill.", " behind the moon.", " kite the red."]
    _, tokenizer = shipped()
    given = len(tokenizer.encode(prompt))
    scores = [-surprises(prompt + ending)[given:].mean().item() for ending in choices]
    best = scores.index(max(scores))
    panel = Panel(214, "Which ending is the likeliest?")
    panel.text(0, 44, "“… lost a red kite. Pip looked …”", anchor="start")
    panel.text(WIDTH, 64, "mean ln p", anchor="end", bold=True, size=11.5)
    for i, (ending, score) in enumerate(zip(choices, scores, strict=True)):
        y, chosen = 72 + 34 * i, i == best
        panel.box(
            0, y, 136, 26, role="floor" if chosen else None, tint=0.16 if chosen else 0.05, line=2 if chosen else 0
        )
        panel.text(8, y + 17, f"…{ending}", anchor="start", bold=chosen)
        panel.box(144, y + 5, max(2.0, 9 * -score), 16, role="floor" if chosen else "loss", tint=0.6, line=0, radius=2)
        panel.text(WIDTH, y + 17, signed(score), anchor="end", bold=chosen)
    told = "; ".join(f"“{ending.strip()}” {signed(score)}" for ending, score in zip(choices, scores, strict=True))
    return Drawing(
        (panel,),
        f"The beginning of a story and four endings with their mean ln p per token: {told}. The "
        "ending with the largest counts as the model's answer.",
    )
