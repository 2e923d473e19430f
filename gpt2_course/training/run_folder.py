"""A run's folder: its settings, tokens, history, training state, and the model it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from gpt2_course.checkpoint import WEIGHTS
from gpt2_course.data import Corpus, DataSpec, find_corpus, find_shards, write_shards
from gpt2_course.data.shards import INDEX
from gpt2_course.files import remove_leftovers, replacing
from gpt2_course.history import HISTORY
from gpt2_course.model import GPT2
from gpt2_course.tiny_world import World, load_world
from gpt2_course.tiny_world.documents import DEFAULT_WORLD
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training.config import WORLD, TrainConfig

STATE = "training_state.pt"
TOKENS = "tokens"  # the subfolder of the token shards
START = "start"  # the subfolder of the model a run started from
TOKENIZER_TEXT = 20_000_000  # characters to learn a vocabulary from: more would hardly change it
# Settings that must not change when a run is resumed: how the tokens were made, and what the weights mean.
FIXED = ("data", "column", "tokenizer", "val_fraction", "start", "lora", "reward")
FIXED_SHAPE = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon")


def check_folder(config: TrainConfig, resume: bool) -> None:
    """Make sure the run's folder can be used, remove what a killed process left there, and keep a copy of the world.

    Raises `FileExistsError` if it already contains a run or a model; with `resume`, `ValueError` if it contains a run
    on another text or with another model.
    """
    folder = config.folder
    if resume:
        _check_same_run(config)
    else:
        if (folder / STATE).exists() or (folder / WEIGHTS).exists():
            raise FileExistsError(
                f"{folder} already contains a run or a model: continue it with --resume, or give a different --out."
            )
        (folder / HISTORY).unlink(missing_ok=True)
        _keep_world(config)
    for place in (folder, folder / TOKENS, folder / START):
        remove_leftovers(place)


def load_start(config: TrainConfig, resume: bool) -> GPT2:
    """The model that a run starts from: the one named by `start`, or the copy in the folder of a run to resume.

    Raises the errors of `GPT2.from_pretrained`.
    """
    return GPT2.from_pretrained(config.folder / START if resume else config.start)


def _keep_world(config: TrainConfig) -> None:
    """Copy the file of the user's own world to the run's folder, so that the run does not depend on its later state.

    Raises the errors of `load_world`.
    """
    spec, copy = DataSpec.parse(config.data), config.folder / WORLD
    if not spec.is_own_world:
        copy.unlink(missing_ok=True)
        return
    load_world(spec.path)
    content = spec.path.read_bytes()
    with replacing(copy) as path:
        path.write_bytes(content)


def world_of(folder: Path) -> World:
    """The world of a run or a model in `folder`: its own, or else Tiny World."""
    return load_world(folder / WORLD) if (folder / WORLD).exists() else DEFAULT_WORLD


def prepare(config: TrainConfig, resume: bool, tokenizer: Tokenizer | None = None) -> Path:
    """The folder of the token shards to train on: the one named by `data`, or the run's own, made from the text with
    this tokenizer; by default, with the one that `config` names.

    Raises the errors of `check_folder`.
    """
    check_folder(config, resume)
    shards = config.folder / TOKENS
    if given := find_shards(config.data):
        return given
    if resume and (shards / INDEX).exists():
        return shards
    corpus = find_corpus(config.data, config.val_fraction, config.column)
    if corpus.files:
        print(corpus.files)
    tokenizer = tokenizer or _tokenizer(config, corpus, resume)
    fitting = corpus.fitting(tokenizer, config.context)
    counts = write_shards(fitting, tokenizer, shards, context=config.context)
    if corpus.files:
        print(documents_found(counts, config.context))
    if fitting != corpus:
        print(f"Found {counts['documents']:,} documents that fit into a context of {config.context} tokens.")
    return shards


def documents_found(counts: dict[str, int], context: int) -> str:
    """What `write_shards` found, in a line to print."""
    documents, shortened = counts["documents"], counts["shortened"]
    line = f"Found {documents:,} document{'s' * (documents != 1)}."
    if shortened:
        cut = "1 question with its answer" if shortened == 1 else f"{shortened:,} questions with their answers"
        line += f" Cut {cut} to {context:,} tokens."
    return line


def _check_same_run(config: TrainConfig) -> None:
    """Raise `ValueError` for a setting that cannot change when a run is resumed."""
    started = TrainConfig.load(config.folder)
    fixed = [(name, getattr(started, name), getattr(config, name)) for name in FIXED]
    fixed += [(name, getattr(started.model, name), getattr(config.model, name)) for name in FIXED_SHAPE]
    for name, was, asked in fixed:
        if name == "data" and was != asked and DataSpec.parse(was).is_own_world:
            _check_same_world(config.folder, DataSpec.parse(was), DataSpec.parse(asked))
        elif was != asked:
            name = "from" if name == "start" else name  # the name of the option
            raise ValueError(
                f"The run in {config.folder} was started with {name}={was!r} and cannot be resumed with {asked!r}: "
                f"leave {name} as it was, or start a new run with a different --out."
            )


def _check_same_world(folder: Path, was: DataSpec, asked: DataSpec) -> None:
    """Raise `ValueError` if a world to resume a run with differs from the copy in its folder."""
    same = asked.is_own_world and asked.path.is_file() and asked.path.read_bytes() == was.path.read_bytes()
    if not (same and was.n_documents == asked.n_documents):
        raise ValueError(
            f"The run in {folder} was started with {was.n_documents} documents of the world in {was.path}, which "
            f"{asked.name} is not or no longer is: resume it with --out {folder} and without --data, or start a new "
            f"run with a different --out."
        )


def _tokenizer(config: TrainConfig, corpus: Corpus, resume: bool) -> Tokenizer:
    if resume and (config.folder / STATE).exists():
        return Tokenizer.load(config.folder)  # the one the model was trained with
    if config.tokenizer == "new":
        text = chain.from_iterable(document.pieces() for document in corpus.train)
        return Tokenizer.train(_first(text, TOKENIZER_TEXT), config.model.vocab_size)
    return Tokenizer.gpt2() if config.tokenizer == "gpt2" else Tokenizer.load(config.tokenizer)


def _first(pieces: Iterable[str], n_characters: int) -> Iterator[str]:
    """The first pieces of a text, until they add up to `n_characters`."""
    for piece in pieces:
        yield piece
        n_characters -= len(piece)
        if n_characters <= 0:
            return


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the training state atomically.

    Raises `OSError` if the disk is full; the previous checkpoint stays readable.
    """
    with replacing(folder / STATE) as path:
        try:
            torch.save(state, path)
        except RuntimeError as error:  # how PyTorch reports a full disk
            raise OSError(
                f"The checkpoint of step {state['step']} could not be written to {folder} (is the disk full?); "
                f"the previous one is untouched."
            ) from error


@contextmanager
def loading_checkpoint(folder: Path) -> Iterator[dict[str, Any]]:
    """The training state in a run's folder; empty if the run was killed before its first checkpoint.

    Raises `ValueError` if the state is damaged, or if loading it into the model and optimizers inside the block fails.
    """
    path = folder / STATE
    try:
        yield torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {}
    except (RuntimeError, KeyError, ValueError, TypeError, EOFError, UnpicklingError) as error:
        raise ValueError(
            f"{path} is not a checkpoint of this run ({type(error).__name__}). It is damaged, or the model's shape or "
            f"the optimizer has changed: start a new run with a different --out."
        ) from error
