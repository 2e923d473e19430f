"""BertViz (Jesse Vig, 2019, https://arxiv.org/abs/1906.05714) for our models, in a notebook and in the static book.

BertViz draws; this module hands it our attention and makes its page safe to keep: its numbers are there once, no token
can end the script, d3 and jQuery come in fixed versions that the browser checks, and nothing changes between two runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from gpt2_course.introspection import activations
from gpt2_course.model import GPT2

# BertViz needs d3 5: with later versions it draws, but does not react.
LIBRARIES = {
    "https://cdn.jsdelivr.net/npm/d3@5.16.0/dist/d3.min.js": (
        "sha384-M06Cb6r/Yrkprjr7ngOrJlzgekrkkdmGZDES/SUnkUpUol0/qjsaQWQfLzq0mcfg"
    ),
    "https://cdn.jsdelivr.net/npm/jquery@3.7.1/dist/jquery.min.js": (
        "sha384-1H217gwSVyLSIfaLxHbE7dRb3v4mYCKbpQvzx0cegeju1MVsGrX5xXxAvs/HgeFs"
    ),
}
MOST_TOKENS = 64  # a page of n tokens holds n² numbers for every head

# Loads both libraries, once a page however many views it has, and then draws.
LOADER = """
(function () {
  const libraries = %s;
  const fetched = ([src, integrity]) => new Promise((done, fail) => {
    const script = document.createElement("script");
    Object.assign(script, { src, integrity, crossOrigin: "anonymous", onload: done, onerror: fail });
    document.head.append(script);
  });
  if (!window.bertvizLibraries) {
    const { define } = window; // where a page has require.js, it would keep the libraries to itself
    window.define = undefined;
    window.bertvizLibraries = Promise.all(Object.entries(libraries).map(fetched));
    window.bertvizLibraries.finally(() => { window.define = define; }).catch(() => {});
  }
  // The same view may stand twice in a page, and the drawing goes by the id.
  const root = document.querySelector(`[id="${%s}"]:not([data-drawn])`);
  root.dataset.drawn = "";
  root.id += `-${document.querySelectorAll("[data-drawn]").length}`;
  window.bertvizLibraries.then(() => draw(window.jQuery, window.d3), () => {
    const sentence = "This picture needs d3 and jQuery from cdn.jsdelivr.net, which cannot be reached.";
    root.querySelector("p").textContent = sentence;
  });
  function draw($, d3) {
    root.querySelector("p").remove();
%s
  }
})();
"""


@dataclass(frozen=True)
class View:
    """A BertViz picture that a notebook shows in place."""

    page: str
    words: str

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return self.words


def head_view(model: GPT2, text: str, layer: int = 0, heads: list[int] | None = None) -> View:
    """Lines from each token to those it looks at, a colour a head; a double click on a colour shows that head alone.

    Raises `ValueError` for a text of no tokens or more than 64, or a layer that the model does not have.
    """
    if not 0 <= layer < model.config.n_layer:
        raise ValueError(f"layer must be from 0 to {model.config.n_layer - 1}, but it is {layer}.")
    from bertviz import head_view as draw  # type: ignore[import-untyped]

    attention, tokens = _attention(model, text)
    return _repaired(draw(attention, tokens, layer=layer, heads=heads, html_action="return").data, "head view", text)


def model_view(model: GPT2, text: str) -> View:
    """All heads of all layers at once, as small pictures; a click on one enlarges it. Raises as `head_view` does."""
    from bertviz import model_view as draw

    attention, tokens = _attention(model, text)
    return _repaired(draw(attention, tokens, display_mode="light", html_action="return").data, "model view", text)


def _attention(model: GPT2, text: str) -> tuple[Any, list[str]]:
    tokenizer = model.require_tokenizer()
    ids = tokenizer.encode(text)
    if not 1 <= len(ids) <= MOST_TOKENS:
        raise ValueError(f"The text has {len(ids)} tokens, but a view shows 1 to {MOST_TOKENS}: give a shorter one.")
    found = activations(model, ids)
    weights = tuple(found["attention", layer][None].cpu() for layer in range(model.config.n_layer))  # each (1, H, T, T)
    return weights, [tokenizer.decode([i]).replace(" ", "·").replace("\n", "↵") for i in ids]


def _repaired(page: str, kind: str, text: str) -> View:
    """BertViz's page: a <script> for require.js, a <div>, and a <script> with the numbers, twice, and the drawing."""
    found = re.search(
        r"const params = (?P<params>\{.*?\}); // HACK: [^\n]*(?P<code>.*)\}\);\s*</script>", page, re.DOTALL
    )
    div = re.search(r'<div id="(bertviz-\w+)".*?(?=<script type="text/javascript">)', page, re.DOTALL)
    if not found or not div:
        raise RuntimeError("This version of bertviz writes another page than 1.4 does: install bertviz 1.4.")
    params = json.loads(found["params"])
    for shown in params["attention"]:  # 1/1000 cannot be seen, and digits are most of the page
        shown["attn"] = [[[[round(w, 3) for w in row] for row in head] for head in layer] for layer in shown["attn"]]
    params["root_div_id"] = ""
    name = "bertviz-" + hashlib.sha256(json.dumps([kind, params]).encode()).hexdigest()[:16]
    params["root_div_id"] = name
    payload = json.dumps(params, separators=(",", ":")).replace("<", "\\u003c")  # a token may hold </script>
    code = f"const params = {payload}; params.root_div_id = root.id;" + re.sub(
        r"console\.log\(.*?\);?", "", found["code"]
    )
    note = "<p>The picture is being drawn. (It needs scripts, and two libraries from cdn.jsdelivr.net.)</p>"
    body = div[0].strip().replace(div[1], name).replace(">", f">{note}", 1)
    if kind == "head view":  # the other one brings its own white ground
        body = f"<style>[id^={name}] svg text {{ fill: currentColor }}</style>{body}"
    script = LOADER % (json.dumps(LIBRARIES), json.dumps(name), code)
    return View(f"{body}<script>{script}</script>", f"BertViz’s {kind} of the attention in “{text}”.")
