"""Documents packed into one row are read as if each were alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
from gpt2_course.data import TokenStream
from gpt2_course.packing import PackedDocuments

END = 0
SHAPE = GPT2Config(vocab_size=50, n_positions=24, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5)
SHAPE = replace(SHAPE, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)


def packed(model: GPT2, documents: list[Tensor]) -> Tensor:
    """The logits (T, V) of documents in one row."""
    row = torch.cat(documents)[None]
    logits: Tensor = model(row, cache=PackedDocuments(row, END))
    return logits[0]


def test_each_document_is_read_as_if_it_were_alone() -> None:
    torch.manual_seed(0)
    model = GPT2(SHAPE)
    middle = torch.randint(1, 50, (5,))  # a row may begin within a document
    documents = [middle, *(torch.cat([torch.tensor([END]), torch.randint(1, 50, (n,))]) for n in (7, 0, 6))]
    alone = torch.cat([model(document[None])[0] for document in documents])
    torch.testing.assert_close(packed(model, documents), alone, rtol=1e-4, atol=1e-5)
    row = torch.cat(documents)[None]
    assert not torch.allclose(model(row)[0][5:], alone[5:], atol=0.1)  # without packing, they see each other


def test_only_documents_that_fit_into_the_context_are_trained_on_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(longest: int, other_first: bool) -> Tensor:
        """The gradients of a step on rows that begin with one of two documents and end with another."""
        tokens = np.array(([7, 8, 9, END] if other_first else [3, 4, 5, END]) + [11, 12, 13, 14, END] * 2, np.uint16)
        stream = TokenStream([tokens], 50, END, longest)
        torch.manual_seed(0)
        model = GPT2(SHAPE)
        settings = TrainConfig(model=SHAPE, context=12, batch_size=2, copying_start=False, device="cpu")
        trainer = Trainer(model, stream, stream, settings)
        seen: list[Tensor] = []
        model.final_norm.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
        monkeypatch.setattr(trainer, "_rows", lambda random: stream.examples([0], 12))
        trainer.train_step()
        return seen[0][0, 4:]  # what the model computes of the documents after the first

    assert torch.equal(losses(5, other_first=False)[1:], losses(5, other_first=True)[1:])
    assert not torch.allclose(losses(20, other_first=False), losses(20, other_first=True))
