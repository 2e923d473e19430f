"""Practice makes a model that looks back."""

from __future__ import annotations

import torch

from gpt2_course import GPT2, GPT2Config
from gpt2_course.optimizers import build_optimizers
from gpt2_course.practice import random_repeats


def test_rows_repeat_a_piece_of_random_tokens() -> None:
    rows = random_repeats(50, 200, 65, torch.Generator().manual_seed(0))
    assert rows.shape == (200, 65)
    assert rows.min() == 0
    assert rows.max() == 49
    periods = []
    for row in rows:
        periods.append(next(p for p in range(1, 65) if torch.equal(row[p:], row[:-p])))
    assert min(periods) >= 1
    assert max(periods) <= 32
    assert sorted(periods)[100] < 12  # short ones as often as long ones


def test_a_model_that_practised_copies_what_it_never_saw() -> None:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(64, 64, 64, 2, 4, 0.0, 0.0, 0.0, initializer_range=0.05))
    optimizers = build_optimizers(model, name="muon", learning_rate=0.02, muon_learning_rate=0.02, weight_decay=0.1)
    random = torch.Generator().manual_seed(1)
    for _ in range(100):
        rows = random_repeats(64, 32, 65, random)
        model(rows[:, :-1], rows[:, 1:]).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    rows = torch.randint(64, (100, 3), generator=random).repeat(1, 20)  # pieces of 3 tokens
    with torch.no_grad():
        said = model(rows)[:, 3:-1].argmax(-1)  # (100, 56): what it expects after the first round
    assert (said == rows[:, 4:]).float().mean() > 0.6  # by chance: 0.016
