"""A Sphinx extension that puts the shipped model's weights into the site in 8 bits: half the bytes to load."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save
from sphinx.application import Sphinx

from gpt2_course.checkpoint import WEIGHTS
from gpt2_course.quantization import eight_bit_tensors
from gpt2_course.sources import find_model


def quantize(app: Sphinx, exception: Exception | None) -> None:
    """Replace the weights that were copied with the model's folder."""
    if exception is None and app.builder.format == "html":
        tensors = eight_bit_tensors(load_file(find_model("tiny-world") / WEIGHTS))
        Path(app.outdir, "_static/tiny-world", WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", quantize)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
