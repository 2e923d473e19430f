"""Bits per byte of Shakespeare: a small GPT-2 against gzip, xz, and bigrams.

`python -m benchmarks.compression --runs FOLDER` prints a table and writes `gpt2_course/assets/compression.json`, which
chapter 16 shows. A finished run is kept in the folder, so an interrupted measurement continues where it was.

The last tenth of tinyshakespeare is held out. gzip and xz may read the rest first: what counts is by how much their
file grows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import SHAKESPEARE
from gpt2_course import GPT2Config, TrainConfig, Trainer
from gpt2_course.evaluation import evaluate
from gpt2_course.files import replacing

RESULTS = Path(__file__).parents[1] / "gpt2_course" / "assets" / "compression.json"
SEEDS, STEPS = (0, 1, 2), 400


def added(compress: Callable[[bytes], bytes], read: bytes, held_out: bytes) -> float:
    """Bits per byte that the held-out text adds to the compressed file."""
    return 8 * (len(compress(read + held_out)) - len(compress(read))) / len(held_out)


def bigrams(read: bytes, held_out: bytes) -> float:
    """Bits per byte of a table of byte pairs, with one added to each count so that no pair is impossible."""
    pairs, singles = Counter(pairwise(read)), Counter(read[:-1])
    text = read[-1:] + held_out
    return -sum(math.log2((pairs[a, b] + 1) / (singles[a] + 256)) for a, b in pairwise(text)) / len(held_out)


def gpt2(seed: int, runs: Path) -> float:
    """The bits per byte of a small GPT-2 after training; a result in the folder is not measured again."""
    path = runs / f"{STEPS}-{seed}.json"
    if not path.exists():
        shape = GPT2Config(vocab_size=1024, n_positions=128, n_embd=128, n_layer=2, n_head=4, initializer_range=0.05)
        with TemporaryDirectory() as folder:
            config = TrainConfig(
                data=str(SHAKESPEARE), out=folder, model=shape, context=128, batch_size=12, steps=STEPS, seed=seed,
                sample_tokens=0, report_every=STEPS, device="cpu",
            )  # fmt: skip
            trainer = Trainer.from_config(config)
            trainer.train(verbose=False)
            assert trainer.model.tokenizer is not None
            found = evaluate(trainer.model, trainer.model.tokenizer, trainer.val_data).bits_per_byte
        runs.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            new.write_text(json.dumps(found), encoding="utf-8")
    return float(json.loads(path.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="the folder for finished runs")
    runs = parser.parse_args().runs
    text = SHAKESPEARE.read_bytes()
    cut = len(text) * 9 // 10
    read, held_out = text[:cut], text[cut:]
    bits = {
        "bigrams of bytes": [bigrams(read, held_out)],
        "gzip": [added(lambda data: gzip.compress(data, 9, mtime=0), read, held_out)],
        "xz": [added(lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME), read, held_out)],
        "a small GPT-2": [gpt2(seed, runs) for seed in SEEDS],
    }
    results = {"bytes read": len(read), "bytes held out": len(held_out), "bits per byte": bits}
    with replacing(RESULTS) as new:
        new.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for name, values in bits.items():
        print(f"{name:18}" + "".join(f"{value:7.3f}" for value in values))


if __name__ == "__main__":
    main()
