"""The training loop: one step after another, with reports and checkpoints."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gpt2_course.chat import has_template
from gpt2_course.data import TokenStream, read_shards
from gpt2_course.data.shards import INDEX
from gpt2_course.devices import CompiledLoss, best_precision, can_compile, working_device
from gpt2_course.dialogue import STOPS, Dialogue, Message
from gpt2_course.evaluation import RuleMeter, document_token_losses, evenly_spaced_windows, mean_loss
from gpt2_course.history import Entry, append_entry, one_line, read_history, replace_history
from gpt2_course.lock import reserving
from gpt2_course.loss import IGNORED
from gpt2_course.model import GPT2
from gpt2_course.optimizers import build_optimizers, scale_learning_rates
from gpt2_course.packing import PackedDocuments
from gpt2_course.tiny_world.documents import DEFAULT_WORLD
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training import run_folder
from gpt2_course.training.config import TrainConfig
from gpt2_course.training.distributed import SINGLE_PROCESS, Distributed, local_device
from gpt2_course.training.initialization import start_as_copier
from gpt2_course.training.schedule import is_report_step, learning_rate_factor
from gpt2_course.training.signals import stop_requests
from gpt2_course.training.threads import SideBySide, ThreadChoice, restoring_threads

LEARNING_RATES = ("learning_rate", "muon_learning_rate")


class Trainer:
    """Trains a model on a stream of tokens.

    Every random choice of step n depends only on the seed and n, so a run's position is a single number. A checkpoint
    stores it with the parameters and the optimizers' states, and a run that was killed and resumed ends with exactly
    the parameters of an uninterrupted one.

    Args:
        model: trained in place, on its own device.
        train_data, val_data: token ids for training and validation.
        config: the settings; those that create data and model (`data`, `tokenizer`, `model`) are ignored.
        folder: for checkpoints, the model, and its history; None writes nothing.
        distributed: the processes that train together, each with batches of `config.batch_size`.

    Raises `ValueError` if a text is shorter than one sequence.
    """

    measured: tuple[str, ...] = ("loss",)
    """The names of what a step returns, as the history records them."""

    def __init__(
        self,
        model: GPT2,
        train_data: TokenStream,
        val_data: TokenStream,
        config: TrainConfig,
        folder: Path | None = None,
        distributed: Distributed = SINGLE_PROCESS,
    ) -> None:
        for part, stream in (("training", train_data), ("validation", val_data)):
            if len(stream) <= config.context:
                raise ValueError(
                    f"The {part} text has only {len(stream)} tokens, but a sequence takes {config.context + 1} "
                    f"(context={config.context}, plus one to predict): give more text or a smaller context."
                )
        model.require_unquantized("trained")
        self.model = model
        self.distributed = distributed
        self.precision = best_precision(config.precision, model.device)
        if self.precision == "bfloat16" and model.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # Muon's products stay in fp32, and TF32 is enough for them
        self.compiled = can_compile(config.compile, model.device)
        # (tokens, targets) → loss, with gradients; reports, samples, and checkpoints use the model itself
        loss: nn.Module = CompiledLoss(model) if self.compiled else model
        self._loss = distributed.wrap(loss)
        self.train_data = train_data
        self.val_data = val_data
        self.config = config
        self.folder = folder
        self.world = DEFAULT_WORLD  # whose rules are measured if the text is one of its documents
        self.optimizers = build_optimizers(model, config)
        self.step = 0  # steps done
        self.saved_step: int | None = None  # the step of the newest checkpoint
        self.seconds = 0.0  # spent on training steps
        self.history: list[Entry] = []  # the content of history.jsonl
        self._losses: list[Tensor] = []  # of the steps since the last entry in the history
        self._rates_before: list[float] = []  # the learning rates in the resumed checkpoint
        self._reservation = ExitStack()  # reserves the folder, so that no other process writes to it
        weakref.finalize(self, self._reservation.close)
        # Dropout draws random numbers, whose order would depend on which thread is first.
        c = model.config
        dropout = c.embd_pdrop or c.attn_pdrop or c.resid_pdrop
        self._side_by_side = SideBySide(model.parameters()) if self._uses_threads and not dropout else None
        # Documents that fit into the context are read one by one, as they are when the model is used.
        self._separator = train_data.end_of_text if train_data.fits(config.context) else None
        if distributed.world_size > 1:
            # After the first backward pass, PyTorch regroups gradients for sending, which changes the order in which
            # they are added up. Doing this now makes a resumed run round every step exactly like an uninterrupted one.
            rows = torch.zeros(config.batch_size, 2, config.context, dtype=torch.int64, device=model.device)
            self._backward(rows, rows.numel())
            model.zero_grad()
        # validation on whole documents if they fit into the context, otherwise on windows
        self._val_documents = val_data.documents(config.report_sequences) if val_data.fits(config.context) else []
        self._val_windows = evenly_spaced_windows(val_data, config.context + 1, config.report_sequences)

    @classmethod
    def from_config(cls, config: TrainConfig, resume: bool = False) -> Trainer:
        """A trainer with everything that a run needs, from its settings alone: text, vocabulary, tokens, model.

        With `resume`, the run in `config.folder` continues from its last checkpoint, on the same text (`ValueError` for
        any other); otherwise the folder must not contain a run yet (`FileExistsError`). See `find_corpus` and
        `read_shards` for the errors of a bad text. Under `torchrun`, one process prepares the text for all.

        A device that does not compute what the CPU does is replaced by the CPU (see `working_device`). Until training
        ends, no other process can write to the folder (`BlockingIOError`).
        """
        with ExitStack() as reservation:
            trainer = cls._from_config(config, resume, reservation)
            trainer._reservation.push(reservation.pop_all())
            return trainer

    @classmethod
    def _from_config(cls, config: TrainConfig, resume: bool, reservation: ExitStack) -> Trainer:
        folder = config.folder
        shape = config.model
        device = working_device(local_device(config.device), config.context, shape.n_embd // shape.n_head)
        distributed = Distributed.join(device, folder)
        resume = resume or distributed.restarted

        def prepare() -> Path:
            reservation.enter_context(reserving(folder))
            return cls._prepare(config, resume)

        shards = distributed.run_on_main(prepare)
        if not distributed.all_see(shards / INDEX, folder):
            raise ValueError(
                f"The processes do not all see the same {shards / INDEX} and the same {folder}: put --out (and "
                f"--data) in a folder that all computers share."
            )
        tokenizer, train_data, val_data = read_shards(shards)
        torch.manual_seed(config.seed)
        model = cls._build(config, tokenizer, resume).to(device)
        trainer = cls(model, train_data, val_data, config, folder, distributed)
        trainer.world = run_folder.world_of(folder)
        if resume:
            trainer.resume()
        if distributed.is_main_process:
            if not trainer.is_finished:  # a finished run changes nothing
                trainer.config.save(folder)  # last, so that settings that do not fit the run are never saved
            distributed.mark_started()
        return trainer

    @classmethod
    def _prepare(cls, config: TrainConfig, resume: bool) -> Path:
        """Prepare the run's folder in the main process; return the folder of the token shards."""
        if config.fine_tunes:
            raise ValueError("Trainer starts from random weights: to start from a model, use FineTuner.")
        return run_folder.prepare(config, resume)

    @classmethod
    def _build(cls, config: TrainConfig, tokenizer: Tokenizer, resume: bool) -> GPT2:
        """The model as it is before the first step, or before its state is restored."""
        model = GPT2(replace(config.model, vocab_size=tokenizer.vocab_size), tokenizer)
        if config.copying_start:
            start_as_copier(model)
        return model

    @property
    def is_finished(self) -> bool:
        """Whether there is no step left to do."""
        return self.step >= self.config.steps

    @property
    def trained_parameters(self) -> int:
        """The number of parameters that training changes."""
        return sum(parameter.numel() for parameter in self._trained().values())

    @property
    def fused(self) -> bool:
        """Whether AdamW updates all parameters in one kernel."""
        return any(group.get("fused") for optimizer in self.optimizers for group in optimizer.param_groups)

    # ---- the loop ------------------------------------------------------------------------------------------

    def train(
        self, verbose: bool = True, on_report: Callable[[list[Entry]], object] = lambda history: None
    ) -> list[Entry]:
        """Train up to `config.steps` and return the history; print one line per report.

        `on_report` is called with the history so far after each report, for example to draw a live curve. Ctrl-C (or
        SIGTERM, or SIGHUP) finishes the step, saves, and raises `KeyboardInterrupt`. A second one takes effect at
        once, except under torchrun, which waits at most 30 seconds (its `--shutdown-timeout`).
        """
        config, distributed = self.config, self.distributed

        def report() -> bool:
            self._report(verbose)
            on_report(self.history)
            return self.is_finished

        per_step, unit = self._work_per_step()
        bar = tqdm(
            total=config.steps * per_step,
            initial=self.step * per_step,
            unit=unit,
            unit_scale=True,
            disable=None if verbose and distributed.is_main_process else True,
            dynamic_ncols=True,
        )
        threads = ThreadChoice(self._max_threads())
        with (
            self._reservation,
            bar,
            torch.random.fork_rng(devices=[]),
            restoring_threads(),
            stop_requests() as stop_requested,
        ):
            if self.folder is not None and distributed.is_main_process:
                self._reservation.enter_context(reserving(self.folder))
            finished = self.is_finished
            if self.step == 0 and not self.history:
                distributed.run_on_main(report)
            while not finished:
                began = perf_counter()
                loss, stop = distributed.reduce(self.train_step(), stop_requested.is_set())
                if threads.due(perf_counter() - began, config.steps - self.step) and not stop:
                    torch.set_num_threads(threads.choose(self._time_threads(threads.options)))
                self.seconds += perf_counter() - began
                self._losses.append(loss)
                bar.update(per_step)
                finished = self.step >= config.steps
                if self.step % config.log_every == 0 or finished:
                    self._log()
                if finished or is_report_step(self.step, config):
                    finished = distributed.run_on_main(report)
                if self.step % config.checkpoint_every == 0 or finished or stop:
                    distributed.run_on_main(self.save)
                if stop and not finished:
                    raise KeyboardInterrupt
        return self.history

    def train_step(self) -> Tensor:
        """Update the parameters once; return the loss on the batch before the update, in nats per token."""
        torch.manual_seed(self._seed_of(self.step, self.distributed.rank))  # for dropout
        self.model.train()
        scale_learning_rates(self.optimizers, learning_rate_factor(self.step, self.config))
        measured = self._gradients()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return measured

    def _work_per_step(self) -> tuple[int, str]:
        """How far the progress bar moves per step, and its unit."""
        config = self.config
        return config.batch_size * config.context * config.accumulation * self.distributed.world_size, "tok"

    def _gradients(self) -> Tensor:
        """Add up the gradients of the next step's batches; return what is `measured` of them."""
        config = self.config
        random = torch.Generator().manual_seed(self._seed_of(self.step))
        loss = torch.zeros((), device=self.model.device)
        batches = [self._rows(random) for _ in range(config.accumulation)]
        n_targets = sum(int((rows[:, 1] != IGNORED).sum()) for rows in batches)
        if self.train_data.graded_arrays:
            n_targets = max(1, self.distributed.total(n_targets, self.model.device))
        else:
            n_targets *= self.distributed.world_size
        for part, rows in enumerate(batches, start=1):
            if self.model.device.type == "cuda":  # copied while the GPU still computes
                rows = rows.pin_memory()
            rows = rows.to(self.model.device, non_blocking=True)
            with nullcontext() if part == config.accumulation else self.distributed.no_sync(self._loss):
                loss += self._backward(rows, n_targets)
        return loss

    def _rows(self, random: torch.Generator) -> Tensor:
        """This process's rows of the next batch, tokens and targets: (B, 2, T)."""
        count, length = self.config.batch_size, self.config.context
        ours = self.distributed.batch_slice(count)
        return self.train_data.random_examples(count * self.distributed.world_size, length, random, ours)

    def _backward(self, rows: Tensor, n_targets: int) -> Tensor:
        """Add the gradients of these rows (B, 2, T); return their share of the loss of a step with `n_targets` targets
        to learn, over all batches and processes."""
        loss_on = partial(self._loss_on, n_targets=n_targets)
        if self._side_by_side is not None:
            return self._side_by_side.backward(loss_on, rows)
        loss = loss_on(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss_on(self, rows: Tensor, n_targets: int) -> Tensor:
        """The share of the step's loss on rows (B, 2, T)."""
        tokens, targets = rows.unbind(1)
        documents = PackedDocuments(tokens, self._separator) if self._separator is not None else None
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            loss: Tensor = self._loss(tokens, targets, documents)
        # The mean of all targets in the step: a row with few of them counts less. Averaging over processes divides by
        # their number once more.
        return loss * ((targets != IGNORED).sum() * self.distributed.world_size / n_targets)

    def _seed_of(self, step: int, rank: int = 0) -> int:
        # A CPU generator uses 32 bits of its seed; the odd factor spreads the run's seed over all of them.
        return ((self.config.seed + rank) * 2_654_435_761 + step) % 2**32

    @property
    def _uses_threads(self) -> bool:
        """Whether this process has the CPU to itself and may divide its work as it likes."""
        return self.model.device.type == "cpu" and self.distributed.world_size == 1 and not self.compiled

    def _max_threads(self) -> int:
        """The most threads a step may use; 1 if this run must not change their number."""
        set_by_user = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys()
        return torch.get_num_threads() if self._uses_threads and not set_by_user else 1

    def _time_threads(self, options: list[int]) -> dict[int, float]:
        """Seconds to compute the gradients of one batch for each number of threads; parameters stay as they are."""
        rows = self._rows(torch.Generator().manual_seed(self._seed_of(self.step)))
        seconds = dict.fromkeys(options, 0.0)
        for _ in range(3):
            for number in options:
                torch.set_num_threads(number)
                began = perf_counter()
                self._backward(rows, rows.numel())
                seconds[number] += perf_counter() - began
            if sum(seconds.values()) > 2:  # long enough to compare
                break
        self.model.zero_grad()
        return seconds

    # ---- reports -------------------------------------------------------------------------------------------

    def _log(self) -> None:
        """Record the means of what is `measured` since the last entry."""
        if not self._losses:
            return
        means = torch.stack(self._losses).mean(dim=0).reshape(-1).tolist()
        self._losses.clear()
        if not all(map(math.isfinite, means)):
            self._diverged("loss")
        self._record({"step": self.step, **dict(zip(self.measured, means, strict=True))})

    def _report(self, verbose: bool) -> None:
        """Record and print the validation loss and a sample; record what each rule of Tiny World costs."""
        config = self.config
        val_loss, floor, rules = self._validate()
        if not math.isfinite(val_loss):
            self._diverged("loss")
        sample = ""
        if self.model.tokenizer and config.sample_tokens:
            answers = has_template(self.model)
            prompt = config.sample_prompt
            prompt = Dialogue((Message("user", prompt),)).prompt() if answers else prompt
            stop = STOPS if answers else ()
            text = self.model.generate(prompt, max_new_tokens=config.sample_tokens, seed=config.seed, stop=stop)
            sample = text.removeprefix(prompt)
        last = self.history[-1] if self.history else {}
        measured = {name: last.get(name) for name in self.measured}
        entry = {"step": self.step, **measured, "val_loss": val_loss, "floor": floor, "sample": sample}
        self._record({**entry, "rules": rules} if rules else entry)
        if verbose:
            lowest = "" if floor is None else f"floor {floor:.3f} │ "
            also = self._in_words(measured, floor)
            tqdm.write(f"step {self.step:5} │ loss {val_loss:.3f} │ {lowest}{also}“{one_line(sample, 64)}”")

    def _in_words(self, measured: dict[str, float | None], floor: float | None) -> str:
        """What a report's line says about the steps since the last one."""
        loss = measured["loss"]
        return "" if floor is not None else "training      │ " if loss is None else f"training {loss:.2f} │ "

    def _validate(self) -> tuple[float, float | None, dict[str, float]]:
        """The validation loss and, if known, its floor and the excess by rule; all in nats per token."""
        config = self.config
        if not self._val_documents:
            starts = self._val_windows
            return mean_loss(self.model, self.val_data, starts, config.context, config.batch_size), None, {}
        n_tokens = sum(len(document) - 1 for document in self._val_documents)
        losses = document_token_losses(self.model, self._val_documents)
        loss = float(torch.cat(losses)[self.val_data.graded(0, n_tokens)].double().mean())
        nats = self.val_data.document_nats[: len(self._val_documents)]
        rules = self._rule_meter.split(losses) if self._rule_meter else {}
        floor = sum(nats) / n_tokens if nats else None
        return loss, floor, {rule: round(part.excess, 6) for rule, part in rules.items()}

    @cached_property
    def _rule_meter(self) -> RuleMeter | None:
        """The meter for the validation documents; None if they are not from Tiny World, or from another version."""
        if self.model.tokenizer and self.val_data.document_nats:
            with suppress(ValueError):
                return RuleMeter(self.model.tokenizer, self._val_documents, self.world)
        return None

    def _record(self, entry: Entry) -> None:
        entry["seconds"] = round(self.seconds, 3)
        self.history.append(entry)
        if self.folder is not None and self.distributed.is_main_process:
            append_entry(self.folder, entry)

    def _diverged(self, what: str) -> NoReturn:
        """Raise `ValueError`.

        If a learning rate was raised on resuming, first save the checkpoint's rate for the next resume.
        """
        now = [getattr(self.config, name) for name in LEARNING_RATES]
        kept = [min(pair) for pair in zip(now, self._rates_before or now, strict=True)]
        back = ""
        if kept != now:
            back = f"; by default, --resume goes back to {kept[0]} (Muon: {kept[1]})"
            if self.folder is not None and self.distributed.is_main_process:
                replace(self.config, **dict(zip(LEARNING_RATES, kept, strict=True))).save(self.folder)
        raise ValueError(
            f"The model's {what} became infinite or NaN by step {self.step}: train with a lower learning rate than "
            f"{now[0]} (Muon: {now[1]}){back}."
        )

    # ---- checkpoints ---------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint, then the model, to the run's folder, if there is one.

        Resuming needs only the checkpoint, so it does not matter if the run is killed between the two. Raises `OSError`
        if the disk is full; the previous checkpoint stays readable.
        """
        if self.folder is None:
            return
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            self._diverged("parameters")
        run_folder.save_state(self.folder, self._state())
        self._save_model(self.folder)
        self.saved_step = self.step

    def _state(self) -> dict[str, Any]:
        """Everything that a later process needs to continue with the next step."""
        return {
            "step": self.step,
            "processes": self.distributed.world_size,
            "seconds": self.seconds,
            "model": {name: parameter.detach() for name, parameter in self._trained().items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "losses": [loss.tolist() for loss in self._losses],
            "learning_rates": [getattr(self.config, name) for name in LEARNING_RATES],
        }

    def _trained(self) -> dict[str, nn.Parameter]:
        """The parameters that training changes, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def _save_model(self, folder: Path) -> None:
        """Write the model that the run leaves in its folder."""
        self.model.save_pretrained(folder)

    def resume(self) -> None:
        """Restore the last checkpoint in the folder and drop history entries of later steps; without a checkpoint, the
        run starts over. Raises `ValueError` if the checkpoint is damaged or does not fit this model."""
        assert self.folder is not None
        with run_folder.loading_checkpoint(self.folder) as state:
            if state:
                self._restore(state)
        if self.distributed.is_main_process:
            replace_history(self.folder, self.history)
        if not state or not self.distributed.is_main_process:
            return
        self._save_model(self.folder)  # it may be older than the state if the run was killed
        before, now = state.get("processes", 1), self.distributed.world_size
        if before != now:
            print(
                f"Up to step {self.step} this run had {before} process{'es' * (before > 1)}; now it has {now}, each "
                f"with batches of {self.config.batch_size}."
            )

    def _restore(self, state: dict[str, Any]) -> None:
        if state["model"].keys() != self._trained().keys():
            raise KeyError("other parameters")
        self.model.load_state_dict({**self.model.state_dict(), **state["model"]})
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            # Keep this run's settings, which also determine the device that holds the optimizer's state.
            for group, settings in zip(saved["param_groups"], optimizer.param_groups, strict=True):
                group.update((name, value) for name, value in settings.items() if name != "params")
            optimizer.load_state_dict(saved)
        self.step = self.saved_step = state["step"]
        self.seconds = state["seconds"]
        self._losses = [torch.tensor(loss, device=self.model.device) for loss in state["losses"]]
        self._rates_before = state.get("learning_rates", [])
        assert self.folder is not None
        self.history = [entry for entry in read_history(self.folder) if entry["step"] <= self.step]
