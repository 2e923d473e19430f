"""The files around the package agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import gpt2_course
import tasks
from book.repository import address, book_address
from gpt2_course import Tokenizer

ROOT = Path(__file__).resolve().parents[2]


def pins(lines: list[str]) -> dict[str, str]:
    """The versions pinned for Python 3.11, which environment.yml requires, by package name."""
    found = [re.match(r"\s*(?:- )?([\w-]+)==([\w.]+)(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match and '< "3.11"' not in match[3]}


def test_environment_and_requirements_name_the_same_versions() -> None:
    requirements = pins((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    environment = pins((ROOT / "environment.yml").read_text(encoding="utf-8").splitlines())
    assert len(requirements) > 15
    assert requirements == environment


def test_every_dependency_of_the_package_is_pinned() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:dependencies|book|data|test) = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    wanted = set(re.findall(r'"([\w-]+)[>=<]?', "".join(lists)))
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted == set(pinned)


@pytest.mark.pinned
def test_the_installed_versions_are_the_pinned_ones() -> None:
    for name, pinned in pins((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()).items():
        if not (name == "numpy" and sys.version_info < (3, 11)):
            assert version(name).split("+")[0] == pinned, name


def test_the_wheel_contains_the_package_data(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "gpt2_course/assets/gpt2/merges.txt" in names
    assert "gpt2_course/exercises/quizzes/01.json" in names
    assert "gpt2_course/pretrained/tiny-world/model.safetensors" in names
    assert not [name for name in names if name.startswith("tests")]


def test_links_between_the_documents_work() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    links = [link for page in pages for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))]
    local = [link for link in links if "://" not in link]
    assert len(local) >= 4
    for link in local:
        assert (ROOT / link).exists(), link


def test_no_file_contains_an_absolute_path() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ".ipynb"}
            and name != "gpt2_course/assets/gpt2/merges.txt"
        ):
            assert not re.search(r"(?<![\w./-])/(?:home|root|Users|work)/\w", path.read_text(encoding="utf-8")), name


def test_a_checkout_with_windows_line_end_settings_is_identical(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    source = ["--no-local", "--depth", "1", ROOT.as_uri(), clone]
    subprocess.run(["git", "-c", "core.autocrlf=true", "clone", "--quiet", *source], check=True)
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=clone, capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if "crlf" in line or "mixed" in line] == []
    files = [line.split("\t")[1] for line in listed.splitlines()]
    assert len(files) > 150
    here = ROOT / "gpt2_course/pretrained/tiny-world"
    there = clone / here.relative_to(ROOT)
    text = "Once upon a time, a fox\r\nnamed Pip"
    assert Tokenizer.load(there).encode(text) == Tokenizer.load(here).encode(text)
    assert (there / "merges.txt").read_bytes() == (here / "merges.txt").read_bytes()


def test_every_file_names_the_same_version() -> None:
    project = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert project
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## ([\d.]+)", changes, re.MULTILINE)
    assert newest
    assert project[1] == gpt2_course.__version__ == citation["version"] == newest[1]


def test_the_citation_has_what_github_needs_to_show_it() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # the required keys of the Citation File Format 1.2.0
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert all("name" in author for author in citation["authors"])
    assert citation["type"] == "software"
    assert (citation["repository-code"], citation["url"]) == (address(), book_address())


def test_a_release_runs_what_is_tested_here() -> None:
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as True
    steps = [step.get("run", "") for step in release["jobs"]["build"]["steps"]]
    named = re.findall(r"tasks\.py (\w+)", "\n".join(steps))
    assert named == ["package", "site", "takealong"]
    assert set(named) <= set(tasks.TASKS)
    rights = {name: job.get("permissions", {}) for name, job in release["jobs"].items()}
    assert rights == {"build": {}, "pypi": {"id-token": "write"}, "github": {"contents": "write"}}


@pytest.mark.posix
def test_the_package_in_this_environment_writes_starts_and_draws() -> None:
    done = subprocess.run([sys.executable, ROOT / "book/try_package.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("writes, starts, and draws.\n")


def test_workflows_pin_actions_to_exact_commits() -> None:
    used = [
        line.strip()
        for path in (ROOT / ".github/workflows").glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert len(used) >= 8
    assert [line for line in used if not re.fullmatch(r"(- )?uses: [\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []
