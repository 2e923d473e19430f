"""How good is a model at predicting a text? Loss, perplexity, bits per byte; for Tiny World, the excess by rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt2_course.data import TokenStream
from gpt2_course.loss import IGNORED, token_losses
from gpt2_course.model import GPT2
from gpt2_course.tiny_world import World
from gpt2_course.tiny_world.documents import DEFAULT_WORLD
from gpt2_course.tiny_world.rules import RULES, token_rules
from gpt2_course.tokenizer import Tokenizer

__all__ = ["Evaluation", "RuleExcess", "RuleMeter", "document_losses", "document_token_losses", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts a text."""

    loss: float  # the mean of −ln p(next token), in nats
    n_tokens: int  # the number of predictions averaged
    n_bytes: int  # the bytes of text in the predicted tokens
    floor: float | None = None  # the lowest mean loss possible, if the text's true probability is known
    rules: dict[str, RuleExcess] = field(default_factory=dict)  # how the loss above the floor splits by rule, if asked

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

    def table_of_rules(self) -> str:
        """The loss as a sum to print: pure chance (the floor) plus each rule's excess, with bars, the largest first."""
        assert self.floor is not None
        excess, width = self.loss - self.floor, 20
        most = max(part.excess for part in self.rules.values())
        rows = [
            f"{'nats per token':34}{'':{width + 3}}share    tokens  per such token",
            f"{'pure chance (the floor)':24}{self.floor:10.5f}",
        ]
        for rule, part in self.rules.items():
            bar = "█" * max(0, round(width * part.excess / most))
            rows.append(
                f"{rule:24}{part.excess:10.5f}  {bar:{width}}{part.excess / excess:6.1%}{part.n_tokens:10,}"
                f"{part.per_token:16.5f}"
            )
        return "\n".join([*rows, f"{'loss':24}{self.loss:10.5f}"])


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
    total, n_targets = 0.0, 0
    with model.evaluating():
        for i in range(0, len(starts), batch_size):
            tokens, targets = stream.examples(starts[i : i + batch_size], context).to(model.device).unbind(1)
            counted = int((targets != IGNORED).sum())
            total += float(model(tokens, targets)) * counted
            n_targets += counted
    return total / max(1, n_targets)


def document_losses(model: GPT2, documents: Sequence[Tensor], batch_size: int = 32) -> Tensor:
    """The model's total loss on each document, from its first token through `<|endoftext|>`: nats, shape (N,).

    Each document is a row of ids as returned by `TokenStream.documents`, read by itself and without dropout.
    """
    losses = document_token_losses(model, documents, batch_size)
    return torch.stack([of_tokens.sum() for of_tokens in losses]) if losses else torch.zeros(0)


@torch.no_grad()
def document_token_losses(model: GPT2, documents: Sequence[Tensor], batch_size: int = 32) -> list[Tensor]:
    """The parts of `document_losses`: one tensor (T,) for each document of T + 1 ids, whose first is not predicted."""
    losses = [torch.empty(0)] * len(documents)
    by_length = sorted(range(len(documents)), key=lambda i: len(documents[i]))  # so that batches need little padding
    with model.evaluating():
        for i in range(0, len(by_length), batch_size):
            chosen = by_length[i : i + batch_size]
            rows = pad_sequence([documents[j] for j in chosen], batch_first=True, padding_value=-1).to(model.device)
            targets = rows[:, 1:]  # (B, T), −1 after the end of a row
            real = targets >= 0
            hidden = model.hidden(rows[:, :-1].clamp(min=0))[real]  # (N, C)
            cost = token_losses(hidden, model.token_embedding.weight, targets[real]).cpu()  # (N,)
            for j, part in zip(chosen, torch.split(cost, [len(documents[j]) - 1 for j in chosen]), strict=True):
                losses[j] = part
    return losses


class RuleExcess(NamedTuple):
    """What not knowing one rule of Tiny World costs a model."""

    excess: float  # loss − floor on this rule's tokens, in nats per token of the whole text, so rules add up
    n_tokens: int  # this rule's tokens
    per_token: float  # loss − floor, in nats per token of this rule


class RuleMeter:
    """Splits a model's excess loss (loss − floor) on Tiny World documents by rule.

    Every token obeys one rule and has a true cost under the grammar (see `gpt2_course.tiny_world.rules`). A rule's
    excess is the model's loss on its tokens minus their true cost. Only its mean is at least 0: by luck, a model can
    beat the grammar on a few tokens. The excesses of all rules add up to the model's loss minus the floor.

    Args:
        documents: rows of ids as returned by `TokenStream.documents`.
        world: whose documents they are.

    Raises `ValueError` if one of them is not a document of this world.
    """

    def __init__(self, tokenizer: Tokenizer, documents: Sequence[Tensor], world: World = DEFAULT_WORLD) -> None:
        rules, nats = [], []
        for document in documents:
            pieces = [tokenizer.decode_bytes([token]) for token in document[1:-1].tolist()]
            text = b"".join(pieces)
            # in characters: one that is split between tokens belongs to the token that completes it
            ends = [len(text[:end].decode(errors="ignore")) for end in accumulate(map(len, pieces))]
            for rule, cost in token_rules(text.decode(errors="replace"), ends, world):
                rules.append(RULES.index(rule))
                nats.append(cost)
        self._rules = torch.tensor(rules)  # (N,) the number of each token's rule, for all documents' tokens
        self._nats = torch.tensor(nats, dtype=torch.float64)  # (N,)
        self.floor = float(self._nats.mean())
        """The lowest mean loss possible, in nats per token."""

    def split(self, losses: Sequence[Tensor]) -> dict[str, RuleExcess]:
        """Each rule's part of the excess, the largest first, given `document_token_losses` of the same documents."""
        excess = torch.cat(list(losses)).double() - self._nats  # (N,)
        sums = torch.zeros(len(RULES), dtype=torch.float64).index_add_(0, self._rules, excess).tolist()
        counts = self._rules.bincount(minlength=len(RULES)).tolist()
        parts = {
            rule: RuleExcess(total / len(excess), n, total / n)
            for rule, total, n in zip(RULES, sums, counts, strict=True)
            if n
        }
        return dict(sorted(parts.items(), key=lambda part: -part[1].excess))


def _of_documents(model: GPT2, tokenizer: Tokenizer, stream: TokenStream, by_rule: bool, world: World) -> Evaluation:
    documents = stream.documents()
    targets = torch.cat([document[1:] for document in documents])
    graded = stream.graded(0, len(targets))
    n_tokens = int(graded.sum())
    n_bytes = len(tokenizer.decode_bytes(targets[graded & (targets != stream.end_of_text)]))
    losses = document_token_losses(model, documents)
    loss = float(torch.cat(losses)[graded].double().mean())
    if by_rule:
        meter = RuleMeter(tokenizer, documents, world)
        return Evaluation(loss, n_tokens, n_bytes, meter.floor, meter.split(losses))
    return Evaluation(loss, n_tokens, n_bytes, sum(stream.document_nats) / n_tokens if stream.document_nats else None)


def evaluate(
    model: GPT2,
    tokenizer: Tokenizer,
    stream: TokenStream,
    context: int | None = None,
    by_rule: bool = False,
    world: World = DEFAULT_WORLD,
) -> Evaluation:
    """The loss on a text: document by document if every document fits into the context, otherwise in windows.

    A window has `context` tokens (by default, all positions of the model). Each is read by itself, so the loss is
    slightly above that of a sliding window. An incomplete last window is left out. In dialogues, only what a model
    learns to predict is measured: answers and what ends them. With `by_rule`, also measure what each rule of `world`
    costs. Raises `ValueError` for a text of fewer than two tokens, and with `by_rule` for a text
    that is not of this world or does not fit.
    """
    context = context or model.n_positions
    if len(stream) < 2:
        raise ValueError(
            f"The text has {len(stream)} tokens, but at least 2 are needed to measure a prediction: give a longer one."
        )
    if by_rule and not stream.document_nats:
        raise ValueError(
            "Only the loss on Tiny World can be split by rule, but this is another text: choose Tiny World."
        )
    if stream.fits(context):
        return _of_documents(model, tokenizer, stream, by_rule, world)
    if by_rule:
        raise ValueError(
            f"The loss can be split by rule only if every document fits into the context, but the longest has "
            f"{stream.longest_document} tokens and the context {context}: choose a model with a longer one."
        )
    context = min(context, len(stream) - 1)
    # consecutive windows share one token: the last target of one is the first input of the next
    starts = list(range(0, len(stream) - context, context))
    loss = mean_loss(model, stream, starts, context, batch_size=8)
    # special tokens do not count as bytes of the text
    special = set(tokenizer.special_tokens.values())
    lengths = torch.tensor(
        [0 if i in special else len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)]
    )
    n_tokens = n_bytes = 0
    for start in starts:
        targets = stream.examples([start], context)[0, 1]
        counted = targets[targets != IGNORED]
        n_tokens += len(counted)
        n_bytes += int(lengths[counted].sum())
    return Evaluation(loss, n_tokens, n_bytes)
