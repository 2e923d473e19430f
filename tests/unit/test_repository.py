"""One command moves the course to another address."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml

from book.extensions.fork import BRANCH, setup
from book.refresh import sources_hash
from book.repository import address, book_address

ROOT = Path(__file__).resolve().parents[2]


def move(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "book.repository", *arguments], cwd=copy, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of this repository's files, committed and new."""
    tmp_path = tmp_path / "copy"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_one_command_changes_the_address_everywhere_and_back(copy: Path) -> None:
    old, new = address(), "https://github.com/Someone/" + "another-place"  # split, so the move back leaves this file
    old_book, new_book = book_address(), "https://someone.github.io/" + "another-place/"
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and ".git" not in path.parts}
    done = move(copy, new + ".git")
    assert done.returncode == 0, done.stderr
    assert {"_config.yml", "chapters/01_language_models.ipynb"} <= set(done.stdout.split())
    unchanged = [path for path in before if any(moved.encode() in path.read_bytes() for moved in (old, old_book))]
    assert unchanged == []
    assert f"]({new_book}book/glossary.html#query)" in (copy / "chapters/04_attention.ipynb").read_text(
        encoding="utf-8"
    )
    for path in (copy / "chapters").glob("*.ipynb"):
        # only the setup cell and links changed, so no notebook needs a refresh
        notebook = nbformat.read(path, as_version=4)
        assert notebook.metadata["sources"] == sources_hash(notebook)
    subprocess.run(["git", "add", "-A"], cwd=copy, check=True)
    assert move(copy, old).returncode == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_book_may_be_published_elsewhere(copy: Path) -> None:
    done = move(copy, "https://forge.example/someone/" + "it")
    assert done.returncode == 1
    assert "The book's address is not known for repositories on forge.example: give it with" in done.stderr
    assert address() in (copy / "_config.yml").read_text(encoding="utf-8")

    done = move(copy, "https://forge.example/someone/" + "it", "https://gpt2.example")
    assert done.returncode == 0, done.stderr
    config = (copy / "_config.yml").read_text(encoding="utf-8")
    assert "url: https://forge.example/someone/it\n" in config
    assert "baseurl: https://gpt2.example/\n" in config


def push_as_actions_does(copy: Path, repository: str) -> list[str]:
    """Run the step of publish.yml that pushes a branch, for a repository on GitHub; returns the branches pushed."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    (script,) = [step["run"] for step in workflow["jobs"]["branch"]["steps"] if "run" in step]
    origin = copy.parent / "origin.git"
    for command in (
        ["init", "--quiet", "--bare", str(origin)],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--message", "all"],
        ["remote", "add", "origin", str(origin)],
    ):
        subprocess.run(["git", *command], cwd=copy, check=True)
    address_of = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": repository}
    subprocess.run(["bash", "-e", "-c", script], cwd=copy, env={**os.environ, **address_of}, check=True)
    listed = subprocess.run(["git", "branch", "--list"], cwd=origin, capture_output=True, text=True, check=True).stdout
    return listed.split()


@pytest.mark.posix
def test_colab_opens_a_forks_notebooks_with_the_forks_addresses(copy: Path) -> None:
    assert push_as_actions_does(copy, "Ada/my-gpt2") == [BRANCH]
    show = ["git", "show", f"{BRANCH}:chapters/04_attention.ipynb"]
    notebook = subprocess.run(show, cwd=copy.parent / "origin.git", capture_output=True, check=True).stdout.decode()
    assert "git+https://github.com/Ada/my-gpt2" in notebook
    assert address() not in notebook


@pytest.mark.posix
def test_the_original_needs_no_branch_of_its_own(copy: Path) -> None:
    assert push_as_actions_does(copy, address().removeprefix("https://github.com/")) == []


def test_a_forks_launch_buttons_open_that_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[str, Callable[..., None]] = {}
    setup(SimpleNamespace(connect=handlers.__setitem__))  # type: ignore[arg-type]

    def launched_from(**environment: str) -> tuple[str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        options = {"repository_url": address(), "repository_branch": "main"}
        handlers["config-inited"](None, SimpleNamespace(html_theme_options=options, html_baseurl=book_address()))
        return options["repository_url"], options["repository_branch"]

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert launched_from() == (address(), "main")
    fork = launched_from(GITHUB_ACTIONS="true", GITHUB_REPOSITORY="Ada/my-gpt2")
    assert fork == ("https://github.com/Ada/my-gpt2", BRANCH)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "URL must be an address like https://github.com/you/your-copy, but is ''."),
        (["github.com/me/it"], "URL must be an address"),
        (["https://github.com/me"], "URL must be an address"),
        (["https://a.b/c/d e"], "URL must be an address"),
        (
            ["https://a.b/c/d", "a book"],
            "BOOK must be an address like https://you.github.io/your-copy, but is 'a book'.",
        ),
        (["https://a.b/c/d", "https://a.b", "https://e.f"], "Give at most two addresses"),
    ],
)
def test_wrong_addresses_are_refused_and_change_nothing(copy: Path, arguments: list[str], message: str) -> None:
    done = move(copy, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert address() in (copy / "_config.yml").read_text(encoding="utf-8")
