"""A quantized model predicts almost what the original predicts, and refuses what it cannot do."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig, Trainer
from gpt2_course import quantization as q
from gpt2_course.data import TokenStream
from gpt2_course.tiny_world import documents

TINY = GPT2Config(vocab_size=300, n_positions=32, n_embd=24, n_layer=2, n_head=4)


def loss(model: GPT2, rows: list[torch.Tensor]) -> float:
    """Nats per token, from the logits that generation uses."""
    with torch.no_grad():
        losses = [F.cross_entropy(model(row[None, :-1])[0], row[1:], reduction="none") for row in rows]
    return float(torch.cat(losses).mean())


def test_every_number_is_within_half_a_level() -> None:
    weight = torch.randn(20, 50) * torch.logspace(-3, 3, 20)[:, None]
    weight[7] = 0
    numbers, scale = q.quantize_rows(weight)
    assert numbers.dtype == torch.int8
    assert numbers.abs().amax(dim=1).tolist() == [127] * 7 + [0] + [127] * 12
    assert ((numbers * scale - weight).abs() <= scale / 2 * 1.001).all()


@pytest.mark.parametrize("bias", [None, torch.randn(30)])
@pytest.mark.parametrize("kernel", [True, False])
def test_products_are_close(bias: torch.Tensor | None, kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernel:
        monkeypatch.setattr(q, "_packed", lambda *args: None)
    weight, x = torch.randn(30, 400), torch.randn(2, 3, 400)
    wanted = F.linear(x, weight, bias)
    error = q.Int8Linear(weight, bias)(x) - wanted
    assert error.norm() < (0.03 if kernel else 0.01) * wanted.norm()  # the kernel rounds x, too


def test_the_loss_on_tiny_world_rises_by_less_than_half_a_percent() -> None:
    model = GPT2.from_pretrained()
    tokenizer = model.require_tokenizer()
    rows = [torch.tensor(tokenizer.encode(d.text)[: model.n_positions]) for d in islice(documents(1, "val"), 40)]
    assert loss(model.quantize(), rows) < 1.005 * loss(model, rows)


def test_the_pages_model_in_8_bits_loses_almost_nothing() -> None:
    """The page rounds weights only, not inputs, so it is closer than PyTorch's kernel."""
    model = GPT2.from_pretrained()
    twin = GPT2.from_pretrained()
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if parameter.ndim == 2 and "position" not in name:
                numbers, scale = q.quantize_rows(parameter)
                parameter.copy_(numbers * scale)
    tokenizer = model.require_tokenizer()
    rows = [torch.tensor(tokenizer.encode(d.text)[: model.n_positions]) for d in islice(documents(1, "val"), 40)]
    with torch.no_grad():
        exact, rounded = (torch.cat([m(row[None])[0] for row in rows]).softmax(-1) for m in (model, twin))
    assert loss(twin, rows) == pytest.approx(loss(model, rows), rel=0.001)
    moved = (exact - rounded).abs().sum(-1) / 2  # the probability that moves to other tokens, at each place
    assert moved.mean() < 0.001
    assert (exact.argmax(-1) == rounded.argmax(-1)).float().mean() > 0.99


def test_the_loss_on_shakespeare_rises_by_less_than_half_a_percent(shakespeare: Path) -> None:
    text = shakespeare.read_text(encoding="utf-8")[:200_000]
    tokenizer = Tokenizer.train(text, 512)
    ids = torch.tensor(tokenizer.encode(text))
    stream = TokenStream([ids.numpy().astype("uint16")], 512)
    config = GPT2Config(512, 64, 64, 2, 4, 0.0, 0.0, 0.0)
    torch.manual_seed(0)
    trainer = Trainer(GPT2(config, tokenizer), stream, stream, TrainConfig(model=config, context=64, steps=120))
    for _ in range(120):
        trainer.train_step()
    model = trainer.model.eval()
    rows = list(ids[: 64 * 100].view(100, 64))
    assert loss(model, rows) < 4.5  # it has learned something: ln 512 = 6.2
    assert loss(model.quantize(), rows) < 1.005 * loss(model, rows)


def test_a_quantized_model_generates_alone_and_in_batches_and_the_original_stays() -> None:
    model = GPT2(TINY)
    before = {name: p.clone() for name, p in model.named_parameters()}
    quantized = model.quantize()
    prompts = torch.randint(300, (3, 5))
    for prompt in (prompts[0], prompts):
        plain = quantized.generate(prompt, max_new_tokens=60, temperature=0, use_cache=False)
        assert torch.equal(quantized.generate(prompt, max_new_tokens=60, temperature=0), plain)
    assert quantized.one_token_decoder().__name__ == "decode"
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_what_a_quantized_model_cannot_do_is_refused(tmp_path: Path) -> None:
    quantized = GPT2(TINY).quantize()
    stream = TokenStream([torch.arange(200).numpy().astype("uint16")], 300)
    for action, what in (
        (quantized.quantize, "quantized again"),
        (quantized.train, "trained"),
        (lambda: Trainer(quantized, stream, stream, TrainConfig(model=TINY, context=16)), "trained"),
        (lambda: quantized.save_pretrained(tmp_path / "out"), "saved"),
    ):
        message = f"This model is quantized to 8 bits and cannot be {what}: use the model it was made from."
        with pytest.raises(ValueError, match=re.escape(message)):
            action()
    assert not (tmp_path / "out").exists()
