"""The command line: `gpt2-course train · generate · chat · tokenize · evaluate · export`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from io import TextIOWrapper
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

from gpt2_course.data import (
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
from gpt2_course.data.text import HF, TINY_WORLD, Corpus, TinyWorld, folder_name
from gpt2_course.evaluation import evaluate
from gpt2_course.grades import GRADES, grade
from gpt2_course.lock import LOCK, reserving
from gpt2_course.model import GPT2
from gpt2_course.plots import save_loss_curve
from gpt2_course.sampling import SamplingConfig
from gpt2_course.team import has_lost_a_process
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.train_config import CONFIG, TrainConfig
from gpt2_course.training import HISTORY, Trainer, stops_like_ctrl_c

PROMPTS = ("The future of AI is", "Once upon a time", "The secret to happiness")
ModelName = Annotated[
    str,
    tyro.conf.arg(
        aliases=["-m"], help="A model's folder, tiny-world, or OpenAI's gpt2, gpt2-medium, gpt2-large, gpt2-xl."
    ),
]
DEFAULT_MODEL = "tiny-world"  # the one that comes with the package
UNFINISHED = ".unfinished-export"
DataName = Annotated[
    str,
    tyro.conf.arg(
        help="A .txt, .md, .jsonl or .csv file (or one of them with .gz), a folder or a quoted pattern of them, a "
        "folder of token shards, or a text's name."
    ),
]


@dataclass(frozen=True)
class Train:
    """Train a GPT-2 on a text, from nothing.

    Shows the loss on held-out text and samples of what the model writes, saves checkpoints, and leaves a model folder.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig]
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the run in the output folder, with its settings."""

    def run(self) -> None:
        trainer = Trainer.from_config(self.config, self.resume)
        with reserving(self.config.folder) if trainer.team.leads else nullcontext():
            self._train(trainer)

    def _train(self, trainer: Trainer) -> None:
        team = trainer.team
        if team.leads:
            print(
                f"GPT-2 with {trainer.model.num_parameters():,} parameters and {trainer.model.config.vocab_size:,} "
                f"tokens; {len(trainer.train_data):,} tokens to learn from.\n"
                f"It trains on {trainer.model.device}, in {trainer.precision}, "
                f"{'' if trainer.compiled else 'not '}compiled, AdamW {'' if trainer.fused else 'not '}fused, "
                f"in {team.size} process{'es' * (team.size > 1)}."
            )
        if trainer.step >= self.config.steps and not team.restarted:
            if team.leads:
                print(f"This run is at step {trainer.step} of {self.config.steps} already: give more --steps to go on.")
            return
        try:
            trainer.train()
        except KeyboardInterrupt:
            team.once(lambda: self._stopped(trainer))  # when one process has ended, torchrun ends the others
            team.leave()
            raise
        team.leave()
        if not team.leads:
            return
        try:
            with stops_like_ctrl_c():
                self._show(trainer)
        except KeyboardInterrupt:
            folder, samples = self.config.folder, self.config.grade_samples
            print(f"\nStopped; the model is saved in {folder}.")
            if samples and _n_documents(self.config.data):
                print(
                    f"Grade it later with:\n"
                    f"  python -m gpt2_course.cli evaluate --model {quote(str(folder))} --samples {samples}"
                )
            raise

    def _stopped(self, trainer: Trainer) -> None:
        saved = "nothing was saved yet" if trainer.saved_step is None else f"saved after step {trainer.saved_step}"
        print(f"\nStopped; {saved}. Go on with:\n  {_again(self.config, trainer.team.size)}")

    def _show(self, trainer: Trainer) -> None:
        """What came of it: the loss curve, samples, grades."""
        folder = self.config.folder
        picture = save_loss_curve(trainer.history, folder / "loss.svg")
        print(
            f"Trained in {trainer.seconds / 60:.1f} minutes. The model is in {folder}, its loss curve in {picture}.\n"
        )
        for prompt in PROMPTS:
            _write(trainer.model, prompt, SamplingConfig(temperature=0.8, seed=self.config.seed), 200)
            print()
        n_documents = _n_documents(self.config.data)
        samples = self.config.grade_samples
        if n_documents and samples:
            print(f"How well it knows Tiny World, by {samples} samples of each kind:")
            grades = grade(trainer.model, samples, n_documents)
            grades.write(folder)
            print(grades.table() + "\n")
        if self.config.preset == "laptop":
            print("Next, train a larger one (about an hour on two cores), or one on a text of yours:")
            print("  python train.py --preset story\n  python train.py --data my-text.txt")
        print(f'Let it write:\n  python -m gpt2_course.cli generate "Once upon a time" --model {quote(str(folder))}')


def _n_documents(data: str) -> int | None:
    """How many documents of Tiny World that text has; None where it is another text."""
    train = find_corpus(data).train if data.split(":")[0] == TINY_WORLD else None
    return train.n_documents if isinstance(train, TinyWorld) else None


def _again(config: TrainConfig, processes: int) -> str:
    launcher = "python"
    if processes > 1:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        launcher = f"torchrun --nproc-per-node {here}"
        if processes > here:
            launcher += f" --nnodes {processes // here}"
    default = TrainConfig.for_preset(config.preset).folder
    out = "" if config.folder == default else f" --out {quote(str(config.folder))}"
    return f"{launcher} train.py --preset {config.preset}{out} --resume"


@dataclass(frozen=True)
class Generate:
    """Continue a text, and print it as it is written."""

    prompt: tyro.conf.Positional[str] = PROMPTS[1]
    """The text to continue."""
    model: ModelName = DEFAULT_MODEL
    sampling: tyro.conf.OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    max_new_tokens: int = 100
    """How many tokens to add."""

    def run(self) -> None:
        model = GPT2.from_pretrained(self.model)
        _write(model, self.prompt, self.sampling, self.max_new_tokens)


@dataclass(frozen=True)
class Chat:
    """Type beginnings, one after another; the model continues each. An empty line ends it."""

    model: ModelName = DEFAULT_MODEL
    sampling: tyro.conf.OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    max_new_tokens: int = 100
    """How many tokens to add each time."""

    def run(self) -> None:
        if sys.stdin is None:
            raise ValueError("chat reads what you type, but its standard input is closed: start it in a terminal.")
        model = GPT2.from_pretrained(self.model)
        print("Type the beginning of a text (for example: " + " · ".join(PROMPTS) + "). An empty line ends it.")
        while True:
            try:
                prompt = input("\n> ")
            except EOFError:
                print()
                return
            if not prompt.strip():
                return
            try:
                _write(model, prompt, self.sampling, self.max_new_tokens)
            except ValueError as error:  # a prompt that cannot be used is no reason to leave
                print(error)


def _write(model: GPT2, prompt: str, sampling: SamplingConfig, max_new_tokens: int) -> None:
    choice = {f.name: getattr(sampling, f.name) for f in fields(sampling)}
    pieces = model.stream(prompt, max_new_tokens=max_new_tokens, **choice)
    first = next(pieces, "")  # a mistake in the prompt shows before anything is printed
    print(prompt + first, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


@dataclass(frozen=True)
class Tokenize:
    """Turn a text into token shards that training reads without loading them.

    Of a dataset of the Hugging Face hub, only the tokens are kept. Stop it at will: the same command goes on.
    """

    data: Annotated[
        str,
        tyro.conf.arg(
            help="A .txt, .md, .jsonl or .csv file (or one of them with .gz), a folder or a quoted pattern of them, a "
            "text's name, or a dataset of the Hugging Face hub, such as hf:HuggingFaceFW/fineweb-edu, one of its "
            "configurations, hf:HuggingFaceFW/fineweb-edu:sample-10BT, or a folder of Parquet or JSON Lines files, "
            "hf:FOLDER."
        ),
    ]
    column: str = "text"
    """The column to read of a .jsonl or .csv file or a dataset of the hub; each row is a document."""
    out: str = ""
    """The folder for the shards; if none is given, shards/ and the name of the text."""
    tokenizer: str = "gpt2"
    """gpt2, or the folder of a model whose tokenizer to use."""
    val_fraction: float = 0.1
    """The share of the text kept for validation: its end; of a dataset of the hub, documents throughout, 50 million
    tokens at most."""
    tokens: str = ""
    """With a dataset of the hub: how many tokens to stop after (10B, 500M, 250K); if not given, all of them."""

    def run(self) -> None:
        out = Path(self.out or f"shards/{folder_name(self.data)}")
        with reserving(out):
            self._write(out)

    def _write(self, out: Path) -> None:
        streamed = self.data.startswith(HF)
        if (out / INDEX).exists() or (not streamed and (out / PROGRESS).exists()):
            raise FileExistsError(f"{out} already holds token shards: choose another folder with --out.")
        if self.tokens and not streamed:
            raise ValueError(f"--tokens is for datasets of the hub (hf:OWNER/NAME): leave it out for {self.data}.")
        tokenizer = Tokenizer.gpt2() if self.tokenizer == "gpt2" else Tokenizer.load(self.tokenizer)
        tokens = parse_count(self.tokens) if self.tokens else None
        print(f"The tokens of {self.data} go to {out}.")
        if streamed:
            try:
                counts = stream_shards(self.data, tokenizer, out, tokens, self.val_fraction, column=self.column)
            except KeyboardInterrupt:
                print(f"\nStopped; {tokens_kept(out):,} tokens are kept. The same command goes on after them.")
                raise
        else:
            corpus = find_corpus(self.data, self.val_fraction, self.column)
            if corpus.files:
                print(corpus.files)
            counts = write_shards(corpus, tokenizer, out)
            print(f"Found {counts['documents']:,} document{'s' * (counts['documents'] != 1)}.")
        print(f"{out}: {counts['train']:,} tokens to train on, {counts['val']:,} to test on.")
        print(f"Train on them:\n  python train.py --data {quote(str(out))}")


@dataclass(frozen=True)
class Evaluate:
    """Measure how well a model predicts a text: loss, perplexity, bits per byte; of Tiny World, also what it writes."""

    model: ModelName = DEFAULT_MODEL
    data: DataName = TrainConfig.data
    column: str = "text"
    """The column of a .jsonl or .csv file to read."""
    val_fraction: float = 0.1
    """The share of the text, at its end, that is measured; 1 measures all of it."""
    samples: int = 1000
    """How many texts of each kind to grade, if the text is Tiny World; 0 for none."""

    def run(self) -> None:
        model = GPT2.from_pretrained(self.model)
        tokenizer = model.require_tokenizer()
        if shards := find_shards(self.data):
            theirs, _, stream = read_shards(shards)
            if theirs != tokenizer:
                raise ValueError(f"The shards in {self.data} were made with another tokenizer than the model's.")
        else:
            stream = _held_out(find_corpus(self.data, self.val_fraction, self.column), tokenizer)
        result = evaluate(model, tokenizer, stream)
        print(f"loss            {result.loss:.4f} nats a token, over {result.n_tokens:,} tokens")
        print(f"perplexity      {result.perplexity:.2f}")
        print(f"bits per byte   {result.bits_per_byte:.4f}, over {result.n_bytes:,} bytes")
        if result.floor is not None:
            print(
                f"floor           {result.floor:.4f} nats a token; the loss is {result.loss / result.floor:.3f} × that"
            )
        if self.data.split(":")[0] == TINY_WORLD and self.samples:
            print(f"\nBy {self.samples:,} samples of each kind at temperature 0.8:")
            print(grade(model, self.samples, _n_documents(_learned_from(self.model)) or 0).table())


def _learned_from(model: str) -> str:
    """The text a model was trained on, where its folder says so."""
    try:
        return TrainConfig.read(Path(model)).data
    except FileNotFoundError:
        return TrainConfig.data


def _held_out(corpus: Corpus, tokenizer: Tokenizer) -> TokenStream:
    """The end of a text as tokens; they live in memory, so that the shards they came through can go."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows removes no file that is still mapped
        write_shards(corpus, tokenizer, Path(folder))
        _, _, stream = read_shards(Path(folder))
        arrays = [np.array(shard) for shard in stream.arrays]
        return TokenStream(arrays, stream.vocab_size, stream.end_of_text, stream.longest_document, stream.nats)


@dataclass(frozen=True)
class Export:
    """Write a model as a folder to share: it opens in this package and in Hugging Face transformers.

    The run's settings, its history and its grades come along.
    """

    out: Path
    """The folder to write."""
    model: ModelName = "runs/laptop"
    dtype: Literal["float32", "float16"] = "float16"
    """float16 makes the file half as large; the scores change in the fourth digit."""

    def run(self) -> None:
        model = GPT2.from_pretrained(self.model)
        with reserving(self.out):
            size = self._write(model)
        print(f"{self.out}: {model.num_parameters():,} parameters in {size:.1f} MB.")

    def _write(self, model: GPT2) -> float:
        """Writes the folder and returns its size in MB.

        All files are written to a folder in it, and moved when they are complete. Should that be left by a process that
        was killed, the same command may start over.
        """
        unfinished = self.out / UNFINISHED
        if not unfinished.exists() and any(path.name != LOCK for path in self.out.iterdir()):
            raise FileExistsError(f"{self.out} is not empty: choose another folder with --out.")
        shutil.rmtree(unfinished, ignore_errors=True)
        model.save_pretrained(unfinished, getattr(torch, self.dtype))
        for name in (CONFIG, HISTORY, GRADES):  # how it was made, and how good it is
            if (Path(self.model) / name).exists():
                shutil.copy(Path(self.model) / name, unfinished)
        files = list(unfinished.iterdir())
        size = sum(path.stat().st_size for path in files) / 1e6
        for path in files:
            path.replace(self.out / path.name)
        unfinished.rmdir()
        return size


Command = Train | Generate | Chat | Tokenize | Evaluate | Export
COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "generate": Generate,
    "chat": Chat,
    "tokenize": Tokenize,
    "evaluate": Evaluate,
    "export": Export,
}


def overview() -> str:
    """The help of the command itself: what each part of it does, in a line."""
    lines = [f"  {name:10}{(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gpt2-course COMMAND [OPTIONS]",
            "",
            "Build your own GPT-2: train it on a text, let it write, measure it.",
            "",
            *lines,
            "",
            "gpt2-course COMMAND --help tells what a command can do.",
        ]
    )


def _train_defaults(arguments: Sequence[str]) -> TrainConfig:
    """What `train` starts from: the settings of the preset, or, with `--resume`, those of the run that goes on."""

    @dataclass
    class First:
        preset: str = TrainConfig.preset
        data: str = ""
        out: str = TrainConfig.out
        resume: bool = False

    without_help = [a for a in arguments if a not in ("-h", "--help")]
    try:
        first, _ = tyro.cli(First, args=without_help, return_unknown_args=True, console_outputs=False)
    except SystemExit:  # a mistake among these options, which are also options of `Train`: that names it
        return TrainConfig()
    config = TrainConfig.for_preset(first.preset)
    if not first.resume:
        return config
    folder = replace(config, data=first.data or config.data, out=first.out).folder
    started = TrainConfig.read(folder)
    # a run goes on where it is, also where a new one of its text would be elsewhere
    return started if started.folder == folder else replace(started, out=str(folder))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; 0 where it worked, 1 for a mistake that can be mended, 2 for a wrong option, 130 for Ctrl-C."""
    for closed in ("stdout", "stderr"):  # as by `2>&-`
        if getattr(sys, closed) is None:
            setattr(sys, closed, Path(os.devnull).open("w"))  # noqa: SIM115
    # do not stop for a character the terminal lacks, or for typed bytes that are not valid text: replace them
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
        command.run()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has had enough
        sys.stderr.close()
        return 1 if name == "train" else 0
    except torch.OutOfMemoryError as error:
        print(f"error: The device has too little memory ({error}): make --batch-size smaller.", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not has_lost_a_process(error):
            raise
        print(
            "error: Another process of this run has died: see what it said, and give torchrun --max-restarts 3 to have "
            "all of them started anew.",
            file=sys.stderr,
            flush=True,
        )
        sys.stdout.flush()
        os._exit(1)  # at once: what is freed in leaving would wait for the others, and they for this one
    except OSError as error:
        reason = f"{error.strerror}: {error.filename or 'no file is named'}." if error.errno else str(error)
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except (ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
