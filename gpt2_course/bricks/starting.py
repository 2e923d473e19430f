"""What a learner begins with: `my_gpt2.py` with bricks still to be written, a model, and documents to learn from."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gpt2_course.bricks.source import FILE, stubs
from gpt2_course.files import replacing
from gpt2_course.sources import DEFAULT_MODEL, SHIPPED
from gpt2_course.tiny_world.documents import WEIGHTS, Kind, documents

MODEL_FILES = ("config.json", "model.safetensors", "vocab.json", "merges.txt")
TEXTS = "tiny-world.jsonl"
# In two minutes, a small model comes closer to the floor of these than of songs and musings.
KINDS: tuple[Kind, ...] = ("facts",)
N_TEXTS = 8000


def start(folder: str | Path = ".") -> list[Path]:
    """Write `my_gpt2.py`, the shipped model, and some documents of Tiny World to a folder; return what was written.

    A file that is already there stays as it is.
    """
    folder = Path(folder)
    written = []
    for name in MODEL_FILES:
        if not (path := folder / DEFAULT_MODEL / name).exists():
            with replacing(path) as temporary:
                shutil.copyfile(SHIPPED[DEFAULT_MODEL] / name, temporary)
            written.append(path)
    if not (path := folder / TEXTS).exists():
        with replacing(path) as temporary:
            temporary.write_text("".join(islice(_lines(), N_TEXTS)), encoding="utf-8")
        written.append(path)
    if not (path := folder / FILE).exists():
        with replacing(path) as temporary:
            temporary.write_text(stubs(), encoding="utf-8")
        written.append(path)
    return written


def _lines() -> Iterator[str]:
    """Documents of these kinds as JSON: the text, and −ln of its probability among documents of these kinds, in nats.

    A perfect model of them cannot know more than this probability, so it is what a text costs it.
    """
    share = sum(WEIGHTS[kind] for kind in KINDS) / sum(WEIGHTS.values())
    for document in documents(0, "train"):
        if document.kind in KINDS:
            nats = math.log(share) - document.log_prob
            yield json.dumps({"text": document.text, "nats": round(nats, 4)}, ensure_ascii=False) + "\n"
