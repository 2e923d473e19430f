"""The page's training engine computes the same losses, gradients, and steps as PyTorch. Runs in Node.js."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gpt2_course import GPT2, GPT2Config
from gpt2_course.checkpoint import TRANSPOSED, gpt2_name
from gpt2_course.labs.lab import STATIC
from gpt2_course.loss import IGNORED
from gpt2_course.optimizers import build_optimizers, scale_learning_rates
from gpt2_course.packing import PackedDocuments
from gpt2_course.training.config import TrainConfig
from gpt2_course.training.schedule import learning_rate_factor

END = 0  # the separator of documents in these tests

# Makes what the tests use of a model's folder.
SETUP = """
const { TrainableGPT2 } = await load("training");
const { readConfig, readSafetensors } = await load("checkpoint");
const { writeSafetensors } = await load("saving");
const { countTargets } = await load("batches");
const config = readConfig(readFileSync("config.json", "utf8"));
const wasm = given.vectors ? Uint8Array.from(readFileSync(given.wasm)) : null;
const rowsOf = (batch) =>
  batch.map(([tokens, targets]) => ({ tokens: Int32Array.from(tokens), targets: Int32Array.from(targets) }));
const model = new TrainableGPT2(config, given.context, wasm);
model.load(readSafetensors(Uint8Array.from(readFileSync("model.safetensors")).buffer));
"""

Run = Callable[..., Any]


@pytest.fixture
def run(node: Run, tmp_path: Path) -> Run:
    """Runs a script in Node.js after the setup, with a model and other arguments; returns what it says."""

    def in_node(script: str, model: GPT2, *, vectors: bool = True, **given: Any) -> Any:
        model.save_pretrained(tmp_path)
        wasm = str(STATIC / "kernels.wasm")
        return node(SETUP + script, vectors=vectors, wasm=wasm, context=model.n_positions, **given)

    return in_node


def small_model(vocab_size: int, n_positions: int, n_embd: int, n_layer: int, n_head: int) -> GPT2:
    """A model whose biases and norms are not at their initial values, so each of their gradients matters."""
    torch.manual_seed(0)
    none = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    model = GPT2(GPT2Config(vocab_size, n_positions, n_embd, n_layer, n_head, **none, initializer_range=0.15))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def random_rows(vocab_size: int, B: int, T: int, ignored: float = 0.0, ends: float = 0.0) -> Tensor:
    """Tokens and targets (B, 2, T), with a share of targets to ignore and of tokens that separate documents."""
    random = torch.Generator().manual_seed(B * T)
    ids = torch.randint(1, vocab_size, (B, T + 1), generator=random)
    ids = ids.masked_fill(torch.rand(ids.shape, generator=random) < ends, END)
    targets = ids[:, 1:].clone()
    if ignored:
        targets[torch.rand(targets.shape, generator=random) < ignored] = IGNORED
        targets[0, 0] = int(ids[0, 1])  # at least one counts
    return torch.stack([ids[:, :-1], targets], dim=1)


def loss_of(model: GPT2, rows: Tensor, separator: int | None) -> Tensor:
    tokens, targets = rows.unbind(1)
    loss: Tensor = model(tokens, targets, None if separator is None else PackedDocuments(tokens, separator))
    return loss


def close(mine: Tensor, wanted: Tensor, tolerance: float) -> bool:
    """Whether the difference is at most this share of the largest number."""
    return bool((mine - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1e-12))


GRADIENTS = """
const rows = rowsOf(given.rows);
model.forgetGradients();
const loss = model.backward(rows, countTargets(rows), given.separator);
writeFileSync("gradients.safetensors", writeSafetensors(model.tensors("gradient")));
const losses = [...model.losses(rows, given.separator)];
say({ loss, losses });
"""


@pytest.mark.parametrize("vectors", [True, False], ids=["wasm", "plain"])
@pytest.mark.parametrize(
    ("shape", "batch"),
    [
        pytest.param((48, 16, 32, 2, 4), {"B": 3, "T": 16}, id="plain rows"),
        pytest.param((37, 20, 12, 3, 2), {"B": 2, "T": 17}, id="odd sizes"),
        pytest.param((29, 9, 10, 1, 5), {"B": 5, "T": 9, "ignored": 0.4}, id="heads of 2"),
        pytest.param((50, 8, 24, 2, 1), {"B": 4, "T": 1}, id="one token"),
        pytest.param((61, 40, 20, 2, 2), {"B": 3, "T": 40, "ignored": 0.3, "ends": 0.2}, id="documents"),
        pytest.param((300, 300, 16, 1, 2), {"B": 4, "T": 300, "ends": 0.02}, id="several passes"),
    ],
)
def test_the_loss_and_every_gradient_equal_pytorchs(
    run: Run, tmp_path: Path, shape: tuple[int, ...], batch: dict[str, Any], vectors: bool
) -> None:
    model, rows = small_model(*shape), random_rows(shape[0], **batch)
    separator = END if "ends" in batch else None
    loss = loss_of(model, rows, separator)
    loss.backward()  # type: ignore[no-untyped-call]
    said = run(GRADIENTS, model, rows=rows.tolist(), separator=separator, vectors=vectors)
    assert said["loss"] == pytest.approx(loss.item(), rel=1e-5)
    counted = rows[:, 1].flatten() != IGNORED
    assert [each == 0 for each in said["losses"]] == (~counted).tolist()
    assert sum(said["losses"]) / int(counted.sum()) == pytest.approx(loss.item(), rel=1e-5)
    gradients = load_file(tmp_path / "gradients.safetensors")
    parameters = {gpt2_name(name): parameter for name, parameter in model.named_parameters()}
    assert gradients.keys() == parameters.keys()
    wrong = []
    for name, parameter in parameters.items():
        mine = gradients[name].T if TRANSPOSED.search(name) else gradients[name]
        assert parameter.grad is not None
        if not close(mine, parameter.grad, 1e-4):
            wrong.append(name)
    assert wrong == []


def settings_of(config: TrainConfig, separator: int | None = None) -> dict[str, Any]:
    """The settings of a run, as the page's trainer takes them."""
    names = (
        *("optimizer", "learning_rate", "muon_learning_rate", "weight_decay", "warmup_steps", "steps"),
        *("final_lr_fraction", "clip", "context"),
    )
    return {name: getattr(config, name) for name in names} | {"separator": separator}


def train(model: GPT2, batches: list[Tensor], config: TrainConfig, separator: int | None) -> list[float]:
    """Train as `Trainer` does, on these batches; returns the loss before each step."""
    optimizers, losses = build_optimizers(model, config), []
    for step, rows in enumerate(batches):
        scale_learning_rates(optimizers, learning_rate_factor(step, config))
        loss = loss_of(model, rows, separator)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses


STEPS = """
const { Optimizer, squaredNorm } = await load("optimizers");
const optimizer = new Optimizer([...model.parameters], model.kernels, model.workspace, given.settings);
const losses = given.batches.map((batch, step) => {
  const rows = rowsOf(batch);
  model.forgetGradients();
  const loss = model.backward(rows, countTargets(rows), given.settings.separator);
  const norm = Math.sqrt(squaredNorm(model.parameters.values()));
  optimizer.step(step, given.settings, Math.min(1, given.settings.clip / (norm + 1e-6)));
  return loss;
});
writeFileSync("after.safetensors", writeSafetensors(model.tensors()));
say(losses);
"""


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("n_steps", "clip"), [(1, 1.0), (1, 1e9), (10, 0.5)])
def test_steps_equal_the_packages(run: Run, tmp_path: Path, optimizer: str, n_steps: int, clip: float) -> None:
    model = small_model(40, 20, 12, 2, 3)
    config = TrainConfig(optimizer=optimizer, steps=12, warmup_steps=3, clip=clip, context=20, model=model.config)
    batches = [random_rows(40, 3, 20, ignored=0.1, ends=0.05 * step) for step in range(1, n_steps + 1)]
    given = {"settings": settings_of(config, END), "batches": [rows.tolist() for rows in batches]}
    losses = run(STEPS, model, **given)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert losses == pytest.approx(train(model, batches, config, END), rel=1e-4)
    after = load_file(tmp_path / "after.safetensors")
    for name, wanted in model.state_dict().items():
        mine = after[gpt2_name(name)]
        mine = mine.T if TRANSPOSED.search(gpt2_name(name)) else mine
        if name.endswith("qkv.bias"):
            # A key's bias changes no attention weight: its gradient is 0 but for rounding, which AdamW scales up.
            mine, wanted = (torch.cat([bias[:12], bias[24:]]) for bias in (mine, wanted))
        else:
            assert not torch.equal(wanted, before[name])
        tolerance = 1e-5 if n_steps == 1 else 1e-3  # rounding adds up
        torch.testing.assert_close(mine, wanted, atol=tolerance, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
