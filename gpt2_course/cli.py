"""The command line: `gpt2-course start · check · world · train · generate · chat · tokenize · evaluate · export`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

from gpt2_course.bricks import start
from gpt2_course.bricks.checking import Checker, Result, student_files, without_network, write_report
from gpt2_course.bricks.hints import HINTS
from gpt2_course.bricks.results import graded, verdicts
from gpt2_course.bricks.source import BRICKS, FILE, NAMES, changed, read
from gpt2_course.chat import Conversation, append_row, has_template
from gpt2_course.data import (
    DataSpec,
    TokenStream,
    find_corpus,
    find_shards,
    parse_count,
    read_shards,
    stream_shards,
    write_shards,
)
from gpt2_course.data.shards import INDEX
from gpt2_course.data.stream import PROGRESS, tokens_kept
from gpt2_course.data.text import Corpus, find_world
from gpt2_course.evaluation import evaluate
from gpt2_course.files import replacing
from gpt2_course.generation import SamplingConfig
from gpt2_course.grades import GRADES, grade, grade_answers
from gpt2_course.history import HISTORY
from gpt2_course.lock import LOCK, reserving
from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.sources import DEFAULT_MODEL
from gpt2_course.tiny_world import load_world
from gpt2_course.tiny_world.additions import examples, starting_file
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training import FineTuner, RewardTrainer, TrainConfig, Trainer
from gpt2_course.training.config import CONFIG, TUNING, WORLD
from gpt2_course.training.distributed import lost_a_process
from gpt2_course.training.run_folder import documents_found
from gpt2_course.training.signals import stop_requests_interrupt

PROMPTS = ("The future of AI is", "Once upon a time", "The secret to happiness")
ModelName = Annotated[
    str,
    tyro.conf.arg(
        aliases=["-m"],
        help="A model's folder; tiny-world; OpenAI's gpt2, gpt2-medium, gpt2-large, or gpt2-xl; or OWNER/NAME of a "
        "GPT-2 on the Hugging Face hub.",
    ),
]
MOST_TOKENS = 300  # enough for a story of Tiny World to end
UNFINISHED = ".unfinished-export"
DataName = Annotated[
    str,
    tyro.conf.arg(
        help="A .txt, .md, .jsonl, or .csv file (or its .gz), a folder or a quoted pattern of such files, a folder of "
        "token shards, or the name of a text. By default Tiny World, or the model's own world."
    ),
]


@dataclass(frozen=True)
class Train:
    """Train a GPT-2 on a text, from scratch or from a model (--from); with --reward, let it learn from a judge.

    Prints the validation loss and samples of the model's writing, saves checkpoints, and leaves a model folder.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig]
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Continue the run in the output folder, with its settings."""

    def run(self) -> None:
        kind = RewardTrainer if self.config.reward else FineTuner if self.config.fine_tunes else Trainer
        trainer = kind.from_config(self.config, self.resume)
        with reserving(self.config.folder) if trainer.distributed.is_main_process else nullcontext():
            self._train(trainer)

    def _train(self, trainer: Trainer) -> None:
        distributed = trainer.distributed
        if distributed.is_main_process:
            source = (
                f"learning from the {self.config.reward}"
                if self.config.reward
                else f"training on a text of {len(trainer.train_data):,} tokens"
            )
            print(
                f"GPT-2 with {trainer.model.num_parameters():,} parameters and a vocabulary of "
                f"{trainer.model.config.vocab_size:,} tokens, {source}.\n"
                f"Device: {trainer.model.device}, {trainer.precision}, "
                f"{'' if trainer.compiled else 'not '}compiled, AdamW {'' if trainer.fused else 'not '}fused, "
                f"{distributed.world_size} process{'es' * (distributed.world_size > 1)}."
            )
            if isinstance(trainer, FineTuner):
                print(trainer.plan())
        if trainer.is_finished and not distributed.restarted:
            if distributed.is_main_process:
                print(_why_finished(trainer))
            return
        try:
            trainer.train()
        except KeyboardInterrupt:
            # stop together, because torchrun ends the other processes as soon as one has ended
            distributed.run_on_main(lambda: self._print_how_to_resume(trainer))
            distributed.shut_down()
            raise
        distributed.shut_down()
        if not distributed.is_main_process:
            return
        try:
            with stop_requests_interrupt():
                self._print_results(trainer)
        except KeyboardInterrupt:
            folder, samples = self.config.folder, self.config.grade_samples
            print(f"\nStopped. The model is saved in {folder}.")
            kind = DataSpec.parse(self.config.data).kind
            if samples and kind in ("tiny-world", "dialogues"):
                asked = " --data tiny-world-dialogues" if kind == "dialogues" else ""
                print(
                    f"To grade it later:\n"
                    f"  python -m gpt2_course.cli evaluate --model {quote(str(folder))}{asked} --samples {samples}"
                )
            raise

    def _print_how_to_resume(self, trainer: Trainer) -> None:
        saved = "Nothing has been saved yet" if trainer.saved_step is None else f"Saved after step {trainer.saved_step}"
        print(f"\nStopped. {saved}. To continue:\n  {_resume_command(self.config, trainer.distributed.world_size)}")

    def _print_results(self, trainer: Trainer) -> None:
        """Save the loss curve; print samples and grades."""
        from gpt2_course.plots import save_loss_curve  # slow to import

        folder = self.config.folder
        curve = save_loss_curve(trainer.history, folder / "loss.svg")
        print(f"Trained for {trainer.seconds / 60:.1f} minutes. The model is in {folder}, its loss curve in {curve}.\n")
        model, prompt = trainer.model, PROMPTS[1]
        if isinstance(trainer, FineTuner):
            model, prompt = GPT2.from_pretrained(folder).to(model.device), trainer.config.sample_prompt
            print(trainer.before_and_after() + "\n")
        samples = self.config.grade_samples
        if has_template(model):
            if samples and DataSpec.parse(self.config.data).kind == "dialogues":
                print(f"How well it answers, judged by {samples} questions of each sort:")
                print(grade_answers(model, samples).table() + "\n")
            print(f"Talk with it:\n  python -m gpt2_course.cli chat --model {quote(str(folder))}")
            return
        if not isinstance(trainer, FineTuner):
            for beginning in PROMPTS:
                _print_continuation(model, beginning, SamplingConfig(temperature=0.8, seed=self.config.seed), 200)
                print()
        n_documents = DataSpec.parse(self.config.data).n_documents
        if n_documents and samples:
            print(f"How well it knows Tiny World, judged by {samples} samples of each kind:")
            grades = grade(model, samples, n_documents, world=trainer.world)
            grades.save(folder)
            print(grades.table() + "\n")
        rules = trainer.history[-1].get("rules", {})
        if (excess := sum(rules.values())) > 0:
            worst = max(rules, key=rules.__getitem__)
            share = rules[worst] / excess
            print(f"The rule that costs it most: {worst}, {share:.0%} of its loss above the floor.\n")
        if self.config.preset == "laptop":
            print("Next, train a larger model (about three and a half hours on two cores), or one on your own text:")
            print("  python train.py --preset story\n  python train.py --data my-text.txt")
        written = f'"{prompt}"' if prompt == PROMPTS[1] else quote(prompt)
        print(f"Let it write:\n  python -m gpt2_course.cli generate {written} --model {quote(str(folder))}")


def _why_finished(trainer: Trainer) -> str:
    steps = trainer.config.steps
    if isinstance(trainer, FineTuner) and trainer.step < steps:
        return (
            f"This run stopped early, after {trainer.step} of {steps} steps, because its validation loss was lowest at "
            f"step {trainer.best_step}: to continue it, give a larger --patience."
        )
    return f"This run has already done {trainer.step} of {steps} steps: give a larger --steps."


def _resume_command(config: TrainConfig, world_size: int) -> str:
    launcher = "python"
    if world_size > 1:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        launcher = f"torchrun --nproc-per-node {here}"
        if world_size > here:
            launcher += f" --nnodes {world_size // here}"
    default = TrainConfig.for_preset(config.preset).folder
    out = "" if config.folder == default else f" --out {quote(str(config.folder))}"
    return f"{launcher} train.py --preset {config.preset}{out} --resume"


@dataclass(frozen=True)
class Generate:
    """Continue a text, printing it as it is written."""

    prompt: tyro.conf.Positional[str] = PROMPTS[1]
    """The text to continue."""
    model: ModelName = DEFAULT_MODEL
    sampling: tyro.conf.OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    max_new_tokens: int = MOST_TOKENS
    """The most tokens to add; a text that ends before needs fewer."""
    int8: bool = False
    """Round the weights to 8 bits: faster on an x86 processor, almost the same text quality."""

    def run(self) -> None:
        model = _loaded(self.model, self.int8)
        _print_continuation(model, self.prompt, self.sampling, self.max_new_tokens)


@dataclass(frozen=True)
class Chat:
    """Talk with a model that has learned from dialogues; with any other, continue each text that you type.

    An empty line ends the chat. Ctrl-C ends an answer; between answers, it ends the chat.
    """

    model: ModelName = DEFAULT_MODEL
    sampling: tyro.conf.OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    max_new_tokens: int = MOST_TOKENS
    """The most tokens in an answer, or to add each time."""
    system: str = ""
    """What to tell a model before a conversation, such as who it is."""
    int8: bool = False
    """Round the weights to 8 bits: faster on an x86 processor, almost the same text quality."""

    def run(self) -> None:
        if sys.stdin is None:
            raise ValueError("chat reads from standard input, but it is closed: start it in a terminal.")
        model = _loaded(self.model, self.int8)
        if has_template(model):
            self._talk(Conversation(model, self.sampling, self.max_new_tokens, self.system))
        elif self.system:
            raise ValueError(f"--system needs a model that has learned from dialogues: leave it out for {self.model}.")
        else:
            self._continue_texts(model)

    def _talk(self, conversation: Conversation) -> None:
        print("Say something to the model. /help lists what else you can do, and an empty line ends the chat.")
        forgot = False  # whether it has been said that the model no longer sees everything
        while (text := _typed()).strip() not in ("", "/quit"):
            try:
                if found := re.fullmatch(r"/(\w+)(?:\s+(.*))?", text):
                    self._command(conversation, found[1], found[2] or "")
                    forgot = forgot and bool(conversation.messages)
                    continue
                answer = conversation.answer(text)
                if conversation.n_forgotten and not forgot:
                    forgot = True
                    print("(The conversation has outgrown the model's context: it no longer sees the beginning.)")
                self._print_answer(answer)
            except OSError as error:
                print(_reason(error))
            except ValueError as error:  # a mistake does not end the chat
                print(error)

    def _print_answer(self, answer: Generator[str, None, None]) -> None:
        empty = True
        try:
            for piece in answer:
                print(piece, end="", flush=True)
                empty = False
            print("(no answer)" if empty else "")
        except KeyboardInterrupt:
            answer.close()
            print(" (stopped)")

    def _command(self, conversation: Conversation, name: str, value: str) -> None:
        """Do what a line that begins with / says."""
        if name == "help":
            print(CHAT_COMMANDS)
        elif name == "reset":
            conversation.reset()
            print("The model has forgotten everything.")
        elif name == "seed":
            if not value.isdecimal():
                raise ValueError(f"/seed needs a whole number, such as 7, but got {value!r:.60}.")
            conversation.sampling = replace(conversation.sampling, seed=int(value))
            print("From now on, the same conversation has the same answers.")
        elif name == "save":
            path = DataSpec("files", value).path
            if path.suffix != ".jsonl":
                raise ValueError(f"/save needs the name of a .jsonl file, such as chats.jsonl, but got {value!r}.")
            if not conversation.messages:
                raise ValueError("There is nothing to save yet: say something first.")
            append_row(path, conversation.to_row())
            print(f"Added the conversation to {path}.")
        else:
            raise ValueError(f"There is no command /{name}: /help lists them.")

    def _continue_texts(self, model: GPT2) -> None:
        print("This model has not learned from dialogues, so it continues texts instead of answering.")
        print("Type the beginning of a text (for example: " + " · ".join(PROMPTS) + "). An empty line ends the chat.")
        while (prompt := _typed()).strip():
            try:
                _print_continuation(model, prompt, self.sampling, self.max_new_tokens)
            except ValueError as error:  # an unusable prompt does not end the chat
                print(error)
            except KeyboardInterrupt:
                print(" (stopped)")


CHAT_COMMANDS = """\
/reset        forget the conversation and start over
/save FILE    add the conversation to FILE, a .jsonl file that --data can read
/seed N       choose words as seed N does, so that you can repeat a conversation
/quit         end the chat, like an empty line"""


def _typed() -> str:
    """The next line typed; empty if there are no more."""
    try:
        return input("\n> ")
    except EOFError:
        print()
        return ""


def _loaded(name: str, int8: bool) -> GPT2:
    model = GPT2.from_pretrained(name)
    return model.quantize() if int8 else model


def _print_continuation(model: GPT2, prompt: str, sampling: SamplingConfig, max_new_tokens: int) -> None:
    pieces = model.stream(prompt, max_new_tokens=max_new_tokens, **asdict(sampling))
    first = next(pieces, "")  # a bad prompt raises here, before anything is printed
    print(prompt + first, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


@dataclass(frozen=True)
class Tokenize:
    """Convert a text into token shards, which training reads without loading them into memory.

    Only the tokens of a dataset from the Hugging Face hub are stored, not its text. You can stop at any time and
    resume with the same command.
    """

    data: Annotated[
        str,
        tyro.conf.arg(
            help="A .txt, .md, .jsonl, or .csv file (or its .gz); a folder or a quoted pattern of such files; the name "
            "of a text; a dataset on the Hugging Face hub, such as hf:HuggingFaceFW/fineweb-edu, or one of its "
            "configurations, such as hf:HuggingFaceFW/fineweb-edu:sample-10BT; or hf:FOLDER, for a folder of Parquet "
            "or JSON Lines files."
        ),
    ]
    column: str = TrainConfig.column
    """The column to read from a .jsonl or .csv file or a dataset; each row is a document. If a .jsonl file has no such
    column but messages, or prompt and completion, its rows are dialogues."""
    out: str = ""
    """The folder for the shards; by default shards/ plus the name of the text."""
    tokenizer: str = "gpt2"
    """gpt2, or the folder of a model whose tokenizer to use."""
    val_fraction: float = TrainConfig.val_fraction
    """The share kept for validation: the end of a text, or documents spread over a dataset (at most 50 million
    tokens)."""
    context: int = GPT2Config.n_positions
    """For dialogues: the most tokens in a piece; longer dialogues are cut at a question."""
    tokens: str = ""
    """For a dataset: stop after this many tokens (10B, 500M, 250K); by default, use all of them."""

    def run(self) -> None:
        spec = DataSpec.parse(self.data)
        out = Path(self.out or f"shards/{spec.folder_name}")
        with reserving(out):
            self._write_shards(spec, out)

    def _write_shards(self, spec: DataSpec, out: Path) -> None:
        streamed = spec.kind == "hub"
        if (out / INDEX).exists() or (not streamed and (out / PROGRESS).exists()):
            raise FileExistsError(f"{out} already contains token shards: choose another folder with --out.")
        if self.tokens and not streamed:
            raise ValueError(f"--tokens works only for datasets (hf:OWNER/NAME): leave it out for {self.data}.")
        tokenizer = Tokenizer.gpt2() if self.tokenizer == "gpt2" else Tokenizer.load(self.tokenizer)
        tokens = parse_count(self.tokens) if self.tokens else None
        print(f"Writing the tokens of {self.data} to {out}.")
        if streamed:
            try:
                counts = stream_shards(self.data, tokenizer, out, tokens, self.val_fraction, column=self.column)
            except KeyboardInterrupt:
                print(f"\nStopped with {tokens_kept(out):,} tokens written. To continue, repeat the command.")
                raise
        else:
            corpus = find_corpus(self.data, self.val_fraction, self.column)
            if corpus.files:
                print(corpus.files)
            counts = write_shards(corpus, tokenizer, out, context=self.context)
            print(documents_found(counts, self.context))
        print(f"{out}: {counts['train']:,} tokens for training, {counts['val']:,} for validation.")
        print(f"Train on them:\n  python train.py --data {quote(str(out))}")


@dataclass(frozen=True)
class Evaluate:
    """Measure how well a model predicts a text: loss, perplexity, bits per byte. For Tiny World, also grade it."""

    model: ModelName = DEFAULT_MODEL
    data: DataName = ""
    column: str = TrainConfig.column
    """The column to read from a .jsonl or .csv file. If a .jsonl file has no such column but messages, or prompt and
    completion, its rows are dialogues, and only their answers are measured."""
    val_fraction: float = TrainConfig.val_fraction
    """The share of the text to measure, taken from its end; 1 measures all of it."""
    samples: int = 1000
    """How many texts of each kind to grade, if the text is Tiny World; 0 for none."""
    by_rule: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also split the loss above the floor by rule of Tiny World, to show which rules the model has not learned."""

    def run(self) -> None:
        model = GPT2.from_pretrained(self.model)
        tokenizer = model.require_tokenizer()
        own_world = Path(self.model) / WORLD
        data = self.data or (str(own_world) if own_world.exists() else TrainConfig.data)
        if shards := find_shards(data):
            theirs, _, stream = read_shards(shards)
            if theirs != tokenizer:
                raise ValueError(
                    f"The shards in {data} were made with a different tokenizer from the model's: recreate "
                    f"them with gpt2-course tokenize --tokenizer {self.model}."
                )
        else:
            corpus = find_corpus(data, self.val_fraction, self.column).fitting(tokenizer, model.n_positions)
            stream = _held_out(corpus, tokenizer, model.n_positions)
        world = find_world(data)
        result = evaluate(model, tokenizer, stream, by_rule=self.by_rule, world=world)
        print(f"loss            {result.loss:.4f} nats per token, over {result.n_tokens:,} tokens")
        print(f"perplexity      {result.perplexity:.2f}")
        print(f"bits per byte   {result.bits_per_byte:.4f}, over {result.n_bytes:,} bytes")
        if result.floor is not None:
            print(
                f"floor           {result.floor:.4f} nats per token; the loss is {result.loss / result.floor:.3f} × "
                f"that"
            )
        if self.by_rule:
            print("\n" + result.table_of_rules())
        if DataSpec.parse(data).kind == "dialogues" and self.samples:
            print(f"\nJudged by {self.samples:,} questions of each sort:")
            print(grade_answers(model, self.samples).table())
        if DataSpec.parse(data).kind == "tiny-world" and self.samples:
            print(f"\nJudged by {self.samples:,} samples of each kind at temperature 0.8:")
            trained = _training_text(self.model)
            n_trained = DataSpec.parse(trained).n_documents or 0
            grades = grade(model, self.samples, n_trained, world=world, trained_world=find_world(trained))
            print(grades.table())


def _training_text(model: str) -> str:
    """The text a model was trained on, according to its folder; by default, Tiny World."""
    try:
        return TrainConfig.load(Path(model)).data
    except FileNotFoundError:
        return TrainConfig.data


def _held_out(corpus: Corpus, tokenizer: Tokenizer, context: int) -> TokenStream:
    """The validation part of a text as tokens in memory, so that its temporary shards can be deleted."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows cannot delete a mapped file
        write_shards(replace(corpus, train=()), tokenizer, Path(folder), context=context)
        _, _, stream = read_shards(Path(folder))
        stream.arrays = [np.array(shard) for shard in stream.arrays]
        stream.graded_arrays = [np.array(shard) for shard in stream.graded_arrays]
        return stream


@dataclass(frozen=True)
class Export:
    """Export a model to a folder that this package and Hugging Face transformers can load.

    The run's settings, history, grades, and world are included.
    """

    out: Path
    """The folder to write."""
    model: ModelName = "runs/laptop"
    dtype: Literal["float32", "float16"] = "float16"
    """float16 halves the file size; scores change in the fourth digit."""

    def run(self) -> None:
        model = GPT2.from_pretrained(self.model)
        with reserving(self.out):
            size = self._write_folder(model)
        print(f"{self.out}: {model.num_parameters():,} parameters in {size:.1f} MB.")

    def _write_folder(self, model: GPT2) -> float:
        """Write the folder; return its size in MB.

        The files are written to a subfolder and moved when all are complete. If a killed process left that subfolder,
        the same command starts over.
        """
        unfinished = self.out / UNFINISHED
        if not unfinished.exists() and any(path.name != LOCK for path in self.out.iterdir()):
            raise FileExistsError(f"{self.out} is not empty: choose another folder with --out.")
        shutil.rmtree(unfinished, ignore_errors=True)
        model.save_pretrained(unfinished, getattr(torch, self.dtype))
        for name in (CONFIG, HISTORY, GRADES, WORLD):  # how it was trained, and how good it is
            if (Path(self.model) / name).exists():
                shutil.copy(Path(self.model) / name, unfinished)
        files = list(unfinished.iterdir())
        size = sum(path.stat().st_size for path in files) / 1e6
        for path in files:
            path.replace(self.out / path.name)
        unfinished.rmdir()
        return size


@dataclass(frozen=True)
class Start:
    """Write my_gpt2.py, the file in which you build your own GPT-2, brick by brick.

    It contains every function with its task, and you write the code. A model and some documents are put beside it. A
    file that is already there is never overwritten.
    """

    folder: tyro.conf.Positional[Path] = Path()
    """Where to write it."""

    def run(self) -> None:
        written = start(self.folder)
        file = self.folder / FILE
        print(f"{'Wrote' if file in written else 'Kept'} {file}.")
        print(f"Open it in an editor, write the first function, and check it:\n  gpt2-course check {quote(str(file))}")
        print("Chapter 2 of the book explains exercises 2.1, 2.2, and so on.")


@dataclass(frozen=True)
class Check:
    """Check the bricks in my_gpt2.py: which are right, which are not and why, and what comes next.

    The file is run in a process of its own, with a time limit. Of a project, check the measurements in results.csv, a
    table of variant, seed, and loss. Returns 0 only if everything is right.
    """

    file: tyro.conf.Positional[Path] = Path(FILE)
    """my_gpt2.py, a notebook, results.csv, or for --report, a folder of such files."""
    watch: tyro.conf.FlagCreatePairsOff[bool] = False
    """Check again whenever the file is saved."""
    only: str = ""
    """Check one exercise only, such as 4.3 or attention_weights."""
    hint: str = ""
    """Show a hint for an exercise, such as 4.3 or attention_weights, and check nothing."""
    report: str = ""
    """Write the results to this file: grades.json, or grades.csv for a table with a row per exercise and the total."""

    def run(self) -> int:
        for number in filter(None, (self.only, self.hint)):
            if number not in {*NAMES, *BRICKS} and (number == self.hint or self.file.suffix != ".ipynb"):
                raise ValueError(f"There is no brick {number}. Choose from {', '.join(NAMES)}.")
        if self.hint:
            print(HINTS[NAMES.get(self.hint, self.hint)])
            return 0
        if not self.file.exists():
            raise FileNotFoundError(f"There is no {self.file}: write it with gpt2-course start.")
        if self.file.is_dir() and not self.report:
            raise ValueError(
                f"{self.file} is a folder: name a file, or give --report grades.csv to grade all files in it."
            )
        if self.report and Path(self.report).suffix not in (".json", ".csv"):
            raise ValueError(f"--report must name a .json or .csv file, not {self.report!r}.")
        with Checker() as checker:
            if self.report:
                return self._report(checker)
            saved = _saved_at(self.file)  # before it is read, so that a save during the check is noticed, too
            right = self._show(checker)
            while self.watch:
                checker.prepare()
                saved = self._wait_for_change(saved)
                print(f"\n---- {datetime.now():%H:%M:%S} ----")
                right = self._show(checker)
        return 0 if right else 1

    def _show(self, checker: Checker) -> bool:
        """Check the file and print the results; return whether all are right."""
        results: list[Result] = []
        of_project = self.file.suffix == ".csv"
        found = graded(self.file) if of_project else checker.check(self.file, BRICKS.get(self.only, self.only))
        for result in found:
            before = results[-1].state if results else ""
            if not result.state == before == "not checked":  # what stops the whole file is said once
                print(result, flush=True)
            results.append(result)
        if not results:
            raise ValueError(f"{self.file} contains no exercise to check.")
        todo = [result for result in results if result.state != "correct"]
        print(f"\n{len(results) - len(todo)} of {len(results)} right. ", end="")
        if todo and (todo[0].state == "not checked" or of_project):
            print()
        elif of_project:
            print("Your comparison is fair. Its losses differ by:", *verdicts(self.file), sep="\n  ")
        elif todo:
            print(f"Next: {todo[0].number} {todo[0].name}. For a hint: gpt2-course check --hint {todo[0].number}")
        elif not self.only and self.file.suffix == ".py" and (part := changed(read(self.file))):
            print(
                f"But the given part has changed ({part}): take it from a fresh file, which gpt2-course start "
                "OTHER_FOLDER writes."
            )
        elif not self.only:
            print(f'Your GPT-2 is whole. Let it write: python {quote(str(self.file))} "Once upon a time"')
        else:
            print()
        return not todo

    def _wait_for_change(self, before: int | None) -> int:
        """Wait until the file is saved, and return when it was. Looking at it twice a second costs nothing."""
        while (saved := _saved_at(self.file)) in (before, None):
            time.sleep(0.3)
        return saved

    def _report(self, checker: Checker) -> int:
        only = BRICKS.get(self.only, self.only)
        found = {str(file): _graded(checker, file, only) for file in student_files(self.file)}
        if not found:
            raise FileNotFoundError(f"There are no Python files or notebooks in {self.file}.")
        write_report(Path(self.report), found)
        for file, results in found.items():
            print(f"{file}: {sum(result.state == 'correct' for result in results)} of {len(results)} right")
        network = "without" if without_network() else "with"
        print(f"Wrote {self.report}. The files were run {network} access to the network.")
        return 0 if all(results and _all_right(results) for results in found.values()) else 1


def _all_right(results: list[Result]) -> bool:
    return all(result.state == "correct" for result in results)


def _saved_at(file: Path) -> int | None:
    """When a file was last saved; None while an editor is replacing it."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _graded(checker: Checker, file: Path, only: str) -> list[Result]:
    """The results of a file; if it cannot be read at all, each says why."""
    try:
        return graded(file) if file.suffix == ".csv" else list(checker.check(file, only))
    except (OSError, ValueError) as error:
        return [Result(n, name, "not checked", str(error)) for n, name in NAMES.items() if only in ("", n)]


@dataclass(frozen=True)
class World:
    """Add friends, places, and things of your own to Tiny World: write a file to start from, or check yours.

    A file that is already there is never overwritten.
    """

    file: tyro.conf.Positional[Path]
    """The file, such as new.toml."""

    def run(self) -> None:
        data = quote(str(self.file))
        if not DataSpec.parse(str(self.file)).is_own_world:
            raise ValueError(f"A world's file must end in .toml, but this is {self.file}: give it another name.")
        if not self.file.exists():
            with replacing(self.file) as path:
                path.write_text(starting_file(data), encoding="utf-8")
            print(f"Wrote {self.file}. Open it in an editor, make it your own, and check it:")
            print(f"  gpt2-course world {data}")
            return
        world = load_world(self.file)
        print(f"{self.file} adds to Tiny World:\n{world.additions}\n")
        for document in examples(world):
            print(f"{document.text}\n\n{'─' * 40}\n")
        print(f"Train on this world:\n  python train.py --data {data}")


Command = Start | Check | World | Train | Generate | Chat | Tokenize | Evaluate | Export
COMMANDS: dict[str, type[Command]] = {
    "start": Start,
    "check": Check,
    "world": World,
    "train": Train,
    "generate": Generate,
    "chat": Chat,
    "tokenize": Tokenize,
    "evaluate": Evaluate,
    "export": Export,
}


def overview() -> str:
    """The help of the command itself, with one line per subcommand."""
    lines = [f"  {name:10}{(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gpt2-course COMMAND [OPTIONS]",
            "",
            "Build your own GPT-2: write it brick by brick, train it on a text, let it write, measure it.",
            "",
            *lines,
            "",
            "gpt2-course COMMAND --help lists the options of a command.",
        ]
    )


def _train_defaults(arguments: Sequence[str]) -> TrainConfig:
    """The defaults of `train`: the settings of the preset or, with `--resume`, those of the run to resume."""

    @dataclass
    class First:
        preset: str = TrainConfig.preset
        data: str = ""
        out: str = TrainConfig.out
        start: Annotated[str, tyro.conf.arg(name="from")] = TrainConfig.start
        lora: int = TrainConfig.lora
        reward: str = TrainConfig.reward
        resume: bool = False

    without_help = [a for a in arguments if a not in ("-h", "--help")]
    try:
        first, _ = tyro.cli(First, args=without_help, return_unknown_args=True, console_outputs=False)
    except SystemExit:  # a mistake in one of these options, which `Train` also has and will report
        return TrainConfig()
    preset = first.preset
    if preset == TrainConfig.preset:
        preset = "reward" if first.reward else "lora" if first.lora else "finetune" if first.start else preset
    if not first.resume:
        loads = preset in TUNING and without_help == list(arguments)  # help must not download a model
        return TrainConfig.for_preset(preset, first.start if loads else "")
    config = TrainConfig.for_preset(preset)
    folder = replace(config, data=first.data or config.data, out=first.out).folder
    started = TrainConfig.load(folder)
    # use the given folder even if the settings name another, because the run may have been moved
    return started if started.folder == folder else replace(started, out=str(folder))


def _reason(error: OSError) -> str:
    """What went wrong with a file, in one sentence."""
    return f"{error.strerror}: {error.filename or 'unknown file'}." if error.errno else str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 for success, 1 for an error, 2 for a wrong command or option, 130 for Ctrl-C."""
    for closed in ("stdout", "stderr"):  # for example by `2>&-`
        if getattr(sys, closed) is None:
            setattr(sys, closed, Path(os.devnull).open("w"))  # noqa: SIM115
    # instead of failing, replace characters the terminal cannot show and input bytes that are not valid text
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(overview())
        return 0
    if name not in COMMANDS:
        print(f"There is no command {name!r}.\n\n{overview()}", file=sys.stderr)
        return 2
    try:
        options: dict[str, Any] = {}
        if name == "train":
            options["default"] = Train(_train_defaults(rest))
        command = tyro.cli(COMMANDS[name], prog=f"gpt2-course {name}", args=rest, **options)
        if isinstance(command, Check):
            return command.run()
        command.run()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has closed it
        sys.stderr.close()
        return 1 if name == "train" else 0
    except torch.OutOfMemoryError as error:
        print(f"error: The device ran out of memory ({error}): lower --batch-size.", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not lost_a_process(error):
            raise
        print(
            "error: Another process of this run has died: see its message. To restart all processes automatically, "
            "give torchrun --max-restarts 3.",
            file=sys.stderr,
            flush=True,
        )
        sys.stdout.flush()
        os._exit(1)  # at once, because a normal shutdown would deadlock with the other processes
    except OSError as error:
        print(f"error: {_reason(error)}", file=sys.stderr)
        return 1
    except (ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
