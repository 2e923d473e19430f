"""Pictures are valid files and the same every time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from gpt2_course.plots import new_axes, picture, save_loss_curve, show_matrices

HISTORY: list[dict[str, Any]] = [
    {"step": 0, "loss": None, "val_loss": 7.0, "sample": "\x00\x16 $x^2 <b>&amp; 🍵 \ufffd"},
    {"step": 10, "loss": 6.5},
    {"step": 20, "loss": 6.1},
    {"step": 20, "loss": 6.1, "val_loss": 6.2, "sample": "The fox\nand the owl" * 9},
]


def test_the_loss_curve_is_valid_svg_and_contains_the_samples_as_text(tmp_path: Path) -> None:
    path = save_loss_curve(HISTORY, tmp_path / "new" / "loss.svg")
    texts = [element.text or "" for element in ElementTree.parse(path).iter() if element.tag.endswith("text")]
    assert any(text.startswith("“The fox and the owl") and text.endswith("…”") for text in texts)
    assert "“$x^2 <b>&amp; 🍵 \ufffd”" in texts
    assert "6.20" in texts


def test_the_same_history_gives_the_same_file(tmp_path: Path) -> None:
    one, two = (save_loss_curve(HISTORY, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert one == two


def test_a_run_with_one_report_can_be_drawn(tmp_path: Path) -> None:
    assert save_loss_curve(HISTORY[:1], tmp_path / "loss.svg").stat().st_size > 1000


def test_the_floor_is_drawn_if_it_is_known(tmp_path: Path) -> None:
    def words(history: list[dict[str, Any]]) -> str:
        return save_loss_curve(history, tmp_path / "loss.svg").read_text(encoding="utf-8")

    assert "no model can do better" not in words(HISTORY)
    assert "no model can do better" in words([{**entry, "floor": 0.3} for entry in HISTORY])


def test_a_picture_never_shrinks_until_its_text_is_unreadable() -> None:
    axes = new_axes(width=5)
    axes.text(0.5, 0.5, "small", fontsize=8)
    assert "min-width:495px" in picture(axes, "A small word.").svg  # 5 inches of 72 points, times 11 px per 8 points


def test_matrices_show_their_numbers_signs_and_labels() -> None:
    scores = torch.tensor([[0.5, -torch.inf], [-1.25, 2.0]])
    drawn = show_matrices(
        {"scores": scores, "ones": torch.ones(2, 3)}, "Two tables.", ["@"], ["Pip", "lost"], ["a", "b"]
    )
    texts = [element.text for element in ElementTree.fromstring(drawn.svg).iter() if element.tag.endswith("text")]
    assert {"0.50", "−∞", "−1.25", "2.00", "scores", "ones", "Pip", "lost", "a", "b"} <= set(texts)
    assert "<span>@</span>" in drawn.svg
    assert texts.count("Pip") == 1  # a formula has its labels once
    assert texts.count("1") == 6  # whole numbers have no digits after the point
    assert drawn.alt == "Two tables."


def test_matrices_can_share_one_scale_and_leave_zeros_blank() -> None:
    tables = {"small": torch.tensor([[0.2, 0.001]]), "large": torch.tensor([[1.0, 0.2]])}
    drawn = show_matrices(tables, "Two tables.", columns=["x", "y"], largest=1.0, zeros=False)
    texts = [element.text for element in ElementTree.fromstring(drawn.svg).iter() if element.tag.endswith("text")]
    assert "0.00" not in texts
    assert texts.count("0.20") == texts.count("x") == texts.count("y") == 2
    own = show_matrices(tables, "Two tables.", columns=["x", "y"], zeros=False)
    small, large = (re.findall('base64,([^"]+)', each.svg) for each in (drawn, own))
    assert small[0] != large[0]  # on its own scale, the small one is as dark as the large one
    assert small[1] == large[1]


def test_a_wide_matrix_has_no_numbers() -> None:
    drawn = show_matrices({"wide": torch.ones(2, 13)}, "A wide table.")
    texts = [element.text for element in ElementTree.fromstring(drawn.svg).iter() if element.tag.endswith("text")]
    assert texts == ["wide"]
