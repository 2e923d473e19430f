"""The GPU benchmark on the CPU, and tests that need a CUDA GPU: `pytest -m cuda`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu
from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
from gpt2_course.data import TokenStream
from gpt2_course.devices import CompiledLoss, difference_from_cpu
from gpt2_course.loss import linear_cross_entropy, losses_and_gradient

SHAPE = GPT2Config(101, 64, 32, 2, 2, 0.0, 0.0, 0.0, initializer_range=0.1)


def test_the_benchmark_runs_with_tiny_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--tiny"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == [
        "train: ours, AdamW", "train: ours, Muon", "train: plain loop, AdamW",
        "generate: 1 at a time, float32", "generate: 64 at a time, float32",
    ]  # fmt: skip
    assert all(float(row.split("|")[2].split()[0].replace(",", "")) > 0 for row in rows[2:])


def test_both_sides_of_the_benchmark_compute_the_same_loss() -> None:
    torch.manual_seed(0)
    model, plain = GPT2(SHAPE), gpu.Plain(SHAPE)
    names = (
        ("token_embedding", "tokens"), ("position_embedding", "positions"), ("attention.qkv", "qkv"),
        ("attention.projection", "out"), ("norm_1", "ln_1"), ("norm_2", "ln_2"), ("mlp.expand", "up"),
        ("mlp.projection", "down"), ("final_norm", "norm"),
    )  # fmt: skip
    weights = model.state_dict()
    for our_name, their_name in names:
        weights = {name.replace(our_name, their_name): tensor for name, tensor in weights.items()}
    plain.load_state_dict(weights)
    rows = torch.randint(101, (3, 21))
    torch.testing.assert_close(model(rows[:, :-1], rows[:, 1:]), plain(rows[:, :-1], rows[:, 1:]))


def trainer(device: str, folder: Path | None = None, **settings: object) -> Trainer:
    config = TrainConfig(model=SHAPE, context=64, batch_size=4, steps=6, report_sequences=4)
    stream = TokenStream([np.random.default_rng(0).integers(101, size=5000).astype(np.uint16)], 101)
    torch.manual_seed(0)
    return Trainer(GPT2(SHAPE).to(device), stream, stream, replace(config, **settings), folder)  # type: ignore[arg-type]


@pytest.mark.cuda
def test_this_gpu_computes_what_the_cpu_computes() -> None:
    assert difference_from_cpu(torch.device("cuda"), 64, 16) == ""


@pytest.mark.cuda
@pytest.mark.parametrize("compiled", [False, True])
def test_16_bit_loss_and_gradients(compiled: bool) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(300, 64, device="cuda", requires_grad=True)
    weight = torch.zeros(1001, 64, device="cuda").normal_(std=0.1).requires_grad_()  # 1001: rows are padded
    targets = torch.randint(1001, (300,), device="cuda")
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T, targets)
    gradients = torch.autograd.grad(expected, (hidden, weight))
    pointwise = torch.compile(losses_and_gradient) if compiled else losses_and_gradient
    with torch.autocast("cuda", torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, targets, pointwise)
    torch.testing.assert_close(loss, expected, rtol=0.01, atol=0)
    for ours, theirs in zip(torch.autograd.grad(loss, (hidden, weight)), gradients, strict=True):
        assert float((ours - theirs).abs().max()) < 0.02 * float(theirs.abs().max())


@pytest.mark.cuda
def test_a_compiled_loss_is_the_same() -> None:
    torch.manual_seed(0)
    model = GPT2(SHAPE).cuda()
    rows = torch.randint(101, (4, 65), device="cuda")
    torch.testing.assert_close(CompiledLoss(model)(rows[:, :-1], rows[:, 1:]), model(rows[:, :-1], rows[:, 1:]))


@pytest.mark.cuda
def test_training_follows_the_cpu_in_float32() -> None:
    runs = [trainer(device, precision="float32", compile="off") for device in ("cpu", "cuda")]
    losses = [[float(run.train_step()) for _ in range(6)] for run in runs]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


@pytest.mark.cuda
def test_a_resumed_run_ends_with_the_same_parameters(tmp_path: Path) -> None:
    whole, first = trainer("cuda"), trainer("cuda", tmp_path)
    for _ in range(6):
        whole.train_step()
    for _ in range(3):
        first.train_step()
    first.save()
    second = trainer("cuda", tmp_path)
    second.resume()
    while second.step < 6:
        second.train_step()
    for ours, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.cuda
def test_the_same_seed_writes_the_same_tokens_as_on_the_cpu() -> None:
    torch.manual_seed(0)
    model = GPT2(SHAPE).eval()
    prompt = torch.tensor([[1, 2, 3], [4, 5, 6]])
    expected = model.generate(prompt, max_new_tokens=100, seed=0)  # beyond the window, which then slides
    assert model.cuda().generate(prompt.cuda(), max_new_tokens=100, seed=0).cpu().tolist() == expected.tolist()
