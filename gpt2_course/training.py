"""The training loop: batches, optimizers, schedule, reports, and checkpoints that survive anything."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from pickle import UnpicklingError
from time import perf_counter
from types import FrameType
from typing import Any, NoReturn

import torch
from torch import Tensor, distributed
from tqdm import tqdm

from gpt2_course.checkpoint import WEIGHTS
from gpt2_course.data import TokenStream, find_corpus, find_shards, read_shards, write_shards
from gpt2_course.data.shards import INDEX
from gpt2_course.evaluation import document_losses, evenly_spaced_windows, mean_loss
from gpt2_course.files import remove_leftovers, replacing
from gpt2_course.lock import reserving
from gpt2_course.model import GPT2, CausalSelfAttention
from gpt2_course.optimizers import build_optimizers, scale_learning_rates
from gpt2_course.self_test import working_device
from gpt2_course.team import ALONE, Team, own_device, without_sending
from gpt2_course.threads import ThreadChoice
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.train_config import (
    TrainConfig,
    best_precision,
    can_compile,
    learning_rate_factor,
    sequence_length,
)

STATE = "training_state.pt"
HISTORY = "history.jsonl"
TOKENIZER_TEXT = 20_000_000  # characters a vocabulary is learned from: more would hardly change it
LEARNING_RATES = ("learning_rate", "muon_learning_rate")


class Trainer:
    """Trains a model on a stream of tokens.

    Every random choice of step n is a function of the seed and n alone, so where a run stands is one number; a
    checkpoint holds it with the weights and the optimizers' memories, and a run that was killed and resumed ends
    with the very weights of one that was not.

    Args:
        model: it is trained in place, on the device it is on.
        train_data, val_data: token ids to learn from, and to be tested on.
        config: the settings; those that make data and model (`data`, `tokenizer`, `model`) are not looked at.
        folder: where checkpoints, the model and its history go; nothing is written where it is None.
        team: the processes that train together. `config.batch_size` is for each of them; one of them reports and saves.
    """

    def __init__(
        self,
        model: GPT2,
        train_data: TokenStream,
        val_data: TokenStream,
        config: TrainConfig,
        folder: Path | None = None,
        team: Team = ALONE,
    ) -> None:
        for part, stream in (("training", train_data), ("validation", val_data)):
            if len(stream) <= config.context:
                raise ValueError(
                    f"The {part} text has only {len(stream)} tokens, but a sequence takes {config.context + 1} "
                    f"(context={config.context} and the one to predict): give more text or a smaller context."
                )
        self.model = model
        self.team = team
        self.precision = best_precision(config.precision, model.device)
        if self.precision == "bfloat16" and model.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # Muon's products stay in 32 bits; a GPU may take 19 of them
        self.compiled = can_compile(config.compile, model.device)
        # what trains; reports, samples and checkpoints take the model itself, which has the same weights
        trains: Any = torch.compile(model, dynamic=False) if self.compiled else model
        self._shared = team.shared(trains)
        self.train_data = train_data
        self.val_data = val_data
        self.config = config
        self.folder = folder
        self.optimizers = build_optimizers(
            model,
            name=config.optimizer,
            learning_rate=config.learning_rate,
            muon_learning_rate=config.muon_learning_rate,
            weight_decay=config.weight_decay,
            fused=config.fused,
        )
        self.step = 0  # steps done
        self.saved_step: int | None = None  # the step of the newest checkpoint
        self.seconds = 0.0  # spent on them
        self.history: list[dict[str, Any]] = []  # what history.jsonl holds
        self._losses: list[Tensor] = []  # of the steps since the last entry
        self._rates_before: list[float] = []  # the learning rates of the checkpoint that was resumed
        self._reservation = ExitStack()  # of the folder, so that no other process writes to it
        weakref.finalize(self, self._reservation.close)
        if team.size > 1:
            # After its first gradient, PyTorch packs gradients anew for sending, and with that the order changes in
            # which they are added up. Done here, a run that is resumed rounds every step as the undisturbed one does.
            rows = torch.zeros(config.batch_size, config.context + 1, dtype=torch.int64, device=model.device)
            self._backward(rows)
            model.zero_grad()
        # held-out text: whole documents where they fit, or else windows
        self._val_documents = val_data.documents(config.report_windows) if val_data.fits(config.context) else []
        self._val_windows = evenly_spaced_windows(val_data, config.context + 1, config.report_windows)

    @property
    def fused(self) -> bool:
        """Whether AdamW changes all weights in one go."""
        return any(group.get("fused") for optimizer in self.optimizers for group in optimizer.param_groups)

    # ---- the loop ------------------------------------------------------------------------------------------

    def train(
        self, verbose: bool = True, on_report: Callable[[list[dict[str, Any]]], object] = lambda history: None
    ) -> list[dict[str, Any]]:
        """Trains up to `config.steps` and returns the history; prints a line a report.

        `on_report` is called with the history so far after each report: a notebook draws its live curve there.
        Ctrl-C (or SIGTERM, or SIGHUP) finishes the step, saves, and raises `KeyboardInterrupt`; a second one does not
        wait, but under torchrun, which itself waits 30 seconds at most (its `--shutdown-timeout`).
        """
        config = self.config

        def report() -> None:
            self._report(verbose)
            on_report(self.history)

        tokens_per_step = config.batch_size * config.context * config.accumulation * self.team.size
        bar = tqdm(
            total=config.steps * tokens_per_step,
            initial=self.step * tokens_per_step,
            unit="tok",
            unit_scale=True,
            disable=None if verbose and self.team.leads else True,
            dynamic_ncols=True,
        )
        threads = ThreadChoice(self._most_threads())
        with (
            self._reservation,
            bar,
            torch.random.fork_rng(devices=[]),
            _same_threads(),
            _stop_signals() as stop_asked,
        ):
            if self.folder is not None and self.team.leads:
                self._reservation.enter_context(reserving(self.folder))
            if self.step == 0:
                self.team.once(report)
            while self.step < config.steps:
                began = perf_counter()
                loss, stop = self.team.mean_loss_and_stop(self.train_step(), stop_asked.is_set())
                if threads.due(perf_counter() - began, config.steps - self.step) and not stop:
                    torch.set_num_threads(threads.choose(self._seconds_with(threads.options)))
                self.seconds += perf_counter() - began
                self._losses.append(loss)
                bar.update(tokens_per_step)
                last = self.step == config.steps
                if self.step % config.log_every == 0 or last:
                    self._log()
                if last or _is_report_step(self.step, config.report_every):
                    self.team.once(report)
                if self.step % config.checkpoint_every == 0 or last or stop:
                    self.team.once(self.save)
                if stop and not last:
                    raise KeyboardInterrupt
        return self.history

    def train_step(self) -> Tensor:
        """One change of the weights; returns the loss it was made on, in nats a token."""
        config = self.config
        random = torch.Generator().manual_seed(self._seed_of(self.step))
        torch.manual_seed(self._seed_of(self.step, self.team.rank))  # for dropout
        self.model.train()
        scale_learning_rates(self.optimizers, learning_rate_factor(self.step, config))
        loss = torch.zeros((), device=self.model.device)
        for part in range(1, config.accumulation + 1):
            rows = self._rows(random).to(self.model.device)
            with nullcontext() if part == config.accumulation else without_sending(self._shared):
                loss += self._backward(rows)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def _most_threads(self) -> int:
        """How many threads a step may use; 1 means that their number is not this run's to choose."""
        alone = self.model.device.type == "cpu" and self.team.size == 1 and not self.compiled
        told = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys()
        return torch.get_num_threads() if alone and not told else 1

    def _seconds_with(self, numbers_of_threads: list[int]) -> dict[int, float]:
        """The seconds that the gradients of one batch take with each number of threads; no weight is changed."""
        rows = self._rows(torch.Generator().manual_seed(self._seed_of(self.step)))
        seconds = dict.fromkeys(numbers_of_threads, 0.0)
        for _ in range(3):
            for number in numbers_of_threads:
                torch.set_num_threads(number)
                began = perf_counter()
                self._backward(rows)
                seconds[number] += perf_counter() - began
            if sum(seconds.values()) > 2:  # long enough to tell
                break
        self.model.zero_grad()
        return seconds

    def _backward(self, rows: Tensor) -> Tensor:
        """Adds what these rows say to the gradients; returns their share of the step's loss."""
        grows = self.compiled and rows.shape[1] <= self.config.context  # each length would be compiled anew
        as_it_is: Any = torch.compiler.set_stance("force_eager") if grows else nullcontext()
        with as_it_is, torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            loss = self._shared(rows[:, :-1], rows[:, 1:]) / self.config.accumulation
        loss.backward()
        return loss.detach()

    def _rows(self, random: torch.Generator) -> Tensor:
        """What the next step learns from: while sequences are short, there are more of them."""
        config = self.config
        length = sequence_length(self.step, config)
        count = config.batch_size * config.context // length
        share = self.team.share(count)
        rows = self.train_data.random_windows(count * self.team.size, config.context + 1, random, share)
        return rows[:, : length + 1]

    def _seed_of(self, step: int, rank: int = 0) -> int:
        # A generator on the CPU looks at 32 bits of its seed: an odd factor spreads the run's seed over all of them.
        return ((self.config.seed + rank) * 2_654_435_761 + step) % 2**32

    def _log(self) -> None:
        """An entry of the history: the mean training loss since the one before."""
        if not self._losses:
            return
        loss = float(torch.stack(self._losses).mean())
        self._losses.clear()
        if not math.isfinite(loss):
            self._diverged("loss")
        self._record({"step": self.step, "loss": loss})

    def _diverged(self, what: str) -> NoReturn:
        """Raises `ValueError`; no rate above those of the checkpoint that was resumed is kept for the next resume."""
        now = [getattr(self.config, name) for name in LEARNING_RATES]
        kept = [min(pair) for pair in zip(now, self._rates_before or now, strict=True)]
        back = ""
        if kept != now:
            back = f"; without one, --resume takes {kept[0]} (Muon's: {kept[1]}) again"
            if self.folder is not None and self.team.leads:
                replace(self.config, **dict(zip(LEARNING_RATES, kept, strict=True))).write(self.folder)
        raise ValueError(
            f"The {what} of the model became infinite or not a number by step {self.step}: train with a smaller "
            f"learning rate than {now[0]} (Muon's: {now[1]}){back}."
        )

    def _report(self, verbose: bool) -> None:
        """The loss on held-out text and a sample, printed and put down in the history."""
        config = self.config
        val_loss, floor = self._held_out()
        if not math.isfinite(val_loss):
            self._diverged("loss")
        sample = ""
        if self.model.tokenizer and config.sample_tokens:
            text = self.model.generate(config.sample_prompt, max_new_tokens=config.sample_tokens, seed=config.seed)
            sample = text.removeprefix(config.sample_prompt)
        loss = self.history[-1].get("loss") if self.history else None
        self._record({"step": self.step, "loss": loss, "val_loss": val_loss, "floor": floor, "sample": sample})
        if verbose:
            train_loss = "" if floor is not None else "training      │ " if loss is None else f"training {loss:.2f} │ "
            least = "" if floor is None else f"floor {floor:.3f} │ "
            tqdm.write(f"step {self.step:5} │ loss {val_loss:.3f} │ {least}{train_loss}“{one_line(sample, 64)}”")

    def _held_out(self) -> tuple[float, float | None]:
        """The loss on held-out text, and the least it can be where that is known; both in nats a token."""
        config = self.config
        if not self._val_documents:
            starts = self._val_windows
            return mean_loss(self.model, self.val_data, starts, config.context, config.batch_size), None
        n_tokens = sum(len(document) - 1 for document in self._val_documents)
        loss = float(document_losses(self.model, self._val_documents).sum()) / n_tokens
        nats = self.val_data.nats[: len(self._val_documents)]
        return loss, sum(nats) / n_tokens if nats else None

    def _record(self, entry: dict[str, Any]) -> None:
        entry["seconds"] = round(self.seconds, 3)
        self.history.append(entry)
        if self.folder is not None and self.team.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    # ---- checkpoints ---------------------------------------------------------------------------------------

    def save(self) -> None:
        """Writes the training state, then the model folder; each file is replaced whole or not at all.

        Only the state is needed to resume, so it does not matter where between the two a run is killed. Raises
        `OSError` where the disk is full; the checkpoint before stays readable.
        """
        if self.folder is None:
            return
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            self._diverged("weights")
        state = {
            "step": self.step,
            "processes": self.team.size,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "losses": [float(loss) for loss in self._losses],
            "learning_rates": [getattr(self.config, name) for name in LEARNING_RATES],
        }
        with replacing(self.folder / STATE) as path:
            try:
                torch.save(state, path)
            except RuntimeError as error:  # how torch reports what the disk said
                raise OSError(
                    f"The checkpoint of step {self.step} could not be written to {self.folder} (is the disk full?); "
                    f"the one before it is untouched."
                ) from error
        self.model.save_pretrained(self.folder)
        self.saved_step = self.step

    def resume(self) -> None:
        """Goes back to the state of the last checkpoint in the folder; forgets what the history says of later steps."""
        assert self.folder is not None
        path = self.folder / STATE
        if not path.exists():  # killed before the first checkpoint: it begins again
            if self.team.leads:
                self._rewrite_history()
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                # Settings are those of this run's config and machine; from them follows on which device memories lie.
                for group, settings in zip(saved["param_groups"], optimizer.param_groups, strict=True):
                    group.update((name, value) for name, value in settings.items() if name != "params")
                optimizer.load_state_dict(saved)
            self.step, self.seconds, losses = state["step"], state["seconds"], state["losses"]
            processes = state.get("processes", 1)
            self._rates_before = state.get("learning_rates", [])
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError, UnpicklingError) as error:
            raise ValueError(
                f"{path} is no checkpoint of this run ({type(error).__name__}): it is damaged, or the model's shape or "
                f"the optimizer has been changed."
            ) from error
        self.saved_step = self.step
        self._losses = [torch.tensor(loss, device=self.model.device) for loss in losses]
        self.history = [entry for entry in read_history(self.folder) if entry["step"] <= self.step]
        if not self.team.leads:
            return
        self._rewrite_history()
        self.model.save_pretrained(self.folder)  # killed between the two files, it may be older than the state
        if processes != self.team.size:
            print(
                f"Up to step {self.step} this run had {processes} process{'es' * (processes > 1)}, now it has "
                f"{self.team.size}, each with batches of {self.config.batch_size}."
            )

    def _rewrite_history(self) -> None:
        assert self.folder is not None
        with replacing(self.folder / HISTORY) as path, path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.history)

    # ---- from settings alone -------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, config: TrainConfig, resume: bool = False) -> Trainer:
        """Everything a run needs, made from its settings: text, vocabulary, tokens, model.

        With `resume`, the run in `config.folder` goes on from its last checkpoint, on the same text (`ValueError` for
        another); without it, the folder must not hold a run yet (`FileExistsError`). See `find_corpus` and
        `read_shards` for what a bad text raises. Under `torchrun`, one of the team prepares the text for all.

        A device that does not compute what the CPU does is exchanged for the CPU (see `working_device`). Until the
        training ends, no other process can write to the folder (`BlockingIOError`).
        """
        with ExitStack() as reservation:
            trainer = cls._from_config(config, resume, reservation)
            trainer._reservation.push(reservation.pop_all())
            return trainer

    @classmethod
    def _from_config(cls, config: TrainConfig, resume: bool, reservation: ExitStack) -> Trainer:
        folder = config.folder
        shape = config.model
        device = working_device(own_device(config.device), config.context, shape.n_embd // shape.n_head)
        team = Team.join(device, folder)
        resume = resume or team.restarted

        def prepare() -> Path:
            reservation.enter_context(reserving(folder))
            return _prepare(config, resume)

        shards = team.once(prepare)
        if not team.all_see(shards / INDEX, folder):
            raise ValueError(
                f"Not all processes see the same {shards / INDEX} and the same {folder}: give --out (and --data) in a "
                f"folder that all computers share."
            )
        tokenizer, train_data, val_data = read_shards(shards)
        torch.manual_seed(config.seed)
        model = GPT2(replace(config.model, vocab_size=tokenizer.vocab_size), tokenizer)
        if config.copying_start:
            start_as_copier(model)
        model.to(device)
        trainer = cls(model, train_data, val_data, config, folder, team)
        if resume:
            trainer.resume()
        if team.leads:
            if trainer.step < config.steps:  # or else it does nothing, and changes nothing
                config.write(folder)  # last, so that settings that do not fit the run leave no trace
            team.begin()
        return trainer


def start_as_copier(model: GPT2) -> None:
    """Makes fresh attention look at what is alike and hand on what it finds (Trockman & Kolter, 2023, "mimetic").

    In each layer W_Q = W_K and W_O = W_Vᵀ, both orthogonal and as large as before. The token table is the last matrix,
    too, so what a head hands on unchanged is said at once: where a word must come back, it pays from the first step on
    to look there. Random matrices must first find both out at the same time.
    """
    C = model.config.n_embd
    size = model.config.initializer_range * C**0.5  # a random matrix (C, C) is as long as an orthogonal one times this
    with torch.no_grad():
        for attention in model.modules():
            if isinstance(attention, CausalSelfAttention):
                qkv = attention.qkv.weight  # (3C, C): queries, keys and values
                qkv[C : 2 * C] = torch.nn.init.orthogonal_(qkv[:C], size)
                attention.projection.weight.copy_(torch.nn.init.orthogonal_(qkv[2 * C :], size).T)


def _is_report_step(step: int, every: int) -> bool:
    """Every so many steps, and at 1, 2, 5, 10, 20, 50 … before that: in the beginning much happens."""
    return step % every == 0 or (step < every and str(step).rstrip("0") in ("1", "2", "5"))


def one_line(text: str, length: int) -> str:
    """The beginning of a text for people to look at: in one line, without what cannot be seen."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= length else words[: length - 1] + "…"


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The entries of a run's history, oldest first. A last line that was cut off by a kill is left out.

    Raises `ValueError`, naming the line, for anything else that is not an entry.
    """
    path = folder / HISTORY
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:  # half an entry, or half a character; also the nothing after the last line
            if number == len(lines):
                break
            entry = None
        if not _is_entry(entry):
            raise ValueError(
                f"Line {number} of {path} is not an entry of a run's history: delete the line to keep the others."
            )
        entries.append(entry)
    return entries


def _is_entry(entry: Any) -> bool:
    """Whether this is what `Trainer` writes to a history."""
    if not isinstance(entry, dict) or type(entry.get("step")) is not int:
        return False
    number = (int, float)
    if "val_loss" not in entry:
        return isinstance(entry.get("loss"), number)
    sound = isinstance(entry["val_loss"], number) and isinstance(entry.get("sample"), str)
    return sound and all(isinstance(entry.get(name), (*number, type(None))) for name in ("loss", "floor"))


def _prepare(config: TrainConfig, resume: bool) -> Path:
    """Where the token shards are: those that `data` names, or those made of the text it names, in the run's own folder.

    Refuses a folder that does not fit: one that holds a run already, or, with `resume`, the run of another text.
    """
    folder = config.folder
    if resume:
        started = TrainConfig.read(folder)
        # what the tokens were made from, and what the weights mean
        shape = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon")
        fixed = [(name, started, config) for name in ("data", "column", "tokenizer", "val_fraction")]
        for name, before, now in [*fixed, *((name, started.model, config.model) for name in shape)]:
            was, asked = getattr(before, name), getattr(now, name)
            if was != asked:
                raise ValueError(
                    f"The run in {folder} began with {name}={was!r}, which cannot become {asked!r} on the way: "
                    f"leave it as it was, or start another run with another --out."
                )
    else:
        if (folder / STATE).exists() or (folder / WEIGHTS).exists():
            raise FileExistsError(
                f"{folder} already holds a run or a model: go on with it by --resume, or give another --out."
            )
        (folder / HISTORY).unlink(missing_ok=True)
    shards = folder / "tokens"
    for place in (folder, shards):
        remove_leftovers(place)
    if given := find_shards(config.data):
        return given
    if not (resume and (shards / INDEX).exists()):
        corpus = find_corpus(config.data, config.val_fraction, config.column)
        if corpus.files:
            print(corpus.files)
        if resume and (folder / STATE).exists():
            tokenizer = Tokenizer.load(folder)  # the one the model has learned with
        elif config.tokenizer == "new":
            text = chain.from_iterable(document.pieces() for document in corpus.train)
            tokenizer = Tokenizer.train(_first(text, TOKENIZER_TEXT), config.model.vocab_size)
        elif config.tokenizer == "gpt2":
            tokenizer = Tokenizer.gpt2()
        else:
            tokenizer = Tokenizer.load(config.tokenizer)
        counts = write_shards(corpus, tokenizer, shards)
        if corpus.files:
            print(f"Found {counts['documents']:,} document{'s' * (counts['documents'] != 1)}.")
    return shards


def _first(pieces: Iterable[str], n_characters: int) -> Iterator[str]:
    """The first pieces of a text, until there are so many characters of it."""
    for piece in pieces:
        yield piece
        n_characters -= len(piece)
        if n_characters <= 0:
            return


@contextmanager
def _same_threads() -> Iterator[None]:
    """Leaves PyTorch with as many threads as it had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turns what asks the program to stop into an event, so that a step is never cut in two; a second Ctrl-C or SIGTERM
    is not waited for."""
    stop_asked = threading.Event()
    # A cluster that stops a job signals all of its processes, and torchrun hands the signal on to them once more.
    # A terminal that closes may send SIGHUP twice as well, once itself and once through the shell.
    once_more = distributed.is_torchelastic_launched()

    def ask(number: int, _: FrameType | None) -> None:
        stop_asked.set()
        if not once_more and number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, before[number])

    before = _handle_stops(ask)
    try:
        yield stop_asked
    finally:
        if not (once_more and stop_asked.is_set()):
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def stops_like_ctrl_c() -> Iterator[None]:
    """Raises `KeyboardInterrupt` in the block for whatever asks the program to stop."""
    before = _handle_stops(signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle_stops(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Has `handler` called for Ctrl-C, SIGTERM and a terminal that closes; returns the handlers before.

    `nohup` makes a program ignore that its terminal closes: it goes on ignoring it.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        return {}
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream is not None and stream.isatty()]

        def hang_up(number: int, frame: FrameType | None) -> None:
            nothing = os.open(os.devnull, os.O_WRONLY)
            for terminal in terminals:  # to write to one that is closed fails
                os.dup2(nothing, terminal)
            os.close(nothing)
            handler(number, frame)

        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    return before
