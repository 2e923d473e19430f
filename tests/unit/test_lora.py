"""Adapters: nothing else learns, and merging them changes nothing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.lora import ALPHA, LoRALinear, add_adapters, merged

SHAPE = GPT2Config(vocab_size=101, n_positions=16, n_embd=24, n_layer=2, n_head=2, initializer_range=0.1)
ROWS = torch.arange(24).view(2, 12) * 7 % 101


def adapted(rank: int = 4) -> GPT2:
    """A model whose adapters have learned something."""
    torch.manual_seed(0)
    model = add_adapters(GPT2(SHAPE), rank).eval()
    for layer in model.modules():
        if isinstance(layer, LoRALinear):
            torch.nn.init.normal_(layer.up, std=0.1)
    return model


def trained(model: GPT2) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def test_new_adapters_change_nothing() -> None:
    torch.manual_seed(0)
    model = GPT2(SHAPE).eval()
    before = model(ROWS)
    assert add_adapters(model, 4) is model
    assert torch.equal(model(ROWS), before)


def test_a_merged_model_computes_the_same_in_the_shape_of_an_ordinary_one() -> None:
    model = adapted()
    plain = merged(model)
    assert {type(module) for module in plain.modules()} == {type(module) for module in GPT2(SHAPE).modules()}
    torch.testing.assert_close(plain(ROWS), model(ROWS), rtol=0, atol=1e-5)
    base = copy.deepcopy(model)
    for layer in base.modules():
        if isinstance(layer, LoRALinear):
            torch.nn.init.zeros_(layer.up)
    assert not torch.allclose(base(ROWS), model(ROWS), atol=0.1)  # the adapters matter


def test_a_merged_weight_is_the_frozen_one_plus_the_scaled_product() -> None:
    layer = adapted(rank=2).blocks[0].mlp.expand
    assert isinstance(layer, LoRALinear)
    assert layer.scale == ALPHA / 2
    by_hand = layer.linear.weight.clone()
    for channel in range(2):
        by_hand += 8.0 * torch.outer(layer.up[:, channel], layer.down[channel])
    torch.testing.assert_close(layer.merged_weight(), by_hand)


def test_a_merged_model_can_be_saved_and_quantized(tmp_path: Path) -> None:
    model = adapted()
    plain = merged(model)
    plain.save_pretrained(tmp_path)
    torch.testing.assert_close(GPT2.from_pretrained(tmp_path)(ROWS), model(ROWS), rtol=0, atol=1e-5)
    assert plain.quantize().is_quantized


def test_only_adapters_get_gradients_and_change() -> None:
    model = adapted()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(trained(model).values(), lr=0.01)
    model(ROWS[:, :-1], ROWS[:, 1:]).backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == trained(model).keys()
    assert all(name.endswith((".down", ".up")) for name in with_gradient)
    optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == with_gradient


@pytest.mark.parametrize("rank", [1, 8])
def test_the_number_of_trained_parameters_is_that_of_the_formula(rank: int) -> None:
    count = sum(p.numel() for p in trained(adapted(rank)).values())
    # per block, with widths in units of n_embd: qkv 3 + 1, projection 1 + 1, expand 4 + 1, projection 1 + 4
    assert count == SHAPE.n_layer * rank * 16 * SHAPE.n_embd


def test_a_model_with_adapters_generates_what_the_merged_one_does() -> None:
    model = adapted()
    prompt = torch.tensor([[1, 2, 3]])
    written = model.generate(prompt, max_new_tokens=10, temperature=0)
    assert torch.equal(written, merged(model).generate(prompt, max_new_tokens=10, temperature=0))


@pytest.mark.parametrize("rank", [0, -1, 25])
def test_a_rank_that_does_not_fit_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"must be from 1 to 24, the smaller side of its matrix, but is {rank}"):
        add_adapters(GPT2(SHAPE), rank)


def test_a_quantized_model_is_refused() -> None:
    tokenizer = Tokenizer.train(["to be or not to be"], 270)
    model = GPT2(GPT2Config(tokenizer.vocab_size, 16, 32, 1, 2), tokenizer)
    with pytest.raises(ValueError, match="quantized to 8 bits and cannot be adapted"):
        add_adapters(model.quantize(), 2)


def test_a_model_with_adapters_is_neither_saved_nor_quantized(tmp_path: Path) -> None:
    model = adapted()
    with pytest.raises(ValueError, match="has adapters and cannot be saved"):
        model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="has adapters and cannot be quantized"):
        model.quantize()
    assert not list(tmp_path.iterdir())
