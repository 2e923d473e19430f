"""Answer the labs' calls with a model in Python. In the book, `static/worker.mjs` answers the same calls."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any, cast

import regex  # type: ignore[import-untyped]
import torch
from torch import Tensor, nn

from gpt2_course.chat import has_template
from gpt2_course.generation import generate_tokens, next_token_probabilities
from gpt2_course.history import read_history
from gpt2_course.introspection import activations
from gpt2_course.model import GPT2, Block
from gpt2_course.pieces import SPLIT_PATTERN
from gpt2_course.sources import DEFAULT_MODEL, SHIPPED
from gpt2_course.tiny_world import Verdict, judge
from gpt2_course.tokenizer import Tokenizer

MOST_LISTED = 2000  # the most tokens sent to a lab; all are counted
MOST_MERGED = 256  # the longest word whose merges are listed, in bytes; each merge lists all its tokens
Answer = dict[str, Any]
LAYERS = {  # the layers of a block, by the activation that each computes
    "norm_1": "norm_1",
    "attention_out": "attention.projection",
    "norm_2": "norm_2",
    "mlp_expand": "mlp.expand",
    "mlp_out": "mlp.projection",
}


def uniform(seed: int, place: int) -> float:
    """A pseudorandom number in [0, 1) for each seed and place, the same as that of `uniform` in `static/sampling.mjs`.

    It is a counter scrambled by the finalizer of MurmurHash3 (Austin Appleby, 2011). Places count from 1, because the
    finalizer maps 0 to 0.
    """
    h = (seed * 0x9E3779B9 + place + 1) % 2**32
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    return float(h ^ h >> 16) / 2**32


def draw(p: Tensor, number: float) -> tuple[int, float]:
    """The token that a number in [0, 1) falls on if probabilities (V,) are laid end to end, most likely first.

    Returns the token's ID and the start of its interval.
    """
    ordered, order = p.double().sort(descending=True, stable=True)
    ends = ordered.cumsum(0)
    at = int(torch.searchsorted(ends, torch.tensor(number, dtype=torch.float64), right=True))
    at = min(at, int((ordered > 0).sum()) - 1)  # rounding can leave the sum just below 1
    return int(order[at]), float(ends[at] - ordered[at])


def _behind(layer: nn.Module, n_in: int, outputs: list[int]) -> list[Tensor]:
    """The weights (N, n_in) and biases (N,) of N outputs of a layer; for a norm, the weights are (N, 1)."""
    if isinstance(layer, nn.LayerNorm):
        return [layer.weight[outputs, None], layer.bias[outputs]]
    # The layer may have 8-bit weights or an adapter, so ask it: a unit vector picks the weights of one input.
    bias = layer(torch.zeros(1, n_in))[0]  # (n_out,)
    return [(layer(torch.eye(n_in)) - bias).T[outputs], bias[outputs]]


def in_json(verdict: Verdict) -> Answer:
    """A verdict as the page's judge gives it."""
    return {
        "accepted": verdict.accepted,
        "kind": verdict.kind,
        "mistake": verdict.mistake,
        "log_prob": verdict.log_prob,
        "at": verdict.at,
        "expected": list(verdict.expected),
    }


class Kernel:
    """The calls that labs make to a model; each returns data that JSON can represent."""

    def __init__(self, model: GPT2, name: str) -> None:
        self.model = model
        self.name = name
        self.tokenizer = model.require_tokenizer()
        self.gpt2: Tokenizer | None = None

    def answer(
        self, call: str, asked: dict[str, Any], part: Callable[[Any], None], cancelled: Callable[[], bool]
    ) -> Answer | list[Answer]:
        """Answer one of `CALLS`; pass partial results to `part`, and stop early once `cancelled` returns True."""
        if call not in CALLS:
            raise ValueError(f"There is no call {call!r}. Choose from {', '.join(CALLS)}.")
        if call == "generate":
            return self.generate(**asked, part=part, cancelled=cancelled)
        answer: Answer | list[Answer] = getattr(self, call)(**asked)
        return answer

    def describe(self) -> Answer:
        """The model's name and sizes, and whether it was trained on dialogues."""
        c = self.model.config
        return {
            "name": self.name,
            "parameters": self.model.num_parameters(),
            "vocab_size": c.vocab_size,
            "n_layer": c.n_layer,
            "n_head": c.n_head,
            "n_embd": c.n_embd,
            "n_positions": c.n_positions,
            "layer_norm_epsilon": c.layer_norm_epsilon,
            "has_template": has_template(self.model),
        }

    def tokenize(self, text: str, vocabulary: str) -> Answer:
        """The tokens and words of a text, in the vocabulary of the model ("model") or of GPT-2 ("gpt2")."""
        tokenizer = self._vocabulary(vocabulary)
        pieces = regex.findall(SPLIT_PATTERN, text)
        ids = tokenizer.encode_batch(pieces)
        tokens = [self._token(i, tokenizer, n) for n, row in enumerate(ids) for i in row[:MOST_LISTED]][:MOST_LISTED]
        return {
            "tokens": tokens,
            "pieces": pieces[: tokens[-1]["piece"] + 1] if tokens else [],
            "count": sum(map(len, ids)),
            "characters": len(text),
            "bytes": len(text.encode()),
        }

    def merge_steps(self, piece: str, vocabulary: str) -> list[Answer]:
        """How a word is merged, step by step: the tokens after each merge, its rank, and its position."""
        tokenizer = self._vocabulary(vocabulary)
        raw = piece.encode()
        if len(raw) > MOST_MERGED:
            raise ValueError(f"A word must have at most {MOST_MERGED} bytes to list its merges, but has {len(raw)}.")
        spelled = tokenizer.decode_bytes
        ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
        ids = [tokenizer.ordinary[bytes([byte])] for byte in raw]
        steps: list[dict[str, Any]] = [{"tokens": [self._token(i, tokenizer) for i in ids], "rank": None, "at": None}]
        while True:
            pairs = [ranks.get((spelled([a]), spelled([b]))) for a, b in pairwise(ids)]
            possible = [(rank, at) for at, rank in enumerate(pairs) if rank is not None]
            if not possible:
                return steps
            rank, at = min(possible)
            ids[at : at + 2] = [tokenizer.ordinary[b"".join(tokenizer.merges[rank])]]
            steps.append({"tokens": [self._token(i, tokenizer) for i in ids], "rank": rank, "at": at})

    def next(self, prompt: str, added: list[int], settings: dict[str, Any], number: float, count: int) -> Answer:
        """The most likely next tokens after a prompt and the IDs `added` to it, and the one that `number` falls on."""
        for i in added:
            if not 0 <= i < self.model.n_tokens:
                raise ValueError(f"Token IDs must be from 0 to {self.model.n_tokens - 1}, but one is {i}.")
        logits = self._logits([*self.ids_of(prompt), *added])
        p = self._probabilities(logits, settings)
        chosen, start = draw(p, number)
        return {
            "added": [self._token(i) for i in added],
            "bars": self._bars(logits, settings, count),
            "possible": int((p > 0).sum()),
            "drawn": {**self._token(chosen), "p": float(p[chosen]), "start": start},
        }

    def attention(self, text: str, without: list[list[int]], most: int) -> Answer:
        """The attention of all heads, (H, T, T) per layer, flattened, and the most likely next tokens."""
        ids, left_out = self._first(text, most)
        found = activations(self.model, ids, [(layer, head) for layer, head in without])
        plain = {"temperature": 1.0, "top_k": None, "top_p": None}
        return {
            "tokens": [self._token(i) for i in ids],
            "left_out": left_out,
            "weights": [found["attention", layer].flatten().tolist() for layer in range(self.model.config.n_layer)],
            "next": self._bars(found["logits", None][-1, : self.model.n_tokens], plain, 10),
        }

    def activations(self, text: str, places: Sequence[Sequence[Any]], most: int) -> Answer:
        """Activations by name and layer, each flattened row by row, and the most likely next tokens.

        `gpt2_course.introspection.activations` lists their names and shapes.
        """
        ids, left_out = self._first(text, most)
        found = activations(self.model, ids)
        found["final_norm", None] = found["final_norm", None][-1:]  # labs show only the newest token's
        found["logits", None] = found["logits", None][-1:, : self.model.n_tokens]
        values = []
        for name, layer in places:
            if (name, layer) not in found:
                raise ValueError(f"There is no activation {name} in layer {layer}.")
            values.append(found[name, layer].flatten().tolist())
        plain = {"temperature": 1.0, "top_k": None, "top_p": None}
        return {
            "tokens": [self._token(i) for i in ids],
            "left_out": left_out,
            "values": values,
            "next": self._bars(found["logits", None][-1], plain, 10),
        }

    @torch.no_grad()
    def weights(self, name: str, layer: int | None, columns: list[int]) -> Answer:
        """The weights and biases that columns of an activation are computed with.

        For a norm, it is one weight per column; for the logits, they are rows of the token embedding.
        """
        model, C = self.model, self.model.config.n_embd
        if name == "logits" and layer is None:
            weights, biases = model.token_embedding.weight[columns], torch.zeros(len(columns))
        elif name == "final_norm" and layer is None:
            weights, biases = _behind(model.final_norm, C, columns)
        elif layer is not None and 0 <= layer < len(model.blocks) and name in ("q", "k", "v"):
            qkv = cast("Block", model.blocks[layer]).attention.qkv
            weights, biases = _behind(qkv, C, [C * "qkv".index(name) + column for column in columns])
        elif layer is not None and 0 <= layer < len(model.blocks) and name in LAYERS:
            part = model.blocks[layer].get_submodule(LAYERS[name])
            weights, biases = _behind(part, 4 * C if name == "mlp_out" else C, columns)
        else:
            raise ValueError(f"No weights make the activation {name} in layer {layer}.")
        return {"weights": weights.tolist(), "biases": biases.tolist()}

    def generate(
        self,
        prompt: str,
        settings: dict[str, Any],
        seed: int,
        length: int,
        part: Callable[[Any], None] = lambda part: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Continue a prompt. Parts are {text, p}: a token's text, and its probability before temperature and cuts.

        The same prompt, settings, and seed give the same text as in the book, up to rounding. `cut` in the answer is
        the start of the prompt that did not fit into the context.
        """
        began = perf_counter()
        if cancelled():  # while it waited for others, as when a reader drags a slider
            return {"tokens": 0, "seconds": 0.0, "cut": {"tokens": 0, "text": ""}}
        ids = self.ids_of(prompt)
        unseen = ids[: max(0, len(ids) - self.model.n_positions)]
        cut = {"tokens": len(unseen), "text": self.tokenizer.decode_bytes(unseen).decode(errors="replace")}
        read = codecs.getincrementaldecoder("utf-8")(errors="replace")
        likelihood = 0.0  # probability of the newest token
        written = 0

        def choose(logits: Tensor, rows: Sequence[Sequence[int]], chosen_rows: Sequence[int]) -> Tensor:
            nonlocal likelihood
            (logits,) = logits.cpu()
            chosen, _ = draw(self._probabilities(logits, settings), uniform(seed, len(rows[0]) - len(ids)))
            likelihood = float(logits.softmax(-1)[chosen])
            return torch.tensor([chosen])

        for (token,) in generate_tokens(self.model, [ids], choose, length):
            if token == self.tokenizer.end_of_text:
                break
            part({"text": read.decode(self.tokenizer.decode_bytes([token])), "p": likelihood})
            written += 1
            if cancelled():
                break
        part({"text": read.decode(b"", final=True), "p": 1.0})
        return {"tokens": written, "seconds": perf_counter() - began, "cut": cut}

    def history(self) -> Answer:
        """The training reports of the shipped model, and the prompt that it continued in each."""
        folder = SHIPPED[DEFAULT_MODEL]
        config = json.loads((folder / "train_config.json").read_text(encoding="utf-8"))
        reports = [
            {
                "step": e["step"],
                "loss": e["val_loss"],
                "floor": e["floor"],
                "sample": e["sample"],
                "rules": e.get("rules", {}),  # older runs did not record them
            }
            for e in read_history(folder)
            if "val_loss" in e
        ]
        return {"prompt": config["sample_prompt"], "reports": reports}

    def judge(self, text: str) -> Answer:
        """The verdict of Tiny World's judge on a text; see `gpt2_course.tiny_world.Verdict`."""
        return in_json(judge(text))

    def _vocabulary(self, name: str) -> Tokenizer:
        if name == "gpt2":
            self.gpt2 = self.gpt2 or Tokenizer.gpt2()
            return self.gpt2
        return self.tokenizer

    def _token(self, i: int, tokenizer: Tokenizer | None = None, piece: int = 0) -> dict[str, Any]:
        raw = (tokenizer or self.tokenizer).decode_bytes([i])
        return {"id": i, "text": raw.decode(errors="replace"), "bytes": list(raw), "piece": piece}

    def ids_of(self, prompt: str) -> list[int]:
        """The IDs of a prompt; an empty one becomes the end-of-text token, which precedes every training text."""
        return self.tokenizer.encode(prompt) or [self.tokenizer.end_of_text or 0]

    def _first(self, text: str, most: int) -> tuple[list[int], int]:
        """The IDs of a text, at most `most`, and the number of IDs left out."""
        ids = self.ids_of(text)
        shown = min(most, self.model.n_positions)
        return ids[:shown], max(0, len(ids) - shown)

    @torch.inference_mode()
    def _logits(self, ids: list[int]) -> Tensor:
        window = torch.tensor([ids[-self.model.n_positions :]], device=self.model.device)
        return self.model.next_token_logits(window, self.model.new_cache())[0].cpu()  # (V,)

    def _probabilities(self, logits: Tensor, settings: dict[str, Any]) -> Tensor:
        return next_token_probabilities(logits[None], **settings)[0]

    def _bars(self, logits: Tensor, settings: dict[str, Any], count: int) -> list[dict[str, Any]]:
        p = self._probabilities(logits, settings)
        order = (logits if settings["temperature"] == 0 else p).sort(descending=True, stable=True).indices[:count]
        return [{**self._token(int(i)), "p": float(p[i])} for i in order]


CALLS = (
    "describe", "tokenize", "merge_steps", "next", "attention", "activations", "weights", "generate", "history",
    "judge",
)  # fmt: skip
