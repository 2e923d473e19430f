"""How good is a model at predicting a text? Loss, perplexity, bits per byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt2_course.data import TokenStream
from gpt2_course.loss import token_losses
from gpt2_course.model import GPT2
from gpt2_course.tokenizer import Tokenizer

__all__ = ["Evaluation", "document_losses", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts a text."""

    loss: float  # the mean of −ln p(next token), in nats
    n_tokens: int  # the number of predictions averaged
    n_bytes: int  # the bytes of text in the predicted tokens
    floor: float | None = None  # the lowest mean loss possible, if the text's true probability is known

    @property
    def perplexity(self) -> float:
        """e^loss, which is as if the model chose among this many equally likely tokens."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """The mean number of bits the model needs to encode one byte of the text.

        Unlike the loss, this does not depend on the vocabulary, so models with different tokenizers can be compared
        (Gao et al., 2020, The Pile).
        """
        return self.loss * self.n_tokens / math.log(2) / self.n_bytes


def evenly_spaced_windows(stream: TokenStream, length: int, count: int | None = None) -> list[int]:
    """The starts of `count` windows of `length` tokens, evenly spaced and without overlap.

    If `count` is None or more than fit, the starts of as many windows as fit.
    """
    fit = len(stream) // length
    count = fit if count is None else min(count, fit)
    return [i * fit // count * length for i in range(count)]


@torch.no_grad()
def mean_loss(model: GPT2, stream: TokenStream, starts: list[int], context: int, batch_size: int) -> float:
    """The mean loss, in nats per token, over the windows `[start, start + context]`, without dropout."""
    total = 0.0
    with model.evaluating():
        for i in range(0, len(starts), batch_size):
            rows = stream.windows(starts[i : i + batch_size], context + 1).to(model.device)
            total += float(model(rows[:, :-1], rows[:, 1:])) * len(rows)
    return total / len(starts)


@torch.no_grad()
def document_losses(model: GPT2, documents: Sequence[Tensor], batch_size: int = 32) -> Tensor:
    """The model's total loss on each document, from its first token through `<|endoftext|>`: nats, shape (N,).

    Each document is a row of ids as returned by `TokenStream.documents`, read by itself and without dropout.
    """
    losses = torch.zeros(len(documents))
    by_length = sorted(range(len(documents)), key=lambda i: len(documents[i]))  # so that batches need little padding
    with model.evaluating():
        for i in range(0, len(by_length), batch_size):
            chosen = torch.tensor(by_length[i : i + batch_size])
            rows = pad_sequence([documents[j] for j in chosen], batch_first=True, padding_value=-1).to(model.device)
            targets = rows[:, 1:]  # (B, T), −1 after the end of a row
            real = targets >= 0
            hidden = model.hidden(rows[:, :-1].clamp(min=0))[real]  # (N, C)
            cost = torch.zeros(targets.shape, device=model.device)
            cost[real] = token_losses(hidden, model.token_embedding.weight, targets[real])  # (N,)
            losses[chosen] = cost.sum(dim=1).cpu()
    return losses


def _of_documents(model: GPT2, tokenizer: Tokenizer, stream: TokenStream) -> Evaluation:
    documents = stream.documents()
    n_tokens = sum(len(document) - 1 for document in documents)
    n_bytes = sum(len(tokenizer.decode_bytes(document[1:-1].tolist())) for document in documents)
    loss = float(document_losses(model, documents).sum()) / n_tokens
    return Evaluation(loss, n_tokens, n_bytes, sum(stream.document_nats) / n_tokens if stream.document_nats else None)


def evaluate(model: GPT2, tokenizer: Tokenizer, stream: TokenStream, context: int | None = None) -> Evaluation:
    """The loss on a text: document by document if every document fits into the context, otherwise in windows.

    A window has `context` tokens (by default, all positions of the model). Each is read by itself, so the loss is
    slightly above that of a sliding window. An incomplete last window is left out. Raises `ValueError` for a text of
    fewer than two tokens.
    """
    if len(stream) < 2:
        raise ValueError(
            f"The text has {len(stream)} tokens, but at least 2 are needed to measure a prediction: give a longer one."
        )
    if stream.fits(context or model.n_positions):
        return _of_documents(model, tokenizer, stream)
    context = min(context or model.n_positions, len(stream) - 1)
    # consecutive windows share one token: the last target of one is the first input of the next
    starts = list(range(0, len(stream) - context, context))
    loss = mean_loss(model, stream, starts, context, batch_size=8)
    # special tokens do not count as bytes of the text
    special = set(tokenizer.special_tokens.values())
    lengths = torch.tensor(
        [0 if i in special else len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)]
    )
    n_bytes = sum(int(lengths[stream.windows([start + 1], context)].sum()) for start in starts)
    return Evaluation(loss, len(starts) * context, n_bytes)
