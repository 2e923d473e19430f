"""The settings of a training run, and their defaults."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

import torch

from gpt2_course.data.text import TINY_WORLD, folder_name
from gpt2_course.files import replacing
from gpt2_course.model import PRESETS, GPT2Config

CONFIG = "train_config.json"
SHORTEST = 64  # tokens, where sequences begin to grow
# what a setting must be, by the type of its default
KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a text"),
}


@dataclass(frozen=True)
class TrainConfig:
    """Everything a training run depends on; the one place of every default.

    The same settings on the same machine with the same number of threads give the same weights, bit for bit. On a CPU
    that other programs keep busy, a run changes that number to stay fast (see `ThreadChoice`), and rounds differently
    from then on. With `OMP_NUM_THREADS` set, it never does.
    """

    preset: str = "laptop"
    """Which size and settings to start from: laptop, story, gpt2, gpt2-medium, gpt2-large, gpt2-xl."""
    data: str = "tiny-world"
    """A .txt, .md, .jsonl or .csv file (or one of them with .gz), a folder or a quoted pattern of them ("texts/*.md"),
    a folder of token shards, or a text's name: tiny-world (tiny-world:100000 for so many documents of it),
    python-manual, shakespeare. In a .txt or .md file, a line with nothing but <|endoftext|> separates documents."""
    column: str = "text"
    """The column of a .jsonl or .csv file to read; each row is a document."""
    out: str = ""
    """The folder the run writes to; if none is given, runs/ and the name of the preset, with that of the text
    where it is not Tiny World: runs/laptop-shakespeare."""
    tokenizer: str = "new"
    """new: learn a vocabulary from the text. gpt2: OpenAI's. Or the folder of a model that has one."""
    model: GPT2Config = PRESETS["laptop"]
    """The model's shape."""
    val_fraction: float = 0.1
    """The share of the text, at its end, to test on; Tiny World has a part of its own for that."""

    steps: int = 2800
    """How many times the weights are changed."""
    growing_steps: int = 1000
    """Steps, the first ones, over which sequences grow from 64 tokens to `context`: what is near is learned first."""
    copying_start: bool = True
    """Attention begins as a copier, which a small model takes long to find out by itself."""
    batch_size: int = 6
    """Sequences a step looks at, at once; under torchrun, in each process: two of them do what one does with twice as
    many. Short ones, while sequences grow, are more, and how many is rounded in each process."""
    context: int = 336
    """Tokens a sequence has."""
    accumulation: int = 1
    """Batches a step adds up before it changes the weights: large batches in little memory."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """muon (for matrices, with AdamW for the rest), or adamw for everything."""
    learning_rate: float = 0.01
    """AdamW's largest step."""
    muon_learning_rate: float = 0.01
    """Muon's largest step."""
    weight_decay: float = 0.1
    """How strongly the weights of matrices are pulled to zero."""
    warmup_steps: int = 20
    """Steps over which the learning rate rises from 0; then it falls along a cosine."""
    final_learning_rate: float = 0.0
    """Where the cosine ends, as a share of the largest learning rate."""
    clip: float = 1.0
    """The gradient is scaled down to this length where it is longer."""
    seed: int = 0
    """Decides every random choice of the run."""
    device: str = "auto"
    """auto takes the fastest there is: cuda, mps or cpu. A device that computes otherwise than the CPU is not used."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16: layers compute with half the digits, weights keep all. auto takes it on cuda, where that is fast."""
    compile: Literal["auto", "on", "off"] = "auto"
    """on makes one program of the model before it trains, which takes a minute; auto does on cuda, where it pays.
    It is made for sequences of full length; while they grow, the model runs as it is."""
    fused: Literal["auto", "on", "off"] = "auto"
    """on makes AdamW change all weights in one go; auto does where the device has a program for it: cuda, mps, cpu."""

    report_every: int = 100
    """Steps between two reports: the loss on held-out text, and a sample of what the model writes."""
    report_windows: int = 64
    """How many sequences of held-out text a report measures the loss on."""
    sample_prompt: str = "Once upon a time"
    """What the samples begin with."""
    sample_tokens: int = 48
    """How many tokens a sample has."""
    log_every: int = 10
    """Steps between two entries of the loss history."""
    checkpoint_every: int = 200
    """Steps between two checkpoints: the most that can be lost."""
    grade_samples: int = 100
    """How many texts of each kind to grade at the end, if the text is Tiny World; 0 for none."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for settings that cannot work."""
        for field in fields(self):
            value = getattr(self, field.name)
            kind, words = KINDS.get(type(field.default), (GPT2Config, "a GPT2Config"))
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise ValueError(f"{field.name} must be {words}, but it is {value!r}.")
        for name in (
            "steps",
            "batch_size",
            "context",
            "accumulation",
            "report_every",
            "report_windows",
            "log_every",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, but it is {getattr(self, name)}.")
        for name in (
            "growing_steps",
            "learning_rate",
            "muon_learning_rate",
            "weight_decay",
            "warmup_steps",
            "final_learning_rate",
            "sample_tokens",
            "grade_samples",
        ):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} must be 0 or more, but it is {getattr(self, name)}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be from 0 up to below 2**32, but it is {self.seed}.")
        if not self.clip > 0:
            raise ValueError(f"clip must be above 0, but it is {self.clip}.")
        if self.context > self.model.n_positions:
            raise ValueError(
                f"context={self.context} is longer than the model's n_positions={self.model.n_positions}: make one "
                f"of them fit the other."
            )
        if self.optimizer not in ("muon", "adamw"):
            raise ValueError(f"There is no optimizer {self.optimizer!r}; choose muon or adamw.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"There is no precision {self.precision!r}; choose auto, float32 or bfloat16.")
        if self.compile not in ("auto", "on", "off"):
            raise ValueError(f"compile must be auto, on or off, but it is {self.compile!r}.")
        if self.fused not in ("auto", "on", "off"):
            raise ValueError(f"fused must be auto, on or off, but it is {self.fused!r}.")

    @property
    def folder(self) -> Path:
        text = "" if self.data.partition(":")[0] == TINY_WORLD else f"-{folder_name(self.data)}"
        return Path(self.out or f"runs/{self.preset}{text}")

    @classmethod
    def for_preset(cls, name: str) -> TrainConfig:
        """The settings that go with a model size: `laptop`, `story`, `gpt2`, `gpt2-medium` …"""
        model = GPT2Config.preset(name)
        if name == "laptop":
            return cls()
        if name == "story":
            return cls(
                preset=name,
                data="tiny-world:300000",
                model=model,
                batch_size=16,
                learning_rate=0.02,
                muon_learning_rate=0.02,
                warmup_steps=50,
                steps=5000,
                report_every=250,
                report_windows=256,
                sample_tokens=200,
            )
        # the settings of the course for GPT-2: batch 16, sequences of 512, learning rate 0.001
        return cls(
            preset=name,
            model=model,
            tokenizer="gpt2",
            batch_size=16,
            context=512,
            growing_steps=0,
            copying_start=False,
            learning_rate=0.001,
            muon_learning_rate=0.04,
            steps=20_000,
            warmup_steps=700,
            report_every=500,
        )

    def write(self, folder: Path) -> None:
        """Keeps the settings in the run's folder, where `read` finds them."""
        with replacing(folder / CONFIG) as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> TrainConfig:
        """The settings of the run in `folder`."""
        path = folder / CONFIG
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**settings, "model": GPT2Config(**settings["model"])})
        except FileNotFoundError:
            raise FileNotFoundError(
                f"There is no run to go on with in {folder}: start one without --resume, or give --out FOLDER."
            ) from None
        except (TypeError, KeyError, ValueError) as error:
            reason = str(error).rstrip(".") if isinstance(error, ValueError) else repr(error)
            raise ValueError(
                f"{path} holds no settings of a run ({reason}): mend it, or start another run with another --out."
            ) from error


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """The share of the largest learning rate to use: a line up to 1, then half a cosine (Loshchilov & Hutter, 2017)."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_learning_rate + (1 - config.final_learning_rate) * (1 + math.cos(math.pi * progress)) / 2


def sequence_length(step: int, config: TrainConfig) -> int:
    """The tokens of a sequence: more with every step, along a line, up to `context` (Li, Zhang & He, 2022).

    To learn that a name comes back, a model must find the one place among all before it that matters. Among 60 it finds
    it much sooner than among 300; and once it knows what to look for, it finds it at any distance.
    """
    shortest = min(SHORTEST, config.context)
    progress = min(1.0, step / config.growing_steps) if config.growing_steps else 1.0
    return shortest + int((config.context - shortest) * progress)


def best_device(name: str = "auto") -> torch.device:
    """The device by name; for `auto` the fastest there is. `ValueError` for one this computer does not have."""
    found = [kind for kind in ("cuda", "mps") if getattr(torch, kind).is_available()] + ["cpu"]
    if name == "auto":
        return torch.device(found[0])
    with suppress(RuntimeError):  # for what is no device's name
        device = torch.device(name)
        if device.type in found and (device.index or 0) < getattr(torch, device.type).device_count():
            return device
    raise ValueError(f"There is no device {name!r} here; choose auto or one of {', '.join(found)}.")


def best_precision(name: str, device: torch.device) -> str:
    """The precision by name; for `auto` bfloat16 where the device computes with it, and else float32."""
    if name != "auto":
        return name
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"


def can_compile(choice: str, device: torch.device) -> bool:
    """Whether to compile the model; `ValueError` where that was asked for and does not work."""
    if choice == "off" or (choice == "auto" and device.type != "cuda"):
        return False
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(1, device=device))
    except Exception as error:  # of many kinds: what is needed depends on the device
        if choice == "auto":
            return False
        raise ValueError(
            f"compile='on' does not work here ({type(error).__name__}): install a C++ compiler (for cuda, also "
            f"Triton), or give --compile off."
        ) from error
    return True
