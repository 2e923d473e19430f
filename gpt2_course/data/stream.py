"""Datasets on the Hugging Face hub as token shards, streamed so that the text is never stored on disk.

While work is in progress, the folder also contains `progress.json`, which records how much of the stream the shards
cover. Work may stop at any time and resumes from there. In the end, this file becomes `index.json`.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gpt2_course.data.formats import COLUMN, missing_column
from gpt2_course.data.shards import INDEX, SHARD_TOKENS, check_vocabulary, write_shard
from gpt2_course.data.spec import DataSpec
from gpt2_course.data.text import VAL_FRACTION
from gpt2_course.files import remove_leftovers, replacing
from gpt2_course.tokenizer import Tokenizer

PROGRESS = "progress.json"
END = "end"  # the position once everything has been read
DOCUMENTS_PER_BATCH = 64  # encoded in parallel
FACTORS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}


def parse_count(text: str) -> int:
    """The integer meant by `10B`, `1.5M`, `250K`, or `1000`; `ValueError` for anything else.

    >>> parse_count("1.5M")
    1500000
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMB]?)", text.upper(), re.ASCII)
    count = round(float(found[1]) * FACTORS[found[2]]) if found else 0
    if count < 1:
        raise ValueError(f"{text!r} is not a number of tokens: write it like 10B, 500M, 250K, or 1000.")
    return count


def stream_shards(
    data: str,
    tokenizer: Tokenizer,
    folder: Path,
    tokens: int | None = None,
    val_fraction: float = VAL_FRACTION,
    shard_tokens: int = SHARD_TOKENS,
    column: str = COLUMN,
) -> dict[str, int]:
    """Tokenize `hf:OWNER/NAME`, `hf:OWNER/NAME:CONFIG`, or `hf:FOLDER`; return the number of tokens in each part.

    The documents are read from `column` of the split `train`, in stored order, up to the one that reaches `tokens`.
    The length of a stream is unknown, so validation documents cannot be its last ones. Instead, a document goes to
    `val` whenever `val` has less than `val_fraction` of the tokens so far and fewer than `shard_tokens`.

    About one shard is in memory at a time. A call with the same arguments resumes after the last shard written, and
    the result is byte for byte the same as without the interruption.

    Raises `ValueError` if the arguments differ from those the folder was started with, or if the dataset has no text,
    `ConnectionError` if the dataset cannot be read, `ImportError` without the library `datasets`, 5.2 or newer.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction must be between 0 and 1, but is {val_fraction}.")
    check_vocabulary(tokenizer)
    source = {"data": data, "tokens": tokens, "val_fraction": val_fraction, "column": column}
    progress = _load_progress(folder, tokenizer, source)
    dataset = [] if progress["position"] == END else _open(data, column, progress)
    remove_leftovers(folder)
    tokenizer.save(folder)
    parts = ("train", "val")
    counts = {part: sum(shard["tokens"] for shard in progress[part]["shards"]) for part in parts}
    unsaved = {part: array("H") for part in parts}  # 16 bits per token
    total = sum(counts.values())
    with tqdm(total=tokens, initial=total, unit="tok", unit_scale=True, leave=False, disable=None) as bar:
        for ids, position in _encode(_read(dataset, data, column), tokenizer):
            if tokens is not None and total >= tokens:
                break
            part = "val" if counts["val"] < min(val_fraction * total, shard_tokens) else "train"
            unsaved[part].extend(ids)
            counts[part] += len(ids)
            total += len(ids)
            length = len(ids) - (tokenizer.end_of_text is not None)
            progress[part]["longest_document"] = max(progress[part]["longest_document"], length)
            progress["position"] = position
            bar.update(len(ids))
            if sum(map(len, unsaved.values())) >= shard_tokens:
                _save(folder, progress, unsaved)
    progress["position"] = END
    _save(folder, progress, unsaved)
    (folder / PROGRESS).replace(folder / INDEX)
    return counts


def tokens_kept(folder: Path) -> int:
    """The number of tokens in the shards of interrupted work, which would resume after them."""
    if not (folder / PROGRESS).exists():
        return 0
    progress = json.loads((folder / PROGRESS).read_text("utf-8"))
    return sum(shard["tokens"] for part in ("train", "val") for shard in progress[part]["shards"])


def _load_progress(folder: Path, tokenizer: Tokenizer, source: dict[str, Any]) -> dict[str, Any]:
    """The progress of the work in a folder; `ValueError` if its arguments were different."""
    path = folder / PROGRESS
    if not path.exists():
        about = {part: {"shards": [], "longest_document": 0, "nats": []} for part in ("train", "val")}
        return {"vocab_size": tokenizer.vocab_size, **about, "source": source, "revision": None, "position": None}
    try:
        progress: dict[str, Any] = json.loads(path.read_text("utf-8"))
        stored = {"column": COLUMN, **progress["source"]}  # older folders store no column
        started = {**{name: stored[name] for name in source}, "tokenizer": Tokenizer.load(folder)}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}): delete {folder} and start over.") from error
    for name, value in {**source, "tokenizer": tokenizer}.items():
        if started[name] != value:
            raise ValueError(
                f"The shards in {folder} were started with {name}={started[name]!r}, which cannot change to {value!r}: "
                f"keep it, or choose another folder with --out."
            )
    return progress


def _save(folder: Path, progress: dict[str, Any], unsaved: dict[str, array[int]]) -> None:
    """Write a shard of each part, then the progress."""
    for part, ids in unsaved.items():
        if ids:
            shards = progress[part]["shards"]
            shards.append(write_shard(folder, part, len(shards), np.frombuffer(ids, np.uint16)))
            del ids[:]
    with replacing(folder / PROGRESS) as path:
        path.write_text(json.dumps(progress, indent=2) + "\n", "utf-8")


def _encode(documents: Iterator[tuple[str, Any]], tokenizer: Tokenizer) -> Iterator[tuple[list[int], Any]]:
    """The ids of each document, including its `end_of_text`, with the position in the stream after it."""
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    with ThreadPoolExecutor() as threads:
        while batch := list(islice(documents, DOCUMENTS_PER_BATCH)):
            encoded = threads.map(tokenizer.encode, [text for text, _ in batch])
            for ids, (_, position) in zip(encoded, batch, strict=True):
                yield ids + end, position


def _open(data: str, column: str, progress: dict[str, Any]) -> Any:
    """The dataset as a stream that resumes at the position in `progress`.

    The revision is stored in `progress`, so later changes on the hub have no effect.
    """
    try:
        import datasets  # here, because it is an optional dependency, and both are slow to import
        from huggingface_hub import HfApi

        if tuple(map(int, datasets.__version__.split(".")[:2])) < (5, 2):
            # 5.0 loses documents if a stream is interrupted twice
            raise ImportError(f"found version {datasets.__version__}")
    except ImportError as error:
        raise ImportError(
            f"Reading {data} requires the library datasets, 5.2 or newer ({error}): run pip install --upgrade datasets."
        ) from error
    spec = DataSpec.parse(data)
    path = Path(spec.name)
    try:
        if path.name and path.is_dir():  # `hf:` alone must not mean the current folder
            name = str(path.resolve())
        else:
            name = spec.name
            progress["revision"] = progress["revision"] or HfApi().dataset_info(name).sha
        dataset = datasets.load_dataset(
            name, spec.configuration or None, split="train", streaming=True, revision=progress["revision"]
        )
        row = next(iter(dataset), None)
    except Exception as error:  # any error: each file format has its own library with its own errors
        raise ConnectionError(
            f"{data} could not be opened ({_reason(error)}): give hf:OWNER/NAME, hf:OWNER/NAME:CONFIG, or hf:FOLDER, "
            f"and check your internet connection."
        ) from error
    if row is None:
        raise ValueError(f"{data} is empty: choose a dataset that contains text.")
    if column not in row:
        raise ValueError(f"{data} {missing_column(column, row)}")
    _text_in(row, column, data)
    dataset = dataset.select_columns(column)
    if progress["position"]:
        dataset.load_state_dict(progress["position"])
    return dataset


def _read(dataset: Any, data: str, column: str) -> Iterator[tuple[str, Any]]:
    """The documents, each with the position in the stream after it; rows without text are skipped."""
    rows = iter(dataset)
    while True:
        try:
            row = next(rows)
            position = dataset.state_dict()
        except StopIteration:
            return
        except Exception as error:
            raise ConnectionError(
                f"Reading {data} failed ({_reason(error)}): run the same command to resume after the last shard "
                f"written."
            ) from error
        if text := _text_in(row, column, data):
            yield text, position


def _text_in(row: dict[str, Any], column: str, data: str) -> str:
    text = "" if row.get(column) is None else row[column]
    if not isinstance(text, str):
        raise ValueError(
            f"{data} must have text in its column {column!r}, but has {text!r:.60}: name another column with --column."
        )
    return text


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
