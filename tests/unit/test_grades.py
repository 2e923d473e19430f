"""Losses of whole documents, and grades of a model's texts."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.data import TokenStream, find_corpus, read_shards, write_shards
from gpt2_course.evaluation import RuleMeter, document_losses, evaluate
from gpt2_course.grades import grade
from gpt2_course.tiny_world import Document, documents
from gpt2_course.tiny_world.rules import RULES, token_rules


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
    cross_entropy = torch.nn.functional.cross_entropy

    def recorded(logits: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        sizes.append(logits.numel())
        return cross_entropy(logits, *arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", recorded)
    whole = document_losses(model, rows)
    assert sizes == [sum(len(row) - 1 for row in rows) * 20_000]  # few enough for one chunk
    for limit in (10**6, 70_000, 1):
        sizes.clear()
        monkeypatch.setattr("gpt2_course.loss.LOGITS_PER_CHUNK", limit)
        torch.testing.assert_close(document_losses(model, rows), whole)
        assert max(sizes) <= max(limit, 20_000)
        assert sum(sizes) == sum(len(row) - 1 for row in rows) * 20_000


@pytest.fixture(scope="module")
def world() -> tuple[GPT2, Tokenizer, TokenStream, list[Document]]:
    """An untrained model, and 30 documents as a stream."""
    texts = list(islice(documents(0, "val"), 30))
    tokenizer = Tokenizer.train([d.text for d in texts], 500)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(tokenizer.vocab_size, 700, 16, 1, 2, initializer_range=0.3), tokenizer)
    end = tokenizer.end_of_text
    assert end is not None
    ids = [tokenizer.encode(d.text) for d in texts]
    array = np.array([i for row in ids for i in [*row, end]], np.uint16)
    longest, nats = max(map(len, ids)), [-d.log_prob for d in texts]
    return model, tokenizer, TokenStream([array], tokenizer.vocab_size, end, longest, nats), texts


def test_the_excess_by_rule_adds_up_to_the_loss_above_the_floor(world: Any) -> None:
    model, tokenizer, stream, _ = world
    plain, result = evaluate(model, tokenizer, stream), evaluate(model, tokenizer, stream, by_rule=True)
    assert (result.loss, result.floor, result.n_tokens) == pytest.approx((plain.loss, plain.floor, plain.n_tokens))
    assert result.floor is not None
    excess = math.fsum(part.excess for part in result.rules.values())
    assert excess == pytest.approx(result.loss - result.floor, abs=1e-9)
    assert sum(part.n_tokens for part in result.rules.values()) == result.n_tokens
    for part in result.rules.values():
        assert part.per_token * part.n_tokens == pytest.approx(part.excess * result.n_tokens)
    sizes = [part.excess for part in result.rules.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert set(result.rules) == set(RULES)

    first, *lines = result.table_of_rules().splitlines()[1:]
    assert first.split()[-1] == f"{result.floor:.5f}"
    assert [line[:24].strip() for line in lines] == [*result.rules, "loss"]
    assert [line.count("█") for line in lines[:-1]] == [round(20 * size / sizes[0]) for size in sizes]
    assert lines[-1].split()[-1] == f"{result.loss:.5f}"


def test_a_perfect_model_has_no_excess_and_a_worse_one_has_it_where_it_is_worse(world: Any) -> None:
    _, tokenizer, stream, texts = world
    meter = RuleMeter(tokenizer, stream.documents())
    truth = []
    for d in texts:
        pieces = map(tokenizer.decode, [[i] for i in tokenizer.encode(d.text)])
        truth.append(token_rules(d.text, list(accumulate(map(len, pieces)))))
    losses = [torch.tensor([token.nats for token in tokens], dtype=torch.float64) for tokens in truth]
    assert [part.excess for part in meter.split(losses).values()] == pytest.approx([0] * len(RULES), abs=1e-12)

    for tokens, loss in zip(truth, losses, strict=True):
        loss += torch.tensor([2.0 * (token.rule == "a pronoun") for token in tokens])
    parts = meter.split(losses)
    worst = next(iter(parts))
    assert (worst, parts[worst].per_token) == ("a pronoun", pytest.approx(2))
    assert sum(part.excess for part in parts.values()) == pytest.approx(parts[worst].excess)


def test_only_whole_documents_of_tiny_world_are_split_by_rule(world: Any) -> None:
    model, tokenizer, stream, texts = world
    with pytest.raises(ValueError, match="choose Tiny World"):
        evaluate(model, tokenizer, TokenStream(stream.arrays, 500, stream.end_of_text, 600), by_rule=True)
    with pytest.raises(ValueError, match=f"the longest has {stream.longest_document} tokens and the context 99: "):
        evaluate(model, tokenizer, stream, context=99, by_rule=True)
    other = texts[0].text.replace(" ", "_", 1)
    with pytest.raises(ValueError, match="not a document of Tiny World"):
        RuleMeter(tokenizer, [torch.tensor([0, *tokenizer.encode(other), 0])])


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
