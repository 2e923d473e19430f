"""Adding a corpus or an optimizer takes one entry in one table; a test names the texts that do not mention it yet.

Each addition is made in a temporary copy of the package, which a subprocess imports.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gpt2_course.data import CORPORA
from gpt2_course.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parents[2]
HELP = "the help text of TrainConfig.{setting} in gpt2_course/training/config.py"
FABLES = b"The fox and the owl shared a plum.\n" * 400


def forgotten_places(root: Path, setting: str, name: str) -> list[str]:
    """The texts in a copy of the repository that list all values of a setting, but not this one."""
    code = (root / "gpt2_course/training/config.py").read_text(encoding="utf-8")
    help_text = re.search(rf'^    {setting}: str = [^\n]*\n    """(.*?)"""', code, re.DOTALL | re.MULTILINE)
    assert help_text
    texts = {HELP.format(setting=setting): help_text[1]}
    if setting == "data" and name != "tiny-world":  # the default, which commands leave out
        readme = (root / "README.md").read_text(encoding="utf-8")
        texts["the commands in README.md"] = "\n".join(re.findall(r"--data (\S+)", readme))
    return [place for place, text in texts.items() if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)]


@pytest.mark.parametrize(
    ("setting", "name"), [*(("data", name) for name in CORPORA), *(("optimizer", name) for name in OPTIMIZERS)]
)
def test_every_corpus_and_optimizer_is_mentioned(setting: str, name: str) -> None:
    forgotten = forgotten_places(ROOT, setting, name)
    assert not forgotten, f"Mention {name} in {' and in '.join(forgotten)}."


class Copy:
    """A copy of the package, and of the README, in which to add things."""

    def __init__(self, root: Path) -> None:
        self.root = root
        unused = shutil.ignore_patterns("__pycache__", "assets", "pretrained", "static")
        shutil.copytree(ROOT / "gpt2_course", root / "gpt2_course", ignore=unused)
        shutil.copyfile(ROOT / "README.md", root / "README.md")

    def insert(self, file: str, after: str, text: str) -> None:
        """Insert text after a line that occurs once in a file."""
        path = self.root / file
        before = path.read_text(encoding="utf-8")
        assert before.count(f"{after}\n") == 1
        path.write_text(before.replace(f"{after}\n", f"{after}\n{text}\n"), encoding="utf-8")

    def run(self, script: str, *arguments: str) -> list[str]:
        """The lines that a script prints if it imports this copy."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        file, *lines = done.stdout.splitlines()
        assert Path(file).is_relative_to(self.root)
        return lines


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path.resolve())


# ---- a corpus --------------------------------------------------------------------------------------------------


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a text on a local server."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "fables.txt").write_bytes(FABLES)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/fables.txt"
        server.shutdown()


def test_a_corpus_needs_only_an_entry_in_downloads(copy: Copy, url: str) -> None:
    checksum = hashlib.sha256(FABLES).hexdigest()
    copy.insert("gpt2_course/data/text.py", "DOWNLOADS = {", f'    "fables": Download("{url}", "{checksum}"),')
    script = """
        from pathlib import Path
        import gpt2_course
        from gpt2_course import TrainConfig
        from gpt2_course.data import DataSpec, find_corpus, text

        print(gpt2_course.__file__)
        text._cache = lambda: Path("cache")
        corpus = find_corpus("fables")
        print(sum(len(piece) for part in (corpus.train, corpus.val) for d in part for piece in d.pieces()))
        print(DataSpec.parse("fables").folder_name, TrainConfig(data="fables").folder.as_posix())
        try:
            find_corpus("nosuch")
        except FileNotFoundError as error:
            print(error)
    """
    size, folders, error = copy.run(script)
    assert int(size) == len(FABLES)
    assert folders == "fables runs/laptop-fables"
    assert "or one of tiny-world, tiny-world-dialogues, python-manual, fables, shakespeare." in error
    assert forgotten_places(copy.root, "data", "fables") == [HELP.format(setting="data"), "the commands in README.md"]


# ---- an optimizer ----------------------------------------------------------------------------------------------


def test_an_optimizer_needs_only_an_entry_in_optimizers(copy: Copy) -> None:
    sgd = '    "sgd": lambda matrices, rest, settings: [torch.optim.SGD([*matrices, *rest], settings.learning_rate)],'
    copy.insert("gpt2_course/optimizers.py", '    "adamw": _adamw_only,', sgd)
    (copy.root / "a.txt").write_bytes(FABLES)
    script = """
        import contextlib
        import sys
        import gpt2_course
        from gpt2_course import GPT2Config, TrainConfig, Trainer
        from gpt2_course.cli import main

        print(gpt2_course.__file__)
        shape = GPT2Config(n_positions=16, n_embd=16, n_layer=1, n_head=2)
        settings = dict(data="a.txt", model=shape, context=16, steps=3, batch_size=2, sample_tokens=2)
        with contextlib.redirect_stdout(sys.stderr):
            trainer = Trainer.from_config(TrainConfig(optimizer="sgd", out="run", **settings))
            history = trainer.train()
        print(*(type(optimizer).__name__ for optimizer in trainer.optimizers))
        print(history[-1]["step"], history[-1]["val_loss"] < history[0]["val_loss"])
        try:
            TrainConfig(optimizer="adam")
        except ValueError as error:
            print(error)
        with contextlib.redirect_stdout(sys.stderr):
            code = main(["train", "--optimizer", "sgd", "--resume", "--steps", "4", "--out", "run"])
        print(code)
    """
    names, trained, error, code = copy.run(script)
    assert names == "SGD"
    assert trained == "3 True"
    assert re.fullmatch(r"optimizer must be muon,? (or )?adamw,? or sgd, but is 'adam'\.", error)
    assert code == "0"
    assert forgotten_places(copy.root, "optimizer", "sgd") == [HELP.format(setting="optimizer")]
