"""The wall of bricks that GPT-2 is built from, one brick per chapter.

`PARTS` is the course's only table of chapters; a test compares it with `_toc.yml`. A brick's place depends only on the
bricks before it, so adding a chapter at the end changes no other notebook.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# part → (its color, file of each chapter → what its brick says)
# Colors: Okabe & Ito (2008), darkened where white text would have a contrast below 4.5 to 1.
PARTS: dict[str, tuple[str, dict[str, str]]] = {
    "Text becomes numbers": (
        "#0072B2",
        {"01_language_models": "Language models", "02_tokenizer": "Tokenizer", "03_embeddings": "Embeddings"},
    ),
    "Attention": ("#B34700", {"04_attention": "Attention", "05_many_heads": "Many heads"}),
    "The brain": ("#007A5A", {"06_transformer_block": "Transformer block", "07_gpt2": "GPT-2"}),
    "Learning": ("#A3477F", {"08_gradients": "Gradients", "09_training": "Training", "10_writing": "Writing"}),
    "Your AI friend": (
        "#8A6100",
        {
            "11_playground": "Playground",
            "12_looking_inside": "Looking inside",
            "13_answering": "Answering",
            "14_judge": "A judge",
            "15_limits": "Limits",
        },
    ),
    "Further": (
        "#34618A",
        {"16_bigger": "Faster, bigger", "17_blank_page": "Your GPT-2", "18_today": "Today"},
    ),
}


@dataclass(frozen=True)
class Brick:
    """A chapter's brick: the chapter's number, the text on the brick, and the color of its part."""

    number: int
    name: str
    color: str

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


BRICKS = [
    Brick(int(file[:2]), name, color) for color, chapters in PARTS.values() for file, name in chapters.items()
]  # in the order in which they are laid
CHAPTERS = {brick.number: brick.name for brick in BRICKS}

WIDTH, ROW, STUD, PLATE = 720, 54, 8, 10  # pixels: the drawing's width; the height of a row, a stud, the baseplate
PER_ROW = (4, 3)  # bricks per row, alternating from the ground up, so no joint lies above another


@dataclass(frozen=True)
class Wall:
    """A drawing of bricks in the order in which they are laid; those of the chapters in `laid` are in color."""

    bricks: tuple[Brick, ...]
    laid: tuple[int, ...]
    studs: Mapping[int, Sequence[bool]] = field(default_factory=dict)  # by chapter: which of its studs are in color

    @property
    def label(self) -> str:
        """The drawing in words."""
        n = len(self.bricks)
        laid = [str(brick) for brick in self.bricks if brick.number in self.laid]
        introduced = ":" if len(laid) == n else ". In color:"
        return f"A wall of {n} brick{'s' * (n > 1)}, one per chapter{introduced} {', '.join(laid) or 'none yet'}."

    @property
    def svg(self) -> str:
        """The drawing: the same bytes for the same bricks. Anything uncolored has the color of the surrounding text."""
        rows = self._rows()
        height = STUD + ROW * len(rows) + PLATE
        drawing = [
            f'<svg class="wall" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{html.escape(self.label)}" '
            f'xmlns="http://www.w3.org/2000/svg" style="width:100%;max-width:{WIDTH}px;height:auto;'
            f'font-family:system-ui,sans-serif;color:inherit">'
            f'<rect y="{height - PLATE}" width="{WIDTH}" height="{PLATE}" rx="3" fill="currentColor" '
            f'fill-opacity=".25"/>'
        ]
        for row, bricks in enumerate(rows):
            width = WIDTH / PER_ROW[row % len(PER_ROW)]
            top = height - PLATE - (row + 1) * ROW
            drawing += [self._drawn(brick, column * width, top, width) for column, brick in enumerate(bricks)]
        return "".join(drawing) + "</svg>"

    def _rows(self) -> list[list[Brick]]:
        """The bricks in each row, from the ground up."""
        rows: list[list[Brick]] = []
        bricks = list(self.bricks)
        while bricks:
            fitting = PER_ROW[len(rows) % len(PER_ROW)]
            rows.append(bricks[:fitting])
            bricks = bricks[fitting:]
        return rows

    def _drawn(self, brick: Brick, left: float, top: float, width: float) -> str:
        laid = brick.number in self.laid
        color, gray = f'fill="{brick.color}"', 'fill="currentColor" fill-opacity=".06"'
        paint = color if laid else gray
        line = 'stroke="currentColor" stroke-opacity=".35"'
        studs = self.studs.get(brick.number, [laid] * round(width / 60))
        stud = min(24, round(width / len(studs)) - 4)
        shapes = "".join(
            f'<rect x="{left + width * (i + 0.5) / len(studs) - stud / 2:.1f}" y="{top - STUD + 4}" width="{stud}" '
            f'height="{STUD}" rx="2" {color if colored else gray} {line}/>'
            for i, colored in enumerate(studs)
        )
        place = f'x="{left + 1.5:.1f}" y="{top + 4}" width="{width - 3:.1f}" height="{ROW - 6}" rx="4"'
        shapes += f"<rect {place} {paint} {line}/>"
        text = 'fill="#fff" font-weight="600"' if laid else 'fill="currentColor" fill-opacity=".75"'
        return (
            f'{shapes}<text x="{left + width / 2:.1f}" y="{top + 34}" text-anchor="middle" font-size="15" {text}>'
            f"{html.escape(str(brick))}</text>"
        )

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return self.label


def wall(
    chapter: int | None = None,
    laid: Iterable[int] | None = None,
    studs: Mapping[int, Sequence[bool]] | None = None,
) -> Wall:
    """The wall as it stands after a chapter; the whole wall if None.

    Args:
        chapter: number of the last chapter whose brick is drawn.
        laid: numbers of the chapters whose bricks are in color; all of those drawn if None. The others are gray.
        studs: for a chapter, how many studs its brick has, and which of them are in color.

    Raises:
        ValueError: there is no such chapter.
    """
    numbers = list(CHAPTERS)
    for number in ([] if chapter is None else [chapter]) + list(laid or []):
        if number not in CHAPTERS:
            raise ValueError(f"There is no chapter {number}; chapters go from {numbers[0]} to {numbers[-1]}.")
    bricks = BRICKS if chapter is None else BRICKS[: numbers.index(chapter) + 1]
    in_color = [brick.number for brick in bricks] if laid is None else sorted(set(laid))
    return Wall(tuple(bricks), tuple(in_color), studs or {})
