"""A device that computes wrongly is detected before a run starts on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer, devices
from gpt2_course.devices import difference_from_cpu, results, working_device

MPS = torch.device("mps")
TEXT = "The fox and the owl shared a plum. The hen and the mole ran home.\n" * 40


class Stub:
    """Computes on the CPU in place of a device, and multiplies results of the second call, the device's, by `wrong`."""

    def __init__(self, wrong: dict[str, Tensor | float]) -> None:
        self.wrong = wrong
        self.calls = 0

    def __call__(self, model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        found = results(model, tokens)
        if self.calls == 2:
            found |= {name: found[name] * factor for name, factor in self.wrong.items()}
        return found


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor | float]:
    """A fake device named mps, which is the CPU; it multiplies each result by the factor that a test sets here."""
    wrong: dict[str, Tensor | float] = {}
    monkeypatch.setattr(devices, "results", Stub(wrong))
    monkeypatch.setattr(GPT2, "to", lambda self, device: self)
    to = Tensor.to
    monkeypatch.setattr(Tensor, "to", lambda self, *args, **more: self if args == (MPS,) else to(self, *args, **more))
    monkeypatch.setattr(torch.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "device_count", lambda: 1)
    return wrong


@pytest.mark.parametrize("name", ["logits", "next logits", "gradient of blocks.1.attention.qkv.weight"])
@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_wrong_logits_and_gradients_are_detected(stub: dict[str, Tensor | float], name: str, factor: float) -> None:
    assert difference_from_cpu(MPS, 64, 16) == ""
    devices.results.calls = 0  # type: ignore[attr-defined]
    stub[name] = factor
    assert difference_from_cpu(MPS, 64, 16).startswith(f"its {name} ")


def test_rounding_errors_are_allowed(stub: dict[str, Tensor | float]) -> None:
    stub |= dict.fromkeys(("logits", "next logits"), 1 + 2**-10)  # TF32 has ten binary digits
    assert difference_from_cpu(MPS, 64, 16) == ""


def test_attention_that_sees_the_future_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = torch.nn.functional.scaled_dot_product_attention
    model = GPT2(GPT2Config(64, 16, 32, 2, 2, 0.0, 0.0, 0.0, initializer_range=0.1))
    tokens = torch.arange(16).repeat(2, 1)
    right = results(model, tokens)
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *args, **more: attention(*args, **{**more, "is_causal": False}),
    )
    wrong = results(model, tokens)
    off = (right["logits"] - wrong["logits"]).abs().max() / right["logits"].abs().max()
    assert off > 5 * devices.TOLERANCE


@pytest.mark.parametrize("device", ["auto", "mps"])
def test_a_run_on_a_device_that_computes_wrongly_uses_the_cpu_and_says_so(
    stub: dict[str, Tensor | float], device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    stub["logits"] = 2.0
    shape = GPT2Config(300, 32, 32, 1, 2)
    config = TrainConfig(model=shape, data=str(tmp_path / "text.txt"), out=str(tmp_path / "run"), context=32, steps=1)
    trainer = Trainer.from_config(replace(config, device=device))
    assert trainer.model.device == torch.device("cpu")
    assert capsys.readouterr().out.startswith(
        "mps computes a small model differently from the CPU: its logits are off by 100%. This run uses the CPU.\n"
    )


def test_a_device_that_fails_is_replaced_by_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    device = torch.device("meta")  # tensors without numbers
    assert working_device(device, 32, 16) == torch.device("cpu")
    assert f"{device} computes a small model differently from the CPU: it fails (" in capsys.readouterr().out


def test_the_processes_of_a_run_do_not_use_different_devices(
    stub: dict[str, Tensor | float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    stub["logits"] = 2.0
    with pytest.raises(ValueError, match="off by 100%; give --device cpu, or exclude this GPU"):
        working_device(MPS, 32, 16)


def test_the_cpu_is_not_compared_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(devices, "results")
    assert working_device(torch.device("cpu"), 32, 16) == torch.device("cpu")


def test_the_comparison_does_not_change_a_runs_random_numbers(stub: dict[str, Tensor | float]) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    difference_from_cpu(MPS, 32, 16)
    assert torch.equal(torch.rand(3), expected)
