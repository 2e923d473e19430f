"""BertViz (Jesse Vig, 2019, https://arxiv.org/abs/1906.05714) for our models, in a notebook and in the static book.

BertViz draws the attention we pass to it. This module makes the resulting HTML safe to keep: it contains the numbers
only once, no token can end the script, d3 and jQuery are not loaded from a server, and every run gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gpt2_course.introspection import activations
from gpt2_course.model import GPT2

__all__ = ["head_view", "model_view"]

LIBRARIES = files("gpt2_course") / "assets" / "bertviz"  # d3 and jQuery
MOST_TOKENS = 64  # a page contains n² numbers per head for n tokens

# Draw with the libraries in the cell's output or, in the book, beside the page. They are loaded once per page, however
# many views it has. If there are none (a saved notebook that was not run), the note stays.
LOADER = """
(function () {
  const { content_root } = document.documentElement.dataset;
  const load = (file) => new Promise((onload, onerror) => {
    const script = document.createElement("script");
    document.head.append(Object.assign(script, { src: `${content_root}_static/bertviz/${file}`, onload, onerror }));
  });
  if (content_root !== undefined && !window.bertvizLibraries) {
    const both = Promise.all([load("d3.min.js"), load("jquery.min.js")]);
    window.bertvizLibraries = both.then(() => [window.d3, window.jQuery]);
  }
  // The same view may occur twice in a page, and BertViz finds its element by ID.
  const root = document.querySelector(`[id="${%s}"]:not([data-drawn])`);
  root.dataset.drawn = "";
  root.id += `-${document.querySelectorAll("[data-drawn]").length}`;
  window.bertvizLibraries?.then(([d3, $]) => draw($, d3), () => {});
  function draw($, d3) {
    root.querySelector("p").remove();
%s
  }
})();
"""


@cache
def libraries() -> str:
    """A script with d3 and jQuery for the start of a cell's output; other scripts on the page cannot see them."""

    def module(file: str) -> str:
        code = (LIBRARIES / file).read_text(encoding="utf-8")
        return (
            "(function (module) { const { exports } = module, define = undefined;\n"
            f"{code}\nreturn module.exports; }})({{ exports: {{}} }})"
        )

    both = f"[{module('d3.min.js')},\n{module('jquery.min.js')}]"
    return f"<script>window.bertvizLibraries = window.bertvizLibraries ?? Promise.resolve({both});</script>"


@dataclass(frozen=True)
class View:
    """A BertViz view in a notebook; `page` is the part of its HTML that the book keeps, `words` describes it."""

    page: str
    words: str

    def _repr_html_(self) -> str:
        return libraries() + self.page

    def __repr__(self) -> str:
        return self.words


def head_view(model: GPT2, text: str, layer: int = 0, heads: list[int] | None = None) -> View:
    """Lines from each token to the tokens it looks at, one color per head. Double-click a color to show only that head.

    Raises `ValueError` for a layer the model does not have, and for a text with no tokens or more than 64.
    """
    if not 0 <= layer < model.config.n_layer:
        raise ValueError(f"layer must be from 0 to {model.config.n_layer - 1}, but is {layer}.")
    from bertviz import head_view as draw  # type: ignore[import-untyped]

    attention, tokens = _attention(model, text)
    return _repaired(draw(attention, tokens, layer=layer, heads=heads, html_action="return").data, "head view", text)


def model_view(model: GPT2, text: str) -> View:
    """Small pictures of all heads in all layers. Click one to enlarge it. Raises the same errors as `head_view`."""
    from bertviz import model_view as draw

    attention, tokens = _attention(model, text)
    return _repaired(draw(attention, tokens, display_mode="light", html_action="return").data, "model view", text)


def _attention(model: GPT2, text: str) -> tuple[Any, list[str]]:
    tokenizer = model.require_tokenizer()
    ids = tokenizer.encode(text)
    if not 1 <= len(ids) <= MOST_TOKENS:
        raise ValueError(f"A view shows 1 to {MOST_TOKENS} tokens, but the text has {len(ids)}. Choose another text.")
    found = activations(model, ids)
    weights = tuple(found["attention", layer][None].cpu() for layer in range(model.config.n_layer))  # each (1, H, T, T)
    return weights, [tokenizer.decode([i]).replace(" ", "·").replace("\n", "↵") for i in ids]


def _repaired(page: str, kind: str, text: str) -> View:
    """Turn BertViz's HTML (a script for require.js, a <div>, and a script with data and drawing code) into a view."""
    found = re.search(
        r"const params = (?P<params>\{.*?\}); // HACK: [^\n]*(?P<code>.*)\}\);\s*</script>", page, re.DOTALL
    )
    div = re.search(r'<div id="(bertviz-\w+)".*?(?=<script type="text/javascript">)', page, re.DOTALL)
    if not found or not div:
        raise RuntimeError(
            "The installed version of bertviz writes HTML in a different form from version 1.4. Install bertviz 1.4."
        )
    params = json.loads(found["params"])
    for shown in params["attention"]:  # nobody can see 1/1000, and digits are most of the page
        shown["attn"] = [[[[round(w, 3) for w in row] for row in head] for head in layer] for layer in shown["attn"]]
    params["root_div_id"] = ""
    name = "bertviz-" + hashlib.sha256(json.dumps([kind, params]).encode()).hexdigest()[:16]
    params["root_div_id"] = name
    payload = json.dumps(params, separators=(",", ":")).replace("<", "\\u003c")  # a token may contain </script>
    code = f"const params = {payload}; params.root_div_id = root.id;" + re.sub(
        r"console\.log\(.*?\);?", "", found["code"]
    )
    note = "<p>This picture is drawn by a script. In a notebook, run the cell to see it.</p>"
    body = div[0].strip().replace(div[1], name).replace(">", f">{note}", 1)
    ground = f"<style>[id^={name}] svg {{ background: white }}</style>"  # its text is black, even on a dark page
    script = LOADER % (json.dumps(name), code)
    return View(f"{ground}{body}<script>{script}</script>", f"BertViz’s {kind} of the attention in “{text}”.")
