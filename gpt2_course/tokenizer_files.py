"""Tokenizers in Hugging Face's layout: `tokenizer.json`, or `vocab.json` and `merges.txt`, plus settings.

These files spell each byte as a visible character: the letter A as "A", but a space as "Ġ".
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from gpt2_course.bpe import BYTE_OF_ID, BYTES, VISIBLE

END_OF_TEXT = "<|endoftext|>"

# transformers 5 writes a single file. Earlier versions wrote it next to GPT-2's original two.
WHOLE, VOCAB, MERGES = "tokenizer.json", "vocab.json", "merges.txt"
CONFIG, SPECIAL, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
TEMPLATE = "chat_template.jinja"  # transformers 5 writes the chat template here; before, it was a setting in CONFIG

# Settings in tokenizer.json, with the values that make a tokenizer work like GPT-2's. None: absent or null.
_GPT2S: dict[str, tuple[Any, ...]] = {
    "model.type": ("BPE", None),
    "model.dropout": (None, 0),
    "model.continuing_subword_prefix": (None, ""),
    "model.end_of_word_suffix": (None, ""),
    "model.byte_fallback": (None, False),
    "model.ignore_merges": (None, False),
    "normalizer.type": (None,),
    "pre_tokenizer.type": ("ByteLevel",),
    "pre_tokenizer.add_prefix_space": (False,),
    "pre_tokenizer.use_regex": (True, None),
    "post_processor.type": (None, "ByteLevel", "TemplateProcessing"),
    "post_processor.special_tokens": (None, {}),
    "decoder.type": ("ByteLevel", None),
}

# Visible bytes are spelled as themselves; the other 68 as the characters from U+0100 on.
_SPELLINGS = [chr(byte) for byte in VISIBLE] + [chr(0x100 + i) for i in range(256 - len(VISIBLE))]
_SPELLING_OF_BYTE = dict(zip(BYTE_OF_ID, _SPELLINGS, strict=True))
_BYTE_OF_SPELLING = dict(zip(_SPELLINGS, BYTE_OF_ID, strict=True))

Merges = list[tuple[bytes, bytes]]


class Vocabulary(NamedTuple):
    """The contents of a tokenizer's folder, as the arguments of `gpt2_course.Tokenizer`."""

    merges: Merges
    special_tokens: dict[str, int]
    words: set[str]
    end: str
    chat_template: str | None


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder contains any of the files of a GPT-2 tokenizer."""
    return any((folder / name).exists() for name in (WHOLE, VOCAB, MERGES))


def read(folder: Path) -> Vocabulary:
    """The vocabulary in a folder; raises the errors of `Tokenizer.load`."""
    config = _read_json_if_there(folder / CONFIG)
    for setting in ("add_prefix_space", "add_bos_token", "add_eos_token"):
        if config.get(setting):
            raise ValueError(
                f"{folder / CONFIG} says {setting}=true, but GPT-2's tokenizer adds nothing to a text: use "
                f"another tokenizer."
            )
    template = _read(folder / TEMPLATE) if (folder / TEMPLATE).exists() else config.pop("chat_template", None)
    added = [{"id": int(i), **token} for i, token in config.pop("added_tokens_decoder", {}).items()]
    settings = {**_read_json_if_there(folder / SPECIAL), **config}
    named = _strings_in(settings)  # includes the names of all special tokens
    if (folder / WHOLE).exists():
        vocab_file, maker = folder / WHOLE, f"The order of merges in {folder / WHOLE}"
        vocab, merges, more = _read_whole(vocab_file)
        added += more
    else:
        vocab_file, maker = folder / VOCAB, str(folder / MERGES)
        vocab, merges = _read_json(vocab_file), read_merges(folder / MERGES)
        names = _read_json_if_there(folder / ADDED)
        added += [{"id": i, "content": name, "special": name in named} for name, i in names.items()]
    words = set()
    for token in added:
        name = token["content"]
        if flag := next((flag for flag in ("lstrip", "rstrip", "single_word") if token.get(flag)), None):
            raise ValueError(
                f"The token {name!r} in {folder} has {flag}=true, which GPT-2's tokenizer does not support: use "
                f"another tokenizer."
            )
        if vocab.setdefault(name, token["id"]) != token["id"]:
            raise ValueError(f"{folder} gives {name!r} the ids {vocab[name]} and {token['id']}: get a new copy.")
        if not token.get("special", True) and name not in named:
            words.add(name)
    special_tokens = _special_tokens(vocab_file, vocab, maker, merges)
    if unknown := special_tokens.keys() - named - {token["content"] for token in added} - {END_OF_TEXT}:
        by = MERGES if vocab_file.name == VOCAB else "its merge list"
        raise ValueError(
            f"{vocab_file} contains the token {min(unknown)!r}, which {by} does not make and {CONFIG} does not "
            f"list as special: get a new copy of all files."
        )
    end = settings.get("eos_token")
    end = end.get("content") if isinstance(end, dict) else end
    template = template if isinstance(template, str) else None  # it may be a list of several, for other purposes
    return Vocabulary(merges, special_tokens, words, end if end in special_tokens else END_OF_TEXT, template)


def _special_tokens(vocab_file: Path, vocab: dict[str, Any], maker: str, merges: Merges) -> dict[str, int]:
    """The ids of tokens that are neither bytes nor merged; `ValueError` if the others are not in GPT-2's order."""
    seen = set()
    for token, i in vocab.items():
        if type(i) is not int or not 0 <= i < len(vocab) or i in seen:
            raise ValueError(
                f"{vocab_file} gives {token!r} the id {i!r}, but its {len(vocab)} tokens must have the ids 0 to "
                f"{len(vocab) - 1}, each exactly once: get a new copy."
            )
        seen.add(i)
    ordinary = dict.fromkeys(spell(token) for token in [*BYTES, *map(b"".join, merges)])
    special = sorted(vocab.keys() - ordinary.keys(), key=vocab.__getitem__)
    complete = ordinary.keys() <= vocab.keys()
    taken = {vocab[token] for token in special} if complete else set()
    for token, i in zip(ordinary, (i for i in count() if i not in taken), strict=False):
        if token not in vocab or (complete and vocab[token] != i):
            has = f"gives it {vocab[token]}" if token in vocab else "lacks it"
            raise ValueError(
                f"{maker} gives {token!r} the id {i}, but {vocab_file.name} {has}: get both from the same tokenizer, "
                "with bytes before merges in GPT-2's order."
            )
    return {token: vocab[token] for token in special}


def spell(token: bytes) -> str:
    """A token as files spell it."""
    return token.decode("latin-1").translate(_SPELLING_OF_BYTE)


def unspell(spelling: str) -> bytes | None:
    """The bytes of a token from its spelling in files; None if the spelling is invalid."""
    return bytes(map(_BYTE_OF_SPELLING.__getitem__, spelling)) if _BYTE_OF_SPELLING.keys() >= set(spelling) else None


def read_merges(file: Path) -> Merges:
    """The merges in a `merges.txt`, with the line endings of any operating system."""
    lines = _read(file).splitlines()
    if lines and lines[0].startswith("#version"):
        return [_merge(file, f"Line {number}", line) for number, line in enumerate(lines[1:], start=2)]
    return [_merge(file, f"Line {number}", line) for number, line in enumerate(lines, start=1)]


def _merge(file: Path, place: str, pair: Any) -> tuple[bytes, bytes]:
    halves = pair.split() if isinstance(pair, str) else pair
    if isinstance(halves, list) and len(halves) == 2 and all(isinstance(half, str) for half in halves):
        left, right = map(unspell, halves)
        if left and right:
            return left, right
    raise ValueError(
        f"{place} of {file} must be two tokens with a space between them, but is {pair!r:.60}: get a new copy."
    )


def _read_whole(file: Path) -> tuple[dict[str, Any], Merges, list[dict[str, Any]]]:
    """Vocabulary, merges, and added tokens in a `tokenizer.json`; `ValueError` if it does not work like GPT-2's."""
    whole = _read_json(file)
    for path, allowed in _GPT2S.items():
        value: Any = whole
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value not in allowed:
            raise ValueError(
                f"{file} has {path}={value!r:.60}, not {allowed[0]!r} as in GPT-2's tokenizer: only tokenizers of that "
                f"kind can be read."
            )
    model, added = whole.get("model"), whole.get("added_tokens") or []
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict) or "merges" not in model:
        raise ValueError(f"{file} has no vocabulary with merges: get a new copy.")
    merges = [_merge(file, f"Merge {number}", pair) for number, pair in enumerate(model["merges"], start=1)]
    return model["vocab"], merges, added


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")  # with or without a byte order mark
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{file} is missing: give a folder that contains a saved tokenizer.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 at byte {error.start}: get a new copy.") from None


def _read_json(file: Path) -> dict[str, Any]:
    text = _read(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not valid JSON ({error}): get a new copy.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must contain a JSON object, but contains {content!s:.60}: get a new copy.")
    return content


def _read_json_if_there(file: Path) -> dict[str, Any]:
    return _read_json(file) if file.exists() else {}


def _strings_in(document: dict[str, Any]) -> set[str]:
    """All strings among the values of a JSON document, at any depth."""
    found, unseen = set(), [document]
    while unseen:
        value: Any = unseen.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, (dict, list)):
            unseen += value.values() if isinstance(value, dict) else value
    return found
