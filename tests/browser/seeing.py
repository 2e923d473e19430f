"""Looks at a page as a reader would: what is visible now, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

LOOK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def look_at(seen: Page | Locator) -> list[str]:
    """The faults in what is visible now of a page, or of a part of it: a sentence each; which, says `seeing.js`."""
    part = seen.locator("body") if isinstance(seen, Page) else seen
    return part.evaluate(f"(part) => {{ {LOOK}; return lookAt(part); }}")


def buttons_that_change_nothing(part: Locator) -> list[str]:
    """Presses every button that can be seen in a part of a page and can be pressed; names those without effect."""
    return part.evaluate(f"(part) => {{ {LOOK}; return pressAll(part); }}")


STILL = "*, ::before, ::after { animation: none !important; transition: none !important; }"


def set_theme(page: Page, theme: str) -> None:
    """Turns the page light or dark, at once."""
    if page.locator("#still").count() == 0:
        page.evaluate(
            "still => document.head.insertAdjacentHTML('beforeend', still)", f"<style id=still>{STILL}</style>"
        )
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
