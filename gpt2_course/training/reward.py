"""Learning from a reward: the model writes, a function says how good each text is, and good texts become likelier.

A language model learns from texts that others wrote. Here it learns from its own, so all it needs is a function from a
text to a number, such as the judge of Tiny World. Each step writes one group of N texts to the same prompt. Shapes: N
texts of up to T tokens, prompt included; what belongs to a prediction has shape (N, T - 1).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor, distributed
from torch.nn import functional as F

from gpt2_course.data import DataSpec, TokenStream
from gpt2_course.data.text import TinyWorld
from gpt2_course.devices import working_device
from gpt2_course.evaluation import evaluate
from gpt2_course.grades import BEGINNINGS
from gpt2_course.lock import reserving
from gpt2_course.model import GPT2
from gpt2_course.tiny_world import Document, Kind, World, judge
from gpt2_course.tiny_world.documents import DEFAULT_WORLD
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training import run_folder
from gpt2_course.training.config import WORLD, TrainConfig
from gpt2_course.training.distributed import local_device
from gpt2_course.training.finetune import check_shape
from gpt2_course.training.trainer import Trainer

__all__ = [
    "RewardTrainer",
    "Samples",
    "best_of_n",
    "direct_preference",
    "kl_estimate",
    "policy_gradient",
    "written_log_probs",
]

BEST_OF = 4  # texts of which `best_of_n` imitates one
LOST = 2.0  # a model whose loss is this many times the floor does not know Tiny World

Reward = Callable[[str], float]


def accepted(text: str, world: World = DEFAULT_WORLD) -> float:
    """1 for a text that the judge of a world accepts, otherwise 0."""
    return float(judge(text, world).accepted)


REWARDS: dict[str, Reward] = {"judge": accepted}  # by the name that `--reward` takes

# ---- a group of texts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Samples:
    """N texts that a model wrote to one prompt."""

    texts: list[str]
    tokens: Tensor  # ids (N, T), prompt included; after its end, a row is padded with <|endoftext|>
    written: Tensor  # bool (N, T - 1): whether the model chose the token after this position; False in the padding

    @classmethod
    def draw(cls, model: GPT2, prompt: str, count: int, max_length: int, seed: int) -> Samples:
        """Let a model continue a prompt `count` times, at temperature 1, to `<|endoftext|>` or `max_length` tokens.

        Only at temperature 1 are texts drawn from the very probabilities that training changes.
        """
        tokenizer = model.require_tokenizer()
        end = tokenizer.end_of_text
        assert end is not None  # `RewardTrainer` checks this
        ids = tokenizer.encode(prompt) or [end]
        prompts = torch.tensor([ids] * count, device=model.device)
        tokens = model.generate(prompts, max_length, temperature=1.0, seed=seed)
        is_end = (tokens[:, len(ids) :] == end).long()
        before_the_end = is_end.cumsum(dim=1) - is_end == 0  # the token that ends a text still belongs to it
        in_the_prompt = torch.zeros(count, len(ids) - 1, dtype=torch.bool, device=model.device)
        texts = [tokenizer.decode([token for token in row if token != end]) for row in tokens.tolist()]
        return cls(texts, tokens, torch.cat([in_the_prompt, before_the_end], dim=1))


def written_log_probs(model: GPT2, samples: Samples) -> Tensor:
    """ln p of each token that was written, without dropout, (N, T - 1); 0 where none was."""
    tokens, written = samples.tokens, samples.written
    with model.evaluating():
        logits = model.unembed(model.hidden(tokens[:, :-1])[written])[:, : model.n_tokens]
    log_probs = torch.zeros(written.shape, device=model.device)
    log_probs[written] = -F.cross_entropy(logits, tokens[:, 1:][written], reduction="none")
    return log_probs


# ---- three ways to learn from it -------------------------------------------------------------------------------


def kl_estimate(log_probs: Tensor, start_log_probs: Tensor) -> Tensor:
    """How far the model has moved from its start at each token, in nats; same shape as its two arguments.

    For tokens drawn from the model, the mean estimates the Kullback-Leibler divergence. The obvious estimate,
    ln p - ln p_start, has the right mean, but is often negative. Adding p_start / p - 1, whose mean is 0, makes every
    single estimate positive and the noise smaller. Source: John Schulman, "Approximating KL Divergence" (2020), "k3".
    """
    difference = start_log_probs - log_probs
    return difference.exp() - 1 - difference


def policy_gradient(
    log_probs: Tensor, start_log_probs: Tensor, rewards: Tensor, written: Tensor, kl_weight: float
) -> Tensor:
    """The loss of the group-relative policy gradient: make texts better than their group's mean likelier.

    A text's advantage is its reward minus the mean of its group. If the advantage is positive, a step makes each of the
    text's tokens likelier, otherwise less likely. Every text is used for one step only, so it always comes from the
    model being trained, and no correction for an older model is needed. With `kl_weight`, the step also pulls the model
    back toward its start.

    Sources: Williams, "REINFORCE" (1992); Shao et al., "DeepSeekMath" (2024), for the group and the KL term. Like Liu
    et al., "Understanding R1-Zero-Like Training" (2025), it does not divide advantages by their standard deviation,
    and each token counts the same, in a short text or a long one.
    """
    advantages = rewards - rewards.mean()  # (N,)
    per_token = -advantages[:, None] * log_probs + kl_weight * kl_estimate(log_probs, start_log_probs)
    return per_token[written].mean()


def best_of_n(log_probs: Tensor, _: Tensor, rewards: Tensor, written: Tensor, __: float) -> Tensor:
    """The loss of imitating the best of every `BEST_OF` texts: the mean of its tokens' −ln p.

    That is ordinary training on chosen texts. Source: Stiennon et al., "Learning to summarize from human feedback"
    (2020), for choosing; Dong et al., "RAFT" (2023), for imitating what was chosen, step after step.
    """
    fours = enumerate(torch.split(rewards, BEST_OF))
    best = torch.stack([i * BEST_OF + four.argmax() for i, four in fours])  # (N / BEST_OF,)
    return -log_probs[best][written[best]].mean()


def direct_preference(
    log_probs: Tensor, start_log_probs: Tensor, rewards: Tensor, _: Tensor, kl_weight: float
) -> Tensor:
    """The loss of direct preference optimization (DPO): in each pair of texts, prefer the better one.

    The best text of the group is paired with the worst, the second best with the second worst, and so on, as long as
    their rewards differ. The loss is −ln sigmoid(margin), where the margin says how much more likely than at the start
    the better text has become, compared with the worse one. Sources: Rafailov et al., "Direct Preference Optimization"
    (2023), where `kl_weight` is called β and all texts come from the start; Guo et al., "Direct Language Model
    Alignment from Online AI Feedback" (2024), for texts from the model being trained.
    """
    order = rewards.argsort(descending=True, stable=True)
    better, worse = order[: len(order) // 2], order.flip(0)[: len(order) // 2]
    differ = rewards[better] > rewards[worse]
    gained = (log_probs - start_log_probs).sum(dim=1)  # (N,) in nats per text
    margins = kl_weight * (gained[better] - gained[worse])[differ]
    return -F.logsigmoid(margins).sum() / max(1, len(margins))


Method = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
METHODS: dict[str, Method] = {"policy-gradient": policy_gradient, "best-of-n": best_of_n, "dpo": direct_preference}

# ---- training --------------------------------------------------------------------------------------------------


class RewardTrainer(Trainer):
    """Trains a model to write texts with a higher reward, with the loop, reports, and checkpoints of `Trainer`.

    `from_config` makes one for the reward and the model that a `TrainConfig` names.

    In the history, `reward` is the mean reward of the texts written, `kl` how far the model has moved from its start
    and `loss` its loss on its own texts, both in nats per token, and `length` the mean number of tokens written. A loss
    that falls means texts that vary less.

    Args:
        model: trained in place. A copy of it as it is now remains the start.
        prompts: the beginnings to continue; the steps go through them in order, again and again.
        reward: any function from a text, prompt included, to a number. It must give the same text the same reward.
        config: the settings; by default, those of the preset "reward". A group has `batch_size` texts of at most
            `context` tokens; `accumulation` is the number of groups per step; `method` is how to learn.
        val_data: tokens on which reports measure what the model forgets; by default, documents of `world`.
        folder: as for `Trainer`.
        world: the world of these documents, and whose rules reports measure.

    Raises `ValueError` for a model or settings that cannot work.
    """

    measured = ("loss", "reward", "kl", "length")

    def __init__(
        self,
        model: GPT2,
        prompts: Sequence[str],
        reward: Reward,
        config: TrainConfig | None = None,
        val_data: TokenStream | None = None,
        folder: Path | None = None,
        world: World = DEFAULT_WORLD,
    ) -> None:
        config = config or TrainConfig.for_preset("reward")
        config = replace(config, model=model.config, context=min(config.context, model.n_positions))
        tokenizer = model.require_tokenizer()
        if tokenizer.end_of_text is None:
            raise ValueError(
                "The model's tokenizer has no <|endoftext|>, so its texts never end: use a model that has one."
            )
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f"prompts must be a list of at least one text, but is {prompts!r}.")
        if config.batch_size < 2:
            raise ValueError(
                "With a reward, batch_size must be at least 2, but is 1: a text is compared with others of its group."
            )
        val = TinyWorld("val", config.report_sequences, world)
        val_data = val_data or as_stream(val.fitting(tokenizer, config.context), tokenizer)
        super().__init__(model, val_data, val_data, config, folder)  # no other text: it learns from what it writes
        if self.precision != "float32" or self.compiled:
            raise ValueError(
                f"With a reward, precision must be float32 and compile off, but they are {self.precision} and "
                f"{'on' if self.compiled else 'off'}: leave --precision and --compile out."
            )
        self.world = world
        self.prompts = list(prompts)
        self.reward = reward
        self.method = METHODS[config.method]
        self.start = copy.deepcopy(model).requires_grad_(False)

    @classmethod
    def _from_config(cls, config: TrainConfig, resume: bool, reservation: ExitStack) -> RewardTrainer:
        """A trainer for `config.reward`. The folder keeps a copy of the start, so a run can be resumed without it."""
        prompts = prompts_for(config.kinds)
        check_settings(config)
        folder = config.folder
        reservation.enter_context(reserving(folder))
        run_folder.check_folder(config, resume)
        start = run_folder.load_start(config, resume)
        shape = start.config
        check_shape(config, shape, TrainConfig.for_preset("reward").model)
        device = working_device(local_device(config.device), config.context, shape.n_embd // shape.n_head)
        world = run_folder.world_of(folder)
        own_judge = partial(accepted, world=world)
        reward = REWARDS[config.reward] if world is DEFAULT_WORLD else own_judge
        trainer = cls(start.to(device), prompts, reward, config, folder=folder, world=world)
        if resume:
            trainer.resume()
        else:
            trainer._check_knowledge()
            trainer.start.save_pretrained(folder / run_folder.START)
        if trainer.step < config.steps:  # a finished run changes nothing
            trainer.config.save(folder)
        return trainer

    def _check_knowledge(self) -> None:
        """Raise `ValueError` for a model that does not know Tiny World: with no accepted text, nothing is learned."""
        loss = evaluate(self.model, self.model.require_tokenizer(), self.val_data).loss
        floor = sum(self.val_data.document_nats) / len(self.val_data)
        if loss > LOST * floor:
            name, start = "Tiny World", "tiny-world or from a run such as runs/laptop"
            if DataSpec.parse(self.config.data).is_own_world:
                name, start = "this world", f"a model trained with --data {self.config.data}"
            raise ValueError(
                f"{self.config.start} does not know {name} (its loss is {loss:.2f}, and {floor:.2f} is possible), so "
                f"the judge would reject all of its texts: start from {start}."
            )

    def _gradients(self) -> Tensor:
        config, measured = self.config, []
        for number in range(self.step * config.accumulation, (self.step + 1) * config.accumulation):
            prompt = self.prompts[number % len(self.prompts)]
            samples = Samples.draw(self.model, prompt, config.batch_size, config.context, self._seed_of(number))
            rewards = self._rewards(samples.texts)
            with torch.no_grad():
                start_log_probs = written_log_probs(self.start, samples)
            log_probs = written_log_probs(self.model, samples)
            loss = self.method(log_probs, start_log_probs, rewards, samples.written, config.kl_weight)
            torch.autograd.backward(loss / config.accumulation)
            own, written = log_probs.detach(), samples.written
            kl = kl_estimate(own, start_log_probs)[written].mean()
            length = written.sum(dim=1).float().mean()
            measured.append(torch.stack([-own[written].mean(), rewards.mean(), kl, length]))
        return torch.stack(measured).mean(dim=0)

    def _rewards(self, texts: list[str]) -> Tensor:
        """The reward of each text, (N,)."""
        rewards = torch.tensor([float(self.reward(text)) for text in texts], device=self.model.device)
        if not rewards.isfinite().all():
            wrong = int((~rewards.isfinite()).nonzero()[0])
            raise ValueError(f"A reward must be a finite number, but is {rewards[wrong]} for {texts[wrong]!r:.60}.")
        return rewards

    def _work_per_step(self) -> tuple[int, str]:
        return self.config.batch_size * self.config.accumulation, " texts"

    def _max_threads(self) -> int:
        return 1  # never changed: a step is mostly writing, which has its own best number

    def _in_words(self, measured: dict[str, float | None], floor: float | None) -> str:
        if measured["reward"] is None:
            return "reward      │ "
        return f"reward {measured['reward']:.3f} │ "


def check_settings(config: TrainConfig) -> None:
    """Raise `ValueError` for settings with which no reward can be learned."""
    if not config.start:
        raise ValueError("--reward trains a finished model: say which, for example with --from tiny-world.")
    if config.reward not in REWARDS:
        raise ValueError(f"There is no reward {config.reward!r}: choose {' or '.join(REWARDS)}.")
    if config.preset != "reward":
        raise ValueError(f"--reward has settings of its own, so it does not go with --preset {config.preset}.")
    if DataSpec.parse(config.data).kind != "tiny-world":
        raise ValueError(f"The judge knows only Tiny World, so --reward does not go with --data {config.data}.")
    own_world = Path(config.start) / WORLD
    if own_world.exists() and not DataSpec.parse(config.data).is_own_world:
        raise ValueError(
            f"{config.start} was trained on a world of its own, which the judge should know, too: add --data "
            f"{own_world}."
        )
    if config.lora:
        raise ValueError("--reward trains all parameters, so it does not go with --lora: leave --lora out.")
    if distributed.is_torchelastic_launched():
        raise ValueError("--reward works in one process only: start it with python instead of torchrun.")


def prompts_for(kinds: str) -> list[str]:
    """Prompts for texts of these kinds ("all", or names separated by commas), taking turns."""
    known: tuple[Kind, ...] = get_args(Kind)
    chosen = list(known) if kinds == "all" else [kind.strip() for kind in kinds.split(",")]
    for kind in chosen:
        if kind not in known:
            raise ValueError(f"There is no kind of text {kind!r}: choose from {', '.join(known)}, or all.")
    beginnings = [BEGINNINGS[kind] for kind in known if kind in chosen]
    return [begin[turn % len(begin)] for turn in range(max(map(len, beginnings))) for begin in beginnings]


def as_stream(documents: Iterable[Document], tokenizer: Tokenizer) -> TokenStream:
    """Documents of Tiny World as tokens in memory."""
    found = list(documents)
    rows = [[*ids, tokenizer.end_of_text] for ids in tokenizer.encode_batch([d.text for d in found])]
    return TokenStream(
        [np.array([token for row in rows for token in row], dtype=np.uint16)],
        tokenizer.vocab_size,
        tokenizer.end_of_text,
        max(map(len, rows)) - 1,
        [-document.log_prob for document in found],
    )
