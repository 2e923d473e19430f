"""Muon and AdamW: their steps, their settings, and which parameters each updates."""

from __future__ import annotations

import copy
import io
import math
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu
from torch.utils._foreach_utils import _get_fused_kernels_supported_devices

from gpt2_course.optimizers import (
    _DEVICES_WITH_FUSED_ADAMW,
    NEWTON_SCHULZ_COEFFICIENTS,
    Muon,
    build_optimizers,
    orthogonalize,
    scale_learning_rates,
)

VOCABULARY, WIDTH = 11, 16


def optimizers_of(model: nn.Module, **changes: Any) -> list[torch.optim.Optimizer]:
    rates = {"learning_rate": 6e-3, "muon_learning_rate": 0.04, "weight_decay": 0.1}
    return build_optimizers(model, SimpleNamespace(**{"optimizer": "muon", "fused": "auto", **rates, **changes}))


class TiedModel(nn.Module):
    """A model with all of GPT-2's parts: embeddings, a tied head, wide, tall, and square matrices, biases, a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embedding = nn.Embedding(8, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH)
        self.middle = nn.Linear(4 * WIDTH, 4 * WIDTH)
        self.shrink = nn.Linear(4 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.head.weight = self.token_embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1])
        x = self.token_embedding(tokens) + self.position_embedding(positions)  # (B, T, C)
        hidden = gelu(self.middle(gelu(self.expand(self.norm(x)))))  # (B, T, 4C)
        logits: Tensor = self.head(x + self.shrink(hidden))  # (B, T, V)
        return logits


def seeded_model() -> TiedModel:
    torch.manual_seed(0)
    return TiedModel()


def successor_loss(model: nn.Module, seed: int) -> Tensor:
    """The loss on a rule that a small model can learn: the next token is this one times 3, plus 1."""
    tokens = torch.randint(VOCABULARY, (8, 8), generator=torch.Generator().manual_seed(seed))
    return cross_entropy(model(tokens).flatten(0, 1), (3 * tokens + 1).flatten() % VOCABULARY)


def train(model: nn.Module, optimizers: list[torch.optim.Optimizer], steps: range) -> list[float]:
    losses = []
    for step in steps:
        loss = successor_loss(model, seed=step)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def random_matrices(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def plain_newton_schulz(matrix: Tensor, steps: int) -> Tensor:
    """The same polynomial for a single matrix, which is never transposed."""
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    x: Tensor = matrix / matrix.norm()
    for _ in range(steps):
        x = a * x + b * (x @ x.T @ x) + c * (x @ x.T @ x @ x.T @ x)
    return x


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (128, 384), (384, 128), (7, 200), (1, 5), (5, 1)])
def test_orthogonalize_brings_singular_values_between_068_and_121(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(orthogonalize(random_matrices(3, *shape)))
    assert values.min() > 0.68
    assert values.max() < 1.21


@pytest.mark.parametrize("size", [16, 128])
def test_orthogonalize_works_for_a_square_matrix_except_for_its_smallest_singular_values(size: int) -> None:
    # A random square matrix has a few singular values below 0.2% of its norm; the bounds hold only above that.
    matrix = random_matrices(size, size)
    u, before, v = torch.linalg.svd(matrix)
    after = (u.T @ orthogonalize(matrix) @ v.T).diagonal()
    promised = before > 0.002 * matrix.norm()
    assert promised.sum() >= 0.9 * size
    assert after[promised].min() > 0.68
    assert after.max() < 1.21


def test_orthogonalize_keeps_the_singular_vectors() -> None:
    matrix = random_matrices(12, 30)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    in_the_old_axes = u.T @ orthogonalize(matrix) @ v.T
    off_diagonal = in_the_old_axes - in_the_old_axes.diagonal().diag()
    assert off_diagonal.abs().max() < 1e-5


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 64)])
def test_orthogonalize_of_a_batch_equals_one_by_one(shape: tuple[int, int]) -> None:
    batch = random_matrices(6, *shape)
    one_by_one = torch.stack([orthogonalize(matrix) for matrix in batch])
    torch.testing.assert_close(orthogonalize(batch), one_by_one)
    torch.testing.assert_close(orthogonalize(batch.reshape(2, 3, *shape)), one_by_one.reshape(2, 3, *shape))


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 64)])
def test_orthogonalize_ignores_the_length_of_its_input(shape: tuple[int, int]) -> None:
    matrix = random_matrices(*shape)
    short, long = orthogonalize(1e-3 * matrix), orthogonalize(1e3 * matrix)
    torch.testing.assert_close(short, long, rtol=1e-3, atol=1e-4)


def test_orthogonalize_of_zero_is_zero() -> None:
    assert torch.equal(orthogonalize(torch.zeros(4, 3)), torch.zeros(4, 3))


def test_muon_equals_a_plain_implementation_for_single_matrices() -> None:
    lr, momentum, decay, ns_steps = 0.1, 0.9, 0.5, 4
    shapes = [(16, 16), (48, 16), (16, 16), (16, 48), (16, 16)]
    parameters = [nn.Parameter(random_matrices(*shape) * (1 + i)) for i, shape in enumerate(shapes)]
    expected = [parameter.detach().clone() for parameter in parameters]
    averages = [torch.zeros(shape) for shape in shapes]
    optimizer = Muon(parameters, lr=lr, momentum=momentum, weight_decay=decay, ns_steps=ns_steps)

    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        for i, (rows, columns) in enumerate(shapes):
            gradient = torch.randn(rows, columns, generator=generator)
            parameters[i].grad = gradient.clone()
            averages[i] = momentum * averages[i] + (1 - momentum) * gradient
            look_ahead = momentum * averages[i] + (1 - momentum) * gradient
            # (48, 16) stacks query, key, and value: three matrices.
            pieces = look_ahead.split(columns) if rows == 3 * columns else [look_ahead]
            update = torch.cat([plain_newton_schulz(piece, ns_steps) for piece in pieces])
            scale = (max(rows, columns) / min(rows, columns)) ** 0.5
            expected[i] = (1 - lr * decay) * expected[i] - lr * scale * update
        optimizer.step()

    for parameter, wanted in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), wanted, rtol=1e-4, atol=1e-5)


def test_muon_does_not_change_a_matrix_without_a_gradient() -> None:
    used, unused = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([used, unused], lr=0.04, weight_decay=0.1)
    used.grad = random_matrices(4, 4)
    optimizer.step()
    assert torch.equal(unused, torch.ones(4, 4))
    assert not torch.equal(used, torch.ones(4, 4))


def test_muon_returns_the_closures_loss() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([parameter], lr=0.04)

    def closure() -> float:
        loss = parameter.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    assert optimizer.step(closure) == 16.0
    assert not torch.equal(parameter, torch.ones(4, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -0.1}, "learning rate must be 0 or more, but is -0.1"),
        ({"momentum": 1.0}, "momentum must be in \\[0, 1\\), but is 1.0"),
        ({"weight_decay": -1.0}, "weight decay must be 0 or more, but is -1.0"),
        ({"ns_steps": 0}, "ns_steps must be at least 1, but is 0"),
    ],
)
def test_muon_refuses_a_setting_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Muon([nn.Parameter(torch.ones(2, 2))], **{"lr": 0.04, **settings})  # type: ignore[arg-type]


def test_muon_refuses_a_parameter_that_is_not_a_matrix() -> None:
    with pytest.raises(ValueError, match=r"only matrices, but got a parameter of shape \(3,\): give it to AdamW"):
        Muon([nn.Parameter(torch.ones(3))], lr=0.04)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_training_resumed_from_state_dicts_is_bit_identical(name: str) -> None:
    model = seeded_model()
    optimizers = optimizers_of(model, optimizer=name, weight_decay=0.1)
    scale_learning_rates(optimizers, 0.7)
    train(model, optimizers, range(5))

    file = io.BytesIO()
    torch.save([optimizer.state_dict() for optimizer in optimizers], file)
    file.seek(0)
    resumed_model = copy.deepcopy(model)
    resumed = optimizers_of(resumed_model, optimizer=name, weight_decay=0.1)
    for optimizer, state in zip(resumed, torch.load(file, weights_only=True), strict=True):
        optimizer.load_state_dict(state)

    assert train(resumed_model, resumed, range(5, 10)) == train(model, optimizers, range(5, 10))
    for ours, theirs in zip(resumed_model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    rates = [[group["initial_lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    assert rates == [[group["initial_lr"] for group in optimizer.param_groups] for optimizer in resumed]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_adamw_is_fused_as_requested_or_if_the_device_allows_it(name: str) -> None:
    def fused(model: nn.Module, choice: Literal["auto", "on", "off"]) -> set[bool | None]:
        return {group["fused"] for group in optimizers_of(model, optimizer=name, fused=choice)[-1].param_groups}

    assert set(_DEVICES_WITH_FUSED_ADAMW) == {"cpu", "cuda", "mps"} & set(_get_fused_kernels_supported_devices())
    assert fused(seeded_model(), "auto") == fused(seeded_model(), "on") == {True}
    assert fused(seeded_model(), "off") == {None}
    without = seeded_model().to("meta")
    assert fused(without, "auto") == {None}
    with pytest.raises(ValueError, match="fused='on' does not work on meta: give --fused off"):
        optimizers_of(without, optimizer=name, fused="on")


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_training_twice_gives_the_same_numbers(name: str) -> None:
    runs = []
    for _ in range(2):
        model = seeded_model()
        runs.append(train(model, optimizers_of(model, optimizer=name), range(5)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_every_parameter_is_in_exactly_one_group(name: str) -> None:
    model = seeded_model()
    optimizers = optimizers_of(model, optimizer=name)
    grouped = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert len({id(p) for p in grouped}) == len(grouped)
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}


def test_muon_takes_the_matrices_and_adamw_the_rest() -> None:
    model = seeded_model()
    muon, adamw = optimizers_of(model, optimizer="muon", learning_rate=0.25, muon_learning_rate=0.5)
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)

    def groups(optimizer: torch.optim.Optimizer) -> list[list[str]]:
        names = {id(p): name for name, p in model.named_parameters()}
        return [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups]

    assert groups(muon) == [["expand.weight", "middle.weight", "shrink.weight"]]
    # The tied head is the token embedding and appears once.
    assert groups(adamw)[0] == ["token_embedding.weight", "position_embedding.weight"]
    assert groups(adamw)[1] == ["norm.weight", "norm.bias", "expand.bias", "middle.bias", "shrink.bias"]
    assert [group["initial_lr"] for group in muon.param_groups + adamw.param_groups] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_only_two_dimensional_tensors_decay(name: str) -> None:
    for optimizer in optimizers_of(seeded_model(), optimizer=name, weight_decay=0.3):
        for group in optimizer.param_groups:
            assert {p.ndim for p in group["params"]} == ({2} if group["weight_decay"] else {1})
            assert group["weight_decay"] in (0.3, 0.0)


def test_frozen_parameters_are_left_out() -> None:
    model = seeded_model()
    model.token_embedding.requires_grad_(False)
    model.middle.requires_grad_(False)
    grouped = {id(p) for optimizer in optimizers_of(model) for group in optimizer.param_groups for p in group["params"]}
    assert grouped == {id(p) for p in model.parameters() if p.requires_grad}


def test_a_model_without_matrices_gets_only_adamw() -> None:
    (optimizer,) = optimizers_of(nn.Sequential(nn.Embedding(4, 3), nn.LayerNorm(3)), optimizer="muon")
    assert isinstance(optimizer, torch.optim.AdamW)


def test_a_model_with_nothing_but_matrices_gets_only_muon() -> None:
    (optimizer,) = optimizers_of(nn.Linear(3, 4, bias=False), optimizer="muon")
    assert isinstance(optimizer, Muon)


def test_an_unknown_optimizer_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"no optimizer called 'sgd'; choose 'muon' or 'adamw'\."):
        optimizers_of(seeded_model(), optimizer="sgd")


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"The model \(TiedModel\) has no parameters to train"):
        optimizers_of(seeded_model().requires_grad_(False))


def test_one_factor_scales_every_rate_from_its_peak() -> None:
    optimizers = optimizers_of(seeded_model(), learning_rate=0.25, muon_learning_rate=0.5)
    for factor in (0.1, 0.5):  # twice, because the factor applies to the peak and not to the current rate
        scale_learning_rates(optimizers, factor)
        rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
        assert rates == pytest.approx([0.5 * factor, 0.25 * factor, 0.25 * factor])


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_the_loss_of_a_small_problem_falls(name: str) -> None:
    model = seeded_model()
    losses = train(model, optimizers_of(model, optimizer=name, weight_decay=0.0), range(60))
    assert losses[0] > 0.9 * math.log(VOCABULARY)
    assert losses[-1] < 0.1
