"""Fine-tuning: adapters against all parameters, and ours against `transformers`.

`python -m benchmarks.finetune` prints the table and writes finetune.md; `--tiny` only shows that it runs. The text is
Shakespeare's plays, 1.1 MB. GPT-2 124M has random weights, which take the same time as OpenAI's. The peer is the
`Trainer` of transformers, which needs `pip install accelerate`; without it, the peer is a loop that does what that
`Trainer` does. All sides start from the same weights, read the same windows in the same order, and have the same
settings of AdamW. Reports and checkpoints are off.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler
from transformers import GPT2LMHeadModel, TrainingArguments, get_cosine_schedule_with_warmup

from benchmarks.__main__ import HEADER, table_line
from benchmarks.measure import SHAKESPEARE, Row, in_new_process, peak_memory, seconds, side_by_side
from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig
from gpt2_course.data import TokenStream
from gpt2_course.evaluation import evenly_spaced_windows, mean_loss
from gpt2_course.optimizers import ADAMW_BETAS
from gpt2_course.training import FineTuner

PEER = "transformers' Trainer" if find_spec("accelerate") else "the loop of transformers' Trainer"
VAL_WINDOWS = 64


@dataclass(frozen=True)
class Task:
    """A model to fine-tune, and how much of it to measure."""

    name: str
    what: str
    context: int
    rounds: int  # of single steps
    run_steps: int  # of a run beside the peer
    run_rounds: int


TASKS = {
    task.name: task
    for task in (
        Task("tiny-world", "the shipped model, 6×6×192", 256, 15, 300, 3),
        Task("gpt2", "GPT-2 124M", 512, 5, 4, 3),
        Task("tiny", "a tiny model", 24, 1, 3, 1),
    )
}


def start(name: str) -> GPT2:
    """The model to start from."""
    if name == "tiny-world":
        return GPT2.from_pretrained()
    torch.manual_seed(0)
    if name == "gpt2":
        return GPT2()
    tokenizer = Tokenizer.train(["to be or not to be"], 270)
    return GPT2(GPT2Config(tokenizer.vocab_size, 32, 32, 2, 2, 0.0, 0.0, 0.0), tokenizer)


@cache
def text(name: str) -> tuple[TokenStream, TokenStream]:
    """The text as tokens of the model's tokenizer: the first 90% for training, the rest for validation."""
    words = "to be or not to be " * 100 if name == "tiny" else SHAKESPEARE.read_text(encoding="utf-8")
    tokenizer = start(name).require_tokenizer()
    ids = np.array(tokenizer.encode(words), dtype=np.uint16)
    cut = int(0.9 * len(ids))
    return TokenStream([ids[:cut]], tokenizer.vocab_size), TokenStream([ids[cut:]], tokenizer.vocab_size)


def ours(task: Task, preset: str = "finetune", steps: int = 0) -> FineTuner:
    """A trainer of our own; by default, for as many steps as the text calls for."""
    config = replace(TrainConfig.for_preset(preset), context=task.context, steps=steps)
    return FineTuner(start(task.name), *text(task.name), config)


def held_out(model: GPT2, task: Task) -> float:
    """The loss on the validation text, in nats per token."""
    _, val = text(task.name)
    return mean_loss(model, val, evenly_spaced_windows(val, task.context + 1, VAL_WINDOWS), task.context, 8)


# ---- adapters or all parameters ----------------------------------------------------------------------------------


def adapter_rows(task: Task) -> Iterator[Row]:
    lora, full = ours(task, "lora"), ours(task)
    a, b, ratio = side_by_side(lora.train_step, full.train_step, task.rounds)
    size = f"{full.config.batch_size} × {task.context} tokens"
    yield Row(f"a step with adapters, {task.what}, {size}", "all parameters", a, b, "s", ratio, "≤ 1")
    minutes = full.config.steps / 60
    what = f"a run of {full.config.steps:,} such steps, on 1 MB of text"
    yield Row(what, "all parameters", a * minutes, b * minutes, "min", ratio, "≤ 1")
    count = lora.trained_parameters, full.trained_parameters
    yield Row("parameters trained", "all parameters", count[0], count[1], "", count[0] / count[1], "≤ 0.05")
    peak = [in_new_process("benchmarks.finetune", "--peak", side, "--model", task.name)["peak"] for side in PEAKS]
    yield Row("peak memory of such a step", "all parameters", peak[1], peak[0], "MB", peak[1] / peak[0], "≤ 1")
    yield Row("peak memory, all parameters", PEER, peak[0], peak[2], "MB", peak[0] / peak[2], "≤ 1")


# ---- ours or transformers ----------------------------------------------------------------------------------------


def windows(trainer: FineTuner) -> Tensor:
    """All the rows (steps × B, T + 1) that our trainer reads, in order."""
    steps = range(trainer.config.steps)
    return torch.cat([trainer._rows(torch.Generator().manual_seed(trainer._seed_of(step))) for step in steps])


def their_model(task: Task) -> GPT2LMHeadModel:
    """The same start in the classes of transformers."""
    with TemporaryDirectory() as folder:
        start(task.name).save_pretrained(folder)
        return GPT2LMHeadModel.from_pretrained(folder)


class Windows(Dataset):  # type: ignore[type-arg]
    """Rows of tokens as transformers reads them; the model shifts the labels itself."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"input_ids": self.rows[i], "labels": self.rows[i]}


class InOrder(transformers.Trainer):
    """Their trainer, which reads the windows in our order."""

    def _get_train_sampler(self, train_dataset: object = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def their_trainer(model: GPT2LMHeadModel, rows: Tensor, config: TrainConfig) -> Callable[[], object]:
    """A run of transformers' `Trainer` with our settings."""
    folder = TemporaryDirectory()
    arguments = TrainingArguments(
        output_dir=folder.name,
        per_device_train_batch_size=config.batch_size,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        adam_beta1=ADAMW_BETAS[0],
        adam_beta2=ADAMW_BETAS[1],
        max_grad_norm=config.clip,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_steps,
        optim="adamw_torch_fused",
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=config.seed,
    )
    trainer = InOrder(model=model, args=arguments, train_dataset=Windows(rows))
    trainer.remove_callback(transformers.PrinterCallback)

    def run() -> None:
        trainer.train()
        folder.cleanup()

    return run


def their_loop(model: GPT2LMHeadModel, rows: Tensor, config: TrainConfig) -> Callable[[], object]:
    """What that `Trainer` does: their model and its loss, PyTorch's fused AdamW, their schedule."""
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, ADAMW_BETAS, weight_decay=config.weight_decay, fused=True
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, config.warmup_steps, config.steps)

    def run() -> None:
        model.train()
        for batch in rows.split(config.batch_size):
            model(batch, labels=batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    return run


def theirs(model: GPT2LMHeadModel, rows: Tensor, config: TrainConfig) -> Callable[[], object]:
    """A run of the peer."""
    return (their_trainer if find_spec("accelerate") else their_loop)(model, rows, config)


def our_loss(model: GPT2LMHeadModel, task: Task) -> float:
    """The validation loss of a model of theirs, measured like that of ours."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return held_out(GPT2.from_pretrained(folder), task)


def peer_rows(task: Task) -> Iterator[Row]:
    times, losses = [], []
    for _ in range(task.run_rounds + 1):  # the first round is a warm-up
        trainer, model = ours(task, steps=task.run_steps), their_model(task)
        run = theirs(model, windows(trainer), trainer.config)

        def our_run(trainer: FineTuner = trainer) -> None:
            while trainer.step < task.run_steps:
                trainer.train_step()

        times.append((seconds(our_run), seconds(run)))
        losses.append((held_out(trainer.model, task), our_loss(model, task)))
    measured = times[1:]
    a, b = (median(side) for side in zip(*measured, strict=True))
    what = f"fine-tuning {task.what}, {task.run_steps} steps of 4 × {task.context} tokens"
    yield Row(what, PEER, a, b, "s", median(x / y for x, y in measured), "≤ 0.9")
    x, y = losses[-1]
    yield Row("held-out loss after that", PEER, x, y, "nats per token", x / y, "≤ 1.01")


# ---- the command -------------------------------------------------------------------------------------------------


def peak_of(side: str, task: Task) -> float:
    """The peak memory of a process that takes three steps, in MB."""
    trainer = ours(task, "lora" if side == "lora" else "finetune", steps=3)
    if side == "theirs":
        rows, config = windows(trainer), trainer.config
        del trainer
        theirs(their_model(task), rows, config)()
    else:
        for _ in range(3):
            trainer.train_step()
    return peak_memory()


PEAKS = ("full", "lora", "theirs")  # the sides whose memory is measured


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a tiny model on a tiny text")
    parser.add_argument("--peak", choices=PEAKS, help="only measure the memory of this side")
    parser.add_argument("--model", choices=TASKS, default="gpt2", help="the model for --peak")
    options = parser.parse_args(arguments)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if options.peak:
        print(json.dumps({"peak": peak_of(options.peak, TASKS[options.model])}))
        return 0
    if not options.tiny and not SHAKESPEARE.exists():
        print(f"This benchmark needs {SHAKESPEARE.name}, but it is missing: put it in ../shared/data.", file=sys.stderr)
        return 1
    print(HEADER)
    lines = []
    for task in [TASKS["tiny"]] if options.tiny else [TASKS["tiny-world"], TASKS["gpt2"]]:
        for benchmark in (adapter_rows, peer_rows):
            for row in benchmark(task):
                lines.append(table_line(row))
                print(lines[-1], flush=True)
    if not options.tiny:
        libraries = ", ".join(f"{n} {version(n)}" for n in ("torch", "transformers"))
        about = (
            f"# Fine-tuning\n\nMeasured by `python -m benchmarks.finetune` on {date.today()}: {os.cpu_count()} cores, "
            f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
            f"{libraries}. The two sides of each pair take turns within one run. The table shows medians, and the "
            f"median of the ratios ours / theirs. Memory is that of a process that takes three steps. Adapters have "
            f"rank {TrainConfig.for_preset('lora').lora}. GPT-2 124M has random weights. Reports and checkpoints are "
            f"off."
        )
        Path(__file__).with_name("finetune.md").write_text(
            f"{about}\n\n{HEADER}\n" + "\n".join(lines) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
