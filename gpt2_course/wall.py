"""The wall of bricks that GPT-2 is built of, one brick a chapter."""

from __future__ import annotations

import html
from dataclasses import dataclass

# part -> (its colour, its chapters); the rows of the wall, from the ground up
# Colours: Okabe & Ito (2008), darkened where white letters would not be readable on them (4.5 to 1).
PARTS: dict[str, tuple[str, dict[int, str]]] = {
    "Text becomes numbers": ("#0072B2", {1: "Language models", 2: "Tokenizer", 3: "Embeddings"}),
    "Attention": ("#B34700", {4: "Attention", 5: "Many heads"}),
    "The brain": ("#007A5A", {6: "Transformer block", 7: "GPT-2"}),
    "Learning": ("#A3477F", {8: "Training", 9: "Writing"}),
    "Your AI friend": ("#8A6100", {10: "Playground", 11: "Looking inside", 12: "Answering", 13: "Limits"}),
    "Further": ("#34618A", {14: "Faster, bigger", 15: "Blank page"}),
}
CHAPTERS = {number: name for _, bricks in PARTS.values() for number, name in bricks.items()}
WIDTH, ROW, STUD = 720, 54, 8  # of the drawing, of a row of bricks, of the studs on top of a brick


@dataclass(frozen=True)
class Wall:
    """A drawing of the wall in which some bricks are laid."""

    lit: tuple[int, ...]

    @property
    def label(self) -> str:
        """The drawing in words."""
        names = ", ".join(f"{n} {CHAPTERS[n]}" for n in self.lit) or "none yet"
        return f"A wall of {len(CHAPTERS)} bricks in {len(PARTS)} rows, one brick a chapter. Bricks in colour: {names}."

    @property
    def svg(self) -> str:
        """The drawing, the same bytes for the same bricks. What is not in colour takes that of the text around it."""
        height = ROW * len(PARTS) + STUD + 2
        label = html.escape(self.label)
        parts = [
            f'<svg class="wall" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" '
            f'xmlns="http://www.w3.org/2000/svg" style="width:100%;max-width:{WIDTH}px;height:auto;'
            f'font-family:system-ui,sans-serif;color:inherit">'
        ]
        for row, (_, (colour, bricks)) in enumerate(PARTS.items()):
            width = WIDTH / len(bricks)
            top = height - (row + 1) * ROW
            for column, (number, name) in enumerate(bricks.items()):
                parts.append(self._brick(column * width, top, width, number, name, colour))
        return "".join(parts) + "</svg>"

    def _brick(self, left: float, top: float, width: float, number: int, name: str, colour: str) -> str:
        lit = number in self.lit
        paint = f'fill="{colour}"' if lit else 'fill="currentColor" fill-opacity=".06"'
        line = 'stroke="currentColor" stroke-opacity=".35"'
        studs = max(2, round(width / 60))
        shapes = "".join(
            f'<rect x="{left + width * (i + 0.5) / studs - 12:.1f}" y="{top - STUD + 4}" width="24" height="{STUD}" '
            f'rx="2" {paint} {line}/>'
            for i in range(studs)
        )
        place = f'x="{left + 1.5:.1f}" y="{top + 4}" width="{width - 3:.1f}" height="{ROW - 6}" rx="4"'
        shapes += f"<rect {place} {paint} {line}/>"
        text = 'fill="#fff" font-weight="600"' if lit else 'fill="currentColor" fill-opacity=".75"'
        return (
            f'{shapes}<text x="{left + width / 2:.1f}" y="{top + 32}" text-anchor="middle" font-size="16" {text}>'
            f"{number} {html.escape(name)}</text>"
        )

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return self.label


def wall(*lit: int) -> Wall:
    """The wall with the bricks of these chapters laid, in colour. `ValueError` for a chapter that does not exist."""
    for number in lit:
        if number not in CHAPTERS:
            raise ValueError(f"There is no chapter {number}; chapters go from 1 to {len(CHAPTERS)}.")
    return Wall(tuple(sorted(set(lit))))
