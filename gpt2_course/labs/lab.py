"""The base class of all labs: one ES module that runs in two places.

In Jupyter, Colab, and VS Code, a lab is a widget (anywidget), and the kernel computes with any model. In the book,
there is no kernel: the output of the cell contains a `<div data-lab=…>`, and `static/hydrate.mjs` connects the same
module to an engine in the page. Until then, or if that fails, the div shows a static example.
"""

from __future__ import annotations

import html
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget

from gpt2_course.labs.kernel import Kernel
from gpt2_course.model import GPT2

STATIC = Path(__file__).parent / "static"
CSS = (STATIC / "labs.css").read_text(encoding="utf-8")
# `import { a, b } from "./c.mjs";`, on one line or several
IMPORT = re.compile(r'^import\s*\{\s*\w+(?:\s*,\s*\w+)*\s*,?\s*\}\s*from\s*"\./([\w.]+)";\n', re.MULTILINE)


def bundle(name: str) -> str:
    """Join a lab's module with the modules it imports, because a widget's code has to be one file.

    Only imports of plain names can be joined, because they become top-level names of that file.
    """
    modules: dict[str, str] = {}

    def take(file: str) -> None:
        if file in modules:
            return
        text = (STATIC / file).read_text(encoding="utf-8")
        for imported in IMPORT.findall(text):
            take(imported)
        text = IMPORT.sub("", text)
        if other := re.search(r"^import\b.*", text, re.MULTILINE):
            raise ValueError(f'{file} must import lists of names (import {{ a, b }} from "./c.mjs"); got {other[0]}')
        modules[file] = re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)

    take(f"{name}.mjs")
    return "\n".join(modules.values())


@cache
def shipped_kernel() -> Kernel:
    """The kernel for the shipped model, shared by all labs that were given no other model."""
    return Kernel(GPT2.from_pretrained(), "tiny-world")


# Answer one call at a time, because labs may share a model, and in another thread, because the main thread must stay
# free to receive cancellations.
_QUEUE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab")


class Lab(anywidget.AnyWidget):
    """Base class of the labs in `gpt2_course.labs`; `model` is a GPT-2 with a tokenizer (default: the shipped one)."""

    module: ClassVar[str]  # its code is static/{module}.mjs; a page finds it as <div data-lab={module}>
    _css = CSS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive the module from the class's name: `TokenizerLab` runs `static/tokenizer_lab.mjs`."""
        if Lab in cls.__bases__:  # a subclass of a lab runs that lab's module
            cls.module = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
            cls._esm = bundle(cls.module)
        super().__init_subclass__(**kwargs)

    def __init__(self, model: GPT2 | None = None, **traits: Any) -> None:
        unknown = traits.keys() - set(self.trait_names(sync=True))
        if unknown:
            known = ", ".join(["model", *self.own_traits()])
            raise TypeError(f"{type(self).__name__} has no setting {min(unknown)!r}; it has {known}.")
        super().__init__(**traits)
        self.kernel = shipped_kernel() if model is None else Kernel(model, "your model")
        self._wanted: set[int] = set()  # IDs of calls that are waiting or running and not canceled
        self.on_msg(self._hear)
        if "google.colab" in sys.modules:  # Colab shows custom widgets only after this call
            from google.colab import output

            output.enable_custom_widget_manager()

    def own_traits(self) -> list[str]:
        """The names of the settings you can read and set, such as `prompt` in `lab.prompt`."""
        of_any_widget = anywidget.AnyWidget.class_trait_names()
        return [name for name in self.trait_names(sync=True) if name[0] != "_" and name not in of_any_widget]

    def _hear(self, _: Any, message: dict[str, Any], __: Any) -> None:
        if "cancel" in message:
            self._wanted.discard(message["cancel"])
        else:
            self._wanted.add(message["id"])
            _QUEUE.submit(self._answer, **message)

    def _answer(self, id: int, call: str, **asked: Any) -> None:
        try:
            with self.kernel.model.evaluating():
                done = self.kernel.answer(
                    call, asked, lambda part: self.send({"id": id, "part": part}), lambda: id not in self._wanted
                )
            self.send({"id": id, "done": done})
        except Exception as error:  # the lab shows it; nothing else would report an error in this thread
            self.send({"id": id, "error": str(error)})
        finally:
            self._wanted.discard(id)

    def drawn(self) -> str:
        """A static example of the lab as HTML, for pages that cannot run it."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        with self.kernel.model.evaluating():
            drawn = self.drawn()
        state = {name: getattr(self, name) for name in self.own_traits()}
        return (
            f'<div data-lab="{self.module}" data-state="{html.escape(json.dumps(state, ensure_ascii=False))}">'
            f'<div class="lab">{drawn}</div></div>'
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        made: Any = super()._repr_mimebundle_(**kwargs)
        data, metadata = made if isinstance(made, tuple) else (made, {})
        return {**data, "text/plain": repr(self), "text/html": self._repr_html_()}, metadata

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.own_traits())
        return f"{type(self).__name__}({settings})"
