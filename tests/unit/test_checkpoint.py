"""Model folders are Hugging Face's: the same logits both ways, and a sentence for everything that is not right."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel, GPT2TokenizerFast

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.checkpoint import gpt2_name

TEXT = "The fox and the owl shared a plum. " * 20
SHAPES = [(300, 32, 24, 3, 4), (311, 17, 64, 1, 1), (1000, 64, 48, 2, 6)]


def ours(vocab_size: int, n_positions: int, n_embd: int, n_layer: int, n_head: int) -> GPT2:
    tokenizer = Tokenizer.train(TEXT, vocab_size)
    model = GPT2(GPT2Config(tokenizer.vocab_size, n_positions, n_embd, n_layer, n_head), tokenizer).eval()
    for parameter in model.parameters():  # no zeros and ones that would hide a mix-up
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = ours(*SHAPES[0])
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# ---- both ways -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_opens_our_folder_and_gives_the_same_logits(shape: tuple[int, ...], tmp_path: Path) -> None:
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
def test_we_open_the_folder_of_transformers_and_give_the_same_logits(shape: tuple[int, ...], tmp_path: Path) -> None:
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
def test_greedy_generation_equals_that_of_transformers_token_for_token(shape: tuple[int, ...], tmp_path: Path) -> None:
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
    model.tokenizer = None  # so that neither stops at <|endoftext|>
    assert model.generate(prompt, max_length=model.config.n_positions, temperature=0).tolist() == expected.tolist()


def test_a_saved_model_comes_back_the_same(folder: Path, tmp_path: Path) -> None:
    model = GPT2.from_pretrained(folder)
    assert not model.training
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert GPT2.from_pretrained(tmp_path / "again").tokenizer == model.tokenizer
    assert all(p.requires_grad for p in model.parameters())


def test_every_file_can_be_read_by_whoever_reads_the_folder(folder: Path) -> None:
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_float16_folders_are_half_as_large_and_nearly_the_same(folder: Path, tmp_path: Path) -> None:
    model = GPT2.from_pretrained(folder)
    model.save_pretrained(tmp_path / "half", torch.float16)
    size = [(f / "model.safetensors").stat().st_size for f in (tmp_path / "half", folder)]
    assert size[0] < 0.6 * size[1]
    half = GPT2.from_pretrained(tmp_path / "half")
    assert half.token_embedding.weight.dtype == torch.float32
    tokens = torch.randint(256, (1, 9))
    with torch.no_grad():
        torch.testing.assert_close(half(tokens), model(tokens), rtol=0.02, atol=0.02)


def test_folders_of_the_hub_without_prefix_and_with_masks_are_read(folder: Path) -> None:
    expected = GPT2.from_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 32, 32)
    save_file(tensors, path)
    tokens = torch.randint(256, (1, 9))
    with torch.no_grad():
        torch.testing.assert_close(GPT2.from_pretrained(folder)(tokens), expected(tokens))


def test_every_parameter_has_its_gpt2_name() -> None:
    names = {gpt2_name(name) for name, _ in ours(*SHAPES[0]).named_parameters()}
    theirs = GPT2LMHeadModel(TheirConfig(n_embd=24, n_layer=3, n_head=4))
    assert names == {name for name, _ in theirs.named_parameters()}


# ---- what is not right -----------------------------------------------------------------------------------------


def change(folder: Path, **changes: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for name, tensor in changes.items():
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor
    save_file(tensors, path)


def sentence(folder: Path | str, kind: type[Exception]) -> str:
    with pytest.raises(kind) as error:
        GPT2.from_pretrained(folder)
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_wrong_shape(folder: Path) -> None:
    change(folder, **{"transformer.h.1.attn.c_attn.weight": torch.zeros(24, 70)})
    assert "h.1.attn.c_attn.weight" in (message := sentence(folder, ValueError))
    assert "(70, 24), but config.json asks for (72, 24)" in message


def test_missing_tensor(folder: Path) -> None:
    change(folder, **{"transformer.h.2.ln_1.weight": None})
    assert "lacks transformer.h.2.ln_1.weight" in sentence(folder, ValueError)


def test_unexpected_tensor(folder: Path) -> None:
    change(folder, **{"transformer.h.3.ln_1.weight": torch.zeros(24)})
    assert "holds transformer.h.3.ln_1.weight, which no GPT-2" in sentence(folder, ValueError)


def test_untied_head(folder: Path) -> None:
    change(folder, **{"lm_head.weight": torch.zeros(300, 24)})
    assert "output head of its own" in sentence(folder, ValueError)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated_weights(folder: Path, keep: float) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    assert "is not a complete safetensors file" in sentence(folder, ValueError)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pickle_is_refused_and_not_executed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    if name == "model.safetensors":
        assert "is not a complete safetensors file" in sentence(folder, ValueError)
    else:
        assert "only pytorch_model.bin, a pickle, which could run code" in sentence(folder, FileNotFoundError)
    assert not (tmp_path / "exploded").exists()


def test_missing_files_and_folders(folder: Path, tmp_path: Path) -> None:
    assert "There is no model folder" in sentence(tmp_path / "nowhere", FileNotFoundError)
    (folder / "model.safetensors").unlink()
    assert "has no model.safetensors" in sentence(folder, FileNotFoundError)
    (folder / "config.json").unlink()
    assert "it has no config.json" in sentence(folder, FileNotFoundError)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[]", "must hold a JSON object"), ("\xff", "is not JSON")]
)
def test_broken_config(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    assert message in sentence(folder, ValueError)


def test_config_of_another_model(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "llama"}))
    assert "model_type='llama'" in sentence(folder, ValueError)


@pytest.mark.parametrize("name", ["n_embd", "embd_pdrop", "layer_norm_epsilon"])
@pytest.mark.parametrize("value", ["many", None])
def test_config_with_values_of_the_wrong_kind(folder: Path, name: str, value: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert name in sentence(folder, ValueError)


# ---- the disk is full ------------------------------------------------------------------------------------------


def test_full_disk_leaves_the_last_good_model_readable(small_disk: Path) -> None:
    model = ours(*SHAPES[0])
    model.save_pretrained(small_disk)
    before = model.generate("The fox", max_new_tokens=9, temperature=0)
    (small_disk / "filler").write_bytes(bytes(1 << 19))
    with pytest.raises(OSError, match=r"could not be written|No space left"):
        ours(300, 2000, 96, 3, 4).save_pretrained(small_disk)
    assert GPT2.from_pretrained(small_disk).generate("The fox", max_new_tokens=9, temperature=0) == before
    assert not list(small_disk.glob("*.tmp"))


def test_importing_and_building_needs_no_network() -> None:
    script = """
import socket
def refuse(*args, **kwargs): raise SystemExit("something asked for the network")
socket.socket.connect = socket.create_connection = refuse
from gpt2_course import GPT2
GPT2()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
