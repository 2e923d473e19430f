"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHAKESPEARE = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"


@pytest.fixture(scope="session")
def shakespeare() -> Path:
    """A megabyte of real text, no part of the project: it lies beside the repository, or the test is skipped."""
    if not SHAKESPEARE.exists():
        pytest.skip(f"needs the real text {SHAKESPEARE.name}, which is not beside this repository")
    return SHAKESPEARE


@pytest.fixture(autouse=True)
def _no_network_and_own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reaches the hub or touches the user's caches, whatever it calls."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In CI nothing is skipped: a missing file, browser or tool is a failure there."""
    if os.environ.get("GPT2_COURSE_NO_SKIPS"):
        config.pluginmanager.register(_NoSkips())


class _NoSkips:
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
        outcome = yield
        report = outcome.get_result()
        if report.skipped and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be: {report.longrepr}"
