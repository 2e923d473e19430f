"""The training lab in headless Chromium: minutes to reach the goal, the page's long tasks, and its memory.

`python -m benchmarks.training_lab` trains three corners at the small size; `--whole` the whole world at the laptop's.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from playwright.sync_api import Page

from benchmarks.browser import opened
from benchmarks.gpt2_in_the_page import page_memory
from gpt2_course.labs import TrainingLab
from gpt2_course.labs.lab import STATIC
from gpt2_course.tiny_world.tables import tables

GOAL = 1.15  # times the floor
CORNERS = (("questions", "small"), ("lost and found", "medium"), ("songs", "medium"))
WHOLE = (("everything", "laptop"),)
PAGE = """<!doctype html>
<html lang="en"><title>Training</title><link rel="stylesheet" href="_static/labs.css"><link rel="icon" href="data:,">
<main>{}</main><script type="module" src="_static/hydrate.mjs"></script></html>
"""
WATCH = """
() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({ type: "longtask" });
}
"""


def train(page: Page, corner: str, size: str, most_minutes: float) -> None:
    """Train until the loss is at most the goal, and print how that went."""
    page.locator('[data-lab="training_lab"][data-alive]').wait_for()
    page.get_by_label("What it learns").select_option(corner)
    page.locator(f'input[value="{size}"]').check()
    page.evaluate(WATCH)
    memory = []
    ratio, words = float("inf"), ""
    page.get_by_role("button", name="Train").click()
    began = perf_counter()
    while ratio > GOAL and (minutes := (perf_counter() - began) / 60) < most_minutes:
        page.wait_for_timeout(1000)
        if minutes >= len(memory):
            memory.append(round(page_memory("VmRSS")))
        words = page.locator(".lab").inner_text()
        found = re.search(r"([\d.]+) times the floor", words)
        if "Finished" in words:
            most_minutes = 0
        ratio = float(found[1]) if found else ratio
    seconds = perf_counter() - began
    step = re.search(r"Step [\d,]+ of [\d,]+", words)
    longest: Any = page.evaluate("window.longest")
    print(f"{corner} ({size}): {ratio:.2f} × the floor after {seconds:.0f} s, {step[0] if step else '?'}")
    print(f"  longest task of the page: {longest:.0f} ms; memory of its process each minute: {memory} MB", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        site = Path(name)
        shutil.copytree(STATIC, site / "_static")
        (site / "_static/tiny_world.json").write_text(json.dumps(tables()), encoding="utf-8")
        (site / "labs.html").write_text(PAGE.format(TrainingLab()._repr_html_()), encoding="utf-8")
        for corner, size in WHOLE if "--whole" in sys.argv else CORNERS:
            with opened(site, "/labs.html") as page:
                train(page, corner, size, 25 if size == "laptop" else 5)


if __name__ == "__main__":
    main()
