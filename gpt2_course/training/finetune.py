"""Fine-tuning: a finished model is trained a little longer, on a new text, and the best moment is kept.

The model begins where a long training ended, so a run is short and its steps are small. A small text is soon known by
heart, though: while the training loss still falls, the loss on held-out text rises again. So the run's folder keeps the
model with the lowest validation loss, and the run stops when that has not fallen for a while (early stopping).
"""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from gpt2_course.data import TokenStream, find_shards, read_shards
from gpt2_course.dialogue import TEMPLATE
from gpt2_course.lora import add_adapters, merged
from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training import run_folder
from gpt2_course.training.config import TUNING, TrainConfig
from gpt2_course.training.distributed import SINGLE_PROCESS, Distributed
from gpt2_course.training.trainer import Trainer

EPOCHS = 3  # how many times to read the text
MIN_STEPS = 50  # for a text so short that reading it a few times would change nothing
MIN_CONTEXT = 16  # shorter sequences would teach a model to forget its own past
PROMPT_WORDS = 6
FREE = ("embd_pdrop", "attn_pdrop", "resid_pdrop", "initializer_range")  # of a shape: what does not change the model


class FineTuner(Trainer):
    """Trains a finished model on a text, with the loop, reports, and checkpoints of `Trainer`.

    `from_config` makes one for the model and the text that a `TrainConfig` names, which is best made by
    `TrainConfig.for_preset("finetune", start)`. Dropout is the model's own unless the settings change it.

    The folder's model is the one with the lowest validation loss, so it may be older than the last checkpoint. With
    `config.lora`, only adapters learn (see `gpt2_course.lora`). Checkpoints contain just these, the folder `start` has
    the frozen model, and the folder's model has the adapters merged in.

    Args:
        model: trained in place, on its own device.
        train_data, val_data: tokens of the model's own tokenizer.
        config: the settings; by default, those of the preset "finetune". `steps=0`, an empty `sample_prompt`, and a
            `context` that the text is too short for are replaced by values that fit the text.
        folder, distributed: as for `Trainer`. Without a folder, nothing is kept but the model of the last step.

    Raises `ValueError` for settings or a text that cannot work.
    """

    def __init__(
        self,
        model: GPT2,
        train_data: TokenStream,
        val_data: TokenStream,
        config: TrainConfig | None = None,
        folder: Path | None = None,
        distributed: Distributed = SINGLE_PROCESS,
    ) -> None:
        config = config or TrainConfig.for_preset("finetune")
        config = replace(config, model=model.config, context=min(config.context, model.n_positions))
        config = fitted(config, model.require_tokenizer(), train_data, val_data, distributed.world_size)
        if config.lora:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                add_adapters(model, config.lora)
        super().__init__(model, train_data, val_data, config, folder, distributed)
        self.best_step = 0  # the step with the lowest validation loss so far
        self.best_loss = math.inf  # that loss, in nats per token

    @classmethod
    def _prepare(cls, config: TrainConfig, resume: bool) -> Path:
        check_settings(config)
        if resume:
            return run_folder.prepare(config, resume)
        run_folder.check_folder(config, resume)
        start = run_folder.load_start(config, resume)
        check_shape(config, start.config)
        tokenizer = start.require_tokenizer()
        if (given := find_shards(config.data)) and read_shards(given)[0] != tokenizer:
            raise ValueError(
                f"The shards in {config.data} were made with a different tokenizer from that of {config.start}: "
                f"recreate them with gpt2-course tokenize and its tokenizer."
            )
        shards = run_folder.prepare(config, resume, tokenizer)
        if config.lora:  # checkpoints contain only the adapters, so the frozen model is kept beside them
            start.save_pretrained(config.folder / run_folder.START)
        return shards

    @classmethod
    def _build(cls, config: TrainConfig, tokenizer: Tokenizer, resume: bool) -> GPT2:
        if resume and not config.lora and (config.folder / run_folder.STATE).exists():
            model = GPT2(config.model)  # the checkpoint contains all parameters, so the start is not needed
        else:
            model = run_folder.load_start(config, resume=config.lora > 0)  # `_prepare` has copied it for adapters
        model.tokenizer = tokenizer
        return with_dropout_of(config.model, model)

    # ---- the best model ------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint and, at the step with the lowest validation loss so far, the model."""
        if self.saved_step != self.step:  # a report may have saved this step already
            super().save()

    @property
    def is_finished(self) -> bool:
        return super().is_finished or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss has not fallen for `patience` times `report_every` steps."""
        return 0 < self.config.patience * self.config.report_every <= self.step - self.best_step

    def _report(self, verbose: bool) -> None:
        super()._report(verbose)
        loss = self.history[-1]["val_loss"]
        if loss < self.best_loss:
            self.best_step, self.best_loss = self.step, loss
            self.save()  # now, so that the folder's model is always the best one of its checkpoint

    def _save_model(self, folder: Path) -> None:
        if self.step == self.best_step:
            (merged(self.model) if self.config.lora else self.model).save_pretrained(folder)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "best_step": self.best_step, "best_loss": self.best_loss}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.best_step, self.best_loss = state["best_step"], state["best_loss"]

    # ---- in words ------------------------------------------------------------------------------------------

    def plan(self) -> str:
        """What will be trained, on how many tokens, for how many steps."""
        config = self.config
        tokens_per_step, _ = self._work_per_step()
        times = config.steps * tokens_per_step / len(self.train_data)
        adapters = f"{self.trained_parameters:,} of them, adapters of rank {config.lora} beside frozen matrices"
        return (
            f"Training {adapters if config.lora else 'all of them'}: at most {config.steps:,} steps of "
            f"{tokens_per_step:,} tokens, in sequences of {config.context}, which read the text {times:.1f} times."
        )

    def before_and_after(self) -> str:
        """The validation loss before training and of the model kept, and what both write to the same prompt."""
        reports = {entry["step"]: entry for entry in self.history if "val_loss" in entry}
        early = f"The run stopped early, at step {self.step:,}. " if self.stopped_early else ""
        lines = [
            f"{early}The loss on held-out text was lowest at step {self.best_step:,}, and the folder has the model of "
            f"that step, not the last one."
            if self.best_step < self.step
            else "The loss on held-out text was lowest at the last step, whose model is in the folder."
        ]
        for when, step in (("before", 0), ("after", self.best_step)):
            report = reports.get(step)
            if report is None:  # the user has removed it from the history
                continue
            loss = report["val_loss"]
            lines.append(f"\nHeld-out loss {when}: {loss:.3f} nats per token (perplexity {math.exp(loss):,.1f})")
            lines += [f"{self.config.sample_prompt}{report['sample']}"] if report["sample"] else []
        return "\n".join(lines)


def check_settings(config: TrainConfig) -> None:
    """Raise `ValueError` for settings that do not go with a model to start from."""
    if not config.start:
        option = "--lora" if config.lora else f"--preset {config.preset}"
        raise ValueError(f"{option} trains a finished model further: say which, for example with --from gpt2.")
    if config.preset not in TUNING:
        raise ValueError(
            f"--from has settings of its own, so it does not go with --preset {config.preset}: leave --preset out."
        )
    if config.tokenizer != TrainConfig.tokenizer:
        raise ValueError(
            f"The tokenizer comes with {config.start}, so --from does not go with --tokenizer {config.tokenizer}: "
            f"leave --tokenizer out."
        )


def check_shape(config: TrainConfig, shape: GPT2Config, default: GPT2Config | None = None) -> None:
    """Raise `ValueError` if the settings ask for another shape than the start's; those equal to `default` do not."""
    for name in (field.name for field in fields(shape) if field.name not in FREE):
        asked, has = getattr(config.model, name), getattr(shape, name)
        if asked not in (has, getattr(default, name, has)):
            raise ValueError(
                f"{config.start} has {name}={has}, and training keeps that shape, so {name} cannot be "
                f"{asked}: leave --{name.replace('_', '-')} out."
            )


def fitted(
    config: TrainConfig, tokenizer: Tokenizer, train_data: TokenStream, val_data: TokenStream, world_size: int
) -> TrainConfig:
    """The settings with the context, the number of steps, and the prompt that a text calls for.

    The held-out part of a short text may have fewer tokens than a sequence: then sequences are as long as it is, but no
    shorter than `MIN_CONTEXT`.
    """
    context = min(config.context, max(MIN_CONTEXT, min(len(train_data), len(val_data)) - 1))
    tokens_per_step = config.batch_size * config.accumulation * context * world_size
    steps = config.steps or max(MIN_STEPS, math.ceil(EPOCHS * len(train_data) / tokens_per_step))
    prompt = config.sample_prompt or first_words(tokenizer, val_data)
    return replace(config, context=context, steps=steps, sample_prompt=prompt)


def first_words(tokenizer: Tokenizer, stream: TokenStream) -> str:
    """The first few words of a text, from the first line that has several words; of dialogues, the first question."""
    if not len(stream):
        return ""
    (ids,) = stream.windows([0], min(len(stream), 128)).tolist()
    text = tokenizer.decode([token for token in ids if token != tokenizer.end_of_text])
    if tokenizer.chat_template == TEMPLATE and (asked := re.search(r"^User: (.*)$", text, re.MULTILINE)):
        return asked[1]
    lines = [line.split()[:PROMPT_WORDS] for line in text.splitlines() if line.strip()] or [[]]
    return " ".join(next((words for words in lines if len(words) > 2), lines[0]))


def with_dropout_of(shape: GPT2Config, model: GPT2) -> GPT2:
    """The model with the dropout of another shape; all else stays as it is."""
    if shape == model.config:
        return model
    with torch.device("meta"):
        changed = GPT2(replace(model.config, **{name: getattr(shape, name) for name in FREE}))
    changed.tokenizer = model.tokenizer
    changed.load_state_dict(model.state_dict(), assign=True)
    return changed.requires_grad_(True)
