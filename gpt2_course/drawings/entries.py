"""A drawing and its alternative in words, and the table of all drawings."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

from gpt2_course.drawings.kit import WIDTH, Panel

LARGEST_SCALE = 1.25  # of a panel that stands alone


@dataclass(frozen=True)
class Drawing:
    """Panels that explain an idea, with a description in words for readers who cannot see them."""

    panels: tuple[Panel, ...]
    alt: str

    def _repr_html_(self) -> str:
        widest = WIDTH * (LARGEST_SCALE if len(self.panels) == 1 else 1)
        style = f'style="display:block;width:100%;max-width:{widest:g}px;height:auto;overflow:visible"'
        panels = "".join(panel.svg.replace("<svg ", f"<svg {style} ", 1) for panel in self.panels)
        look = "display:flex;flex-wrap:wrap;align-items:flex-start;gap:1.5rem;margin:.8rem 0"
        look += ";color:inherit;font-family:var(--ui,system-ui,sans-serif)"
        return f'<div class="drawing" role="img" aria-label="{html.escape(self.alt)}" style="{look}">{panels}</div>'

    def __repr__(self) -> str:
        return self.alt


@dataclass(frozen=True)
class Entry:
    """A drawing of a chapter, made when it is asked for."""

    chapter: int
    name: str
    make: Callable[[], Drawing]


ENTRIES: dict[str, Entry] = {}


def drawn(chapter: int, name: str) -> Callable[[Callable[[], Drawing]], Callable[[], Drawing]]:
    """Register the function below as the drawing with this name."""

    def register(make: Callable[[], Drawing]) -> Callable[[], Drawing]:
        ENTRIES[name] = Entry(chapter, name, make)
        return make

    return register
