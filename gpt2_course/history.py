"""A run's history: one JSON object per line in `history.jsonl`, one line per log entry or report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gpt2_course.files import replacing

__all__ = ["read_history"]

HISTORY = "history.jsonl"
Entry = dict[str, Any]


def append_entry(folder: Path, entry: Entry) -> None:
    """Add one entry to the history in a run's folder, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(_line(entry))


def replace_history(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the whole history in a run's folder."""
    with replacing(folder / HISTORY) as path, path.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, entries))


def read_history(folder: Path) -> list[Entry]:
    """The entries of a run's history, oldest first. A last line that was cut off when the run was killed is ignored.

    Raises `ValueError`, with the line number, for any other line that is not an entry.
    """
    path = folder / HISTORY
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:  # part of an entry or of a character, or the empty string after the last line
            if number == len(lines):
                break
            entry = None
        if not _is_entry(entry):
            raise ValueError(
                f"Line {number} of {path} is not an entry of a run's history: delete that line to keep the others."
            )
        entries.append(entry)
    return entries


def one_line(text: str, length: int) -> str:
    """At most `length` characters of a text on one line, without invisible characters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= length else words[: length - 1] + "…"


def _line(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _is_entry(entry: Any) -> bool:
    """Whether this is an entry as `Trainer` writes it."""
    if not isinstance(entry, dict) or type(entry.get("step")) is not int:
        return False
    number = (int, float)
    if "val_loss" not in entry:
        return isinstance(entry.get("loss"), number)
    rules = entry.get("rules", {})
    sound = isinstance(entry["val_loss"], number) and isinstance(entry.get("sample"), str) and isinstance(rules, dict)
    sound = sound and all(isinstance(excess, number) for excess in rules.values())
    return sound and all(isinstance(entry.get(name), (*number, type(None))) for name in ("loss", "floor"))
