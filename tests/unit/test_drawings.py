"""Concept drawings: sound SVG in the course's colors, with numbers that another computation confirms."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors import safe_open

from gpt2_course import GPT2Config
from gpt2_course.bricks import my_gpt2
from gpt2_course.drawings import drawing
from gpt2_course.drawings.entries import ENTRIES
from gpt2_course.drawings.kit import ROLES, SMALLEST, WIDTH, Panel, text_width
from gpt2_course.drawings.shipped import shipped
from gpt2_course.sources import DEFAULT_MODEL, SHIPPED
from gpt2_course.tiny_world import documents
from gpt2_course.wall import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
LIVE = {3, 4, 5, 6, 7}  # chapters with a live drawing of the model, which counts as one
EVERY = pytest.mark.parametrize("name", ENTRIES)


@cache
def shown(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing(name)._repr_html_())


def panels(name: str) -> list[ElementTree.Element]:
    return list(shown(name).iter(f"{SVG}svg"))


def texts(name: str) -> list[str]:
    return [text.text or "" for panel in panels(name) for text in panel.iter(f"{SVG}text")]


def luminance(color: tuple[float, float, float]) -> float:
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


@EVERY
def test_a_drawing_is_well_formed_and_described_in_words(name: str) -> None:
    assert shown(name).get("role") == "img"
    label = shown(name).get("aria-label") or ""
    assert label == repr(drawing(name))
    assert label.endswith(".")
    assert len(label.split()) >= 20
    assert all(panel.get("aria-hidden") == "true" for panel in panels(name))  # the label says it all


@EVERY
def test_a_drawing_has_the_same_bytes_every_time_and_fetches_nothing(name: str) -> None:
    once = drawing(name)._repr_html_()
    assert drawing(name)._repr_html_() == once
    assert not re.search(r"<(script|image|use|style|a)\b|url\(|https?://(?!www\.w3\.org/2000/svg)", once)


@EVERY
def test_every_text_is_large_enough_and_inside_of_its_panel(name: str) -> None:
    for panel in panels(name):
        _, _, width, height = map(float, panel.get("viewBox", "").split())
        assert width == WIDTH  # as wide as a phone's column, so nothing is scaled down
        for text in panel.iter(f"{SVG}text"):
            size = float(text.get("font-size", 12))
            assert size >= SMALLEST
            bold = text.get("font-weight") is not None
            long = 0.9 * text_width(text.text or "", size, bold)  # a guess: the browser's font is not known here
            left = (
                float(text.get("x", 0))
                - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor", "middle")]
            )
            assert left >= -6, text.text
            assert left + long <= width + 6, text.text
            assert size * 0.7 <= float(text.get("y", 0)) <= height, text.text


@EVERY
def test_a_drawing_uses_only_the_colors_of_the_roles(name: str) -> None:
    html = drawing(name)._repr_html_()
    assert set(re.findall(r"#[0-9a-fA-F]{3,6}\b", html)) <= set(ROLES.values())
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', html)) <= {*ROLES.values(), "currentColor", "none"}


def test_the_roles_have_the_colors_of_the_live_drawing() -> None:
    css = (ROOT / "gpt2_course/labs/static/labs.css").read_text(encoding="utf-8")
    light: dict[str, str] = {}
    for role, color in re.findall(r"--lab-role-(\w+): (#\w+);", css):
        light.setdefault(role, color)  # dark colors come later
    assert len(light) == 10
    assert {role: ROLES[role] for role in light} == light
    assert set(ROLES.values()) == set(light.values())


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("#1c1f26", "#fbfaf6"),
        ("#1c1f26", "#ffffff"),
        ("#e6e4de", "#14161b"),
        ("#e6e4de", "#1b1e25"),
        ("#ffffff", "#111111"),
    ],
    ids=["book", "card", "dark book", "dark card", "dark JupyterLab"],
)
def test_text_can_be_read_on_every_background(ink: str, paper: str) -> None:
    def mixed(color: str, share: float, other: str) -> tuple[float, float, float]:
        return tuple(share * a + (1 - share) * b for a, b in zip(rgb(color), rgb(other), strict=True))  # type: ignore[return-value]

    def contrast(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    for color in set(ROLES.values()):
        text, shape = mixed(color, 0.6, ink), mixed(color, 0.8, ink)
        assert contrast(text, rgb(paper)) >= 4.5, color  # WCAG 2.1, level AA
        assert contrast(shape, rgb(paper)) >= 3, color  # for lines
        filled = tuple(0.5 * a + 0.5 * b for a, b in zip(shape, rgb(paper), strict=True))
        assert contrast(rgb(ink), filled) >= 4.5, color  # type: ignore[arg-type]  # ink on the strongest cell with text


@EVERY
def test_text_stands_only_on_weak_tints(name: str) -> None:
    """On a tint above one half, the contrast of the text would be too low."""
    for panel in panels(name):
        ground: list[tuple[float, float, float, float, float]] = []
        for shape in panel:
            if shape.tag == f"{SVG}rect" and shape.get("fill") != "none":
                x, y, width, height = (float(shape.get(key, 0)) for key in ("x", "y", "width", "height"))
                ground.append((x, y, x + width, y + height, float(shape.get("fill-opacity", 1))))
            if shape.tag == f"{SVG}text" and shape.get("text-anchor") is None and shape.text:
                x, y = float(shape.get("x", 0)), float(shape.get("y", 0)) - 4
                tints = [tint for a, b, c, d, tint in ground if a <= x <= c and b <= y <= d]
                assert sum(tints) <= 0.6, shape.text


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"There is no drawing 'maks'; there are advantage, .*, mask, "):
        drawing("maks")


def test_a_text_too_small_to_read_is_refused() -> None:
    with pytest.raises(AssertionError, match="'tiny' would be too small to read"):
        Panel(20).text(0, 10, "tiny", size=9)


def test_every_chapter_has_two_drawings() -> None:
    made = Counter(entry.chapter for entry in ENTRIES.values())
    for chapter in [0, *CHAPTERS]:
        assert made[chapter] + (chapter in LIVE) >= 2, chapter


def shown_in(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names = []
    for cell in cells:
        found = re.findall(r'^drawing\("([^"]+)"\)$', "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "code" and found:
            assert "remove-input" in cell["metadata"].get("tags", [])
            html = "".join(cell["outputs"][0]["data"]["text/html"])
            assert html == drawing(found[-1])._repr_html_(), f"{path.name} shows an old drawing: run `make refresh`"
            names += found
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_chapter_shows_its_drawings(path: Path) -> None:
    chapter = int(path.stem[:2])
    made = {entry.name for entry in ENTRIES.values() if entry.chapter == chapter}
    later = [name for page in sorted((ROOT / "book").glob("appendix_*.ipynb")) for name in shown_in(page)]
    assert sorted(shown_in(path)) == sorted(made - set(later))


# ---- numbers, recomputed in another way --------------------------------------------------------------------------


def test_the_matrix_product_shows_what_python_computes() -> None:
    a, b = [[1, 0, 2], [0, 1, 1]], [[1, 2], [3, 4], [5, 6]]
    product = [sum(x * y for x, y in zip(row, column, strict=True)) for row in a for column in zip(*b, strict=True)]
    found = texts("matrix-product")
    assert [int(text) for text in found if text.isdigit()][-4:] == product
    assert f"1·2 + 0·4 + 2·6 = {product[1]}" in found


def test_the_counts_are_those_of_the_texts() -> None:
    texts_read = [document.text for document, _ in zip(documents(seed=0, split="train"), range(2000), strict=False)]
    total = sum(len(re.findall(r"\bShe\b", text.rsplit(None, 1)[0])) for text in texts_read)
    was = sum(len(re.findall(r"\bShe\s+was\b", text)) for text in texts_read)
    found = texts("counts")
    assert found[found.index("was") + 1] == str(was)
    assert f"{was / total:.0%}" in found
    assert str(total) in found


def test_surprise_is_minus_the_logarithm() -> None:
    found = " ".join(texts("surprise"))
    for p in (0.01, 0.1, 0.5, 1.0):
        assert f" {-math.log(p) + 0:.2f}" in found


def test_the_product_with_a_one_hot_row_is_a_row() -> None:
    product = panels("embedding")[1]
    found = [(float(text.get("x", 0)), text.get("y")) for text in product.iter(f"{SVG}text") if text.text == "−0.7"]
    result = max(found)
    row = [t for t in product.iter(f"{SVG}text") if t.get("y") == result[1] and float(t.get("x", 0)) >= result[0]]
    assert [text.text for text in row] == ["−0.7", "0.8", "0.9"]


def test_the_id_of_a_byte_is_its_value_as_in_the_chapter() -> None:
    found = [int(text) for text in texts("pieces") if text.isdigit()]
    raw = list("é 🦊 fox".encode())
    assert found[: len(raw)] == raw
    assert found[len(raw) :] == [*raw[:7], shipped()[1].encode(" fox")[0]]


def test_rearranging_and_gathering() -> None:
    found = texts("rearranging")
    digits = [text for text in found if re.fullmatch(r"\d", text)]
    x = torch.arange(6).view(2, 3)
    for part, table in enumerate((x, x.view(3, 2), x.T)):
        assert digits[6 * part : 6 * part + 6] == [str(n) for n in table.flatten().tolist()]
    assert [text for text in found if "." in text][-3:-1] == ["0.7", "0.5"]


def test_the_columns_of_the_heads_are_in_the_order_that_the_exercise_expects() -> None:
    names = [text for text in texts("qkv-columns") if re.fullmatch(r"[qkv]\d", text)]
    columns = torch.arange(36)[None].float()  # the number of each column, so the parts say where they come from
    q, k, v = (my_gpt2.split_heads(part, 3) for part in columns.chunk(3, -1))
    first = {f"{name}{h}": float(part[h, 0, 0]) for name, part in zip("qkv", (q, k, v), strict=True) for h in range(3)}
    assert names == sorted(first, key=first.__getitem__)


def test_the_heads_look_at_the_story_of_the_chapters() -> None:
    from gpt2_course.drawings.attention import STORY

    for name in ("04_attention", "05_many_heads"):
        chapter = (ROOT / f"chapters/{name}.ipynb").read_text(encoding="utf-8")
        assert STORY in chapter.replace("lost a red {}", "lost a red kite").replace("lay the {}", "lay the red")


def test_the_merges_end_in_one_token_of_the_tokenizer() -> None:
    found = texts("merges")
    numbers = [int(text.replace(",", "")) for text in found if re.fullmatch(r"[\d,]+", text)]
    merges = shipped()[1].merges
    assert len(numbers) == 7
    assert b"".join(merges[numbers[-1] - 1]) == b" lantern"
    assert shipped()[1].encode(" lantern")[0] == 256 + numbers[-1] - 1  # merges come after the 256 bytes


def test_the_attention_by_hand_is_softmax() -> None:
    assert f"{math.exp(4) / (math.exp(4) + 7):.0%}" in texts("query-key-value")


def test_the_masks_rows_add_up_and_its_future_is_empty() -> None:
    cells = [text for text in texts("mask") if re.fullmatch(r"0|\d+%|−?\d\.\d|−∞", text)]
    scores, shares = cells[:16], cells[16:]
    assert [i for i, cell in enumerate(scores) if cell == "−∞"] == [1, 2, 3, 6, 7, 11]
    assert [i for i, cell in enumerate(shares) if cell == "0"] == [1, 2, 3, 6, 7, 11]
    for t in range(4):
        powers = [math.exp(float(cell.replace("−", "-"))) for cell in scores[4 * t : 4 * t + t + 1]]
        assert shares[4 * t : 4 * t + t + 1] == [f"{power / sum(powers):.0%}" for power in powers]


def test_layer_norm_by_hand() -> None:
    x = [6, 9, 4, 8, 3]
    mean = sum(x) / 5
    deviation = (sum((value - mean) ** 2 for value in x) / 5) ** 0.5
    expected = [f"{(value - mean) / deviation:.1f}".replace("-", "−") for value in x]
    found = texts("layer-norm")
    assert [text for text in found if re.fullmatch(r"−?\d\.\d", text)] == expected
    assert f"Before: mean {mean:.0f}, standard deviation {deviation:.1f}" in found


def test_gpt2s_parameters_by_formula() -> None:
    C, V, P, L = 768, 50257, 1024, 12
    expected = [V * C, P * C, L * (4 * C * C + 4 * C), L * (8 * C * C + 5 * C), (2 * L + 1) * 2 * C]
    assert GPT2Config() == GPT2Config(n_embd=C, vocab_size=V, n_positions=P, n_layer=L)
    assert [int(t.replace(",", "")) for t in texts("parameters") if re.fullmatch(r"[\d,]{4,}", t)] == expected


def test_the_graphs_gradients_are_slopes() -> None:
    def loss(w: float, x: float, b: float, target: float) -> float:
        return (w * x + b + target) ** 2

    at = {"w": 2.0, "x": 3.0, "b": 1.0, "target": -5.0}
    label = repr(drawing("graph"))
    for name in at:
        slope = (loss(**{**at, name: at[name] + 1e-6}) - loss(**{**at, name: at[name] - 1e-6})) / 2e-6
        assert f"{name}: number {at[name]:.0f}, slope {round(slope)}".replace("-", "−") in label


def test_top_p_keeps_the_fewest_that_are_enough() -> None:
    shares = [int(text[:-1]) / 100 for text in texts("cuts") if re.fullmatch(r"\d+%", text)]
    bars = shares[: len(shares) // 2]
    kept = next(n for n, total in enumerate(accumulate(bars), start=1) if total >= 0.8)
    assert f"keeps the first {kept}," in repr(drawing("cuts"))


def test_the_number_falls_on_its_token() -> None:
    ranges = [text.split(" to ") for text in texts("die") if " to " in text]
    assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]
    assert (ranges[0][0], ranges[-1][1]) == ("0.00", "1.00")
    (hit,) = [i for i, (start, end) in enumerate(ranges) if float(start) <= 0.62 < float(end)]
    assert texts("die")[1 + 2 * hit] in repr(drawing("die")).rsplit("falls on ", 1)[1]


def test_the_valleys_losses_by_plain_arithmetic() -> None:
    reached = []
    for rate, momentum in ((1.8, 0.0), (0.7, 0.8)):
        x, y, speed_x, speed_y = -9.0, 2.4, 0.0, 0.0
        for _ in range(12):
            speed_x, speed_y = momentum * speed_x - rate * 0.04 * x, momentum * speed_y - rate * y
            x, y = x + speed_x, y + speed_y
        reached.append(f"after 12 steps, loss {0.02 * x * x + 0.5 * y * y:.2f}")
    assert [text for text in texts("valley") if "loss" in text] == reached


def test_packed_documents_fill_only_their_own_triangles() -> None:
    filled = [rect for rect in panels("packing")[0].iter(f"{SVG}rect") if rect.get("fill-opacity") == "0.55"]
    assert len(filled) == sum(n * (n + 1) // 2 for n in (4, 3, 2))


def test_the_low_rank_share() -> None:
    C, rank = shipped()[0].config.n_embd, 4
    thin = rank * (C + 4 * C)
    assert f"{thin:,} learn: {thin / (C * 4 * C):.1%} as many." in texts("lora")


def test_only_the_answers_tokens_are_graded() -> None:
    tokenizer = shipped()[1]
    found = texts("answer-only")
    assert found.count("−100") == len(tokenizer.encode("User: who is pip\nAssistant:")) - 1
    answer = len(tokenizer.encode(" Pip is a fox.\n")) + 1  # and the end of the text
    assert any(text.startswith(f"{answer} of ") for text in found)


def test_advantages_add_up_to_nothing() -> None:
    gains = [float(text.replace("−", "-")) for text in texts("advantage") if re.fullmatch(r"−?\d\.\d\d", text)]
    assert len(gains) == 8
    assert sum(gains) == pytest.approx(0)


def test_a_long_leash_has_the_larger_divergence() -> None:
    logits = [2.0, 1.8, 1.4, 0.9, -1.0]
    before = [math.exp(v) / sum(map(math.exp, logits)) for v in logits]
    for beta in (1.0, 0.2):
        tilted = [p * math.exp((i == 4) / beta) for i, p in enumerate(before)]
        after = [p / sum(tilted) for p in tilted]
        divergence = sum(q * math.log(q / p) for p, q in zip(before, after, strict=True))
        assert f"KL = {divergence:.2f}" in texts("leash")
        assert f"{after[4]:.0%}" in texts("leash")


def test_eight_bits_are_never_off_by_more_than_half_a_step() -> None:
    found = [text.replace("−", "-") for text in texts("eight-bits")]
    row = [float(text) for text in found if re.fullmatch(r"-?\d\.\d\d", text)]
    levels = [int(text) for text in found if re.fullmatch(r"-?\d+", text)]
    assert levels == [round(value / max(row) * 127) for value in row]
    error = max(abs(value - level * max(row) / 127) for value, level in zip(row, levels, strict=True))
    assert f"The largest error is {error:.4f}." in found
    assert error <= max(row) / 127 / 2


def test_the_files_lines_are_those_of_the_file() -> None:
    lines = Path(my_gpt2.__file__).read_text(encoding="utf-8")
    code = re.sub(r'"""(?:[^"]|"(?!""))*"""', "", lines)
    wanted = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    found = texts("file")
    bricks = [int(text.split()[0]) for text in found if re.fullmatch(r"\d+ lines", text)]
    (plate,) = [int(text.split(": ")[1].split()[0]) for text in found if text.startswith("the plate: ")]
    assert sum(bricks) + plate == len(wanted)
    assert found[0] == f"my_gpt2.py: {sum(bricks)} lines of your code"


def test_a_rotation_keeps_the_dot_product_of_equal_distances() -> None:
    values = [text for text in texts("rotation") if text.startswith("query · key")]
    assert len(values) == 2
    assert values[0] == values[1]
    q, k = complex(1.0, 0.2), complex(0.85, -0.3)
    turned = q * complex(math.cos(0.5), math.sin(0.5)) * k.conjugate()  # one position apart
    assert values[0] == f"query · key = {turned.real:.2f}"


def test_the_routers_weights_are_those_of_the_two_best() -> None:
    logits = [0.2, 1.6, -0.7, 0.4, 2.3, -1.1, 0.1, -0.3]
    first, second = sorted(logits, reverse=True)[:2]
    share = 1 / (1 + math.exp(second - first))
    assert {f"{share:.0%}", f"{1 - share:.0%}"} <= set(texts("router"))


def test_muon_makes_a_steps_strengths_alike() -> None:
    strengths = [
        [float(s) for s in re.findall(r"[\d.]+", text)] for text in texts("muon") if text.startswith("strengths")
    ]
    det, square = 1.7 * 0.7 - 0.6 * 0.9, 1.7**2 + 0.6**2 + 0.9**2 + 0.7**2  # s₁·s₂ and s₁² + s₂²
    large = ((square + (square**2 - 4 * det**2) ** 0.5) / 2) ** 0.5
    assert strengths[0] == [round(large, 1), round(det / large, 1)]
    assert all(0.6 < strength < 1.3 for strength in strengths[1])


def test_the_shift_is_by_one_token() -> None:
    found = re.findall(r"“([^”]*)” → “([^”]*)”", repr(drawing("shift")))
    assert all(target == given for (_, target), (given, _) in pairwise(found))


def test_drawings_leave_the_random_generator_where_it_was() -> None:
    """A drawing in the middle of a chapter must not change what the chapter draws next."""
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    for name in ENTRIES:
        drawing(name)
    assert torch.rand(1) == expected


def test_the_file_has_as_many_bytes_as_drawn() -> None:
    found = [int(text.split()[0].replace(",", "")) for text in texts("safetensors") if text.endswith(" bytes")]
    path = SHIPPED[DEFAULT_MODEL] / "model.safetensors"
    assert sum(found) == path.stat().st_size
    with safe_open(path, "pt") as file:
        (name,) = [each for each in file.keys() if each.endswith("wpe.weight")]  # noqa: SIM118
        rows, channels = file.get_tensor(name).shape
        total = sum(file.get_tensor(each).nbytes for each in file.keys())  # noqa: SIM118
    assert found[2] == total
    first, last = (int(n.replace(",", "")) for t in texts("safetensors") if " to " in t for n in t[1:-1].split(" to "))
    assert last - first == 2 * rows * channels
