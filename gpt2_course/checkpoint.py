"""Reading and writing model folders in Hugging Face's GPT-2 layout: `config.json` and `model.safetensors`.

This module knows tensors by name and shape and depends on no model class. It reads weights from safetensors only and
never opens a pickle (`.bin`, `.pt`, `.ckpt`), because a pickle can run code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpt2_course.files import replacing

# Our name for each tensor, and GPT-2's. OpenAI stores the matrices of linear layers as (in, out), nn.Linear as
# (out, in), so these are transposed.
NAMES = {
    "token_embedding": "wte",
    "position_embedding": "wpe",
    "blocks": "h",
    "norm_1": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.projection": "attn.c_proj",
    "norm_2": "ln_2",
    "mlp.expand": "mlp.c_fc",
    "mlp.projection": "mlp.c_proj",
    "final_norm": "ln_f",
}
TRANSPOSED = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
# Older folders also store the causal mask, which is not a weight.
NOT_WEIGHTS = re.compile(r"\.attn\.(bias|masked_bias)$")
# Parts of names that come from a wrapper: a model with a head, torch.compile, data parallelism.
WRAPPERS = {"transformer", "_orig_mod", "module"}

# Settings that config.json must contain, and the alternative names that transformers accepts for them.
SHAPE = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # which file contains which weight, if there are several files


def gpt2_name(name: str) -> str:
    """GPT-2's name for one of our tensors.

    >>> gpt2_name("blocks.0.attention.qkv.weight")
    'transformer.h.0.attn.c_attn.weight'
    """
    for ours, theirs in NAMES.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\g<1>{theirs}.", name)
    return f"transformer.{name}"


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` as a dictionary, with the complete shape under GPT-2's names.

    Raises `FileNotFoundError` if there is no such file, `ValueError` if it is damaged or incomplete.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a model folder, because it has no config.json: give another folder.")
    config = _read_json(path)
    for alias, name in ALIASES.items():
        if alias in config and config.setdefault(name, config[alias]) != config[alias]:
            raise ValueError(
                f"{path} says {name}={config[name]!r} and {alias}={config[alias]!r}, which must agree: remove one."
            )
    missing = [name for name in SHAPE if name not in config]
    if missing and config.get("model_type", "gpt2") == "gpt2":  # other models are rejected elsewhere, by type
        raise ValueError(f"{path} lacks {missing[0]}, without which the model's shape is unknown: add it.")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files that contain a model's weights: one, or those in its index. Raises `ValueError` for a damaged index."""
    index = folder / INDEX
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return [folder / WEIGHTS]
    names = _read_json(index).get("weight_map")
    if not names or not isinstance(names, dict) or not all(Path(str(name)).name == name for name in names.values()):
        raise ValueError(f"{index} has no valid weight_map from weights to files: download or save the model again.")
    return [folder / name for name in sorted(set(names.values()))]


def read_weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The weights in a model folder, by our names, in float32, with exactly the given names and shapes.

    Raises `FileNotFoundError` if a file is missing, `ValueError` if one is damaged or tensors do not match `shapes`.
    """
    stored: dict[str, Tensor] = {}
    files = weight_files(folder)
    path = files[0] if len(files) == 1 else folder / INDEX  # for error messages
    for file in files:
        _check_is_there(file)
        try:
            tensors = load_file(file)
        except SafetensorError as error:
            raise ValueError(
                f"{file} is not a complete safetensors file ({error}): download or save it again."
            ) from error
        for name, tensor in tensors.items():
            name = ".".join(["transformer", *(part for part in name.split(".") if part not in WRAPPERS)])
            if NOT_WEIGHTS.search(name):
                continue
            if name in stored:
                raise ValueError(
                    f"{folder} contains {name} twice, under different prefixes or in different files: remove one."
                )
            if not tensor.is_floating_point():
                raise ValueError(f"{file} contains {name} as {tensor.dtype}: convert it to floating point.")
            stored[name] = tensor
    head = stored.pop("transformer.lm_head.weight", None)
    table = stored.get("transformer.wte.weight")
    if head is not None and table is None:
        stored["transformer.wte.weight"] = head  # the tied matrix was saved under the name of the head
    elif head is not None and table is not None and not torch.equal(head, table):
        raise ValueError(
            f"{path} has a separate output head, but GPT-2's is its token embedding: use a model with tied weights."
        )
    weights = {}
    for ours, shape in shapes.items():
        theirs = gpt2_name(ours)
        if theirs not in stored:
            raise ValueError(f"{path} lacks {theirs}: get the weights and config.json from the same model.")
        tensor = stored.pop(theirs)
        if TRANSPOSED.search(theirs):
            tensor = tensor.T if tensor.ndim == 2 else tensor
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{theirs} in {path} has the shape {tuple(tensor.shape)}, but config.json requires {shape} (in "
                f"PyTorch's layout): get the weights and config.json from the same model."
            )
        # A copy, because the loaded tensor is still mapped to its file, which may be replaced while the model is used.
        weights[ours] = tensor.to(torch.float32, copy=True).contiguous()
    if stored:
        raise ValueError(
            f"{path} contains {sorted(stored)[0]}, which is not part of the GPT-2 that config.json describes: get both "
            f"from the same model."
        )
    return weights


def _check_is_there(path: Path) -> None:
    if path.is_file():
        return
    folder = path.parent
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
    if pickles:
        raise FileNotFoundError(
            f"{folder} has no {path.name}, only {pickles[0]}, a pickle, which can run code when opened: if you trust "
            f"it, convert it to safetensors."
        )
    raise FileNotFoundError(f"{folder} has no {path.name}: download or save the model again.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # with or without a byte order mark
    except (ValueError, RecursionError) as error:  # broken JSON, or not UTF-8
        raise ValueError(f"{path} is not valid JSON ({error}): download or save the model again.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must contain a JSON object, but contains a {type(content).__name__}: download or save the model "
            f"again."
        )
    return content


def save_model_folder(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], end_of_text: int | None
) -> None:
    """Write `config.json` and `model.safetensors`, replacing each atomically. Raises `OSError` if that fails."""
    settings = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        **config,
    }
    tensors = {}
    for name, tensor in weights.items():
        theirs = gpt2_name(name)
        tensors[theirs] = (tensor.T if TRANSPOSED.search(theirs) else tensor).contiguous()
    with replacing(folder / WEIGHTS) as path:
        try:
            save_file(tensors, path, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(f"{folder / WEIGHTS} could not be written: {error}.") from error
    with replacing(folder / "config.json") as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
