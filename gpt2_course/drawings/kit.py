"""What the concept drawings are made of: panels of boxes, cells, arrows, and curves in one visual language.

A drawing is one or more panels, each 320 units wide. Panels stand side by side if there is room and below each other
on a phone, so text is never scaled below 11 pixels. Colors mix a role's color with the color of the text around the
drawing, so they can be read on any background, light or dark, in the book and in Jupyter.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import hypot

WIDTH = 320  # units of a panel; a phone's column is at least as many pixels wide
SMALLEST = 11  # units of the smallest text

# The roles of labs.css, so a query has the same color in a drawing and in the live drawing of the model.
ROLES = {
    "token": "#0072b2",
    "position": "#00855f",
    "norm": "#5b6470",
    "query": "#c44f00",
    "key": "#a3477f",
    "value": "#8a6100",
    "attention": "#c44f00",
    "stream": "#35608a",
    "mlp": "#6a4fb3",
    "probability": "#0072b2",
    "loss": "#c44f00",
    "floor": "#00855f",
}
SHAPES, TEXTS = 80, 60  # percent of a role's color in shapes and in texts; the rest is the color of the text around

Point = tuple[float, float]


def number(value: float) -> str:
    """A coordinate with at most one decimal, and never −0."""
    return f"{round(value, 1) + 0.0:g}"


def signed(value: float, digits: int = 1) -> str:
    """A number for readers: a real minus sign, and no minus before zero."""
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text


def percent(share: float) -> str:
    """A share as a whole percentage."""
    return f"{share:.0%}"


def visible(text: str) -> str:
    """A token's text with visible white space."""
    return text.replace(" ", "·").replace("\n", "↵")


def text_width(text: str, size: float = 12, bold: bool = False) -> float:
    """Roughly the width of a text; wide system fonts need about as much."""
    return len(text) * size * (0.61 if bold else 0.57)


def _paint(what: str, role: str | None, text: bool = False) -> str:
    """An attribute for software without color-mix(), then a style for all other software."""
    if role is None:
        return f'{what}="currentColor"'
    color, share = ROLES[role], TEXTS if text else SHAPES
    return f'{what}="{color}" style="{what}:color-mix(in srgb,{color} {share}%,currentColor)"'


def marked(row: int, strong: float = 0.35, faint: float = 0.08) -> Callable[[int, int], float]:
    """Tints for `Panel.cells` that mark one row."""
    return lambda r, _: strong if r == row else faint


@dataclass
class Panel:
    """A part of a drawing: a title, and shapes in a rectangle of `WIDTH` × `height` units, y pointing down."""

    height: float
    title: str = ""
    shapes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.title:
            self.text(0, 14, self.title, size=13, bold=True, anchor="start")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        role: str | None = None,
        size: float = 12,
        bold: bool = False,
        anchor: str = "middle",
    ) -> None:
        """A line of text whose baseline is at y."""
        assert size >= SMALLEST, f"{text!r} would be too small to read."
        look = f' font-size="{number(size)}"' if size != 12 else ""
        look += ' font-weight="650"' if bold else ""
        look += f' text-anchor="{anchor}"' if anchor != "middle" else ""
        look += f" {_paint('fill', role, text=True)}" if role else ""
        self.shapes.append(f'<text x="{number(x)}" y="{number(y)}"{look}>{html.escape(text)}</text>')

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        label: str = "",
        *,
        role: str | None = None,
        tint: float = 0.13,
        dashed: bool = False,
        line: float = 1.2,
        bold: bool = False,
        size: float = 12,
        radius: float = 5,
    ) -> None:
        """A box with a label in its middle. `tint` is how strongly it is filled, `line` how thick its border is."""
        place = (
            f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" rx="{number(radius)}"'
        )
        if tint:
            self.shapes.append(f'<rect {place} {_paint("fill", role)} fill-opacity="{tint:.2f}"/>')
        if line:
            dashes = ' stroke-dasharray="4 3"' if dashed else ""
            faint = ' stroke-opacity="0.55"' if role is None else ""
            self.shapes.append(
                f'<rect {place} fill="none" {_paint("stroke", role)}{faint} stroke-width="{line:g}"{dashes}/>'
            )
        if label:
            self.text(x + width / 2, y + height / 2 + size * 0.36, label, bold=bold, size=size)

    def cells(
        self,
        x: float,
        y: float,
        rows: Sequence[Sequence[object]],
        *,
        role: str | Callable[[int, int], str | None] | None = None,
        width: float = 34,
        height: float = 24,
        tint: float | Callable[[int, int], float] = 0.13,
        strong: Iterable[tuple[int, int]] = (),
        size: float = 12,
    ) -> None:
        """A matrix, one cell per entry, with its top left corner at (x, y).

        Args:
            rows: what stands in the cells.
            role: of all cells, or of the cell in a row and column.
            width, height: of a cell, with the gap to the next.
            tint: of all cells, or of the cell in a row and column; 0.5 is the most on which text can be read.
            strong: the rows and columns of cells with a thick border.
            size: of the text.
        """
        for r, row in enumerate(rows):
            for c, entry in enumerate(row):
                self.box(
                    x + c * width + 1,
                    y + r * height + 1,
                    width - 2,
                    height - 2,
                    str(entry),
                    role=role(r, c) if callable(role) else role,
                    tint=tint(r, c) if callable(tint) else tint,
                    line=2.4 if (r, c) in set(strong) else 0,
                    bold=(r, c) in set(strong),
                    size=size,
                    radius=3,
                )

    def line(
        self,
        *points: Point,
        role: str | None = None,
        width: float = 1.5,
        dashed: bool = False,
        arrow: bool = False,
        smooth: bool = False,
        faint: float = 1,
        closed: bool = False,
        tint: float = 0,
    ) -> None:
        """A line through points; `smooth` takes the two points between the first and the last to bend a curve.

        `arrow` puts a head at its end, `faint` makes it transparent, and `closed` and `tint` make it a filled shape.
        """
        start, *rest = [f"{number(x)},{number(y)}" for x, y in points]
        path = f"M{start}{'C' if smooth else 'L'}{' '.join(rest)}{'z' if closed else ''}"
        fill = f'{_paint("fill", role)} fill-opacity="{tint:.2f}"' if tint else 'fill="none"'
        if tint:
            self.shapes.append(f'<path d="{path}" {fill}/>')
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        fading = f' stroke-opacity="{faint:.2f}"' if faint < 1 else ""
        if width:
            self.shapes.append(
                f'<path d="{path}" fill="none" {_paint("stroke", role)} stroke-width="{width:.1f}" '
                f'stroke-linecap="round" stroke-linejoin="round"{dashes}{fading}/>'
            )
        if arrow:
            (ax, ay), (bx, by) = points[-2:]
            length = hypot(bx - ax, by - ay) or 1
            ux, uy = (bx - ax) / length, (by - ay) / length
            size = 5 + 1.2 * width
            x, y = bx - size * ux, by - size * uy
            half = size * 0.55
            tip, left, right = (bx + ux, by + uy), (x - half * uy, y + half * ux), (x + half * uy, y - half * ux)
            path = "L".join(f"{number(px)},{number(py)}" for px, py in (tip, left, right))
            fading = f' fill-opacity="{faint:.2f}"' if faint < 1 else ""
            self.shapes.append(f'<path d="M{path}z" {_paint("fill", role)}{fading}/>')

    def dot(self, x: float, y: float, radius: float = 4, role: str | None = None, hollow: bool = False) -> None:
        """A filled circle, or only its rim."""
        paint = f'fill="none" stroke-width="1.5" {_paint("stroke", role)}' if hollow else _paint("fill", role)
        self.shapes.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" {paint}/>')

    def oval(self, x: float, y: float, across: float, down: float) -> None:
        """A faint ellipse around (x, y), `across` and `down` wide and high from there."""
        self.shapes.append(
            f'<ellipse cx="{number(x)}" cy="{number(y)}" rx="{number(across)}" ry="{number(down)}" fill="currentColor" '
            f'fill-opacity="0.06" stroke="currentColor" stroke-opacity="0.3"/>'
        )

    def bracket(self, x: float, y: float, width: float, label: str, role: str | None = None, up: bool = False) -> None:
        """A bracket under a stretch from x to x + width, or over it, with a label in its middle."""
        depth = -5 if up else 5
        self.line((x, y), (x, y + depth), (x + width, y + depth), (x + width, y), role=role, width=1.3)
        self.text(x + width / 2, y - 9 if up else y + 18, label, role=role)

    def chips(
        self,
        x: float,
        y: float,
        words: Sequence[str],
        *,
        role: str | None = "token",
        gap: float = 4,
        tint: float = 0.15,
    ) -> list[tuple[float, float]]:
        """Tokens in a row, each in a box 24 high; returns the left edge and the width of each."""
        places = []
        for word in words:
            width = max(18, text_width(word) + 9)
            self.box(x, y, width, 24, word, role=role, tint=tint, line=0)
            places.append((x, width))
            x += width + gap
        return places

    def bars(
        self,
        y: float,
        labels: Sequence[str],
        values: Sequence[float],
        *,
        shown: Callable[[float], str] = percent,
        role: str | Sequence[str | None] | None = "probability",
        left: float = 76,
        right: float = 44,
        step: float = 22,
        largest: float | None = None,
    ) -> None:
        """Horizontal bars below each other, each between its label and its value; `role` is one for all or one each."""
        room = WIDTH - left - right
        for i, (label, value) in enumerate(zip(labels, values, strict=True)):
            top = y + i * step
            length = max(2.0, room * value / (largest or max(values)))
            paint = role if role is None or isinstance(role, str) else role[i]
            self.text(left - 6, top + step / 2 + 4, label, anchor="end")
            self.box(left, top + 3, length, step - 6, role=paint, tint=0.75 if paint else 0.25, line=0, radius=3)
            self.text(left + length + 5, top + step / 2 + 4, shown(value), anchor="start")

    @property
    def svg(self) -> str:
        """The panel as SVG."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {number(self.height)}" aria-hidden="true" '
            f'font-size="12" text-anchor="middle" fill="currentColor">{"".join(self.shapes)}</svg>'
        )
