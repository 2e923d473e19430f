"""The training lab: a model learns in the page, survives a reload, and opens in the package."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from book.look import serving
from gpt2_course import GPT2
from gpt2_course.labs import TrainingLab
from gpt2_course.labs.lab import STATIC
from gpt2_course.tiny_world.tables import tables

STEPS = 24  # instead of the hundreds that a small model gets
PAGE = """<!doctype html>
<html lang="en"><title>Labs</title><link rel="stylesheet" href="_static/labs.css"><link rel="icon" href="data:,">
<main>{}</main><script type="module" src="_static/hydrate.mjs"></script></html>
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with the lab, whose small model is trained for a few steps only."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, site / "_static")
    session = site / "_static/training_session.mjs"
    code = session.read_text(encoding="utf-8")
    assert code.count("steps: 1200") == 1
    session.write_text(code.replace("steps: 1200", f"steps: {STEPS}"), encoding="utf-8")
    (site / "_static/tiny_world.json").write_text(json.dumps(tables()), encoding="utf-8")
    (site / "labs.html").write_text(PAGE.format(TrainingLab()._repr_html_()), encoding="utf-8")
    with serving(site) as address:
        yield f"{address}/labs.html"


@pytest.fixture
def lab(page: Page, served: str) -> Locator:
    page.goto(served)
    return alive(page)


def alive(page: Page) -> Locator:
    lab = page.locator('[data-lab="training_lab"]')
    expect(lab).to_have_attribute("data-alive", "")
    return lab


def button(lab: Locator, name: str) -> Locator:
    return lab.get_by_role("button", name=name)


def losses(lab: Locator) -> tuple[float, float]:
    """The first and the last loss on held-out text."""
    label = lab.locator(".lab-curve").get_attribute("aria-label") or ""
    found = re.search(r"gone from ([\d.]+) to ([\d.]+)\. The floor is", label)
    assert found, label
    return float(found[1]), float(found[2])


LOGITS = """
async ([files, prompt]) => {
  const { readConfig, readSafetensors } = await import("./_static/checkpoint.mjs");
  const { GPT2 } = await import("./_static/engine.mjs");
  const { Tokenizer } = await import("./_static/tokenizer.mjs");
  const weights = Uint8Array.from(files.weights);
  const model = new GPT2(readConfig(files.config), readSafetensors(weights.buffer));
  const ids = new Tokenizer(files.merges).encode(prompt);
  return [ids, [...model.forward(ids)]];
}
"""


def test_a_model_learns_survives_a_reload_and_opens_in_the_package(page: Page, lab: Locator, tmp_path: Path) -> None:
    busy = page.context.new_cdp_session(page)
    busy.send("Performance.enable", {"timeDomain": "threadTicks"})  # counts only the time that the page computes
    lab.get_by_label("What it learns").select_option("songs")
    lab.get_by_label("small, for phones").check()
    button(lab, "Train").click()
    expect(lab.get_by_text(re.compile(rf"^Step ([6-9]|1\d) of {STEPS}: loss"))).to_be_visible()
    expect(lab.get_by_label("What it learns")).to_be_disabled()
    button(lab, "Pause").click()
    expect(lab.get_by_role("status").filter(has_text="Paused after step")).to_contain_text("This browser keeps it")
    words = button(lab, "Continue from step").text_content()
    lab.get_by_label("Learning rate").press("ArrowRight")
    rate = lab.get_by_label("Learning rate").get_attribute("aria-valuetext")
    first, _ = losses(lab)
    assert first == pytest.approx(6.64, abs=0.2)  # ln(768)

    page.reload()
    lab = alive(page)
    assert losses(lab)[0] == first
    expect(lab.get_by_label("What it learns")).to_have_value("songs")
    button(lab, words or "").click()
    lab.get_by_label("Learning rate").press("ArrowLeft")
    assert lab.get_by_label("Learning rate").get_attribute("aria-valuetext") != rate
    expect(lab.get_by_role("status").filter(has_text="Finished.")).to_be_visible()
    assert losses(lab)[1] < first - 1
    expect(lab.get_by_text("0 of the last 20 texts")).to_be_visible()
    expect(lab.locator(".lab-rules .lab-bar")).not_to_have_count(0)

    with page.expect_download() as downloading:
        button(lab, "Download the model").click()
    assert downloading.value.suggested_filename == "my_gpt2.zip"
    with zipfile.ZipFile(downloading.value.path()) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "my_gpt2"
    model = GPT2.from_pretrained(folder)
    prompt = "A rain song for Pip the fox"
    files = {
        "config": (folder / "config.json").read_text(encoding="utf-8"),
        "merges": (folder / "merges.txt").read_text(encoding="utf-8"),
        "weights": list((folder / "model.safetensors").read_bytes()),
    }
    ids, logits = page.evaluate(LOGITS, [files, prompt])
    assert ids == model.require_tokenizer().encode(prompt)
    with torch.inference_mode():
        wanted = model(torch.tensor([ids]))[0, -1]
    assert logits == pytest.approx(wanted.tolist(), abs=1e-4)
    times = {metric["name"]: metric["value"] for metric in busy.send("Performance.getMetrics")["metrics"]}
    assert times["ScriptDuration"] < 5  # seconds; training takes more, in workers

    button(lab, "Start over").click()
    button(lab, "Press again to discard this model").click()
    expect(button(lab, "Train")).to_be_visible()
    page.reload()
    expect(button(alive(page), "Train")).to_be_visible()


def test_a_text_that_cannot_be_learned_is_refused_in_a_sentence(lab: Locator) -> None:
    lab.get_by_label("What it learns").select_option("my own text")
    for text, said in [
        ("", "The text is empty: paste a text of 2,000 to 3,000,000 characters."),
        ("To be", "Your text has 5 characters, which is too short: paste a text of 2,000 to 3,000,000 characters."),
        ("é" * 3000, "The last tenth of this text is too short to test a model on: paste a longer text."),
    ]:
        lab.get_by_label("The text to learn").fill(text)
        button(lab, "Train").click()
        expect(lab.locator(".lab-message").filter(has_text=said)).to_be_visible()
    lab.get_by_label("The text to learn").fill(" ".join(f"{n} geese fly over the house." for n in range(300)))
    button(lab, "Train").click()
    expect(lab.get_by_text("Nobody knows the floor of your text.")).to_be_visible()
    button(lab, "Pause").click()
    expect(button(lab, "Continue from step")).to_be_visible()
    expect(lab.locator(".lab-rules")).to_be_hidden()


LESSON = """
const { World } = await load("tiny_world");
const { uniform } = await load("sampling");
const { costsOfRules, floorOf, worldLesson } = await load("training_data");
const world = new World(given.tables);
const lesson = worldLesson(world, "questions", 400);
let drawn = 0;
const documents = world.documents(() => uniform(2, drawn++), "questions");
const some = Array.from({ length: lesson.heldOut.length }, () => documents.next().value);
const tokens = lesson.heldOut.reduce((n, row) => n + row.tokens.length, 0);
const batch = lesson.batch(7, 1000);
const plain = (rows) => rows.map(({ tokens, targets }) => [[...tokens], [...targets]]);
say({
  floors: [floorOf(lesson), some.reduce((sum, { logProb }) => sum - logProb, 0) / tokens],
  heldOut: lesson.heldOut.map(({ tokens }) => lesson.tokenizer.decode([...tokens.slice(1)])),
  texts: some.map(({ text }) => text),
  batches: [plain(batch), plain(lesson.batch(7, 1000)), plain(lesson.batch(8, 1000))],
  end: lesson.tokenizer.endOfText,
  context: lesson.context,
  excess: costsOfRules(lesson, lesson.heldOut.map(({ tokens }) => new Float32Array(tokens.length).fill(2))),
});
"""


def test_a_lesson_has_whole_documents_and_the_floor_under_their_loss(node: Callable[..., Any]) -> None:
    said = node(LESSON, tables=tables())
    floor, wanted = said["floors"]
    assert floor == pytest.approx(wanted, abs=1e-9)
    assert sum(said["excess"].values()) == pytest.approx(2 - floor, abs=1e-6)  # if each token cost 2 nats
    assert said["heldOut"] == said["texts"]
    batch, same, other = said["batches"]
    assert batch == same
    assert batch != other
    for tokens, targets in batch:
        assert tokens[0] == targets[-1] == said["end"]
        assert tokens[1:] == targets[:-1]
        assert len(tokens) <= said["context"]
    assert 1000 <= sum(len(tokens) for tokens, _ in batch) < 1000 + said["context"]


OWN = """
const { textLesson } = await load("training_data");
const lesson = textLesson(given.text, 400);
const texts = (rows) => rows.map(({ tokens }) => lesson.tokenizer.decode([...tokens]));
const { heldOut, prompt, costs } = lesson;
say({ heldOut: texts(heldOut), batch: texts(lesson.batch(3, 2000)), prompt, costs });
"""


def test_the_last_tenth_of_an_own_text_is_held_out(node: Callable[..., Any]) -> None:
    text = " ".join(f"word{n}" for n in range(2000))
    said = node(OWN, text=text)
    cut = text.index(" ", int(0.9 * len(text)))
    assert all(row.removeprefix("<|endoftext|>") in text[cut:] for row in said["heldOut"])
    assert all(row.removeprefix("<|endoftext|>") in text[:cut] for row in said["batch"])
    assert said["prompt"].split() == text[cut:].split()[:3]
    assert said["costs"] is None


def test_a_huge_text_is_refused(node: Callable[..., Any]) -> None:
    script = """
    const { textLesson } = await load("training_data");
    try {
      textLesson("a ".repeat(2e6), 400);
    } catch ({ message }) {
      say(message);
    }
    """
    assert node(script) == (
        "Your text has 3,999,999 characters, which is too long: paste a text of 2,000 to 3,000,000 characters."
    )
