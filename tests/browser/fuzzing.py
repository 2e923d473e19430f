"""Use labs at random, as a child or a cat would."""

from __future__ import annotations

import random

from playwright.sync_api import Locator

KEYS = ["Tab", "Shift+Tab", "Enter", "Control+Enter", "Space", "Escape", "Backspace", "x"]
ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]
TYPED = [
    "🦊👩‍👩‍👧‍👦",
    "\u202e\u0000é\ud83e",
    "<b>&amp;</b>",
    "كان يا ما كان",
    "\n\t ",
    "1234 ",
    "word " * 400,
    "aaaa" * 30,
]
WIDTHS = [1280, 820, 360]
# One step in the page, because a lab that is writing keeps changing the number of its buttons.
CLICK = """(labs, dice) => {
  const controls = labs.flatMap((lab) => [...lab.querySelectorAll("button, input, textarea, [tabindex='0']")]);
  const one = controls[Math.floor(dice * controls.length)];
  one.focus();
  one.dispatchEvent(new MouseEvent("click", { bubbles: true })); // drawings have no click()
}"""

# The tab key may have left the labs, and Enter would follow a link.
STAY = "document.activeElement.closest('[data-lab]') || document.activeElement.blur()"


def fuzz(labs: Locator, dice: random.Random, actions: int) -> None:
    """Click, press keys, type, move the mouse, and resize the window at random in some labs."""
    page = labs.page
    for _ in range(actions):
        kind = dice.random()
        if kind < 0.55:
            labs.evaluate_all(CLICK, dice.random())
        elif kind < 0.85:
            page.evaluate(STAY)
            page.keyboard.press(dice.choice(KEYS if kind < 0.7 else ARROWS))
        elif kind < 0.92:
            page.keyboard.insert_text(dice.choice(TYPED))
        elif kind < 0.99:
            page.mouse.move(dice.random() * 1280, dice.random() * 800)
        else:
            page.set_viewport_size({"width": dice.choice(WIDTHS), "height": 800})
