"""The model is GPT-2: its parameters, its outputs, and the memory it needs."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.kv_cache import CHUNK
from gpt2_course.loss import linear_cross_entropy
from gpt2_course.model import Block

TINY = GPT2Config(vocab_size=300, n_positions=32, n_embd=24, n_layer=3, n_head=4)


@pytest.fixture(scope="module")
def gpt2() -> GPT2:
    torch.manual_seed(0)
    return GPT2()


def test_gpt2_has_its_published_number_of_parameters(gpt2: GPT2) -> None:
    assert gpt2.num_parameters() == 124_439_808


def test_untrained_gpt2_has_a_loss_of_ln_vocabulary(gpt2: GPT2) -> None:
    tokens = torch.randint(50257, (4, 257), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        loss = float(gpt2.eval()(tokens[:, :-1], tokens[:, 1:]))
    assert abs(loss - math.log(50257)) < 0.1


def test_initial_weights_have_gpt2s_standard_deviation(gpt2: GPT2) -> None:
    for name, parameter in gpt2.named_parameters():
        if name.endswith("projection.weight"):
            assert parameter.std().item() == pytest.approx(0.02 / math.sqrt(24), rel=0.01), name
        elif parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.01), name
        elif name.endswith("bias"):
            assert not parameter.any(), name


def test_the_readmes_example_works_word_for_word() -> None:
    model = GPT2()
    prompt = "Once upon a time"
    generated_text = model.generate(prompt, max_length=100)
    assert generated_text.startswith(prompt)
    assert len(generated_text) > len(prompt)


@pytest.mark.parametrize(("name", "millions"), [("gpt2-medium", 354.8), ("gpt2-large", 774.0), ("gpt2-xl", 1557.6)])
def test_larger_presets_have_their_published_sizes(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = GPT2(GPT2Config.preset(name))
    assert round(model.num_parameters() / 1e6, 1) == millions


@pytest.mark.parametrize("name", ["laptop", "story"])
def test_the_courses_presets_are_small_enough_for_a_laptop(name: str) -> None:
    assert GPT2(GPT2Config.preset(name)).num_parameters() <= 4_000_000


def test_describe_lists_every_part_and_adds_up(gpt2: GPT2, capsys: pytest.CaptureFixture[str]) -> None:
    gpt2.describe()
    lines = capsys.readouterr().out.splitlines()
    counts = {line[:32].strip(): int(line.split()[-1].replace(",", "")) for line in lines}
    per_block = counts["12 × block, each"]
    assert sum(n for name, n in counts.items() if name.split(".")[0] in ("norm_1", "norm_2", "attention", "mlp")) == (
        per_block
    )
    tables = sum(n for name, n in counts.items() if name.startswith(("token_", "position_", "final_norm")))
    assert tables + 12 * per_block == counts["all"] == 124_439_808


def test_no_token_sees_the_future() -> None:
    model = GPT2(TINY).eval()
    tokens = torch.randint(300, (2, 20))
    changed = tokens.clone()
    changed[:, 12:] = torch.randint(300, (2, 8))
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12:], after[:, 12:])


def test_loss_is_the_cross_entropy_of_the_logits() -> None:
    model = GPT2(TINY).eval()
    tokens, targets = torch.randint(300, (3, 30)), torch.randint(300, (3, 30))
    expected = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model(tokens, targets), expected)


def test_chunked_loss_has_the_gradients_of_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt2_course.loss.LOGITS_PER_CHUNK", 7 * 50)  # 7 rows at a time, the last chunk shorter
    hidden = torch.randn(40, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 16, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(50, (40,))
    (3 * F.cross_entropy(hidden @ weight.T, targets)).backward()
    expected = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    (3 * linear_cross_entropy(hidden, weight, targets)).backward()
    torch.testing.assert_close((hidden.grad, weight.grad), expected, rtol=1e-5, atol=1e-6)


def test_chunked_loss_follows_autocast_in_all_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt2_course.loss.LOGITS_PER_CHUNK", 7 * 50)
    hidden, weight = torch.randn(40, 16, requires_grad=True), torch.randn(50, 16, requires_grad=True)
    targets = torch.randint(50, (40,))
    F.cross_entropy(hidden @ weight.T, targets).backward()
    expected = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    products: set[tuple[str, torch.dtype]] = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if "mm" in str(func):
                products.update((str(func), a.dtype) for a in args if isinstance(a, torch.Tensor))
            return func(*args, **(kwargs or {}))

    with Watch(), torch.autocast("cpu", torch.bfloat16):
        linear_cross_entropy(hidden, weight, targets).backward()
    assert {dtype for _, dtype in products} == {torch.bfloat16}
    # bfloat16 has 8 significant bits: numbers near 1 may differ by 1/128, and gradients here are 1/40 of that size
    torch.testing.assert_close((hidden.grad, weight.grad), expected, rtol=0.02, atol=0.002)


@pytest.mark.slow
@pytest.mark.linux
def test_training_gpt2_at_full_batch_needs_less_than_one_copy_of_the_logits() -> None:
    # In a separate process, because the peak belongs to the whole process. Logits would take 16 × 512 × 50257 × 4
    # bytes = 1.65 GB; the hidden states, the weight, and their gradients take 0.36 GB.
    script = """
        from pathlib import Path
        import torch
        from gpt2_course.loss import linear_cross_entropy
        hidden = torch.randn(16 * 512, 768, requires_grad=True)
        weight = (torch.randn(50257, 768) * 0.02).requires_grad_()
        def peak():  # in kB; getrusage's peak would include the parent process's memory at the start
            return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        before = peak()
        linear_cross_entropy(hidden, weight, torch.randint(50257, (16 * 512,))).backward()
        print((peak() - before) / 1e6)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert float(result.stdout) < 1.0  # GB


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1), (3, 7)])
def test_with_the_cache_the_logits_equal_those_of_the_whole_text(shape: tuple[int, int]) -> None:
    batch, step = shape
    model = GPT2(TINY).eval()
    tokens = torch.randint(300, (batch, 28))
    with torch.no_grad():
        expected = model(tokens)
        cache = model.new_cache(batch)
        parts = [model(tokens[:, i : i + step], cache=cache) for i in range(0, 28, step)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 5])  # the head's 203 = 7 × 29 outputs are cut into 1, 7, and 7 bands
def test_fast_decoder_equals_the_modules(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model = GPT2(GPT2Config(vocab_size=29 * 7, n_positions=16, n_embd=24, n_layer=3, n_head=4)).eval()
    for parameter in model.parameters():  # including biases and norms, which start as 0 and 1
        torch.nn.init.normal_(parameter, std=0.3)
    tokens = torch.randint(29 * 7, (1, 16))
    cache = model.new_cache(1)
    decode = model.one_token_decoder()
    assert decode != model.next_token_logits
    with torch.no_grad():
        fast = torch.cat([decode(tokens[:, i : i + 1], cache) for i in range(16)])
    torch.testing.assert_close(fast, model(tokens)[0].detach(), rtol=1e-4, atol=1e-4)


def test_fast_decoder_equals_the_modules_for_a_padded_batch_that_shrinks() -> None:
    """The cache grows over several chunks, and rows leave it until one is left."""
    model = GPT2(GPT2Config(vocab_size=300, n_positions=3 * CHUNK, n_embd=24, n_layer=3, n_head=4)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    padding, rows = [0, 7, 3, 5], [0, 1, 2, 3]
    tokens = torch.randint(300, (4, 3 * CHUNK))
    cache = model.new_cache(4, padding=torch.tensor(padding))
    decode = model.one_token_decoder()
    with torch.inference_mode():
        model.next_token_logits(tokens[:, :9], cache)
        for i in range(9, 3 * CHUNK):
            if i % 20 == 0 and len(rows) > 1:
                place = len(rows) // 2 - 1
                cache.remove(place)
                rows[place] = rows[-1]
                rows.pop()
            fast = decode(tokens[rows, i : i + 1], cache)
            for place, row in enumerate(rows):
                wanted = model(tokens[row : row + 1, padding[row] : i + 1])[0, -1]
                torch.testing.assert_close(fast[place], wanted, rtol=1e-3, atol=1e-3)
    assert rows == [3]


def test_a_changed_model_does_not_take_the_fast_path() -> None:
    class OtherBlock(Block):
        """A subclass may compute anything, even if it is defined in the same module."""

    OtherBlock.__module__ = Block.__module__
    hooked, exchanged, subclassed = GPT2(TINY), GPT2(TINY), GPT2(TINY)
    hooked.blocks[1].register_forward_hook(lambda module, args, output: output)
    exchanged.blocks[0].mlp.expand = torch.nn.Sequential(exchanged.blocks[0].mlp.expand)
    subclassed.blocks[0] = OtherBlock(TINY)
    for model in (hooked, exchanged, subclassed):
        assert model.one_token_decoder() == model.next_token_logits
    assert GPT2(TINY).one_token_decoder().__name__ == "decode"


def test_hooks_see_every_generated_token() -> None:
    model = GPT2(TINY)
    seen = []
    model.blocks[1].register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    model.generate(torch.tensor([1, 2, 3]), max_new_tokens=4)
    assert seen == [3, 1, 1, 1]


def test_a_modified_model_reads_a_cache_of_several_chunks() -> None:
    model = GPT2(replace(TINY, n_positions=3 * CHUNK))
    prompts = torch.randint(300, (2, 5))
    plain = model.generate(prompts, max_length=3 * CHUNK, temperature=0)
    model.blocks[1].register_forward_hook(lambda module, args, output: output)
    assert torch.equal(model.generate(prompts, max_length=3 * CHUNK, temperature=0), plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_embd": 100, "n_head": 12}, "n_embd=100 cannot be split into n_head=12"),
        ({"n_layer": 0}, "n_layer must be an integer of at least 1, but is 0"),
        ({"vocab_size": 1.5}, "vocab_size must be an integer of at least 1, but is 1.5"),
        ({"resid_pdrop": 1.0}, "resid_pdrop must be a number in \\[0, 1\\), but is 1.0"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon must be a finite number above 0, but is 0"),
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPT2Config(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "llama"}, "model_type='llama', but this GPT-2 supports only 'gpt2'"),
        ({"activation_function": "relu"}, "activation_function='relu'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings=False"),
        ({"n_embd": 96, "n_inner": 100}, "n_inner=100"),
    ],
)
def test_configs_of_other_architectures_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPT2Config.from_dict(settings)


def test_wrong_tokens_are_refused() -> None:
    model = GPT2(TINY)
    with pytest.raises(ValueError, match=r"integers of shape \(B, T\), but are torch.int64 of shape \(5,\)"):
        model(torch.arange(5))
    with pytest.raises(ValueError, match="This model has 32 positions, but got 33 tokens"):
        model(torch.zeros(1, 33, dtype=torch.long))
    with pytest.raises(ValueError, match=r"targets must have the same shape as tokens, \(1, 5\), but have \(1, 4\)"):
        model(torch.zeros(1, 5, dtype=torch.long), torch.zeros(1, 4, dtype=torch.long))
    cache = model.new_cache(1)
    model(torch.zeros(1, 30, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="room for 32 tokens and contains 30, so 3 more do not fit"):
        model(torch.zeros(1, 3, dtype=torch.long), cache=cache)


def test_tokenizer_and_model_must_agree() -> None:
    with pytest.raises(ValueError, match="The tokenizer has 50257 tokens, but the model has 300"):
        GPT2(TINY, Tokenizer.gpt2())


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no preset 'huge'; choose one of laptop, story, gpt2"):
        GPT2Config.preset("huge")
