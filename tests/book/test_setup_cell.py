"""The folded first cell of every chapter, run in an environment with torch but without the package, like Colab."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest

from book.repository import address

ROOT = Path(__file__).resolve().parents[2]
CHAPTER_FILES = sorted((ROOT / "chapters").glob("*.ipynb"))
SCRIPT = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
result = shell.run_cell(sys.argv[1])
result.raise_error()
import gpt2_course, torch
print("FOUND", gpt2_course.__file__, torch.__version__, torch.__file__)
"""


def setup_cell(path: Path) -> str:
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if "setup" in c.metadata.get("tags", [])]
    return str(cell.source)


def test_all_chapters_have_the_same_setup_cell() -> None:
    assert len({setup_cell(path) for path in CHAPTER_FILES}) == 1
    assert f"git+{address()}" in setup_cell(CHAPTER_FILES[0])


def test_the_setup_cell_installs_the_package_and_leaves_torch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This environment sees all packages installed here except ours, because .pth files like that of our editable
    # install are read only in an environment's own folder.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it may contain the package
    before = subprocess.run(
        [python, "-c", "import importlib.util as u; print(u.find_spec('gpt2_course'))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert before.stdout.strip() == "None"
    # Redirect the address to this repository, and let pip fetch nothing else.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{ROOT}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", address())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # despite its name, 0 turns isolation off

    done = subprocess.run(
        [python, "-c", SCRIPT, setup_cell(CHAPTER_FILES[0])], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    _, package, version, torch_file = done.stdout.splitlines()[-1].split()
    assert package.startswith(str(site))
    assert not (site / "torch").exists()
    assert Path(torch_file).is_relative_to(sysconfig.get_path("purelib"))
    assert version == __import__("torch").__version__
    assert sys.prefix not in package
