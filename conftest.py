"""A chapter has four minutes: the notebook test in which they are used up fails (`make test` runs these by nbval)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from book.refresh import SECONDS

_used: Counter[Path] = Counter()  # seconds, by notebook


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    report = (yield).get_result()
    if item.path.suffix == ".ipynb" and call.when == "call":
        _used[item.path] += call.duration
        if _used[item.path] > SECONDS and report.passed:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.path.name} has taken {_used[item.path]:.0f} s, but has {SECONDS}: make it shorter."
            )
