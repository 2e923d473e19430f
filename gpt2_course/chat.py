"""A conversation with a model that was trained on dialogues: who said what, and what the model sees of it."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpt2_course.dialogue import STOPS, TEMPLATE, Dialogue, Message, shown
from gpt2_course.files import replacing
from gpt2_course.generation import NEW_TOKENS, SamplingConfig
from gpt2_course.model import GPT2
from gpt2_course.pieces import check_text

__all__ = ["Conversation"]


class Conversation:
    """A conversation with a model; it neither reads nor prints anything. To print an answer as it is written::

        conversation = Conversation(model)
        for piece in conversation.answer("Where does Tuck live?"):
            print(piece, end="", flush=True)

    The model sees the newest questions and answers that fit into its context, with room for an answer, and always the
    system message.

    Args:
        model: has the chat template of `gpt2_course.dialogue` (`ValueError` for any other).
        sampling: how to choose tokens; it can be replaced during the conversation.
        max_new_tokens: the most tokens in an answer.
        system: what the model is told before the first message; empty for nothing.
    """

    def __init__(
        self,
        model: GPT2,
        sampling: SamplingConfig | None = None,
        max_new_tokens: int = NEW_TOKENS,
        system: str = "",
    ) -> None:
        if not has_template(model):
            raise ValueError(
                "This model was not trained on dialogues with the course's chat template, so it continues texts: use "
                "model.stream."
            )
        self.model = model
        self.sampling = sampling or SamplingConfig()
        self.max_new_tokens = max_new_tokens
        self.system = system
        self.messages: list[Message] = []
        """All messages of user and assistant so far."""
        self.n_forgotten = 0
        """How many of them the model no longer sees; the oldest leave first."""

    def answer(self, text: str) -> Generator[str, None, None]:
        """The model's answer to a message, piece by piece, without what ends it.

        Both become part of the conversation when the answer is over or the iterator is closed; an empty answer leaves
        no trace. Raises `ValueError` if the message is empty, not valid text, or does not fit into the context.
        """
        check_text(text)
        if not text.strip():
            raise ValueError("The message is empty: write something.")
        encode, n_positions = self.model.require_tokenizer().encode, self.model.n_positions
        room = n_positions - min(self.max_new_tokens, n_positions // 2)  # for what the model sees
        question = Message("user", text)
        if (n_tokens := len(encode(self._dialogue(question).prompt()))) > room:
            also = " with the system message" if self.system else ""
            raise ValueError(
                f"The message is too long: it takes {n_tokens:,} tokens{also}, but only {room:,} fit into the model's "
                f"context beside an answer. Shorten it."
            )
        while True:
            prompt = self._dialogue(*self.messages[self.n_forgotten :], question).prompt()
            n_tokens = len(encode(prompt))
            if n_tokens <= room:
                return self._write(question, prompt, min(self.max_new_tokens, n_positions - n_tokens))
            self.n_forgotten += 2  # the oldest question and its answer

    def _write(self, question: Message, prompt: str, max_new_tokens: int) -> Generator[str, None, None]:
        written = answer = ""
        try:
            for piece in self.model.stream(prompt, max_new_tokens=max_new_tokens, stop=STOPS, **asdict(self.sampling)):
                written += piece
                before, answer = answer, shown(written)
                if answer != before:
                    yield answer[len(before) :]
        except (GeneratorExit, KeyboardInterrupt):
            self._add(question, answer)
            raise
        self._add(question, answer)

    def _add(self, question: Message, answer: str) -> None:
        if answer:
            self.messages += [question, Message("assistant", answer)]

    def reset(self) -> None:
        """Start over: forget all messages except the system message."""
        self.messages.clear()
        self.n_forgotten = 0

    def to_row(self) -> dict[str, Any]:
        """The conversation as a row of a data set: `{"messages": [{"role": …, "content": …}, …]}`."""
        return self._dialogue(*self.messages).to_row()

    def _dialogue(self, *messages: Message) -> Dialogue:
        system = (Message("system", self.system),) if self.system.strip() else ()
        return Dialogue((*system, *messages))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a file in JSON Lines, which is replaced as a whole, so that a row is never half written."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    with replacing(path) as unfinished:
        unfinished.write_bytes(before + json.dumps(row, ensure_ascii=False).encode() + b"\n")


def has_template(model: GPT2) -> bool:
    """Whether a model was trained on dialogues that are written as `Dialogue.render` does."""
    return model.tokenizer is not None and model.tokenizer.chat_template == TEMPLATE
