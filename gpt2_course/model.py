"""GPT-2: a stack of identical blocks that read tokens and predict the next one.

The architecture of "Language Models are Unsupervised Multitask Learners" (Radford et al., 2019), with names a
beginner can read; the comment beside each part gives its name in OpenAI's weights. Shapes: B sequences, T tokens
each, C channels (`n_embd`), H heads of D = C / H channels, V words in the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpt2_course import checkpoint, sampling
from gpt2_course.inference import KVCache, SingleTokenDecoder
from gpt2_course.loss import linear_cross_entropy
from gpt2_course.sampling import SamplingConfig
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.tokenizer_files import has_tokenizer


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a GPT-2, under the names of OpenAI's and Hugging Face's `config.json`.

    Raises `ValueError` for a shape that cannot be built.
    """

    vocab_size: int = 50257
    """How many different tokens there are; the most, where training learns a vocabulary."""
    n_positions: int = 1024
    """The context: how many tokens the model can look back on."""
    n_embd: int = 768
    """The width of the residual stream: how many numbers stand for a token."""
    n_layer: int = 12
    """How many blocks are stacked."""
    n_head: int = 12
    """Attention heads a block has; n_embd must be a multiple of it."""
    embd_pdrop: float = 0.1
    """The share of values dropped after the embeddings, in training only."""
    attn_pdrop: float = 0.1
    """The share of attention weights dropped, in training only."""
    resid_pdrop: float = 0.1
    """The share of values dropped from what each layer adds, in training only."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance in a layer norm, so that nothing is divided by 0."""
    initializer_range: float = 0.02
    """The standard deviation of fresh weights."""

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, but it is {value!r}.")
            if value > most:
                raise ValueError(f"{name} can be {most:,} at most, but it is {value:,}.")
        if self.n_embd % self.n_head:
            raise ValueError(
                f"n_embd={self.n_embd} does not divide into n_head={self.n_head} equal heads: "
                f"make n_embd a multiple of n_head."
            )
        for name in ("embd_pdrop", "attn_pdrop", "resid_pdrop"):
            if not (isinstance(getattr(self, name), (int, float)) and 0 <= getattr(self, name) < 1):
                raise ValueError(
                    f"{name} is a share of values to drop, from 0 up to below 1, but it is {getattr(self, name)!r}."
                )
        for name in ("layer_norm_epsilon", "initializer_range"):
            if not (isinstance(getattr(self, name), (int, float)) and 0 < getattr(self, name) < math.inf):
                raise ValueError(f"{name} must be above 0, but it is {getattr(self, name)!r}.")

    @classmethod
    def preset(cls, name: str) -> GPT2Config:
        """A known shape: `laptop`, `story`, or OpenAI's `gpt2`, `gpt2-medium`, `gpt2-large`, `gpt2-xl`."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
        return PRESETS[name]

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> GPT2Config:
        """The shape that a `config.json` describes; `ValueError` where it asks for what GPT-2 does not have."""
        fixed: dict[str, tuple[Any, ...]] = {
            "model_type": ("gpt2",),
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),  # two names of the same function
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "tie_word_embeddings": (True,),
            "add_cross_attention": (False,),
        }
        for name, known in fixed.items():
            if config.get(name, known[0]) not in known:
                raise ValueError(f"config.json says {name}={config[name]!r}, but this GPT-2 has {known[0]!r} only.")
        shape = cls(**{f.name: config[f.name] for f in fields(cls) if f.name in config})
        if config.get("n_inner") not in (None, 4 * shape.n_embd):
            raise ValueError(f"config.json says n_inner={config['n_inner']!r}, but this GPT-2 has 4 × n_embd only.")
        return shape


# Beyond, memory or time would run out before anything is said; GPT-3, the largest of this kind, has 96 layers.
MOST = {"vocab_size": 10**7, "n_positions": 10**7, "n_embd": 10**5, "n_layer": 1000, "n_head": 10**5}

# Sizes by name. OpenAI's four are those of the paper's table 2; the first two are this course's own.
PRESETS = {
    "laptop": GPT2Config(3072, 336, 128, 2, 8, 0.0, 0.0, 0.0, initializer_range=0.05),
    "story": GPT2Config(3072, 336, 192, 4, 6, 0.0, 0.0, 0.0, initializer_range=0.05),
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_layer=24, n_head=16, n_embd=1024),
    "gpt2-large": GPT2Config(n_layer=36, n_head=20, n_embd=1280),
    "gpt2-xl": GPT2Config(n_layer=48, n_head=25, n_embd=1600),
}


class CausalSelfAttention(nn.Module):
    """Every token gathers what it needs from the tokens before it, in `n_head` different ways at once."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.attn_pdrop = config.attn_pdrop
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)  # attn.c_attn: queries, keys and values at once
        self.projection = nn.Linear(config.n_embd, config.n_embd)  # attn.c_proj
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:
        B, T, C = x.shape
        heads = self.qkv(x).view(B, T, 3, self.n_head, C // self.n_head)  # (B, T, 3, H, D)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # three of (B, H, T, D)
        mask = None
        if cache is not None:
            k, v, mask = cache.append(layer, k, v)  # k, v: (B, H, S, D) with S ≥ T tokens seen so far
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=mask is None and T > 1,
            dropout_p=self.attn_pdrop if self.training else 0.0,
        )  # (B, H, T, D)
        y = y.transpose(1, 2).reshape(B, T, C)  # the heads side by side again
        return self.dropout(self.projection(y))


class MLP(nn.Module):
    """Each token thinks for itself: four times as wide, bent by GELU, and back."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.expand = nn.Linear(config.n_embd, 4 * config.n_embd)  # mlp.c_fc
        self.projection = nn.Linear(4 * config.n_embd, config.n_embd)  # mlp.c_proj
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        # GPT-2 was trained with the tanh form of GELU (Hendrycks & Gimpel, 2016): same curve within 0.001
        return self.dropout(self.projection(F.gelu(self.expand(x), approximate="tanh")))


class Block(nn.Module):
    """One layer: attention and MLP, each reading a normalised copy and adding to the residual stream."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)  # ln_1
        self.attention = CausalSelfAttention(config)  # attn
        self.norm_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)  # ln_2
        self.mlp = MLP(config)  # mlp

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:
        x = x + self.attention(self.norm_1(x), cache, layer)
        x = x + self.mlp(self.norm_2(x))
        return x


class GPT2(nn.Module):
    """GPT-2, from token ids to next-token logits; `GPT2()` is the 124M model, untrained.

    >>> model = GPT2(GPT2Config.preset("laptop"))
    >>> model(torch.tensor([[5, 9, 2]])).shape      # after each token, a score for every one that may come next
    torch.Size([1, 3, 3072])

    Args:
        config: the shape; GPT-2's smallest, 124M, where none is given.
        tokenizer: turns text into ids and back. GPT-2's own where the vocabulary is GPT-2's; a model of another
            vocabulary works on token ids alone until it is given one.
    """

    def __init__(self, config: GPT2Config | None = None, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        config = config or GPT2Config()
        if tokenizer is None and config.vocab_size == GPT2Config.vocab_size:
            tokenizer = Tokenizer.gpt2()
        if tokenizer is not None and tokenizer.vocab_size != config.vocab_size:
            raise ValueError(
                f"The tokenizer knows {tokenizer.vocab_size} tokens, but the model {config.vocab_size}: "
                f"give it GPT2Config(vocab_size={tokenizer.vocab_size})."
            )
        self.config = config
        self.tokenizer = tokenizer
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)  # wte, and the output head too
        self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)  # wpe
        self.dropout = nn.Dropout(config.embd_pdrop)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))  # h
        self.final_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)  # ln_f
        self._init_weights()

    def _init_weights(self) -> None:
        std = self.config.initializer_range
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        # 2 × n_layer additions meet in the residual stream. Scaling each by 1/√(2 × n_layer) keeps the sum's
        # spread the same at any depth (section 2.3 of the paper).
        for name, weight in self.named_parameters():
            if name.endswith("projection.weight"):
                nn.init.normal_(weight, std=std / math.sqrt(2 * self.config.n_layer))
        # The one departure from OpenAI's start, which has a gain of 1 here: logits would then spread by
        # 0.02 × √768 = 0.55, and an untrained model would lose 0.55² / 2 = 0.15 nats more than a fair die does.
        nn.init.constant_(self.final_norm.weight, 0.5)

    # ---- from tokens to logits -----------------------------------------------------------------------------

    @overload
    def forward(self, tokens: Tensor, targets: None = None, cache: KVCache | None = None) -> Tensor: ...
    @overload
    def forward(self, tokens: Tensor, targets: Tensor, cache: None = None) -> Tensor: ...
    def forward(self, tokens: Tensor, targets: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits (B, T, V) for tokens (B, T); with `targets` (B, T), the mean loss instead, in nats a token.

        With a `cache` (see `new_cache`), `tokens` go on from what the cache has seen, and it grows by T.
        Raises `ValueError` for tokens of another shape, or more of them than there are positions.
        """
        x = self.hidden(tokens, cache)
        if targets is None:
            return x @ self.token_embedding.weight.T  # the head is the embedding, read backwards
        if targets.shape != tokens.shape:
            raise ValueError(
                f"targets must have the shape of tokens, {tuple(tokens.shape)}, but have {tuple(targets.shape)}."
            )
        return linear_cross_entropy(x.flatten(0, 1), self.token_embedding.weight, targets.flatten())

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """The residual stream after the last block, normalised: (B, T, C), ready for the output head."""
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise ValueError(
                f"tokens must be whole numbers of shape (B, T), but they are {tokens.dtype} of shape "
                f"{tuple(tokens.shape)}."
            )
        T = tokens.shape[1]
        if cache is None:
            if self.config.n_positions < T:
                raise ValueError(f"{T} tokens were given, but this model has only {self.config.n_positions} positions.")
            positions = torch.arange(T, device=tokens.device)  # (T,)
        else:
            positions = cache.advance(T)  # (T,), or (B, T) where rows are padded
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer)
        x = self.final_norm(x)
        return x

    # ---- from text to text ---------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | list[str] | Tensor,
        max_length: int | None = None,
        *,
        max_new_tokens: int | None = None,
        stop: str | Sequence[str] = (),
        use_cache: bool = True,
        **choice: Any,
    ) -> Any:
        """Continues a text and returns it, prompt included; a list of texts gives a list.

        Writing ends after `max_length` tokens (prompt included) or `max_new_tokens` (prompt not counted; 100 where
        neither is given), at `<|endoftext|>`, or before any of the `stop` strings. `choice` holds the settings of
        `SamplingConfig`: `temperature` (0 for greedy), `top_k`, `top_p`, `repetition_penalty`, `seed`.

        Token ids work too: a tensor (T,) or (B, T) in, a longer one out, on the same device; rows that end early
        are filled up with `<|endoftext|>`. `use_cache=False` computes every window anew: the same, only slower.
        """
        config = SamplingConfig(**choice)
        limit = sampling.Limit(max_length, max_new_tokens)
        if isinstance(prompt, Tensor):
            if stop:
                raise ValueError(f"stop={stop!r} are texts, but the prompt is token ids: give a text, or no stop.")
            rows = self._rows_of(prompt)
            end = self.tokenizer.end_of_text if self.tokenizer else None
            with self.evaluating():
                rows = sampling.continue_ids(self, rows, config, limit, end, use_cache)
            return torch.tensor(rows if prompt.ndim == 2 else rows[0], dtype=prompt.dtype, device=prompt.device)
        texts = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
        with self.evaluating():
            pieces = list(sampling.write(self, self.require_tokenizer(), texts, config, limit, stop, use_cache))
        written = [text + "".join(step[row] for step in pieces) for row, text in enumerate(texts)]
        return written[0] if isinstance(prompt, str) else written

    def stream(
        self,
        prompt: str,
        max_length: int | None = None,
        *,
        max_new_tokens: int | None = None,
        stop: str | Sequence[str] = (),
        **choice: Any,
    ) -> Iterator[str]:
        """What `generate` adds to the prompt, piece by piece as it is written; no piece splits a character."""
        config = SamplingConfig(**choice)
        limit = sampling.Limit(max_length, max_new_tokens)
        with self.evaluating():
            for (piece,) in sampling.write(self, self.require_tokenizer(), [prompt], config, limit, stop):
                if piece:
                    yield piece

    def new_cache(self, batch_size: int = 1, capacity: int | None = None, padding: Tensor | None = None) -> KVCache:
        """An empty key–value cache for `batch_size` rows of up to `capacity` tokens (all positions by default).

        `padding` (B,) counts the tokens at the left of each row that are only there to fill it up.
        """
        weight = self.token_embedding.weight
        c = self.config
        capacity = c.n_positions if capacity is None else min(capacity, c.n_positions)
        shape = (c.n_layer, 2, batch_size, c.n_head, capacity, c.n_embd // c.n_head)
        fast = batch_size == 1 and SingleTokenDecoder.supports(self)
        return KVCache(
            torch.zeros(shape, dtype=weight.dtype, device=weight.device),
            padding,
            SingleTokenDecoder(self) if fast else None,
        )

    def next_token_logits(self, tokens: Tensor, cache: KVCache) -> Tensor:
        """Logits (B, V) for what follows `tokens` (B, T), which join the cache; call it without gradients.

        V is the number of tokens that there are (`n_tokens`), so no other row of the embedding is ever chosen.
        """
        if cache.decoder is not None and tokens.shape == (1, 1):
            logits = cache.decoder(tokens[0], cache)
        else:
            logits = self.hidden(tokens, cache)[:, -1] @ self.token_embedding.weight.T
        return logits[:, : self.n_tokens]

    @property
    def n_positions(self) -> int:
        return self.config.n_positions

    @property
    def n_tokens(self) -> int:
        """How many tokens there are: as many as the tokenizer has, even where the embedding has more rows, because
        50,304 of them, say, are faster to compute with than 50,257."""
        return self.tokenizer.vocab_size if self.tokenizer else self.config.vocab_size

    @property
    def device(self) -> torch.device:
        return self.token_embedding.weight.device

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Dropout off while writing, then back to whatever was set."""
        was_training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(was_training)

    def require_tokenizer(self) -> Tokenizer:
        """The tokenizer; `ValueError` for a model that has none."""
        if self.tokenizer is None:
            raise ValueError(
                "This model has no tokenizer and cannot read text: give GPT2(config, tokenizer) one, or set "
                "model.tokenizer to its own, or generate from a tensor of token ids."
            )
        return self.tokenizer

    def _rows_of(self, ids: Tensor) -> list[list[int]]:
        if ids.ndim not in (1, 2) or ids.is_floating_point() or ids.numel() == 0:
            raise ValueError(
                f"A prompt of token ids must be whole numbers of shape (T,) or (B, T) with T at least 1, but it is "
                f"{ids.dtype} of shape {tuple(ids.shape)}."
            )
        if int(ids.min()) < 0 or int(ids.max()) >= self.n_tokens:
            raise ValueError(
                f"Token ids go from 0 to {self.n_tokens - 1}, but the prompt holds {int(ids.min())} to "
                f"{int(ids.max())}."
            )
        rows: list[list[int]] = (ids if ids.ndim == 2 else ids[None]).tolist()
        return rows

    # ---- from and to a folder ------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path = "tiny-world") -> GPT2:
        """A trained model: the one that comes with the package where no name is given; `"gpt2"`, `"gpt2-medium"`,
        `"gpt2-large"`, `"gpt2-xl"` (OpenAI's), `"distilgpt2"` or any `"OWNER/NAME"` of a GPT-2, downloaded once from
        the Hugging Face hub; or a folder that training, `save_pretrained` or `transformers` has written.

        Its tokenizer is the folder's, or None if the folder has none. Raises `FileNotFoundError`, `ConnectionError` or
        `ValueError`, in one sentence, for what cannot be had, read or built. Only safetensors are read: nothing in the
        folder can run code.
        """
        folder = checkpoint.find(name_or_folder)
        config = GPT2Config.from_dict(checkpoint.read_config(folder))
        tokenizer = Tokenizer.load(folder) if has_tokenizer(folder) else None
        if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
            raise ValueError(
                f"The tokenizer in {folder} knows {tokenizer.vocab_size} tokens, but the model {config.vocab_size}: "
                f"they do not belong together."
            )
        with torch.device("meta"):  # shapes without memory: the weights come from the file, not from chance
            model = cls(config)
        model.tokenizer = tokenizer  # never guessed from the size of the vocabulary
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        model.load_state_dict(checkpoint.read_weights(folder, shapes), assign=True)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model.eval()

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes a folder that `from_pretrained` reads, and so does `transformers.GPT2LMHeadModel`.

        `dtype=torch.float16` halves the file. Each file is replaced whole or not at all.
        """
        folder = Path(folder)
        weights = {name: p.detach().to(dtype) for name, p in self.named_parameters()}
        end = self.tokenizer.end_of_text if self.tokenizer else None
        checkpoint.write(folder, asdict(self.config), weights, end)
        if self.tokenizer:
            self.tokenizer.save(folder)

    # ---- for people ----------------------------------------------------------------------------------------

    def num_parameters(self) -> int:
        """How many numbers training may change; the output head shares the token embedding's."""
        return sum(p.numel() for p in self.parameters())

    def describe(self) -> None:
        """Prints the parts, their shapes and how many parameters each holds."""
        n_layer = self.config.n_layer
        rows: list[tuple[str, str, int]] = []
        for name, p in self.named_parameters():
            if name.startswith("blocks.") and not name.startswith("blocks.0."):
                continue
            in_block = name.startswith("blocks.0.")
            label = f"  {name.removeprefix('blocks.0.')}" if in_block else name
            if in_block and not any(row[0].startswith(f"{n_layer} ×") for row in rows):
                rows.append((f"{n_layer} × block, each", "", sum(q.numel() for q in self.blocks[0].parameters())))
            rows.append((label, " × ".join(map(str, p.shape)), p.numel()))
        rows.append(("output head", "token_embedding, transposed", 0))
        rows.append(("all", "", self.num_parameters()))
        for label, shape, count in rows:
            print(f"{label:32}{shape:>28}{count:>15,}")
