"""Grades for a model of Tiny World: it writes texts and answers questions, and the judge checks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random

from gpt2_course.data.text import TinyWorld
from gpt2_course.dialogue import Dialogue, Message
from gpt2_course.files import replacing
from gpt2_course.model import GPT2
from gpt2_course.tiny_world import Document, Kind, World, documents, judge
from gpt2_course.tiny_world.dialogues import REFUSALS, Exchange, about_a_story, as_typed, known, unknown
from gpt2_course.tiny_world.documents import DEFAULT_WORLD, READING
from gpt2_course.tiny_world.judge import answers_right, rhymes
from gpt2_course.tiny_world.musings import MUSINGS
from gpt2_course.tiny_world.songs import COUPLETS

# prompts for documents of each kind
BEGINNINGS: dict[Kind, tuple[str, ...]] = {
    "story": ("Once upon a time",),
    "reading": (READING,),
    "song": tuple(f"A {mood} for" for mood in COUPLETS),
    "facts": ("Question:",),
    "musing": tuple(" ".join(text.split("[")[0].split()) for text in MUSINGS.values()),
}
GRADES = "grades.json"
LONGEST, LONGEST_ANSWER = 400, 40  # limits for a document and an answer, in tokens
BATCH = 100  # prompts per batch


@dataclass(frozen=True)
class Grades:
    """Grades of a model's texts, as shares from 0 to 1."""

    n_samples: int  # texts of each kind, and questions of each kind
    accepted: dict[Kind, float]  # texts that keep all the rules of the world
    rhymes: float  # couplets that rhyme
    facts: float  # correct answers about the world
    reading: float  # correct answers about a story just told
    copied: float  # texts that occur word for word in the training text
    mistakes: dict[Kind, dict[str, int]]  # what was wrong with the rejected texts, and how often

    def save(self, folder: Path) -> None:
        """Write the grades to a model folder."""
        with replacing(folder / GRADES) as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def table(self) -> str:
        """The grades as a table to print."""
        names = {
            "story": "stories",
            "reading": "stories with questions",
            "song": "songs",
            "facts": "questions and answers",
        }
        rows = [(f"{names.get(kind, 'musings')} that keep the rules", share) for kind, share in self.accepted.items()]
        rows += [
            ("couplets that rhyme", self.rhymes),
            ("right answers about the world", self.facts),
            ("right answers about a story just told", self.reading),
            ("texts copied from the training text", self.copied),
        ]
        return "\n".join(f"{name:48}{share:7.1%}" for name, share in rows)


def grade(
    model: GPT2,
    n_samples: int,
    n_trained: int,
    temperature: float = 0.8,
    seed: int = 0,
    world: World = DEFAULT_WORLD,
    trained_world: World | None = None,
) -> Grades:
    """Grade a model by `n_samples` texts of each kind, and as many questions about the world and about stories.

    `n_trained` is the number of documents the model was trained on, which are searched for copies. They are from
    `trained_world`, which by default is the `world` whose judge grades.
    """

    def write(prompts: list[str], answers: bool = False) -> list[str]:
        return _write(model, prompts, temperature, seed, ("\n",) if answers else ())

    written = {kind: write([begin[i % len(begin)] for i in range(n_samples)]) for kind, begin in BEGINNINGS.items()}
    verdicts = {kind: [judge(text, world) for text in texts] for kind, texts in written.items()}
    mistakes: dict[Kind, dict[str, int]] = {kind: {} for kind in verdicts}
    for kind, found in verdicts.items():
        for verdict in found:
            if verdict.mistake:
                mistakes[kind][verdict.mistake] = mistakes[kind].get(verdict.mistake, 0) + 1
    in_rhyme = [rhymes(song) for song in written["song"]]
    # ask each question on its own, with a one-line answer
    questions = [q for d in _val("facts", n_samples // 4 + 1, world) for q in d.text.split("\n\n")][:n_samples]
    facts = write([question.split("Answer:")[0] + "Answer:" for question in questions], answers=True)
    readings = _val("reading", n_samples // 2 + 1, world)
    told = [(text, answer) for d in readings for text, answer in _asked(d.text)][:n_samples]
    answers = write([text for text, _ in told], answers=True)
    right = [text[len(asked) :] == answer for text, (asked, answer) in zip(answers, told, strict=True)]
    known = {text for texts in written.values() for text in texts}
    copied = {d.text for d in TinyWorld("train", n_trained, trained_world or world) if d.text in known}
    return Grades(
        n_samples,
        {kind: sum(v.accepted for v in found) / n_samples for kind, found in verdicts.items()},
        sum(good for good, _ in in_rhyme) / sum(n for _, n in in_rhyme),
        sum(answers_right(text, world) for text in facts) / len(facts),
        sum(right) / len(right),
        sum(text in copied for texts in written.values() for text in texts) / sum(map(len, written.values())),
        mistakes,
    )


@dataclass(frozen=True)
class AnswerGrades:
    """Grades of a model that answers in dialogues, as shares from 0 to 1."""

    n_samples: int  # questions of each sort, and stories
    right: float  # correct answers about the world
    story: float  # correct answers about a story just told
    refused: float  # questions about people, things, and places not in the world that it does not answer
    refused_known: float  # questions about the world that it does not answer
    stories: float  # stories that keep all the rules of the world, written without a dialogue

    def table(self) -> str:
        """The grades as a table to print."""
        rows = [
            ("right answers about the world", self.right),
            ("right answers about a story just told", self.story),
            ("says it does not know what is not in the world", self.refused),
            ("says it does not know what is in the world", self.refused_known),
            ("stories that keep the rules", self.stories),
        ]
        return "\n".join(f"{name:48}{share:7.1%}" for name, share in rows)


def grade_answers(model: GPT2, n_samples: int, temperature: float = 0.0, seed: int = 0) -> AnswerGrades:
    """Grade a model by `n_samples` questions of each sort, asked in dialogues, and as many stories.

    Every second question is asked as people type it. Questions about strangers use names, things, and places that
    never occur in training. Stories are written at temperature 0.8, answers by default at 0.
    """
    random = Random(f"grades {seed}")

    def ask(questions: list[str]) -> list[str]:
        asked = [as_typed(q) if i % 2 else q for i, q in enumerate(questions)]
        prompts = [Dialogue((Message("user", question),)).prompt() for question in asked]
        texts = _write(model, prompts, temperature, seed, ("\n",))
        return [text[len(prompt) :].strip() for text, prompt in zip(texts, prompts, strict=True)]

    facts = [known(random) for _ in range(n_samples)]
    answers = ask([question for question, _ in facts])
    right = [answers_right(f"Question: {q}\nAnswer: {a}") for (q, _), a in zip(facts, answers, strict=True)]
    room = model.n_positions - LONGEST_ANSWER
    encode = model.require_tokenizer().encode
    told: list[Exchange] = []
    while len(told) < n_samples:
        first, _ = about_a_story(random)
        told += [first] if len(encode(Dialogue((Message("user", first.question),)).prompt())) <= room else []
    about_told = ask([question for question, _ in told])
    strange = ask([unknown(random, "val").question for _ in range(n_samples)])
    stories = _write(model, [*BEGINNINGS["story"]] * n_samples, 0.8, seed, ())
    return AnswerGrades(
        n_samples,
        sum(right) / n_samples,
        sum(a == answer for (_, answer), a in zip(told, about_told, strict=True)) / n_samples,
        sum(answer in REFUSALS for answer in strange) / n_samples,
        sum(answer in REFUSALS for answer in answers) / n_samples,
        sum(judge(text).accepted for text in stories) / n_samples,
    )


def _write(model: GPT2, prompts: list[str], temperature: float, seed: int, stop: tuple[str, ...]) -> list[str]:
    """Texts that start with these prompts, generated in order of length, so few rows sit idle; with `stop`, short
    answers."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    for i in range(0, len(order), BATCH):
        chosen = order[i : i + BATCH]
        written = model.generate(
            [prompts[j] for j in chosen],
            max_length=None if stop else min(model.n_positions, LONGEST),
            max_new_tokens=LONGEST_ANSWER if stop else None,
            stop=stop,
            temperature=temperature,
            seed=seed + i,
        )
        for j, text in zip(chosen, written, strict=True):
            texts[j] = text
    return texts


def _val(kind: Kind, count: int, world: World) -> Iterator[Document]:
    """Documents of a kind that are never used for training."""
    return islice((d for d in documents(1, "val", world) if d.kind == kind), count)


def _asked(text: str) -> Iterator[tuple[str, str]]:
    """For each question about a story, the text up to its "Answer:" and the correct answer."""
    at = 0
    while (at := text.find("Answer:", at) + 7) > 6:
        yield text[:at], text[at:].split("\n")[0]
