"""Today's bricks: they fit in place of GPT-2's, and together they compute what Llama computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.today import MODELS, RESULTS, page
from gpt2_course.bricks import mine, today


def weights_of(llama: torch.nn.Module, head_size: int) -> dict[str, Tensor]:
    """The weights of a Hugging Face Llama by the names of GPT-2, its matrices as (in, out), its biases 0."""
    theirs = {name.removeprefix("model."): w for name, w in llama.state_dict().items()}
    halves = torch.arange(head_size).view(2, -1).T.flatten()  # their channels i and i + D/2 are our 2i and 2i + 1

    def paired(matrix: Tensor) -> Tensor:
        return matrix.view(-1, head_size, matrix.shape[1])[:, halves].flatten(0, 1)

    weights = {"wte.weight": theirs["embed_tokens.weight"], "wpe.weight": torch.empty(0)}
    weights |= {"lm_head.weight": theirs["lm_head.weight"], "ln_f.weight": theirs["norm.weight"]}
    for name in [name for name in theirs if name.endswith("input_layernorm.weight")]:
        n = name.split(".")[1]
        w = {key.removeprefix(f"layers.{n}."): value for key, value in theirs.items() if key.startswith(f"layers.{n}.")}
        q, k, v = (w[f"self_attn.{part}_proj.weight"] for part in "qkv")
        matrices = {
            "attn.c_attn": torch.cat([paired(q), paired(k), v]),
            "attn.c_proj": w["self_attn.o_proj.weight"],
            "mlp.c_fc": torch.cat([w["mlp.gate_proj.weight"], w["mlp.up_proj.weight"]]),
            "mlp.c_proj": w["mlp.down_proj.weight"],
        }
        weights |= {f"h.{n}.{key}.weight": matrix.T for key, matrix in matrices.items()}
        weights |= {f"h.{n}.ln_1.weight": w["input_layernorm.weight"]}
        weights |= {f"h.{n}.ln_2.weight": w["post_attention_layernorm.weight"]}
    layers_and_norm = [name for name in weights if name.startswith(("h.", "ln_f"))]
    biases = {name.replace(".weight", ".bias"): torch.zeros(weights[name].shape[-1]) for name in layers_and_norm}
    return weights | biases


def test_with_all_changes_the_bricks_compute_what_llama_computes() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=88,
        num_hidden_layers=3,
        num_attention_heads=today.HEADS,
        num_key_value_heads=today.KV_HEADS,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        initializer_range=0.2,
    )
    llama = LlamaForCausalLM(config).eval()
    for name, w in llama.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(w, 1, 0.3)  # gains that matter
    bricks = mine("/")
    today.exchange(bricks, today.CHANGES)
    ids = torch.randint(50, (40,))
    with torch.no_grad():
        ours = bricks.gpt2(ids, weights_of(llama, 64 // today.HEADS), today.HEADS)
        torch.testing.assert_close(ours, llama(ids[None]).logits[0], atol=1e-4, rtol=1e-4)


def test_a_rotated_score_depends_on_the_distance_only() -> None:
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    scores = today.rotate(q.expand(50, 8)) @ today.rotate(k.expand(50, 8)).T
    torch.testing.assert_close(scores[7:, 7:], scores[:-7, :-7], atol=1e-4, rtol=0)
    assert (scores[0] - scores[0, 0]).abs().max() > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_race_has_the_same_number_of_parameters(name: str) -> None:
    target = today.count(today.new_weights(1024, 128))
    weights = today.new_weights(1024, 128, MODELS[name], target)
    one_neuron = today.LAYERS * (3 * today.CHANNELS + 2)  # at most: two columns and a row, and their biases
    assert abs(today.count(weights) - target) <= one_neuron / 2
    bricks = mine("/")
    today.exchange(bricks, MODELS[name])
    logits = bricks.gpt2(torch.arange(100), weights, today.HEADS)
    logits.logsumexp(-1).sum().backward()
    without = [key for key, w in weights.items() if w.requires_grad and w.numel() and w.grad is None]
    assert without == []  # every parameter that counts is used
    assert all(w.grad is None for w in weights.values() if not w.requires_grad)


def test_unknown_changes_and_bricks_are_refused() -> None:
    with pytest.raises(ValueError, match="There is no change called 'rop': choose among rope,"):
        today.exchange(mine("/"), ["rop"])
    with pytest.raises(ValueError, match="There is no brick called 'norm': choose among merge,"):
        mine("/").exchange("norm", today.rms_norm)


def test_the_schedule_warms_up_and_ends_near_zero() -> None:
    weights = today.new_weights(300, 16)
    optimizer = today.MuonAndAdamW(weights, steps=100, scale=2)
    rates = []
    for _ in range(100):
        optimizer.zero_grad()
        weights["wte.weight"].sum().backward()
        optimizer.step()
        rates.append(optimizer.optimizers[1].param_groups[0]["lr"])
    assert max(rates) == rates[today.WARMUP - 1]
    assert max(rates) < 2 * today.ADAMW_RATE
    assert rates[-1] == pytest.approx(2 * today.ADAMW_RATE / 100)


def test_the_page_shows_the_results_that_the_chapter_reads() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    written = Path(__file__).resolve().parents[2] / "benchmarks/today.md"
    assert written.read_text(encoding="utf-8") == page(results)
