"""The task runner: what it installs, and what it does if a program fails or is interrupted."""

from __future__ import annotations

import http.server
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tasks

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A reachable index of small builds."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/whl/cpu"
    monkeypatch.setattr(tasks, "CPU_INDEX", address)
    monkeypatch.setattr(sys, "platform", "linux")
    yield address
    server.shutdown()
    server.server_close()


def leave_only_nvidia_smi(monkeypatch: pytest.MonkeyPatch, folder: Path, status: int | None) -> None:
    """Hide all programs except an nvidia-smi that exits with this status, or hide that too if None."""
    monkeypatch.setenv("PATH", str(folder))
    if status is not None:
        program = folder / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        program.chmod(0o755)


@pytest.mark.posix
@pytest.mark.parametrize("status", [None, 9])
def test_without_a_working_gpu_the_small_build_is_chosen(
    index: str,
    status: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave_only_nvidia_smi(monkeypatch, tmp_path, status)
    assert tasks.pytorch_source() == ["--extra-index-url", index]
    message = f"Installing PyTorch's small CPU build from {index}, because there is no NVIDIA GPU.\n"
    assert capsys.readouterr().out == message


@pytest.mark.posix
def test_with_a_gpu_the_build_for_it_is_chosen(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_only_nvidia_smi(monkeypatch, tmp_path, 0)
    assert tasks.pytorch_source() == []
    message = "Installing PyTorch's build for NVIDIA GPUs, because this computer has one.\n"
    assert capsys.readouterr().out == message


@pytest.mark.posix
def test_pip_decides_if_the_small_builds_cannot_be_reached(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_only_nvidia_smi(monkeypatch, tmp_path, None)
    monkeypatch.setattr(tasks, "CPU_INDEX", "http://127.0.0.1:9")  # nothing listens there
    assert tasks.pytorch_source() == []
    message = "Installing the build of PyTorch that pip finds, because http://127.0.0.1:9 cannot be reached.\n"
    assert capsys.readouterr().out == message


def test_other_systems_take_the_build_that_pip_finds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for system in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", system)
        assert tasks.pytorch_source() == []
    assert capsys.readouterr().out == ""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that tasks would run in a course folder without an environment; they are only recorded."""
    recorded: list[str] = []

    def run(*command: Any, **environment: str) -> None:
        recorded.append(" ".join(map(str, command)))
        if "venv" in command:
            (tmp_path / ".venv").mkdir(exist_ok=True)

    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    monkeypatch.setattr(tasks, "run", run)
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(tasks, "READY", tmp_path / ".venv" / "ready")
    monkeypatch.setattr(tasks, "pytorch_source", lambda: ["--extra-index-url", "small"])
    return recorded


def test_the_environment_is_created_once_and_updated_when_requirements_change(
    commands: list[str], tmp_path: Path
) -> None:
    tasks.install()
    venv, requirements, package = commands
    assert venv.startswith(sys.executable)
    assert requirements.endswith("-r requirements.txt --extra-index-url small")
    assert package.endswith("--no-deps --editable .")
    tasks.install()
    assert len(commands) == 3
    later = (tmp_path / ".venv" / "ready").stat().st_mtime + 5
    os.utime(tmp_path / "requirements.txt", (later, later))
    tasks.install()
    assert len(commands) == 6


def test_an_interrupted_installation_is_repeated(commands: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tasks.run

    def broken(*command: Any, **environment: str) -> None:
        run(*command, **environment)
        if "--editable" in command:
            sys.exit(1)

    monkeypatch.setattr(tasks, "run", broken)
    with pytest.raises(SystemExit):
        tasks.install()
    monkeypatch.setattr(tasks, "run", run)
    tasks.install()
    assert len(commands) == 6


def test_an_old_python_is_refused_before_anything_is_created(
    commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"^The course needs Python 3\.10 or newer, but this is 3\.9: run "):
        tasks.install()
    assert commands == []


def test_a_program_that_fails_ends_the_task_with_its_status() -> None:
    with pytest.raises(SystemExit) as stop:
        tasks.run(sys.executable, "-c", "import sys; sys.exit(7)")
    assert stop.value.code == 7
    with pytest.raises(SystemExit, match="This task needs no-such-program, which is not installed: install it"):
        tasks.run("no-such-program")


@pytest.mark.posix
def test_ctrl_c_waits_for_the_program_to_save() -> None:
    saving = """if True:
        import time
        try:
            print("ready", flush=True)
            time.sleep(10**6)
        except KeyboardInterrupt:
            time.sleep(1)
            print("saved")
    """
    runner = f"import sys, tasks; tasks.run(sys.executable, '-c', {saving!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", runner], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, like a terminal
    assert process.stdout.read() == "saved\n"
    assert process.wait() == 0


def test_the_makefile_and_the_documents_name_tasks_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^TASKS := (.*)$", makefile, re.MULTILINE)
    assert found
    assert sorted(found[1].split()) == sorted(tasks.TASKS)
    for document in ("README.md", "CONTRIBUTING.md", "book/setup.md", ".github/workflows/ci.yml", ".ci/run"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named = re.findall(r"(?:\bmake|python tasks\.py) ([a-z]+)\b", text)
        assert set(named) - {"repository"} <= set(tasks.TASKS), document


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--help"], 0), (["tset"], 2)])
def test_without_a_known_task_all_tasks_are_listed(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        tasks.main(arguments)
    assert stop.value.code == status
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in tasks.TASKS)
    assert ("There is no task 'tset'" in listed) == (status == 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clean", "all"], "clean takes no arguments, but got 1: leave out all."),
        (["clean", "-n", "all"], "clean takes no arguments, but got 2: leave out -n all."),
        (["wasm", "a.wasm", "b.wasm"], "wasm takes at most one argument, but got 2: leave out b.wasm."),
    ],
)
def test_a_task_refuses_arguments_that_it_does_not_take(
    commands: list[str], arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / ".venv").mkdir()
    with pytest.raises(SystemExit) as stop:
        tasks.main(arguments)
    assert stop.value.code == message
    assert commands == []
    assert (tmp_path / ".venv").exists()


def test_clean_removes_the_environment(commands: list[str], tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    tasks.main(["clean"])
    assert not (tmp_path / ".venv").exists()


def test_every_task_takes_arguments_or_refuses_them_itself() -> None:
    for task in tasks.ALL:
        kinds = [parameter.kind for parameter in inspect.signature(task).parameters.values()]
        assert kinds == [inspect.Parameter.VAR_POSITIONAL], task.__name__


def test_modules_are_served_as_javascript() -> None:
    assert tasks.Pages.extensions_map[".mjs"] == tasks.Pages.extensions_map[".js"] == "text/javascript"
    assert tasks.Pages.extensions_map[".wasm"] == "application/wasm"


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts in place of the course's, on a computer without npm."""
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "SCRIPTS", (".",))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("GPT2_COURSE_NO_SKIPS", raising=False)
    return tmp_path


def test_lint_names_each_line_of_a_script_that_is_too_long(scripts: Path) -> None:
    (scripts / "a.mjs").write_text(f"{'é' * 120}\n{'x' * 121}\n", encoding="utf-8")
    (scripts / "b.css").write_text("y" * 285, encoding="utf-8")
    (scripts / "c.py").write_text("z" * 999, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        tasks.lint_scripts()
    assert str(stop.value.code).splitlines() == [
        "a.mjs:2 has 121 columns, but at most 120 are allowed.",
        "b.css:1 has 285 columns, but at most 120 are allowed.",
    ]


def test_without_npm_scripts_go_unchecked_except_in_ci(
    scripts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "The types and format of JavaScript and CSS were not checked, because npm is not installed."
    tasks.lint_scripts()
    assert capsys.readouterr().out == f"{reason}\n"
    monkeypatch.setenv("GPT2_COURSE_NO_SKIPS", "1")
    with pytest.raises(SystemExit, match=reason):
        tasks.lint_scripts()


@pytest.mark.posix
@pytest.mark.parametrize(
    ("error", "is_offline"),
    [
        ("npm error code ENOTFOUND", True),
        ("npm error code ECONNREFUSED", True),
        ("npm error code ETARGET", False),
        ("[warn] a.mjs", False),
    ],
)
def test_without_a_network_scripts_go_unchecked_but_faults_are_passed_on(
    scripts: Path,
    error: str,
    is_offline: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    npm = scripts / "npm"
    npm.write_text(f"#!/bin/sh\necho '{error}' >&2\nexit 7\n", encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(scripts))
    if is_offline:
        tasks.lint_scripts()
        assert capsys.readouterr().out.endswith("because npm's registry cannot be reached.\n")
        monkeypatch.setenv("GPT2_COURSE_NO_SKIPS", "1")
        with pytest.raises(SystemExit, match="registry cannot be reached"):
            tasks.lint_scripts()
    else:
        with pytest.raises(SystemExit) as stop:
            tasks.lint_scripts()
        assert stop.value.code == 7
        assert capsys.readouterr().err == f"{error}\n"
