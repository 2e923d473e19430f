"""The labs' modules as they are loaded: the worker against the kernel, and each lab as one file for its widget."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import traitlets
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from scripted import N_POSITIONS, Scripted
from test_any_model import in_eight_bits

import gpt2_course.labs
from book.look import drag
from gpt2_course import GPT2
from gpt2_course.chat import Conversation
from gpt2_course.generation import SamplingConfig
from gpt2_course.introspection import activations
from gpt2_course.labs import MACHINE_PARTS
from gpt2_course.labs.kernel import CALLS, Kernel
from gpt2_course.labs.lab import CSS, bundle

SETTINGS: dict[str, Any] = {"temperature": 0.9, "top_k": 40, "top_p": 0.95}
TEXT = "Once upon a time, a fox named Pip"
# Arguments for each call.
ASKED: dict[str, dict[str, Any]] = {
    "describe": {},
    "tokenize": {"text": TEXT + " 🥞", "vocabulary": "gpt2"},
    "merge_steps": {"piece": " hedgehog", "vocabulary": "model"},
    "next": {"prompt": "Once upon a time, a", "added": [], "settings": SETTINGS, "number": 0.7, "count": 6},
    "attention": {"text": TEXT, "without": [[1, 2]], "most": 4},
    "activations": {"text": TEXT, "places": [["mlp_hidden", 2], ["logits", None], ["attention", 0]], "most": 4},
    "weights": {"name": "v", "layer": 2, "columns": [0, 7, 191]},
    "generate": {"prompt": "🥞 cakes " * 150 + TEXT, "settings": SETTINGS, "seed": 3, "length": 20},  # cut
    "history": {},
    "judge": {"text": TEXT + " lost a red spaceship 🚀."},
}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(in_eight_bits(GPT2.from_pretrained()), "tiny-world")  # as in the page


@pytest.fixture(scope="module")
def worker(browser: Browser, served: str) -> Any:
    """A page whose `ask(call, asked)` returns all messages of the worker's reply."""
    page = browser.new_page()
    page.goto(f"{served}/_static/tiny-world/config.json")
    page.evaluate(
        """() => {
          const worker = new Worker("/_static/worker.mjs", { type: "module" });
          window.ask = (call, asked) => new Promise((resolve, reject) => {
            const messages = [];
            worker.onerror = reject;
            worker.onmessage = ({ data: { id, ...message } }) => {
              if (id === undefined) return; // the progress of a download
              messages.push(message);
              if (!("part" in message)) resolve(messages);
            };
            worker.postMessage({ id: 1, call, ...asked });
          });
        }"""
    )
    yield page
    page.close()


def close_to(value: Any) -> Any:
    """The same value, with a tolerance for numbers."""
    if isinstance(value, dict):
        return {key: close_to(each) for key, each in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [close_to(each) for each in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


@pytest.mark.parametrize("call", CALLS)
def test_the_worker_answers_each_call_like_the_kernel(worker: Page, kernel: Kernel, call: str) -> None:
    *parts, last = worker.evaluate("([call, asked]) => ask(call, asked)", [call, ASKED[call]])
    wanted_parts: list[Any] = []
    wanted: Any = kernel.answer(call, ASKED[call], wanted_parts.append, lambda: False)
    assert [message["part"] for message in parts] == close_to(wanted_parts)
    done = last["done"]
    if call == "generate":
        done.pop("seconds")
        assert wanted["cut"]["text"].startswith("🥞 cakes 🥞")
    assert done == close_to(wanted)


@pytest.mark.parametrize(
    ("call", "asked", "error"),
    [
        ("nothing", {}, "There is no call 'nothing'"),
        ("constructor", {}, "There is no call 'constructor'"),
        ("__proto__", {}, "There is no call '__proto__'"),
        ("merge_steps", {"piece": "é" * 65_000, "vocabulary": "gpt2"}, "at most 256 bytes .* but has 130000"),
        ("next", {**ASKED["next"], "added": [5, 3072]}, "Token IDs must be from 0 to 3071, but one is 3072"),
        ("next", {**ASKED["next"], "added": [-1]}, "but one is -1"),
    ],
)
def test_worker_and_kernel_refuse_bad_calls_in_the_same_words(
    worker: Page, kernel: Kernel, call: str, asked: dict[str, Any], error: str
) -> None:
    (message,) = worker.evaluate("([call, asked]) => ask(call, asked)", [call, asked])
    with pytest.raises(ValueError, match=error) as refused:
        kernel.answer(call, asked, print, lambda: False)
    assert message["error"] == str(refused.value)


@pytest.mark.parametrize("lab", gpt2_course.labs.__all__)
def test_a_link_takes_the_values_that_python_accepts(worker: Page, lab: str) -> None:
    def taken(fields: dict[str, Any]) -> list[str]:
        """The names of the fields that a lab takes from a link."""
        return worker.evaluate(
            """async ([fields, initial]) => {
              const { stateIn } = await import("/_static/link.mjs");
              const link = new URLSearchParams({ lab: "here", ...fields });
              const { state } = stateIn(`#${link}`, () => initial);
              const isTaken = (name) => JSON.stringify(state[name]) === JSON.stringify(JSON.parse(fields[name]));
              return Object.keys(fields).filter(isTaken);
            }""",
            [{name: json.dumps(value) for name, value in fields.items()}, dict.fromkeys(fields)],
        )

    traits = getattr(gpt2_course.labs, lab).class_traits(sync=True)
    own = {name: trait for name, trait in traits.items() if name in getattr(gpt2_course.labs, lab)().own_traits()}
    own.pop("texts", None)  # what the playground wrote
    initial = {name: trait.default() for name, trait in own.items()}
    assert taken(initial) == list(initial)
    assert taken({name: {"hostile": 1} for name in own}) == []
    assert taken(dict.fromkeys(own, 1e99)) == []
    for limit, outward in (("min", -1), ("max", 1)):
        limits = {name: getattr(trait, limit, None) for name, trait in own.items()}
        limits = {name: value for name, value in limits.items() if value is not None and abs(value) < 1e9}
        if lab == "Chat":
            limits.pop("length", None)  # the page has no control for it
        assert taken(limits) == list(limits)
        beyond = {n: v + outward * (0.01 if isinstance(own[n], traitlets.Float) else 1) for n, v in limits.items()}
        assert taken(beyond) == []


# How numbers of a part came about, as the drawing says: [row, column, shown number, explanation] each.
EXPLAIN = """
async ([text, part, layer, head, temperature, places]) => {
  const { placesOf, reader } = await import("/_static/machine_numbers.mjs");
  const { operation } = await import("/_static/machine_operations.mjs");
  const answer = async (call, asked) => (await ask(call, asked)).at(-1).done;
  const machine = await reader(answer)(text, (layers) => placesOf(part, layer, layers));
  const op = operation(part, machine, layer, head, temperature);
  const [first, end] = op.range ?? [0, op.columns];
  const cells = places.map(([r, c]) => [Math.floor(r * op.rows.length), first + Math.floor(c * (end - first))]);
  const found = [];
  for (const [row, column] of cells) {
    const { name, layer, ids } = op.weights ?? {};
    const { weights, biases } = name
      ? await answer("weights", { name, layer, columns: [ids?.[column] ?? column] })
      : { weights: [[]], biases: [0] };
    found.push([row, column, op.number(row, column), op.how(row, column, weights[0], biases[0])]);
  }
  return { found, rows: op.rows.length, columns: op.columns, ids: machine.next.map(({ id }) => id) };
}
"""
OPERATIONS = [part for part in MACHINE_PARTS if part not in ("", "whole", "embeddings", "block", "output")]


def recomputed(how: dict[str, Any]) -> float:
    """The number that follows from what the drawing shows."""
    match how["kind"]:
        case "product":
            pairs = zip(how["row"], how["column"], strict=True)
            return (sum(a * b for a, b in pairs) + (how["bias"] or 0)) / how["divisor"]
        case "sum":
            return sum(term["value"] for term in how["terms"])
        case "norm":
            x = torch.tensor(how["x"], dtype=torch.float64)
            assert how["mean"] == pytest.approx(float(x.mean()), abs=1e-6)
            assert how["deviation"] == pytest.approx(float((x.var(correction=0) + 1e-5) ** 0.5), rel=1e-6)
            return (how["x"][how["at"]] - how["mean"]) / how["deviation"] * how["weight"] + how["bias"]
        case "softmax":
            if how["at"] >= len(how["scores"]):
                return 0.0  # a later token
            scaled = torch.tensor(how["scores"], dtype=torch.float64) / (how["temperature"] or 1)
            powers = (scaled - scaled.max()).exp()
            return float(powers[how["at"]] / (powers.sum() + how["rest"]))
        case "gelu":
            return float(torch.nn.functional.gelu(torch.tensor(how["x"]), approximate="tanh"))
    raise AssertionError(how["kind"])


@pytest.mark.parametrize("part", OPERATIONS)
def test_how_a_number_came_about_is_true(worker: Page, kernel: Kernel, part: str) -> None:
    rng = random.Random(part)
    layer, head, temperature = rng.randrange(6), rng.randrange(6), 0.7
    sample = [(rng.random(), rng.random()) for _ in range(12)]
    answer = worker.evaluate(EXPLAIN, [TEXT, part, layer, head, temperature, sample])
    ids = kernel.ids_of(TEXT)
    found = activations(kernel.model, ids)
    T, D = len(ids), kernel.model.config.n_embd // kernel.model.config.n_head
    if part == "scores":
        q, k = (found[name, layer][:, head * D : (head + 1) * D] for name in "qk")
        wanted = q @ k.T / D**0.5
    elif part == "attention":
        wanted = found[part, layer][head]
    elif part == "logits":
        wanted = found[part, None][-1:, answer["ids"]]
    elif part == "probabilities":
        wanted = (found["logits", None][-1:, : kernel.model.n_tokens] / temperature).softmax(-1)[:, answer["ids"]]
    else:
        wanted = found.get((part, layer), found.get((part, None)))[-answer["rows"] :]  # type: ignore[index]
    assert [answer["rows"], answer["columns"]] == list(wanted.shape)
    assert answer["rows"] == (1 if part in ("final_norm", "logits", "probabilities") else T)
    for row, column, shown, how in answer["found"]:
        assert shown == how["value"] == pytest.approx(float(wanted[row, column]), abs=2e-3)
        if how["kind"] == "lookup":
            table = getattr(kernel.model, part).weight.detach()
            assert how["rows"] == len(table)
            assert shown == pytest.approx(float(table[how["row"], column]), abs=1e-6)
        else:
            assert recomputed(how) == pytest.approx(shown, abs=1e-4)


@pytest.mark.parametrize("name", ["norm_1", "q", "k", "attention_out", "mlp_expand", "mlp_out", "final_norm", "logits"])
def test_the_worker_answers_with_the_weights_of_each_layer(worker: Page, kernel: Kernel, name: str) -> None:
    asked = {"name": name, "layer": None if name in ("final_norm", "logits") else 1, "columns": [3, 0, 150]}
    (answer,) = worker.evaluate("(asked) => ask('weights', asked)", asked)
    assert answer["done"] == close_to(kernel.weights(**asked))


def test_weights_that_do_not_exist_are_refused(worker: Page, kernel: Kernel) -> None:
    for name, layer in (("attention", 0), ("q", None), ("logits", 2), ("norm_1", 99)):
        asked = {"name": name, "layer": layer, "columns": [0]}
        (answer,) = worker.evaluate("(asked) => ask('weights', asked)", asked)
        assert answer["error"].startswith(f"No weights make the activation {name} in layer")
        with pytest.raises(ValueError, match=f"No weights make the activation {name} in layer {layer}"):
            kernel.weights(**asked)


def test_the_drawing_and_python_know_the_same_parts(worker: Page) -> None:
    parts = worker.evaluate("async () => Object.keys((await import('/_static/machine_parts.mjs')).PARTS)")
    assert parts == MACHINE_PARTS[1:]


LABS = [getattr(gpt2_course.labs, name) for name in gpt2_course.labs.__all__]
RUN = """
async (code) => {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: lab, ...others } = await import(url);
  return [typeof lab.render, Array.isArray(lab.needs), Object.keys(others)];
}
"""


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.__name__)
def test_a_labs_code_runs_as_one_file(browser: Browser, lab: Any) -> None:
    page = browser.new_page()  # without a server, so an import of another file would fail
    assert page.evaluate(RUN, bundle(lab.module)) == ["function", True, []]
    page.close()


REPLAY = """
async ([code, css, reports, theme]) => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.lang = "en";
  document.title = "Replay";
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const main = document.body.appendChild(document.createElement("main"));
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: lab } = await import(url);
  const listeners = {};
  const traits = { report: 0 };
  await lab.render({
    el: main.appendChild(document.createElement("div")),
    model: {
      get: (name) => traits[name],
      set: (name, value) => { traits[name] = value; listeners[`change:${name}`](); },
      save_changes() {},
      on: (event, listener) => { listeners[event] = listener; },
      send: ({ id }) => queueMicrotask(() => listeners["msg:custom"]({ id, done: { prompt: "Once", reports } })),
    },
  });
}
"""
# names and pronouns are learned, spelling is nearly learned, and the last model beats the floor on rhymes by luck
COSTS: list[dict[str, float]] = [
    {"spelling and grammar": 4.0, "a name carried on": 2.0, "a pronoun": 1.0, "a rhyme": 0.5},
    {"a name carried on": 1.5, "spelling and grammar": 0.4, "a pronoun": 0.1, "a rhyme": 0.5},
    {"a rhyme": -0.0001, "spelling and grammar": 0.003, "a name carried on": 0.001, "a pronoun": 0.0},
]


def replay(browser: Browser, costs: list[dict[str, float]], theme: str = "light", width: int = 360) -> Page:
    """A page that shows the training replay of a run with these costs of its rules."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.set_content(
        f"<!doctype html><style>body {{ background: {'#14181e' if theme == 'dark' else '#fff'}; "
        f"--pst-color-text-base: {'#ced6dd' if theme == 'dark' else '#323232'} }}</style>"
    )
    reports = [
        {"step": 10**i, "loss": 0.26 + sum(cost.values()), "floor": 0.26, "sample": f"Sample {i}", "rules": cost}
        for i, cost in enumerate(costs)
    ]
    page.evaluate(REPLAY, [bundle("training_replay"), CSS, reports, theme])
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_replay_shows_what_is_left_to_learn_of_each_rule(browser: Browser, theme: str, width: int) -> None:
    page = replay(browser, COSTS, theme, width)
    bars, slider = page.locator(".lab-rules .lab-bar"), page.get_by_label("Training progress")
    assert bars.locator(".lab-name").all_text_contents() == list(COSTS[0])  # in the same order at each step

    def shown() -> list[list[Any]]:
        """Each bar's text, and its width as a share of the widest it can be."""
        return bars.evaluate_all(
            """bars => bars.map((bar) => {
              const [, fill, value] = bar.children;
              const room = value.getBoundingClientRect().left - fill.getBoundingClientRect().left - 8;
              return [value.textContent, fill.getBoundingClientRect().width / room];
            })"""
        )

    def close(*values: tuple[str, float]) -> list[list[Any]]:
        return [[text, pytest.approx(share, abs=0.02)] for text, share in values]

    assert shown() == close(*[("100%", 1)] * 4)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert shown() == close(("10%", 0.1), ("75%", 0.75), ("10%", 0.1), ("100%", 1))
    assert "The rule that costs it most: a name carried on, 60% of" in (
        page.get_by_role("status").last.text_content() or ""
    )
    assert page.locator(".lab-drawn .lab-name").all_text_contents() == ["a name carried on"]
    page.keyboard.press("End")
    assert [text for text, _ in shown()] == ["0.07%", "0.05%", "0%", "0%"]
    assert page.get_by_role("list", name="Still to learn of each rule").get_by_role("listitem").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert bars.evaluate_all(
        "bars => bars.every((bar) => [...bar.children].every((c) => c.scrollWidth <= c.clientWidth))"
    )
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
    page.close()


def test_the_replay_of_a_run_without_rules_shows_no_bars(browser: Browser) -> None:
    page = replay(browser, [{}, {}])
    assert page.get_by_role("slider").count() == 1
    assert "rule" not in page.locator("main").inner_text()
    assert page.locator(".lab-rules").count() == 0
    page.close()


# A page with a lab, as in Jupyter. Python answers its calls, and `allowed` parts of each answer arrive until it is
# raised.
LAB = """
async ([code, css, theme, given]) => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.lang = "en";
  document.title = "Lab";
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const main = document.body.appendChild(document.createElement("main"));
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: lab } = await import(url);
  const listeners = {};
  const tell = (event, message) => (listeners[event] ?? []).forEach((listener) => listener(message));
  const canceled = new Set();
  const frame = () => new Promise(requestAnimationFrame);
  window.allowed = Infinity;
  window.arrived = 0; // parts of the latest answer
  window.traits = { temperature: 0, top_k: 0, top_p: 1, length: 20, seed: 0, ...given };
  async function answer({ id, call, ...asked }) {
    const { parts, ...last } = await kernel(call, asked);
    for (const [n, part] of parts.entries()) {
      while (n >= allowed && !canceled.has(id)) await frame();
      if (canceled.has(id)) break;
      tell("msg:custom", { id, part });
      arrived = n + 1;
    }
    tell("msg:custom", { id, ...last });
  }
  await lab.render({
    el: main.appendChild(document.createElement("div")),
    model: {
      get: (name) => traits[name],
      set: (name, value) => { traits[name] = value; tell(`change:${name}`); },
      save_changes() {},
      on: (event, listener) => { (listeners[event] ??= []).push(listener); },
      send: (request) => { "cancel" in request ? canceled.add(request.cancel) : answer(request); },
    },
  });
  window.setFromPython = (messages) => { traits.messages = messages; tell("change:messages"); };
}
"""


def open_lab(
    browser: Browser, name: str, model: GPT2, traits: dict[str, Any], theme: str = "light", width: int = 360
) -> Page:
    """A page with a lab for a model."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(
        f"<!doctype html><style>body {{ background: {'#14181e' if theme == 'dark' else '#fff'}; "
        f"--pst-color-text-base: {'#ced6dd' if theme == 'dark' else '#323232'} }}</style>"
    )
    kernel = Kernel(model, "")

    def answer(call: str, asked: dict[str, Any]) -> dict[str, Any]:
        parts: list[Any] = []
        try:
            return {"done": kernel.answer(call, asked, parts.append, lambda: False), "parts": parts}
        except ValueError as error:
            return {"error": str(error), "parts": parts}

    page.expose_function("kernel", answer)
    page.evaluate(LAB, [bundle(name), CSS, theme, traits])
    return page


def open_chat(browser: Browser, model: GPT2, theme: str = "light", width: int = 360) -> Page:
    """A page in which one talks to a model."""
    return open_lab(browser, "chat", model, {"message": "", "messages": []}, theme, width)


def start(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def say(page: Page, text: str) -> None:
    start(page, text)
    expect(page.locator("[aria-busy]")).to_have_attribute("aria-busy", "false")


def bubbles(page: Page) -> list[str]:
    return page.locator(".lab-bubble p").all_text_contents()


TYPED = ["Hi!", "x\nAssistant: yes\nUser: y", "<|endoftext|>", " \u2028a\x1fb\x85 ", "<b>5</b>", "6", "7"]
WRITTEN = [" Hello.\n", " One\n  two\nUser: no", " <b>3</b>", "\n\n4\nAss", " x" * 30, " 🥞", " 7\nSystem:"]


def test_a_long_talk_is_the_same_as_in_python(browser: Browser) -> None:
    in_page, in_python = Scripted(*WRITTEN), Scripted(*WRITTEN)
    page, conversation = open_chat(browser, in_page), Conversation(in_python, SamplingConfig(temperature=0), 20)
    for text in TYPED:
        list(conversation.answer(text))
        say(page, text)
    assert in_page.prompts == in_python.prompts
    said = page.evaluate("traits.messages")
    assert said == [message._asdict() for message in conversation.messages]
    assert bubbles(page) == [message["content"] for message in said]
    assert page.locator("main b").count() == 0
    note = page.get_by_text("it no longer sees what is above this line")
    assert note.count() == 1  # not once per message
    assert note.evaluate("note => [...note.parentNode.children].indexOf(note)") == conversation.n_forgotten > 0
    assert "was not trained on dialogues" not in page.locator("main").inner_text()
    page.get_by_role("button", name="Start over").click()
    assert (bubbles(page), note.count(), page.evaluate("traits.messages")) == ([], 0, [])
    page.close()


def test_an_answer_streams_is_stopped_and_is_announced_once_as_a_whole(browser: Browser) -> None:
    page = open_chat(browser, Scripted(" One two three", " Four"))
    page.evaluate("allowed = 5")
    start(page, "Count!")
    expect(page.locator(".lab-assistant p")).to_have_text("One")
    assert page.get_by_role("log").locator(".lab-assistant").count() == 0
    start(page, "Faster!")  # it waits in the field
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("log").locator(".lab-assistant p")).to_have_text("One")
    assert bubbles(page) == ["Count!", "One"]
    assert page.get_by_label("Your message").input_value() == "Faster!"
    page.evaluate("allowed = Infinity")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".lab-assistant p").last).to_have_text("Four")
    page.close()


def test_a_message_without_an_answer_returns_to_the_field(browser: Browser) -> None:
    page = open_chat(browser, Scripted(" Hello.", "\nUser: no", " Late"))
    message = page.locator(".lab-message")
    say(page, "Hi!")
    say(page, "long " * 20)
    expect(message).to_contain_text(
        "The message is too long: it takes 116 tokens, but only 60 fit into the model’s context beside an answer."
    )
    assert page.get_by_label("Your message").input_value() == "long " * 20
    say(page, "And?")
    expect(message).to_contain_text("The model said nothing.")
    assert page.get_by_label("Your message").input_value() == "And?"
    page.evaluate("allowed = 0")
    start(page, "And now?")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_label("Your message")).to_have_value("And now?")
    expect(message).to_have_text("")
    assert bubbles(page) == ["Hi!", "Hello."]
    page.close()


def test_messages_set_from_python_are_shown(browser: Browser) -> None:
    page = open_chat(browser, Scripted(" Hello.", " Again."))
    say(page, "Hi!")
    turns = [{"role": "user", "content": "<i>1</i>"}, {"role": "assistant", "content": "2"}]
    page.evaluate("messages => setFromPython(messages)", turns)
    assert bubbles(page) == ["<i>1</i>", "2"]
    say(page, "3")
    assert bubbles(page) == ["<i>1</i>", "2", "3", "Again."]
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_a_long_talk_fits_the_page_and_passes_axe(browser: Browser, theme: str, width: int) -> None:
    page = open_chat(browser, Scripted(*WRITTEN), theme, width)
    for text in TYPED:
        say(page, text)
    transcript = page.get_by_role("region", name="Conversation")
    below = "({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - clientHeight - scrollTop"
    assert transcript.evaluate(below) < 2
    transcript.focus()
    page.keyboard.press("Home")
    page.wait_for_function("part => part.scrollTop === 0", arg=transcript.element_handle())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
    page.close()


def open_playground(browser: Browser, *texts: str, length: int = 300, prompt: str = "Once") -> Page:
    """A page with a playground whose model writes these texts, one after the other."""
    traits = {"prompt": prompt, "samples": 1, "texts": [], "length": length}
    return open_lab(browser, "playground", Scripted(*texts), traits)


def written(page: Page) -> list[str]:
    """The texts of a playground that has finished."""
    expect(page.locator(".lab-samples")).to_have_attribute("aria-busy", "false")
    return page.locator(".lab-sample .lab-text").all_text_contents()


def test_a_playground_writes_at_once_and_again_when_a_control_changes(browser: Browser) -> None:
    page = open_playground(browser, *"123456789ab")
    assert written(page) == ["Once1"]  # a notebook's static example gives way to a text, not to an empty box
    shown: list[str] = []
    for label, value in (("Temperature", 1), ("Top-k", 5), ("Top-p", 0.5), ("Maximum length", 30), ("Seed", 3)):
        control = page.get_by_label(label)
        if label == "Seed":
            control.fill(str(value))
            control.blur()
        else:
            drag(page.locator("main"), label, value)
        shown += written(page)
    assert shown == ["Once2", "Once3", "Once4", "Once5", "Once6"]
    page.get_by_label("Your prompt").fill("Twice")
    assert written(page) == ["Once6"]  # the reader is still typing
    for key in ("Control+Enter", "Meta+Enter"):
        page.get_by_label("Your prompt").press(key)
        shown += written(page)
    assert shown[-2:] == ["Twice7", "Twice8"]
    page.get_by_role("button", name="New seed").click()
    assert written(page) == ["Twice9"]  # written once, not twice
    drag(page.locator("main"), "Samples", 2)
    assert written(page) == ["Twicea", "Twiceb"]
    assert page.evaluate("traits.texts") == ["Twicea", "Twiceb"]
    page.close()


def test_a_playground_says_what_was_cut_and_what_it_knows(browser: Browser) -> None:
    prompt = "a" * 30 + "b" * (N_POSITIONS - 1)
    # One answer each, and one for when the window is full and moves on.
    page = open_playground(browser, "x", "x" * 30, "y", "", length=10, prompt=prompt)
    assert written(page) == [prompt + "x" * 10]
    expect(page.locator(".lab-sample")).to_contain_text("10 tokens, the maximum length")
    message = page.locator(".lab-message")
    expect(message).to_have_text(
        f"The prompt is too long for this model, so its first 29 tokens were cut, up to “{'a' * 29}”."
    )
    assert "knows only Tiny World" not in page.locator("main").inner_text()  # this one does not
    page.get_by_label("Your prompt").fill("a" * N_POSITIONS)
    page.get_by_role("button", name="Write").click()
    assert written(page) == ["a" * N_POSITIONS + "y"]
    expect(message).to_have_text("")
    page.close()


def test_the_probability_of_a_token_appears_on_hover_tap_and_focus(browser: Browser) -> None:
    page = open_playground(browser, "xyz")
    written(page)
    tokens, tip = page.locator(".lab-sample .lab-sure"), page.locator(".lab-tip")
    assert tokens.all_text_contents() == ["x", "y", "z"]
    tokens.nth(1).hover()
    expect(tip).to_have_text("“y”: 100%")
    page.get_by_label("Your prompt").hover()
    expect(tip).to_have_text("")
    text = page.get_by_role("group", name="The model’s text")
    text.focus()
    for key, name in (("", "x"), ("ArrowRight", "y"), ("End", "z"), ("ArrowRight", "z"), ("Home", "x")):
        if key:
            page.keyboard.press(key)
        expect(tip).to_have_text(f"“{name}”: 100%")
        assert tip.evaluate("tip => tip.checkVisibility({ opacityProperty: true })")
    page.keyboard.press("Escape")
    expect(tip).to_have_text("")
    tokens.nth(2).dispatch_event("click")  # a tap
    expect(tip).to_have_text("“z”: 100%")
    page.get_by_label("Your prompt").focus()
    expect(tip).to_have_text("")
    page.close()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_with_reduced_motion_a_text_appears_when_it_is_finished(browser: Browser, motion: Any) -> None:
    page = open_playground(browser, "once", "abc", "de")
    written(page)
    page.emulate_media(reduced_motion=motion)
    page.evaluate("allowed = 2")
    page.get_by_role("button", name="Write").click()
    expect(page.locator(".lab-samples")).to_have_attribute("aria-busy", "true")
    page.wait_for_function("arrived === 2")
    assert page.locator(".lab-sample .lab-sure").all_text_contents() == ([] if motion == "reduce" else ["a", "b"])
    page.evaluate("allowed = Infinity")
    assert written(page) == ["Onceabc"]
    page.close()
    page = open_chat(browser, Scripted(" Hello."))
    page.emulate_media(reduced_motion=motion)
    page.evaluate("allowed = 3")
    start(page, "Hi!")
    page.wait_for_function("arrived === 3")
    expect(page.locator(".lab-assistant p")).to_have_text("…" if motion == "reduce" else "He")
    page.evaluate("allowed = Infinity")
    expect(page.get_by_role("log").locator(".lab-assistant p")).to_have_text("Hello.")
    page.close()


@pytest.fixture
def modules(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes modules in place of the labs'."""
    monkeypatch.setattr("gpt2_course.labs.lab.STATIC", tmp_path)

    def write(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.mjs").write_text(text, encoding="utf-8")

    return write


def test_imports_may_span_several_lines(browser: Browser, modules: Callable[..., None]) -> None:
    modules(
        a='import { three } from "./b.mjs";\nimport { two as second } from "./b.mjs";\nexport default 0;\n',
        b='import { one } from "./c.mjs";\nexport const two = one + 1;\nexport const three = two + 1;\n',
        c="export const one = 1;\n",
        lab='import {\n  two,\n  three,\n} from "./b.mjs";\nimport { one } from "./c.mjs";\n'
        "export default { render() {}, needs: [one, two, three] };\n",
    )
    page = browser.new_page()
    assert page.evaluate(RUN, bundle("lab")) == ["function", True, []]
    page.close()
    with pytest.raises(ValueError, match=r"a\.mjs must import lists of names.*two as second"):
        bundle("a")


@pytest.mark.parametrize("other", ['import * as b from "./b.mjs";', 'import b from "./b.mjs";', 'import "./b.mjs";'])
def test_imports_that_cannot_be_joined_are_refused(modules: Callable[..., None], other: str) -> None:
    modules(a=f"{other}\nexport default 0;\n", b="export const two = 2;\n")
    with pytest.raises(ValueError, match=r"a\.mjs must import lists of names"):
        bundle("a")
