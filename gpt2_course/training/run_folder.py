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
from gpt2_course.data import Corpus, find_corpus, find_shards, write_shards
from gpt2_course.data.shards import INDEX
from gpt2_course.files import remove_leftovers, replacing
from gpt2_course.history import HISTORY
from gpt2_course.model import GPT2
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training.config import TrainConfig

STATE = "training_state.pt"
TOKENS = "tokens"  # the subfolder of the token shards
TOKENIZER_TEXT = 20_000_000  # characters to learn a vocabulary from: more would hardly change it
# Settings that must not change when a run is resumed: how the tokens were made, and what the weights mean.
FIXED = ("data", "column", "tokenizer", "val_fraction", "start", "reward")
FIXED_SHAPE = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon")


def check_folder(config: TrainConfig, resume: bool) -> None:
    """Make sure the run's folder can be used, and remove what a killed process left there.

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
    for place in (folder, folder / TOKENS):
        remove_leftovers(place)


def prepare(config: TrainConfig, resume: bool) -> Path:
    """The folder of the token shards to train on: the one named by `data`, or the run's own, made from the text.

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
    counts = write_shards(corpus, _tokenizer(config, corpus, resume), shards, context=config.context)
    if corpus.files:
        print(documents_found(counts, config.context))
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
        if was != asked:
            raise ValueError(
                f"The run in {config.folder} was started with {name}={was!r} and cannot be resumed with {asked!r}: "
                f"leave {name} as it was, or start a new run with a different --out."
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


def save_checkpoint(folder: Path, state: dict[str, Any], model: GPT2) -> None:
    """Write the training state, then the model folder; each file is replaced atomically.

    Resuming needs only the state, so it does not matter if the run is killed between the two. Raises `OSError` if the
    disk is full; the previous checkpoint stays readable.
    """
    with replacing(folder / STATE) as path:
        try:
            torch.save(state, path)
        except RuntimeError as error:  # how PyTorch reports a full disk
            raise OSError(
                f"The checkpoint of step {state['step']} could not be written to {folder} (is the disk full?); "
                f"the previous one is untouched."
            ) from error
    model.save_pretrained(folder)


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
