"""One brick of GPT-2 exchanged at a time for today's: `python -m benchmarks.today` writes today.md and today.json.

Each run trains a model of two layers on questions about Tiny World with the bricks of `my_gpt2.py`, for the same
number of steps and with the same number of parameters. A finished run is kept in a folder, so an interrupted
measurement continues where it was, and several processes can share the work (`--seeds`).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Collection, Iterator
from itertools import islice, pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks.assembly import Bricks, mine
from gpt2_course.bricks.today import (
    CHANGES,
    CHANNELS,
    HEADS,
    KV_HEADS,
    LAYERS,
    NARROW,
    MuonAndAdamW,
    Questions,
    Weights,
    cache_bytes,
    count,
    exchange,
    new_weights,
    read_questions,
)
from gpt2_course.files import replacing

RESULTS = Path(__file__).parents[1] / "gpt2_course" / "assets" / "today.json"
VOCABULARY, N_DOCUMENTS, N_HELD_OUT, BATCH = 1024, 4000, 200, 8
SHORT, LONG = 64, 336  # tokens that a model is trained on and tested on to see what lies beyond its training
SEEDS, SCALES = (0, 1, 2), (1.0, 2.0)
MODELS: dict[str, tuple[str, ...]] = {
    "GPT-2": (),
    **{name: (change,) for change, name in CHANGES.items()},
    "all but untied": tuple(change for change in CHANGES if change != "untied"),
}
LONGER = 3  # does a lead last for so many times the steps?
POSITIONS = ("a table", "rotary", "none")


def trained(bricks: Bricks, weights: Weights, texts: Iterator[list[Tensor]], steps: int, scale: float) -> None:
    optimizer = MuonAndAdamW(weights, steps, scale)
    for batch in islice(texts, steps):
        bricks.training_step(batch, weights, HEADS, optimizer)


def losses(bricks: Bricks, weights: Weights, ids: Tensor) -> Tensor:
    """The surprise at each token after the first: ids (T + 1,) → (T,)"""
    with torch.no_grad():
        logits: Tensor = bricks.gpt2(ids[:-1], weights, HEADS)
    return -logits.log_softmax(-1).gather(-1, ids[1:, None])[:, 0]


def compared(data: Questions, name: str, seed: int, scale: float, steps: int) -> dict[str, Any]:
    """Train one of `MODELS` on whole documents; what is known of it afterwards."""
    changes = MODELS[name]
    context = max(map(len, data.known + data.held_out))
    weights, bricks = fresh(context, changes, seed, count(new_weights(VOCABULARY, context)))
    dice = random.Random(seed)
    trained(bricks, weights, iter(lambda: dice.sample(data.known, BATCH), None), steps, scale)
    loss = torch.cat([losses(bricks, weights, ids) for ids in data.held_out]).mean().item()
    channels = len(weights["ln_f.weight"])
    kv_heads = KV_HEADS if "grouped" in changes else HEADS
    return {
        "model": name,
        "seed": seed,
        "rate": scale,
        "above floor": round(loss - data.floor, 4),
        "parameters": count(weights),
        "channels": channels,
        "hidden": len(weights["h.0.mlp.c_proj.weight"]),
        "cache bytes": cache_bytes(LAYERS, kv_heads, channels // HEADS),
    }


def stretched(data: Questions, positions: str, seed: int, steps: int) -> dict[str, Any]:
    """Train on windows of `SHORT` tokens, then measure the loss by position in windows of `LONG`."""
    weights, bricks = fresh(LONG, () if positions == "a table" else ("rope",), seed)
    if positions == "none":
        bricks = mine("/")  # a learner's folder is not asked
        bricks.exchange("embed", lambda ids, token_table, position_table: token_table[ids])
    dice, row = random.Random(seed), torch.cat(data.known)

    def windows() -> Iterator[list[Tensor]]:
        while True:
            starts = [dice.randrange(len(row) - SHORT) for _ in range(BATCH)]
            yield [row[start : start + SHORT + 1] for start in starts]

    trained(bricks, weights, windows(), steps, 1.0)
    held_out = torch.cat(data.held_out)
    tests = [held_out[start : start + LONG + 1] for start in range(0, len(held_out) - LONG, LONG)]
    by_position = torch.stack([losses(bricks, weights, ids) for ids in tests]).mean(0)
    groups = by_position.split(16)
    return {"positions": positions, "seed": seed, "loss": [round(group.mean().item(), 4) for group in groups]}


def fresh(context: int, changes: Collection[str], seed: int, n_parameters: int | None = None) -> tuple[Weights, Bricks]:
    torch.manual_seed(seed)
    bricks = mine("/")  # the course's bricks, whatever the learner has laid
    exchange(bricks, changes)
    return new_weights(VOCABULARY, context, changes, n_parameters), bricks


def kept(folder: Path, name: str, run: Any) -> dict[str, Any]:
    """What a run found, from its file if it is there."""
    path = folder / f"{name.replace(' ', '_')}.json"
    if not path.exists():
        result = run()
        print(json.dumps(result), flush=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(result), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def page(results: dict[str, Any]) -> str:
    settings, runs = results["settings"], results["runs"]
    base = mean(r["above floor"] for r in runs if r["model"] == "GPT-2" and r["rate"] == 1)
    lines = [
        "# One brick exchanged at a time",
        "",
        f"`python -m benchmarks.today --steps {settings['steps']} --runs FOLDER` wrote this page and "
        "`gpt2_course/assets/today.json`. "
        f"Models of {LAYERS} layers, {CHANNELS} channels, and {HEADS} heads learn from {N_DOCUMENTS:,} documents of "
        f"questions about Tiny World with a vocabulary of {VOCABULARY:,} tokens, {settings['steps']} steps of {BATCH} "
        f"documents each. The numbers are nats per token above the floor of {settings['floor']:.3f} on {N_HELD_OUT} "
        "held-out documents. Muon trains the matrices, AdamW the rest.",
        "",
        "All have the same number of parameters, except for rounding: the MLP's width makes up for what a change adds "
        f"or saves. With untied tables, the model has {NARROW} channels, because the second table is larger than all "
        "MLPs together. The cache is in bytes per token, with 2 bytes per number.",
        "",
        "| model | parameters | MLP | cache | " + " | ".join(f"seed {s}" for s in SEEDS) + " | mean | to GPT-2 |",
        "|---|" + "---|" * (len(SEEDS) + 5),
    ]
    for name in MODELS:
        mine_ = {r["seed"]: r for r in runs if r["model"] == name and r["rate"] == 1}
        values = [mine_[s]["above floor"] for s in SEEDS]
        one = mine_[SEEDS[0]]
        lines.append(
            f"| {name} | {one['parameters']:,} | {one['hidden']} | {one['cache bytes']} | "
            + " | ".join(f"{v:.3f}" for v in values)
            + f" | {mean(values):.3f} | {mean(values) - base:+.3f} |"
        )
    lines += [
        "",
        "## Is the learning rate GPT-2's?",
        "",
        f"Seed {SEEDS[0]}, with both rates multiplied by a factor. Nothing else was tuned, for any of them.",
        "",
        "| model | " + " | ".join(f"× {s:g}" for s in sorted(SCALES)) + " |",
        "|---|" + "---|" * len(SCALES),
    ]
    for name in MODELS:
        by_rate = {r["rate"]: r["above floor"] for r in runs if r["model"] == name and r["seed"] == SEEDS[0]}
        lines.append(f"| {name} | " + " | ".join(f"{by_rate[s]:.3f}" for s in sorted(SCALES)) + " |")
    lines += [
        "",
        f"## Does the lead last for {LONGER} times the steps?",
        "",
        f"Seed {SEEDS[0]}.",
        "",
        "| model | |",
        "|---|---|",
    ]
    lines += [f"| {run['model']} | {run['above floor']:.3f} |" for run in results["longer"]]
    lines += [
        "",
        f"## Trained on {SHORT} tokens, tested on {LONG}",
        "",
        "Windows of documents one after the other; the loss in nats per token by position, mean of "
        f"{len(SEEDS)} seeds. The last column shows each seed, over all positions from {SHORT}. Here the MLPs are "
        "equally wide, so the model with a table has more parameters.",
        "",
    ]
    edges = [0, 32, SHORT, 96, 128, 192, 256, LONG]
    lines += [
        "| positions | " + " | ".join(f"{a}–{b - 1}" for a, b in pairwise(edges)) + " | beyond, by seed |",
        "|---|" + "---|" * len(edges),
    ]
    for positions in POSITIONS:
        rows = [r["loss"] for r in results["lengths"] if r["positions"] == positions]
        cells = [mean(mean(row[a // 16 : b // 16]) for row in rows) for a, b in pairwise(edges)]
        beyond = ", ".join(f"{mean(row[SHORT // 16 :]):.2f}" for row in rows)
        lines.append(f"| {positions} | " + " | ".join(f"{c:.2f}" for c in cells) + f" | {beyond} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="only these; nothing is written")
    parser.add_argument("--runs", type=Path, required=True, help="the folder to keep finished runs in")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.runs.mkdir(parents=True, exist_ok=True)
    data = read_questions(N_DOCUMENTS, N_HELD_OUT, VOCABULARY)
    runs, lengths = [], []
    for scale in SCALES:
        for seed in given.seeds if scale == 1 else given.seeds[:1]:
            for name in MODELS:
                runs.append(
                    kept(
                        given.runs,
                        f"{name} {seed} {scale}",
                        lambda name=name, seed=seed, scale=scale: compared(data, name, seed, scale, given.steps),
                    )
                )
        if scale == 1:
            for seed in given.seeds:
                for positions in POSITIONS:
                    lengths.append(
                        kept(
                            given.runs,
                            f"{positions} {seed}",
                            lambda positions=positions, seed=seed: stretched(data, positions, seed, given.steps),
                        )
                    )
    longer = []
    for name in MODELS:
        longer.append(
            kept(
                given.runs,
                f"{name} longer",
                lambda name=name: compared(data, name, SEEDS[0], 1.0, LONGER * given.steps),
            )
        )
    if given.seeds == SEEDS:
        settings = {"steps": given.steps, "floor": round(data.floor, 4), "trained on": SHORT}
        results = {"settings": settings, "runs": runs, "longer": longer, "lengths": lengths}
        lists = {key: ",\n".join(map(json.dumps, part)) for key, part in results.items() if key != "settings"}
        body = "".join(f',\n"{key}": [\n{lines}\n]' for key, lines in lists.items())
        RESULTS.write_text(f'{{"settings": {json.dumps(settings)}{body}}}\n', encoding="utf-8")
        Path(__file__).with_suffix(".md").write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
