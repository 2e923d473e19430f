"""Generation chooses tokens correctly and stops at the right time, and its shortcuts change nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.data import TokenStream
from gpt2_course.evaluation import document_losses, mean_loss
from gpt2_course.generation import Sampler, SamplingConfig, TextStream, generate_tokens, next_token_probabilities

TEXT = "The fox and the owl shared a plum. " * 20 + "Þórr drank tea 🍵 at home, né à Paris! " * 20


@pytest.fixture(scope="module")
def model() -> GPT2:
    """An untrained model with a short context and weights large enough for uneven predictions."""
    torch.manual_seed(3)
    tokenizer = Tokenizer.train(TEXT, 330)
    config = GPT2Config(tokenizer.vocab_size, n_positions=16, n_embd=32, n_layer=2, n_head=2)
    model = GPT2(config, tokenizer)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.4 if "embedding" in name else 0.2)
    return model


# ---- the same text, faster -------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [{"temperature": 0}, {"temperature": 1, "seed": 5}])
def test_cached_generation_equals_uncached_far_past_the_context(model: GPT2, choice: dict[str, float]) -> None:
    prompt = torch.tensor([4, 8, 15, 16, 23])
    cached = model.generate(prompt, max_new_tokens=100, **choice)
    assert torch.equal(cached, model.generate(prompt, max_new_tokens=100, use_cache=False, **choice))
    assert len(set(cached.tolist())) > 5  # not just one token repeated


def test_a_full_window_drops_its_older_half(model: GPT2) -> None:
    """Generate greedily by hand, using only the model: fill the window, drop its older half, continue."""
    tokens, start = [4, 8, 15, 16, 23], 0
    while len(tokens) < 60:
        if len(tokens) - start > 16:
            start = len(tokens) - 8
        with torch.no_grad():
            tokens.append(int(model.eval()(torch.tensor([tokens[start:]]))[0, -1].argmax()))
    assert model.generate(torch.tensor([4, 8, 15, 16, 23]), max_length=60, temperature=0).tolist() == tokens


def test_prompts_longer_than_the_context_are_read_from_their_end(model: GPT2) -> None:
    long = torch.arange(100) % 300
    with torch.no_grad():
        expected = int(model.eval()(long[None, -16:])[0, -1].argmax())
    assert int(model.generate(long, max_new_tokens=1, temperature=0)[-1]) == expected


def test_batch_of_different_lengths_equals_one_by_one(model: GPT2) -> None:
    prompts = ["The", "The fox and the owl", "né à Paris! 🍵 drank tea at home and the fox shared a plum with all"]
    together = model.generate(prompts, max_new_tokens=40, temperature=0)
    assert together == [model.generate(prompt, max_new_tokens=40, temperature=0) for prompt in prompts]


@pytest.mark.parametrize("choice", [{}, {"top_k": 9, "repetition_penalty": 1.3}])
@pytest.mark.parametrize("lengths", [(20, 3, 50, 7, 3), (20, 50, 10, 7, 3)])  # the longest prompt stays, or leaves
def test_rows_that_end_leave_the_batch_and_change_nothing(
    model: GPT2, choice: dict[str, float], lengths: tuple[int, ...]
) -> None:
    prompts = [[4], [8, 15], [16, 23, 42], [108], [9, 9]]
    config = SamplingConfig(temperature=1, seed=3, **choice)
    together = list(generate_tokens(model, prompts, Sampler(config), 50))  # past the context of 16: the window moves
    sizes, steps = [], []

    def choose(logits: torch.Tensor, *rows: list[list[int]]) -> torch.Tensor:
        sizes.append(len(logits))
        return sampler(logits, *rows)

    sampler = Sampler(config)
    for step in generate_tokens(model, prompts, choose, 60, finished=lambda row: len(steps) >= lengths[row]):
        steps.append(step)
    assert sizes == [sum(length > i for length in lengths) for i in range(50)]
    for row, length in enumerate(lengths):
        assert [step[row] for step in steps[:length]] == [step[row] for step in together[:length]]


def test_max_length_applies_to_each_prompt_in_a_batch(model: GPT2) -> None:
    prompts = ["The", "The fox and the owl shared"]
    tokenizer = model.require_tokenizer()
    together = model.generate(prompts, max_length=20, temperature=0)
    assert together == [model.generate(prompt, max_length=20, temperature=0) for prompt in prompts]
    ids = model.generate(torch.tensor(tokenizer.encode(prompts[0])), max_length=20, temperature=0)
    assert len(ids) <= 20


def test_the_seed_determines_the_text(model: GPT2) -> None:
    texts = [model.generate("The fox", temperature=1, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_without_a_seed_texts_differ(model: GPT2) -> None:
    assert len({model.generate("The fox", temperature=1) for _ in range(5)}) > 1


def modes(model: GPT2) -> list[bool]:
    """Whether each module is in training mode."""
    return [module.training for module in model.modules()]


def test_streams_may_interleave_with_each_other_and_with_training(model: GPT2) -> None:
    dropping = GPT2(replace(model.config, resid_pdrop=0.5), model.tokenizer)
    dropping.load_state_dict(model.state_dict())
    dropping.train()
    dropping.blocks[0].mlp.eval()  # frozen by the user
    before = modes(dropping)
    streams = [dropping.stream("The fox", max_new_tokens=20, seed=seed, repetition_penalty=1.1) for seed in (1, 2)]
    texts = ["", ""]
    for _ in range(30):
        for i, stream in enumerate(streams):
            texts[i] += next(stream, "")
            assert modes(dropping) == before
    expected = ["".join(model.stream("The fox", max_new_tokens=20, seed=s, repetition_penalty=1.1)) for s in (1, 2)]
    assert texts == expected  # dropout stayed off


def test_an_exception_leaves_every_module_in_its_mode(model: GPT2, monkeypatch: pytest.MonkeyPatch) -> None:
    model.train()
    before = modes(model)
    monkeypatch.setattr(model.blocks[1], "forward", lambda *args: 1 / 0)
    stream = TokenStream([np.arange(100, dtype=np.uint16)], 330)
    for work in (
        lambda: model.generate("The fox"),
        lambda: mean_loss(model, stream, [0], 8, 1),
        lambda: document_losses(model, [torch.arange(5)]),
    ):
        with pytest.raises(ZeroDivisionError):
            work()
        assert modes(model) == before


def test_generating_does_not_change_the_mode_or_the_global_random_numbers(model: GPT2) -> None:
    model.train()
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    model.generate("The", max_new_tokens=3)
    stream = model.stream("The", max_new_tokens=30)
    next(stream)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    stream.close()
    assert model.training
    assert torch.equal(torch.rand(3), expected)


# ---- which token is chosen -------------------------------------------------------------------------------------


def test_probabilities_follow_their_definition() -> None:
    logits = torch.tensor([[math.log(p) for p in (0.5, 0.25, 0.125, 0.0625, 0.0625)]])
    torch.testing.assert_close(next_token_probabilities(logits), logits.exp())
    halved = next_token_probabilities(logits, temperature=0.5)
    torch.testing.assert_close(halved, logits.exp() ** 2 / (logits.exp() ** 2).sum())
    torch.testing.assert_close(next_token_probabilities(logits, top_k=2), torch.tensor([[2 / 3, 1 / 3, 0, 0, 0]]))
    torch.testing.assert_close(next_token_probabilities(logits, top_p=0.75), torch.tensor([[2 / 3, 1 / 3, 0, 0, 0]]))
    torch.testing.assert_close(next_token_probabilities(logits, top_p=0.76), torch.tensor([[4, 2, 1, 0, 0]]) / 7)
    torch.testing.assert_close(next_token_probabilities(logits, top_p=0.01), torch.tensor([[1.0, 0, 0, 0, 0]]))


def test_tokens_tied_with_the_kth_stay_in() -> None:
    logits = torch.tensor([[0.0] * 10, [9.0, 8, 7, 7, 7, 1, 1, 1, 1, 1]])
    p = next_token_probabilities(logits, top_k=3)
    torch.testing.assert_close(p[0], torch.full((10,), 0.1))
    assert (p[1] > 0).tolist() == [True] * 5 + [False] * 5
    sampler = Sampler(SamplingConfig(temperature=1, top_k=3, seed=0))
    drawn = torch.stack([sampler(logits, [[], []]) for _ in range(300)])
    assert [sorted(set(row.tolist())) for row in drawn.T] == [list(range(10)), list(range(5))]


def test_at_temperature_0_the_first_of_the_most_likely_tokens_is_certain() -> None:
    logits = torch.tensor([[1.0, 5, 5, 2]])
    assert next_token_probabilities(logits, temperature=0, top_k=3).tolist() == [[0, 1, 0, 0]]
    assert int(Sampler(SamplingConfig(temperature=0))(logits, [[]])) == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.integers(1, 70), st.floats(0.05, 1), st.floats(0.1, 3), st.integers(0, 9999))
def test_probabilities_equal_those_of_transformers(
    size: int, top_k: int, top_p: float, temperature: float, seed: int
) -> None:
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    logits = torch.randn(2, size, generator=torch.Generator().manual_seed(seed))
    ids = torch.zeros(2, 1, dtype=torch.long)
    expected = TopPLogitsWarper(top_p)(
        ids, TopKLogitsWarper(top_k)(ids, TemperatureLogitsWarper(temperature)(ids, logits))
    )
    torch.testing.assert_close(
        next_token_probabilities(logits, temperature, top_k, top_p), expected.softmax(-1), rtol=1e-4, atol=1e-6
    )


def test_repetition_penalty_equals_that_of_transformers(model: GPT2) -> None:
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    prompt = torch.tensor([[4, 8, 15]])
    with torch.no_grad():
        logits = model.eval()(prompt)[:, -1]
    expected = RepetitionPenaltyLogitsProcessor(1.7)(prompt, logits.clone()).argmax()
    written = model.generate(prompt[0], max_new_tokens=1, temperature=0, repetition_penalty=1.7)
    assert int(written[-1]) == int(expected)
    loop = model.generate(prompt[0], max_new_tokens=60, temperature=0)
    free = model.generate(prompt[0], max_new_tokens=60, temperature=0, repetition_penalty=5.0)
    assert len(set(free.tolist())) > len(set(loop.tolist()))


def test_samples_are_as_frequent_as_they_are_probable(model: GPT2) -> None:
    prompt = torch.tensor([4, 8, 15]).expand(4000, 3)
    with torch.no_grad():
        expected = next_token_probabilities(model.eval()(prompt[:1])[:, -1], temperature=0.7, top_k=20)[0]
    drawn = model.generate(prompt, max_new_tokens=1, temperature=0.7, top_k=20, seed=1)[:, -1]
    counted = torch.bincount(drawn, minlength=len(expected)) / 4000
    assert not counted[expected == 0].any()
    assert float((counted - expected).abs().sum()) < 0.1  # about 0.04 is usual for 4000 draws


def test_broken_weights_are_reported() -> None:
    model = GPT2(GPT2Config(300, 8, 16, 1, 1))
    torch.nn.init.constant_(model.final_norm.weight, math.nan)
    for temperature in (0, 1):
        with pytest.raises(ValueError, match="scores are NaN or infinite"):
            model.generate(torch.tensor([1]), max_new_tokens=1, temperature=temperature)


# ---- when it stops ---------------------------------------------------------------------------------------------


def scripted(text: str) -> tuple[Tokenizer, list[int]]:
    tokenizer = Tokenizer.train(TEXT, 330)
    return tokenizer, tokenizer.encode(text)


def test_pieces_of_a_stream_never_split_a_character() -> None:
    tokenizer, ids = scripted("tea 🍵 Þórr 你好 né")
    stream = TextStream(tokenizer, [])
    pieces = [stream.push(token) for token in ids] + [stream.close()]
    assert "".join(pieces) == "tea 🍵 Þórr 你好 né"
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(tokenizer.encode("🍵")) > 1  # otherwise, there is nothing to split


@pytest.mark.parametrize("stop", [["END"], ["N"], ["owl", "END"], ["END", "EN"]])
def test_text_ends_before_a_stop_string_however_it_is_tokenized(stop: list[str]) -> None:
    for text in ("The fox END and more", "ENEND", "E N D EEEND"):
        tokenizer, ids = scripted(text)
        stream, written = TextStream(tokenizer, stop), ""
        for token in ids:
            written += stream.push(token)
            if stream.finished:
                break
        written += stream.close()
        assert written == text[: min((text.index(s) for s in stop if s in text), default=len(text))]


def test_end_of_text_ends_the_text(model: GPT2) -> None:
    """A model that always predicts <|endoftext|> generates nothing."""
    tokenizer = model.require_tokenizer()
    ended = GPT2(model.config, tokenizer)
    with torch.no_grad():
        ended.final_norm.weight.zero_()
        ended.final_norm.bias.fill_(1.0)
        ended.token_embedding.weight[tokenizer.end_of_text] = 1.0
    assert ended.generate("The fox", max_new_tokens=20) == "The fox"
    assert list(ended.stream("The fox", max_new_tokens=20)) == []
    rows = ended.generate(torch.tensor([[1, 2], [3, 4]]), max_new_tokens=20)
    assert rows.tolist() == [[1, 2, tokenizer.end_of_text], [3, 4, tokenizer.end_of_text]]


def test_stream_and_generate_give_the_same_text(model: GPT2) -> None:
    for stop in ([], ["e"], "zz"):
        options = {"max_new_tokens": 50, "temperature": 1, "seed": 11, "stop": stop}
        assert "The" + "".join(model.stream("The", **options)) == model.generate("The", **options)


def test_an_empty_prompt_starts_a_new_document(model: GPT2) -> None:
    tokenizer = model.require_tokenizer()
    ids = model.generate(torch.tensor([tokenizer.end_of_text]), max_new_tokens=9, temperature=0)
    assert model.generate("", max_new_tokens=9, temperature=0) == tokenizer.decode(ids[1:]).split("<|endoftext|>")[0]


def test_zero_new_tokens_gives_the_prompt(model: GPT2) -> None:
    assert model.generate("The fox", max_new_tokens=0) == "The fox"
    assert model.generate(torch.tensor([1, 2]), max_new_tokens=0).tolist() == [1, 2]


def test_tensors_keep_their_rank_and_type(model: GPT2) -> None:
    one = model.generate(torch.tensor([1, 2], dtype=torch.int32), max_new_tokens=3, temperature=0)
    many = model.generate(torch.tensor([[1, 2]]), max_new_tokens=3, temperature=0)
    assert one.dtype == torch.int32
    assert one.tolist() == many[0].tolist()
    assert many.shape == (1, 5)


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature must be a number of at least 0 (0 is greedy); got -1."),
        ({"temperature": math.nan}, "temperature must be a number of at least 0 (0 is greedy); got nan."),
        ({"temperature": math.inf}, "temperature must be a number of at least 0 (0 is greedy); got inf."),
        ({"temperature": 10**400}, "temperature must be a number of at least 0 (0 is greedy); got 1000"),
        ({"temperature": "0.7"}, "temperature must be a number of at least 0 (0 is greedy); got '0.7'."),
        ({"temperature": None}, "temperature must be a number of at least 0 (0 is greedy); got None."),
        ({"temperature": True}, "temperature must be a number of at least 0 (0 is greedy); got True."),
        ({"top_k": 0}, "top_k must be an integer of at least 1, or None for no limit; got 0."),
        ({"top_k": 5.5}, "top_k must be an integer of at least 1, or None for no limit; got 5.5."),
        ({"top_k": "5"}, "top_k must be an integer of at least 1, or None for no limit; got '5'."),
        ({"top_p": 0}, "top_p must be above 0 and at most 1, or None for no limit; got 0."),
        ({"top_p": 1.5}, "top_p must be above 0 and at most 1, or None for no limit; got 1.5."),
        ({"top_p": "0.9"}, "top_p must be above 0 and at most 1, or None for no limit; got '0.9'."),
        ({"repetition_penalty": 0}, "repetition_penalty must be a number above 0 (1 is no penalty); got 0."),
        ({"repetition_penalty": None}, "repetition_penalty must be a number above 0 (1 is no penalty); got None."),
        ({"seed": -1}, "seed must be an integer from 0 to 2**63 - 1, or None for a fresh one; got -1."),
        ({"seed": 1.0}, "seed must be an integer from 0 to 2**63 - 1, or None for a fresh one; got 1.0."),
        ({"max_length": 5, "max_new_tokens": 5}, "not both"),
        ({"max_length": 1}, "max_length=1 leaves no room: the prompt alone has"),
        ({"max_length": 5.0}, "max_length must be an integer of at least 0, or None; got 5.0."),
        ({"max_length": "5"}, "max_length must be an integer of at least 0, or None; got '5'."),
        ({"max_new_tokens": -1}, "max_new_tokens must be an integer of at least 0, or None; got -1."),
        ({"max_new_tokens": 2.5}, "max_new_tokens must be an integer of at least 0, or None; got 2.5."),
        ({"stop": None}, "stop must be a string or a list of strings; got None."),
        ({"stop": ["a", 5]}, "stop must be a string or a list of strings; got ['a', 5]."),
        ({"stop": b"a"}, "stop must be a string or a list of strings; got b'a'."),
        ({"stop": [""]}, "stop contains an empty string, which would end every text"),
    ],
)
def test_meaningless_settings_are_refused(model: GPT2, options: dict[str, object], message: str) -> None:
    for generate in (model.generate, lambda *args, **options: list(model.stream(*args, **options))):
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            generate("The fox and the owl", **options)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prompt", [None, 5, b"The fox", [None], [5]])
def test_a_prompt_that_is_not_text_is_refused(model: GPT2, prompt: object) -> None:
    with pytest.raises(TypeError, match=r"^A text must be a str, but is .*\.$"):
        model.generate(prompt)


def test_numpy_numbers_work_as_settings(model: GPT2) -> None:
    plain = {"temperature": 0.5, "top_k": 5, "top_p": 0.5, "seed": 3, "max_new_tokens": 9}
    numpys = {name: np.asarray(value)[()] for name, value in plain.items()}
    assert model.generate("The fox", **numpys) == model.generate("The fox", **plain)


@pytest.mark.parametrize("settings", [{"temperature": 1e-50}, {"top_p": 1e-320}, {"temperature": 5e-324, "top_k": 9}])
def test_settings_close_to_0_leave_only_the_most_likely_token(model: GPT2, settings: dict[str, float]) -> None:
    assert model.generate("The fox", **settings) == model.generate("The fox", temperature=0)


def test_the_highest_temperature_makes_all_tokens_equally_likely() -> None:
    torch.testing.assert_close(
        next_token_probabilities(torch.tensor([[9.0, 1, 0, -9]]), 1e308), torch.full((1, 4), 0.25)
    )


@pytest.mark.parametrize("penalty", [1e300, 1.7e308])
def test_with_the_highest_penalty_no_token_repeats_before_all_are_used(model: GPT2, penalty: float) -> None:
    logits = torch.tensor([[3.0, -2, 0, 1], [-4, -3, -2, -1]])
    sampler = Sampler(SamplingConfig(temperature=0, repetition_penalty=penalty))
    assert int(sampler(logits, [[0, 1], [0, 1, 2, 3]])[0]) == 3
    sampler = Sampler(SamplingConfig(temperature=1, repetition_penalty=penalty, seed=1))
    assert 0 <= int(sampler(logits, [[0, 1, 3], [0, 1, 2, 3]])[1]) < 4
    assert model.generate("The fox", temperature=0, repetition_penalty=penalty).startswith("The fox")


@pytest.mark.parametrize("penalty", [5e-324, 1e-300])
def test_the_lowest_penalty_repeats(penalty: float) -> None:
    logits = torch.tensor([[3.0, -2, 0, 1]])
    assert int(Sampler(SamplingConfig(temperature=0, repetition_penalty=penalty))(logits, [[3]])) == 3


@pytest.mark.parametrize("order", [[0.3, 0.1, 0.1, 0.5], [0.5, 0.3, 0.1, 0.1], [0.1, 0.5, 0.1, 0.3]])
def test_top_p_is_reached_despite_rounding(order: list[float]) -> None:
    for top_p, kept in ((0.5, 1), (0.8, 2), (0.9, 3), (0.81, 3)):
        p = next_token_probabilities(torch.tensor([order]).log(), top_p=top_p)
        assert int((p > 0).sum()) == kept, top_p


def test_bad_prompts_are_refused(model: GPT2) -> None:
    with pytest.raises(ValueError, match="contains -1 to 5"):
        model.generate(torch.tensor([5, -1]))
    with pytest.raises(ValueError, match="contains 999 to 999"):
        model.generate(torch.tensor([999]))
    with pytest.raises(ValueError, match=r"integers of shape \(T,\) or \(B, T\)"):
        model.generate(torch.rand(3))
    with pytest.raises(ValueError, match="has no tokenizer and cannot read text"):
        GPT2(GPT2Config(300, 8, 16, 1, 1)).generate("hello")
    wordless = GPT2(GPT2Config(256, 8, 16, 1, 1), Tokenizer.train("", 256, special_tokens=()))
    with pytest.raises(ValueError, match="The prompt is empty"):
        wordless.generate("")


def test_sampling_config_is_the_source_of_the_defaults() -> None:
    assert SamplingConfig().temperature == 0.8
