"""Model folders in Hugging Face's layout: the same logits as transformers, and a helpful error for any damage."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel, GPT2TokenizerFast

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.checkpoint import gpt2_name
from gpt2_course.labs.kernel import Kernel
from gpt2_course.tokenizer import END_OF_TEXT

TEXT = "The fox and the owl shared a plum. " * 20
SHAPES = [(300, 32, 24, 3, 4), (311, 17, 64, 1, 1), (1000, 64, 48, 2, 6)]


def ours(vocab_size: int, n_positions: int, n_embd: int, n_layer: int, n_head: int) -> GPT2:
    tokenizer = Tokenizer.train(TEXT, vocab_size)
    model = GPT2(GPT2Config(tokenizer.vocab_size, n_positions, n_embd, n_layer, n_head), tokenizer).eval()
    for parameter in model.parameters():  # zeros and ones could hide a mix-up
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = ours(*SHAPES[0])
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# ---- to transformers and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_loads_our_folder_and_computes_the_same_logits(shape: tuple[int, ...], tmp_path: Path) -> None:
    model = ours(*shape)
    model.save_pretrained(tmp_path)
    theirs, info = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    tokens = torch.randint(model.config.vocab_size, (2, model.config.n_positions))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), theirs.eval()(tokens).logits, rtol=0, atol=1e-4)
    text = "The owl, alone: 42 plums! 🍵"
    assert GPT2TokenizerFast.from_pretrained(tmp_path)(text).input_ids == model.require_tokenizer().encode(text)


@pytest.mark.parametrize("shape", SHAPES)
def test_we_load_a_transformers_folder_and_compute_the_same_logits(shape: tuple[int, ...], tmp_path: Path) -> None:
    vocab_size, n_positions, n_embd, n_layer, n_head = shape
    theirs = GPT2LMHeadModel(
        TheirConfig(
            vocab_size=vocab_size,
            n_positions=n_positions,
            n_embd=n_embd,
            n_layer=n_layer,
            n_head=n_head,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    theirs.save_pretrained(tmp_path)
    model = GPT2.from_pretrained(tmp_path)
    tokens = torch.randint(vocab_size, (2, n_positions))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), theirs(tokens).logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_generation_matches_transformers_token_for_token(shape: tuple[int, ...], tmp_path: Path) -> None:
    model = ours(*shape)
    model.save_pretrained(tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    theirs.generation_config.eos_token_id = None
    prompt = torch.randint(256, (1, 5))
    expected = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_length=model.config.n_positions,
        do_sample=False,
        pad_token_id=0,
    )
    model.tokenizer = None  # neither model should stop at <|endoftext|>
    assert model.generate(prompt, max_length=model.config.n_positions, temperature=0).tolist() == expected.tolist()


def test_a_saved_model_loads_unchanged(folder: Path, tmp_path: Path) -> None:
    model = GPT2.from_pretrained(folder)
    assert not model.training
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert GPT2.from_pretrained(tmp_path / "again").tokenizer == model.tokenizer
    assert all(p.requires_grad for p in model.parameters())


def test_all_files_have_the_same_permissions(folder: Path) -> None:
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_a_float16_folder_is_half_as_large_and_nearly_equal(folder: Path, tmp_path: Path) -> None:
    model = GPT2.from_pretrained(folder)
    model.save_pretrained(tmp_path / "half", torch.float16)
    size = [(f / "model.safetensors").stat().st_size for f in (tmp_path / "half", folder)]
    assert size[0] < 0.6 * size[1]
    half = GPT2.from_pretrained(tmp_path / "half")
    assert half.token_embedding.weight.dtype == torch.float32
    tokens = torch.randint(256, (1, 9))
    with torch.no_grad():
        torch.testing.assert_close(half(tokens), model(tokens), rtol=0.02, atol=0.02)


def test_hub_folders_without_the_prefix_and_with_masks_are_read(folder: Path) -> None:
    expected = GPT2.from_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 32, 32)
    save_file(tensors, path)
    tokens = torch.randint(256, (1, 9))
    with torch.no_grad():
        torch.testing.assert_close(GPT2.from_pretrained(folder)(tokens), expected(tokens))


def test_parameters_are_saved_under_gpt2s_names() -> None:
    names = {gpt2_name(name) for name, _ in ours(*SHAPES[0]).named_parameters()}
    theirs = GPT2LMHeadModel(TheirConfig(n_embd=24, n_layer=3, n_head=4))
    assert names == {name for name, _ in theirs.named_parameters()}


# ---- any folder ------------------------------------------------------------------------------------------------


def theirs_with_tokenizer(folder: Path, **sizes: int) -> tuple[GPT2LMHeadModel, GPT2TokenizerFast]:
    """Save a random GPT-2 from transformers and a tokenizer trained by the library tokenizers; return both."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([TEXT], vocab_size=275, special_tokens=[END_OF_TEXT])
    trained.save(str(folder / "trained.json"))
    tokenizer = GPT2TokenizerFast(tokenizer_file=str(folder / "trained.json"))
    (folder / "trained.json").unlink()
    config = TheirConfig(
        **{"vocab_size": len(tokenizer), "n_positions": 32, "n_embd": 24, "n_layer": 3, "n_head": 4, **sizes},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def same_logits(model: GPT2, theirs: GPT2LMHeadModel) -> None:
    tokens = torch.randint(theirs.config.vocab_size, (2, 32))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), theirs(tokens).logits, rtol=0, atol=1e-5)


def test_a_transformers_folder_is_loaded_with_its_tokenizer(tmp_path: Path) -> None:
    theirs, tokenizer = theirs_with_tokenizer(tmp_path)
    assert (tmp_path / "tokenizer.json").exists()
    model = GPT2.from_pretrained(tmp_path)
    same_logits(model, theirs)
    text = "The owl, alone: 42 plums! 🍵"
    assert model.require_tokenizer().encode(text) == tokenizer(text).input_ids
    assert model.require_tokenizer().end_of_text == tokenizer.eos_token_id == 0
    assert model.generate("The fox", max_new_tokens=5, temperature=0).startswith("The fox")
    model.save_pretrained(tmp_path / "ours")
    assert GPT2.from_pretrained(tmp_path / "ours").tokenizer == model.tokenizer
    again = GPT2TokenizerFast.from_pretrained(tmp_path / "ours")
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.eos_token_id == 0


def test_the_tokenizer_is_never_guessed_from_the_vocabulary_size(tmp_path: Path) -> None:
    model = GPT2(GPT2Config(50257, 8, 4, 1, 1))
    model.save_pretrained(tmp_path)
    assert GPT2.from_pretrained(tmp_path).tokenizer == Tokenizer.gpt2()
    other = Tokenizer(Tokenizer.gpt2().merges, {END_OF_TEXT: 0})
    other.save(tmp_path)
    assert GPT2.from_pretrained(tmp_path).tokenizer == other
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    model = GPT2.from_pretrained(tmp_path)
    assert model.tokenizer is None
    with pytest.raises(ValueError, match=r"has no tokenizer .* model\.tokenizer"):
        model.generate("The fox")


def test_weights_split_over_several_files_are_read(tmp_path: Path) -> None:
    theirs, _ = theirs_with_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2
    same_logits(GPT2.from_pretrained(tmp_path), theirs)
    shards[1].unlink()
    assert f"has no {shards[1].name}: download" in error_message(tmp_path, FileNotFoundError)
    for index in ({}, {"weight_map": {}}, {"weight_map": {"wte.weight": "../elsewhere.safetensors"}}):
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        assert "has no valid weight_map" in error_message(tmp_path, ValueError)


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.transformer."])
def test_the_prefixes_of_compiled_and_distributed_models_are_ignored(folder: Path, prefix: str) -> None:
    expected = load_file(folder / "model.safetensors")
    model = GPT2.from_pretrained(folder)
    tensors = {prefix + name.removeprefix("transformer."): tensor for name, tensor in expected.items()}
    tensors[f"{prefix}h.0.attn.bias"] = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    tensors[f"{prefix}h.0.attn.masked_bias"] = torch.tensor(-1e4)
    tensors[f"{prefix}lm_head.weight"] = tensors[f"{prefix}wte.weight"].clone()
    save_file(tensors, folder / "model.safetensors")
    assert GPT2.from_pretrained(folder).state_dict().keys() == model.state_dict().keys()
    for ours, again in zip(model.parameters(), GPT2.from_pretrained(folder).parameters(), strict=True):
        assert torch.equal(ours, again)


def test_tied_weights_may_be_saved_as_the_head_alone(folder: Path) -> None:
    model = GPT2.from_pretrained(folder)
    table = load_file(folder / "model.safetensors")["transformer.wte.weight"]
    change(folder, **{"transformer.wte.weight": None, "lm_head.weight": table})
    assert torch.equal(GPT2.from_pretrained(folder).token_embedding.weight, model.token_embedding.weight)


def test_duplicate_and_integer_weights_are_rejected(folder: Path) -> None:
    change(folder, **{"ln_f.bias": torch.zeros(24)})
    assert "contains transformer.ln_f.bias twice" in error_message(folder, ValueError)
    change(folder, **{"ln_f.bias": None, "transformer.ln_f.bias": torch.zeros(24, dtype=torch.int8)})
    assert "contains transformer.ln_f.bias as torch.int8" in error_message(folder, ValueError)


def test_bfloat16_is_read(folder: Path, tmp_path: Path) -> None:
    model = GPT2.from_pretrained(folder)
    model.save_pretrained(tmp_path / "short", torch.bfloat16)
    weight = GPT2.from_pretrained(tmp_path / "short").token_embedding.weight
    assert torch.equal(weight, model.token_embedding.weight.bfloat16().float())


def test_padding_rows_of_the_embedding_are_never_sampled(tmp_path: Path) -> None:
    theirs, tokenizer = theirs_with_tokenizer(tmp_path, vocab_size=304)
    with torch.no_grad():  # make the padding rows as likely as possible
        theirs.transformer.ln_f.weight.zero_()
        theirs.transformer.ln_f.bias.fill_(1)
        theirs.transformer.wte.weight[len(tokenizer) :] = 5
        theirs.transformer.wte.weight[tokenizer.eos_token_id] = -5  # never end early
    theirs.save_pretrained(tmp_path)
    model = GPT2.from_pretrained(tmp_path)
    same_logits(model, theirs)
    assert model.n_tokens == len(tokenizer) < model.config.vocab_size == 304
    for choice in ({"temperature": 0}, {"temperature": 2.0}, {"top_k": 5}, {"top_p": 0.5}, {"use_cache": False}):
        ids = model.generate(torch.tensor([[1, 2], [3, 4]]), max_new_tokens=40, **choice)
        assert ids.shape == (2, 42)
        assert int(ids.max()) < len(tokenizer)
    assert len(model.generate("The fox", max_new_tokens=9)) > len("The fox")
    with pytest.raises(ValueError, match=f"Token ids must be from 0 to {len(tokenizer) - 1}"):
        model.generate(torch.tensor([303]))
    kernel = Kernel(model, "padded")
    assert len(kernel.attention("The fox", [], 9)["next"]) == 10
    assert len(kernel.activations("The fox", [("logits", None)], 9)["values"][0]) == len(tokenizer)
    parts: list[Any] = []
    kernel.generate("The", {"temperature": 1.0, "top_k": None, "top_p": None}, 1, 9, parts.append)
    assert len(parts) == 10
    steps = kernel.merge_steps(" plum", "model")
    assert [token["id"] for token in steps[-1]["tokens"]] == tokenizer.encode(" plum")


def test_a_tokenizer_with_more_tokens_than_the_model_is_rejected(folder: Path) -> None:
    Tokenizer(Tokenizer.load(folder).merges, [END_OF_TEXT, "<a>", "<b>"]).save(folder)
    assert "restore the tokenizer that the model was trained with" in error_message(folder, ValueError)


def rewrite(folder: Path, changed: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    changed(config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


ALIASES = {
    "n_embd": "hidden_size",
    "n_positions": "max_position_embeddings",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
}


@pytest.mark.parametrize("name", ALIASES)
def test_the_shape_may_use_the_alternative_names_of_transformers(folder: Path, name: str) -> None:
    config = GPT2.from_pretrained(folder).config
    rewrite(folder, lambda settings: settings.update({ALIASES[name]: settings.pop(name)}))
    assert getattr(TheirConfig.from_pretrained(folder), name) == getattr(config, name)
    assert GPT2.from_pretrained(folder).config == config
    rewrite(folder, lambda settings: settings.update({name: 7}))
    assert f"says {name}=7 and {ALIASES[name]}=" in error_message(folder, ValueError)


@pytest.mark.parametrize("name", ["vocab_size", *ALIASES])
def test_a_config_with_an_incomplete_shape_is_rejected(folder: Path, name: str) -> None:
    rewrite(folder, lambda settings: settings.pop(name))
    assert f"lacks {name}, without which" in error_message(folder, ValueError)


@pytest.mark.parametrize(
    ("name", "value"), [("n_embd", 10**12), ("n_layer", 10**9), ("vocab_size", 10**15), ("n_positions", 10**30)]
)
def test_a_config_of_an_absurd_size_is_rejected(folder: Path, name: str, value: int) -> None:
    rewrite(folder, lambda settings: settings.update({name: value}))
    assert f"{name} must be at most " in (message := error_message(folder, ValueError))
    assert f"{value:,}" in message


def test_a_config_may_begin_with_a_byte_order_mark_and_use_the_other_name_of_gelu(folder: Path) -> None:
    rewrite(folder, lambda settings: settings.update(activation_function="gelu_pytorch_tanh"))
    path = folder / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert GPT2.from_pretrained(folder).config.n_embd == 24


# ---- damaged folders -------------------------------------------------------------------------------------------


def change(folder: Path, **changes: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for name, tensor in changes.items():
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor
    save_file(tensors, path)


def error_message(folder: Path | str, kind: type[Exception]) -> str:
    with pytest.raises(kind) as error:
        GPT2.from_pretrained(folder)
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_wrong_shape(folder: Path) -> None:
    change(folder, **{"transformer.h.1.attn.c_attn.weight": torch.zeros(24, 70)})
    assert "h.1.attn.c_attn.weight" in (message := error_message(folder, ValueError))
    assert "(70, 24), but config.json requires (72, 24)" in message


def test_missing_tensor(folder: Path) -> None:
    change(folder, **{"transformer.h.2.ln_1.weight": None})
    assert "lacks transformer.h.2.ln_1.weight" in error_message(folder, ValueError)


def test_unexpected_tensor(folder: Path) -> None:
    change(folder, **{"transformer.h.3.ln_1.weight": torch.zeros(24)})
    assert "contains transformer.h.3.ln_1.weight, which is not part of" in error_message(folder, ValueError)


def test_untied_head(folder: Path) -> None:
    change(folder, **{"lm_head.weight": torch.zeros(300, 24)})
    assert "has a separate output head" in error_message(folder, ValueError)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated_weights(folder: Path, keep: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    assert "is not a complete safetensors file" in error_message(folder, ValueError)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pickle_is_rejected_and_never_executed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    if name == "model.safetensors":
        assert "is not a complete safetensors file" in error_message(folder, ValueError)
    else:
        assert "only pytorch_model.bin, a pickle, which can run code" in error_message(folder, FileNotFoundError)
    assert not (tmp_path / "exploded").exists()


def test_missing_files_and_folders(folder: Path, tmp_path: Path) -> None:
    assert "There is no model folder" in error_message(tmp_path / "nowhere", FileNotFoundError)
    (folder / "model.safetensors").unlink()
    assert "has no model.safetensors" in error_message(folder, FileNotFoundError)
    (folder / "config.json").unlink()
    assert "it has no config.json" in error_message(folder, FileNotFoundError)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not valid JSON"), ("[]", "must contain a JSON object"), ("\xff", "is not valid JSON")],
)
def test_broken_config(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    assert message in error_message(folder, ValueError)


def test_config_of_another_model(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "llama"}))
    assert "model_type='llama'" in error_message(folder, ValueError)


@pytest.mark.parametrize("name", ["n_embd", "embd_pdrop", "layer_norm_epsilon"])
@pytest.mark.parametrize("value", ["many", None])
def test_config_with_values_of_the_wrong_kind(folder: Path, name: str, value: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert name in error_message(folder, ValueError)


# ---- the disk is full ------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_previous_model_readable(small_disk: Path) -> None:
    model = ours(*SHAPES[0])
    model.save_pretrained(small_disk)
    before = model.generate("The fox", max_new_tokens=9, temperature=0)
    (small_disk / "filler").write_bytes(bytes(1 << 19))
    with pytest.raises(OSError, match=r"could not be written|No space left"):
        ours(300, 2000, 96, 3, 4).save_pretrained(small_disk)
    assert GPT2.from_pretrained(small_disk).generate("The fox", max_new_tokens=9, temperature=0) == before
    assert not list(small_disk.glob("*.tmp"))


def test_importing_the_package_and_building_a_model_need_no_network() -> None:
    script = """
import socket
def refuse(*args, **kwargs): raise SystemExit("something asked for the network")
socket.socket.connect = socket.create_connection = refuse
from gpt2_course import GPT2
GPT2()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
