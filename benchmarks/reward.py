"""Learning from a judge, with controls: `python -m benchmarks.reward --report FOLDER` writes reward.md.

Each run is a process of its own, on a GPU if there is one: `python -m benchmarks.reward --run judge-facts --seed 0
--out FOLDER/judge-facts-0.json`. `--list` prints the names of all runs. A run takes at most five minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any, get_args

import torch
from torch import Tensor

from gpt2_course import GPT2, TrainConfig
from gpt2_course.devices import best_device
from gpt2_course.evaluation import document_losses
from gpt2_course.tiny_world import Document, Kind, documents, judge
from gpt2_course.tiny_world.documents import log_prob_of_kind
from gpt2_course.tiny_world.judge import answers_right
from gpt2_course.training.reward import RewardTrainer, Samples, accepted, as_stream, prompts_for, written_log_probs

MODEL = "tiny-world"
KINDS: tuple[Kind, ...] = ("facts", "song")  # the kinds of texts to learn
NAMES = {"facts": "question pages", "song": "songs"}
SEEDS = (0, 1, 2)
VAL_DOCUMENTS = 40  # of each kind, to measure the loss


def words(text: str) -> float:
    """A bad reward: the longer, the better."""
    return len(text.split()) / 40


def right_answers(text: str) -> float:
    """A bad reward: the number of right answers, whether or not the page is one of Tiny World's."""
    return sum(map(answers_right, text.split("\n\n"))) / 4


class Shuffled(RewardTrainer):
    """A control: each text gets the reward of another one in its group."""

    def _rewards(self, texts: list[str]) -> Tensor:
        rewards = super()._rewards(texts)
        random = torch.Generator().manual_seed(self._seed_of(self.step))
        return rewards[torch.randperm(len(rewards), generator=random).to(rewards.device)]


@dataclass(frozen=True)
class Variant:
    """A way to learn, and what it rewards."""

    what: str
    reward: Callable[[str], float] = accepted
    trainer: type[RewardTrainer] = RewardTrainer
    settings: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[Kind, ...] = KINDS


VARIANTS = {
    "judge": Variant("policy gradient"),
    "no-kl": Variant("without the KL term", settings={"kl_weight": 0.0}),
    "best-of-n": Variant("best of 4, imitated", settings={"method": "best-of-n"}),
    "dpo": Variant("DPO", settings={"method": "dpo"}),
    "shuffled": Variant("control: shuffled rewards", trainer=Shuffled),
    "words": Variant("bad reward: number of words", words),
    "answers": Variant("bad reward: number of right answers", right_answers, kinds=("facts",)),
}
RUNS = {
    f"{name}-{kind}": (variant, kind) for kind in KINDS for name, variant in VARIANTS.items() if kind in variant.kinds
}


def val_documents() -> dict[Kind, list[Document]]:
    """Documents of each kind that the model was not trained on."""
    found: dict[Kind, list[Document]] = {}
    for kind in get_args(Kind):
        found[kind] = list(islice((d for d in documents(2, "val") if d.kind == kind), VAL_DOCUMENTS))
    return found


def measure(
    model: GPT2, kind: Kind, prompts: Sequence[str], val: dict[Kind, list[Document]], n_samples: int, seed: int
) -> dict[str, float]:
    """What a model writes, and its loss on texts of this kind and of the others, as a multiple of the floor."""
    length = model.n_positions
    chosen = [prompts[i % len(prompts)] for i in range(n_samples)]
    texts = model.generate(chosen, max_length=length, temperature=0.8, seed=10_000 + seed)
    each = max(2, n_samples // len(prompts))
    free = [Samples.draw(model, prompt, each, length, 20_000 + seed) for prompt in prompts]  # at temperature 1
    with torch.no_grad():
        nats = [float(-written_log_probs(model, samples).sum()) / each for samples in free]

    def loss(kinds: Sequence[Kind]) -> float:
        stream = as_stream([d for k in kinds for d in val[k]], model.require_tokenizer())
        return float(document_losses(model, stream.documents()).sum()) / sum(stream.document_nats)

    return {
        "accepted": mean(judge(text).accepted for text in texts),
        "accepted at temperature 1": mean(judge(text).accepted for samples in free for text in samples.texts),
        "distinct": len(set(texts)) / len(texts),
        "distinct first 12 words": len({" ".join(text.split()[:12]) for text in texts}) / len(texts),
        "nats": mean(nats),
        "tokens": mean(float(samples.written.sum()) / each for samples in free),
        "loss": loss([kind]),
        "other loss": loss([other for other in get_args(Kind) if other != kind]),
    }


def run(name: str, seed: int, steps: int, group: int, n_samples: int, limit: float) -> dict[str, Any]:
    """Train for `steps` steps or `limit` seconds, whichever ends first; measure before and after."""
    variant, kind = RUNS[name]
    began = perf_counter()
    device = best_device("auto")
    model = GPT2.from_pretrained(MODEL).to(device)
    prompts, val = prompts_for(kind), val_documents()
    config = replace(TrainConfig.for_preset("reward"), seed=seed, steps=steps, batch_size=group, **variant.settings)
    trainer = variant.trainer(model, prompts, variant.reward, config)
    before = measure(model, kind, prompts, val, n_samples, seed)
    curve: list[list[float]] = []
    trained = perf_counter()
    while trainer.step < steps and perf_counter() - trained < limit:
        curve.append(trainer.train_step().tolist())
    trained = perf_counter() - trained
    after = measure(model, kind, prompts, val, n_samples, seed)
    return {
        "run": name,
        "seed": seed,
        "steps": trainer.step,
        "group": group,
        "samples": n_samples,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "training seconds": round(trained, 1),
        "seconds": round(perf_counter() - began, 1),
        "world nats": mean(log_prob_of_kind(kind) - d.log_prob for d in val[kind]),
        "before": before,
        "after": after,
        "measured": RewardTrainer.measured,
        "curve": curve,
        "text": model.generate(prompts[0], max_length=model.n_positions, temperature=0.8, seed=seed),
    }


def report(folder: Path) -> str:
    """The table of all runs in a folder, and what the bad rewards lead to."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[result["run"]].append(result)
    runs = [result for results in found.values() for result in results]
    if not runs:
        raise SystemExit(f"{folder} contains no results: write some there with --run NAME --out {folder}/NAME.json.")
    devices = ", ".join(sorted({result["device"] for result in runs}))
    lines = [
        f"""# Learning from a judge

Written by `python -m benchmarks.reward --report FOLDER` (device: {devices}). Every run starts from the shipped model,
`{MODEL}`, and writes groups of {runs[0]["group"]} texts at temperature 1.

- *accepted*: by the judge, of {runs[0]["samples"]} texts at temperature 0.8; before → after, and each seed
- *reward*: the mean of the first five steps → of the last five
- *KL*: the distance from the start in the last step, in nats per token
- *loss*: on texts that the model has not seen, as a multiple of the floor
- *nats*: how much a text surprises the model that wrote it at temperature 1; falls when texts vary less
- *distinct*: different texts, and different first 12 words, at temperature 0.8
- *tokens*: the mean length of a text at temperature 1"""
    ]
    for kind in KINDS:
        of_kind = {name: found[f"{name}-{kind}"] for name in VARIANTS if found.get(f"{name}-{kind}")}
        if not of_kind:
            continue
        world = next(iter(of_kind.values()))[0]["world nats"]
        lines += [
            "",
            f"## {NAMES[kind].capitalize()}",
            "",
            f"The world's own {NAMES[kind]} have {world:.1f} nats each.",
            "",
            "| learning by | steps | accepted | reward | KL | loss, these | loss, others | nats | distinct | tokens |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_row(VARIANTS[name].what, results) for name, results in of_kind.items()),
        ]
    for name, results in found.items():
        if RUNS[name][0].what.startswith("bad reward"):
            what = f"{RUNS[name][0].what}, {NAMES[RUNS[name][1]]}"
            lines += ["", f"What the {what}, leads to:", "", "```", results[0]["text"], "```"]
    return "\n".join(lines) + "\n"


def _row(what: str, results: list[dict[str, Any]]) -> str:
    def change(name: str, spec: str) -> str:
        before, after = (mean(result[when][name] for result in results) for when in ("before", "after"))
        return f"{before:{spec}} → {after:{spec}}"

    seeds = ", ".join(f"{result['after']['accepted']:.1%}" for result in results)
    reward, kl = results[0]["measured"].index("reward"), results[0]["measured"].index("kl")
    first, last = (mean(step[reward] for r in results for step in part(r["curve"])) for part in (_first, _last))
    return " | ".join(
        [
            f"| {what}",
            f"{mean(result['steps'] for result in results):.0f}",
            f"{change('accepted', '.1%')} ({seeds})",
            f"{first:.2f} → {last:.2f}",
            f"{mean(result['curve'][-1][kl] for result in results):.4f}",
            change("loss", ".3f"),
            change("other loss", ".3f"),
            change("nats", ".1f"),
            f"{change('distinct', '.0%')}, {change('distinct first 12 words', '.0%')}",
            f"{change('tokens', '.0f')} |",
        ]
    )


def _first(curve: list[list[float]]) -> list[list[float]]:
    return curve[:5]


def _last(curve: list[list[float]]) -> list[list[float]]:
    return curve[-5:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--list", action="store_true", help="print the names of all runs and the seeds")
    task.add_argument("--run", choices=RUNS, help="do this run")
    task.add_argument("--report", type=Path, help="write reward.md from the results in this folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to write a run's result, as JSON")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--group", type=int, default=96, help="texts per step")
    parser.add_argument("--samples", type=int, default=400, help="texts to judge before and after")
    parser.add_argument("--limit", type=float, default=100, help="seconds of training after which a run stops early")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name} {seed}" for seed in SEEDS for name in RUNS))
    elif options.run:
        result = run(options.run, options.seed, options.steps, options.group, options.samples, options.limit)
        text = json.dumps(result, indent=1)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(text + "\n", encoding="utf-8")
        print(f"{options.run}, seed {options.seed}: {result['steps']} steps in {result['seconds']} s")
    else:
        text = report(options.report)
        Path(__file__).with_name("reward.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
