"""Answer the training lab's calls with PyTorch. In the book, `static/training_session.mjs` answers the same calls."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt2_course.evaluation import RuleMeter, document_token_losses
from gpt2_course.labs.kernel import Answer, Kernel, in_json
from gpt2_course.loss import IGNORED
from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.optimizers import build_optimizers, scale_learning_rates
from gpt2_course.tiny_world import judge
from gpt2_course.tiny_world.documents import CORNERS, DEFAULT_WORLD, sample_document
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training.config import TrainConfig
from gpt2_course.training.initialization import start_as_copier
from gpt2_course.training.schedule import learning_rate_factor

# The same numbers as in static/training_session.mjs and static/training_data.mjs, which explain them.
SIZES: dict[str, dict[str, int]] = {
    "small": {"n_embd": 48, "n_layer": 2, "n_head": 3, "vocabulary": 768, "tokens": 1024, "steps": 1200},
    "medium": {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocabulary": 1024, "tokens": 1024, "steps": 1500},
    "laptop": {"n_embd": 128, "n_layer": 2, "n_head": 4, "vocabulary": 3072, "tokens": 2016, "steps": 2800},
}
TO_LEARN, HELD_OUT = 400, 48
SEED_TO_LEARN, SEED_HELD_OUT, FIRST_SEED = 1, 2, 3
WINDOW, MOST_TO_LEARN = 128, 500_000
SHORTEST, LONGEST = 2000, 3_000_000
REPORTS, EARLY = 40, (0, 5, 10)
TEXTS_PER_REPORT, TEXTS_JUDGED = 2, 20
SAMPLING = {"temperature": 0.8, "top_k": None, "top_p": None}
OWN_SAMPLE, LONGEST_SAMPLE = 100, 400
FOLDER = "my_gpt2"
CALLS = ("training", "set_rate", "forget_training", "trained_model")  # besides `train`


class Lesson:
    """What a model learns from: a vocabulary, a batch for every step, and held-out rows of ids (T + 1,)."""

    tokenizer: Tokenizer
    context: int
    prompt = ""
    held_out: list[Tensor]
    meter: RuleMeter | None = None

    def batch(self, step: int, size: int) -> list[Tensor]:
        """The rows of a step's batch, about `size` tokens: the same for the same step."""
        raise NotImplementedError


class WorldLesson(Lesson):
    """Documents without end from a corner of Tiny World."""

    def __init__(self, corner: str, vocab_size: int) -> None:
        self.world = replace(DEFAULT_WORLD, corner=corner)
        read = list(islice(self._texts(SEED_TO_LEARN), TO_LEARN))
        held_out = list(islice(self._texts(SEED_HELD_OUT), HELD_OUT))
        self.tokenizer = Tokenizer.train(read, vocab_size)
        longest = max(map(len, self.tokenizer.encode_batch([*read, *held_out])))
        self.context = 16 * math.ceil((longest + 1) / 16)
        self.held_out = [self._row(text) for text in held_out]
        self.meter = RuleMeter(self.tokenizer, self.held_out, self.world)

    def _texts(self, seed: int) -> Iterator[str]:
        random = Random(seed)
        while True:
            yield sample_document(random, self.world).text

    def _row(self, text: str) -> Tensor:
        end = self.tokenizer.end_of_text
        return torch.tensor([end, *self.tokenizer.encode(text), end][: self.context + 1])

    def batch(self, step: int, size: int) -> list[Tensor]:
        rows: list[Tensor] = []
        texts = self._texts(FIRST_SEED + step)
        while sum(len(row) - 1 for row in rows) < size:
            rows.append(self._row(next(texts)))
        return rows


class TextLesson(Lesson):
    """A text of the reader's, whose last tenth is held out."""

    def __init__(self, text: str, vocab_size: int) -> None:
        check_text(text)
        cut = text.find(" ", int(0.9 * len(text)))
        before, after = (text, "") if cut < 0 else (text[:cut], text[cut:])
        self.tokenizer = Tokenizer.train(before[:MOST_TO_LEARN], vocab_size)
        end = self.tokenizer.end_of_text
        self._ids, unseen = (
            torch.tensor([end, *self.tokenizer.encode(part, allow_special=True)]) for part in (before, after)
        )
        self.context = T = min(WINDOW, len(unseen) - 1, len(self._ids) - 1)
        if T < 16:
            raise ValueError("The last tenth of this text is too short to test a model on: paste a longer text.")
        self.prompt = " ".join(after.split()[:3])[:60]
        self.held_out = [unseen[i * T : (i + 1) * T + 1] for i in range(min(HELD_OUT, (len(unseen) - 1) // T))]

    def batch(self, step: int, size: int) -> list[Tensor]:
        random = Random(FIRST_SEED + step)
        starts = [random.randrange(len(self._ids) - self.context) for _ in range(math.ceil(size / self.context))]
        return [self._ids[start : start + self.context + 1] for start in starts]


def check_text(text: str) -> None:
    """Raise `ValueError` for a text that is too short or too long to train on."""
    n = len(text.strip())
    asked = f"paste a text of {SHORTEST:,} to {LONGEST:,} characters."
    if not n:
        raise ValueError(f"The text is empty: {asked}")
    if not SHORTEST <= n <= LONGEST:
        raise ValueError(f"Your text has {n:,} characters, which is too {'short' if n < SHORTEST else 'long'}: {asked}")


def check_rate(rate: float) -> None:
    """Raise `ValueError` for a learning rate that no training survives."""
    if not 0 < rate <= 1:
        raise ValueError(f"The learning rate must be above 0 and at most 1, but is {rate}.")


class Session:
    """A model in training; `progress` is what the lab shows of it."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        size = SIZES[wanted["size"]]
        self.tokens = size["tokens"]
        self.lesson: Lesson = (
            WorldLesson(wanted["corner"], size["vocabulary"])
            if wanted["corner"]
            else TextLesson(wanted["text"], size["vocabulary"])
        )
        shape = GPT2Config(
            vocab_size=len(self.lesson.tokenizer),
            n_positions=self.lesson.context,
            **{name: size[name] for name in ("n_embd", "n_layer", "n_head")},
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            resid_pdrop=0.0,
            initializer_range=0.05,
        )
        rates = {"learning_rate": wanted["rate"], "muon_learning_rate": wanted["rate"]}
        self.config = TrainConfig(model=shape, steps=size["steps"], context=self.lesson.context, **rates)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = GPT2(shape, self.lesson.tokenizer)
            start_as_copier(self.model)
        self.optimizers = build_optimizers(self.model, self.config)
        meter = self.lesson.meter
        self.progress: dict[str, Any] = {
            "wanted": wanted,
            "parameters": self.model.num_parameters(),
            "steps": self.config.steps,
            "step": 0,
            "floor": meter.floor if meter else None,
            **{"losses": [], "reports": [], "verdicts": [], "tokens": 0, "seconds": 0.0},
        }

    @property
    def is_finished(self) -> bool:
        """Whether there is no step left to do."""
        return bool(self.progress["step"] >= self.progress["steps"])

    @property
    def is_due(self) -> bool:
        """Whether a report is due and has not been made."""
        step, steps, reports = (self.progress[name] for name in ("step", "steps", "reports"))
        due = step % max(1, round(steps / REPORTS)) == 0 or step in EARLY or self.is_finished
        return due and not (reports and reports[-1]["step"] == step)

    def set_rate(self, rate: float) -> None:
        """From the next step on, train at this peak rate."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = rate
        self.progress["wanted"] = {**self.progress["wanted"], "rate": rate}

    def step(self) -> None:
        """Update the parameters once."""
        began, progress = perf_counter(), self.progress
        rows = self.lesson.batch(progress["step"], self.tokens)
        tokens = pad_sequence([row[:-1] for row in rows], batch_first=True)
        targets = pad_sequence([row[1:] for row in rows], batch_first=True, padding_value=IGNORED)
        scale_learning_rates(self.optimizers, learning_rate_factor(progress["step"], self.config))
        self.model.train()
        loss = self.model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        cost = loss.item()
        if not math.isfinite(cost):
            at = progress["step"] + 1
            raise ValueError(f"The loss became infinite or NaN at step {at}: start over with a lower learning rate.")
        progress["step"] += 1
        progress["losses"].append(cost)
        progress["tokens"] += int((targets != IGNORED).sum())
        progress["seconds"] += perf_counter() - began

    def report(self) -> Answer:
        """Evaluate the model, and let it write."""
        progress, lesson = self.progress, self.lesson
        losses = document_token_losses(self.model, lesson.held_out)
        samples = 1
        verdict: Answer | None = None
        if lesson.meter:
            samples = TEXTS_JUDGED if self.is_finished else TEXTS_PER_REPORT
        for number in range(samples):
            sample = self._write(1000 * progress["step"] + number)
            if isinstance(lesson, WorldLesson):
                verdict = in_json(judge(sample, lesson.world))
                progress["verdicts"].append(verdict["accepted"])
        del progress["verdicts"][:-TEXTS_JUDGED]
        rules = {rule: part.excess for rule, part in lesson.meter.split(losses).items()} if lesson.meter else {}
        loss = float(torch.cat(losses).double().mean())
        report = {"step": progress["step"], "loss": loss, "rules": rules, "sample": sample, "verdict": verdict}
        progress["reports"].append(report)
        return report

    def _write(self, seed: int) -> str:
        parts: list[str] = []
        length = min(self.lesson.context - 1, LONGEST_SAMPLE) if self.lesson.meter else OWN_SAMPLE
        with self.model.evaluating():
            Kernel(self.model, "").generate(
                self.lesson.prompt, SAMPLING, seed, length, lambda part: parts.append(part["text"])
            )
        return self.lesson.prompt + "".join(parts)


class TrainingKernel(Kernel):
    """A kernel that also trains. `train` may run in a thread of its own while other calls are answered."""

    def __init__(self, model: GPT2, name: str) -> None:
        super().__init__(model, name)
        self.session: Session | None = None
        self._latest = 0  # the newest call of `train`, which takes over from the one before
        self._training = threading.Lock()
        self._updating = threading.Lock()  # the parameters

    def answer(
        self, call: str, asked: dict[str, Any], part: Callable[[Any], None], cancelled: Callable[[], bool]
    ) -> Answer | list[Answer]:
        if call == "train":
            return self.train(**asked, part=part, cancelled=cancelled)
        if call in CALLS:
            answer: Answer = getattr(self, call)(**asked)
            return answer
        return super().answer(call, asked, part, cancelled)

    def training(self) -> Answer:
        """What there is to learn, and the training in progress."""
        sizes = [{"name": name, "steps": size["steps"]} for name, size in SIZES.items()]
        progress = self.session.progress if self.session else None
        return {"corners": list(CORNERS), "sizes": sizes, "progress": progress, "isRunning": self._training.locked()}

    def train(
        self, wanted: dict[str, Any] | None, part: Callable[[Any], None], cancelled: Callable[[], bool]
    ) -> Answer:
        """Train until the end, or until the call is canceled, which pauses the training, or another call takes over."""
        self._latest += 1
        call = self._latest
        with self._training:
            if wanted:
                check_rate(wanted["rate"])
                self.session = None
                self.session = Session(wanted)
            if self.session is None:
                raise ValueError("There is no training to continue: start a new one.")
            session, progress = self.session, self.session.progress
            part({"progress": progress})
            while True:
                if session.is_due:
                    part({"report": session.report(), "verdicts": progress["verdicts"]})
                if session.is_finished or cancelled() or call != self._latest:
                    break
                with self._updating:
                    session.step()
                news = {name: progress[name] for name in ("step", "tokens", "seconds")}
                part({**news, "loss": progress["losses"][-1]})
        return {"isKept": True}  # as long as this kernel runs

    def set_rate(self, rate: float) -> None:
        """From the next step on, train at this rate."""
        check_rate(rate)
        if self.session:
            self.session.set_rate(rate)

    def forget_training(self) -> None:
        """Forget the training."""
        self.session = None

    def trained_model(self, packed: bool) -> Answer:
        """Save the model in a new folder, whose name is the answer."""
        if self.session is None:
            raise ValueError("There is no model to save: train one.")
        names = (FOLDER if n == 1 else f"{FOLDER}-{n}" for n in count(1))
        folder = next(name for name in names if not Path(name).exists())
        with self._updating:
            self.session.model.save_pretrained(folder)
        return {"files": [], "folder": folder}
