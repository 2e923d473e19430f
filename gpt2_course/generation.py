"""From logits to text: choose the next token, move the context window, turn tokens into text.

Nothing here knows how the model works. Anything that maps tokens and a cache to next-token logits will do; see
`NextTokenModel`. Shapes: B rows, T tokens each, V tokens in the vocabulary.
"""

from __future__ import annotations

import codecs
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from gpt2_course.tokenizer import Tokenizer

__all__ = ["next_token_probabilities"]

# The tolerance for rounding in a sum of probabilities, so that 0.5 + 0.3 reaches a top_p of 0.8.
ROUNDING = 1e-6
NEW_TOKENS = 100  # how many to generate if no limit is given

Prompt = TypeVar("Prompt", str, list[str], Tensor)

Chooser = Callable[[Tensor, Sequence[Sequence[int]], Sequence[int]], Tensor]
"""Chooses the next token of some rows: logits (A, V), the ids so far of all B rows, and which A of them to continue →
(A,)."""


class NextTokenModel(Protocol):
    """What generation needs from a model."""

    @property
    def n_positions(self) -> int:
        """The context: how many tokens the model can see at once."""

    @property
    def n_tokens(self) -> int:
        """The number of token ids that may be chosen."""

    @property
    def device(self) -> torch.device:
        """Where the model expects its tokens."""

    def new_cache(self, batch_size: int, capacity: int, padding: Tensor | None) -> Any:
        """An empty cache, with `KVCache`'s method `remove`, for rows that begin with `padding` (B,) pad tokens."""

    def next_token_logits(self, tokens: Tensor, cache: Any) -> Tensor:
        """Append `tokens` (B, T) to the cache; return logits (B, V) for the next token."""

    def one_token_decoder(self) -> Callable[[Tensor, Any], Tensor]:
        """The fastest equivalent of `next_token_logits` for tokens (B, 1)."""


@dataclass(frozen=True)
class SamplingConfig:
    """How to choose the next token.

    Args:
        temperature: divides the logits. Below 1, likely tokens become likelier; above 1, the probabilities even out;
            0 always takes the likeliest token (greedy).
        top_k: choose among the k likeliest tokens only (Fan et al., 2018).
        top_p: choose among the smallest set of tokens whose total probability reaches this (Holtzman et al., 2020).
        repetition_penalty: above 1, tokens already in the text become less likely (Keskar et al., 2019, CTRL).
        seed: the same seed gives the same text; None picks a fresh one.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a setting out of range."""
        t, k, p, penalty, seed = self.temperature, self.top_k, self.top_p, self.repetition_penalty, self.seed
        for name, is_right, wanted in (
            ("temperature", is_number(t) and t >= 0, "a number of at least 0 (0 is greedy)"),
            ("top_k", k is None or (is_integer(k) and k >= 1), "an integer of at least 1, or None for no limit"),
            ("top_p", p is None or (is_number(p) and 0 < p <= 1), "above 0 and at most 1, or None for no limit"),
            ("repetition_penalty", is_number(penalty) and penalty > 0, "a number above 0 (1 is no penalty)"),
            (
                "seed",
                seed is None or (is_integer(seed) and 0 <= seed < 2**63),
                "an integer from 0 to 2**63 - 1, or None for a fresh one",
            ),
        ):
            check_setting(name, getattr(self, name), is_right, wanted)


def check_setting(name: str, value: object, is_right: bool, wanted: str) -> None:
    """Raise `ValueError` with the name, the value, and what is `wanted`, unless `is_right`."""
    if not is_right:
        raise ValueError(f"{name} must be {wanted}; got {value!r:.60}.")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, including NumPy's types but not True and False."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and -sys.float_info.max <= value <= sys.float_info.max


def is_integer(value: object) -> bool:
    """Whether a value has an integer type, including NumPy's types but not True and False."""
    return isinstance(value, Integral) and not isinstance(value, bool)


@dataclass(frozen=True)
class Limit:
    """How much to write: `max_length` includes the prompt, `max_new_tokens` counts new tokens only."""

    max_length: int | None = None
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_length", "max_new_tokens"):
            value = getattr(self, name)
            check_setting(
                name, value, value is None or (is_integer(value) and value >= 0), "an integer of at least 0, or None"
            )
        if self.max_length is not None and self.max_new_tokens is not None:
            raise ValueError("Give max_length (prompt included) or max_new_tokens (prompt not included), not both.")

    def new_tokens(self, prompt_length: int) -> int:
        """How many tokens may follow a prompt of `prompt_length`; `NEW_TOKENS` if no limit was given."""
        if self.max_length is None:
            return NEW_TOKENS if self.max_new_tokens is None else self.max_new_tokens
        if self.max_length < prompt_length:
            raise ValueError(
                f"max_length={self.max_length} leaves no room: the prompt alone has {prompt_length} tokens. Raise it, "
                f"or give max_new_tokens instead."
            )
        return self.max_length - prompt_length


def next_token_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Probabilities (B, V) from logits (B, V): cut to the top k, divided by the temperature, then cut to the top p.

    Tokens tied with the k-th stay in. A temperature of 0 gives probability 1 to the first of the likeliest tokens.
    """
    SamplingConfig(temperature, top_k, top_p)  # raises for a setting out of range
    logits = logits.float()
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(dim=-1, keepdim=True), 1.0)
    if top_k is not None and top_k < logits.shape[-1]:
        kth = logits.topk(top_k).values[:, -1:]  # (B, 1)
        logits = logits.masked_fill(logits < kth, -math.inf)
    temperature = max(temperature, torch.finfo(torch.float32).tiny)  # below that, float32 would divide by 0
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # the largest is 0, so nothing overflows
    probabilities = logits.softmax(dim=-1)
    if top_p is not None and top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        covered = ordered.cumsum(dim=-1)[:, :-1]  # by the tokens before the second, the third …
        ordered[:, 1:] = ordered[:, 1:].masked_fill(covered >= top_p - ROUNDING, 0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
        probabilities = probabilities / probabilities.sum(dim=-1, keepdim=True)
    return probabilities


def penalized(logits: Tensor, penalty: float) -> Tensor:
    """Logits of tokens already in the text, lowered: divided by `penalty` if positive, multiplied if negative."""
    scores = logits.cpu().double()  # wide enough that no penalty overflows
    scores = torch.where(scores > 0, scores / penalty, scores * penalty)
    largest = torch.finfo(logits.dtype).max / 4  # so that the difference of two scores is still finite
    return scores.clamp(-largest, largest).to(logits)


class Sampler:
    """Chooses tokens at random, according to a `SamplingConfig`."""

    def __init__(self, config: SamplingConfig) -> None:
        self.config = config
        self.random = torch.Generator()
        if config.seed is None:
            self.random.seed()
        else:
            self.random.manual_seed(int(config.seed))

    def __call__(
        self, logits: Tensor, rows: Sequence[Sequence[int]], chosen_rows: Sequence[int] | None = None
    ) -> Tensor:
        """Tokens (A,) for logits (A, V), the ids so far of B rows, and the indices of A of these rows (None: all).

        Each of the B rows uses up one random number, so a row's text does not depend on which others are continued.
        """
        config = self.config
        indices = list(range(len(rows)) if chosen_rows is None else chosen_rows)
        if not math.isfinite(logits.sum()):
            raise ValueError("The model's scores are NaN or infinite, so its weights are broken: reload or retrain it.")
        if config.repetition_penalty != 1:
            logits = logits.clone()
            for row, index in zip(logits, indices, strict=True):
                seen = torch.tensor(sorted(set(rows[index])), device=logits.device)
                row[seen] = penalized(row[seen], config.repetition_penalty)
        if config.temperature == 0:
            return logits.argmax(dim=-1)
        candidates = None
        if config.top_k is not None:  # drop the other tokens early, so that there is less to compute
            k = min(config.top_k, logits.shape[-1])
            largest, candidates = logits.topk(k)  # (A, k)
            with_ties = int((logits >= largest[:, -1:]).sum(dim=-1).max())
            if with_ties > k:
                largest, candidates = logits.topk(with_ties)
            logits = largest
        probabilities = next_token_probabilities(logits, config.temperature, config.top_k, config.top_p)
        # Lay the probabilities end to end and see where a random number falls. Float64 keeps rounding from overshooting
        # the end or choosing a token of probability 0. The CPU is used because Apple's GPUs lack float64, and so that
        # the same seed draws the same random numbers on every device.
        ends = probabilities.cpu().cumsum(dim=-1, dtype=torch.float64)  # (A, V) or (A, k)
        random = torch.rand(len(rows), 1, generator=self.random, dtype=torch.float64)  # (B, 1)
        if len(indices) < len(rows):
            random = random[indices]  # (A, 1)
        chosen = torch.searchsorted(ends, random * ends[:, -1:], right=True)  # (A, 1)
        return (chosen if candidates is None else candidates.cpu().gather(-1, chosen))[:, 0]


def left_pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of token ids as one tensor (B, T), padded with 0 on the left, and the number of pads per row (B,)."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    tokens = [[0] * pads + list(row) for pads, row in zip(padding, rows, strict=True)]
    return torch.tensor(tokens), torch.tensor(padding)


@torch.inference_mode()
def generate_tokens(
    model: NextTokenModel,
    prompts: Sequence[Sequence[int]],
    choose: Chooser,
    max_new_tokens: int,
    use_cache: bool = True,
    finished: Callable[[int], bool] = lambda index: False,
) -> Iterator[list[int]]:
    """Yield one new token per row, up to `max_new_tokens` times; stop iterating to end early.

    After each step, `finished(index)` says whether row `index` needs no more tokens. Such a row leaves the batch: it
    costs no more time, and its last token is repeated. When all have left, the generator ends.

    The model sees a window of at most `n_positions` tokens. GPT-2's positions are absolute, so a full window cannot
    slide by one token: every key and value in the cache would change. Instead, it drops its older half, recomputes the
    newer half in one pass, and has room for another `n_positions // 2` cheap tokens. The output is the same as if the
    window were recomputed for every token, which is what `use_cache=False` does.
    """
    n_positions = model.n_positions
    rows = [list(prompt) for prompt in prompts]
    starts = [max(0, len(row) - n_positions) for row in rows]  # where each row's window begins
    active = list(range(len(rows)))  # the rows in the batch, in the order of the cache
    decode_one = model.one_token_decoder()
    # Memory freed on Linux goes back to the system, and getting it again costs 10% of a step, unless a larger block has
    # been freed before: malloc adapts its threshold. So allocate and free 16 MB, which are never touched.
    torch.empty(4 * 1024 * 1024)
    cache = None
    for done in range(max_new_tokens):
        for index in active:
            if len(rows[index]) - starts[index] > n_positions:
                starts[index] = len(rows[index]) - max(1, n_positions // 2)
                cache = None
        if cache is None or cache.is_full or not use_cache:  # full of a longer row's window, if that row has left
            tokens, padding = left_pad([rows[index][starts[index] :] for index in active])
            capacity = min(n_positions, tokens.shape[1] + max_new_tokens - done)
            cache = model.new_cache(len(active), capacity, padding.to(model.device))
            logits = model.next_token_logits(tokens.to(model.device), cache)
        else:
            newest = torch.tensor([rows[index][-1:] for index in active], device=model.device)  # (A, 1)
            logits = decode_one(newest, cache)
        for index, token in zip(active, choose(logits, rows, active).tolist(), strict=True):
            rows[index].append(token)
        yield [row[-1] for row in rows]
        for place in reversed(range(len(active))):
            if finished(active[place]):
                cache.remove(place)
                active[place] = active[-1]
                active.pop()
        if not active:
            return


class TextStream:
    """Turns the tokens of one row into text as they arrive, in whole characters, up to a stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.held = ""  # text that may be the beginning of a stop string
        self.finished = False

    def push(self, token: int) -> str:
        """The text completed by `token`; empty in the middle of a character or of a possible stop string."""
        if token == self.tokenizer.end_of_text:
            return self.close()
        self.held += self.decoder.decode(self.tokenizer.decode_bytes([token]))
        found = [at for at in (self.held.find(stop) for stop in self.stop) if at >= 0]
        if found:
            self.finished = True
            return self.held[: min(found)]
        # hold back the longest ending that may be the beginning of a stop string
        keep = max((n for stop in self.stop for n in range(1, len(stop)) if self.held.endswith(stop[:n])), default=0)
        ready, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return ready

    def close(self) -> str:
        """Finish, and return the text still held back."""
        if self.finished:
            return ""
        self.finished = True
        return self.held + self.decoder.decode(b"", final=True)


def continue_ids(
    model: NextTokenModel,
    prompt: Tensor,
    config: SamplingConfig,
    limit: Limit,
    end_of_text: int | None,
    use_cache: bool = True,
) -> Tensor:
    """A prompt of ids (T,) or (B, T), continued to its limit or to `end_of_text`, which also pads shorter rows."""
    rows = _rows_of(prompt, model.n_tokens)
    room = limit.new_tokens(prompt.shape[-1])
    added: list[list[int]] = [[] for _ in rows]

    def finished(index: int) -> bool:
        return added[index][-1:] == [end_of_text]

    for step in generate_tokens(model, rows, Sampler(config), room, use_cache, finished):
        for index, token in enumerate(step):
            if not finished(index):
                added[index].append(token)
    longest = max(map(len, added))
    filled = [[*row, *new] + [end_of_text or 0] * (longest - len(new)) for row, new in zip(rows, added, strict=True)]
    return torch.tensor(filled if prompt.ndim == 2 else filled[0], dtype=prompt.dtype, device=prompt.device)


def _rows_of(ids: Tensor, n_tokens: int) -> list[list[int]]:
    """The ids of a prompt (T,) or (B, T) as lists; `ValueError` for ids that the model does not have."""
    if ids.ndim not in (1, 2) or ids.is_floating_point() or ids.numel() == 0:
        raise ValueError(
            f"A prompt of token ids must be integers of shape (T,) or (B, T) with T at least 1, but is "
            f"{ids.dtype} of shape {tuple(ids.shape)}."
        )
    if int(ids.min()) < 0 or int(ids.max()) >= n_tokens:
        raise ValueError(
            f"Token ids must be from 0 to {n_tokens - 1}, but the prompt contains {int(ids.min())} to {int(ids.max())}."
        )
    rows: list[list[int]] = (ids if ids.ndim == 2 else ids[None]).tolist()
    return rows


def continue_texts(
    model: NextTokenModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    config: SamplingConfig,
    limit: Limit,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> Iterator[list[str]]:
    """Continue every prompt; yield, token by token, the new piece of each text (empty in the middle of a character)."""
    if isinstance(stop, str):
        stop = [stop]
    texts_only = isinstance(stop, Sequence) and all(isinstance(text, str) for text in stop)
    check_setting("stop", stop, texts_only, "a string or a list of strings")
    if "" in stop:
        raise ValueError("stop contains an empty string, which would end every text before it begins: remove it.")
    encoded = tokenizer.encode_batch(prompts)
    room = [limit.new_tokens(len(ids)) for ids in encoded]
    if tokenizer.end_of_text is not None:  # start an empty prompt as a training text does: after an <|endoftext|>
        encoded = [ids or [tokenizer.end_of_text] for ids in encoded]
    if not all(encoded):
        raise ValueError("The prompt is empty, and this tokenizer has no <|endoftext|> to start from: give some text.")
    streams = [TextStream(tokenizer, stop) for _ in prompts]
    done = 0

    def finished(index: int) -> bool:
        return streams[index].finished or done >= room[index]

    for step in generate_tokens(model, encoded, Sampler(config), max(room, default=0), use_cache, finished):
        pieces = ["" if finished(index) else streams[index].push(token) for index, token in enumerate(step)]
        done += 1
        yield pieces
    yield [s.close() for s in streams]


def generate(
    model: NextTokenModel,
    tokenizer: Tokenizer | None,
    prompt: Prompt,
    config: SamplingConfig,
    limit: Limit,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> Prompt:
    """A text, a list of texts, or ids (T,) or (B, T), continued; ids need no tokenizer. See `GPT2.generate`."""
    if isinstance(prompt, Tensor):
        if stop:
            raise ValueError(f"stop={stop!r} works only for text prompts, but the prompt is token ids: leave stop out.")
        end_of_text = tokenizer.end_of_text if tokenizer else None
        return continue_ids(model, prompt, config, limit, end_of_text, use_cache)
    assert tokenizer is not None
    prompts = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
    pieces = list(continue_texts(model, tokenizer, prompts, config, limit, stop, use_cache))
    texts = [text + "".join(step[row] for step in pieces) for row, text in enumerate(prompts)]
    return texts[0] if isinstance(prompt, str) else texts


def stream(
    model: NextTokenModel,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    limit: Limit,
    stop: str | Sequence[str] = (),
) -> Iterator[str]:
    """The text that `generate` adds to the prompt, piece by piece as it is written."""
    for (piece,) in continue_texts(model, tokenizer, [prompt], config, limit, stop):
        if piece:
            yield piece
