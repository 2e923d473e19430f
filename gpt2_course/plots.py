"""Pictures in the course's style, including those drawn in several places."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import matplotlib
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from torch import Tensor

from gpt2_course.history import one_line

__all__ = ["draw_loss_curve", "draw_map", "new_axes", "picture", "show_bars", "show_matrices"]

# Okabe & Ito (2008): colors that people with any kind of color vision can tell apart.
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"
INK = "#010203"  # placeholder for the color of the text around a picture, which may be light or dark
SMALLEST = 11  # smallest text in a picture, in pixels, however narrow the screen
# For numbers from −1 to 1: blue above 0, orange below, gray for none. Zero lets the page's own color through, and the
# strongest shade a quarter of it, so that text can be read on all of them, on a light page and on a dark one.
SHADES = LinearSegmentedColormap.from_list(
    "shades",
    [(0, to_rgba(ORANGE, 0.75)), (0.5, to_rgba(ORANGE, 0)), (0.5, to_rgba(BLUE, 0)), (1, to_rgba(BLUE, 0.75))],
).with_extremes(bad=to_rgba(GRAY, 0.4))

STYLE: dict[str, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00"]),
    "text.color": INK,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.size": 11,
    "svg.fonttype": "none",  # keep text as text, for small, searchable files
    "svg.hashsalt": "gpt2_course",  # the same picture always gives the same file
}


@dataclass(frozen=True)
class Picture:
    """An SVG that takes on the colors of the page, with a description in words."""

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        return f'<div class="picture" role="img" aria-label="{html.escape(self.alt)}">{self.svg}</div>'

    def __repr__(self) -> str:
        return self.alt


def new_axes(width: float = 4.1, height: float = 3, **subplots: Any) -> Any:
    """Empty axes in the style of the course, or an array of them given nrows and ncols; sizes in inches.

    A picture of the default width fits a phone, with all its text in a readable size.
    """
    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained").subplots(**subplots)


def picture(axes: Axes, alt: str) -> Picture:
    """The figure of these axes as a picture. `alt` describes it to readers who cannot see it."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    for legend in figure.findobj(Legend):
        legend.set_frame_on(False)  # a white box would stay white in dark mode
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    for text in texts:
        if text.get_color() == "black":
            text.set_color(INK)  # black text would stay black
    sizes = [float(text.get_fontsize()) for text in texts if text.get_text()]
    narrowest = 72 * figure.get_figwidth() * SMALLEST / min(sizes, default=SMALLEST)
    file = io.StringIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a character missing from the font: the reader's fonts show it
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Round to tenths of a point, which nobody can see: machines with slightly different arithmetic then give the same
    # file. Round only inside tags, because the rest is text.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d\d+", lambda n: f"{float(n[0]):.1f}", tag[0]), svg)
    style = f"max-width:100%;min-width:{narrowest:.0f}px;height:auto"
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', rf'<svg\1 style="{style}"', svg)
    return Picture(re.sub(r"\n\s*", "\n", svg), alt)


def show_bars(labels: Sequence[str], values: Sequence[float], title: str, unit: str) -> Picture:
    """Horizontal bars, one below the other, each labeled with its value, in a picture as wide as a phone."""
    axes = new_axes(height=1 + 0.3 * len(labels))
    numbers = [round(float(value), 3) for value in values]
    places = range(len(labels))
    bars = axes.barh(places, numbers, color=BLUE, height=0.7)
    axes.bar_label(bars, [f"{number:.3f}" for number in numbers], padding=4, color=INK, fontsize=11)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel(unit)
    axes.figure.suptitle(title, x=0.01, ha="left", size=12, color=INK)
    described = ", ".join(f"{label} {number:.3f}" for label, number in zip(labels, numbers, strict=True))
    return picture(axes, f"Bars of {unit}. {title} {described}.")


def show_matrices(
    matrices: Mapping[str, Tensor],
    alt: str,
    between: Sequence[str] = (),
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    largest: float | None = None,
    zeros: bool = True,
) -> Picture:
    """Matrices side by side with a title each. Every number is a square: blue above 0, orange below, gray for −∞.

    `between` has the signs between the matrices, such as "@" and "=". `rows` labels the first matrix of such a formula,
    or else every matrix, and `columns` labels all that have as many. A matrix of at most 12 columns shows its numbers,
    with two digits unless all are whole; without `zeros`, those that are 0 to two digits stay blank. `largest` is the
    number with the darkest color; if None, it is each matrix's largest one. If there is no room for all side by side,
    as on a phone, the later ones go below.
    """
    parts = []
    for place, (title, matrix) in enumerate(matrices.items()):
        labels = rows if place == 0 or not between else ()
        sign = f"<span>{html.escape(between[place - 1])}</span>" if 0 < place <= len(between) else ""
        svg = picture(_matrix(title, matrix.detach().float(), labels, columns, largest, zeros), "").svg
        points = float(re.findall(r'viewBox="0 0 (\S+)', svg)[0])
        svg = svg.replace('style="', f'style="flex:none;width:{points:.0f}pt;', 1)
        parts.append(f'<div style="align-items:center;display:flex;gap:.7em;max-width:100%">{sign}{svg}</div>')
    style = "align-items:center;display:flex;flex-wrap:wrap;gap:0 1em"
    return Picture(f'<div style="{style}">{"".join(parts)}</div>', alt)


def _matrix(
    title: str, numbers: Tensor, rows: Sequence[str], columns: Sequence[str], largest: float | None, zeros: bool
) -> Axes:
    """A matrix of `show_matrices` as axes of its own."""
    n_rows, n_columns = numbers.shape
    labeled = len(columns) == n_columns
    width = max(0.42 * n_columns, 0.09 * len(title)) + 0.15 + 0.08 * max(map(len, rows), default=0) + 0.2 * bool(rows)
    height = 0.42 * n_rows + 0.45 + labeled * (0.25 + 0.07 * max(map(len, columns), default=0))
    axes: Axes = new_axes(width, height)
    seen = numbers.isfinite()
    darkest = largest or float(numbers[seen].abs().max()) or 1.0
    # round, because the last digits differ from machine to machine
    strength = (numbers / darkest).round(decimals=2).masked_fill(~seen, nan)
    axes.imshow(strength.numpy(), cmap=SHADES, vmin=-1, vmax=1)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xticks(range(n_columns) if labeled else [], columns if labeled else [])
    axes.set_yticks(range(len(rows)), rows)
    if labeled and max(map(len, columns)) > 2:
        axes.tick_params(axis="x", rotation=60)
    axes.set_anchor("W")
    axes.spines[:].set(visible=True, linewidth=0.5)
    whole = bool((numbers[seen] == numbers[seen].round()).all())
    for (i, j), number in zip(torch.cartesian_prod(*map(torch.arange, numbers.shape)), numbers.flatten(), strict=True):
        if n_columns <= 12 and (zeros or abs(number) >= 0.005):
            shown = f"{float(number):.0f}" if whole else f"{round(float(number), 2) + 0:.2f}"  # no "-0.00"
            shown = (shown if number.isfinite() else "−∞").replace("-", "−")
            axes.text(int(j), int(i), shown, ha="center", va="center", fontsize=10, color=INK)
    return axes


def draw_map(axes: Axes, groups: Mapping[str, Tensor], title: str) -> None:
    """Draw vectors as points in a plane, with one color per group; `groups` maps names to tensors (n, C).

    The plane is spanned by the two directions in which the vectors vary most (principal component analysis).
    """
    everything = torch.cat(list(groups.values()))
    center = everything.mean(0)
    directions = torch.linalg.svd(everything - center, full_matrices=False)[2][:2]  # (2, C)
    # a direction and its opposite are equally good: make the component of largest magnitude positive
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    for name, vectors in groups.items():
        # round, because the last digits differ from machine to machine
        x, y = ((vectors - center) @ (directions * signs).T).round(decimals=2).T
        axes.scatter(x, y, s=18, label=name)
    axes.set_title(title, loc="left", color=INK)


def draw_loss_curve(history: Sequence[dict[str, Any]]) -> Axes:
    """The loss curve of a training run (`history` is from `read_history`), with samples of the model's writing."""
    train = [(e["step"], e["loss"]) for e in history if "val_loss" not in e]
    reports = [e for e in history if "val_loss" in e]
    axes: Axes = new_axes(width=8, height=4.5)
    if train:
        axes.plot(*zip(*train, strict=True), color=BLUE, linewidth=1.5, label="on the training text")
    steps, losses = [e["step"] for e in reports], [e["val_loss"] for e in reports]
    axes.plot(steps, losses, color=ORANGE, linewidth=2, marker="o", markersize=4, label="on text it has not seen")
    floors = [(e["step"], e["floor"]) for e in reports if e.get("floor") is not None]
    if floors:
        axes.plot(
            *zip(*floors, strict=True),
            color=GREEN,
            linewidth=2,
            linestyle="--",
            label="the floor: no model can do better",
        )
    axes.annotate(f"{losses[-1]:.2f}", (steps[-1], losses[-1]), (6, 4), textcoords="offset points")
    # samples from up to four reports at the right, where a falling curve leaves room
    chosen = [reports[i] for i in sorted({0, 1, len(reports) // 2, len(reports) - 1}) if i < len(reports)]
    for i, report in enumerate(chosen):
        shown = one_line(report["sample"], 44)  # gibberish may contain control characters, which SVG forbids
        axes.text(0.3, 0.93 - 0.08 * i, f"step {report['step']}", transform=axes.transAxes)
        axes.text(0.43, 0.93 - 0.08 * i, f"“{shown}”", transform=axes.transAxes, parse_math=False)
    axes.set_xlabel("steps")
    axes.set_ylabel("loss (nats per token; lower is better)")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.62))
    return axes


def save_loss_curve(history: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write the loss curve of a run to an SVG or PNG file, depending on its suffix; return the path."""
    axes = draw_loss_curve(history)
    figure = axes.get_figure(root=True)
    assert figure is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # a character missing from the font: in SVG, the reader's fonts show it
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
    return path
