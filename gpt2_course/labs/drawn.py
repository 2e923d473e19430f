"""Static examples of the labs, for GitHub, print, pages without scripts, and the time before a lab has loaded.

They are drawn from the kernel's answers, rounded coarsely enough that every computer draws the same picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import count
from math import log1p
from typing import Any

from gpt2_course.chat import has_template
from gpt2_course.dialogue import STOPS, Dialogue, Message, shown
from gpt2_course.labs.kernel import Kernel


def _visible(text: str) -> str:
    return text.replace(" ", "·").replace("\n", "↵") or "∅"


def _quoted(text: str) -> str:
    return f"“{escape(text)}”"


def _hex(token: dict[str, Any]) -> str:
    return bytes(token["bytes"]).hex(" ")


def _is_whole(token: dict[str, Any]) -> bool:
    """Whether a token consists of whole characters."""
    try:
        bytes(token["bytes"]).decode()
    except UnicodeDecodeError:
        return False
    return True


def _name(token: dict[str, Any]) -> str:
    """A token in quotation marks, or its bytes if it is only a part of a character."""
    return _quoted(token["text"]) if _is_whole(token) else _hex(token)


def _label(token: dict[str, Any], most: int | None = None) -> str:
    """A token with visible white space, or its bytes if it is only a part of a character, cut to `most` characters."""
    label = _visible(token["text"]) if _is_whole(token) else _hex(token)
    return escape(label if most is None or len(label) <= most else f"{label[: most - 1]}…")


def tokens(answer: dict[str, Any]) -> str:
    """Colored tokens with their IDs and bytes."""

    def chip(i: int, token: dict[str, Any]) -> str:
        raw = f"<small>{_hex(token)}</small>" if _is_whole(token) else ""
        return f'<span class="lab-token lab-color-{i % 6}">{_label(token)}<small>{token["id"]}</small>{raw}</span>'

    return (
        f"<p>{answer['characters']} characters make {answer['count']} tokens. Each is shown with its ID and its bytes; "
        f'“·” is a space.</p><div class="lab-tokens">{" ".join(map(chip, count(), answer["tokens"]))}</div>'
    )


def _percent(p: float) -> str:
    return f"{100 * p:.0f}%"


def _bars(tokens: list[dict[str, Any]], name: Callable[[dict[str, Any]], str], small: str = "") -> str:
    """Tokens as bars, the longest for the likeliest; `small` is what a share below 1% reads, if it is not rounded."""
    largest = max(token["p"] for token in tokens)
    bars = "".join(
        f'<li><span class="lab-bar"><span class="lab-name">{name(token)}</span>'
        f'<span class="lab-fill" style="--share:{token["p"] / largest:.2f}"></span>'
        f'<span class="lab-value">{small if small and token["p"] < 0.01 else _percent(token["p"])}</span></span></li>'
        for token in tokens
    )
    return f'<ol class="lab-bars">{bars}</ol>'


def next_tokens(prompt: str, answer: dict[str, Any]) -> str:
    """The most likely next tokens as bars."""
    return f"<p>{escape(prompt)} …</p>{_bars(answer['bars'], _name)}"


def story(prompt: str, text: str, answer: dict[str, Any], temperature: float) -> str:
    """A text and the bars of its next token, laid out like the lab, which takes this drawing's place."""

    def word(token: dict[str, Any]) -> str:
        return escape(token["text"].strip()) or _name(token)

    return (
        f'<p class="lab-text lab-story"><span class="lab-begun">{escape(prompt)}</span>{escape(text)}</p>'
        f"{_bars(answer['bars'], word, '&lt; 1%')}"
        f'<div class="lab-field"><label>Temperature <span>{temperature:.2f}</span></label>'
        f'<input type="range" aria-label="Temperature" min="0" max="2" step="0.05" value="{temperature}" disabled>'
        '</div><div class="lab-row lab-slot"></div>'
    )


def attention(answer: dict[str, Any], layer: int, head: int) -> str:
    """One head as a table of squares: a token's row shows how much it looks at itself and each token before it."""
    tokens = answer["tokens"]
    n, size, left, top = len(tokens), 20, 110, 80
    layer = min(layer, len(answer["weights"]) - 1)
    head = min(head, len(answer["weights"][0]) // n**2 - 1)
    weights = answer["weights"][layer][head * n * n : (head + 1) * n * n]
    squares = "".join(
        f'<rect x="{left + s * size}" y="{top + t * size}" width="{size}" height="{size}" class="lab-cell" '
        f'fill="#0072b2" fill-opacity="{weights[t * n + s]:.1f}"/>'
        for t in range(n)
        for s in range(t + 1)
        if weights[t * n + s] >= 0.05
    )
    labels = "".join(
        f'<text x="0" y="{top + t * size + 14}">{_label(token, 14)}</text>'
        f'<text transform="translate({left + t * size + 14} {top - 5}) rotate(-90)">{_label(token, 10)}</text>'
        for t, token in enumerate(tokens)
    )
    return (
        f"<p>Layer {layer}, head {head}. Rows and columns are the tokens in order. The darker a square, the more its "
        f"row’s token looks at its column’s.</p>"
        f'<svg viewBox="0 0 {left + n * size} {top + n * size}" role="img" style="max-width:{left + n * size}px" '
        f'aria-label="Attention of layer {layer}, head {head}: one row per token, darker where it looks.">'
        f"{labels}{squares}</svg>"
    )


def machine(text: str, kernel: Kernel) -> str:
    """The tokens' lanes through all blocks, with what the last one looks at, and the most likely next token."""
    shape: Any = kernel.describe()
    answer: Any = kernel.attention(text, [], 16)
    names = [token["text"] for token in answer["tokens"]]
    n, heads, layers = len(names), shape["n_head"], shape["n_layer"]
    lane, left, block = 24, 110, max(40, 480 // layers)
    width = left + layers * block
    labels = "".join(f'<text x="0" y="{t * lane + 16}">{_visible(name)}</text>' for t, name in enumerate(names))
    lanes = "".join(
        f'<path d="M{left - 20},{t * lane + 12}H{width}" stroke="#8db7e0" stroke-width="5"/>' for t in range(n)
    )
    links = ""
    for layer, weights in enumerate(answer["weights"]):
        start, end = left + layer * block + 4, left + (layer + 1) * block - 4
        for s in range(n):
            mean = sum(weights[(head * n + n - 1) * n + s] for head in range(heads)) / heads
            if mean >= 0.05:
                middle, ys, yt = (start + end) // 2, s * lane + 12, (n - 1) * lane + 12
                curve = f"M{start},{ys}C{middle},{ys} {middle},{yt} {end},{yt}"
                links += f'<path d="{curve}" stroke="#d55e00" stroke-width="{1 + 5 * round(mean, 1):.1f}"/>'
    ids = ", ".join(str(token["id"]) for token in answer["tokens"])
    return (
        f"<p>{_quoted(text)} is split into {n} tokens: {ids}. Each gets a lane of {shape['n_embd']} numbers. In each of"
        f" {layers} blocks, {heads} attention heads let tokens look back (the last token’s links are drawn), then an"
        f" MLP processes each token on its own. The last lane is compared with the embeddings of all"
        f" {shape['vocab_size']:,} tokens. The most likely next token is {_quoted(answer['next'][0]['text'])}.</p>"
        f'<svg viewBox="0 0 {width} {n * lane}" role="img" style="max-width:{width}px" fill="none" '
        f'aria-label="One lane per token through {layers} blocks, and what the last token looks at in each.">'
        f'{lanes}{links}<g fill="currentColor">{labels}</g></svg>'
    )


def _parts(prompt: str, kernel: Kernel, seed: int, length: int) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    kernel.generate(prompt, {"temperature": 0.8, "top_k": None, "top_p": None}, seed, length, parts.append)
    return parts


def sample(prompt: str, kernel: Kernel, seed: int, length: int) -> str:
    """A text by the model, with each token colored by how unsure the model was."""
    words = "".join(
        f'<span class="lab-sure" style="--doubt:{1 - part["p"]:.1f}">{escape(part["text"])}</span>'
        for part in _parts(prompt, kernel, seed, length)
        if part["text"]
    )
    return f'<p class="lab-text">{escape(prompt)}{words}</p>'


def conversation(messages: Sequence[Mapping[str, str]], message: str, kernel: Kernel, seed: int, length: int) -> str:
    """The messages so far; if there are none, `message` and what the model makes of it."""
    talks = has_template(kernel.model)
    if not messages:
        prompt = Dialogue((Message("user", message),)).prompt() if talks else message
        written = "".join(part["text"] for part in _parts(prompt, kernel, seed, length))
        answer = shown(re.split("|".join(STOPS), written)[0]) if talks else written.strip()
        messages = ({"role": "user", "content": message}, {"role": "assistant", "content": answer})
    names = {"user": "You", "assistant": "Model"}
    bubbles = "".join(
        f'<div class="lab-bubble lab-{said["role"]}"><span class="lab-small">{names[said["role"]]}</span>'
        f'<p class="lab-text">{escape(said["content"])}</p></div>'
        for said in messages
    )
    what = "answers each message" if talks else "was not trained on dialogues, so it continues each text you send"
    return f'<p class="lab-small">A conversation. This model {what}.</p><div class="lab-transcript">{bubbles}</div>'


def training(history: Any) -> str:
    """The loss and its floor by step, and the last sample after its prompt."""
    width, height = 640, 200
    reports = history["reports"]
    most, last = max(report["loss"] for report in reports), reports[-1]

    def path(name: str) -> str:
        points = (
            f"{width * log1p(r['step']) / log1p(last['step']):.0f},{height * (1 - r[name] / most):.0f}" for r in reports
        )
        return " ".join(points)

    return (
        f'<svg viewBox="0 -5 {width} {height + 10}" class="lab-curve" role="img" '
        f'aria-label="Over {last["step"]:,} steps, '
        f"the loss falls from {reports[0]['loss']:.2f} to {last['loss']:.2f}, close to the floor of "
        f'{last["floor"]:.2f}."><polyline points="{path("floor")}" class="lab-floor" fill="none" stroke="#009e73"/>'
        f'<polyline points="{path("loss")}" class="lab-loss" fill="none" stroke="#d55e00"/></svg>'
        f"<p>After {last['step']:,} steps, the model continued the prompt (in bold) like this:</p>"
        f'<blockquote class="lab-text"><b>{escape(history["prompt"])}</b>{escape(last["sample"])}</blockquote>'
    )


def training_lab(history: Any) -> str:
    """What the lab shows of a training, at the end of the shipped model's: the loss, and what is left of each rule."""
    reports = history["reports"]
    first, last = reports[0]["rules"], reports[-1]["rules"]
    shares = {rule: min(1, max(0, last[rule] / cost)) for rule, cost in first.items()}
    bars = "".join(
        f'<li><span class="lab-bar"><span class="lab-name">{escape(rule)}</span>'
        f'<span class="lab-fill" style="--share:{share:.2f}"></span>'
        f'<span class="lab-value">{100 * share:.0f}%</span></span></li>'
        for rule, share in shares.items()
    )
    return (
        "<p>In the book, this lab trains a GPT-2 in your browser. Here is how the course’s own model learned all of "
        f"Tiny World.</p>{training(history)}<p>Still to learn of each rule:</p>"
        f'<ol class="lab-bars lab-rules">{bars}</ol>'
    )
