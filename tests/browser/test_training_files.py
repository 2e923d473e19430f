"""What training in the page begins with and leaves behind: vocabularies, model folders, zip files. Runs in Node.js."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel, GPT2TokenizerFast

from gpt2_course import GPT2, Tokenizer
from gpt2_course.tiny_world import documents

Run = Callable[..., Any]

MERGES = """
const { learnMerges } = await load("bpe_training");
say(learnMerges(given.texts, given.size));
"""


def merges_of(tokenizer: Tokenizer, folder: Path) -> str:
    tokenizer.save(folder)
    return (folder / "merges.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [257, 300, 3072])
def test_the_page_learns_the_same_merges_from_tiny_world(node: Run, tmp_path: Path, size: int) -> None:
    texts = [document.text for document in islice(documents(3, "train"), 2000)]
    assert node(MERGES, texts=texts, size=size) == merges_of(Tokenizer.train(texts, size), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "aaaa aaa aaaaaaaa aaaaa aa a aaaaaaaaaaaaaaaaa",
        "abab abab cdcd cdcd ab cd abcd dcba",  # many ties
        "Größe und Äpfel, naïve café. 🦊🥞 日本語 日本 don't DON'T 12345 123\r\n\n  \t end  ",
        "no merge<|endoftext|>crosses<|endoftext|><|endoftext|>this<|endoftext|>",
    ],
)
def test_the_page_learns_the_same_merges_from_any_text(node: Run, tmp_path: Path, text: str) -> None:
    assert node(MERGES, texts=[text], size=600) == merges_of(Tokenizer.train(text, 600), tmp_path)


def test_a_vocabulary_of_another_size_is_refused(node: Run) -> None:
    script = "const { learnMerges } = await load('bpe_training'); const said = [];"
    script += "for (const n of [256, 65537, 300.5]) try { learnMerges(['a'], n); } catch (e) { said.push(e.message); }"
    said = node(script + "say(said);")
    assert said == [f"A vocabulary must have 257 to 65536 tokens, but {n} were asked for." for n in (256, 65537, 300.5)]


SAVE = """
const { learnMerges } = await load("bpe_training");
const { modelFolder, zip } = await load("saving");
const { TrainableGPT2 } = await load("training");
const { initialize } = await load("initialization");
const { GPT2 } = await load("engine");
const { Tokenizer } = await load("tokenizer");
const merges = learnMerges(given.texts, 400);
const config = { ...given.config, vocab_size: new Tokenizer(merges).endOfText + 1 };
const model = new TrainableGPT2(config, 16, null);
initialize(model.parameters, config, 5);
const files = modelFolder(config, model.tensors(), merges);
writeFileSync("model.zip", zip(new Map([...files].map(([name, bytes]) => [`my model/${name}`, bytes]))));
const ids = new Tokenizer(merges).encode(given.prompt);
say({ ids, logits: [...new GPT2(config, model.tensors()).forward(ids)] });
"""
CONFIG = {
    **{"n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 3, "layer_norm_epsilon": 1e-5},
    **{"initializer_range": 0.3, "copying_start": False},
}


def test_a_model_from_the_page_opens_in_the_package_and_in_transformers(node: Run, tmp_path: Path) -> None:
    texts, prompt = [document.text for document in islice(documents(3, "train"), 300)], "Once upon a time"
    said = node(SAVE, texts=texts, prompt=prompt, config=CONFIG)
    with zipfile.ZipFile(tmp_path / "model.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path)
    folder = tmp_path / "my model"
    model = GPT2.from_pretrained(folder)
    assert model.tokenizer == Tokenizer.train(texts, 400)
    assert model.config.embd_pdrop == model.config.attn_pdrop == model.config.resid_pdrop == 0
    ids = model.tokenizer.encode(prompt)
    assert ids == said["ids"]
    theirs = GPT2LMHeadModel.from_pretrained(folder)
    their_tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    assert their_tokenizer(prompt)["input_ids"] == ids
    assert their_tokenizer.eos_token_id == model.tokenizer.end_of_text == theirs.config.eos_token_id
    with torch.no_grad():
        for logits in (model(torch.tensor([ids]))[0, -1], theirs(torch.tensor([ids])).logits[0, -1]):
            torch.testing.assert_close(torch.tensor(said["logits"]), logits, atol=1e-4, rtol=1e-4)


INITIALIZE = """
const { parameterShapes, sizeOf } = await load("parameters");
const { initialize } = await load("initialization");
const fill = (seed) => {
  const parameters = new Map(parameterShapes(given.config).map(([name, shape]) =>
    [name, { shape, at: 0, values: new Float32Array(sizeOf(shape)), gradient: new Float32Array(0) }]));
  initialize(parameters, given.config, seed);
  return Object.fromEntries([...parameters].map(([name, { values }]) => [name, [...values]]));
};
say([fill(1), fill(1), fill(2)]);
"""


@pytest.mark.parametrize("copying", [False, True])
def test_a_new_model_has_the_package_s_distribution(node: Run, copying: bool) -> None:
    shape = {"vocab_size": 300, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 2}
    config = {**shape, "layer_norm_epsilon": 1e-5, "initializer_range": 0.05, "copying_start": copying}
    first, again, other = node(INITIALIZE, config=config)
    assert first == again
    assert first["wte.weight"] != other["wte.weight"]
    for name, values in first.items():
        numbers = torch.tensor(values)
        if "c_attn.weight" in name and copying:
            q, k, v = numbers.view(3, 32, 32)
            output = torch.tensor(first[name.replace("c_attn", "c_proj")]).view(32, 32)
            assert torch.equal(q, k)
            assert torch.equal(v, output.T)
            for matrix in (q, v):
                torch.testing.assert_close(matrix @ matrix.T, torch.eye(32) * 0.05**2 * 32, atol=1e-6, rtol=0)
            assert not torch.equal(q, v)
        elif name.endswith("attn.c_proj.weight") and copying:
            continue  # compared above
        elif name.endswith("weight") and "ln_" not in name:
            std = 0.05 / 6**0.5 if "c_proj" in name else 0.05
            n = len(numbers)
            assert abs(numbers.mean()) < 5 * std / n**0.5, name
            assert numbers.std().item() == pytest.approx(std, rel=5 / (2 * n) ** 0.5), name
            assert ((numbers.abs() > 2 * std).float().mean() - 0.0455).abs() < 5 * (0.0455 / n) ** 0.5, name
        else:
            wanted = 0.5 if name == "ln_f.weight" else float(name.endswith("weight"))
            assert set(values) == {wanted}, name
