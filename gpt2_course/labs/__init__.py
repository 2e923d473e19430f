"""The labs: interactive widgets that run in Jupyter, with any model, and in the book, without a kernel.

>>> from gpt2_course.labs import Playground
>>> lab = Playground(prompt="Once upon a time")      # to show it, end a cell with `lab`
>>> lab.temperature = 1.2                            # everything you see can be read and set from Python
"""

from __future__ import annotations

import threading
from typing import Any

import traitlets

from gpt2_course.generation import NEW_TOKENS
from gpt2_course.labs import drawn
from gpt2_course.labs.lab import Lab
from gpt2_course.labs.training import TrainingKernel
from gpt2_course.model import GPT2
from gpt2_course.tiny_world.documents import CORNERS

__all__ = [
    "AttentionLab",
    "Chat",
    "NextTokenLab",
    "Playground",
    "Storyteller",
    "TokenizerLab",
    "TrainingLab",
    "TrainingReplay",
    "WalkThroughLab",
]

NO_SENTENCE = "Type a sentence to see which of its tokens look at which."  # also in static/attention_lab.mjs
# What the walk-through can zoom to; "" follows the tour.
MACHINE_PARTS = [
    *("", "whole", "embeddings", "token_embedding", "position_embedding", "embedding", "block", "norm_1", "q", "k"),
    *("v", "scores", "attention", "heads", "attention_out", "after_attention", "norm_2", "mlp_expand", "mlp_hidden"),
    *("mlp_out", "after_mlp", "output", "final_norm", "logits", "probabilities"),
]
ALL_TOKENS = {"temperature": 1.0, "top_k": None, "top_p": None}


class TokenizerLab(Lab):
    """A text split into tokens, and how each word was merged; `vocabulary` is "model" or "gpt2"."""

    text = traitlets.Unicode("Once upon a time, a hedgehog named Zoe wished for 1234 pancakes 🥞!").tag(sync=True)
    vocabulary = traitlets.Enum(["model", "gpt2"], "model").tag(sync=True)

    def drawn(self) -> str:
        return drawn.tokens(self.kernel.tokenize(self.text, self.vocabulary))


class NextTokenLab(Lab):
    """The most likely next tokens after `prompt` and the token IDs in `added`, and why one of them was drawn.

    `top_k=0` and `top_p=1` cut nothing. The random number for each draw depends on `seed` and the length of `added`.
    """

    prompt = traitlets.Unicode("Once upon a time, a").tag(sync=True)
    added = traitlets.List(traitlets.Int()).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0, max=2).tag(sync=True)
    top_k = traitlets.Int(0, min=0, max=100).tag(sync=True)
    top_p = traitlets.Float(1.0, min=0.05, max=1).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    def drawn(self) -> str:
        shown = self.kernel.next(self.prompt, self.added, ALL_TOKENS, 0.0, 12)
        return drawn.next_tokens(self.prompt, shown)


class AttentionLab(Lab):
    """Which token looks at which, in every head; `without` lists the heads switched off, as [layer, head]."""

    text = traitlets.Unicode("Once upon a time, a fox named Pip lost a red kite. Pip looked for the").tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    head = traitlets.Int(0, min=0).tag(sync=True)
    token = traitlets.Int(-1).tag(sync=True)
    without = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)

    def drawn(self) -> str:
        if not self.text:
            return f"<p>{NO_SENTENCE}</p>"
        return drawn.attention(self.kernel.attention(self.text, [], 32), self.layer, self.head)


class WalkThroughLab(Lab):
    """The model as one drawing with the real numbers of `text`, and a tour through it, at stop `step`.

    `part` zooms to a part, such as "block" or "attention"; "" is the part of the tour's stop. For parts of a block,
    `layer` and `head` say which. `temperature` is that of the probabilities of the next token.
    """

    text = traitlets.Unicode("Once upon a time, a fox named Pip").tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    part = traitlets.Enum(MACHINE_PARTS, "").tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    head = traitlets.Int(0, min=0).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0, max=2).tag(sync=True)

    def drawn(self) -> str:
        return drawn.machine(self.text, self.kernel)


class Storyteller(Lab):
    """The model continues `prompt` and `text` token by token, slower where it is unsure, and shows its alternatives.

    `text` is what is written before the lab starts. The number that draws a token depends on `seed` and on how many
    tokens the lab has added.
    """

    prompt = traitlets.Unicode("Once upon a time").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(0.8, min=0, max=2).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    def drawn(self) -> str:
        settings = {"temperature": self.temperature, "top_k": None, "top_p": None}
        shown = self.kernel.next(self.prompt + self.text, [], settings, 0.0, 5)
        return drawn.story(self.prompt, self.text, shown, self.temperature)


class Playground(Lab):
    """The model writes `samples` texts side by side, colored by how sure it was; `texts` contains the latest ones."""

    prompt = traitlets.Unicode("Once upon a time").tag(sync=True)
    temperature = traitlets.Float(0.8, min=0, max=2).tag(sync=True)
    top_k = traitlets.Int(0, min=0, max=100).tag(sync=True)
    top_p = traitlets.Float(1.0, min=0.05, max=1).tag(sync=True)
    length = traitlets.Int(300, min=10, max=300).tag(sync=True)  # the shipped model's stories end before
    samples = traitlets.Int(1, min=1, max=4).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def drawn(self) -> str:
        return drawn.sample(self.prompt, self.kernel, self.seed, self.length)

    def write(self) -> None:
        """Press the button of the displayed lab; once the model has finished, `texts` contains the result."""
        self.send({"write": True})


class Chat(Lab):
    """A conversation with a model that was trained on dialogues; any other model continues each text you send.

    `messages` contains what was said, as in a row of a data set: {"role": "user" or "assistant", "content": …} in turn.
    `message` is the text in the field. An answer has at most `length` tokens. The first one is drawn with `seed`, the
    next one with `seed + 1`, and so on.
    """

    message = traitlets.Unicode("Where does Tuck live?").tag(sync=True)
    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    temperature = traitlets.Float(0.8, min=0, max=2).tag(sync=True)
    top_k = traitlets.Int(0, min=0, max=100).tag(sync=True)
    top_p = traitlets.Float(1.0, min=0.05, max=1).tag(sync=True)
    length = traitlets.Int(NEW_TOKENS, min=1).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    @traitlets.validate("messages")
    def _check(self, proposal: Any) -> Any:
        messages = proposal["value"]
        for number, said in enumerate(messages):
            role = ("user", "assistant")[number % 2]
            if said.get("role") != role or not isinstance(said.get("content"), str):
                raise traitlets.TraitError(
                    f'messages[{number}] must be {{"role": "{role}", "content": a text}}, but is {said!r:.80}.'
                )
        if len(messages) % 2:
            raise traitlets.TraitError("messages must end with an answer, but the last one is from the user.")
        return messages

    def drawn(self) -> str:
        return drawn.conversation(self.messages, self.message, self.kernel, self.seed, self.length)


class TrainingReplay(Lab):
    """The training of the shipped model: loss, floor, samples, and each rule's cost; `report=-1` is the last report."""

    report = traitlets.Int(-1).tag(sync=True)

    def __init__(self, **traits: Any) -> None:  # no `model`: only the shipped model's training was recorded
        super().__init__(**traits)

    def drawn(self) -> str:
        return drawn.training(self.kernel.history())


class TrainingLab(Lab):
    """Train a GPT-2 on `corner`, a part of Tiny World such as "songs" or "everything", or else on your own `text`.

    An empty `corner` stands for the text. `size` is "small", "medium", or "laptop"; `rate` is the peak learning rate,
    which may change during the training. `trained` is the model: `Playground(lab.trained)` shows what it writes.
    """

    corner = traitlets.Enum(["", *CORNERS], "lost and found").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    size = traitlets.Enum(["small", "medium", "laptop"], "medium").tag(sync=True)
    rate = traitlets.Float(0.015, min=0.001, max=0.1).tag(sync=True)

    def __init__(self, **traits: Any) -> None:  # no `model`: the lab makes one
        super().__init__(**traits)
        self.kernel: TrainingKernel = TrainingKernel(self.kernel.model, self.kernel.name)

    @property
    def trained(self) -> GPT2 | None:
        """The model in training, for other labs and your own code; None before the first training."""
        return self.kernel.session.model if self.kernel.session else None

    def _hear(self, widget: Any, message: dict[str, Any], buffers: Any) -> None:
        if message.get("call") != "train":
            super()._hear(widget, message, buffers)
            return
        self._wanted.add(message["id"])
        # in a thread of its own, so that calls such as a new learning rate are answered meanwhile
        threading.Thread(target=self._answer, kwargs=message, daemon=True).start()

    def drawn(self) -> str:
        return drawn.training_lab(self.kernel.history())
