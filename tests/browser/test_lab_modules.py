"""The labs' modules as they are loaded: the worker against the kernel, and each lab as one file for its widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

import gpt2_course.labs
from gpt2_course import GPT2
from gpt2_course.labs.kernel import CALLS, Kernel
from gpt2_course.labs.lab import bundle

SETTINGS: dict[str, Any] = {"temperature": 0.9, "top_k": 40, "top_p": 0.95}
TEXT = "Once upon a time, a fox named Pip"
# Arguments for each call.
ASKED: dict[str, dict[str, Any]] = {
    "describe": {},
    "tokenize": {"text": TEXT + " 🥞", "vocabulary": "gpt2"},
    "merge_steps": {"piece": " hedgehog", "vocabulary": "model"},
    "next": {"prompt": "Once upon a time, a", "added": [], "settings": SETTINGS, "number": 0.7, "count": 6},
    "attention": {"text": TEXT, "without": [[1, 2]], "most": 4},
    "activation": {"text": TEXT, "name": "mlp_hidden", "layer": 2, "most": 4},
    "generate": {"prompt": TEXT, "settings": SETTINGS, "seed": 3, "length": 20},
    "history": {},
}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(GPT2.from_pretrained(), "tiny-world")


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
    assert done == close_to(wanted)


@pytest.mark.parametrize("call", ["nothing", "constructor", "__proto__"])
def test_worker_and_kernel_refuse_other_calls_in_the_same_words(worker: Page, kernel: Kernel, call: str) -> None:
    (message,) = worker.evaluate("(call) => ask(call, {})", call)
    with pytest.raises(ValueError, match=call) as refused:
        kernel.answer(call, {}, print, lambda: False)
    assert message["error"] == str(refused.value)


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
