"""Fixtures shared by all tests, and the selection of tests for this computer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

# In a shell's background or under nohup, these signals are ignored, and every program that a test starts inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

pytest_plugins = ["pytester"]  # for the tests of the root's conftest.py

ROOT = Path(__file__).resolve().parents[1]
SHAKESPEARE = ROOT.parent / "shared" / "data" / "tinyshakespeare.txt"
# Fixtures that need something not every computer has, and the marker of the tests that use them.
MARKERS = {"shakespeare": "shakespeare", "small_disk": "root"}
# Markers of tests for some systems only, and whether this is one of them.
SYSTEMS = {"linux": sys.platform == "linux", "posix": os.name == "posix", "cuda": torch.cuda.is_available()}


@pytest.fixture(scope="session")
def shakespeare() -> Path:
    """A megabyte of real text, kept outside of the repository; without it, the test is skipped."""
    if not SHAKESPEARE.exists():
        pytest.skip(f"needs {SHAKESPEARE.name} in ../shared/data, next to the repository")
    return SHAKESPEARE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a real file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("needs permission to mount a tmpfs, to fill up a disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def build_site(source: Path, folder: Path) -> Path:
    """Build the book of a checkout, failing on any warning; returns the site's folder."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "--path-output", folder]
    environment = {name: value for name, value in os.environ.items() if name != "GITHUB_REPOSITORY"}
    options = ["--warningiserror", "--keep-going", "--quiet"]
    built = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built book, built once for all of xdist's processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "site"
    with FileLock(shared / "site.lock"):
        if not (folder / "built").exists():
            build_site(ROOT, folder)
            (folder / "built").touch()
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def windows_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the book built from a checkout with Git for Windows' `core.autocrlf`, which turns LF into CRLF."""
    folder = tmp_path_factory.mktemp("windows")
    source = ["--no-local", "--depth", "1", ROOT.as_uri(), folder / "clone"]
    subprocess.run(["git", "-c", "core.autocrlf=true", "clone", "--quiet", *source], check=True)
    return build_site(folder / "clone", folder / "site")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test from reaching the Hugging Face Hub."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests for other systems; in CI, make a skipped test fail."""
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):  # notebook cells have no fixtures
            item.add_marker(MARKERS[fixture])
    elsewhere = [name for name, here in SYSTEMS.items() if not here]
    foreign = [item for item in items if any(item.get_closest_marker(name) for name in elsewhere)]
    if foreign:
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if item not in foreign]
    if os.environ.get("GPT2_COURSE_NO_SKIPS"):
        config.pluginmanager.register(_NoSkips())


class _NoSkips:
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
        outcome = yield
        report = outcome.get_result()
        if report.skipped and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped, which counts as a failure in CI: {report.longrepr}"
