"""The picture of a page that messengers and social networks show beside a link to it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gpt2_course.wall import BRICKS, Brick

SIZE = (1200, 630)  # pixels; what Open Graph recommends
PAPER, INK, SOFT, LINE = "#fbfaf6", "#1c1f26", "#565c6b", "#dedbd2"
FONT = Path(__file__).with_name("inter-bold.ttf")
EDGE, GAP, STUD = 80, 6, 10
ROW = 40  # height of a brick


def draw_brick(draw: ImageDraw.ImageDraw, left: float, top: float, width: float, color: str) -> None:
    """A brick with three studs."""
    for stud in range(3):
        x = left + width * (stud + 0.5) / 3 - 9
        draw.rounded_rectangle((x, top - STUD, x + 18, top + 4), 3, color)
    draw.rounded_rectangle((left, top, left + width, top + ROW), 5, color)


def preview(title: str, brick: Brick | None, book: str) -> Image.Image:
    """Draw a page's title above the wall; a chapter's wall is built up to its brick."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    color = brick.color if brick else BRICKS[0].color
    small = ImageFont.truetype(str(FONT), 34)
    draw_brick(draw, EDGE, EDGE + STUD, 64, color)
    draw.text((EDGE + 88, EDGE + STUD), f"{book} · Chapter {brick.number}" if brick else book, INK, small)
    fonts = [ImageFont.truetype(str(FONT), size) for size in (104, 88, 72, 60)]
    large = next((font for font in fonts if len(wrapped(title, font)) <= 2), fonts[-1])
    lines = wrapped(title, large)
    for row, line in enumerate(lines):
        draw.text((EDGE - 4, 190 + row * large.size * 1.08), line, INK, large)
    per_row = -(-len(BRICKS) // 2)
    width = (SIZE[0] - 2 * EDGE + GAP) / per_row
    for n, laid in enumerate(BRICKS):
        row, place = divmod(n, per_row)
        is_laid = brick is None or laid.number <= brick.number
        left = EDGE + place * width + (width / 2 if row else 0)
        draw_brick(
            draw, left, SIZE[1] - EDGE - ROW - row * (ROW + STUD + 2), width - GAP, laid.color if is_laid else LINE
        )
    return image.quantize(64)


def wrapped(title: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """A title in lines that fit into the picture."""
    letter = font.getlength(title) / len(title)
    return textwrap.wrap(title, max(1, int((SIZE[0] - 2 * EDGE) / letter)), break_long_words=False)
