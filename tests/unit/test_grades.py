"""Losses of whole documents, and grades of a model's texts."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.data import find_corpus, read_shards, write_shards
from gpt2_course.evaluation import document_losses, evaluate
from gpt2_course.grades import grade
from gpt2_course.tiny_world import documents


def test_losses_are_per_document_and_start_at_the_first_token(tmp_path: Path) -> None:
    corpus = find_corpus("tiny-world:50")
    tokenizer = Tokenizer.train([d.text for d in islice(documents(0, "train"), 300)], 800)
    write_shards(corpus, tokenizer, tmp_path)
    _, _, val = read_shards(tmp_path)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(tokenizer.vocab_size, 600, 16, 1, 2, initializer_range=0.3), tokenizer)
    rows = val.documents(40)
    with torch.no_grad():
        model.eval()
        each = [float(cross_entropy(model(row[None, :-1])[0], row[1:], reduction="sum")) for row in rows]
        model.train()
    assert document_losses(model, rows, batch_size=7).tolist() == pytest.approx(each, rel=1e-4)
    assert model.training  # restored

    result = evaluate(model, tokenizer, val)
    n_tokens = sum(len(row) - 1 for row in val.documents())
    assert result.n_tokens == n_tokens
    assert result.floor == pytest.approx(sum(val.document_nats) / n_tokens)
    assert result.n_bytes == sum(len(d.text.encode()) for d in corpus.val)  # type: ignore[union-attr]


def test_document_losses_never_keep_all_logits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(20_000, 64, 8, 1, 2, initializer_range=0.3))
    rows = [torch.randint(20_000, (length,)) for length in (64, 2, 50, 64, 7)]
    sizes = []
    logsumexp = torch.Tensor.logsumexp

    def recorded(logits: torch.Tensor, **options: Any) -> torch.Tensor:
        sizes.append(logits.numel())
        return logsumexp(logits, **options)

    monkeypatch.setattr(torch.Tensor, "logsumexp", recorded)
    whole = document_losses(model, rows)
    assert sizes == [sum(len(row) - 1 for row in rows) * 20_000]  # few enough for one chunk
    for limit in (10**6, 70_000, 1):
        sizes.clear()
        monkeypatch.setattr("gpt2_course.loss.LOGITS_PER_CHUNK", limit)
        torch.testing.assert_close(document_losses(model, rows), whole)
        assert max(sizes) <= max(limit, 20_000)
        assert sum(sizes) == sum(len(row) - 1 for row in rows) * 20_000


class Recital:
    """A stand-in for a model: continues a prompt like a document that starts with it."""

    n_positions = 400

    def __init__(self, split: Any, seed: int) -> None:
        self.texts = [d.text for d in islice(documents(seed, split), 30_000)]
        self.said: set[str] = set()

    def generate(self, prompts: list[str], **_: Any) -> list[str]:
        return [self._continued(prompt) for prompt in prompts]

    def _continued(self, prompt: str) -> str:
        if prompt.endswith("Answer:"):
            text = next(text[text.find(prompt) :] for text in self.known if prompt in text)
            return prompt + text[len(prompt) :].split("\n")[0]
        text = next(text for text in self.texts if text.startswith(prompt) and text not in self.said)
        self.said.add(text)
        return text

    @cached_property
    def known(self) -> list[str]:
        return [d.text for d in islice(documents(1, "val"), 3000)]


def test_a_model_that_repeats_the_world_gets_full_marks() -> None:
    grades = grade(Recital("val", 7), 20, 1000)  # type: ignore[arg-type]
    assert set(grades.accepted.values()) == {1.0}
    assert (grades.rhymes, grades.facts, grades.reading, grades.copied) == (1, 1, 1, 0)
    assert not any(grades.mistakes.values())
    assert "100.0%" in grades.table()


def test_copies_of_the_training_text_are_found() -> None:
    assert grade(Recital("train", 0), 20, 30_000).copied == 1  # type: ignore[arg-type]


def test_an_untrained_model_gets_no_marks(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train([d.text for d in islice(documents(0, "train"), 100)], 300)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(tokenizer.vocab_size, 64, 16, 1, 2), tokenizer)
    grades = grade(model, 4, 10)
    assert set(grades.accepted.values()) == {0.0}
    assert (grades.rhymes, grades.facts, grades.reading) == (0, 0, 0)
    assert all(sum(found.values()) == 4 for found in grades.mistakes.values())
    grades.save(tmp_path)
    assert '"n_samples": 4' in (tmp_path / "grades.json").read_text()
