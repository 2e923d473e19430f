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

HUB = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}
SHIPPED = {"tiny-world": Path(__file__).parent / "pretrained" / "tiny-world"}  # comes with the package
WEIGHTS = "model.safetensors"
FILES = ("config.json", WEIGHTS, "vocab.json", "merges.txt")


def gpt2_name(name: str) -> str:
    """GPT-2's name for one of our tensors.

    >>> gpt2_name("blocks.0.attention.qkv.weight")
    'transformer.h.0.attn.c_attn.weight'
    """
    for ours, theirs in NAMES.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\g<1>{theirs}.", name)
    return f"transformer.{name}"


def find(name_or_folder: str | Path) -> Path:
    """The folder of a model: itself, the one that comes with the package (`tiny-world`), or, for OpenAI's names, the
    hub's copy of it in the local cache.

    Raises `FileNotFoundError` where there is no such folder, `ConnectionError` where the hub cannot be reached.
    """
    repository = HUB.get(str(name_or_folder))
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = SHIPPED.get(str(name_or_folder), folder)
    if repository is None or folder.is_dir():
        if not folder.is_dir():
            raise FileNotFoundError(
                f"There is no model folder {str(folder)!r}: give a folder that holds {WEIGHTS}, or one of "
                f"{', '.join([*SHIPPED, *HUB])}."
            )
        return folder
    from huggingface_hub import hf_hub_download, logging  # here: few runs need the hub, and it takes long to import

    # it would tell of every try to reach a hub that is not there
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        paths = [Path(hf_hub_download(repository, name)) for name in FILES]
    except Exception as error:  # the library hands through the errors of whatever it downloads with
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise ConnectionError(
            f"{repository} could not be downloaded from the Hugging Face hub ({reason}): connect to the internet "
            f"and try again, or give the path of a model folder that is already here."
        ) from error
    return paths[0].parent


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` as a dictionary; `FileNotFoundError` or `ValueError` where there is none that can be read."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no model folder: it has no config.json.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # broken JSON, or not UTF-8
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold a JSON object, but it holds a {type(config).__name__}.")
    return config


def read_weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The weights of `model.safetensors` under our names, in float32, each of the shape asked for.

    Raises `FileNotFoundError` where there is no such file, and `ValueError` for a file that is broken, or whose
    tensors are not exactly those of `shapes`.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        pickles = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
        if pickles:
            raise FileNotFoundError(
                f"{folder} has no {WEIGHTS}, only {pickles[0]}, a pickle, which could run code when it is opened: "
                f"convert it to safetensors where you trust it."
            )
        raise FileNotFoundError(f"{folder} has no {WEIGHTS}.")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error}): download or save it again.") from error
    # the hub's own gpt2 leaves the prefix out, transformers writes it
    stored = {f"transformer.{name.removeprefix('transformer.')}": tensor for name, tensor in stored.items()}
    stored = {name: tensor for name, tensor in stored.items() if not NOT_WEIGHTS.search(name)}
    head = stored.pop("transformer.lm_head.weight", None)
    table = stored.get("transformer.wte.weight")
    if head is not None and table is not None and not torch.equal(head, table):
        raise ValueError(f"{path} has an output head of its own, but GPT-2's head is its token embedding.")
    weights = {}
    for name, shape in shapes.items():
        theirs = gpt2_name(name)
        tensor = stored.pop(theirs, None)
        if tensor is None:
            raise ValueError(f"{path} lacks {theirs}, or config.json asks for more layers than it holds.")
        if TURNED.search(theirs):
            tensor = tensor.T if tensor.ndim == 2 else tensor
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{theirs} in {path} has the shape {tuple(tensor.shape)}, but config.json asks for {shape} (as "
                f"PyTorch writes it): the two files do not belong together."
            )
        # a copy, because what was loaded is still mapped to the file, which may be replaced while the model is in use
        weights[name] = tensor.to(torch.float32, copy=True).contiguous()
    if stored:
        raise ValueError(f"{path} holds {sorted(stored)[0]}, which no GPT-2 of its config.json has.")
    return weights


def write(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], end_of_text: int | None) -> None:
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
