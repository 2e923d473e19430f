"""What the name of a text means: the only place that parses `--data`."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpt2_course.data.formats import PLAIN, ROWS

TINY_WORLD = "tiny-world"
DIALOGUES = "tiny-world-dialogues"
HUB_PREFIX = "hf:"  # the prefix of a dataset on the Hugging Face hub
TRAIN_DOCUMENTS = 40_000  # of Tiny World, if no number is given: about 30 MB
WORLD_SUFFIX = ".toml"  # of a file that adds to Tiny World


@dataclass(frozen=True)
class DataSpec:
    """A parsed data name, as given to `find_corpus` or `gpt2-course train`.

    >>> DataSpec.parse("tiny-world:500")
    DataSpec(kind='tiny-world', name='tiny-world', n_documents=500, configuration='')
    >>> DataSpec.parse("hf:HuggingFaceFW/fineweb-edu:sample-10BT")
    DataSpec(kind='hub', name='HuggingFaceFW/fineweb-edu', n_documents=None, configuration='sample-10BT')
    """

    kind: Literal["tiny-world", "dialogues", "hub", "files"]
    """`tiny-world` also covers a world of the user's own. `dialogues` are about Tiny World. `files` also covers
    folders, patterns, token shards, and the names of downloads."""
    name: str
    n_documents: int | None = None
    """How many documents of Tiny World, or how many dialogues about it, to train on; None for any other text."""
    configuration: str = ""
    """The configuration of a dataset on the hub; empty for its default."""

    @classmethod
    def parse(cls, data: str) -> DataSpec:
        """Parse a data name.

        `tiny-world` and `tiny-world:N` always mean Tiny World (`./tiny-world` is a folder), `tiny-world-dialogues` and
        `tiny-world-dialogues:N` mean dialogues about it, `FILE.toml` and `FILE.toml:N` mean Tiny World with the file's
        additions, and `hf:` means a dataset. Any other value is `files`. Raises `ValueError` if N is not a positive
        integer.
        """
        if data.startswith(HUB_PREFIX):
            source = data.removeprefix(HUB_PREFIX)
            if Path(source).name and Path(source).is_dir():
                return cls("hub", source)
            name, _, configuration = source.partition(":")
            return cls("hub", name, configuration=configuration)
        found = re.fullmatch(rf"({TINY_WORLD}|{DIALOGUES}|.+{re.escape(WORLD_SUFFIX)})(?::(.*))?", data, re.DOTALL)
        if not found:
            return cls("files", data)
        name, count = found[1], found[2]
        if count and not (count.isdecimal() and int(count)):
            raise ValueError(
                f"{data!r} needs a positive number of documents after the colon, as in {name}:{TRAIN_DOCUMENTS}."
            )
        return cls("dialogues" if name == DIALOGUES else "tiny-world", name, n_documents=int(count or TRAIN_DOCUMENTS))

    @property
    def is_own_world(self) -> bool:
        """Whether this is Tiny World with the additions in the file `path`."""
        return self.kind == "tiny-world" and self.name != TINY_WORLD

    @property
    def path(self) -> Path:
        """The name as a path, with `~` replaced by the home folder."""
        with suppress(RuntimeError):  # if ~NAME is not a user
            return Path(self.name).expanduser()
        return Path(self.name)

    @property
    def folder_name(self) -> str:
        """A name for an output folder of this text, made from the last part of its own name in safe characters.

        >>> [DataSpec.parse(data).folder_name for data in ("texts/my diary.txt", "tiny-world:500", "hf:A/fineweb:B")]
        ['my-diary', 'tiny-world', 'fineweb']
        """
        path = DataSpec(self.kind, self.name.partition("*")[0]).path  # for texts/*.md, the part before the pattern
        for name in (path.name, path.resolve().name):  # `.` has no name, but the folder it stands for has one
            name = name.partition(":")[0]
            while Path(name).suffix.lower() in (*PLAIN, *ROWS, ".gz", WORLD_SUFFIX):
                name = Path(name).stem
            if safe := re.sub(r"[^\w.-]+", "-", name).strip(".-"):
                return safe[:60]  # at most 240 bytes; file systems allow 255
        return "text"
