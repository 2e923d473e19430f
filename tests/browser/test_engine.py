"""The page's engine gives the same tokens, activations, logits, and texts as the package."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Error, Page
from safetensors.torch import load_file, save_file
from test_any_model import in_eight_bits

from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.checkpoint import WEIGHTS
from gpt2_course.dialogue import STOPS, Dialogue, Message, shown
from gpt2_course.generation import next_token_probabilities
from gpt2_course.introspection import activations
from gpt2_course.labs.kernel import Kernel, draw, uniform
from gpt2_course.labs.lab import STATIC
from gpt2_course.sources import find_model

# Loads what the tests use in the page: the modules, two tokenizers, and the model with and without WebAssembly.
SETUP = """
async () => {
  const read = (path) => fetch(path).then((response) => response.arrayBuffer());
  const text = async (path) => new TextDecoder().decode(await read(path));
  const modules = ["checkpoint", "engine", "plain", "sampling", "simd"].map((name) => import(`/_static/${name}.mjs`));
  Object.assign(window, ...(await Promise.all(modules)));
  const { Tokenizer } = await import("/_static/tokenizer.mjs");
  window.tokenizers = {
    "tiny-world": new Tokenizer(await text("/_static/tiny-world/merges.txt")),
    gpt2: new Tokenizer(await text("/_static/gpt2/merges.txt")),
  };
  window.weights = await read("/in-32-bits");
  const config = readConfig(await text("/_static/tiny-world/config.json"));
  window.wasm = new Uint8Array(await read("/_static/linear.wasm"));
  window.model = new GPT2(config, readSafetensors(weights), await simd(wasm, config));
  window.plainModel = new GPT2(config, readSafetensors(weights));
  const inEightBits = readSafetensors(await read("/_static/tiny-world/model.safetensors"));
  window.pageModel = new GPT2(config, inEightBits, await simd(wasm, config, 8)); // as the worker does
}
"""


@pytest.fixture(scope="module")
def engine(browser: Any, served: str) -> Any:
    page = browser.new_page()
    page.goto(f"{served}/_static/tiny-world/config.json")
    page.route("**/in-32-bits", lambda route: route.fulfill(path=find_model("tiny-world") / WEIGHTS))
    page.evaluate(SETUP)
    yield page
    page.close()


@pytest.fixture(scope="module")
def model() -> GPT2:
    return GPT2.from_pretrained()


@pytest.mark.parametrize("name", ["tiny-world", "gpt2"])
def test_tokens_in_the_page_equal_those_of_the_package(engine: Page, model: GPT2, name: str) -> None:
    tokenizer = Tokenizer.gpt2() if name == "gpt2" else model.tokenizer
    assert tokenizer is not None
    # Python and the browser disagree on characters that Unicode added recently and on unpaired surrogates.
    known = st.characters(exclude_categories=["Cs", "Cn", "Co"], max_codepoint=0x2FFF)
    words = st.sampled_from(
        ["don't", " 's", "it's", "12 345", "\u00a0", "\u0085", "\ufeff", "🦊", "  \n\n ", "ab" * 40]
    )
    rows: list[str] = []

    @settings(max_examples=3000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(words | st.text(known) | st.text("ab ,.'st\n\t01é"), max_size=6).map("".join))
    def collect(text: str) -> None:
        rows.append(text)

    collect()
    assert len(set(rows)) > 1000
    ids = engine.evaluate("([name, rows]) => rows.map((row) => tokenizers[name].encode(row))", [name, rows])
    wrong = [row for row, mine in zip(rows, ids, strict=True) if mine != tokenizer.encode(row)]
    assert wrong == []
    back = engine.evaluate("([name, ids]) => ids.map((row) => tokenizers[name].decode(row))", [name, ids])
    assert back == rows


def test_dialogues_in_the_page_equal_those_of_the_package(engine: Page) -> None:
    spaces = st.text(" \n\r\t\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u3000\ufeff", max_size=3)
    words = st.sampled_from(
        ["User:", "Assistant:", "System:", "\nAssistant: yes", "\r\nUser: no", "\n  x", "Ass", "\nS", "<|<|", "a"]
    )
    rows: list[str] = []

    @settings(max_examples=3000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(words | spaces, max_size=8).map("".join))
    def collect(text: str) -> None:
        rows.append(text)

    collect()
    assert len(set(rows)) > 1000
    prompts, answers = engine.evaluate(
        """async (rows) => {
          const { answerIn, promptOf } = await import("/_static/dialogue.mjs");
          const turns = (text) => ["system", "user", "assistant"].map((role) => ({ role, content: text }));
          return [rows.map((row) => promptOf(turns(row))), rows.map(answerIn)];
        }""",
        rows,
    )
    roles = ("system", "user", "assistant")
    assert prompts == [Dialogue(tuple(Message(role, row) for role in roles)).prompt() for row in rows]
    assert answers == [shown(re.split("|".join(STOPS), row)[0]) for row in rows]


def test_half_a_character_is_replaced_not_lost(engine: Page) -> None:
    assert engine.evaluate("tokenizers.gpt2.decode(tokenizers.gpt2.encode('a\\ud800b'))") == "a\ufffdb"
    pieces = engine.evaluate(
        "(() => { const read = tokenizers.gpt2.stream();"
        " return [...tokenizers.gpt2.encode('a🥞b').map(read), read(null)]; })()"
    )
    assert "".join(pieces) == "a🥞b"
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_hundred_thousand_letters_without_a_space_are_encoded(engine: Page) -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 100_000))
    assert engine.evaluate("(text) => tokenizers.gpt2.encode(text)", text) == Tokenizer.gpt2().encode(text)


def test_the_merges_of_a_very_long_word_do_not_overflow_the_stack(engine: Page) -> None:
    steps = engine.evaluate("tokenizers['tiny-world'].mergeSteps('q'.repeat(130_000)).map(({ ids }) => ids.length)")
    assert steps == [130_000]  # no merge joins two q


@pytest.mark.parametrize("loop", ["model", "plainModel", "pageModel"])
def test_all_logits_of_a_full_context_equal_pytorchs(engine: Page, model: GPT2, loop: str) -> None:
    model = in_eight_bits(model) if loop == "pageModel" else model
    ids = torch.randint(model.config.vocab_size, (model.n_positions,), generator=torch.manual_seed(0))
    got = engine.evaluate(f"(ids) => [...{loop}.forward(ids, {{ everywhere: true }})]", ids.tolist())
    with torch.no_grad():
        wanted = model(ids[None])[0]
    torch.testing.assert_close(torch.tensor(got).view_as(wanted), wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("rows", "n_in", "n_out"), [(1, 4, 4), (1, 192, 12), (15, 8, 4), (16, 4, 8), (17, 12, 16), (40, 16, 4)]
)
def test_simd_gives_the_same_sums_as_the_plain_loop(engine: Page, rows: int, n_in: int, n_out: int) -> None:
    furthest = engine.evaluate(
        """async ([rows, nIn, nOut]) => {
          const numbers = (n) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
          const fast = await simd(wasm, { n_embd: nIn, n_layer: 1, vocab_size: nOut });
          const [x, w, b] = [numbers(rows * nIn), fast.keep(numbers(nOut * nIn)), fast.keep(numbers(nOut))];
          if (fast === plain || fast.linear === plain.linear) throw new Error("no vectors in this browser");
          const [a, y] = [plain, fast].map(({ linear }) => linear(x, w, b, nIn, nOut));
          return a.length !== y.length ? Infinity : a.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i])), 0);
        }""",
        [rows, n_in, n_out],
    )
    assert furthest < 1e-5


def test_without_simd_or_with_an_odd_width_the_plain_loop_is_used(engine: Page) -> None:
    same = engine.evaluate(
        """async () => {
          const { config } = model;
          const loops = [simd(wasm.slice(0, 20), config), simd(wasm, { ...config, n_embd: 6 })];
          return (await Promise.all(loops)).every((loop) => loop === plain);
        }"""
    )
    assert same


def test_the_webassembly_is_assembled_from_its_source(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("needs npm, to fetch wabt, which assembles the .wat files")
    done = subprocess.run(
        [sys.executable, "tasks.py", "wasm", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(600),
    )
    if "network" in done.stderr or "ENOTFOUND" in done.stderr:
        pytest.skip(f"needs npm's registry, which cannot be reached: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    sources = sorted(path.stem for path in STATIC.glob("*.wat"))
    assert sources == ["kernels", "linear"]
    for name in sources:
        assert (tmp_path / f"{name}.wasm").read_bytes() == (STATIC / f"{name}.wasm").read_bytes()


def test_with_the_cache_the_logits_are_the_same(engine: Page, model: GPT2) -> None:
    assert model.tokenizer is not None
    ids = model.tokenizer.encode("Once upon a time, a fox named Pip lost a red kite.")
    got = engine.evaluate(
        "(ids) => { const cache = model.newCache(); return [ids.slice(0, 5), ...ids.slice(5).map((id) => [id])]"
        ".map((fresh) => [...model.forward(fresh, { cache })]).at(-1); }",
        ids,
    )
    with torch.no_grad():
        wanted = model(torch.tensor([ids]))[0, -1]
    torch.testing.assert_close(torch.tensor(got), wanted, atol=1e-3, rtol=0)


def test_every_activation_equals_the_packages(engine: Page, model: GPT2) -> None:
    assert model.tokenizer is not None
    ids = model.tokenizer.encode("Once upon a time, a fox named Pip")
    without = [(1, 2), (3, 0)]
    got = engine.evaluate(
        "([ids, without]) => { const seen = {}; model.forward(ids, { without, everywhere: true,"
        " look: (name, layer, values) => { seen[`${name} ${layer}`] = [...values]; } }); return seen; }",
        [ids, without],
    )
    wanted = activations(model, ids, without)
    assert got.keys() == {f"{name} {'null' if layer is None else layer}" for name, layer in wanted}
    for (name, layer), values in wanted.items():
        mine = torch.tensor(got[f"{name} {'null' if layer is None else layer}"]).view_as(values)
        torch.testing.assert_close(mine, values, atol=1e-3, rtol=0, msg=f"{name} {layer}")


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, None, None), (0.7, 10, None), (1.5, None, 0.8), (2.0, 50, 0.95)]
)
def test_probabilities_and_draws_equal_the_packages(
    engine: Page, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    logits = torch.randn(500, generator=torch.manual_seed(1)) * 4
    logits[7] = logits[300]  # a tie
    asked = [logits.tolist(), {"temperature": temperature, "top_k": top_k, "top_p": top_p}]
    got = engine.evaluate("([logits, settings]) => [...probabilities(logits, settings)]", asked)
    wanted = next_token_probabilities(logits[None].double(), temperature, top_k, top_p)[0]
    torch.testing.assert_close(torch.tensor(got), wanted.float(), atol=1e-5, rtol=1e-4)
    numbers = [i / 100 for i in range(100)] + [0.9999999]
    p = torch.tensor(got, dtype=torch.float64)
    mine = engine.evaluate("([p, numbers]) => numbers.map((number) => draw(p, number))", [got, numbers])
    assert mine == [draw(p, number)[0] for number in numbers]


@pytest.mark.parametrize(
    ("logits", "top_k", "kept"),
    [
        ([1.5] * 10, 3, range(10)),
        ([3.0, 1.0, 2.0, 2.0, 2.0, 1.0], 2, [0, 2, 3, 4]),
        ([2.0, 3.0, 3.0, 1.0], 2, [1, 2]),
        ([1.0, 1.0], 5, [0, 1]),
    ],
)
def test_tokens_tied_with_the_kth_stay_in(engine: Page, logits: list[float], top_k: int, kept: Sequence[int]) -> None:
    asked = [logits, {"temperature": 1, "top_k": top_k, "top_p": None}]
    p = engine.evaluate("([logits, settings]) => [...probabilities(logits, settings)]", asked)
    assert [id for id, x in enumerate(p) if x > 0] == list(kept)
    assert sum(p) == pytest.approx(1)
    if len(set(logits)) == 1:
        assert p == pytest.approx([1 / len(logits)] * len(logits))
    wanted = next_token_probabilities(torch.tensor([logits]), top_k=top_k)[0].tolist()
    assert p == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("logits", [[1.0, 3.0, 3.0, 2.0], [0.0, 0.0], [-5.0], [-1.0, -2.0, -1.0]])
def test_at_temperature_zero_the_first_of_the_largest_is_certain(
    engine: Page, model: GPT2, logits: list[float]
) -> None:
    settings = {"temperature": 0, "top_k": 2, "top_p": 0.5}
    p = engine.evaluate("([logits, settings]) => [...probabilities(logits, settings)]", [logits, settings])
    assert p == [float(id == logits.index(max(logits))) for id in range(len(logits))]
    assert p == Kernel(model, "")._probabilities(torch.tensor(logits), settings).tolist()


def test_both_engines_draw_the_same_numbers(engine: Page) -> None:
    places = [(seed, place) for seed in (0, 1, 2**31 - 1) for place in range(1000)]
    got = engine.evaluate("(places) => places.map(([seed, place]) => uniform(seed, place))", places)
    assert got == [uniform(seed, place) for seed, place in places]
    assert 0.05 < uniform(0, 0) < 0.95  # the first draw of a lab is an ordinary one
    counts = np.histogram([uniform(5, place) for place in range(100_000)], 10, (0, 1))[0]
    assert abs(counts - 10_000).max() < 400


def test_the_same_seed_gives_the_same_text_in_both_engines(engine: Page, model: GPT2) -> None:
    settings = {"temperature": 0.8, "top_k": None, "top_p": None}
    parts: list[Any] = []
    Kernel(model, "").generate("Once upon a time", settings, 3, 400, parts.append)  # longer than the context
    got = engine.evaluate(
        """([settings]) => {
          const tokenizer = tokenizers["tiny-world"];
          const ids = tokenizer.encode("Once upon a time");
          const writer = model.continuing(ids);
          const written = [];
          let logits = writer.next().value;
          for (let n = 0; n < 400; n++) {
            const id = draw(probabilities(logits, settings), uniform(3, n));
            if (id === tokenizer.endOfText) break;
            written.push(id);
            logits = writer.next(id).value;
          }
          return tokenizer.decode(written);
        }""",
        [settings],
    )
    assert len(got) > 200
    assert got == "".join(part["text"] for part in parts)


def test_a_full_window_moves_like_the_packages(engine: Page, model: GPT2) -> None:
    ids = torch.randint(model.config.vocab_size, (model.n_positions - 3,), generator=torch.manual_seed(2))
    wanted = model.generate(ids, max_new_tokens=20, temperature=0)[len(ids) :].tolist()
    got = engine.evaluate(
        """(ids) => {
          const writer = model.continuing(ids);
          const written = [];
          let logits = writer.next().value;
          for (let n = 0; n < 20; n++) {
            written.push(logits.indexOf(Math.max(...logits)));
            logits = writer.next(written.at(-1)).value;
          }
          return written;
        }""",
        ids.tolist(),
    )
    end = model.tokenizer.end_of_text if model.tokenizer else None
    stop = wanted.index(end) if end in wanted else len(wanted)
    assert got[:stop] == wanted[:stop]


def test_float32_weights_are_read(engine: Page, model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)  # float32
    engine.route("**/in-float32", lambda route: route.fulfill(path=tmp_path / "model.safetensors"))
    same = engine.evaluate(
        """async () => {
          const file = await (await fetch("/in-float32")).arrayBuffer();
          const [a, b] = [readSafetensors(file), readSafetensors(weights)];
          const equal = ([name, { values }]) => values.every((v, i) => v === b.get(name).values[i]);
          return a.size === b.size && [...a].every(equal);
        }"""
    )
    assert same


def tensors_in_the_page(engine: Page, folder: Path) -> dict[str, list[float]]:
    """The weights that the page reads from a model folder, by name."""
    engine.route("**/some-weights", lambda route: route.fulfill(path=folder / "model.safetensors"))
    try:
        return engine.evaluate(
            """async () => {
              const tensors = readSafetensors(await (await fetch("/some-weights")).arrayBuffer());
              return Object.fromEntries([...tensors].map(([name, { values }]) => [name, [...values]]));
            }"""
        )
    finally:
        engine.unroute("**/some-weights")


@pytest.fixture
def small_model() -> GPT2:
    torch.manual_seed(4)
    tokenizer = Tokenizer.train("The fox and the owl shared a plum. " * 20, 280)
    config = GPT2Config(tokenizer.vocab_size + 3, n_positions=16, n_embd=8, n_layer=1, n_head=2)  # 3 rows of padding
    small = GPT2(config).eval()
    small.tokenizer = tokenizer
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return small


def test_bfloat16_weights_are_read(engine: Page, small_model: GPT2, tmp_path: Path) -> None:
    small_model.save_pretrained(tmp_path, torch.bfloat16)
    found = tensors_in_the_page(engine, tmp_path)
    wanted = small_model.token_embedding.weight.detach().bfloat16().float()
    assert found["wte.weight"] == wanted.flatten().tolist()


def test_prefixes_masks_and_a_tied_head_are_recognized(engine: Page, small_model: GPT2, tmp_path: Path) -> None:
    small_model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    wanted = tensors_in_the_page(engine, tmp_path)
    stored = load_file(path)
    head = stored.pop("transformer.wte.weight")
    stored["lm_head.weight"] = head
    stored["transformer.h.0.attn.bias"] = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    stored["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file({f"module._orig_mod.{name}": tensor for name, tensor in stored.items()}, path)
    assert tensors_in_the_page(engine, tmp_path) == wanted
    save_file({**stored, "transformer.wte.weight": head + 1}, path)
    with pytest.raises(Error, match="have a separate output head"):
        tensors_in_the_page(engine, tmp_path)


def test_rows_beyond_the_vocabulary_have_no_logits(engine: Page, small_model: GPT2, tmp_path: Path) -> None:
    small_model.save_pretrained(tmp_path)
    engine.route("**/padded", lambda route: route.fulfill(path=tmp_path / "model.safetensors"))
    config, ids = json.loads((tmp_path / "config.json").read_text()), [5, 9, 2]
    got = engine.evaluate(
        """async ([config, ids, known]) => {
          const padded = new GPT2(config, readSafetensors(await (await fetch("/padded")).arrayBuffer()), plain, known);
          const seen = [];
          const scores = padded.forward(ids, { look: (name, _, values) => name === "logits" && seen.push(...values) });
          const writer = padded.continuing(ids);
          return [[...scores], seen, [...writer.next().value]];
        }""",
        [config, ids, small_model.n_tokens],
    )
    with torch.no_grad():
        wanted = small_model.next_token_logits(torch.tensor([ids]), small_model.new_cache())[0]
    for scores in got:
        torch.testing.assert_close(torch.tensor(scores), wanted, atol=1e-4, rtol=0)
    with pytest.raises(Error, match="The tokenizer has 999 tokens, but the model's vocabulary has only"):
        engine.evaluate("(config) => new GPT2(config, new Map(), plain, 999)", config)


def test_the_config_may_use_transformers_other_names(engine: Page) -> None:
    read = "(config) => readConfig(JSON.stringify(config))"
    shape = {"vocab_size": 300, "n_positions": 16, "n_embd": 8, "n_layer": 1, "n_head": 2}
    for name, alias in {
        "n_embd": "hidden_size",
        "n_positions": "max_position_embeddings",
        "n_head": "num_attention_heads",
        "n_layer": "num_hidden_layers",
    }.items():
        renamed = {alias if key == name else key: value for key, value in shape.items()}
        found = engine.evaluate(read, renamed)
        assert found == {**renamed, **shape, "layer_norm_epsilon": 1e-5}
        with pytest.raises(
            Error, match=f"config.json has {name}=7 and {alias}={shape[name]}, but they are the same setting"
        ):
            engine.evaluate(read, {**renamed, name: 7})
    for name in shape:
        for wrong, found in ((None, "null"), (0, "0"), (1.5, "1.5"), ("8", '"8"')):
            with pytest.raises(Error, match=f"{name} in config.json must be an integer of at least 1, but is {found}"):
                engine.evaluate(read, {**shape, name: wrong})


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_merges_with_other_line_ends_or_a_byte_order_mark_are_read(engine: Page, end: str, mark: str) -> None:
    ids = engine.evaluate(
        """async ([end, mark]) => {
          const merges = await (await fetch("/_static/tiny-world/merges.txt")).text();
          const { Tokenizer } = await import("/_static/tokenizer.mjs");
          const read = new Tokenizer(mark + merges.replace(/\\r?\\n/g, end));
          return [read, tokenizers["tiny-world"]].map((t) => [t.encode("Once upon a time, a fox"), t.endOfText]);
        }""",
        [end, mark],
    )
    assert ids[0] == ids[1]
    assert ids[0][1] == 3071


@pytest.mark.parametrize("order", [[0.3, 0.1, 0.1, 0.5], [0.5, 0.3, 0.1, 0.1], [0.1, 0.5, 0.1, 0.3]])
def test_top_p_is_reached_despite_rounding_as_in_the_package(engine: Page, order: list[float]) -> None:
    logits = torch.tensor(order).log()
    for top_p, kept in ((0.5, 1), (0.8, 2), (0.9, 3), (0.81, 3), (1e-320, 1)):
        asked = [logits.tolist(), {"temperature": 1, "top_k": None, "top_p": top_p}]
        p = engine.evaluate("([logits, settings]) => [...probabilities(Float32Array.from(logits), settings)]", asked)
        assert sum(x > 0 for x in p) == kept
        wanted = next_token_probabilities(logits[None], top_p=top_p)[0]
        torch.testing.assert_close(torch.tensor(p, dtype=torch.float32), wanted, atol=1e-6, rtol=0)


def test_the_lowest_temperature_leaves_only_the_most_likely_token(engine: Page) -> None:
    for temperature in (5e-324, 1e-50):
        asked = [[1.0, 3.0, 2.0], {"temperature": temperature, "top_k": None, "top_p": None}]
        assert engine.evaluate("([logits, settings]) => [...probabilities(logits, settings)]", asked) == [0, 1, 0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("weights.slice(0, 100000)", "truncated"),
        ("weights.slice(0, 4)", "truncated"),
    ],
)
def test_a_broken_file_is_refused(engine: Page, spoil: str, message: str) -> None:
    said = engine.evaluate(f"(() => {{ try {{ readSafetensors({spoil}); }} catch (e) {{ return e.message; }} }})()")
    assert message in said


def test_weights_of_another_shape_are_refused(engine: Page) -> None:
    said = engine.evaluate(
        "(() => { try { new GPT2({ ...model.config, n_embd: 96 }, readSafetensors(weights)); }"
        " catch (e) { return e.message; } })()"
    )
    assert "do not match config.json: wte.weight should have shape (3072, 96), but has (3072, 192)." in said


def test_more_tokens_than_positions_are_refused(engine: Page) -> None:
    said = engine.evaluate("(() => { try { model.forward(Array(400).fill(0)); } catch (e) { return e.message; } })()")
    assert said == "Got 400 tokens, but this model has only 336 positions."
