"""Does the rule meter name the rule that a model has not learned? `python -m benchmarks.rules` writes rules.md.

Each case trains a small model on documents from which one rule was taken out: the word it determines is drawn afresh
each time. All models are evaluated on ordinary documents, and a case succeeds if the excess of that rule has risen more
than any other's over a control, trained the same way on ordinary documents. A second control, with another seed, shows
how much the excess changes by chance.

On a GPU, run the cases at once, as processes of their own, and join their results:

    export OMP_NUM_THREADS=1
    for n in $(python -m benchmarks.rules --list); do python -m benchmarks.rules --case $n --out cases & done; wait
    python -m benchmarks.rules --report cases
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from gpt2_course import GPT2, Tokenizer, TrainConfig, Trainer
from gpt2_course.data import Corpus, read_shards, write_shards
from gpt2_course.data.text import TinyWorld
from gpt2_course.devices import best_device
from gpt2_course.evaluation import evaluate
from gpt2_course.tiny_world.documents import GRAMMAR, RHYME_POOL, WEIGHTS, Document
from gpt2_course.tiny_world.grammar import Choice, Draft, Entity, Fresh, Keep, Memory, Node, Row, Slot, Words
from gpt2_course.tiny_world.rules import PRONOUNS, Rule
from gpt2_course.tiny_world.songs import COUPLETS
from gpt2_course.tiny_world.world import LISTS

STEPS, BATCH, DOCUMENTS, VAL_DOCUMENTS = 1500, 12, 15_000, 500
CONTEXT = 400  # tokens: a document without a rule may be longer than any ordinary one
Change = Callable[[Node], Node]


@dataclass(frozen=True)
class Case:
    """What is taken out of the documents, by changing the grammar's nodes or the finished text."""

    name: str
    rule: Rule | None  # what the meter should name; None for a control
    change: Change = lambda node: node
    change_text: Callable[[str, Random], str] = lambda text, random: text
    seed: int = 0


# ---- grammars without a rule -------------------------------------------------------------------------------


def changed(node: Node, change: Change) -> Node:
    """The same grammar with every node, from the smallest up, replaced by what `change` makes of it."""
    if isinstance(node, Row):
        node = Row(tuple(changed(part, change) for part in node.parts))
    elif isinstance(node, Choice):
        node = Choice(tuple(changed(option, change) for option in node.options), node.weights)
    elif isinstance(node, Fresh):
        node = Fresh(node.pool, tuple(changed(option, change) for option in node.options))
    elif isinstance(node, Keep):
        node = Keep(node.name, changed(node.piece, change))
    return change(node)


def afresh(names: str, entities: str, paths: str) -> Change:
    """Redraw a value at each mention if its name and its path match the patterns."""

    def change(node: Node) -> Node:
        if not isinstance(node, Slot) or node.source is not None:
            return node
        if not (re.fullmatch(names, node.name) and re.fullmatch(paths, ".".join(node.path))):
            return node
        return replace(node, name="", source=lambda memory: LISTS[entities])

    return change


def find_anything_anywhere(node: Node) -> Node:
    if isinstance(node, Slot) and node.of_memory:
        return replace(node, source=lambda memory: LISTS["finds"], origin="finds")
    return afresh("p", "place", "all")(node)


def rhyme_with_anything(node: Node) -> Node:
    match node:
        case Row((Fresh(pool) as first, comma, _, stop)) if pool.startswith(RHYME_POOL):
            lines = [line for mood in COUPLETS.values() for lines in mood.values() for line in lines.split("/")]
            any_line = Choice(tuple(Words(" ".join(line.split())) for line in lines), (1,) * len(lines))
            return Row((first, comma, any_line, stop))
    return node


def another_chorus(node: Node) -> Node:
    if isinstance(node, Row):
        kept = [part.piece for part in node.parts if isinstance(part, Keep) and part.name == "chorus"]
        parts = (kept[0] if isinstance(p, Slot) and p.name == "chorus" else p for p in node.parts)
        return Row(tuple(parts)) if kept else node
    return node


@dataclass(frozen=True, eq=False)
class Repeating(Node):
    """Like `Fresh`, but half of the draws repeat the first one: alone, rare repeats would be hard to notice."""

    fresh: Fresh

    def sample(self, draft: Draft) -> str:
        drawn = str(draft.memory.get(self.fresh.pool, "")).split()
        if drawn and draft.random.random() < 0.5:
            # with all of its lines, of which there are too few for three couplets
            draft.memory = {k: v for k, v in draft.memory.items() if not k.startswith(RHYME_POOL)}
            return self.fresh.options[int(drawn[0])].sample(draft)
        return self.fresh.sample(draft)


def repeat(node: Node) -> Node:
    return Repeating(node) if isinstance(node, Fresh) and not node.pool.startswith(RHYME_POOL) else node


def favor_the_first(node: Node) -> Node:
    if not isinstance(node, Slot) or node.source is None or node.name or node.of_memory:
        return node
    source = node.source

    def favoring(memory: Memory) -> list[Entity]:
        entities = list(source(memory))
        return [*entities, *entities[:1] * len(entities)]

    return replace(node, source=favoring)


def end_anywhere(text: str, random: Random) -> str:
    more = ("The end.", "That was all.", "Good night.", "So it was.")
    return f"{text} {more[int(4 * random.random())]}" if random.random() < 0.5 else text


def say_anyhow(text: str, random: Random) -> str:
    verbs = ("said", "asked", "cried", "called")
    return re.sub(r"\bsaid\b", lambda _: verbs[int(4 * random.random())], text)


PEOPLE = r"hero|other|who|x\d?"
CASES = (
    Case("control", None),
    Case("second control", None, seed=1),
    Case("who is meant", "a name carried on", afresh(PEOPLE, "cast", "")),
    Case("the color of the thing", "a color carried on", afresh("c", "color", "")),
    Case("the thing", "a thing carried on", afresh("thing", "treasure", "|a")),
    Case("the place", "a place carried on", afresh("p", "place", "|at")),
    Case("the number", "a number carried on", afresh("n", "number", "")),
    Case("he or she", "a pronoun", afresh(PEOPLE, "cast", rf"(.*\.)?({'|'.join(PRONOUNS)})")),
    Case("what they like to eat", "a fact of the world", afresh(PEOPLE, "cast", "food")),
    Case("what they say when surprised", "a fact of the world", afresh(PEOPLE, "cast", r"(friend\.)?cry")),
    Case("what is found at a place", "a fact of the world", find_anything_anywhere),
    Case("the second line of a couplet", "a rhyme", rhyme_with_anything),
    Case("the second chorus", "the chorus", another_chorus),
    Case("rhymes and questions", "nothing drawn twice", repeat),
    Case("words mentioned once", "the odds of a draw", favor_the_first),
    Case("the last sentence", "an ending", change_text=end_anywhere),
    Case("the word said", "spelling and grammar", change_text=say_anyhow),
)


def documents_of(case: Case) -> Iterator[Document]:
    """An endless stream of documents from the changed grammar; their probabilities are not known."""
    grammar = {kind: changed(node, case.change) for kind, node in GRAMMAR.items()}
    urn = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    random = Random(f"rules {case.seed}")
    while True:
        kind = urn[int(random.random() * len(urn))]
        text = grammar[kind].sample(Draft(random))
        yield Document(case.change_text(text, random), kind, 0.0, {})


# ---- measuring ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """The excess by rule of a case's model on ordinary documents, in nats per token."""

    case: int
    steps: int
    batch: int
    device: str
    seconds: float
    loss: float
    floor: float
    rules: dict[str, float]


def measure(number: int, steps: int, batch: int, n_documents: int) -> Result:
    """Train the model of a case and evaluate it."""
    case, began = CASES[number], perf_counter()
    config = TrainConfig.for_preset("laptop")
    config = replace(
        config,
        model=replace(config.model, n_positions=CONTEXT),
        context=CONTEXT,
        steps=steps,
        batch_size=batch,
        report_every=steps,
        report_sequences=1,
        sample_tokens=0,
        compile="off",
        seed=case.seed,
    )
    tokenizer = Tokenizer.train((d.text for d in TinyWorld("train", 5000)), config.model.vocab_size)
    fitting = (d for d in documents_of(case) if len(tokenizer.encode(d.text)) < config.context - 1)
    with TemporaryDirectory() as folder:
        write_shards(Corpus(islice(fitting, n_documents), TinyWorld("val", VAL_DOCUMENTS)), tokenizer, Path(folder))
        _, train, val = read_shards(Path(folder))
        torch.manual_seed(case.seed)
        model = GPT2(replace(config.model, vocab_size=tokenizer.vocab_size), tokenizer).to(best_device("auto"))
        Trainer(model, train, val, config).train(verbose=False)
        found = evaluate(model, tokenizer, val, by_rule=True)
    device = torch.cuda.get_device_name() if model.device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    seconds = perf_counter() - began
    assert found.floor is not None
    rules = {rule: part.excess for rule, part in found.rules.items()}
    return Result(number, steps, batch, device, seconds, found.loss, found.floor, rules)


def report(results: dict[int, Result]) -> str:
    """The table of all cases, and how many the meter named."""
    control = results[0]
    lines, named = [], 0
    for number, result in sorted(results.items())[1:]:
        rise = {rule: result.rules[rule] - control.rules[rule] for rule in control.rules}
        first, second, *_ = sorted(rise, key=lambda rule: -rise[rule])
        rule = CASES[number].rule
        named += first == rule
        verdict = "" if rule is None else "yes" if first == rule else "**no**"
        lines.append(
            f"| {CASES[number].name} | {rule or ''} | {first}: {rise[first]:+.4f} | {second}: {rise[second]:+.4f} | "
            f"{result.loss / result.floor:.2f} | {verdict} |"
        )
    n = sum(CASES[number].rule is not None for number in results)
    seconds = [result.seconds for result in results.values()]
    return (
        "# Does the meter name the rule that is missing?\n\n"
        "`python -m benchmarks.rules` trains a small model per row on documents without one rule (its words are drawn "
        "afresh each time) and evaluates it on ordinary documents. The meter names the rule whose excess rises most "
        "over that of a control, trained the same way on ordinary documents. The first row is a second control, with "
        "another seed: that much changes by chance.\n\n"
        f"**The meter named the missing rule in {named} of {n} cases.**\n\n"
        f"{date.today()}: {control.device}, {platform.machine()}, Python {platform.python_version()}, torch "
        f"{torch.__version__.split('+')[0]}. The laptop preset with {control.steps:,} steps and batches of "
        f"{control.batch}; {min(seconds):.0f} to {max(seconds):.0f} seconds per case. The control's loss is "
        f"{control.loss / control.floor:.2f} × the floor.\n\n"
        "| taken out | its rule | largest rise, nats per token | second largest | loss / floor | named |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the numbers of the cases")
    parser.add_argument("--case", type=int, nargs="*", default=range(len(CASES)), help="run only these cases")
    parser.add_argument("--out", type=Path, help="a folder for the results, instead of writing rules.md")
    parser.add_argument("--report", type=Path, help="write rules.md from the results in this folder")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps per case")
    parser.add_argument("--batch", type=int, default=BATCH, help="sequences per batch")
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="training documents")
    options = parser.parse_args()
    if options.list:
        print(*range(len(CASES)))
        return
    if options.report:
        found = [Result(**json.loads(path.read_text(encoding="utf-8"))) for path in options.report.glob("*.json")]
    else:
        found = []
        for number in options.case:
            result = measure(number, options.steps, options.batch, options.documents)
            found.append(result)
            print(f"{CASES[number].name}: loss {result.loss:.4f}, {result.seconds:.0f} seconds", flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                (options.out / f"{number}.json").write_text(json.dumps(asdict(result)), encoding="utf-8")
    if options.report or not options.out:
        text = report({result.case: result for result in found})
        Path(__file__).with_name("rules.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
