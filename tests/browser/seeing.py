"""Looks at a page as a reader would: what is visible now, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

LOOK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
THEMES = ("light", "dark")


def look_at(seen: Page | Locator) -> list[str]:
    """The faults in what is visible of a page or of a part of it, in both themes; what they are, see `seeing.js`."""
    part = seen.locator("body") if isinstance(seen, Page) else seen
    return part.evaluate(f"async (part, themes) => {{ {LOOK}; return lookAt(part, themes); }}", list(THEMES))


def buttons_that_change_nothing(part: Locator) -> list[str]:
    """Presses every button that can be seen in a part of a page and can be pressed, and names those without effect."""
    return part.evaluate(f"async (part) => {{ {LOOK}; return pressAll(part); }}")
