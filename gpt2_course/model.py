"""GPT-2: a stack of identical blocks that read tokens and predict the next one.

The architecture of "Language Models are Unsupervised Multitask Learners" (Radford et al., 2019), with beginner-friendly
names; a comment beside each part gives its name in OpenAI's weights. Shapes: B sequences, T tokens each, C channels
(`n_embd`), H heads of D = C / H channels, V tokens in the vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpt2_course import checkpoint, generation
from gpt2_course.generation import Limit, Prompt, SamplingConfig
from gpt2_course.kv_cache import KVCache
from gpt2_course.loss import linear_cross_entropy
from gpt2_course.packing import PackedDocuments
from gpt2_course.quantization import Int8Embedding, Int8Linear
from gpt2_course.sources import DEFAULT_MODEL, find_model
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.tokenizer_files import has_tokenizer

Context = KVCache | PackedDocuments  # what determines positions and what each token may see


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a GPT-2, with the names used in OpenAI's and Hugging Face's `config.json`.

    Raises `ValueError` for a shape that cannot be built.
    """

    vocab_size: int = 50257
    """The number of tokens in the vocabulary; an upper limit if the vocabulary is learned from the text."""
    n_positions: int = 1024
    """The context: how many tokens the model can see at once."""
    n_embd: int = 768
    """The width of the residual stream: how many numbers represent a token."""
    n_layer: int = 12
    """The number of blocks."""
    n_head: int = 12
    """Attention heads per block; must divide n_embd."""
    embd_pdrop: float = 0.1
    """Dropout after the embeddings, during training only."""
    attn_pdrop: float = 0.1
    """Dropout on the attention weights, during training only."""
    resid_pdrop: float = 0.1
    """Dropout on what attention and the MLP add to the residual stream, during training only."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance in a layer norm to avoid division by 0."""
    initializer_range: float = 0.02
    """The standard deviation of the initial weights."""

    def __post_init__(self) -> None:
        for name, most in UPPER_LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
            if value > most:
                raise ValueError(f"{name} must be at most {most:,}, but is {value:,}.")
        if self.n_embd % self.n_head:
            raise ValueError(
                f"n_embd={self.n_embd} cannot be split into n_head={self.n_head} equal heads: "
                f"make n_embd a multiple of n_head."
            )
        for name in ("embd_pdrop", "attn_pdrop", "resid_pdrop"):
            if not (isinstance(getattr(self, name), (int, float)) and 0 <= getattr(self, name) < 1):
                raise ValueError(f"{name} must be a number in [0, 1), but is {getattr(self, name)!r}.")
        for name in ("layer_norm_epsilon", "initializer_range"):
            if not (isinstance(getattr(self, name), (int, float)) and 0 < getattr(self, name) < math.inf):
                raise ValueError(f"{name} must be a finite number above 0, but is {getattr(self, name)!r}.")

    @classmethod
    def preset(cls, name: str) -> GPT2Config:
        """A shape by name: `laptop`, `story`, or OpenAI's `gpt2`, `gpt2-medium`, `gpt2-large`, `gpt2-xl`."""
        if name not in SHAPES:
            raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(SHAPES)}.")
        return SHAPES[name]

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> GPT2Config:
        """The shape described by a `config.json`; `ValueError` if it requests a feature GPT-2 lacks."""
        fixed: dict[str, tuple[Any, ...]] = {
            "model_type": ("gpt2",),
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),  # two names for the same function
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "tie_word_embeddings": (True,),
            "add_cross_attention": (False,),
        }
        for name, known in fixed.items():
            if config.get(name, known[0]) not in known:
                raise ValueError(f"config.json has {name}={config[name]!r}, but this GPT-2 supports only {known[0]!r}.")
        shape = cls(**{f.name: config[f.name] for f in fields(cls) if f.name in config})
        if config.get("n_inner") not in (None, 4 * shape.n_embd):
            raise ValueError(f"config.json has n_inner={config['n_inner']!r}, but this GPT-2 supports only 4 × n_embd.")
        return shape


# Beyond these limits, building a model would run out of memory or time without a clear error. GPT-3 has 96 layers.
UPPER_LIMITS = {"vocab_size": 10**7, "n_positions": 10**7, "n_embd": 10**5, "n_layer": 1000, "n_head": 10**5}

# Small models learn faster without dropout and with larger initial weights.
SMALL = GPT2Config(
    vocab_size=3072, n_positions=336, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, initializer_range=0.05
)
# Shapes by name. The first two are this course's own; the other four are OpenAI's, from table 2 of the paper.
SHAPES = {
    "laptop": replace(SMALL, n_embd=128, n_layer=2, n_head=4),
    "story": replace(SMALL, n_embd=192, n_layer=6, n_head=6),
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPT2Config(n_embd=1600, n_layer=48, n_head=25),
}


class CausalSelfAttention(nn.Module):
    """Lets every token gather information from itself and earlier tokens, in `n_head` different ways at once."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.attn_pdrop = config.attn_pdrop
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)  # attn.c_attn: queries, keys, and values at once
        self.projection = nn.Linear(config.n_embd, config.n_embd)  # attn.c_proj
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor, cache: Context | None = None, layer: int = 0) -> Tensor:
        B, T, C = x.shape
        heads = self.qkv(x).view(B, T, 3, self.n_head, C // self.n_head)  # (B, T, 3, H, D)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, T, D) each
        mask = None
        if cache is not None:
            k, v, mask = cache.append(layer, k, v)  # k, v: (B, H, S, D) for the S ≥ T tokens so far
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=mask is None and T > 1,
            dropout_p=self.attn_pdrop if self.training else 0.0,
        )  # (B, H, T, D)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        return self.dropout(self.projection(y))


class MLP(nn.Module):
    """Transforms each token on its own: widens it fourfold, applies GELU, and narrows it again."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.expand = nn.Linear(config.n_embd, 4 * config.n_embd)  # mlp.c_fc
        self.projection = nn.Linear(4 * config.n_embd, config.n_embd)  # mlp.c_proj
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        # GPT-2 uses the tanh approximation of GELU (Hendrycks & Gimpel, 2016), which is within 0.001 of the exact curve
        return self.dropout(self.projection(F.gelu(self.expand(x), approximate="tanh")))


class Block(nn.Module):
    """One layer: attention, then the MLP; each reads a normalized copy of the residual stream and adds to it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)  # ln_1
        self.attention = CausalSelfAttention(config)  # attn
        self.norm_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)  # ln_2
        self.mlp = MLP(config)  # mlp

    def forward(self, x: Tensor, cache: Context | None = None, layer: int = 0) -> Tensor:
        x = x + self.attention(self.norm_1(x), cache, layer)
        x = x + self.mlp(self.norm_2(x))
        return x


class GPT2(nn.Module):
    """GPT-2, from token ids to next-token logits; `GPT2()` is the 124M model, untrained.

    >>> model = GPT2(GPT2Config.preset("laptop"))
    >>> model(torch.tensor([[5, 9, 2]])).shape      # for each position, a score for every possible next token
    torch.Size([1, 3, 3072])

    Args:
        config: the shape; by default the smallest GPT-2, 124M.
        tokenizer: turns text into ids and back. By default GPT-2's own if `vocab_size` is GPT-2's; with any other
            size, the model works on token ids alone until it gets a tokenizer.
    """

    def __init__(self, config: GPT2Config | None = None, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        config = config or GPT2Config()
        if tokenizer is None and config.vocab_size == GPT2Config.vocab_size:
            tokenizer = Tokenizer.gpt2()
        if tokenizer is not None and tokenizer.vocab_size != config.vocab_size:
            raise ValueError(
                f"The tokenizer has {tokenizer.vocab_size} tokens, but the model has {config.vocab_size}: "
                f"use GPT2Config(vocab_size={tokenizer.vocab_size})."
            )
        self.config = config
        self.tokenizer = tokenizer
        # wte; also the output head
        self.token_embedding: nn.Embedding | Int8Embedding = nn.Embedding(config.vocab_size, config.n_embd)
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
        # The residual stream is a sum of 2 × n_layer terms. Scaling each by 1/√(2 × n_layer) keeps the standard
        # deviation of the sum the same at any depth (section 2.3 of the paper).
        for name, weight in self.named_parameters():
            if name.endswith("projection.weight"):
                nn.init.normal_(weight, std=std / math.sqrt(2 * self.config.n_layer))
        # OpenAI starts with a gain of 1 here. Logits would then have a standard deviation of 0.02 × √768 = 0.55, and
        # the loss of an untrained model would be 0.55² / 2 = 0.15 nats above uniform guessing.
        nn.init.constant_(self.final_norm.weight, 0.5)

    # ---- from tokens to logits -----------------------------------------------------------------------------

    @overload
    def forward(self, tokens: Tensor, targets: None = None, cache: KVCache | None = None) -> Tensor: ...
    @overload
    def forward(self, tokens: Tensor, targets: Tensor, cache: PackedDocuments | None = None) -> Tensor: ...
    def forward(self, tokens: Tensor, targets: Tensor | None = None, cache: Context | None = None) -> Tensor:
        """Logits (B, T, V) for tokens (B, T); with `targets` (B, T), the mean loss instead, in nats per token. Targets
        of −100 do not count.

        With a `cache` (see `new_cache`), `tokens` continue the sequence in the cache, which grows by T. With
        `PackedDocuments` in its place, every token sees only its own document. Raises `ValueError` if tokens or
        targets have the wrong shape, or if there are more tokens than positions.
        """
        x = self.hidden(tokens, cache)
        if targets is None:
            return self.unembed(x)
        if targets.shape != tokens.shape:
            raise ValueError(
                f"targets must have the same shape as tokens, {tuple(tokens.shape)}, but have {tuple(targets.shape)}."
            )
        return self.loss(x, targets)

    def hidden(self, tokens: Tensor, cache: Context | None = None) -> Tensor:
        """The residual stream after the last block, normalized: (B, T, C), ready for the output head."""
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise ValueError(
                f"tokens must be integers of shape (B, T), but are {tokens.dtype} of shape {tuple(tokens.shape)}."
            )
        T = tokens.shape[1]
        if cache is None:
            if self.config.n_positions < T:
                raise ValueError(
                    f"This model has {self.config.n_positions} positions, but got {T} tokens: pass fewer at a time."
                )
            positions = torch.arange(T, device=tokens.device)  # (T,)
        else:
            positions = cache.advance(T)  # (T,), or (B, T) if rows are padded or packed
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer)
        return self.final_norm(x)

    def unembed(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) for hidden states (…, C): the output head is the token embedding, transposed."""
        if isinstance(self.token_embedding, Int8Embedding):
            return self.token_embedding.head(hidden)
        return hidden @ self.token_embedding.weight.T

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The mean loss, in nats per token, for hidden states (B, T, C) and targets (B, T); −100 does not count."""
        return linear_cross_entropy(hidden.flatten(0, 1), self.token_embedding.weight, targets.flatten())

    def one_token_decoder(self) -> Callable[[Tensor, KVCache], Tensor]:
        """The fastest equivalent of `next_token_logits` for tokens (B, 1).

        For an unmodified model, this is a leaner forward pass. It does the same arithmetic as `hidden`, layer by layer,
        but skips the overhead that costs more than the arithmetic at this size: module calls, dropout, autograd, and
        slicing the cache once per layer. It keeps views of the model's weights, so make a new one for each generation.
        """
        if not self._is_unmodified():
            return self.next_token_logits
        c, n_tokens = self.config, self.n_tokens
        shape, eps, D = (c.n_embd,), c.layer_norm_epsilon, c.n_embd // c.n_head
        layers = [
            (
                (block.norm_1.weight, block.norm_1.bias),
                _fast_linear(block.attention.qkv),
                _fast_linear(block.attention.projection),
                (block.norm_2.weight, block.norm_2.bias),
                _fast_linear(block.mlp.expand),
                _fast_linear(block.mlp.projection),
            )
            for block in cast("Iterable[Block]", self.blocks)
        ]
        head = _fast_linear(self.token_embedding)

        def decode(tokens: Tensor, cache: KVCache) -> Tensor:
            B = len(tokens)
            positions = cache.advance(1).view(-1)  # (1,), or (B,) if rows are padded
            # slice for all layers at once: at this size, slicing costs as much as the arithmetic
            chunks = cache.filled()
            new = chunks[-1][..., -1:, :].unbind(0)  # each (2, B, H, 1, D)
            keys = list(zip(*(chunk[:, 0].unbind(0) for chunk in chunks), strict=True))  # each (B, H, size, D)
            values = list(zip(*(chunk[:, 1].unbind(0) for chunk in chunks), strict=True))
            x = self.token_embedding(tokens[:, 0]) + self.position_embedding(positions)  # (B, C)
            for i, (norm_1, qkv, attention_projection, norm_2, expand, mlp_projection) in enumerate(layers):
                heads = qkv(torch.layer_norm(x, shape, *norm_1, eps)).view(B, 3, c.n_head, 1, D).transpose(0, 1)
                new[i].copy_(heads[1:])
                y = _attend(heads[0], keys[i], values[i], cache.mask)  # (B, H, 1, D)
                x = attention_projection(y.view(B, -1)).add_(x)  # (B, C)
                h = expand(torch.layer_norm(x, shape, *norm_2, eps))
                x = mlp_projection(F.gelu(h, approximate="tanh")).add_(x)
            return head(torch.layer_norm(x, shape, self.final_norm.weight, self.final_norm.bias, eps))[:, :n_tokens]

        return decode

    def _is_unmodified(self) -> bool:
        """Whether every module has a type in `UNMODIFIED` and no hook that the leaner forward pass would skip."""
        return all(type(m) in UNMODIFIED and not (m._forward_hooks or m._forward_pre_hooks) for m in self.modules())

    # ---- from text to text ---------------------------------------------------------------------------------

    def generate(
        self,
        prompt: Prompt,
        max_length: int | None = None,
        *,
        max_new_tokens: int | None = None,
        temperature: float = SamplingConfig.temperature,
        top_k: int | None = SamplingConfig.top_k,
        top_p: float | None = SamplingConfig.top_p,
        repetition_penalty: float = SamplingConfig.repetition_penalty,
        seed: int | None = SamplingConfig.seed,
        stop: str | Sequence[str] = (),
        use_cache: bool = True,
    ) -> Prompt:
        """Continue a text and return it, prompt included; a list of texts gives a list.

        Generation ends after `max_length` tokens (prompt included) or `max_new_tokens` (prompt not included; 100 if
        neither is given), at `<|endoftext|>`, or before any of the `stop` strings. See `SamplingConfig` for
        `temperature` (0 is greedy) and the other ways to choose a token.

        Token ids work too: for a tensor (T,) or (B, T), the result is a longer tensor on the same device, in which rows
        that end early are padded with `<|endoftext|>`. `use_cache=False` recomputes each window: same output, slower.
        """
        tokenizer = self.tokenizer if isinstance(prompt, Tensor) else self.require_tokenizer()
        config = SamplingConfig(temperature, top_k, top_p, repetition_penalty, seed)
        return generation.generate(self, tokenizer, prompt, config, Limit(max_length, max_new_tokens), stop, use_cache)

    def stream(
        self,
        prompt: str,
        max_length: int | None = None,
        *,
        max_new_tokens: int | None = None,
        temperature: float = SamplingConfig.temperature,
        top_k: int | None = SamplingConfig.top_k,
        top_p: float | None = SamplingConfig.top_p,
        repetition_penalty: float = SamplingConfig.repetition_penalty,
        seed: int | None = SamplingConfig.seed,
        stop: str | Sequence[str] = (),
    ) -> Iterator[str]:
        """The text that `generate` adds to the prompt, piece by piece; no piece splits a character."""
        config = SamplingConfig(temperature, top_k, top_p, repetition_penalty, seed)
        limit = Limit(max_length, max_new_tokens)
        return generation.stream(self, self.require_tokenizer(), prompt, config, limit, stop)

    def new_cache(self, batch_size: int = 1, capacity: int | None = None, padding: Tensor | None = None) -> KVCache:
        """An empty key-value cache for `batch_size` rows of up to `capacity` tokens (by default, all positions).

        `padding` (B,) counts the pad tokens at the left of each row.
        """
        weight = self.position_embedding.weight
        c = self.config
        capacity = c.n_positions if capacity is None else min(capacity, c.n_positions)
        shape = (c.n_layer, 2, batch_size, c.n_head, capacity, c.n_embd // c.n_head)
        return KVCache(shape, weight, padding)

    def next_token_logits(self, tokens: Tensor, cache: KVCache) -> Tensor:
        """Append `tokens` (B, T) to the cache; return logits (B, `n_tokens`) for the next token, without dropout.

        Call it under `torch.no_grad` or `torch.inference_mode`.
        """
        with self.evaluating():
            return self.unembed(self.hidden(tokens, cache)[:, -1])[:, : self.n_tokens]

    @property
    def n_positions(self) -> int:
        return self.config.n_positions

    @property
    def n_tokens(self) -> int:
        """The number of token ids in use: the tokenizer's, even if the embedding has more rows (some models pad
        50,257 rows to 50,304 for speed)."""
        return self.tokenizer.vocab_size if self.tokenizer else self.config.vocab_size

    @property
    def device(self) -> torch.device:
        return self.position_embedding.weight.device

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Turn dropout off inside the block; then restore the mode of every module, even after an exception."""
        in_training = [module for module in self.modules() if module.training]
        for module in in_training:
            module.training = False
        try:
            yield
        finally:
            for module in in_training:
                module.training = True

    def require_tokenizer(self) -> Tokenizer:
        """The tokenizer; `ValueError` if the model has none."""
        if self.tokenizer is None:
            raise ValueError(
                "This model has no tokenizer and cannot read text: create it as GPT2(config, tokenizer), set "
                "model.tokenizer, or generate from a tensor of token ids."
            )
        return self.tokenizer

    # ---- 8 bits --------------------------------------------------------------------------------------------

    def quantize(self) -> GPT2:
        """A copy with its weight matrices in 8 bits, which generates several times as fast on an x86 processor.

        See `gpt2_course.quantization`. Embeddings of positions, biases, and layer norms keep their 32 bits, and the
        copy shares no memory with this model. It stays on its device and can be neither trained, saved, nor quantized
        again (`ValueError`).
        """
        self.require_unquantized("quantized again")
        self._require_no_adapters("quantized")
        quantized = copy.deepcopy(self).eval()
        quantized.token_embedding = Int8Embedding(self.token_embedding.weight)
        for block in cast("Iterable[Block]", quantized.blocks):
            for part, names in ((block.attention, ("qkv", "projection")), (block.mlp, ("expand", "projection"))):
                for name in names:
                    layer = getattr(part, name)
                    setattr(part, name, Int8Linear(layer.weight, layer.bias))
        return quantized.requires_grad_(False)

    @property
    def is_quantized(self) -> bool:
        """Whether `quantize` made this model."""
        return isinstance(self.token_embedding, Int8Embedding)

    def require_unquantized(self, what: str) -> None:
        """Raise `ValueError` if this model is quantized: it cannot be `what`, for example "saved"."""
        if self.is_quantized:
            raise ValueError(f"This model is quantized to 8 bits and cannot be {what}: use the model it was made from.")

    def _require_no_adapters(self, what: str) -> None:
        """Raise `ValueError` if this model has adapters (see `gpt2_course.lora`): it cannot be `what`."""
        if any(name.endswith(".up") for name, _ in self.named_parameters()):
            raise ValueError(f"This model has adapters and cannot be {what}: use gpt2_course.lora.merged(model).")

    def train(self, mode: bool = True) -> GPT2:
        """Switch dropout on (or off), as `nn.Module.train` does; `ValueError` for a quantized model."""
        if mode:
            self.require_unquantized("trained")
        return super().train(mode)

    # ---- from and to a folder ------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path = DEFAULT_MODEL) -> GPT2:
        """A trained model: the one that ships with the package if no name is given; `"gpt2"`, `"gpt2-medium"`,
        `"gpt2-large"`, `"gpt2-xl"` (OpenAI's), `"distilgpt2"`, or any GPT-2 on the Hugging Face hub as `"OWNER/NAME"`,
        downloaded once; or a folder written by training, `save_pretrained`, or `transformers`.

        Its tokenizer is the folder's, or None if the folder has none. Raises `FileNotFoundError`, `ConnectionError`, or
        `ValueError` if the model cannot be found, read, or built. Weights are read only from safetensors files, so
        nothing in the folder can run code.
        """
        folder = find_model(name_or_folder)
        config = GPT2Config.from_dict(checkpoint.read_config(folder))
        tokenizer = Tokenizer.load(folder) if has_tokenizer(folder) else None
        if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
            raise ValueError(
                f"The tokenizer in {folder} has {tokenizer.vocab_size} tokens, but the model has {config.vocab_size}: "
                f"restore the tokenizer that the model was trained with."
            )
        with torch.device("meta"):  # allocate no memory: the weights come from the file
            model = cls(config)
        model.tokenizer = tokenizer  # the folder's, never guessed from vocab_size
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        model.load_state_dict(checkpoint.read_weights(folder, shapes), assign=True)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return model.eval()

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Write a folder that `from_pretrained` and `transformers.GPT2LMHeadModel` can read.

        `dtype=torch.float16` halves the file size. Each file is replaced atomically.
        """
        self.require_unquantized("saved")
        self._require_no_adapters("saved")
        folder = Path(folder)
        weights = {name: p.detach().to(dtype) for name, p in self.named_parameters()}
        end = self.tokenizer.end_of_text if self.tokenizer else None
        checkpoint.save_model_folder(folder, asdict(self.config), weights, end)
        if self.tokenizer:
            self.tokenizer.save(folder)

    # ---- inspection ----------------------------------------------------------------------------------------

    def num_parameters(self) -> int:
        """The number of parameters; those that the output head shares with the token embedding count once."""
        return sum(p.numel() for p in self.parameters())

    def describe(self) -> None:
        """Print the parts, their shapes, and the number of parameters in each."""
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


# The module types of a plain GPT2. `one_token_decoder` handles only these, because a subclass may compute anything.
UNMODIFIED = {
    GPT2, Block, CausalSelfAttention, MLP, nn.ModuleList, nn.Linear, nn.Embedding, nn.LayerNorm, nn.Dropout,
    Int8Linear, Int8Embedding,
}  # fmt: skip


def _attend(q: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], mask: Tensor | None) -> Tensor:
    """Attention for one query per row, (B, H, 1, D), over keys and values (B, H, size, D) in chunks."""
    if len(keys) == 1:
        return F.scaled_dot_product_attention(q, keys[0], values[0], mask)
    q = q / math.sqrt(q.shape[-1])
    scores = torch.cat([q @ k.mT for k in keys], dim=-1)  # (B, H, 1, S)
    if mask is not None:
        scores = scores.masked_fill_(~mask, -math.inf)
    weights = torch.split_with_sizes(scores.softmax(dim=-1), [k.shape[2] for k in keys], dim=-1)
    return torch.stack([w @ v for w, v in zip(weights, values, strict=True)]).sum(dim=0)


def _fast_linear(layer: nn.Linear | nn.Embedding | Int8Linear | Int8Embedding) -> Callable[[Tensor], Tensor]:
    """A layer's linear map (B, n_in) → (B, n_out), optimized for one row.

    A matrix-vector product spends its time reading the matrix from memory, and BLAS uses one core for it. Split into
    bands of outputs, it becomes a batch of smaller products that all cores share: twice as fast on 2 cores. The bands
    are views of the weight, not copies.
    """
    if isinstance(layer, (Int8Linear, Int8Embedding)):
        return layer.forward if isinstance(layer, Int8Linear) else layer.head.forward
    weight, bias = layer.weight, layer.bias if isinstance(layer, nn.Linear) else None
    n_out, n_in = weight.shape
    at_least = max(2, torch.get_num_threads()) if weight.device.type == "cpu" else 1
    # the smallest number of equal bands that keeps every core busy; 50257 = 29 × 1733
    n_bands = next(n for n in range(min(at_least, n_out), n_out + 1) if n_out % n == 0)
    bands = weight.view(n_bands, n_out // n_bands, n_in)
    banded_bias = None if bias is None else bias.view(n_bands, n_out // n_bands, 1)

    def linear(x: Tensor) -> Tensor:
        if len(x) > 1:
            return F.linear(x, weight, bias)
        column = x.as_strided((n_bands, n_in, 1), (0, 1, n_in))  # the same row for every band, not copied
        y = torch.bmm(bands, column) if banded_bias is None else torch.baddbmm(banded_bias, bands, column)
        return y.view(1, n_out)

    return linear
