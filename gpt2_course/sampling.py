"""Writing with a language model: from its logits to the next token, and from there to text.

Nothing here knows what the model is. Anything that maps tokens and a cache to next-token logits will do; see
`NextTokenModel`.
"""

from __future__ import annotations

import codecs
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol

import torch
from torch import Tensor

from gpt2_course.tokenizer import Tokenizer

# What rounding may take from a sum of probabilities: 0.5 + 0.3 reaches a top_p of 0.8.
ROUNDING = 1e-6


class NextTokenModel(Protocol):
    """What generation asks of a model."""

    @property
    def n_positions(self) -> int:
        """The context: how many tokens it can look back on."""

    @property
    def device(self) -> torch.device:
        """Where it wants its tokens."""

    def new_cache(self, batch_size: int, capacity: int, padding: Tensor | None) -> Any:
        """An empty cache for rows whose first `padding` (B,) tokens are to be looked through."""

    def next_token_logits(self, tokens: Tensor, cache: Any) -> Tensor:
        """(B, T) tokens that go on from the cache, to logits (B, V) for the token after the last."""


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is chosen.

    Args:
        temperature: divides the logits. Below 1 the likely become likelier, above 1 the field is levelled;
            0 always takes the likeliest token (greedy).
        top_k: only the k likeliest tokens may be chosen (Fan et al., 2018).
        top_p: only the fewest tokens that together have at least this probability (Holtzman et al., 2020).
        repetition_penalty: above 1, tokens already in the text become less likely (Keskar et al., 2019, CTRL).
        seed: the same seed gives the same text; a fresh one is drawn where it is None.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for a setting that has no meaning."""
        t, k, p, penalty, seed = self.temperature, self.top_k, self.top_p, self.repetition_penalty, self.seed
        for name, is_right, wanted in (
            ("temperature", is_number(t) and t >= 0, "a number of at least 0 (0 is greedy)"),
            ("top_k", k is None or (is_integer(k) and k >= 1), "an integer of at least 1, or None for no limit"),
            ("top_p", p is None or (is_number(p) and 0 < p <= 1), "above 0 and at most 1, or None for no limit"),
            ("repetition_penalty", is_number(penalty) and penalty > 0, "a number above 0 (1 is no penalty)"),
            (
                "seed",
                seed is None or (is_integer(seed) and 0 <= seed < 2**63),
                "an integer from 0 up to below 2**63, or None for a fresh one",
            ),
        ):
            check(name, getattr(self, name), is_right, wanted)


def check(name: str, value: object, is_right: bool, wanted: str) -> None:
    """Raises `ValueError` for a setting whose value is not what is wanted."""
    if not is_right:
        raise ValueError(f"{name} must be {wanted}; got {value!r:.60}.")


def is_number(value: Any) -> bool:
    """Whether it is a finite number, NumPy's too; True and False are none."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and -sys.float_info.max <= value <= sys.float_info.max


def is_integer(value: object) -> bool:
    """Whether it is a whole number by type, NumPy's too; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


@dataclass(frozen=True)
class Limit:
    """How much to write: `max_length` counts the prompt's tokens too, `max_new_tokens` only new ones."""

    max_length: int | None = None
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_length", "max_new_tokens"):
            value = getattr(self, name)
            check(name, value, value is None or (is_integer(value) and value >= 0), "an integer of at least 0, or None")
        if self.max_length is not None and self.max_new_tokens is not None:
            raise ValueError("Give max_length (prompt included) or max_new_tokens (prompt not counted), not both.")

    def new_tokens(self, prompt_length: int) -> int:
        """How many tokens may follow a prompt of that many; 100 where nothing was said."""
        if self.max_length is None:
            return 100 if self.max_new_tokens is None else self.max_new_tokens
        if self.max_length < prompt_length:
            raise ValueError(
                f"max_length={self.max_length} leaves no room, because the prompt alone has {prompt_length} tokens: "
                f"give a larger one, or max_new_tokens."
            )
        return self.max_length - prompt_length


def next_token_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Probabilities (B, V) from logits (B, V): tempered, then cut to the top k, then to the top p, adding up to 1.

    Tokens as likely as the k-th stay in. A temperature of 0 leaves the likeliest token, and its equals.
    """
    SamplingConfig(temperature, top_k, top_p)  # raises for what has no meaning
    logits = logits.float()
    temperature = max(temperature, torch.finfo(torch.float32).tiny)  # below, float32 would divide by 0
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # the largest is 0: no overflow
    if top_k is not None and top_k < logits.shape[-1]:
        kth = logits.topk(top_k).values[:, -1:]  # (B, 1)
        logits = logits.masked_fill(logits < kth, -math.inf)
    probabilities = logits.softmax(dim=-1)
    if top_p is not None and top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        covered = ordered.cumsum(dim=-1)[:, :-1]  # by the tokens likelier than the second, the third …
        ordered[:, 1:] = ordered[:, 1:].masked_fill(covered >= top_p - ROUNDING, 0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
        probabilities = probabilities / probabilities.sum(dim=-1, keepdim=True)
    return probabilities


def penalized(logits: Tensor, penalty: float) -> Tensor:
    """Logits of tokens already in the text, made smaller: divided by `penalty`, or multiplied where below 0."""
    scores = logits.cpu().double()  # in which no penalty overflows
    scores = torch.where(scores > 0, scores / penalty, scores * penalty)
    largest = torch.finfo(logits.dtype).max / 4  # so that the difference of two is finite too
    return scores.clamp(-largest, largest).to(logits)


class Sampler:
    """Chooses tokens for a batch of rows, remembering what each row already holds."""

    def __init__(self, config: SamplingConfig, rows: Sequence[Sequence[int]]) -> None:
        self.config = config
        self.rows = rows
        self.random = torch.Generator()
        if config.seed is None:
            self.random.seed()
        else:
            self.random.manual_seed(int(config.seed))

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, V) logits to (B,) tokens."""
        config = self.config
        if not math.isfinite(logits.sum()):
            raise ValueError("The model gives scores that are not numbers (NaN or infinite): its weights are broken.")
        if config.repetition_penalty != 1:
            logits = logits.clone()
            for row, tokens in zip(logits, self.rows, strict=True):
                seen = torch.tensor(sorted(set(tokens)), device=logits.device)
                row[seen] = penalized(row[seen], config.repetition_penalty)
        if config.temperature == 0:
            return logits.argmax(dim=-1)
        candidates = None
        if config.top_k is not None:  # the other tokens have probability 0: no need to look at them again
            logits, candidates = logits.topk(min(config.top_k, logits.shape[-1]))  # (B, k)
        probabilities = next_token_probabilities(logits, config.temperature, top_p=config.top_p)
        # Lay the probabilities end to end and see where a random number falls. In float64, so that rounding can
        # neither reach past the end nor land on a token of probability 0.
        # On the CPU, because Apple's devices have no float64, and so that every device draws the same.
        ends = probabilities.cpu().cumsum(dim=-1, dtype=torch.float64)  # (B, V) or (B, k)
        where = torch.rand(len(ends), 1, generator=self.random, dtype=torch.float64) * ends[:, -1:]
        chosen = torch.searchsorted(ends, where, right=True)  # (B, 1)
        return (chosen if candidates is None else candidates.cpu().gather(-1, chosen))[:, 0]


def left_pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of token ids as one tensor (B, T), shorter ones padded with 0 on the left, and how many pads (B,)."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    tokens = [[0] * pads + list(row) for pads, row in zip(padding, rows, strict=True)]
    return torch.tensor(tokens), torch.tensor(padding)


@torch.inference_mode()
def generate_tokens(
    model: NextTokenModel,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    max_new_tokens: int,
    use_cache: bool = True,
) -> Iterator[list[int]]:
    """Yields one new token for every row, `max_new_tokens` times; stop taking them to stop earlier.

    The model looks back on a window of at most `n_positions` tokens. GPT-2's positions are absolute, so a full
    window cannot move on by one token: every key and value in the cache would change. Instead it drops its older
    half, the newer half is computed anew in one go, and then there is room for `n_positions // 2` cheap tokens.
    What comes out is what recomputing the window for every token gives; `use_cache=False` does just that.
    """
    n_positions = model.n_positions
    rows = [list(prompt) for prompt in prompts]
    starts = [max(0, len(row) - n_positions) for row in rows]  # where each row's window begins
    choose = Sampler(config, rows)
    cache = None
    for done in range(max_new_tokens):
        for b, row in enumerate(rows):
            if len(row) - starts[b] > n_positions:
                starts[b] = len(row) - max(1, n_positions // 2)
                cache = None
        if cache is None or not use_cache:
            tokens, padding = left_pad([row[start:] for row, start in zip(rows, starts, strict=True)])
            capacity = min(n_positions, tokens.shape[1] + max_new_tokens - done)
            cache = model.new_cache(len(rows), capacity, padding.to(model.device))
            logits = model.next_token_logits(tokens.to(model.device), cache)
        else:
            newest = torch.tensor([row[-1:] for row in rows], device=model.device)  # (B, 1)
            logits = model.next_token_logits(newest, cache)
        new = choose(logits).tolist()
        for row, token in zip(rows, new, strict=True):
            row.append(token)
        yield new


class TextStream:
    """Turns one row's tokens into text as they come: whole characters only, and nothing past a stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.held = ""  # what might be the beginning of a stop string
        self.finished = False

    def push(self, token: int) -> str:
        """The text that `token` completes; empty in the middle of a character or of a possible stop string."""
        if token == self.tokenizer.end_of_text:
            return self.close()
        self.held += self.decoder.decode(self.tokenizer.decode_bytes([token]))
        found = [at for at in (self.held.find(stop) for stop in self.stop) if at >= 0]
        if found:
            self.finished = True
            return self.held[: min(found)]
        # hold back the longest ending that a stop string begins with
        keep = max((n for stop in self.stop for n in range(1, len(stop)) if self.held.endswith(stop[:n])), default=0)
        ready, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return ready

    def close(self) -> str:
        """What was still held back, at the end."""
        if self.finished:
            return ""
        self.finished = True
        return self.held + self.decoder.decode(b"", final=True)


def continue_ids(
    model: NextTokenModel,
    rows: Sequence[Sequence[int]],
    config: SamplingConfig,
    limit: Limit,
    end_of_text: int | None,
    use_cache: bool = True,
) -> list[list[int]]:
    """Rows of ids, each with what the model adds up to its limit or `end_of_text`, which fills up the shorter."""
    room = [limit.new_tokens(len(row)) for row in rows]
    added: list[list[int]] = [[] for _ in rows]
    ended = [n == 0 for n in room]
    for step in generate_tokens(model, rows, config, max(room), use_cache):
        for b, token in enumerate(step):
            if not ended[b]:
                added[b].append(token)
                ended[b] = token == end_of_text or len(added[b]) == room[b]
        if all(ended):
            break
    length = max(len(row) + len(new) for row, new in zip(rows, added, strict=True))
    filled = [[*row, *new] for row, new in zip(rows, added, strict=True)]
    return [row + [end_of_text or 0] * (length - len(row)) for row in filled]


def write(
    model: NextTokenModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    config: SamplingConfig,
    limit: Limit,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> Iterator[list[str]]:
    """Continues every prompt; yields, token by token, the new piece of text of each (often empty, as it ends)."""
    if isinstance(stop, str):
        stop = [stop]
    texts_only = isinstance(stop, Sequence) and all(isinstance(text, str) for text in stop)
    check("stop", stop, texts_only, "a text or a list of texts")
    if "" in stop:
        raise ValueError("A stop string is empty, and would stop every text before it begins: leave it out.")
    encoded = tokenizer.encode_batch(prompts)
    room = [limit.new_tokens(len(ids)) for ids in encoded]
    if tokenizer.end_of_text is not None:  # an empty prompt begins as every training text does: after the last one
        encoded = [ids or [tokenizer.end_of_text] for ids in encoded]
    if not all(encoded):
        raise ValueError("The prompt is empty, and this tokenizer has no <|endoftext|> to begin with: give a word.")
    streams = [TextStream(tokenizer, stop) for _ in prompts]
    for done, step in enumerate(generate_tokens(model, encoded, config, max(room, default=0), use_cache), start=1):
        pieces = ["" if s.finished or done > n else s.push(t) for s, n, t in zip(streams, room, step, strict=True)]
        yield pieces
        if all(s.finished or done >= n for s, n in zip(streams, room, strict=True)):
            break
    yield [s.close() for s in streams]
