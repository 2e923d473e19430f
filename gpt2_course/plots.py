"""The pictures that more than one place draws, in one style."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from gpt2_course.training import one_line

# Okabe & Ito (2008): colours that people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"

STYLE: dict[str, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "font.size": 11,
    "svg.fonttype": "none",  # text stays text: small files that can be searched
    "svg.hashsalt": "gpt2_course",  # the same picture is the same file
}


def save_loss_curve(history: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draws the history of a training run (see `read_history`), and what the model wrote on the way."""
    train = [(e["step"], e["loss"]) for e in history if "val_loss" not in e]
    reports = [e for e in history if "val_loss" in e]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        if train:
            axes.plot(*zip(*train, strict=True), color=BLUE, linewidth=1, alpha=0.7, label="on the training text")
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
        axes.annotate(f"{losses[-1]:.2f}", (steps[-1], losses[-1]), (6, 4), textcoords="offset points", color=ORANGE)
        # the samples of four reports, one below the other at the right, where a falling curve leaves room
        chosen = [reports[i] for i in sorted({0, 1, len(reports) // 2, len(reports) - 1}) if i < len(reports)]
        for i, report in enumerate(chosen):
            shown = one_line(report["sample"], 44)  # an SVG file must not hold the control characters of gibberish
            axes.text(0.3, 0.93 - 0.08 * i, f"step {report['step']}", transform=axes.transAxes, color=GREY)
            axes.text(0.43, 0.93 - 0.08 * i, f"“{shown}”", transform=axes.transAxes, parse_math=False)
        axes.set_xlabel("steps")
        axes.set_ylabel("loss (nats a token; lower is better)")
        axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.62))
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():  # a character the font lacks: in SVG the reader's own fonts show it
            warnings.simplefilter("ignore", UserWarning)
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path
