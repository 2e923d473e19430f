"""Dialogues as text: a template that GPT-2's own vocabulary can spell, and the tokens in it that a model learns.

    System: You are Mara, a baker.
    User: Where does Tuck live?
    Assistant: He lives under the stone bridge.
    User: …

`<|endoftext|>` follows the last message. To answer, a model continues the messages so far and "Assistant:". Its answer
is over when it begins another message or ends the dialogue. A model learns to predict answers and what ends them, but
not what others say.

A message cannot pretend to be several. Its lines after the first are indented by two spaces, so only a true message
begins a line with "User:". And "<|" becomes "< |", so no message contains a special token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gpt2_course.tokenizer import Tokenizer

__all__ = ["TEMPLATE", "Dialogue", "Encoded", "Message"]

MARKS = {"system": "System:", "user": "User:", "assistant": "Assistant:"}
"""What a message begins with, by the role of its author."""
STOPS = tuple(f"\n{mark}" for mark in MARKS.values())
"""The strings that end an answer."""
ORDER = ("", "system"), ("", "user"), ("system", "user"), ("user", "assistant"), ("assistant", "user")
"""Which role may follow which; "" is the beginning."""
LINE_BREAKS = ("\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")  # besides \n, in Unicode

TEMPLATE = "".join(
    (
        "{%- set so_far = namespace(role='') -%}",
        "{%- for message in messages -%}",
        f"{{%- if so_far.role ~ '>' ~ message['role'] not in {['>'.join(pair) for pair in ORDER]} -%}}",
        "{{- raise_exception('The roles must be an optional system, then user and assistant in turn.') -}}",
        "{%- endif -%}",
        "{%- set so_far.role = message['role'] -%}",
        "{%- set content = message['content'] | trim",
        *(f" | replace('{line_break}', '\\n')" for line_break in ("\\r\\n", "\\r", *LINE_BREAKS[2:])),
        " | replace('\\n', '\\n  ') | replace('<|', '< |') -%}",
        "{{- message['role'] | capitalize ~ ':' ~ (' ' ~ content if content else '') ~ '\\n' -}}",
        "{%- endfor -%}",
        "{{- 'Assistant:' if add_generation_prompt else eos_token -}}",
    )
)
"""The same as `Dialogue.render`, in Jinja, for other tools: the `chat_template` in a model's tokenizer_config.json."""


class Message(NamedTuple):
    """What one of the speakers says; `role` is system, user, or assistant."""

    role: str
    content: str


class Encoded(NamedTuple):
    """The token ids of a dialogue, and for each whether a model learns to predict it."""

    ids: list[int]
    graded: list[bool]

    def add(self, ids: list[int], graded: bool) -> None:
        self.ids.extend(ids)
        self.graded.extend([graded] * len(ids))


@dataclass(frozen=True)
class Dialogue:
    """A conversation: an optional system message, then messages of user and assistant in turn.

    >>> dialogue = Dialogue((Message("user", "Where does Tuck live?"), Message("assistant", "Under the bridge.")))
    >>> print(dialogue.render(), end="")
    User: Where does Tuck live?
    Assistant: Under the bridge.

    Raises `ValueError` if other roles appear, or roles in another order.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        before = ""
        for number, (role, _) in enumerate(self.messages, start=1):
            if role not in tuple(MARKS):
                raise ValueError(f"message {number} has the role {role!r:.60}, not system, user, or assistant")
            if (before, role) not in ORDER:
                after = f"follows one from the {before}" if before else "is the first"
                raise ValueError(f"message {number} is from the {role}, but {after}")
            before = role

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Dialogue:
        """The dialogue in a row of a data set: `{"messages": [{"role": …, "content": …}, …]}`, or `{"prompt": …,
        "completion": …}` for one question and its answer.

        For anything else, and for a dialogue without an answer, raises `ValueError`, whose message is a clause such as
        "message 2 is empty".
        """
        if not is_row(row):
            raise ValueError("it has neither messages nor a prompt and a completion")
        if "messages" in row:
            messages = row["messages"]
        else:
            question, answer = row["prompt"], row["completion"]
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        if not isinstance(messages, list) or not messages:
            raise ValueError(f"its messages must be a list of at least one, but are {messages!r:.60}")
        for number, message in enumerate(messages, start=1):
            if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
                raise ValueError(f"message {number} must have a role and a content, but is {message!r:.60}")
            content = message["content"]
            if not isinstance(content, str):
                raise ValueError(f"the content of message {number} must be text, but is {content!r:.60}")
            if not content.strip():
                raise ValueError(f"message {number} is empty")
            try:
                content.encode()
            except UnicodeEncodeError:
                raise ValueError(f"message {number} has a lone surrogate (half a character)") from None
        dialogue = cls(tuple(Message(message["role"], message["content"]) for message in messages))
        if not any(message.role == "assistant" for message in dialogue.messages):
            raise ValueError("it has no message from the assistant")
        return dialogue

    def to_row(self) -> dict[str, Any]:
        """The row that `from_row` reads."""
        return {"messages": [message._asdict() for message in self.messages]}

    def render(self) -> str:
        """The dialogue as text, without the `<|endoftext|>` that follows it."""
        return "".join(f"{MARKS[role]}{_body(content)}\n" for role, content in self.messages)

    def prompt(self) -> str:
        """The dialogue as text, up to where the assistant's answer begins."""
        return self.render() + MARKS["assistant"]

    def pieces(self) -> Iterator[str]:
        """The text in pieces, like that of other documents."""
        yield self.render()

    def encode(self, tokenizer: Tokenizer) -> Encoded:
        """The ids of the dialogue and of the `<|endoftext|>` after it. Graded are answers and what ends them: the
        beginning of the next message, or the end of the dialogue.

        Each part ends before whitespace, where no piece of text continues (see `gpt2_course.pieces`), so these are also
        the ids of the whole text.
        """
        encoded = Encoded([], [])
        before = ""
        for role, content in self.messages:
            encoded.add(tokenizer.encode(("\n" if before else "") + MARKS[role]), before == "assistant")
            encoded.add(tokenizer.encode(_body(content)), role == "assistant")
            before = role
        encoded.add(tokenizer.encode("\n"), before == "assistant")
        if tokenizer.end_of_text is not None:
            encoded.add([tokenizer.end_of_text], before == "assistant")
        return encoded

    def encode_pieces(self, tokenizer: Tokenizer, context: int | None = None) -> tuple[list[Encoded], int]:
        """Like `encode`, but cut into pieces that fit into a context, with an `<|endoftext|>` before each.

        Every piece begins with the system message, if there is one, and a message from the user. If even one question
        with its answer is too long, its end is cut off, and if that leaves nothing of the answer, it is left out. The
        second result is how often this happened. With `context=None`, nothing is cut.
        """
        whole = self.encode(tokenizer)
        if context is None or tokenizer.end_of_text is None or len(whole.ids) <= context:
            return [whole], 0
        system = [message for message in self.messages if message.role == "system"]
        parts: list[list[Message]] = []
        room = 0
        for exchange in _exchanges(self.messages[len(system) :]):
            size = sum(_size(message, tokenizer) for message in exchange)
            if size > room:
                parts.append(list(system))
                room = context - 1 - sum(_size(message, tokenizer) for message in system)
            parts[-1] += exchange
            room -= size
        pieces, n_shortened = [], 0
        for number, part in enumerate(parts, start=1):
            ids, graded = Dialogue(tuple(part)).encode(tokenizer)
            n_shortened += len(ids) > context
            if len(ids) > context or number < len(parts):  # the dialogue does not end here
                ids, graded = [*ids[:-1][: context - 1], ids[-1]], [*graded[:-1][: context - 1], False]
            if any(graded):
                pieces.append(Encoded(ids, graded))
        return pieces, n_shortened


def is_row(row: Mapping[str, Any]) -> bool:
    """Whether a row of a data set has the keys of a dialogue."""
    return "messages" in row or {"prompt", "completion"} <= row.keys()


def shown(text: str) -> str:
    """What a model wrote as an answer, as its reader should see it: without indentation and without the beginning of a
    next message. The result for a longer text always begins with the result for a shorter one."""
    start, line_break, line = text.rpartition("\n")
    if line_break and any(mark.startswith(line) for mark in MARKS.values()):
        text = start
    return text.strip().replace("\n  ", "\n")


def _body(content: str) -> str:
    """A content as it follows the mark of its message."""
    content = content.strip()
    for line_break in LINE_BREAKS:
        content = content.replace(line_break, "\n")
    content = content.replace("\n", "\n  ").replace("<|", "< |")
    return f" {content}" if content else ""


def _size(message: Message, tokenizer: Tokenizer) -> int:
    """The number of tokens in a message, including the line break after it."""
    return len(tokenizer.encode(MARKS[message.role])) + len(tokenizer.encode(_body(message.content))) + 1


def _exchanges(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """Messages from user and assistant in turn, as pairs; the last may lack its answer."""
    return [messages[i : i + 2] for i in range(0, len(messages), 2)]
