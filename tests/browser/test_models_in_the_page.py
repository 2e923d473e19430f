"""Any model in every lab of a page: the reader's own, and GPT-2 from a hub, on loopback, that breaks connections."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from model_server import STATES, Hub, model_folder, serving
from playwright.sync_api import Browser, Page, expect
from safetensors.torch import load_file, save_file
from test_any_model import in_eight_bits

from gpt2_course import GPT2, GPT2Config, Tokenizer
from gpt2_course.dialogue import TEMPLATE
from gpt2_course.labs.kernel import Kernel

LABS = [name for name in STATES if name != "training_replay"]  # which shows the shipped model's history
SETTINGS: dict[str, Any] = {"temperature": 0.8, "top_k": None, "top_p": None}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model in GPT-2's depth, with as many heads, that was trained on dialogues."""
    torch.manual_seed(4)
    trained = Tokenizer.train("The fox and the owl shared a plum. User: Hi! Assistant: Hello! " * 20, 300)
    tokenizer = trained.with_chat_template(TEMPLATE)
    model = GPT2(GPT2Config(tokenizer.vocab_size, n_positions=1024, n_embd=48, n_layer=12, n_head=12), tokenizer)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("models") / "my fox"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> tuple[GPT2, dict[str, bytes]]:
    """A model with GPT-2's vocabulary, and its files as the hub has them, without prefixes and with masks."""
    torch.manual_seed(5)
    model = GPT2(GPT2Config(n_positions=64, n_embd=16, n_layer=2, n_head=2)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    torch.nn.init.constant_(model.final_norm.weight, 8.0)  # few tokens are likely, so rounding decides no draw
    folder = tmp_path_factory.mktemp("hub")
    model.save_pretrained(folder)
    stored = {k.removeprefix("transformer."): v for k, v in load_file(folder / "model.safetensors").items()}
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 64, 64).tril() for layer in range(2)}
    save_file({**stored, **masks}, folder / "model.safetensors", metadata={"format": "pt"})
    files = model_folder(folder)
    return model, {name: files[name] for name in ("config.json", "model.safetensors")}


@pytest.fixture
def hub(gpt2: tuple[GPT2, dict[str, bytes]]) -> Hub:
    made = Hub()
    made.files = dict(gpt2[1])
    return made


@pytest.fixture
def page(browser: Browser, hub: Hub) -> Iterator[Page]:
    """A page with all labs; the test fails if it makes a request to another host or raises an error."""
    with serving(hub) as address:
        context = browser.new_context(viewport={"width": 360, "height": 800})
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if address[:-9] in request.url else wrong.append(request.url))
        page.goto(address)
        start(page)
        yield page
        context.close()
    assert [url for url in wrong if not url.startswith("blob:")] == []


def start(page: Page, *names: str) -> None:
    for name in names or ("playground",):
        page.locator(f'[data-lab="{name}"]').scroll_into_view_if_needed()
        page.locator(f'[data-lab="{name}"][data-alive]').wait_for()


def drop(page: Page, place: str, *paths: Path) -> None:
    """Drop files or folders on an element, as a person would with the mouse."""
    target = page.locator(place)
    target.hover()  # waits until it no longer moves
    box = target.bounding_box()
    assert box is not None
    drop_at(page, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, *paths)


def drop_at(page: Page, x: float, y: float, *paths: Path) -> None:
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}

    def send(kind: str) -> None:
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, "x": x, "y": y})

    send("dragEnter")
    send("dragOver")
    page.locator(".lab-dropping").wait_for()  # the browser drops only on what has accepted the files
    send("dragOver")
    send("drop")


def chip(page: Page, name: str = "playground") -> Any:
    return page.locator(f'[data-lab="{name}"] .lab-model-name')


def press(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name).click()


def open_panel(page: Page) -> Any:
    chip(page).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def section(page: Page, heading: str) -> Any:
    return page.locator(".lab-model", has=page.get_by_role("heading", name=heading))


def written(page: Page) -> str:
    """What the playground wrote once it is ready."""
    expect(page.locator('[data-lab="playground"] .lab-sample').first).to_contain_text(re.compile(r"· \d+ tokens"))
    return page.locator('[data-lab="playground"] .lab-text').first.text_content() or ""


def in_python(model: GPT2) -> str:
    """What the playground writes with this model."""
    parts: list[Any] = []
    state = STATES["playground"]
    Kernel(model, "").generate(state["prompt"], SETTINGS, state["seed"], state["length"], parts.append)
    return str(state["prompt"]) + "".join(part["text"] for part in parts)


def test_a_folder_dropped_on_a_lab_is_used_by_all_labs_and_never_leaves_the_page(page: Page, own: Path) -> None:
    start(page, *STATES)
    before = written(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drop(page, '[data-lab="playground"] textarea', own)
    expect(chip(page)).to_have_text(re.compile("^Model: my fox, "))
    model = GPT2.from_pretrained(own)
    page.wait_for_function("(text) => document.querySelector('.lab-text').textContent === text", arg=in_python(model))
    assert written(page) != before
    for name in LABS:
        expect(chip(page, name)).to_have_text(re.compile("^Model: my fox, "))
    assert page.locator('[data-lab="training_replay"] .lab-model-name').count() == 0
    kernel = Kernel(model, "")
    expect(page.locator('[data-lab="attention_lab"] .lab-head')).to_have_count(144)
    answer: Any = kernel.attention("The fox and", [], 32)
    expect(page.locator('[data-lab="attention_lab"]')).to_contain_text(f" {answer['next'][0]['p']:.1%}, ")
    machine = page.locator('[data-lab="walk_through_lab"]')
    expect(machine.get_by_role("button", name=re.compile(r"^Block \d+: zoom in"))).to_have_count(12)
    tokens = kernel.tokenizer.tokens_of(str(STATES["tokenizer_lab"]["text"]))
    expect(page.locator('[data-lab="tokenizer_lab"] [aria-label=Tokens] button')).to_have_count(len(tokens))
    expect(page.locator('[data-lab="next_token_lab"]')).to_contain_text("300 tokens can be drawn")
    chat = page.locator('[data-lab="chat"]')
    expect(chat).not_to_contain_text("was not trained on dialogues")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [url for url in asked if not url.startswith("blob:") and "/_static/" not in url] == []  # only the page's own


def test_the_choice_is_remembered_without_a_network_until_it_is_removed(page: Page, own: Path, tmp_path: Path) -> None:
    packed = tmp_path / "fox.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in own.iterdir():
            archive.write(path, f"my fox/{path.name}")
    drop(page, '[data-lab="playground"] textarea', packed)
    expect(chip(page)).to_have_text(re.compile("^Model: my fox, "))
    expect(page.get_by_role("dialog")).to_be_hidden()  # it closes once the model is kept
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    start(page)
    expect(chip(page)).to_have_text(re.compile("^Model: my fox, "))
    assert written(page) == in_python(GPT2.from_pretrained(own))
    assert [url for url in asked if re.search(r"safetensors|/config\.json", url)] == []
    open_panel(page)
    press(page, "Remove my fox")
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    expect(section(page, "Yours").get_by_role("button", name="my fox")).to_have_count(0)
    page.reload()
    start(page)
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    assert page.evaluate(KEPT) == ["choice"]


KEPT = """async () => {
  const home = await (await navigator.storage.getDirectory()).getDirectoryHandle("gpt2_course");
  const names = [];
  for await (const name of home.keys()) names.push(name);
  return names.sort();
}"""


def test_a_broken_folder_is_refused_in_one_sentence_and_the_labs_go_on(page: Page, own: Path, tmp_path: Path) -> None:
    before = written(page)
    drop_at(page, 2, 300, own / "config.json")  # beside the labs
    message = page.get_by_role("dialog").locator(".lab-message")
    expect(message).to_contain_text("The folder has no model.safetensors")
    with page.expect_file_chooser() as chooser:
        press(page, "Choose files")
    chooser.value.set_files([own / "config.json", own / "merges.txt"])
    expect(message).to_have_text("The folder has no model.safetensors: drop the whole folder, or copy the model again.")
    with page.expect_file_chooser() as chooser:
        press(page, "Choose files")
    (tmp_path / "notes.txt").write_text("hello")
    chooser.value.set_files([tmp_path / "notes.txt"])
    expect(message).to_have_text(
        "There is no config.json: drop the whole folder of a GPT-2, with its weights and tokenizer."
    )
    press(page, "Close")
    page.get_by_role("button", name="Write").first.click()
    assert written(page) == before
    with page.expect_file_chooser() as chooser:
        open_panel(page)
        press(page, "Choose files")
    chooser.value.set_files(sorted(own.iterdir()))
    expect(chip(page)).to_have_text(re.compile("^Model: your model, "))


def test_gpt2_arrives_through_broken_connections_in_8_bits(
    page: Page, hub: Hub, gpt2: tuple[GPT2, dict[str, bytes]]
) -> None:
    size = len(hub.files["model.safetensors"])
    hub.break_after = [size // 3, 0, size // 4]
    open_panel(page)
    expect(section(page, "OpenAI")).to_contain_text("downloads 3 MB from 127.0.0.1")
    assert hub.ranges == []  # nothing is fetched before it is asked for
    press(page, "Download GPT-2")
    expect(section(page, "OpenAI")).to_contain_text("in use")
    starts = [int(asked.removeprefix("bytes=").removesuffix("-") or 0) for asked in hub.ranges]
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert 0 < starts[-1] < size
    press(page, "Close")
    expect(chip(page)).to_have_text(re.compile("^Model: OpenAI’s GPT-2, .* in 8 bits$"))
    wanted = in_eight_bits(gpt2[0])
    page.wait_for_function("(text) => document.querySelector('.lab-text').textContent === text", arg=in_python(wanted))
    start(page, "next_token_lab")
    expect(page.locator('[data-lab="next_token_lab"]')).to_contain_text("50,257 tokens can be drawn")
    hub.is_down = True
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    start(page)
    assert written(page) == in_python(wanted)
    assert [url for url in asked if re.search(r"/hub/|safetensors|/config\.json", url)] == []
    open_panel(page)
    press(page, "Use Tiny World")
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    press(page, "Use GPT-2")
    expect(chip(page)).to_have_text(re.compile("^Model: OpenAI’s GPT-2, "))
    press(page, "Remove GPT-2")
    expect(section(page, "OpenAI").get_by_role("button", name="Download GPT-2")).to_be_visible()
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    assert page.evaluate(KEPT) == ["choice"]


def test_a_canceled_download_goes_on_after_a_reload(page: Page, hub: Hub, gpt2: tuple[GPT2, dict[str, bytes]]) -> None:
    hub.wait = threading.Event()
    open_panel(page)
    press(page, "Download GPT-2")
    page.wait_for_function("document.querySelector('progress').value > 0.3")
    press(page, "Close")
    expect(chip(page)).to_contain_text("(downloading GPT-2: ")
    open_panel(page)
    press(page, "Cancel")
    hub.wait.set()
    expect(section(page, "OpenAI").get_by_role("button", name=re.compile(r"Resume at \d\d%"))).to_be_visible()
    page.reload()
    start(page)
    hub.wait, hub.ranges = None, []
    open_panel(page)
    press(page, "Resume at")
    expect(section(page, "OpenAI")).to_contain_text("in use")
    (asked,) = hub.ranges
    assert int(asked.removeprefix("bytes=").removesuffix("-")) > len(hub.files["model.safetensors"]) / 5
    press(page, "Close")
    text = in_python(in_eight_bits(gpt2[0]))
    page.wait_for_function("(text) => document.querySelector('.lab-text').textContent === text", arg=text)


def test_a_hub_without_ranges_a_wrong_file_and_a_hub_that_is_down(page: Page, hub: Hub) -> None:
    weights = hub.files["model.safetensors"]
    dialog = open_panel(page)
    message = dialog.locator(".lab-message")
    hub.is_down = True
    press(page, "Download GPT-2")
    expect(message).to_have_text(re.compile(r"^127.0.0.1:\d+ cannot be used now, because it answered 503\.$"))
    hub.is_down, hub.break_after = False, [0] * 4
    press(page, "Download GPT-2")
    expect(message).to_contain_text("broke. What has arrived is kept: resume when you are online again.")
    hub.files["model.safetensors"] = weights[:-1] + bytes([weights[-1] ^ 1])  # not what the page expects
    hub.has_ranges, hub.break_after = False, [len(weights) // 2]
    press(page, "Download GPT-2")
    expect(message).to_contain_text("is not the published one, so it is not used: its SHA-256 is ")
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    hub.files["model.safetensors"] = weights
    press(page, "Download GPT-2")
    expect(section(page, "OpenAI")).to_contain_text("in use")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_panel_fits_and_passes_axe(page: Page, hub: Hub, own: Path, width: int, theme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    ink, back = ("#ced6dd", "#14181e") if theme == "dark" else ("#323232", "#ffffff")
    page.add_style_tag(
        content=f"html {{ --pst-color-text-base: {ink}; --pst-color-background: {back}; background: {back} }}"
    )
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        sizes = "all => all.filter((e) => e.offsetParent).map((e) => parseFloat(getComputedStyle(e).fontSize))"
        assert min(page.locator(".lab-models *, .lab-model-name").evaluate_all(sizes)) >= 11
        found = Axe().run(page, options={"preload": False}).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []

    open_panel(page)
    check()
    hub.wait = threading.Event()
    press(page, "Download GPT-2")
    page.wait_for_function("document.querySelector('progress').value > 0.3")
    check()
    hub.wait.set()
    expect(section(page, "OpenAI")).to_contain_text("in use")
    check()
    with page.expect_file_chooser() as chooser:
        press(page, "Choose a folder")
    chooser.value.set_files(own)
    expect(chip(page)).to_have_text(re.compile("^Model: my fox"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(chip(page)).to_be_focused()  # the focus returns to what opened the panel
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


STORE = """async () => {
  const without = (object, name) => Object.defineProperty(object, name, { value: undefined, configurable: true });
  const results = [];
  for (const missing of [[], ["storage"], ["storage", "caches"]]) {
    if (missing.includes("storage")) without(navigator, "storage");
    if (missing.includes("caches")) without(window, "caches");
    const { folders, save } = await import(`/_static/store.mjs?${missing.length}`);
    const store = await folders();
    const read = async () => Object.fromEntries(
      await Promise.all([...await store.list("a")].map(async ([name, file]) => [name, await file.text()])));
    await save(store, "a", "one ü", "first");
    await save(store, "a", "two", new Blob(["x".repeat(1000)]));
    await save(store, "a", "two", "second");
    await save(store, "b", "one ü", "other");
    const writer = await store.write("a", "one ü", 3);
    await writer.write(new TextEncoder().encode("m"));
    await writer.write(new TextEncoder().encode("!"));
    await writer.close();
    const before = await read();
    await store.remove("a");
    await store.remove("a");
    results.push([before, await read(), (await store.list("b")).size]);
  }
  return results;
}"""


def test_models_are_kept_in_files_or_the_cache_or_memory(page: Page) -> None:
    assert page.evaluate(STORE) == [[{"one ü": "firm!", "two": "second"}, {}, 1]] * 3


def test_a_page_can_name_a_mirror_and_otherwise_the_published_file_is_expected(browser: Browser) -> None:
    with serving(Hub()) as address:
        page = browser.new_page()
        page.goto(address)
        start(page)
        open_panel(page)
        expect(section(page, "OpenAI")).to_contain_text("downloads 548 MB from huggingface.co, once")
        source = (Path(__file__).parents[2] / "gpt2_course/labs/static/models_panel.mjs").read_text(encoding="utf-8")
        assert "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707" in source
        page.close()


def test_a_lost_part_of_a_kept_model_is_told_and_tiny_world_used(page: Page, hub: Hub) -> None:
    open_panel(page)
    press(page, "Download GPT-2")
    expect(section(page, "OpenAI")).to_contain_text("in use")
    page.evaluate(
        """async () => {
          const home = await (await navigator.storage.getDirectory()).getDirectoryHandle("gpt2_course");
          const file = await (await home.getDirectoryHandle("gpt2")).getFileHandle("numbers");
          const stream = await file.createWritable();
          await stream.write("lost");
          await stream.close();
        }"""
    )
    page.reload()
    start(page)
    expect(chip(page)).to_have_text(re.compile("^Model: Tiny World, "))
    dialog = open_panel(page)
    expect(dialog.locator(".lab-message")).to_have_text(
        "The browser has lost a part of this model: remove it and download it again."
    )
    assert json.loads(hub.files["config.json"])["n_layer"] == 2
