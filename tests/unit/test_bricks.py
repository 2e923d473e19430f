"""A learner's functions become a whole GPT-2 in `my_gpt2.py`; whatever a file does, its check is a sentence."""

from __future__ import annotations

import csv
import importlib.util
import inspect
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import nbclient
import nbformat
import pytest
import torch
from safetensors.torch import load_file, save_file

from gpt2_course import GPT2, GPT2Config
from gpt2_course.bricks import checking, lay, laying, mine, my_gpt2, start, starting
from gpt2_course.bricks.checking import Checker, Result, write_report
from gpt2_course.bricks.hints import HINTS
from gpt2_course.bricks.laying import CannotLay, lay_if_brick
from gpt2_course.bricks.notebook import from_notebook
from gpt2_course.bricks.source import BRICKS, COURSE, FILE, NAMES, mend, parts, stubs
from gpt2_course.cli import Check, main
from gpt2_course.exercises import progress
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.introspection import activations
from gpt2_course.labs import Playground
from gpt2_course.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
WHOLE = COURSE.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "N_TEXTS", 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as `gpt2-course start` makes it."""
    start(tmp_path)
    return tmp_path


def solution(name: str) -> str:
    """The source of the course's brick."""
    return inspect.getsource(getattr(my_gpt2, name))


def write(folder: Path, **bricks: str) -> Path:
    """Write bricks into the file, as with an editor."""
    path = folder / FILE
    for name, source in bricks.items():
        part = parts(text := path.read_text(encoding="utf-8"))[name]
        lines = text.split("\n")
        lines[part.first : part.last] = source.rstrip("\n").split("\n")
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


def defined(source: str, name: str, folder: Path, **names: Any) -> Callable[..., Any]:
    """A function of a learner's own file."""
    path = folder / "learner.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("learner", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    vars(module).update(names)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def loaded(path: Path) -> ModuleType:
    """`my_gpt2.py` as a module of its own."""
    spec = importlib.util.spec_from_file_location("the_learners_gpt2", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(path: Path, *arguments: str) -> str:
    """What the file prints, run as learners run it; -I keeps the package out of reach."""
    command = [sys.executable, "-I", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- the file -----------------------------------------------------------------------------------------------------


def test_the_bricks_are_exercises_with_hints() -> None:
    assert len(NAMES) == len(BRICKS)
    assert set(NAMES) <= set(EXERCISES)
    assert list(HINTS) == list(BRICKS)
    assert [name for name in parts(WHOLE) if name in BRICKS] == list(BRICKS)


def test_a_stub_has_its_docstring_and_no_code() -> None:
    found = parts(stubs())
    assert not any(found[name].is_written for name in BRICKS)
    assert stubs().count("    ...  # exercise 17.2, explained in chapter 17\n") == 1
    assert all(parts(WHOLE)[name].is_written for name in BRICKS)
    for name in BRICKS:
        assert inspect.cleandoc(getattr(my_gpt2, name).__doc__) in inspect.cleandoc(stubs().replace("\n    ", "\n"))


def test_start_writes_what_is_missing_and_overwrites_nothing(tmp_path: Path) -> None:
    assert len(start(tmp_path)) == 6
    assert start(tmp_path) == []
    (tmp_path / FILE).write_text("mine")
    (tmp_path / "tiny-world.jsonl").unlink()
    assert start(tmp_path) == [tmp_path / "tiny-world.jsonl"]
    assert (tmp_path / FILE).read_text() == "mine"


def test_a_text_costs_a_perfect_model_as_much_as_it_says(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "tiny-world.jsonl").read_text(encoding="utf-8").splitlines()]
    model = GPT2.from_pretrained()
    tokenizer = model.require_tokenizer()
    costs = 0.0
    for line in lines:
        ids = torch.tensor([[tokenizer.end_of_text or 0, *tokenizer.encode(line["text"]), tokenizer.end_of_text or 0]])
        with torch.no_grad():
            costs += float(model(ids[:, :-1], ids[:, 1:])) * (ids.shape[1] - 1)
    # the shipped model also expects stories, so each text costs it the choice of the kind in addition
    share = sum(starting.WEIGHTS[kind] for kind in starting.KINDS) / sum(starting.WEIGHTS.values())
    assert costs / sum(line["nats"] - math.log(share) for line in lines) == pytest.approx(1, abs=0.1)


def test_the_file_is_whole_once_all_bricks_are_laid(folder: Path) -> None:
    for name in BRICKS:
        path = lay(getattr(my_gpt2, name), folder)
    assert path.read_text(encoding="utf-8") == WHOLE
    assert not parts((folder / laying.BACKUP).read_text(encoding="utf-8"))[list(BRICKS)[-1]].is_written


def test_bricks_may_come_in_any_order_from_anywhere(tmp_path: Path) -> None:
    names = list(reversed(BRICKS))
    for name in names[::2]:
        lay(getattr(my_gpt2, name), tmp_path)
    write(tmp_path, **{name: solution(name) for name in names[1::2]})
    assert (tmp_path / FILE).read_text(encoding="utf-8") == WHOLE


def test_the_file_imports_nothing_of_the_package() -> None:
    assert not re.search(r"^\s*(import|from) gpt2_course", WHOLE, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], {}),
        (["--temperature", "1.2"], {"temperature": 1.2}),
        (["--top-p", "0.7"], {"top_p": 0.7}),
        (["--temperature", "0"], {"temperature": 0.0}),
    ],
)
def test_it_tells_the_package_s_story(folder: Path, arguments: list[str], settings: dict[str, Any]) -> None:
    path = folder / FILE
    path.write_text(WHOLE, encoding="utf-8")
    told = run(path, "Once upon a time", "--seed", "0", *arguments)
    assert told == GPT2.from_pretrained().generate("Once upon a time", max_new_tokens=400, seed=0, **settings) + "\n"
    assert len(told) > 300


@pytest.mark.parametrize("as_pairs", [True, False])
def test_it_reads_a_tokenizer_in_one_file(tmp_path: Path, as_pairs: bool) -> None:
    folder = ROOT / "gpt2_course/pretrained/tiny-world"
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    lines = (folder / "merges.txt").read_text("utf-8").splitlines()[1:]
    end = {"content": "<|endoftext|>", "id": vocabulary.pop("<|endoftext|>")}
    model = {"vocab": vocabulary, "merges": [line.split() for line in lines] if as_pairs else lines}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": [end], "model": model}), "utf-8")
    text = "Pip's kite flew away, 300 feet high!\n\n  Oh, é!"
    ids = Tokenizer.load(folder).encode(text)
    assert my_gpt2.Tokenizer(tmp_path).encode(text) == my_gpt2.Tokenizer(folder).encode(text) == ids
    assert my_gpt2.Tokenizer(tmp_path).decode(ids) == text
    assert my_gpt2.Tokenizer(tmp_path).end == end["id"]


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_its_logits_are_the_package_s_for_a_model_of_openai_s_layout(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(1)
    tokenizer = Tokenizer.load(ROOT / "gpt2_course/pretrained/tiny-world")
    model = GPT2(GPT2Config(tokenizer.vocab_size, 32, 48, 3, 4), tokenizer).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path)
    tensors = {
        name.removeprefix("transformer."): tensor for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 4, 4)  # OpenAI's files contain the mask
    save_file(
        {prefix + name: tensor for name, tensor in tensors.items()}, tmp_path / "model.safetensors", {"format": "pt"}
    )

    weights, n_heads, own = my_gpt2.load(tmp_path)
    ids = torch.tensor(own.encode("Once upon a time, a fox named Pip lost a red kite."))
    with torch.no_grad():
        torch.testing.assert_close(my_gpt2.gpt2(ids, weights, n_heads), model(ids[None])[0], atol=1e-4, rtol=0)


def test_its_logits_are_the_package_s_for_the_shipped_model() -> None:
    model = GPT2.from_pretrained()
    weights, n_heads, own = my_gpt2.load(ROOT / "gpt2_course/pretrained/tiny-world")
    ids = torch.tensor(own.encode("The secret to happiness is a cup of tea, and 1234 pancakes 🥞!\n\nWho is Zoe?"))
    assert ids.tolist() == model.require_tokenizer().encode(own.decode(ids.tolist()))
    with torch.no_grad():
        torch.testing.assert_close(my_gpt2.gpt2(ids, weights, n_heads), model(ids[None])[0], atol=1e-4, rtol=0)


@pytest.fixture
def trainable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The whole file as a module that trains for a few steps, however long they take."""
    (folder / FILE).write_text(WHOLE, encoding="utf-8")
    module = loaded(folder / FILE)
    for name, value in {
        "STEPS": 8,
        "SECONDS": math.inf,
        "BATCH": 2,
        "HELD_OUT": 4,
        "CHANNELS": 32,
        "LEARNING_RATE": 0.1,
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_it_trains(trainable: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    loss, floor = trainable.train()
    shown = capsys.readouterr().out
    first = re.search(r"step +0 +(\S+) nats per token", shown)
    assert first
    assert floor < loss < float(first[1]) - 0.2
    assert f"The floor, a perfect model's loss: {floor:.2f} nats per token." in shown
    assert "below the floor" not in shown


def test_training_takes_the_same_steps_each_time(trainable: ModuleType) -> None:
    assert trainable.train() == trainable.train()


@pytest.mark.parametrize(
    ("cheat", "reason"),
    [
        ({"mask": lambda scores: scores}, "your attention sees the answer."),
        ({"shift": lambda ids: (ids[1:], ids[1:])}, "shift or cross_entropy does not ask for the next token."),
    ],
)
def test_the_floor_catches_cheats(
    trainable: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cheat: dict[str, Any],
    reason: str,
) -> None:
    for name, function in cheat.items():
        monkeypatch.setattr(trainable, name, function)
    monkeypatch.setattr(trainable, "measure", lambda documents, weights: 0.19)  # where many more steps would lead
    _, floor = trainable.train()
    assert f"0.19 nats per token is below the floor of {floor:.2f}: {reason}" in capsys.readouterr().out


# ---- laying -------------------------------------------------------------------------------------------------------


def test_a_brick_brings_what_it_needs(folder: Path) -> None:
    source = '''
import math
from functools import partial as bound
from torch.nn import functional as F

FAR = -math.inf
SIZE, LOST = 3, {"a": [1, 2]}


def scaled(scores):
    return scores / SIZE * SIZE


def hidden(scores):
    """Two helpers."""
    return scaled(scores).triu(1) * 0


# in my own words
def mask(scores):
    size = len(scores)
    future = bound(scores.new_ones)(size, size).triu(1).bool()
    return F.relu(hidden(scores)) + scores.masked_fill(future, -math.inf)
'''
    for _ in range(2):  # a second time, everything is replaced, and nothing is repeated
        lay(defined(source, "mask", folder), folder)
    text = (folder / FILE).read_text(encoding="utf-8")
    for once in (
        "from functools import partial as bound",
        "import torch.nn.functional as F",
        "SIZE = 3",
        "import math",
    ):
        assert text.count(f"\n{once}\n") == 1
    names = list(parts(text))
    assert names[names.index("mask") - 3 : names.index("mask")] == ["SIZE", "scaled", "hidden"]
    assert "FAR" not in text
    assert '"""The scores (T, T) with −∞' in text  # a function without a docstring gets the course's
    module = loaded(folder / FILE)
    scores = torch.randn(4, 4)
    assert torch.equal(module.mask(scores), my_gpt2.mask(scores))
    assert text.count("def mask") == 1
    assert not parts((folder / laying.BACKUP).read_text(encoding="utf-8"))["mask"].is_written


def test_an_infinite_constant_is_imported(folder: Path) -> None:
    source = "from math import inf\n\n\ndef mask(scores):\n    return scores.masked_fill(scores.isnan(), -inf)\n"
    lay(defined(source, "mask", folder), folder)
    assert "\nfrom math import inf\n" in (folder / FILE).read_text(encoding="utf-8")


REFUSED = {
    "mask uses tril, a Tensor defined outside of it": "tril = torch.ones(3)\ndef mask(scores): return scores + tril",
    "mask uses Box, a class defined outside of it": "class Box: pass\ndef mask(scores): return Box()",
    "mask uses GPT2 of gpt2_course": "from gpt2_course import GPT2\ndef mask(scores): return GPT2",
    "mask imports gpt2_course": "def mask(scores):\n    import gpt2_course\n    return scores",
    "helper uses gone, which is not defined": "def helper(): return gone\ndef mask(scores): return helper()",
    "by their own names: mask(…), not bricks.mask(…). Then check it again.": (
        "from gpt2_course.bricks import mine\nbricks = mine()\ndef mask(scores): return bricks.mask(scores)"
    ),
    "has something else called head": "head = 5\ndef mask(scores): return head(scores)",
    "has something else called tell": "def tell(x): return x\ndef mask(scores): return tell(scores)",
    "mask uses size of the function around it": (
        "def make(size):\n    def mask(scores): return scores[:size]\n    return mask\nmask = make(2)"
    ),
    "written with def": "mask = lambda scores: scores",
    "cover is not the name of a brick": "def mask(scores): pass\ndef cover(scores): return scores\nmask = cover",
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_laid_gets_a_sentence(folder: Path, message: str) -> None:
    function = defined(f"import torch\n{REFUSED[message]}\n", "mask", folder)
    before = (folder / FILE).read_text(encoding="utf-8")
    with pytest.raises(CannotLay, match=re.escape(message)):
        lay(function, folder)
    assert (folder / FILE).read_text(encoding="utf-8") == before


def test_a_function_without_source_gets_a_sentence(folder: Path) -> None:
    names: dict[str, Any] = {}
    exec("def mask(scores): return scores", names)
    with pytest.raises(CannotLay, match="Python does not find the source of mask"):
        lay(names["mask"], folder)
    with pytest.raises(CannotLay, match="Only a function that is written with def"):
        lay(partial(my_gpt2.mask), folder)


def test_a_brick_is_laid_beside_a_broken_one(folder: Path) -> None:
    path = write(folder, head="def head(q, k, v:\n    return (")
    lay(my_gpt2.mask, folder)
    text = path.read_text(encoding="utf-8")
    assert "def head(q, k, v:\n    return (\n" in text
    assert parts(text)["mask"].is_written
    assert lay(my_gpt2.head, folder) == path
    assert mend(path.read_text(encoding="utf-8"))[1] == {}


def test_a_missing_brick_comes_back_in_its_place(folder: Path) -> None:
    path = write(folder, mask="")
    lay(my_gpt2.mask, folder)
    assert [name for name in parts(path.read_text(encoding="utf-8")) if name in BRICKS] == list(BRICKS)


def test_a_right_answer_is_laid_where_a_file_is_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lay_if_brick("4.2", my_gpt2.mask) == ""  # a script without the file: nothing is written
    assert list(tmp_path.iterdir()) == []
    start()
    assert lay_if_brick("4.2", my_gpt2.mask) == f"Laid into {tmp_path / FILE}."
    assert "Call your function head, and check it again." in lay_if_brick("4.4", my_gpt2.mask)
    assert lay_if_brick("1.1", my_gpt2.mask) == ""
    (tmp_path / FILE).write_text("if", encoding="utf-8")
    assert "has to be mended first. Line 1 is not valid Python" in lay_if_brick("4.2", my_gpt2.mask)


@pytest.mark.slow
def test_a_notebook_lays_bricks_and_builds_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # for `progress`
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    first = "\n".join(line for line in WHOLE.split("\n") if re.match("import|from", line))
    cells = [
        first + "\nfrom gpt2_course.exercises import check, progress\nfrom gpt2_course.bricks import mine, starting"
    ]
    cells += ["starting.N_TEXTS = 30\nprint(mine())"]
    cells += [inspect.getsource(my_gpt2.layers)]
    cells += [f"{solution(name)}\n\ncheck('{number}', {name})" for name, number in BRICKS.items()]
    cells += ["print(mine())\nprogress()"]
    cells += ["print(mine().model().generate('Once upon a time', max_new_tokens=30, seed=0))"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [output.get("text") or output.data["text/plain"] for cell in notebook.cells for output in cell.outputs]
    assert shown[0].startswith("So far 0 of 23 bricks are yours; borrowed from the course: merge, encode,")
    assert [text for text in shown[1:-3] if f": correct. Laid into {tmp_path / FILE}." not in text] == []
    assert shown[-3] == "So far 23 of 23 bricks are yours.\n"
    assert shown[-2].startswith("23 of ")
    story = GPT2.from_pretrained().generate("Once upon a time", max_new_tokens=30, seed=0)
    assert shown[-1] == f"{story}\n"
    assert (tmp_path / FILE).read_text(encoding="utf-8") == WHOLE


# ---- building with the learner's bricks ---------------------------------------------------------------------------


def test_what_is_missing_or_broken_is_borrowed(folder: Path) -> None:
    write(folder, mask=solution("mask"), head="def head(q, k, v:\n", shift="")
    bricks = mine(folder)
    assert bricks.laid == ["mask"]
    shown = repr(bricks).replace("\n", " ")
    assert "1 of 23" in shown
    assert "borrowed from the course: merge, " in shown
    assert "attention_weights, head," in shown
    assert bricks.attention_weights(torch.ones(2, 3), torch.ones(2, 3)).tolist() == [[1, 0], [0.5, 0.5]]


def test_borrowed_bricks_call_the_learner_s_and_the_reverse(folder: Path) -> None:
    write(
        folder,
        mask="def mask(scores):\n    return scores * 0",
        head="def head(q, k, v):\n    return attention_weights(q, k)",
    )
    bricks = mine(folder)
    assert bricks.attention_weights(torch.ones(2, 3), torch.ones(2, 3)).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert bricks.head(torch.ones(2, 3), torch.ones(2, 3), None).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_without_a_file_everything_is_borrowed(tmp_path: Path) -> None:
    assert mine(tmp_path).laid == []
    (tmp_path / FILE).write_text("1 / 0\n")
    with pytest.raises(ValueError, match=r"my_gpt2\.py stops before its end: ZeroDivisionError"):
        mine(tmp_path)


def test_a_model_of_bricks_writes_and_is_looked_into_like_any_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # its folder tiny-world is the shipped model
    bricks, model = mine(), GPT2.from_pretrained()
    built = bricks.model()
    prompts = ["Once upon a time, a fox", "Music", "The secret to"]
    assert built.generate(prompts, max_new_tokens=25, seed=3) == model.generate(prompts, max_new_tokens=25, seed=3)
    ids = torch.tensor([[5, 9, 2, 7], [1, 2, 3, 4]])
    with torch.no_grad():
        torch.testing.assert_close(built(ids), model(ids), atol=1e-4, rtol=0)
        torch.testing.assert_close(built(ids, ids), model(ids, ids), atol=1e-4, rtol=0)
    assert activations(built, [5, 9])["attention", 0].shape == (6, 2, 2)
    lab = Playground(built, seed=1)
    assert lab.kernel.generate("Once", {"temperature": 0.8, "top_k": None, "top_p": None}, 1, 5)
    monkeypatch.setattr(bricks, "gpt2", lambda ids, weights, n_heads: torch.arange(3072.0).expand(len(ids), -1))
    assert built.generate(ids[0], max_new_tokens=1, temperature=0).tolist() == [5, 9, 2, 7, 3071]


# ---- checking a file ----------------------------------------------------------------------------------------------


def checked(path: Path, only: str = "") -> list[Result]:
    with Checker() as checker:
        return list(checker.check(path, only))


def test_a_file_of_stubs_is_a_beginning(folder: Path) -> None:
    assert {result.state for result in checked(folder / FILE)} == {"not written yet"}


def test_the_course_s_file_is_right(folder: Path) -> None:
    (folder / FILE).write_text(WHOLE, encoding="utf-8")
    assert [result for result in checked(folder / FILE) if result.state != "correct"] == []


def test_each_brick_is_judged_on_its_own(folder: Path) -> None:
    (folder / FILE).write_text(WHOLE, encoding="utf-8")
    write(folder, mask="def mask(scores):\n    return scores", split_heads="def split_heads(x, n_heads):\n    ...")
    write(folder, layer_norm="def layer_norm(x, gain, bias)\n    return x", draw="")
    states = {result.name: result.state for result in checked(folder / FILE)}
    wrong = {name: state for name, state in states.items() if state != "correct"}
    assert wrong == {
        "mask": "not right yet",
        "split_heads": "not written yet",
        "layer_norm": "not right yet",
        "draw": "not written yet",
    }


FAKE = """def mask(scores):
    import json, os
    answer = {"secret": "?", "number": "4.2", "state": "correct", "message": ""}
    for number in range(3, 20):
        try:
            os.write(number, json.dumps(answer).encode() + b"\\n")
        except OSError:
            pass
"""
HAZARDS = {
    "It ended Python (exit code 3): remove what does that.": "def mask(scores):\n    import os\n    os._exit(3)",
    "It crashed Python (SIGSEGV).": "def mask(scores):\n    import ctypes\n    ctypes.string_at(0)",
    "It prints more than 20,000 characters": "def mask(scores):\n    while True:\n        print('so long')",
    "It prints more than 20,000 characters: remove": (
        "def mask(scores):\n    try:\n        print('so' * 20000)\n    except BaseException:\n        return scores"
    ),
    "SystemExit": "def mask(scores):\n    import sys\n    sys.exit(0)",
    "is not valid Python": "def mask(scores:\n    return scores",
    "It wrote to the channel on which results are reported": FAKE,
}


@pytest.mark.slow
@pytest.mark.parametrize("message", HAZARDS)
def test_whatever_a_brick_does_is_a_sentence(folder: Path, message: str) -> None:
    if "SIGSEGV" in message and os.name != "posix":
        pytest.skip("Windows has no signals")
    path = write(folder, mask=HAZARDS[message], attention_weights=solution("attention_weights"))
    with Checker() as checker:
        results = {result.name: result for result in checker.check(path)}
    assert results["mask"].state == "not right yet"
    assert message in results["mask"].message
    assert "\n" not in results["mask"].message
    assert results["attention_weights"].state == "correct"  # with the course's mask
    assert results["head"].state == "not written yet"


def test_an_endless_loop_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    class Impatient(checking.Queue):  # type: ignore[type-arg]
        """Waits for answers about other things; about the loop, which never answers, only for a moment."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            waited.append(timeout)
            return super().get(block, 0.2 if len(waited) == 3 else None)

    monkeypatch.setattr(checking, "Queue", Impatient)
    path = write(folder, mask="def mask(scores):\n    while True: pass")
    (result,) = checked(path, "4.2")
    assert result.message == "It was stopped after 20 seconds: look for a loop that never ends."
    assert waited == [None, 20, 20]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os._exit(0)", "It ended Python (exit code 0)"),
        ("exit()", "It ends Python in line 1: remove exit()."),
        ("1 / 0", "my_gpt2.py stops in line 1, outside the bricks: ZeroDivisionError: division by zero."),
        ("import gone", "outside the bricks: ModuleNotFoundError: No module named 'gone'. Until that is repaired"),
        ("x = (", "Line 1 is not valid Python: '(' was never closed."),
        ("\0", "not valid Python"),
    ],
)
def test_a_file_that_cannot_be_run_is_a_sentence(tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / FILE).write_text(code, encoding="utf-8")
    results = checked(tmp_path / FILE)
    assert len(results) == len(BRICKS)
    assert all(message in result.message for result in results)


@pytest.mark.posix
def test_a_file_cannot_write_files_nor_pretend_by_printing(folder: Path) -> None:
    grades = folder / "grades.json"
    code = (
        'def mask(scores):\n    print(\'{"state": "correct"}\')\n'
        f"    with open({str(grades)!r}, 'w') as file:\n        file.write('good')"
    )
    (result,) = checked(write(folder, mask=code), "4.2")
    assert "File too large" in result.message
    assert set(result.printed.splitlines()) == {'{"state": "correct"}'}
    assert "It printed:" in str(result)
    assert grades.read_text() == ""


@pytest.mark.linux
def test_a_file_has_no_network_where_the_system_allows_this(folder: Path) -> None:
    if not checking.without_network():
        pytest.skip("this system does not allow processes without network")
    code = (
        "def mask(scores):\n    import socket\n    raise ValueError(str([name for _, name in socket.if_nameindex()]))"
    )
    (result,) = checked(write(folder, mask=code), "4.2")
    assert "['lo']" in result.message


def test_modules_beside_the_file_hide_no_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "random.py").write_text("1 / 0")
    monkeypatch.chdir(folder)
    assert checked(Path(FILE), "4.2")[0].state == "not written yet"


def test_a_notebook_is_checked_by_the_names_of_its_functions(tmp_path: Path) -> None:
    cells = ["%matplotlib inline\nimport torch\nimport math\nSIZE = 3\nstarted = [1] * 10**9"]
    cells += ["def mask(scores):\n    return scores"]
    cells += [solution("mask") + "\ncheck('4.2', mask)\n!ls"]
    cells += ["def triples(words):\n    return None\n\n\ncheck('1.1', triples)", "def head(q, k, v:\n    return q"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = tmp_path / "04.ipynb"
    nbformat.write(notebook, path)
    results = {result.number: result for result in checked(path)}
    assert list(results) == ["4.2", "4.4", "1.1"]
    assert results["4.2"].state == "correct"
    assert "is not valid Python" in results["4.4"].message
    assert results["1.1"].name == "triples"
    assert results["1.1"].state != "correct"
    with pytest.raises(ValueError, match="not a notebook"):
        from_notebook("{}")


# ---- the commands -------------------------------------------------------------------------------------------------


def test_the_commands_lead_through_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / FILE)
    assert main(["start", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert f"Kept {path}." in shown
    assert shown.endswith("\nChapter 2 of the book explains exercises 2.1, 2.2, and so on.\n")
    assert main(["check", path]) == 1
    shown = capsys.readouterr().out
    assert "… 2.4  merge\n" in shown
    assert "0 of 23 right. Next: 2.4 merge. For a hint: gpt2-course check --hint 2.4" in shown
    write(folder, mask="def mask(scores):\n    return scores.masked_fill(torch.ones_like(scores).tril() == 0, 0.0)")
    assert main(["check", path, "--only", "4.2"]) == 1
    assert "✗ 4.2  mask: A score of 0 does not hide a token" in capsys.readouterr().out
    write(folder, mask=solution("mask"))
    assert main(["check", path, "--only", "4.2"]) == 0
    assert "✓ 4.2  mask\n\n1 of 1 right." in capsys.readouterr().out
    (folder / FILE).write_text(WHOLE, encoding="utf-8")
    assert main(["check", path]) == 0
    assert "23 of 23 right. Your GPT-2 is whole. Let it write: python" in capsys.readouterr().out


def test_what_stops_the_whole_file_is_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / FILE).write_text(f"1 / 0\n{WHOLE}", encoding="utf-8")
    assert main(["check", str(folder / FILE)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("✗ my_gpt2.py stops in line 1, outside the bricks")
    assert shown.count("\n") == 3
    assert shown.endswith("\n0 of 23 right. \n")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("weights = read_tensors((", "weights = read_tensors(1 + (", "`load`, line "),
        ("def layers(weights)", "def layer(weights)", "`layers` is missing"),
    ],
)
def test_a_change_to_the_given_part_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, part: str
) -> None:
    (folder / FILE).write_text(WHOLE.replace(old, new).replace("STEPS, SECONDS = 1500", "STEPS, SECONDS = 20"))
    assert main(["check", str(folder / FILE)]) == 0
    assert f"23 of 23 right. But the given part has changed ({part}" in capsys.readouterr().out


def test_the_program_says_that_bricks_are_not_written(folder: Path) -> None:
    path = write(folder, merge=solution("merge"))
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, check=False)
    assert done.stderr == "Not all bricks are written yet: continue with exercise 2.3. See gpt2-course check.\n"


def test_training_needs_no_brick_that_reads_weights_or_cuts(folder: Path) -> None:
    path = write(folder, **{name: solution(name) for name in BRICKS if name not in ("top_k", "read_tensors")})
    short = path.read_text(encoding="utf-8").replace("STEPS, SECONDS = 1500, 120", "STEPS, SECONDS = 1, 1000")
    path.write_text(short.replace("HELD_OUT = 100", "HELD_OUT = 2").replace("limit=400", "limit=2"), encoding="utf-8")
    for options, number in (([], "17.2"), (["--top-k", "5"], "10.2")):
        command = [sys.executable, "-I", str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = f"Not all bricks are written yet: continue with exercise {number}. See gpt2-course check.\n"
        assert done.stderr == said
    done = subprocess.run([sys.executable, "-I", str(path), "--train"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step     1 " in done.stdout


def test_the_course_s_lines_are_not_shown_in_warnings(folder: Path) -> None:
    code = (
        "def attention_weights(q, k):\n    import warnings\n    warnings.warn('mine')\n    return mask(q[None] @ k.T)"
    )
    (result,) = checked(write(folder, attention_weights=code), "4.3")
    assert "UserWarning: mine" in result.printed
    head = "def head(q, k, v):\n    return attention_weights(q[None], k[None])"
    (result,) = checked(write(folder, attention_weights="def attention_weights(q, k):\n    ...", head=head), "4.4")
    assert result.printed == ""


def test_a_missing_or_doubled_brick_is_named(folder: Path) -> None:
    path = write(folder, split_heads="def split_head(x, n_heads):\n    return x", draw="")
    path.write_text(path.read_text(encoding="utf-8") + "\n\ndef mask(scores):\n    return scores\n", encoding="utf-8")
    results = {result.name: result.message for result in checked(path)}
    assert results["split_heads"] == (
        "There is no function split_heads in the file. Is split_head meant? Call it split_heads."
    )
    assert results["draw"] == "There is no function draw in the file."
    assert "The file defines mask more than once: Python uses the last, in line " in results["mask"]
    assert results["head"] == ""


def test_a_check_without_a_parent_ends_quietly() -> None:
    done = subprocess.run(
        [sys.executable, "-c", checking.PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_brick_may_be_named_in_a_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--hint", "mask"]) == 0
    assert capsys.readouterr().out == HINTS["mask"] + "\n"
    assert main(["check", str(folder / FILE), "--only", "mask"]) == 1
    assert capsys.readouterr().out.startswith("… 4.2  mask\n\n0 of 1 right.")


def test_a_hint_needs_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--hint", "4.3"]) == 0
    assert capsys.readouterr().out == HINTS["attention_weights"] + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hint", "4.9"], "There is no brick 4.9. Choose from 2.4, 2.3,"),
        (["--only", "99"], "There is no brick 99."),
        (["nowhere.py"], "There is no nowhere.py: write it with gpt2-course start."),
        (["."], ". is a folder: name a file, or give --report grades.csv"),
        ([".", "--report", "grades.txt"], "--report must name a .json or .csv file, not 'grades.txt'."),
        ([".", "--report", "grades.csv"], "There are no Python files or notebooks in ."),
    ],
)
def test_mistakes_in_a_command_are_sentences(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_watching_checks_again_when_the_file_is_saved(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saves = iter(["def mask(scores):\n    return scores", solution("mask")])

    def save_instead_of_waiting(seconds: float) -> None:
        assert seconds < 1
        if (code := next(saves, None)) is None:
            raise KeyboardInterrupt
        before = (folder / FILE).stat()
        write(folder, mask=code)
        os.utime(folder / FILE, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    monkeypatch.setattr("gpt2_course.cli.time.sleep", save_instead_of_waiting)
    assert main(["check", str(folder / FILE), "--only", "4.2", "--watch"]) == 130
    assert re.findall(r"^(.) 4\.2", capsys.readouterr().out, re.MULTILINE) == ["…", "✗", "✓"]


def test_a_save_during_a_check_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / FILE
    saves = iter([lambda: os.utime(path, ns=(1, 1))])

    def check_while_it_is_saved(self: Checker, path: Path, only: str) -> list[Result]:
        next(saves, lambda: None)()
        return [Result("4.2", "mask", "correct")]

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Checker, "check", check_while_it_is_saved)
    monkeypatch.setattr(Checker, "prepare", lambda self: None)
    monkeypatch.setattr("gpt2_course.cli.time.sleep", stop)
    assert main(["check", str(path), "--only", "4.2", "--watch"]) == 130
    assert capsys.readouterr().out.count("✓ 4.2") == 2


def test_a_report_has_an_entry_per_exercise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, mask=solution("mask"))
    out = folder / "grades.json"
    assert main(["check", str(folder / FILE), "--report", str(out)]) == 1
    ((file, exercises),) = (
        (entry["file"], entry["exercises"]) for entry in json.loads(out.read_text(encoding="utf-8"))
    )
    assert file == str(folder / FILE)
    assert [entry["number"] for entry in exercises] == list(NAMES)
    right = [entry for entry in exercises if entry["state"] == "correct"]
    assert [entry["name"] for entry in right] == ["mask"]
    assert round(right[0]["seconds"], 2) == right[0]["seconds"]
    assert "1 of 23 right" in capsys.readouterr().out


def test_a_class_is_graded_in_one_table(tmp_path: Path) -> None:
    students = {"ann": solution("mask"), "ben": "def mask(scores):\n    return scores"}
    for name, code in students.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_text(f"import torch\nimport math\n\n{code}\n", encoding="utf-8")
    (tmp_path / "ben" / laying.BACKUP).write_text("")
    (tmp_path / "cat.py").write_bytes(b"\xff")
    out = tmp_path / "out" / "grades.csv"
    assert main(["check", str(tmp_path), "--report", str(out), "--only", "4.2"]) == 1
    table = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["state"] for row in table if row["number"] == "total"] == ["1/1", "0/1", "0/1"]
    rows = [row for row in table if row["number"] != "total"]
    assert [Path(row["file"]).relative_to(tmp_path).as_posix() for row in rows] == [
        "ann/my_gpt2.py",
        "ben/my_gpt2.py",
        "cat.py",
    ]
    assert [row["state"] for row in rows] == ["correct", "not right yet", "not checked"]
    assert "not a text in UTF-8" in rows[2]["message"]
    assert main(["check", str(tmp_path / "cat.py"), "--report", str(out)]) == 1
    assert f"total,,0/{len(BRICKS)}" in out.read_text(encoding="utf-8")


def test_a_message_has_no_addresses(folder: Path) -> None:
    code = "def mask(scores):\n    raise ValueError(object())"
    (result,) = checked(write(folder, mask=code), "4.2")
    assert result.message.endswith("ValueError: <object object>.")


def test_a_report_keeps_commas_and_line_ends(tmp_path: Path) -> None:
    write_report(tmp_path / "a.csv", {"x": [Result("4.2", "mask", "correct", 'a, "b"\nc')]})
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == ["x", "4.2", "mask", "correct", 'a, "b"\nc', "0.0"]


def test_waiting_for_a_save_bears_a_file_that_is_gone_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE
    path.write_text("")
    moments = iter([path.unlink, lambda: path.write_text("new")])
    monkeypatch.setattr("gpt2_course.cli.time.sleep", lambda seconds: next(moments)())
    assert Check(path)._wait_for_change(path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert path.read_text() == "new"


# ---- progress -----------------------------------------------------------------------------------------------------


def test_each_exercise_is_a_stud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["gpt2_course.exercises.progress"], "solved", lambda: ["4.2", "4.4"])
    shown = progress()
    number = sum(exercise.startswith("4.") for exercise in EXERCISES)
    assert sum(shown.studs[4]) == 2
    assert len(shown.studs[4]) == number
    assert shown._repr_html_().count('fill="#B34700"') == 2  # the color of chapter 4: two studs, and not its brick


# ---- a project's results -------------------------------------------------------------------------------------------


def table(path: Path, **losses: list[float]) -> Path:
    """A table of results in which the seeds are 0, 1, and so on."""
    rows = [f"{variant},{seed},{loss}" for variant, found in losses.items() for seed, loss in enumerate(found)]
    path.write_text("\n".join(["variant,seed,loss", *rows]), encoding="utf-8")
    return path


def test_a_fair_comparison_gets_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "results.csv", before=[0.5, 0.6, 0.7], clear=[0.4, 0.51, 0.59], lucky=[0.2, 0.6, 0.65])
    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4 right. Your comparison is fair." in shown
    assert "clear: -0.100 ± 0.006 nats, 3 of 3 seeds agree: more than luck" in shown
    assert "lucky: -0.117 ± 0.093 nats, 2 of 3 seeds agree: could be luck" in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the columns variant, seed, and loss; variant is missing"),
        ("variant,loss\na,1", "seed is missing"),
        ("variant,seed,loss", "There are no losses in it yet"),
        ("variant,seed,loss\na,0,low", "Line 2: the loss must be a number, but is 'low'"),
        ("variant,seed,loss\na,0,nan", "Line 2: the loss must be a number, but is 'nan'"),
        ("variant,seed,loss\na,0", "Line 2: the loss must be a number, but is None"),
        ("variant,seed,loss\na,0,1\na,0,2", "Line 3: a has seed 0 twice"),
        ("variant,seed,loss\na,0,1\na,1,1\na,2,1", "a is the only variant"),
        ("variant,seed,loss\na,0,1\nb,0,1", "a has 1, b has 1. With fewer than 3"),
        ("variant,seed,loss\na,0,1\na,1,1\na,2,1\nb,0,1\nb,1,1\nb,3,1", "b and a have different seeds"),
    ],
)
def test_an_unfair_comparison_gets_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["check", str(path)]) == 1
    shown = capsys.readouterr().out
    assert message in shown
    assert "fair" not in shown


def test_results_are_graded_beside_the_files_of_a_class(tmp_path: Path) -> None:
    table(tmp_path / "results.csv", a=[1, 2, 3], b=[2, 3, 5])
    assert main(["check", str(tmp_path), "--report", str(tmp_path / "grades.json")]) == 0
    (entry,) = json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))
    assert [each["state"] for each in entry["exercises"]] == ["correct"] * 4
