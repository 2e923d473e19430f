"""The labs in Python: what they leave in a page, and how the kernel answers."""

from __future__ import annotations

import html
import json
import threading
from typing import Any

import pytest
import torch
import traitlets
from bs4 import BeautifulSoup
from scripted import Scripted

import gpt2_course.labs
from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.introspection import activations
from gpt2_course.labs import AttentionLab, Chat, NextTokenLab, Playground, TokenizerLab, TrainingReplay
from gpt2_course.labs.kernel import Kernel
from gpt2_course.labs.lab import Lab

LABS: list[type[Lab]] = [getattr(gpt2_course.labs, name) for name in gpt2_course.labs.__all__]
PLAIN: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(GPT2.from_pretrained(), "tiny-world")


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.__name__)
def test_a_lab_leaves_a_drawn_example_without_ids_that_change(lab: type[Lab]) -> None:
    data, _ = lab()._repr_mimebundle_()
    again, _ = lab()._repr_mimebundle_()
    assert data["text/html"] == again["text/html"]
    assert data["text/plain"] == again["text/plain"]
    page = BeautifulSoup(data["text/html"], "html.parser")
    place = page.find(attrs={"data-lab": lab.module})
    assert place is not None
    assert len(place.get_text()) > 50
    state = json.loads(html.unescape(str(place["data-state"])))
    assert set(state) == set(lab().own_traits())
    for picture in page.find_all("svg"):
        assert len(str(picture["aria-label"])) > 20


def test_settings_can_be_read_and_set_and_others_are_refused() -> None:
    lab = Playground(prompt="The fox", temperature=1.5)
    assert (lab.prompt, lab.temperature) == ("The fox", 1.5)
    with pytest.raises(TypeError, match="Playground has no setting 'promt'; it has model, length, prompt"):
        Playground(promt="x")
    with pytest.raises(Exception, match="temperature"):
        lab.temperature = -1


def exchange(*contents: str) -> list[dict[str, str]]:
    """Messages from user and assistant in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def test_text_is_escaped_in_the_page() -> None:
    labs: list[Lab] = [NextTokenLab(prompt="<script>x"), TokenizerLab(text="<script>x"), AttentionLab(text="<script>x")]
    for lab in (*labs, Chat(message="<script>x"), Chat(messages=exchange("<script>x", "<script>x"))):
        assert "<script" not in lab._repr_html_()


def ask(lab: Lab, **message: Any) -> list[dict[str, Any]]:
    """All messages a lab sends back for one call."""
    sent: list[dict[str, Any]] = []
    done = threading.Event()

    def send(content: dict[str, Any], buffers: Any = None) -> None:
        sent.append(content)
        if "part" not in content:
            done.set()

    lab.send = send  # type: ignore[method-assign]
    lab._hear(None, {"id": 1, **message}, None)
    assert done.wait(60)
    return sent


def test_a_lab_answers_calls() -> None:
    sent = ask(Playground(), call="generate", prompt="The fox", settings=PLAIN, seed=1, length=5)
    assert [set(message) for message in sent] == [{"id", "part"}] * 6 + [{"id", "done"}]
    assert sent[-1]["done"]["tokens"] == 5


def test_the_drawn_labs_show_what_the_live_ones_show() -> None:
    def part(lab: Lab, selector: str) -> list[str]:
        return [found.get_text() for found in BeautifulSoup(lab._repr_html_(), "html.parser").select(selector)]

    chips = part(TokenizerLab(text="a 🥞", vocabulary="gpt2"), ".lab-token")
    assert chips == ["a6461", "20 f0 9f12520", "a5 9e13945"]  # the text or its bytes, the ID, the bytes
    assert part(AttentionLab(text=""), "p") == ["Type a sentence to see which of its tokens look at which."]
    assert part(AttentionLab(text="A fox"), "svg text")[::2] == part(AttentionLab(text="A fox"), "svg text")[1::2]
    assert part(TrainingReplay(), "blockquote b") == ["Once upon a time"]
    bars = BeautifulSoup(NextTokenLab()._repr_html_(), "html.parser").select(".lab-fill")
    assert bars[0]["style"] == "--share:1.00"
    (text,) = part(Playground(), ".lab-text")
    assert text.endswith((".", '"', "!", "?"))  # the end of a story


def test_a_call_that_is_canceled_while_it_waits_writes_nothing(kernel: Kernel) -> None:
    parts: list[Any] = []
    done: Any = kernel.generate("x" * 400, PLAIN, 1, 300, parts.append, lambda: True)
    assert parts == []
    assert done["tokens"] == 0


def test_a_canceled_call_ends_early_with_a_partial_result() -> None:
    lab = Playground()
    parts: list[Any] = []

    def part(piece: Any) -> None:
        parts.append(piece)
        if len(parts) == 3:
            lab._hear(None, {"cancel": 1}, None)

    lab._wanted.add(1)
    done = lab.kernel.generate("The fox", PLAIN, 1, 300, part, lambda: 1 not in lab._wanted)
    assert done["tokens"] == 3  # type: ignore[call-overload]
    lab._hear(None, {"cancel": 99}, None)  # a call that is done or unknown
    assert lab._wanted == set()


def said(lab: Chat) -> list[str]:
    """The texts of the bubbles in a lab's drawn example."""
    page = BeautifulSoup(lab._repr_html_(), "html.parser")
    return [bubble.get_text() for bubble in page.select(".lab-bubble p")]


def test_the_drawn_chat_continues_a_text(kernel: Kernel) -> None:
    parts: list[Any] = []
    kernel.generate("Where does Tuck live?", {**PLAIN, "temperature": 0.8}, 5, 100, parts.append)
    lab = Chat(seed=5)
    assert said(lab) == ["Where does Tuck live?", "".join(part["text"] for part in parts).strip()]
    assert "was not trained on dialogues" in lab._repr_html_()


def test_the_drawn_chat_of_a_model_with_the_template_is_a_dialogue() -> None:
    model = Scripted(*[" Under\n  a bridge.\nUser: Who?"] * 2, n_positions=400)  # it is drawn twice
    lab = Chat(model, message="Where?\nAssistant: <|endoftext|>")
    assert said(lab) == ["Where?\nAssistant: <|endoftext|>", "Under\na bridge."]
    assert model.prompts[0] == "User: Where?\n  Assistant: < |endoftext|>\nAssistant:"
    assert "answers each message" in lab._repr_html_()
    lab.messages = exchange("Hi!", "Hello!")
    assert said(lab) == ["Hi!", "Hello!"]
    (answer,) = ask(lab, call="describe")
    assert answer["done"]["has_template"]


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([{"role": "assistant", "content": "Hi!"}], r'messages\[0\] must be {"role": "user", "content": a text}, but'),
        ([*exchange("a", "b"), {"role": "user"}], r'messages\[2\] must be {"role": "user"'),
        ([{"role": "user", "content": 1}], r"but is {'role': 'user', 'content': 1}"),
        (exchange("a", "b", "c"), "must end with an answer"),
    ],
)
def test_the_messages_of_a_chat_are_from_user_and_assistant_in_turn(messages: Any, error: str) -> None:
    lab = Chat(messages=exchange("Hi!", "Hello!"))
    with pytest.raises(traitlets.TraitError, match=error):
        lab.messages = messages
    assert lab.messages == exchange("Hi!", "Hello!")


@pytest.mark.parametrize("call", ["__init__", "answer", "nothing"])
def test_only_known_calls_are_answered(call: str) -> None:
    (answer,) = ask(Playground(), call=call)
    assert answer["error"].startswith(f"There is no call {call!r}")


def test_labs_accept_any_model_with_a_tokenizer() -> None:
    tokenizer = Tokenizer.train("the fox and the witch", 280)
    model = GPT2(GPT2Config(len(tokenizer), 32, 16, 2, 2), tokenizer)
    model.train()
    lab = NextTokenLab(model, prompt="the fox")
    assert lab.kernel.model is model
    (answer,) = ask(lab, call="next", prompt="the fox", added=[], settings=PLAIN, number=0.5, count=3)
    assert len(answer["done"]["bars"]) == 3
    assert model.training
    with pytest.raises(ValueError, match="no tokenizer"):
        NextTokenLab(GPT2(GPT2Config(99, 32, 16, 2, 2)))


def test_activations_lead_to_the_logits_of_the_model(kernel: Kernel) -> None:
    ids = kernel.tokenizer.encode("Once upon a time, a fox")
    found = activations(kernel.model, ids)
    with torch.no_grad():
        torch.testing.assert_close(found["logits", None], kernel.model(torch.tensor([ids]))[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found["attention", 1].sum(-1), torch.ones(kernel.model.config.n_head, len(ids)))
    every = [(layer, head) for layer in range(4) for head in range(6)]
    off = activations(kernel.model, ids, without=every)
    assert not off["heads", 2].any()
    assert not torch.allclose(off["logits", None], found["logits", None])
    for wrong in ([], [0] * 337):
        with pytest.raises(ValueError, match="This model reads 1 to 336 tokens at a time"):
            activations(kernel.model, wrong)


def test_the_merges_of_a_word_end_with_its_tokens(kernel: Kernel) -> None:
    steps: Any = kernel.merge_steps(" hedgehog", "gpt2")
    assert [token["id"] for token in steps[-1]["tokens"]] == Tokenizer.gpt2().encode(" hedgehog")
    assert [len(step["tokens"]) for step in steps] == list(range(9, len(steps[-1]["tokens"]) - 1, -1))


def test_draws_respect_temperature_and_top_k(kernel: Kernel) -> None:
    prompt = "Once upon a time, a fox named"
    greedy: Any = kernel.next(prompt, [], {**PLAIN, "temperature": 0}, 0.99, 5)
    assert greedy["drawn"]["id"] == greedy["bars"][0]["id"]
    assert greedy["possible"] == 1
    cut: Any = kernel.next(prompt, [], {**PLAIN, "temperature": 2.0, "top_k": 2}, 0.9999999, 5)
    assert cut["possible"] == 2
    assert cut["drawn"]["id"] == cut["bars"][1]["id"]
