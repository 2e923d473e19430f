"""Does a device compute what the CPU computes? Apple's GPUs sometimes do not, silently (PyTorch's issue 195910)."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from gpt2_course.model import GPT2, GPT2Config

TOLERANCE = 0.02  # of the largest number of a tensor; rounding stays below a tenth of it


def results(model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
    """What a run relies on: logits, gradients, and the logits of the next token when writing. All on the CPU."""
    found = {"logits": model(tokens)}
    model(tokens[:, :-1], tokens[:, 1:]).backward()
    found |= {f"gradient of {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    with torch.no_grad():
        cache = model.new_cache(len(tokens))
        model.next_token_logits(tokens[:, :-1], cache)
        found["next logits"] = model.next_token_logits(tokens[:, -1:], cache)
    return {name: tensor.detach().cpu() for name, tensor in found.items()}


def mistake_of(device: torch.device, context: int, head_size: int) -> str:
    """What a tiny model computes differently on `device` than on the CPU, in words; "" if nothing.

    Its sequences and heads have the sizes of the run, on which it depends which of a device's programs are used.
    """
    context = max(2, context)  # one to read and one to predict
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT2(GPT2Config(64, context, 2 * head_size, 2, 2, 0.0, 0.0, 0.0, initializer_range=0.1))
        tokens = torch.randint(64, (2, context))
    expected = results(model, tokens)
    model.zero_grad()
    try:
        computed = results(model.to(device), tokens.to(device))
    except (RuntimeError, AssertionError) as error:  # AssertionError: PyTorch was built without this device
        return f"it fails ({str(error).splitlines()[0]})"
    for name, tensor in expected.items():
        difference = float((computed[name] - tensor).abs().max() / tensor.abs().max())
        if not difference <= TOLERANCE:  # also for one that is not a number
            return f"its {name} {'are' if name.endswith('logits') else 'is'} off by {difference:.0%}"
    return ""


def working_device(device: torch.device, context: int, head_size: int) -> torch.device:
    """`device` if it computes what the CPU does; otherwise the CPU, with a sentence that says why.

    Raises `ValueError` under torchrun, whose processes must all compute on the same kind of device.
    """
    if device.type == "cpu":
        return device
    mistake = mistake_of(device, context, head_size)
    if not mistake:
        return device
    says = f"{device} does not compute a small model as the CPU does: {mistake}"
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError(f"{says}; give --device cpu, or leave this GPU out.")
    print(f"{says}. This run takes the CPU.")
    return torch.device("cpu")
