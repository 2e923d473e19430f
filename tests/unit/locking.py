"""Python processes that use the package's lock without importing torch, to start quickly."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOAD = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("lock", sys.argv[1])
lock = importlib.util.module_from_spec(spec)
sys.modules["lock"] = lock
spec.loader.exec_module(lock)
folder = Path(sys.argv[2])
"""
HOLD = """
with lock.reserving(folder):
    print("reserved", flush=True)
    sys.stdin.read()
"""


def command(script: str, folder: Path) -> list[str]:
    """A command that runs `script` with the names `lock`, the module, and `folder`."""
    return [sys.executable, "-c", LOAD + script, str(ROOT / "gpt2_course/lock.py"), str(folder)]
