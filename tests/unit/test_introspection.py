"""The activations, lens, and patches agree with the model itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gpt2_course.introspection import activations, induction_scores, logit_lens, patch_heads, patch_stream
from gpt2_course.model import GPT2, Block, GPT2Config

L, H, C, V = 3, 2, 16, 50
ONE, OTHER = [3, 1, 4, 1, 5, 9], [3, 1, 8, 1, 5, 9]  # they differ at place 2


@pytest.fixture
def model() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(V, 12, C, L, H, initializer_range=0.3)).eval()


def last(logits: Tensor) -> Tensor:
    """How much the model prefers token 7 to token 2 at the end."""
    return logits[-1, 7] - logits[-1, 2]


def block(model: GPT2, layer: int) -> Block:
    found = model.blocks[layer]
    assert isinstance(found, Block)
    return found


def test_the_last_row_of_the_lens_is_the_output_of_the_model(model: GPT2) -> None:
    lens = logit_lens(model, ONE)
    assert lens.shape == (L + 1, len(ONE), V)
    torch.testing.assert_close(lens[-1], model(torch.tensor([ONE]))[0].log_softmax(-1))


def test_each_row_of_the_lens_is_the_output_of_a_model_with_fewer_blocks(model: GPT2) -> None:
    lens = logit_lens(model, ONE)
    for layer in range(L):
        model.blocks = nn.ModuleList(list(model.blocks)[: L - layer])
        torch.testing.assert_close(lens[L - layer], model(torch.tensor([ONE]))[0].log_softmax(-1))


def test_patching_from_the_same_text_changes_nothing(model: GPT2) -> None:
    found = activations(model, ONE)
    for place, value in found.items():
        again = activations(model, ONE, instead={place: value})
        assert all(torch.equal(again[p], found[p]) for p in found)


def test_patching_the_whole_stream_gives_the_output_of_the_other_text(model: GPT2) -> None:
    other = activations(model, OTHER)
    for place in (("token_embedding", None), ("embedding", None), *(("after_mlp", layer) for layer in range(L))):
        patched = activations(model, ONE, instead={place: other[place]})
        torch.testing.assert_close(patched["logits", None], other["logits", None])


def test_switching_a_head_off_sets_its_output_to_zero(model: GPT2) -> None:
    heads = activations(model, ONE)["heads", 1].clone()
    heads[:, C // H :] = 0  # the second of two
    zeroed = activations(model, ONE, instead={("heads", 1): heads})
    torch.testing.assert_close(zeroed["logits", None], activations(model, ONE, [(1, 1)])["logits", None])


def test_patched_heads_agree_with_hooks_on_the_model_itself(model: GPT2) -> None:
    shares = patch_heads(model, ONE, OTHER, last)
    assert shares.shape == (L, H)
    ours, theirs = (last(model(torch.tensor([text]))[0]) for text in (ONE, OTHER))
    for layer in range(L):
        inputs: list[Tensor] = []
        projection = block(model, layer).attention.projection
        hook = projection.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))  # noqa: B023
        model(torch.tensor([OTHER]))
        hook.remove()
        for head in range(H):
            here = slice(head * C // H, (head + 1) * C // H)

            def swap(_: nn.Module, given: tuple[Tensor, ...]) -> Tensor:
                mixed = given[0].clone()
                mixed[..., here] = inputs[0][..., here]  # noqa: B023
                return mixed

            hook = projection.register_forward_pre_hook(swap)
            patched = last(model(torch.tensor([ONE]))[0])
            hook.remove()
            torch.testing.assert_close(shares[layer, head], ((patched - ours) / (theirs - ours)).detach())


def test_the_difference_between_two_texts_enters_at_the_changed_token_and_leaves_at_the_last(model: GPT2) -> None:
    shares = patch_stream(model, ONE, OTHER, last)
    assert shares.shape == (L + 1, len(ONE))
    torch.testing.assert_close(shares[0], torch.tensor([0.0, 0, 1, 0, 0, 0]))
    torch.testing.assert_close(shares[-1], torch.tensor([0.0, 0, 0, 0, 0, 1]))
    assert not shares[1:, :2].any()  # tokens before the change cannot see it
    assert shares[1:-1, 3:].abs().max() > 0.01  # in between it moves


def test_induction_scores_of_uniform_attention(model: GPT2) -> None:
    for layer in range(L):
        nn.init.zeros_(block(model, layer).attention.qkv.weight)
    period = 4
    rows = torch.randint(V, (3, period)).repeat(1, 3)
    expected = sum(1 / (t + 1) for t in range(period, 12)) / (12 - period)
    torch.testing.assert_close(induction_scores(model, rows, period), torch.full((L, H), expected))


def test_an_induction_head_looks_right_after_the_previous_occurrence(model: GPT2, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    period, T = 4, 12
    found = {("attention", layer): torch.zeros(H, T, T) for layer in range(L)}
    for t in range(period, T):
        found["attention", 1][0, t, t - period + 1] = 1  # a perfect induction head
        found["attention", 2][1, t, t - period] = 1  # looks at the previous occurrence itself
    monkeypatch.setattr("gpt2_course.introspection.activations", lambda *_: found)
    scores = induction_scores(model, torch.zeros(1, T), period)
    assert scores.tolist() == [[0, 0], [1, 0], [0, 0]]


def test_errors_say_what_is_wrong(model: GPT2) -> None:
    with pytest.raises(ValueError, match=r"replacement for 'heads' must have shape \(6, 16\), but has \(2, 16\)"):
        activations(model, ONE, instead={("heads", 0): torch.zeros(2, C)})
    with pytest.raises(ValueError, match=r"no activation \('heads', 7\), so it cannot be replaced"):
        activations(model, ONE, instead={("heads", 7): torch.zeros(6, C)})
    with pytest.raises(ValueError, match="same number of tokens, but they have 6 and 2"):
        patch_heads(model, ONE, [1, 2], last)
    with pytest.raises(ValueError, match=r"Both texts have score .* so there is no difference"):
        patch_stream(model, ONE, ONE, last)
