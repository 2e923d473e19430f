"""The pictures that more than one place draws, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

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
    """Draws the history of a training run (see `read_history`), with a few samples where they were written."""
    train = [(e["step"], e["loss"]) for e in history if "val_loss" not in e]
    reports = [e for e in history if "val_loss" in e]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        if train:
            axes.plot(*zip(*train, strict=True), color=BLUE, linewidth=1, alpha=0.5, label="on the training text")
        steps, losses = [e["step"] for e in reports], [e["val_loss"] for e in reports]
        axes.plot(steps, losses, color=ORANGE, linewidth=2, marker="o", markersize=4, label="on held-out text")
        axes.annotate(f"{losses[-1]:.2f}", (steps[-1], losses[-1]), (6, 4), textcoords="offset points", color=ORANGE)
        axes.set_xlabel("steps")
        axes.set_ylabel("loss (nats a token)")
        axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path
