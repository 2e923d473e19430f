"""The settings of a training run. Their defaults are defined only in `TrainConfig` and `PRESETS`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import tyro

from gpt2_course.checkpoint import read_config
from gpt2_course.data import DataSpec
from gpt2_course.data.formats import COLUMN
from gpt2_course.data.text import VAL_FRACTION
from gpt2_course.files import replacing
from gpt2_course.model import GPT2Config
from gpt2_course.optimizers import OPTIMIZERS
from gpt2_course.sources import find_model

CONFIG = "train_config.json"
WORLD = "world.toml"  # a copy of the file that adds to Tiny World
# What a setting must be, by the type of its default.
KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    str: (str, "a string"),
}
AT_LEAST_1 = (
    "batch_size", "context", "accumulation", "report_every", "report_sequences", "log_every",
    "checkpoint_every",
)  # fmt: skip
AT_LEAST_0 = (
    "learning_rate", "muon_learning_rate", "weight_decay", "warmup_steps", "final_lr_fraction", "sample_tokens",
    "grade_samples", "lora", "patience", "kl_weight",
)  # fmt: skip
# Settings that had another name in the first edition, whose runs can still be resumed.
RENAMED = {"final_learning_rate": "final_lr_fraction", "report_windows": "report_sequences"}
REMOVED = {"growing_steps"}  # settings that are gone
TUNING = ("finetune", "lora", "friend")  # the presets that train a finished model on a text


@dataclass(frozen=True)
class TrainConfig:
    """Everything a training run depends on.

    The same settings on the same machine with the same number of threads give the same weights, bit for bit. On a CPU
    shared with other busy programs, a run may change the number of threads to stay fast (see `ThreadChoice`), which
    changes rounding from then on. It never changes the number if `OMP_NUM_THREADS` or
    `MKL_NUM_THREADS` is set.
    """

    preset: str = "laptop"
    """The size and settings to start from: laptop, story, gpt2, gpt2-medium, gpt2-large, gpt2-xl. With --from, finetune
    is the default, with --lora it is lora, and with --reward it is reward. friend teaches the model that comes with the
    course to answer."""
    data: str = "tiny-world"
    """A .txt, .md, .jsonl, or .csv file (or its .gz), a folder or a quoted pattern of such files ("texts/*.md"), a
    folder of token shards, or the name of a text: tiny-world (tiny-world:100000 for that many documents),
    tiny-world-dialogues, python-manual, shakespeare; or a .toml file that adds to Tiny World (see gpt2-course world).
    In a .txt or .md file, a line with nothing but <|endoftext|> separates documents."""
    column: str = COLUMN
    """The column to read from a .jsonl or .csv file; each row is a document. If a .jsonl file has no such column but
    messages, or prompt and completion, its rows are dialogues, and only their answers are learned."""
    out: str = ""
    """The folder for the run. By default runs/ plus the name of the preset, followed by the name of the text unless it
    is Tiny World, as in runs/laptop-shakespeare."""
    tokenizer: str = "new"
    """new: learn a vocabulary from the text. gpt2: use OpenAI's. Or the folder of a model whose tokenizer to use."""
    model: GPT2Config = GPT2Config.preset("laptop")  # noqa: RUF009, because it is frozen
    """The shape of the model."""
    val_fraction: float = VAL_FRACTION
    """The share of the text to validate on, taken from its end. Tiny World has its own validation part."""

    steps: int = 2800
    """Training steps; each updates the parameters once. With --from, 0 means as many as it takes to read the text three
    times, and at least 50."""
    copying_start: bool = True
    """Initialize attention to copy what it finds, which a small model is slow to learn."""
    batch_size: int = 6
    """Sequences per batch; under torchrun, per process, so two processes train like one with twice as many."""
    context: int = 336
    """Tokens per sequence. With --from, a text that is too short for this gets shorter ones."""
    accumulation: int = 1
    """Batches per step, whose gradients are added up: a large batch in little memory."""
    optimizer: str = "muon"
    """muon: Muon for the matrices and AdamW for the rest. adamw: AdamW for everything."""
    learning_rate: float = 0.01
    """The peak learning rate of AdamW."""
    muon_learning_rate: float = 0.01
    """The peak learning rate of Muon."""
    weight_decay: float = 0.1
    """How strongly matrices are pulled toward zero."""
    warmup_steps: int = 20
    """Steps over which the learning rate rises from 0, before it falls along a cosine."""
    final_lr_fraction: float = 0.0
    """Where the cosine ends, as a fraction of the peak learning rate."""
    clip: float = 1.0
    """The largest allowed norm of the gradient; a longer one is scaled down."""
    seed: int = 0
    """Determines every random choice of the run."""
    device: str = "auto"
    """auto picks the fastest available of cuda, mps, and cpu. A device that gives wrong results is not used."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16: layers compute in 16 bits, parameters stay in 32. auto uses it on cuda if the GPU supports it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """on compiles the model before training, which takes a minute; auto does so on cuda, where it pays off."""
    fused: Literal["auto", "on", "off"] = "auto"
    """on makes AdamW update all parameters in one kernel; auto does so on devices that have one: cuda, mps, cpu."""

    report_every: int = 100
    """Steps between reports, each with the validation loss and a sample."""
    report_sequences: int = 64
    """Validation sequences per report."""
    sample_prompt: str = "Once upon a time"
    """The beginning of each sample; with dialogues, the question that each sample answers. With --from, an empty one
    stands for the first words, or the first question, of the validation text."""
    sample_tokens: int = 48
    """Tokens per sample."""
    log_every: int = 10
    """Steps between entries of the training loss in the history."""
    checkpoint_every: int = 200
    """Steps between checkpoints: the most that can be lost."""
    grade_samples: int = 100
    """How many texts of each kind to grade at the end, if the text is Tiny World; 0 for none."""

    start: Annotated[str, tyro.conf.arg(name="from")] = ""
    """The model to start from, with its tokenizer: a model's folder; tiny-world; OpenAI's gpt2, gpt2-medium,
    gpt2-large, or gpt2-xl; or OWNER/NAME of a GPT-2 on the Hugging Face hub. It is fine-tuned on the text, or learns
    from a reward."""
    lora: int = 0
    """With --from: freeze the model and train only adapters of this rank beside the matrices of its blocks, which takes
    less memory; 0 trains all parameters."""
    patience: int = 3
    """With --from: stop after this many times `report_every` steps without a lower validation loss; 0 never stops
    early. The run's folder keeps the model with the lowest validation loss."""
    reward: str = ""
    """judge: let a trained model learn from the judge of Tiny World, which rewards texts that keep all the rules. Each
    batch is a group of texts that the model writes to one prompt; `context` limits their length."""
    kinds: str = "all"
    """With a reward: the kinds of texts to write, separated by commas: story, reading, song, facts, musing."""
    method: Literal["policy-gradient", "best-of-n", "dpo"] = "policy-gradient"
    """With a reward: how to learn from it. policy-gradient: make texts better than their group's mean likelier.
    best-of-n: imitate the best of every 4 texts. dpo: prefer better texts to worse ones, pair by pair."""
    kl_weight: float = 0.1
    """With a reward: how strongly the model is held to the one it started from; 0 lets it go anywhere."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for settings that cannot work."""
        for field in fields(self):
            value = getattr(self, field.name)
            kind, words = KINDS.get(type(field.default), (GPT2Config, "a GPT2Config"))
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise ValueError(f"{field.name} must be {words}, but is {value!r}.")
        for name in AT_LEAST_1:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, but is {getattr(self, name)}.")
        for name in AT_LEAST_0:
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} must be finite and at least 0, but is {getattr(self, name)}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be an integer from 0 to 2**32 - 1, but is {self.seed}.")
        if not self.clip > 0:
            raise ValueError(f"clip must be above 0, but is {self.clip}.")
        if self.context > self.model.n_positions:
            raise ValueError(
                f"context={self.context} is longer than the model's n_positions={self.model.n_positions}: lower "
                f"context or raise n_positions."
            )
        if self.steps < (0 if self.preset in TUNING else 1):
            raise ValueError(f"steps must be at least {0 if self.preset in TUNING else 1}, but is {self.steps}.")
        choices = {name: get_args(hint) for name, hint in get_type_hints(TrainConfig).items()}
        choices["optimizer"] = tuple(OPTIMIZERS)
        for name, allowed in choices.items():
            if allowed and getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {_either(allowed)}, but is {getattr(self, name)!r}.")

    @property
    def folder(self) -> Path:
        """The folder for the run, either `out` or runs/ plus the names of the preset and the text."""
        spec = DataSpec.parse(self.data)
        text = f"-{spec.folder_name}" if spec.kind != "tiny-world" or spec.is_own_world else ""
        return Path(self.out or f"runs/{self.preset}{text}")

    @property
    def fine_tunes(self) -> bool:
        """Whether these settings train a finished model on a text."""
        return not self.reward and (bool(self.start or self.lora) or self.preset in TUNING)

    @classmethod
    def for_preset(cls, name: str, start: str = "") -> TrainConfig:
        """The settings of a preset: `laptop`, `story`, `gpt2`, `gpt2-medium`, `gpt2-large`, `gpt2-xl`; `finetune`,
        `lora`, or `reward`, which need a model to start from; or `friend`, which starts from the course's own.

        If that is given as `start`, a folder or a name, the settings have its shape. Raises `FileNotFoundError`,
        `ConnectionError`, or `ValueError` if it cannot be found or read.
        """
        start = start or PRESETS.get(name, {}).get("start", "")
        if start:
            shape = GPT2Config.from_dict(read_config(find_model(start)))
        else:
            shape = GPT2Config.preset({"finetune": "gpt2", "lora": "gpt2", "reward": "laptop"}.get(name, name))
        context = min(PRESETS[name].get("context", cls.context), shape.n_positions)
        return cls(**{**PRESETS[name], "preset": name, "model": shape, "context": context, "start": start})

    def save(self, folder: Path) -> None:
        """Write the settings to a run's folder, from which `load` reads them."""
        with replacing(folder / CONFIG) as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TrainConfig:
        """The settings of the run in `folder`; `FileNotFoundError` or `ValueError` if there are none.

        If the run has a world of its own, `data` is the copy in the folder, even if that was moved.
        """
        path = folder / CONFIG
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            settings = {RENAMED.get(name, name): value for name, value in stored.items() if name not in REMOVED}
            if (world := folder / WORLD).exists():
                settings |= {"data": f"{world}:{DataSpec.parse(settings['data']).n_documents}", "out": str(folder)}
            return cls(**{**settings, "model": GPT2Config(**settings["model"])})
        except FileNotFoundError:
            raise FileNotFoundError(
                f"There is no run to resume in {folder}: start one without --resume, or give its folder with --out."
            ) from None
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            reason = str(error).rstrip(".") if isinstance(error, ValueError) else repr(error)
            raise ValueError(
                f"{path} does not contain the settings of a run ({reason}): correct it, or start a new run "
                f"with a different --out."
            ) from error


def _either(names: Sequence[str]) -> str:
    """Names as a choice within a sentence: "a or b", "a, b, or c"."""
    *rest, last = names
    return f"{', '.join(rest)}{',' * (len(rest) > 1)} or {last}"


# The course's settings for models with GPT-2's vocabulary.
_GPT2: dict[str, Any] = {
    "tokenizer": "gpt2",
    "batch_size": 16,
    "context": 512,
    "copying_start": False,
    "learning_rate": 0.001,
    "muon_learning_rate": 0.04,
    "steps": 20_000,
    "warmup_steps": 700,
    "report_every": 500,
}
# The course's settings for a finished model on a new text. Its rate is low, because much of what it knows is to stay.
_FINETUNE: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": 1e-4,
    "muon_learning_rate": 1e-3,
    "weight_decay": 0.0,
    "warmup_steps": 10,
    "steps": 0,
    "batch_size": 4,
    "context": 512,
    "report_every": 25,
    "report_sequences": 32,
    "checkpoint_every": 25,
    "log_every": 5,
    "sample_prompt": "",
}
# What each preset changes from the defaults above. Its shape has the same name in `gpt2_course.model.SHAPES`, but
# "finetune", "lora", and "reward" take the shape of the model they start from.
PRESETS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "story": {
        "data": "tiny-world:300000",
        "batch_size": 16,
        "learning_rate": 0.012,
        "muon_learning_rate": 0.012,
        "steps": 12_000,
        "warmup_steps": 50,
        "report_every": 600,
        "report_sequences": 256,
        "sample_tokens": 200,
    },
    "reward": {
        "reward": "judge",
        "batch_size": 96,
        "steps": 80,
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "warmup_steps": 0,
        "final_lr_fraction": 1.0,
        "precision": "float32",
        "compile": "off",
        "report_every": 10,
        "checkpoint_every": 10,
        "log_every": 1,
    },
    "finetune": _FINETUNE,
    "friend": {
        **_FINETUNE,
        "start": "tiny-world",
        "out": "runs/friend",
        "data": "tiny-world-dialogues:9000",
        "optimizer": "muon",  # as in the training of the model it starts from
        "steps": 480,
        "batch_size": 8,
        "context": 336,
        "learning_rate": 3e-4,
        "patience": 0,
        "report_every": 100,
        "report_sequences": 64,
        "checkpoint_every": 100,
        "sample_prompt": "Where does Tuck live?",
    },
    "lora": {**_FINETUNE, "lora": 8, "learning_rate": 1e-3},
    "gpt2": _GPT2,
    "gpt2-medium": _GPT2,
    "gpt2-large": _GPT2,
    "gpt2-xl": _GPT2,
}
