"""Static examples of the labs, for GitHub, print, pages without scripts, and the time before a lab has loaded.

They are drawn from the kernel's answers, rounded coarsely enough that every computer draws the same picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from math import log1p
from typing import Any

from gpt2_course.chat import has_template
from gpt2_course.dialogue import STOPS, Dialogue, Message, shown
from gpt2_course.labs.kernel import Kernel


def _visible(text: str) -> str:
    return escape(text.replace(" ", "·").replace("\n", "↵")) or "∅"


def _quoted(text: str) -> str:
    return f"“{escape(text)}”"


def tokens(answer: dict[str, Any]) -> str:
    """Colored tokens with their IDs."""
    shown = " ".join(
        f'<span class="lab-token lab-color-{i % 6}">{_visible(token["text"])}<small>{token["id"]}</small></span>'
        for i, token in enumerate(answer["tokens"])
    )
    return (
        f"<p>{answer['characters']} characters make {answer['count']} tokens. Each is shown with its ID; "
        f'“·” is a space.</p><div class="lab-tokens">{shown}</div>'
    )


def next_tokens(prompt: str, answer: dict[str, Any]) -> str:
    """The most likely next tokens as bars."""
    bars = "".join(
        f'<li><span class="lab-bar"><span class="lab-name">{_quoted(token["text"])}</span>'
        f'<span class="lab-fill" style="--share:{token["p"]:.2f}"></span>'
        f'<span class="lab-value">{100 * token["p"]:.0f}%</span></span></li>'
        for token in answer["bars"]
    )
    return f'<p>{escape(prompt)} …</p><ol class="lab-bars">{bars}</ol>'


def attention(answer: dict[str, Any], layer: int, head: int) -> str:
    """One head as a table of squares: a token's row shows how much it looks at itself and each token before it."""
    names = [token["text"] for token in answer["tokens"]]
    n, size, left = len(names), 20, 110
    layer = min(layer, len(answer["weights"]) - 1)
    head = min(head, len(answer["weights"][0]) // n**2 - 1)
    weights = answer["weights"][layer][head * n * n : (head + 1) * n * n]
    squares = "".join(
        f'<rect x="{left + s * size}" y="{t * size}" width="{size}" height="{size}" class="lab-cell" '
        f'fill="#0072b2" fill-opacity="{weights[t * n + s]:.1f}"/>'
        for t in range(n)
        for s in range(t + 1)
        if weights[t * n + s] >= 0.05
    )
    labels = "".join(f'<text x="0" y="{t * size + 14}">{_visible(name)}</text>' for t, name in enumerate(names))
    return (
        f"<p>Layer {layer}, head {head}. Rows and columns are the tokens in order. The darker a square, the more its "
        f"row’s token looks at its column’s.</p>"
        f'<svg viewBox="0 0 {left + n * size} {n * size}" role="img" style="max-width:{left + n * size}px" '
        f'aria-label="Attention of layer {layer}, head {head}: one row per token, darker where it looks.">'
        f"{labels}{squares}</svg>"
    )


def way(text: str, kernel: Kernel) -> str:
    """The steps from text to prediction, in words."""
    shape: Any = kernel.describe()
    ids = kernel.ids_of(text)
    n, c, layers, heads = len(ids), shape["n_embd"], shape["n_layer"], shape["n_head"]
    stations = [
        f"{_quoted(text)} is split into {n} tokens: {', '.join(map(str, ids))}.",
        f"Each becomes a row of {c} numbers: the token’s embedding plus the position’s. The shape is ({n}, {c}).",
        f"{layers} blocks follow. In each, {heads} attention heads let tokens look back, then an MLP processes each"
        " token on its own. Both add their outputs to the residual stream.",
        f"The last row is compared with the embeddings of all {shape['vocab_size']:,} tokens.",
        f"The most likely next token is {_quoted(_best(kernel, text))}.",
    ]
    return f"<ol>{''.join(f'<li>{station}</li>' for station in stations)}</ol>"


def _best(kernel: Kernel, text: str) -> str:
    answer: Any = kernel.next(text, [], {"temperature": 0, "top_k": None, "top_p": None}, 0.0, 1)
    return str(answer["bars"][0]["text"])


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


def training(reports: Any) -> str:
    """The loss and its floor by step, and the last sample."""
    width, height = 640, 200
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
        f"<p>After {last['step']:,} steps, the model wrote:</p>"
        f'<blockquote class="lab-text">{escape(last["sample"])}</blockquote>'
    )


def training_lab(reports: Any) -> str:
    """What the lab shows of a training, at the end of the shipped model's: the loss, and what is left of each rule."""
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
        f"Tiny World.</p>{training(reports)}<p>Still to learn of each rule:</p>"
        f'<ol class="lab-bars lab-rules">{bars}</ol>'
    )
