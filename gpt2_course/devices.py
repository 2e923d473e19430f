"""Choose the device, its precision, and whether to compile; check that the device computes correctly."""

from __future__ import annotations

import os
from contextlib import suppress

import torch
from torch import Tensor, nn

from gpt2_course.loss import linear_cross_entropy, losses_and_gradient
from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.packing import PackedDocuments

TOLERANCE = 0.02  # relative to a tensor's largest value; rounding errors stay below a tenth of this


def best_device(name: str) -> torch.device:
    """The device called `name`, or the fastest one for `auto`; `ValueError` if this computer does not have it."""
    found = [kind for kind in ("cuda", "mps") if getattr(torch, kind).is_available()] + ["cpu"]
    if name == "auto":
        return torch.device(found[0])
    with suppress(RuntimeError):  # if no device has this name
        device = torch.device(name)
        if device.type in found and (device.index or 0) < getattr(torch, device.type).device_count():
            return device
    raise ValueError(f"There is no device {name!r} here: choose auto or one of {', '.join(found)}.")


def best_precision(name: str, device: torch.device) -> str:
    """`name` itself, or for `auto`, bfloat16 if the device supports it natively and float32 otherwise."""
    if name != "auto":
        return name
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"


def can_compile(choice: str, device: torch.device) -> bool:
    """Whether to compile the model; `ValueError` if the choice is `on` and compiling does not work."""
    if choice == "off" or (choice == "auto" and device.type != "cuda"):
        return False
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(1, device=device))
    except Exception as error:  # its type depends on the device
        if choice == "auto":
            return False
        raise ValueError(
            f"compile='on' does not work here ({type(error).__name__}): install a C++ compiler (for cuda, also "
            f"Triton), or give --compile off."
        ) from error
    return True


class CompiledLoss(nn.Module):
    """The loss of a model, compiled in two parts: the layers, and what follows the output head's matrix product.

    As one piece, the compiler would unroll the loop over chunks in `linear_cross_entropy`, often more than a hundred of
    them, into one program that takes many minutes to compile.
    """

    def __init__(self, model: GPT2) -> None:
        super().__init__()
        self.model = model
        self.hidden = torch.compile(model.hidden, dynamic=False)
        self.pointwise = torch.compile(losses_and_gradient)

    def forward(self, tokens: Tensor, targets: Tensor, cache: PackedDocuments | None = None) -> Tensor:
        hidden, weight = self.hidden(tokens, cache).flatten(0, 1), self.model.token_embedding.weight
        return linear_cross_entropy(hidden, weight, targets.flatten(), self.pointwise)


# ---- does a device compute what the CPU computes? Apple's GPUs sometimes silently do not (PyTorch issue 195910) -----


def results(model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
    """What a run relies on, moved to the CPU: logits, gradients, and next-token logits with a cache."""
    found = {"logits": model(tokens)}
    model(tokens[:, :-1], tokens[:, 1:]).backward()
    found |= {f"gradient of {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    with torch.no_grad():
        cache = model.new_cache(len(tokens))
        model.next_token_logits(tokens[:, :-1], cache)
        found["next logits"] = model.next_token_logits(tokens[:, -1:], cache)
    return {name: tensor.detach().cpu() for name, tensor in found.items()}


def difference_from_cpu(device: torch.device, context: int, head_size: int) -> str:
    """What a tiny model computes differently on `device` than on the CPU, in words; empty if nothing.

    Sequences and heads have the sizes of the run, because these determine which kernels the device uses.
    """
    context = max(2, context)  # one token to read and one to predict
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = GPT2Config(
            vocab_size=64, n_positions=context, n_embd=2 * head_size, n_layer=2, n_head=2,
            embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, initializer_range=0.1,
        )  # fmt: skip
        model = GPT2(shape)
        tokens = torch.randint(64, (2, context))
    expected = results(model, tokens)
    model.zero_grad()
    try:
        computed = results(model.to(device), tokens.to(device))
    except (RuntimeError, AssertionError) as error:  # AssertionError: PyTorch was built without this device
        return f"it fails ({str(error).splitlines()[0]})"
    for name, tensor in expected.items():
        difference = float((computed[name] - tensor).abs().max() / tensor.abs().max())
        if not difference <= TOLERANCE:  # true for NaN as well
            return f"its {name} {'are' if name.endswith('logits') else 'is'} off by {difference:.0%}"
    return ""


def working_device(device: torch.device, context: int, head_size: int) -> torch.device:
    """`device` if it computes what the CPU computes; otherwise the CPU, after printing why.

    Raises `ValueError` under torchrun, whose processes must all compute on the same kind of device.
    """
    if device.type == "cpu":
        return device
    difference = difference_from_cpu(device, context, head_size)
    if not difference:
        return device
    problem = f"{device} computes a small model differently from the CPU: {difference}"
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError(f"{problem}; give --device cpu, or exclude this GPU.")
    print(f"{problem}. This run uses the CPU.")
    return torch.device("cpu")
