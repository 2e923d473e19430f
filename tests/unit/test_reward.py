"""Learning from a reward: the losses have the right values and gradients, and a run can be resumed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gpt2_course import GPT2, GPT2Config, Tokenizer, TrainConfig
from gpt2_course.grades import BEGINNINGS
from gpt2_course.history import read_history
from gpt2_course.training.reward import (
    METHODS,
    REWARDS,
    RewardTrainer,
    Samples,
    accepted,
    best_of_n,
    direct_preference,
    kl_estimate,
    policy_gradient,
    prompts_for,
    written_log_probs,
)

CONFIG = replace(TrainConfig.for_preset("reward"), batch_size=8, report_sequences=2, sample_tokens=4, device="cpu")
WRITTEN = torch.tensor([[True, True, True], [True, False, False]])


@pytest.fixture
def model() -> GPT2:
    """A tiny model that knows nothing."""
    tokenizer = Tokenizer.train(["to be or not to be"], 270)
    torch.manual_seed(0)
    return GPT2(GPT2Config(tokenizer.vocab_size, n_positions=16, n_embd=32, n_layer=1, n_head=2), tokenizer)


# ---- what is written -------------------------------------------------------------------------------------------


def test_samples_mark_exactly_the_tokens_that_the_model_chose(model: GPT2) -> None:
    tokenizer = model.require_tokenizer()
    end = tokenizer.end_of_text
    model.token_embedding.weight.data[end] *= 5  # so that some texts end early
    samples = Samples.draw(model, "to be", 40, 16, seed=1)
    n_prompt = len(tokenizer.encode("to be"))
    lengths = set()
    for text, row, written in zip(samples.texts, samples.tokens.tolist(), samples.written.tolist(), strict=True):
        chosen = [token for token, by_model in zip(row[1:], written, strict=True) if by_model]
        assert chosen == row[n_prompt : n_prompt + len(chosen)]  # from the end of the prompt on, without a gap
        assert end not in chosen[:-1]
        assert chosen[-1] == end or n_prompt + len(chosen) == 16
        assert text == tokenizer.decode([*row[:n_prompt], *(token for token in chosen if token != end)])
        lengths.add(len(chosen))
    assert len(lengths) > 3


def test_log_probs_are_those_of_the_tokens_that_were_written(model: GPT2) -> None:
    samples = Samples.draw(model, "to be", 5, 12, seed=0)
    model.eval()
    found = written_log_probs(model.train(), samples)  # dropout is switched off, as while writing
    everywhere = model.eval()(samples.tokens[:, :-1]).log_softmax(-1).gather(2, samples.tokens[:, 1:, None])[:, :, 0]
    torch.testing.assert_close(found, everywhere * samples.written)


# ---- the losses ------------------------------------------------------------------------------------------------


def test_the_policy_gradient_is_the_one_computed_by_hand() -> None:
    # Each text is one token, drawn from softmax(scores). The gradient of ln p(token) is one-hot(token) - p.
    scores = torch.tensor([0.3, -0.5, 1.1], dtype=torch.float64, requires_grad=True)
    tokens, rewards = torch.tensor([0, 2, 2, 1]), torch.tensor([1.0, 0.0, 1.0, 0.25], dtype=torch.float64)
    start = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()[tokens][:, None]
    log_probs = scores.log_softmax(0)[tokens][:, None]
    policy_gradient(log_probs, start, rewards, torch.ones(4, 1, dtype=torch.bool), 0.1).backward()  # type: ignore[no-untyped-call]
    p = scores.detach().softmax(0)
    by_hand = torch.zeros(3, dtype=torch.float64)
    for token, reward, start_log_prob in zip(tokens, rewards, start[:, 0], strict=True):
        step = torch.eye(3, dtype=torch.float64)[token] - p
        advantage = reward - (1 + 0 + 1 + 0.25) / 4
        ratio = start_log_prob.exp() / p[token]
        by_hand += (-advantage * step + 0.1 * (1 - ratio) * step) / 4
    torch.testing.assert_close(scores.grad, by_hand)


def test_every_token_counts_the_same_and_padding_not_at_all() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, 0.0, 0.0]], requires_grad=True)
    policy_gradient(log_probs, log_probs.detach(), torch.tensor([3.0, 1.0]), WRITTEN, 0.1).backward()  # type: ignore[no-untyped-call]
    # the advantages are 1 and -1, and 4 tokens were written
    torch.testing.assert_close(log_probs.grad, torch.tensor([[-0.25, -0.25, -0.25], [0.25, 0.0, 0.0]]))


def test_the_kl_estimate_is_zero_for_equal_models_and_right_on_average() -> None:
    random = torch.Generator().manual_seed(0)
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    tokens = torch.multinomial(p, 20_000, replacement=True, generator=random)
    assert not kl_estimate(p.log(), p.log()).any()
    estimates = kl_estimate(p.log()[tokens], q.log()[tokens])
    assert float(estimates.min()) >= 0
    kl = float((p * (p / q).log()).sum())
    assert float(estimates.mean()) == pytest.approx(kl, rel=0.03)
    assert float(estimates.std()) < float((p / q).log()[tokens].std())  # less noise than the obvious estimate


def test_dpo_has_the_loss_of_its_formula() -> None:
    log_probs = torch.tensor([[-1.0, -2.0], [-3.0, -1.0], [-0.5, 0.0], [-2.0, -2.0]])
    start = torch.tensor([[-1.5, -2.0], [-2.0, -1.0], [-1.0, 0.0], [-2.0, -2.5]])
    rewards = torch.tensor([0.0, 1.0, 1.0, 0.0])
    # pairs (1, 3) and (2, 0); how much more likely than at the start: 0.5, -1.0, 0.5, 0.5
    margins = 0.1 * torch.tensor([-1.0 - 0.5, 0.5 - 0.5])
    expected = float(-margins.sigmoid().log().mean())
    assert float(direct_preference(log_probs, start, rewards, log_probs < 0, 0.1)) == pytest.approx(expected)
    # texts with equal rewards make no pair
    equal = log_probs.clone().requires_grad_()
    direct_preference(equal, start, torch.ones(4), log_probs < 0, 0.1).backward()  # type: ignore[no-untyped-call]
    assert not equal.grad.any()  # type: ignore[union-attr]


def test_best_of_n_imitates_the_best_of_every_four() -> None:
    log_probs = -torch.arange(1.0, 13.0).view(6, 2)
    written = torch.tensor([[True, True]] * 5 + [[True, False]])
    loss = best_of_n(log_probs, log_probs, torch.tensor([0.0, 2.0, 1.0, 0.5, 0.0, 1.0]), written, 0.1)
    assert float(loss) == pytest.approx((3 + 4 + 11) / 3)  # texts 1 and 5, token by token


def test_rewards_that_are_shuffled_or_shifted_have_advantages_that_add_up_to_zero() -> None:
    torch.manual_seed(0)
    rewards, log_probs = torch.rand(6), torch.zeros(6, 2, requires_grad=True)
    for given in (rewards, rewards[torch.randperm(6)], rewards + 5):
        (gradient,) = torch.autograd.grad(
            policy_gradient(log_probs, log_probs.detach(), given, torch.ones(6, 2, dtype=torch.bool), 0.1), log_probs
        )
        assert float(gradient.sum()) == pytest.approx(0, abs=1e-6)
        assert float(gradient.abs().sum()) > 0


# ---- training --------------------------------------------------------------------------------------------------


def share_of_letters(text: str) -> float:
    return sum(c.isascii() and c.isalpha() for c in text) / len(text)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_learns_to_say_what_is_rewarded(model: GPT2, method: Any) -> None:
    config = replace(CONFIG, method=method, kl_weight=0.01, batch_size=64, learning_rate=0.02, steps=30, context=10)
    history = RewardTrainer(model, ["to"], share_of_letters, config).train(verbose=False)
    rewards = [entry["reward"] for entry in history if "val_loss" not in entry]
    assert len(rewards) == 30
    assert rewards[0] < 0.5
    assert sum(rewards[-5:]) / 5 > 0.75


def test_the_kl_term_keeps_the_model_near_its_start(model: GPT2) -> None:
    kl = {}
    for weight in (0.0, 3.0):
        copy = GPT2(model.config, model.tokenizer)
        copy.load_state_dict(model.state_dict())
        config = replace(CONFIG, batch_size=32, learning_rate=0.01, steps=15, context=10, kl_weight=weight)
        trainer = RewardTrainer(copy, ["to"], share_of_letters, config)
        kl[weight] = trainer.train(verbose=False)[-1]["kl"]
    assert kl[3.0] < 0.5 * kl[0.0]


def test_the_steps_go_through_the_prompts_and_measure_the_start(model: GPT2) -> None:
    prompts = []

    def reward(text: str) -> float:
        prompts.append(text[:2])
        return 1.0

    trainer = RewardTrainer(model, ["to", "or"], reward, replace(CONFIG, batch_size=2, accumulation=3, steps=2))
    loss, mean_reward, kl, length = trainer.train_step().tolist()
    assert prompts == ["to", "to", "or", "or", "to", "to"]
    assert (mean_reward, kl) == (1.0, 0.0)
    assert 0 < length <= 15
    assert loss > 3


def test_a_step_has_the_mean_gradient_of_its_groups_and_records_means_per_token(model: GPT2) -> None:
    trainer = RewardTrainer(model, ["to", "or"], share_of_letters, replace(CONFIG, accumulation=2, context=10))
    measured = trainer._gradients()
    found = model.token_embedding.weight.grad
    assert found is not None
    found = found.clone()
    expected, losses = torch.zeros_like(found), []
    for number, prompt in enumerate(["to", "or"]):
        samples = Samples.draw(model, prompt, 8, 10, trainer._seed_of(number))
        rewards = torch.tensor([share_of_letters(text) for text in samples.texts])
        log_probs = written_log_probs(model, samples)
        loss = policy_gradient(log_probs, log_probs.detach(), rewards, samples.written, 0.1)
        expected += torch.autograd.grad(loss, model.token_embedding.weight, retain_graph=True)[0] / 2
        losses.append(float(-log_probs.detach().sum() / samples.written.sum()))
    torch.testing.assert_close(found, expected)
    assert float(measured[0]) == pytest.approx(sum(losses) / 2)


def without_time(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in read_history(folder)]


def test_a_run_that_was_killed_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "model"
    GPT2.from_pretrained("tiny-world").save_pretrained(start)
    config = replace(CONFIG, start=str(start), kinds="musing,facts", batch_size=3, steps=4, context=40)
    config = replace(config, checkpoint_every=2, log_every=2, learning_rate=1e-3)
    undisturbed, killed = (replace(config, out=str(tmp_path / name)) for name in ("undisturbed", "killed"))
    monkeypatch.setitem(REWARDS, "judge", lambda text: len(text) / 100)
    RewardTrainer.from_config(undisturbed).train(verbose=False)

    judged = []

    def die(text: str) -> float:
        judged.append(text)
        if len(judged) > 10:  # in the fourth step
            raise SystemExit
        return len(text) / 100

    monkeypatch.setitem(REWARDS, "judge", die)
    with pytest.raises(SystemExit):
        RewardTrainer.from_config(killed).train(verbose=False)
    monkeypatch.setitem(REWARDS, "judge", lambda text: len(text) / 100)
    shutil.rmtree(start)  # the run's folder has a copy
    trainer = RewardTrainer.from_config(TrainConfig.load(killed.folder), resume=True)
    assert trainer.step == 2
    trainer.train(verbose=False)
    for name in ("model.safetensors", "start/model.safetensors"):
        assert (killed.folder / name).read_bytes() == (undisturbed.folder / name).read_bytes()
    assert without_time(killed.folder) == without_time(undisturbed.folder)
    assert (killed.folder / "model.safetensors").read_bytes() != (
        killed.folder / "start/model.safetensors"
    ).read_bytes()


def test_the_judge_rewards_texts_of_tiny_world() -> None:
    assert accepted("Once upon a time") == 0
    prompts = prompts_for("song,facts")
    assert prompts[:4] == ["A lullaby for", "Question:", "A walking song for", "Question:"]
    assert set(prompts_for("all")) == {prompt for kind in BEGINNINGS.values() for prompt in kind}


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": ""}, "--reward trains a finished model: say which"),
        ({"reward": "applause"}, "There is no reward 'applause': choose judge"),
        ({"preset": "story"}, "so it does not go with --preset story"),
        ({"data": "shakespeare"}, "so --reward does not go with --data shakespeare"),
        ({"kinds": "facts,poem"}, "There is no kind of text 'poem': choose from story, reading"),
        ({"start": "nowhere"}, "There is no model folder 'nowhere'"),
        ({"lora": 2}, "--reward trains all parameters, so it does not go with --lora"),
        ({"model": replace(CONFIG.model, n_layer=3)}, "training keeps that shape, so n_layer cannot be 3"),
        ({"batch_size": 1}, "batch_size must be at least 2, but is 1"),
        ({"precision": "bfloat16"}, "precision must be float32 and compile off, but they are bfloat16 and off"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = replace(CONFIG, **{"start": "tiny-world", "out": str(tmp_path / "run"), **settings})
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        RewardTrainer.from_config(config)
    assert not (tmp_path / "run").exists()


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(ValueError, match="--reward works in one process only"):
        RewardTrainer.from_config(replace(CONFIG, start="tiny-world", out=str(tmp_path / "run")))


def test_a_model_that_cannot_learn_is_refused(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    config = replace(CONFIG, start=str(tmp_path / "model"), out=str(tmp_path / "run"))
    with pytest.raises(ValueError, match="does not know Tiny World"):
        RewardTrainer.from_config(config)
    with pytest.raises(ValueError, match="prompts must be a list of at least one text, but is 'to'"):
        RewardTrainer(model, "to", len, CONFIG)
    with pytest.raises(ValueError, match="A reward must be a finite number, but is nan for 'to"):
        RewardTrainer(model, ["to"], lambda _: float("nan"), CONFIG).train_step()
    model.tokenizer = None
    with pytest.raises(ValueError, match="This model has no tokenizer"):
        RewardTrainer(model, ["to"], len, CONFIG)
