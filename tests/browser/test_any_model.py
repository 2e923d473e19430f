"""The modules that open models in the page, run by Node: folders, zip files, tokenizers, and 8 bits, as in Python."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from book.pace import patience
from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.checkpoint import INDEX, TRANSPOSED, WEIGHTS
from gpt2_course.dialogue import TEMPLATE
from gpt2_course.labs.kernel import Kernel
from gpt2_course.labs.lab import STATIC
from gpt2_course.quantization import eight_bit_tensors, quantize_rows

SETTINGS: dict[str, Any] = {"temperature": 0.9, "top_k": None, "top_p": 0.95}
TEXT = "The fox and the owl shared a plum. A fox, an owl; 7 plums! " * 10

# What each job is made of: the files of a folder by name, and functions on them.
PRELUDE = """
import { readFileSync } from "node:fs";
const HERE = process.argv[2];
const load = (name) => import(`${HERE}/${name}.mjs`);
const [checkpoint, engine, folder, quantization, sampling, sha, vectors, zip, dialogue] = await Promise.all(
  ["checkpoint", "engine", "model_folder", "quantization", "sampling", "sha256", "simd", "zip", "dialogue"].map(load));
const { plain } = await load("plain");
const wasm = readFileSync(new URL(`${HERE}/linear.wasm`));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const readable = (b) => ({ size: b.length, read: (from, to) => b.slice(from, to).buffer });
const files = (given) => new Map(Object.entries(given).map(([name, text]) => [name, readable(bytes(text))]));
async function build({ config, tensors, tokenizer }, bits = 32) {
  const weights = bits === 8 ? new Map([...tensors].map(([n, t]) => [n, quantization.inEightBits(n, t)])) : tensors;
  return new engine.GPT2(config, weights, await vectors.simd(wasm, config, bits), tokenizer.bytes.length);
}
function write(model, tokenizer, { prompt, settings, seed, length }) {
  const writer = model.continuing(tokenizer.encode(prompt));
  const read = tokenizer.stream();
  let [logits, text] = [writer.next().value, ""];
  for (let n = 0; n < length; n++) {
    const id = sampling.draw(sampling.probabilities(logits, settings), sampling.uniform(seed, n));
    if (id === tokenizer.endOfText) break;
    text += read(id);
    logits = writer.next(id).value;
  }
  return text + read(null);
}
const jobs = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const job of jobs) {
  try {
    answers.push({ done: await run(job) });
  } catch (error) {
    answers.push({ error: error.message });
  }
}
console.log(JSON.stringify(answers));
"""


def node(tmp_path: Path, run: str, jobs: list[Any]) -> list[dict[str, Any]]:
    """The answers, {done} or {error}, of a JavaScript function to each job."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node")
    script = tmp_path / "run.mjs"
    script.write_text(f"{PRELUDE.replace('const jobs', run + chr(10) + 'const jobs', 1)}", encoding="utf-8")
    done = subprocess.run(
        [program, script, STATIC.as_uri()],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=patience(120),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def files_in(folder: Path) -> dict[str, str]:
    return {path.name: text(path.read_bytes()) for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def model() -> GPT2:
    """A tiny model with three rows of padding, a special token in the middle of the ids, and a word."""
    torch.manual_seed(4)
    trained = Tokenizer.train(TEXT, 290)
    special = {"<|endoftext|>": len(trained.merges) + 256, "<|user|>": 7, "Zoe": len(trained.merges) + 258}
    tokenizer = Tokenizer(trained.merges, special, words=["Zoe"])
    made = GPT2(GPT2Config(tokenizer.vocab_size + 3, n_positions=32, n_embd=16, n_layer=2, n_head=2)).eval()
    made.tokenizer = tokenizer
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def shard(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in parts.items():
        save_file({name: weights[name] for name in own}, folder / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (folder / INDEX).write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()


def rename(change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        save_file({change(k): v for k, v in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)

    return apply


def add_masks_and_head(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    weights["transformer.h.1.attn.masked_bias"] = torch.tensor(-1e4)
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    save_file(weights, folder / WEIGHTS)


def as_one_file(folder: Path) -> None:
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    merges = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    special = {"<|endoftext|>", "<|user|>", "Zoe"} & vocab.keys()
    added = [{"id": vocab[name], "content": name, "special": name != "Zoe"} for name in special]
    whole = {
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": [line.split(" ") for line in merges]},
    }
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()


VARIANTS: dict[str, tuple[torch.dtype, Callable[[Path], None]]] = {
    "F32": (torch.float32, lambda folder: None),
    "F16": (torch.float16, lambda folder: None),
    "BF16": (torch.bfloat16, lambda folder: None),
    "without a prefix": (torch.float32, rename(lambda name: name.removeprefix("transformer."))),
    "with two more prefixes": (torch.float32, rename(lambda name: f"module._orig_mod.{name}")),
    "tied under the head's name": (
        torch.float32,
        rename(lambda name: "lm_head.weight" if name.endswith("wte.weight") else name),
    ),
    "masks and a repeated head": (torch.float16, add_masks_and_head),
    "sharded": (torch.float32, shard),
    "tokenizer.json": (torch.float32, as_one_file),
}


def test_every_kind_of_folder_gives_the_text_that_python_gives(model: GPT2, tmp_path: Path) -> None:
    asked = {"prompt": "The fox Zoe", "settings": SETTINGS, "seed": 5, "length": 60}  # longer than the context
    jobs, wanted = [], []
    for name, (dtype, change) in VARIANTS.items():
        folder = tmp_path / name
        model.save_pretrained(folder, dtype)
        change(folder)
        parts: list[Any] = []
        Kernel(GPT2.from_pretrained(folder), "").generate(**asked, part=parts.append)
        wanted.append("".join(part["text"] for part in parts))
        jobs.append({"given": files_in(folder), "asked": asked})
    run = """async function run({ given, asked }) {
      const found = folder.openFolder(files(given));
      return write(await build(found), found.tokenizer, asked);
    }"""
    answers = node(tmp_path, run, jobs)
    assert dict(zip(VARIANTS, answers, strict=True)) == {
        name: {"done": text} for name, text in zip(VARIANTS, wanted, strict=True)
    }
    assert len(set(wanted)) > 1  # the dtypes differ
    assert len(wanted[0]) > 60


def test_a_tokenizer_with_other_ids_and_words_is_the_same_as_in_python(model: GPT2, tmp_path: Path) -> None:
    tokenizer = model.require_tokenizer()
    rng = random.Random(0)
    pieces = ["Zoe", "Zo", "e", " the", "fox", "<|user|>", "<|endoftext|>", " ", "\n", "é", "🦊", "7", "."]
    rows = ["".join(rng.choices(pieces, k=rng.randrange(8))) for _ in range(500)]
    model.save_pretrained(tmp_path / "model")
    run = """async function run({ given, rows }) {
      const { tokenizer } = folder.openFolder(files(given));
      return rows.map((row) => [tokenizer.encode(row), tokenizer.decode(tokenizer.encode(row))]);
    }"""
    (answer,) = node(tmp_path, run, [{"given": files_in(tmp_path / "model"), "rows": rows}])
    assert answer["done"] == [[tokenizer.encode(row), row] for row in rows]


def test_the_chat_template_is_recognized(model: GPT2, tmp_path: Path) -> None:
    plain, talking = tmp_path / "plain", tmp_path / "talking"
    model.save_pretrained(plain)
    model.save_pretrained(talking)
    model.require_tokenizer().with_chat_template(TEMPLATE).save(talking)
    run = "const run = async ({ given }) => [folder.openFolder(files(given)).isTalking, dialogue.TEMPLATE];"
    answers = node(tmp_path, run, [{"given": files_in(folder)} for folder in (plain, talking)])
    assert [answer["done"] for answer in answers] == [[False, TEMPLATE], [True, TEMPLATE]]


def edit(name: str, **changes: Any) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        content = {**json.loads(files[name]), **changes}
        files[name] = json.dumps({k: v for k, v in content.items() if v is not ...}).encode()

    return apply


def put(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        files.pop(name, None)
        if content is not None:
            files[name] = content

    return apply


def cut(name: str, end: int) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: files[name][:end]})


def keep_lines(name: str, count: int) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: b"\n".join(files[name].splitlines()[:count]) + b"\n"})


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        whole = files[WEIGHTS]
        (length,) = struct.unpack("<Q", whole[:8])
        content = json.loads(whole[8 : 8 + length])
        new = change(content)
        packed = json.dumps(content if new is None else new).encode()
        files[WEIGHTS] = struct.pack("<Q", len(packed)) + packed + whole[8 + length :]

    return apply


WPE = "transformer.wpe.weight"
BROKEN: list[tuple[Callable[[dict[str, bytes]], Any], str]] = [
    (put("config.json", None), "no config.json"),
    (put("config.json", b"{"), "config.json is not valid JSON"),
    (put("config.json", b"[1]"), "config.json must contain a JSON object"),
    (put("config.json", b"\xff"), "config.json is not a text in UTF-8"),
    (edit("config.json", n_layer=...), "n_layer in config.json must be an integer of at least 1, but is missing"),
    (edit("config.json", n_layer=3), "h.2.ln_1.weight should have shape (16), but is missing"),
    (edit("config.json", n_layer=1), "h.1.attn.c_attn.bias is not part of this GPT-2"),
    (edit("config.json", n_head=3), "n_embd=16, which n_head=3 does not divide"),
    (edit("config.json", vocab_size=10**12), "vocab_size in config.json must be at most 10000000"),
    (edit("config.json", vocab_size=10**6, n_embd=10**5), "wte.weight should have shape (1000000, 100000)"),
    (edit("config.json", model_type="llama"), 'model_type="llama", but this GPT-2 supports only "gpt2"'),
    (edit("config.json", activation_function="relu"), 'activation_function="relu"'),
    (edit("config.json", n_inner=7), "n_inner=7"),
    (edit("config.json", layer_norm_epsilon=-1), "layer_norm_epsilon in config.json must be above 0, but is -1"),
    (put(WEIGHTS, None), "no model.safetensors: drop the whole folder"),
    (lambda files: files.update({"pytorch_model.bin": files.pop(WEIGHTS)}), "only pytorch_model.bin, a pickle"),
    (put(WEIGHTS, b""), "truncated"),
    (put(WEIGHTS, b"\x00" * 8), "not a safetensors file"),
    (put(WEIGHTS, b"\xff" * 100), "truncated"),
    (cut(WEIGHTS, -1), "truncated"),
    (lambda files: files.update({WEIGHTS: files[WEIGHTS] + b"\x00"}), "damaged"),
    (header(lambda h: [h]), "not a safetensors file"),
    (header(lambda h: h[WPE].update(dtype="I32")), "wpe.weight has dtype I32, but only F64, F32, F16, BF16"),
    (header(lambda h: h[WPE].update(dtype="I8", shape=[64, 32])), "wpe.weight is in 8 bits (I8) without a scale"),
    (header(lambda h: h[WPE].update(dtype="constructor")), "has dtype constructor"),
    (header(lambda h: h[WPE].update(shape=[10**9, 10**9])), "damaged"),
    (header(lambda h: h[WPE].update(shape=[-32, -16])), "damaged"),
    (header(lambda h: h[WPE].update(shape=[16, 32])), "wpe.weight should have shape (32, 16), but has (16, 32)"),
    (header(lambda h: h[WPE].update(data_offsets=[0, 2048])), "damaged"),
    (header(lambda h: h.update({"__proto__": 5})), "not a safetensors file"),
    (header(lambda h: h.update({"wpe.weight": h.pop(WPE), "x": h.pop("transformer.ln_f.bias")})), "should have shape"),
    (put(INDEX, b'{"weight_map": {"a": "../b.safetensors"}}'), ""),  # ignored, because there is a single file
    (lambda files: (put(WEIGHTS, None)(files), put(INDEX, b"{}")(files)), "no valid weight_map"),
    (
        lambda files: (put(WEIGHTS, None)(files), put(INDEX, b'{"weight_map": {"a": "../b.safetensors"}}')(files)),
        "no valid weight_map",
    ),
    (
        lambda files: (put(WEIGHTS, None)(files), put(INDEX, b'{"weight_map": {"a": "b.safetensors"}}')(files)),
        "no b.safetensors",
    ),
    (put("merges.txt", None), "no tokenizer: add tokenizer.json, or vocab.json and merges.txt"),
    (keep_lines("merges.txt", 9), "which no merge makes and no file lists as special"),
    (put("merges.txt", b"#version: 0.2\nq zz\n"), "The order of merges gives"),
    (put("merges.txt", b"t h\nt h\n"), "merges"),
    (put("vocab.json", b"{}"), "gives"),
    (edit("vocab.json", **{"!": 99999}), 'vocab.json gives "!" the id 99999'),
    (edit("tokenizer_config.json", add_prefix_space=True), "add_prefix_space=true"),
    (put("tokenizer.json", b'{"model": {"type": "WordPiece"}}'), 'model.type="WordPiece", not "BPE"'),
    (put("tokenizer.json", b'{"pre_tokenizer": {"type": "Sequence"}}'), 'pre_tokenizer.type="Sequence"'),
    (
        put("tokenizer.json", b'{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}}'),
        "no vocabulary with merges",
    ),
]


def test_a_broken_folder_gets_one_sentence(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    jobs = []
    for spoil, _ in BROKEN:
        files = dict(whole)
        spoil(files)
        jobs.append({"given": {name: text(content) for name, content in files.items()}})
    run = "const run = async ({ given }) => void (await build(folder.openFolder(files(given))));"
    answers = node(tmp_path, run, jobs)
    for (_, message), answer in zip(BROKEN, answers, strict=True):
        said = answer.get("error", "")
        assert message in said, (message, answer)
        assert bool(said) == bool(message)
        assert said.count(". ") <= 1 if message else True
        assert len(said) < 250


def test_random_damage_to_the_weights_never_hangs_or_crashes(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    whole = (tmp_path / "model" / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    rng = random.Random(1)
    damaged = []
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 2, 20])):
            content[rng.randrange(8 + length)] = rng.randrange(256)  # the numbers may be anything
        damaged.append(bytes(content[: rng.choice([len(content), rng.randrange(len(content))])]))
    rest = {name: content for name, content in files_in(tmp_path / "model").items() if name != WEIGHTS}
    run = f"""const rest = {json.dumps(rest)};
    const run = async (weights) => void (await build(folder.openFolder(files({{ ...rest, "{WEIGHTS}": weights }}))));"""
    answers = node(tmp_path, run, [text(content) for content in damaged])
    errors = [answer["error"] for answer in answers if "error" in answer]
    assert len(errors) > 250
    known = ("truncated", "damaged", "match config.json", "dtype", "twice", "separate output head")
    assert [error for error in errors if not any(part in error for part in known)] == []


def zipped(files: dict[str, bytes], method: int, prefix: str = "run/") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return packed.getvalue()


def spoiled(packed: bytes, at: bytes, offset: int, new: bytes) -> bytes:
    """The zip file with other bytes at an offset from the first record that begins with `at`."""
    start = packed.index(at) + offset
    return packed[:start] + new + packed[start + len(new) :]


def test_zip_files_are_read_and_bad_ones_refused(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    stored, deflated = (zipped(files, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    flat = zipped({**files, "notes/readme.md": b"x"}, zipfile.ZIP_DEFLATED, "")
    nested = zipped(files, zipfile.ZIP_STORED, "a/b/")
    entry, local = b"PK\x01\x02", b"PK\x03\x04"
    two = zipped({f"{part}/{name}": content for part in "ab" for name, content in files.items()}, 8, "")
    jobs: list[tuple[bytes, str | None]] = [
        (stored, None),
        (deflated, None),
        (flat, None),
        (nested, None),
        (zipped({**files, "best/config.json": b"{}"}, 8), None),  # the outermost model
        (b"PK", "damaged or truncated"),
        (b"", "damaged or truncated"),
        (deflated[:-30], "damaged or truncated"),
        (deflated[200:], "damaged or truncated"),
        (zipped(files, zipfile.ZIP_BZIP2), "packed in a way"),
        (spoiled(deflated, entry, 16, b"\x00\x00\x00\x00"), "damaged or truncated"),  # the checksum
        (spoiled(deflated, entry, 24, b"\x05\x00\x00\x00"), "damaged or truncated"),  # says 5 bytes: stop there
        (spoiled(deflated, entry, 8, b"\x01\x00"), "encrypted"),
        (spoiled(deflated, local, 0, b"XXXX"), "damaged or truncated"),
        (zipped(files, 8, "../"), "outside its folder"),
        (zipped(files, 8, "/etc/"), "outside its folder"),
        (zipped(files, 8, "a\\..\\"), "outside its folder"),
        (zipped({f"{i}.txt": b"" for i in range(10_001)}, 0), "has 10001 files"),
        (zipped({"readme.md": b"x"}, 8), "no config.json"),
        (two, "several models, “a” and “b”"),
    ]
    run = """async function run(packed) {
      const given = [{ path: "some/My Run.zip", file: new Blob([bytes(packed)]) }];
      const { name, files } = await folder.modelAmong(given);
      const content = async (blob) => readable(new Uint8Array(await blob.arrayBuffer()));
      const read = await Promise.all([...files].map(async ([n, blob]) => [n, await content(blob)]));
      const found = folder.openFolder(new Map(read));
      return [name, (await build(found)).parameters];
    }"""
    answers = node(tmp_path, run, [text(packed) for packed, _ in jobs])
    for (_, message), answer in zip(jobs, answers, strict=True):
        if message is None:
            assert answer["done"][1] == model.num_parameters(), answer
        else:
            assert message in answer["error"]
    assert [answer["done"][0] for answer in answers[:4]] == ["run", "run", "My Run", "b"]


def test_a_zip_that_grows_without_end_is_stopped(tmp_path: Path) -> None:
    huge = zipped({"config.json": b"{}", WEIGHTS: b"\x00" * (64 * 2**20)}, zipfile.ZIP_DEFLATED)
    at = huge.index(b"model.safetensors", huge.index(b"PK\x01\x02")) - len("run/") - 46
    lying = huge[: at + 24] + struct.pack("<I", 1000) + huge[at + 28 :]
    run = """async function run(packed) {
      let most = 0;
      const { Blob } = globalThis;
      globalThis.Blob = class extends Blob {
        constructor(parts) { super(parts); most += this.size; }
      };
      try {
        await zip.unzip(new Blob([bytes(packed)]), () => true);
      } catch (error) {
        return [most, error.message];
      }
    }"""
    (answer,) = node(tmp_path, run, [text(lying)])
    size, said = answer["done"]
    assert "damaged or truncated" in said
    assert size < len(huge) + 2**20  # far from 64 MiB


def test_the_hash_is_sha_256_also_after_a_pause(tmp_path: Path) -> None:
    rng = random.Random(2)
    contents = [rng.randbytes(n) for n in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 70_001)]
    run = """async function run(text) {
      const content = bytes(text);
      let hash = new sha.Sha256();
      for (let at = 0, n = 1; at < content.length; at += n, n = (n * 7 + 3) % 97 + 1) {
        hash.update(content.subarray(at, at + n));
        hash = new sha.Sha256(JSON.parse(JSON.stringify(hash.state())));
      }
      return hash.digest();
    }"""
    answers = node(tmp_path, run, [text(content) for content in contents])
    assert [answer["done"] for answer in answers] == [hashlib.sha256(content).hexdigest() for content in contents]


# ---- 8 bits ------------------------------------------------------------------------------------------------------


def in_eight_bits(model: GPT2) -> GPT2:
    """The model with its matrices rounded to 8 bits and back: what an exact 8-bit engine computes."""
    twin = GPT2(model.config)
    twin.load_state_dict(model.state_dict())
    twin.tokenizer = model.tokenizer
    for name, parameter in twin.named_parameters():
        if parameter.ndim == 2 and "position" not in name:
            numbers, scale = quantize_rows(parameter)
            parameter.data = numbers * scale
    return twin.eval()


def test_the_numbers_in_8_bits_are_pythons(tmp_path: Path) -> None:
    matrix = torch.randn(24, 40, generator=torch.manual_seed(0)) * torch.logspace(-6, 3, 24)[:, None]
    matrix[3] = 0
    matrix[4, :4] = torch.tensor([127.0, 0.5, 1.5, -2.5])  # halves are rounded to even
    matrix[4, 4:] = 0
    numbers, scale = quantize_rows(matrix)
    run = """async function run(values) {
      const { values: numbers, scale } = quantization.quantizeRows(Float32Array.from(values), 40);
      return [[...numbers], [...scale]];
    }"""
    (answer,) = node(tmp_path, run, [matrix.flatten().tolist()])
    assert answer["done"][0] == numbers.flatten().tolist()
    assert answer["done"][1] == scale.flatten().tolist()


@pytest.mark.parametrize(("rows", "n_in", "n_out"), [(1, 8, 3), (1, 768, 5), (17, 16, 12), (33, 24, 1)])
def test_the_loop_for_8_bits_gives_the_same_sums_as_the_plain_one(
    tmp_path: Path, rows: int, n_in: int, n_out: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, n_in)) * 10.0 ** rng.integers(-3, 4, (rows, 1))
    x[0] = 0 if rows > 1 else x[0]
    w = rng.integers(-127, 128, (n_out, n_in))
    w[:, :] = np.where(rng.random((n_out, 1)) < 0.3, 127, w)  # the largest sums
    scale, b = rng.random(n_out), rng.normal(size=n_out)
    run = """async function run({ x, w, scale, b, nIn, nOut }) {
      const fast = await vectors.simd(wasm, { n_embd: nIn, n_layer: 1, vocab_size: nOut }, 8);
      if (fast.linear === plain.linear) throw new Error("no vectors");
      return [plain, fast].map(({ keep, linear }) => {
        const weights = keep(Int8Array.from(w));
        const [scales, bias] = [scale, b].map((numbers) => keep(Float32Array.from(numbers)));
        return [...linear(Float32Array.from(x), weights, bias, nIn, nOut, scales)];
      });
    }"""
    job = {"x": x.ravel().tolist(), "w": w.ravel().tolist(), "scale": scale.tolist(), "b": b.tolist()}
    (answer,) = node(tmp_path, run, [{**job, "nIn": n_in, "nOut": n_out}])
    exact = x.astype(np.float32).astype(float) @ w.T * scale + b
    size = np.abs(x) @ np.abs(w).T * scale + np.abs(b)
    for found in answer["done"]:
        error = np.abs(np.array(found).reshape(rows, n_out) - exact)
        assert (error / size).max() < 1e-6


def test_a_vocabulary_that_fills_no_vectors_is_fast_too(tmp_path: Path) -> None:
    """GPT-2's 50,257 tokens are not a multiple of 4."""
    run = """async function run({ given, ids }) {
      const found = folder.openFolder(files(given));
      const loop = await vectors.simd(wasm, found.config, 32);
      if (loop === plain) throw new Error("no vectors");
      return [...new engine.GPT2(found.config, found.tensors, loop).forward(ids, { everywhere: true })];
    }"""
    torch.manual_seed(1)
    tokenizer = Tokenizer.train(TEXT, 261)
    odd = GPT2(GPT2Config(261, n_positions=8, n_embd=8, n_layer=1, n_head=2), tokenizer).eval()
    odd.save_pretrained(tmp_path / "odd")
    ids = [5, 260, 17, 1]
    (answer,) = node(tmp_path, run, [{"given": files_in(tmp_path / "odd"), "ids": ids}])
    with torch.no_grad():
        wanted = odd(torch.tensor([ids]))[0]
    torch.testing.assert_close(torch.tensor(answer["done"]).view_as(wanted), wanted, atol=1e-5, rtol=0)


def test_logits_in_8_bits_are_pythons_and_close_to_those_in_32(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = GPT2(GPT2Config(261, n_positions=32, n_embd=64, n_layer=3, n_head=4), Tokenizer.train(TEXT, 261)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(tmp_path / "model")
    ids = torch.randint(261, (32,), generator=torch.manual_seed(3))
    with torch.no_grad():
        exact, wanted, rounded = (m(ids[None])[0] for m in (model, in_eight_bits(model), model.quantize()))
    run = """async function run({ given, ids }) {
      const found = folder.openFolder(files(given));
      return [...(await build(found, 8)).forward(ids, { everywhere: true })];
    }"""
    (answer,) = node(tmp_path, run, [{"given": files_in(tmp_path / "model"), "ids": ids.tolist()}])
    logits = torch.tensor(answer["done"]).view_as(wanted)
    torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=0)
    spread = exact.std()
    assert (logits - exact).abs().mean() < 0.02 * spread
    # PyTorch's kernel rounds its inputs to 7 bits, too; the page does not
    assert (logits - exact).abs().mean() < (rounded - exact).abs().mean()


def test_a_file_in_8_bits_gives_what_the_page_makes_of_one_in_32(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    whole = load_file(tmp_path / "model" / WEIGHTS)
    save_file(eight_bit_tensors(whole), tmp_path / "in_eight_bits")
    run = """const run = async ({ given }) => Object.fromEntries(
      [...checkpoint.readSafetensors(bytes(given).buffer)].map(([name, tensor]) => {
        const { shape, values, scale } = tensor.scale ? tensor : quantization.inEightBits(name, tensor);
        return [name, [shape, [...values], scale ? [...scale] : null]];
      }),
    );"""
    paths = (tmp_path / "model" / WEIGHTS, tmp_path / "in_eight_bits")
    ours, theirs = node(tmp_path, run, [{"given": text(path.read_bytes())} for path in paths])
    assert len(ours["done"]) == len(whole)
    assert sum(scale is not None for _, _, scale in ours["done"].values()) == 1 + 4 * model.config.n_layer
    assert ours == theirs


def test_only_matrices_are_in_8_bits(model: GPT2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    run = """const run = async ({ given }) => [...folder.openFolder(files(given)).tensors]
      .filter(([name, tensor]) => quantization.inEightBits(name, tensor).scale).map(([name]) => name);"""
    (answer,) = node(tmp_path, run, [{"given": files_in(tmp_path / "model")}])
    names = [name.removeprefix("transformer.") for name in load_file(tmp_path / "model" / WEIGHTS)]
    assert sorted(answer["done"]) == sorted(n for n in names if TRANSPOSED.search(n) or n == "wte.weight")
