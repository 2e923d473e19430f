"""How good is a model at predicting a text? Loss, perplexity, bits per byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from gpt2_course.data import TokenStream
from gpt2_course.model import GPT2
from gpt2_course.tokenizer import Tokenizer

# 128 MB of fp32 logits at a time: with a vocabulary of a few thousand, all of a batch of documents
LOGITS_AT_ONCE = 32 * 1024 * 1024


@dataclass(frozen=True)
class Evaluation:
    """What a model made of a text."""

    loss: float  # the mean of −ln p(next token), in nats
    n_tokens: int  # how many predictions that is the mean of
    n_bytes: int  # how many bytes of text the predicted tokens stand for
    floor: float | None = None  # the least mean loss that any model can have, where the text's own probability is known

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model wavers, on average: e^loss."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """The bits this model would need to store a byte of the text: the one figure that does not depend on the
        vocabulary, so that models with different tokenizers can be compared (Gao et al., 2020, The Pile)."""
        return self.loss * self.n_tokens / math.log(2) / self.n_bytes


def evenly_spaced_windows(stream: TokenStream, length: int, count: int | None = None) -> list[int]:
    """Where `count` windows of `length` tokens begin, spread evenly over the stream without overlap; all that fit
    where there are no more than that, or `count` is None."""
    fit = len(stream) // length
    count = fit if count is None else min(count, fit)
    return [i * fit // count * length for i in range(count)]


@torch.no_grad()
def mean_loss(model: GPT2, stream: TokenStream, starts: list[int], context: int, batch_size: int) -> float:
    """The mean loss in nats a token over the windows `[start, start + context]`; dropout is off meanwhile."""
    was_training = model.training
    model.eval()
    total = 0.0
    for i in range(0, len(starts), batch_size):
        rows: Tensor = stream.windows(starts[i : i + batch_size], context + 1).to(model.device)
        total += float(model(rows[:, :-1], rows[:, 1:])) * len(rows)
    model.train(was_training)
    return total / len(starts)


@torch.no_grad()
def document_losses(model: GPT2, documents: Sequence[Tensor], batch_size: int = 32) -> Tensor:
    """What each document costs the model, from its first token to the `<|endoftext|>` after it: nats, shape (N,).

    Each is a row of ids as `TokenStream.documents` gives them; it is read by itself, with nothing before it.
    """
    was_training = model.training
    model.eval()
    losses = torch.zeros(len(documents))
    by_length = sorted(range(len(documents)), key=lambda i: len(documents[i]))  # little padding in a batch
    for i in range(0, len(by_length), batch_size):
        chosen = torch.tensor(by_length[i : i + batch_size])
        rows = pad_sequence([documents[j] for j in chosen], batch_first=True, padding_value=-1).to(model.device)
        targets = rows[:, 1:]  # (B, T), −1 where a row has ended
        real = targets >= 0
        hidden = model.hidden(rows[:, :-1].clamp(min=0))[real]  # (N, C)
        rows_at_once = max(1, LOGITS_AT_ONCE // len(model.token_embedding.weight))
        parts = zip(torch.split(hidden, rows_at_once), torch.split(targets[real], rows_at_once), strict=True)
        table = model.token_embedding.weight.T  # (C, V)
        cost = torch.zeros(targets.shape, device=model.device)
        cost[real] = torch.cat([cross_entropy((h @ table).float(), t, reduction="none") for h, t in parts])  # (N,)
        losses[chosen] = cost.sum(dim=1).cpu()
    model.train(was_training)
    return losses


def _of_documents(model: GPT2, tokenizer: Tokenizer, stream: TokenStream) -> Evaluation:
    documents = stream.documents()
    n_tokens = sum(len(document) - 1 for document in documents)
    n_bytes = sum(len(tokenizer.decode_bytes(document[1:-1].tolist())) for document in documents)
    loss = float(document_losses(model, documents).sum()) / n_tokens
    return Evaluation(loss, n_tokens, n_bytes, sum(stream.nats) / n_tokens if stream.nats else None)


def evaluate(model: GPT2, tokenizer: Tokenizer, stream: TokenStream, context: int | None = None) -> Evaluation:
    """Loss of a text: document by document, if all of them fit into the context, or else cut into windows.

    A window has `context` tokens (as many as the model has positions, by default). Each begins without memory of the
    one before, so the loss is a little above what a sliding window gives. An end that fills no window is left out.
    Raises `ValueError` for a text shorter than one window of two tokens.
    """
    if len(stream) < 2:
        raise ValueError(f"The text has {len(stream)} tokens, but measuring a prediction takes at least 2.")
    if stream.fits(context or model.n_positions):
        return _of_documents(model, tokenizer, stream)
    context = min(context or model.n_positions, len(stream) - 1)
    # consecutive windows share one token: the last target of one is the first input of the next
    starts = list(range(0, len(stream) - context, context))
    loss = mean_loss(model, stream, starts, context, batch_size=8)
    # special tokens stand for no byte of the text
    special = set(tokenizer.special_tokens.values())
    lengths = torch.tensor(
        [0 if i in special else len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)]
    )
    n_bytes = sum(int(lengths[stream.windows([start + 1], context)].sum()) for start in starts)
    return Evaluation(loss, len(starts) * context, n_bytes)
