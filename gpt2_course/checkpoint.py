"""Model folders in Hugging Face's GPT-2 layout: `config.json` and `model.safetensors`, read and written.

Knows names and shapes of tensors, no model class. Weights are safetensors only: a pickle (`.bin`, `.pt`, `.ckpt`)
can run code when it is opened, so none is ever opened here.
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

# Our name for each tensor and GPT-2's. OpenAI stores the matrices of its linear layers as (in, out), PyTorch's
# nn.Linear as (out, in): those are turned over on the way.
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
TURNED = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
# Older folders also store the causal mask, which is no weight.
NOT_WEIGHTS = re.compile(r"\.attn\.(bias|masked_bias)$")
# What PyTorch puts into names: of a model with a head, a compiled one, one on several cards.
WRAPPERS = {"transformer", "_orig_mod", "module"}

# What config.json must say, and other names that transformers reads for it.
SHAPE = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # which file holds which weight, where there are several


def gpt2_name(name: str) -> str:
    """GPT-2's name for one of our tensors.

    >>> gpt2_name("blocks.0.attention.qkv.weight")
    'transformer.h.0.attn.c_attn.weight'
    """
    for ours, theirs in NAMES.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\g<1>{theirs}.", name)
    return f"transformer.{name}"


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` as a dictionary, in which the shape has GPT-2's names for it, and lacks nothing.

    Raises `FileNotFoundError` or `ValueError` where there is none, or none that can be read.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no model folder: it has no config.json.")
    config = _read_json(path)
    for alias, name in ALIASES.items():
        if alias in config and config.setdefault(name, config[alias]) != config[alias]:
            raise ValueError(
                f"{path} says {name}={config[name]!r} and {alias}={config[alias]!r}, which mean the same: remove one."
            )
    missing = [name for name in SHAPE if name not in config]
    if missing and config.get("model_type", "gpt2") == "gpt2":  # what another model's lacks is not of interest
        raise ValueError(f"{path} does not say {missing[0]}, without which the model's shape is unknown: add it.")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights: one, or those of its index. Raises `ValueError` for a broken index."""
    index = folder / INDEX
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return [folder / WEIGHTS]
    names = _read_json(index).get("weight_map")
    if not names or not isinstance(names, dict) or not all(Path(str(name)).name == name for name in names.values()):
        raise ValueError(f"{index} does not say in its weight_map which file of the folder holds which weight.")
    return [folder / name for name in sorted(set(names.values()))]


def read_weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The weights of `model.safetensors`, or of the files of its index, under our names, in float32, each of the shape
    asked for.

    Raises `FileNotFoundError` where there is no such file, and `ValueError` for a file that is broken, or whose
    tensors are not exactly those of `shapes`.
    """
    stored: dict[str, Tensor] = {}
    files = weight_files(folder)
    path = files[0] if len(files) == 1 else folder / INDEX  # to be named, if something is wrong
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
                raise ValueError(f"{folder} holds {name} twice, under different prefixes or in different files.")
            if not tensor.is_floating_point():
                raise ValueError(f"{file} holds {name} as {tensor.dtype}: only floating-point weights can be read.")
            stored[name] = tensor
    head = stored.pop("transformer.lm_head.weight", None)
    table = stored.get("transformer.wte.weight")
    if head is not None and table is None:
        stored["transformer.wte.weight"] = head  # they are the same, and were saved under the other name
    elif head is not None and table is not None and not torch.equal(head, table):
        raise ValueError(f"{path} has an output head of its own, but GPT-2's head is its token embedding.")
    weights = {}
    for ours, shape in shapes.items():
        theirs = gpt2_name(ours)
        if theirs not in stored:
            raise ValueError(f"{path} lacks {theirs}, or config.json asks for more layers than it holds.")
        tensor = stored.pop(theirs)
        if TURNED.search(theirs):
            tensor = tensor.T if tensor.ndim == 2 else tensor
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{theirs} in {path} has the shape {tuple(tensor.shape)}, but config.json asks for {shape} (as "
                f"PyTorch writes it): the two files do not belong together."
            )
        # a copy, because what was loaded is still mapped to the file, which may be replaced while the model is in use
        weights[ours] = tensor.to(torch.float32, copy=True).contiguous()
    if stored:
        raise ValueError(f"{path} holds {sorted(stored)[0]}, which no GPT-2 of its config.json has.")
    return weights


def _check_is_there(path: Path) -> None:
    if path.is_file():
        return
    folder = path.parent
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
    if pickles:
        raise FileNotFoundError(
            f"{folder} has no {path.name}, only {pickles[0]}, a pickle, which could run code when it is opened: "
            f"convert it to safetensors where you trust it."
        )
    raise FileNotFoundError(f"{folder} has no {path.name}.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # with a byte order mark or without
    except (ValueError, RecursionError) as error:  # broken JSON, or not UTF-8
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, but it holds a {type(content).__name__}.")
    return content


def save_model_folder(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], end_of_text: int | None
) -> None:
    """Writes `config.json` and `model.safetensors`, each replaced whole; `OSError` where the disk says no."""
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
        tensors[theirs] = (tensor.T if TURNED.search(theirs) else tensor).contiguous()
    with replacing(folder / WEIGHTS) as path:
        try:
            save_file(tensors, path, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(f"{folder / WEIGHTS} could not be written: {error}.") from error
    with replacing(folder / "config.json") as path:
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
