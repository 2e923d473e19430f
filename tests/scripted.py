"""A model whose answers are known in advance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.dialogue import TEMPLATE

N_POSITIONS = 80


class Scripted(GPT2):
    """A model that writes prepared answers, and remembers the prompts it saw."""

    def __init__(self, *answers: str, end: bool = True, n_positions: int = N_POSITIONS) -> None:
        tokenizer = Tokenizer([]).with_chat_template(TEMPLATE)  # each byte is a token
        super().__init__(GPT2Config(tokenizer.vocab_size, n_positions, 4, 1, 1), tokenizer)
        self.answers = [[*tokenizer.encode(a), *([tokenizer.end_of_text] if end else [])] for a in answers]
        self.prompts: list[str] = []

    def next_token_logits(self, tokens: Tensor, cache: Any) -> Tensor:
        if cache.length == 0:  # a new answer
            self.prompts.append(self.require_tokenizer().decode(tokens[0]))
            self.left = self.answers.pop(0)
        cache.advance(tokens.shape[1])
        logits = torch.zeros(1, self.n_tokens)
        logits[0, self.left.pop(0) if self.left else 0] = 100.0  # certain at any temperature
        return logits
