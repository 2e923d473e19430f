"""Find what looks wrong on a page to a reader: only what is visible at the moment counts."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page

LOOK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def look_at(seen: Page | Locator) -> list[str]:
    """Find the faults in what is visible of a page or element, one sentence each; `seeing.js` defines them."""
    part = seen.locator("body") if isinstance(seen, Page) else seen
    return part.evaluate(f"(part) => {{ {LOOK}; return lookAt(part); }}")


def buttons_that_change_nothing(part: Locator) -> list[str]:
    """Press every visible, enabled button in an element; returns a sentence for each that changes nothing."""
    return part.evaluate(f"(part) => {{ {LOOK}; return pressAll(part); }}")


NO_MOTION = "*, ::before, ::after { animation: none !important; transition: none !important; }"


def set_theme(page: Page, theme: str) -> None:
    """Turn the page light or dark at once, without a transition."""
    if page.locator("#no-motion").count() == 0:
        page.evaluate(
            "style => document.head.insertAdjacentHTML('beforeend', style)", f"<style id=no-motion>{NO_MOTION}</style>"
        )
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
