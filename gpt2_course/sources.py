"""Where a model comes from: a folder, the package itself, or the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from gpt2_course.checkpoint import WEIGHTS

HUB_NAMES = {
    **{name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")},
    "distilgpt2": "distilbert/distilgpt2",
}
DEFAULT_MODEL = "tiny-world"
SHIPPED = {DEFAULT_MODEL: Path(__file__).parent / "pretrained" / "tiny-world"}  # ships with the package


def find_model(name_or_folder: str | Path) -> Path:
    """The folder of a model, given the folder itself or a name.

    `tiny-world` ships with the package. Names in `HUB_NAMES` and any OWNER/NAME mean a model on the hub, which is
    downloaded unless it is in the local cache.

    Raises `FileNotFoundError` if there is no such model, `ConnectionError` if the hub cannot be reached.
    """
    name, folder = str(name_or_folder), Path(name_or_folder)
    if folder.is_dir():
        return folder
    if name in SHIPPED:
        return SHIPPED[name]
    # runs/laptop means a folder, as does any name whose first part is a local folder
    owner = re.fullmatch(r"(\w[\w.-]*)/[\w.-]+", name)
    if name in HUB_NAMES or (owner and owner[1] != "runs" and not Path(owner[1]).exists()):
        from gpt2_course.hub import download  # imported here because it is slow to import and rarely needed

        return download(HUB_NAMES.get(name, name))
    raise FileNotFoundError(
        f"There is no model folder {name!r}: give a folder that contains {WEIGHTS}, one of "
        f"{', '.join([*SHIPPED, *HUB_NAMES])}, or OWNER/NAME of a GPT-2 on the Hugging Face hub."
    )
