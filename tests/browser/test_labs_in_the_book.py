"""Every lab in the built book, in a real Chromium, without a kernel."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fuzzing import fuzz
from playwright.sync_api import Browser, Locator, Page, Route, expect
from seeing import look_at
from test_any_model import in_eight_bits

from book.look import LABS, drag, serving, wake
from gpt2_course import GPT2, Tokenizer
from gpt2_course.labs import NO_SENTENCE
from gpt2_course.labs.kernel import Kernel

FIELD = {
    "playground": "Your prompt",
    "chat": "Your message",
    "tokenizer_lab": "Your text",
    "next_token_lab": "Your prompt",
    "attention_lab": "Your sentence",
    "walk_through_lab": "Your sentence",
}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(in_eight_bits(GPT2.from_pretrained()), "tiny-world")  # as in the page


def open_lab(page: Page, served: str, name: str) -> Locator:
    page.goto(f"{served}/book/labs.html")
    return wake(page, name)


def wait_for_text(lab: Locator) -> None:
    """Wait until the playground has finished writing."""
    expect(lab.locator(".lab-samples")).to_have_attribute("aria-busy", "false")


def wait_for_answer(lab: Locator) -> None:
    """Wait until the chat has finished answering."""
    expect(lab.locator("[aria-busy]")).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_all_labs_start_fit_the_page_and_pass_axe(page: Page, served: str, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served}/book/labs.html")
    assert (
        page.locator('[data-lab="training_replay"][data-alive]').count() == 0
    )  # labs start only when they come into view
    for name in LABS:
        lab = wake(page, name)
        assert lab.locator(".lab").bounding_box()["width"] <= width  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sum("model.safetensors" in url for url in asked) == 1
    found = Axe().run(page, context="article", options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_labs_of_a_site_built_on_windows_work(page: Page, windows_site: Path) -> None:
    merges = windows_site / "_static/tiny-world/merges.txt"
    as_built = merges.read_bytes()
    saved_by_an_editor = b"\xef\xbb\xbf" + as_built.replace(b"\n", b"\r\n")
    texts = []
    for content in (as_built, saved_by_an_editor):
        merges.write_bytes(content)
        with serving(windows_site) as address:
            lab = open_lab(page, address, "playground")
            wait_for_text(lab)
            texts.append(lab.locator(".lab-text").first.text_content() or "")
    assert len(texts[0]) > 100
    assert texts[0] == texts[1]


def test_the_labs_load_at_most_ten_megabytes(page: Page, served: str, site: Path) -> None:
    paths: set[str] = set()
    page.on("response", lambda response: paths.add(response.url.removeprefix(served + "/").split("?")[0]))
    page.goto(f"{served}/book/labs.html")
    for name in LABS:
        lab = wake(page, name)
        if name == "tokenizer_lab":
            lab.get_by_label("GPT-2").check()
    page.wait_for_load_state("networkidle")
    loaded = [site / path for path in paths if re.search(r"\.mjs$|tiny-world/|gpt2/|labs\.css|lab_notice", path)]
    assert any(path.name == "model.safetensors" for path in loaded)
    assert any(path.parent.name == "gpt2" for path in loaded)
    assert sum(path.stat().st_size for path in loaded) <= 10e6


def test_the_tokenizer_lab_shows_the_tokens_and_their_merges(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "tokenizer_lab")
    text = "A hedgehog’s pancakes 🥞, 1234!"
    lab.get_by_label("Your text").fill(text)
    tokens = kernel.tokenizer.tokens_of(text)
    expect(lab.locator("[aria-label=Tokens] button")).to_have_count(len(tokens))
    expect(lab.locator(".lab-counts")).to_contain_text(f"{len(tokens)} tokens · {len(text)} characters")
    lab.get_by_label("GPT-2").check()
    gpt2 = Tokenizer.gpt2().tokens_of(text)
    expect(lab.locator("[aria-label=Tokens] button")).to_have_count(len(gpt2))
    chips = [chip.inner_text().split("\n") for chip in lab.locator("[aria-label=Tokens] button").all()]
    raw = [Tokenizer.gpt2().decode_bytes([token.id]) for token in gpt2]
    assert [chip[1] for chip in chips] == [str(token.id) for token in gpt2]
    assert [chip[-1 if len(chip) > 2 else 0] for chip in chips] == [each.hex(" ") for each in raw]
    assert [chip[0] for chip in chips if len(chip) == 2] == ["e2 80", "99", "20 f0 9f", "a5 9e"]  # ’ and the pancakes
    lab.locator("[aria-label=Tokens] button").nth(1).click()  # " hed"
    lab.locator("[aria-label=Tokens] button").nth(1).press("ArrowRight")
    expect(lab.locator("[aria-label=Tokens] button").nth(2)).to_be_focused()
    steps: Any = kernel.merge_steps(" hedgehog", "gpt2")
    back = lab.get_by_role("button", name="Unmerge")
    for _ in steps[1:]:
        back.click()
    expect(back).to_be_disabled()
    expect(lab.locator(".lab-detail .lab-token")).to_have_count(len(" hedgehog"))
    expect(lab.locator(".lab-detail")).to_contain_text("Step 0: the 9 bytes of “ hedgehog”")
    lab.get_by_role("button", name="Merge ▶").click()
    expect(lab.locator(".lab-detail")).to_contain_text(f"merge {steps[1]['rank'] + 1:,} in the list")


def test_the_next_token_lab_shows_which_token_is_chosen_and_why(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "next_token_lab")
    prompt = "Once upon a time, a"
    lab.get_by_label("Your prompt").fill(prompt)
    plain: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}
    wanted: Any = kernel.next(prompt, [], plain, 0.0, 12)
    best = wanted["bars"][0]["text"]
    bars = lab.locator(".lab-bars button")
    expect(bars).to_have_count(12)
    expect(bars.first).to_contain_text(best)
    shown = lab.locator(".lab-value").first.text_content()
    assert shown is not None
    assert abs(float(shown.removesuffix("%")) / 100 - wanted["bars"][0]["p"]) < 0.006
    track, *widths = lab.locator(".lab-bars").evaluate(  # in one call, because the lab may redraw its bars
        """(list) => {
            const [, label, value] = list.querySelector(".lab-bar").children;
            const fills = [...list.querySelectorAll(".lab-fill")];
            return [value.offsetLeft - label.offsetLeft, ...fills.map((fill) => fill.offsetWidth)];
        }"""
    )
    assert widths[0] == pytest.approx(track, abs=10)  # the longest bar takes all the room
    assert widths[1] / widths[0] == pytest.approx(wanted["bars"][1]["p"] / wanted["bars"][0]["p"], abs=0.02)
    expect(lab).to_contain_text("3,072 tokens can be drawn")
    bars.nth(1).click()  # choose the second most likely token
    expect(lab.locator("mark")).to_have_text(wanted["bars"][1]["text"])
    lab.get_by_role("button", name="Undo").click()
    expect(lab.locator("mark")).to_have_count(0)
    drag(lab, "Top-k", 3)
    expect(lab).to_contain_text("3 tokens can be drawn")
    drag(lab, "Temperature", 0)
    expect(lab).to_contain_text(f"Greedy: always the most likely token, “{best}”")
    lab.get_by_role("button", name="Take").click()
    expect(lab.locator("mark")).to_have_text(best)


def test_the_random_number_falls_on_the_drawn_token(page: Page, served: str) -> None:
    lab = open_lab(page, served, "next_token_lab")
    for _ in range(10):
        told = lab.get_by_text("The random number is").text_content()
        found = re.search(r"number is ([\d.]+)\. .* covers ([\d.]+) to ([\d.]+),", told or "")
        assert found, told
        number, start, end = map(float, found.groups())
        assert start - 0.001 <= number <= end + 0.001
        lab.get_by_role("button", name="Draw another number").click()
        expect(lab.get_by_text("The random number is")).not_to_have_text(told or "")


def test_the_attention_lab_shows_every_head_and_turns_it_off(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "attention_lab")
    text = "Once upon a time, a fox named Pip"
    lab.get_by_label("Your sentence").fill(text)
    c = kernel.model.config
    expect(lab.locator(".lab-head")).to_have_count(c.n_layer * c.n_head)
    lab.get_by_role("button", name="Layer 1, head 3").click()
    answer: Any = kernel.attention(text, [], 32)
    n = len(answer["tokens"])
    row = answer["weights"][1][(3 * n + n - 1) * n : (3 * n + n) * n]
    most = answer["tokens"][max(range(n), key=row.__getitem__)]["text"]
    expect(lab).to_contain_text(f"Layer 1, head 3: “{answer['tokens'][-1]['text']}” looks at “{most}”")
    # The weight of a square appears on hover, on tap, and with the arrow keys.
    picture, tip = lab.locator(".lab-picture"), lab.locator(".lab-tip")
    names = [token["text"].replace(" ", "·") for token in answer["tokens"]]
    assert picture.locator("svg > text").all_text_contents() == names  # of the columns
    squares = picture.locator("g").nth(n - 2).locator(".lab-cell")
    told = re.compile(f"^“{answer['tokens'][-2]['text']}” looks at “{answer['tokens'][2]['text']}”: [\\d.]+%$")
    squares.nth(2).hover(force=True)
    expect(tip).to_have_text(told)
    lab.get_by_label("Your sentence").hover()
    expect(tip).to_have_text("")
    picture.focus()
    expect(tip).to_contain_text(f"“{answer['tokens'][-2]['text']}” looks at “{answer['tokens'][-2]['text']}”")
    for key in ("Home", "ArrowUp", "ArrowDown", *["ArrowLeft"] * (n - 5)):
        page.keyboard.press(key)
    expect(tip).to_have_text(told)
    page.keyboard.press("ArrowDown")
    lab.get_by_label("Token to follow").press("ArrowLeft")
    expect(lab).to_contain_text(f"Layer 1, head 3: “{answer['tokens'][-2]['text']}” looks at")
    lab.get_by_role("button", name="Turn this head off").click()
    without: Any = kernel.attention(text, [[1, 3]], 32)
    expect(lab).to_contain_text(f"With these heads off: “{without['next'][0]['text']}”")
    expect(lab.get_by_role("button", name="Layer 1, head 3, turned off")).to_be_visible()
    lab.get_by_role("button", name="Turn all heads on").click()
    expect(lab).to_contain_text(f"Next token: “{answer['next'][0]['text']}”")
    lab.get_by_label("Your sentence").fill("")
    expect(lab).to_contain_text(NO_SENTENCE)
    expect(lab.locator(".lab-head").first).to_be_hidden()
    lab.get_by_label("Your sentence").fill("a")
    expect(lab.locator(".lab-head").first).to_be_visible()


PLAIN: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}


def test_the_tour_leads_from_text_to_the_next_token_by_keyboard(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "walk_through_lab")
    title, progress = lab.locator(".lab-title").first, lab.locator(".lab-tour span")
    spoken = lab.get_by_role("status")
    layers = kernel.model.config.n_layer
    stops = 22 + layers - 1
    expect(progress).to_have_text(f"1 of {stops}")
    lab.get_by_role("button", name="Next ▶").focus()
    told = []
    for stop in range(2, stops + 1):
        page.keyboard.press("ArrowRight")
        expect(progress).to_have_text(f"{stop} of {stops}")
        expect(lab.locator(".lab-machine")).to_have_count(1)
        told.append(" ".join(spoken.all_text_contents()))
        assert re.search(r"\d", told[-1]), title.text_content()  # each stop says a number in words
        if stop == 2:
            expect(title).to_have_text("Token embeddings")
            link = lab.get_by_role("link", name="chapter 3")
            expect(link).to_have_attribute("href", re.compile("03_embeddings.html$"))
    assert len(set(told)) == len(told)
    best = kernel.next("Once upon a time, a fox named Pip", [], PLAIN, 0.0, 1)["bars"][0]
    expect(title).to_have_text("Probabilities")
    expect(spoken.filter(has_text=f"“{best['text']}” = {best['p']:.0%}")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text("Logits")


def test_the_drawing_zooms_to_a_number_and_back_by_keyboard(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "walk_through_lab")
    title, how = lab.locator(".lab-title").first, lab.locator(".lab-sum")
    lab.get_by_role("button", name="Block 2: zoom in").press("Enter")
    expect(title).to_have_text("Block 2")
    lab.get_by_role("button", name="Queries, 9 × 192: zoom in").press("Enter")
    expect(title).to_have_text("Block 2 · Queries")
    cell = lab.locator("[data-cell][tabindex='0']")
    expect(cell).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(cell).to_have_attribute("data-cell", "7,1")
    q = kernel.activations("Once upon a time, a fox named Pip", [["q", 2]], 16)["values"][0]
    shown = f"{q[7 * 192 + 1]:.3f}".replace("-", "−")
    expect(how.locator("tfoot td").last).to_have_text(shown)
    parts = [float(text.replace("−", "-")) for text in how.locator("tbody td:last-child").all_text_contents()]
    assert sum(parts) == pytest.approx(q[7 * 192 + 1], abs=0.005)  # the five largest products, the others, the bias
    lab.locator("[data-cell='0,3']").hover()
    expect(lab.get_by_role("status").filter(has_text="“Once”, column 3 = ")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(how.locator("tfoot td").last).to_have_text(shown)
    for heading in ("Block 2", "The whole machine"):
        page.keyboard.press("Escape")
        expect(title).to_have_text(heading)


def test_the_drawing_follows_the_sentence_and_the_temperature(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "walk_through_lab")
    bars = lab.locator(".lab-bar-row")
    field = lab.get_by_label("Your sentence")
    field.fill("Once upon a time, a fox named Zoe")
    expect(lab).to_contain_text("The first 8 lanes, up to “ named”, did not change, because no token looks ahead.")
    text = field.input_value()
    count = len(kernel.ids_of(text))
    expect(lab.locator(".lab-new-lane")).to_have_count(count - 8)
    for temperature in (0.5, 1.0):
        drag(lab, "Temperature", temperature)
        best = kernel.next(text, [], {**PLAIN, "temperature": temperature}, 0.0, 1)["bars"][0]
        expect(bars.first).to_have_attribute("aria-label", re.compile(f"“{best['text']}”, {best['p']:.0%}"))
    bars.first.click()
    expect(field).to_have_value(text + best["text"])
    expect(lab.locator(".lab-chip")).to_have_count(count + 1)
    field.fill("a " * 16)
    expect(lab.locator(".lab-chip")).to_have_count(16)
    bars.first.click()
    expect(lab.locator(".lab-message")).to_contain_text("room for 16 tokens")


def test_the_playground_writes_stops_and_repeats_itself(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "playground")
    wait_for_text(lab)  # the first text is written without a press
    expect(lab.locator(".lab-sample .lab-text")).to_have_text(re.compile(r"^Once upon a time.*[.!?\"]$", re.DOTALL))
    expect(lab).to_contain_text("This model knows only Tiny World")
    expect(lab.locator(".lab-verdict")).to_contain_text("istake")  # “No mistake”, or what it is
    parts: list[Any] = []
    kernel.generate("The future of AI is", {"temperature": 0.8, "top_k": None, "top_p": None}, 4, 300, parts.append)
    wanted = "The future of AI is" + "".join(part["text"] for part in parts)
    lab.get_by_label("Seed").fill("3")
    lab.get_by_label("Seed").blur()
    drag(lab, "Samples", 2)
    lab.get_by_role("button", name="The future of AI is").click()
    samples = lab.locator(".lab-sample .lab-text")
    expect(samples).to_have_count(2)
    wait_for_text(lab)
    assert samples.nth(1).text_content() == wanted  # seeds 3 and 4
    assert samples.nth(0).text_content() != wanted
    assert samples.nth(1).locator(".lab-sure").all_text_contents() == [part["text"] for part in parts if part["text"]]
    drag(lab, "Maximum length", 20)
    drag(lab, "Samples", 4)
    expect(samples).to_have_count(4)
    wait_for_text(lab)
    boxes = [sample.bounding_box() for sample in lab.locator(".lab-sample").all()]
    assert len({box["x"] for box in boxes if box}) == len({box["y"] for box in boxes if box}) == 2
    drag(lab, "Maximum length", 300)
    drag(lab, "Samples", 2)

    drag(lab, "Temperature", 2)  # hot enough that texts rarely end by themselves
    # Press Stop from a script, because two texts take a third of a second and Playwright's click may come too late.
    lab.evaluate("""async (lab) => {
        const button = (name) => [...lab.querySelectorAll("button")].find((each) => each.textContent === name);
        button("Write").click();
        while (button("Stop").ariaDisabled === "true") await new Promise((resume) => setTimeout(resume));
        button("Stop").click();
    }""")
    expect(lab.get_by_role("button", name="Stop")).to_be_disabled()
    assert samples.locator(".lab-sure").count() < 2 * 300


def test_the_chat_continues_each_text_by_keyboard_and_starts_over(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "chat")
    expect(lab).to_contain_text("This model was not trained on dialogues, so it continues each text you send.")
    wanted: list[str] = []
    lab.get_by_label("Your message").focus()
    for seed, lines in enumerate((["Once upon a time", "a fox"], ["\nAssistant: <|endoftext|>"])):
        text = "\n".join(lines)
        parts: list[Any] = []
        kernel.generate(text, {"temperature": 0.8, "top_k": None, "top_p": None}, seed, 100, parts.append)
        wanted += [text, "".join(part["text"] for part in parts).strip()]
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(lines[0])
        for line in lines[1:]:
            page.keyboard.press("Shift+Enter")
            page.keyboard.insert_text(line)
        page.keyboard.press("Enter")
        wait_for_answer(lab)
        assert lab.locator(".lab-bubble p").all_text_contents() == wanted
        assert lab.get_by_label("Your message").input_value() == ""
    page.keyboard.press("Enter")
    expect(lab.locator(".lab-message")).to_have_text("The message is empty: write something.")
    for name in ("Send", "Start over"):  # Stop is in between, but disabled
        page.keyboard.press("Tab")
        while lab.locator(":focus").get_attribute("aria-disabled") == "true":
            page.keyboard.press("Tab")
        expect(lab.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(lab.locator(".lab-bubble")).to_have_count(0)
    expect(lab).to_contain_text("Nothing has been said yet.")


def test_the_training_replay_shows_each_reports_sample(page: Page, served: str, kernel: Kernel) -> None:
    lab = open_lab(page, served, "training_replay")
    history: Any = kernel.history()
    reports = history["reports"]
    for report in (0, 3, len(reports) - 1):
        drag(lab, "Training progress", report)
        expect(lab).to_contain_text(f"Step {reports[report]['step']:,}: loss {reports[report]['loss']:.3f}")
        assert lab.locator("blockquote").text_content() == "Once upon a time" + reports[report]["sample"]
        assert lab.locator("blockquote b").text_content() == history["prompt"] == "Once upon a time"
    lab.get_by_role("button", name="Play").click()
    expect(lab).to_contain_text(f"Step {reports[1]['step']:,}:")


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
        "🦊👩‍👩‍👧‍👦 𝔊𝔓𝔗 \u0000 é e\u0301",
        "كان يا ما كان، في قديم الزمان \u202e abc",
        "a" * 100_000,
        "word " * 20_000,
        "",
    ],
    ids=["markup", "emoji", "right to left", "one long word", "many words", "nothing"],
)
def test_all_input_stays_text(page: Page, served: str, text: str) -> None:
    page.goto(f"{served}/book/labs.html")
    for name, label in FIELD.items():
        lab = wake(page, name)
        lab.get_by_label(label).fill(text)
        if name == "playground":
            drag(lab, "Maximum length", 10)
            lab.get_by_role("button", name="Write").click()
            wait_for_text(lab)
        if name == "chat":
            lab.get_by_role("button", name="Send").click()
            wait_for_answer(lab)
            assert lab.locator(".lab-user p").all_text_contents() == [text][: len(text)]
        assert lab.locator("script, img").count() == 0
        lab.get_by_label(label).fill("The fox")
        if name == "tokenizer_lab":  # it still works
            expect(lab.locator("[aria-label=Tokens] button")).to_have_count(2)
    assert page.evaluate("window.hacked") is None


def test_random_clicks_and_keys_break_nothing(page: Page, served: str) -> None:
    page.goto(f"{served}/book/labs.html")
    for name in LABS:
        wake(page, name)
    dice = random.Random(0)
    fuzz(page.locator(".lab"), dice, 300)
    for _ in range(100):  # some labs may still be drawing
        faults = look_at(page.locator(".bd-article"))
        if not faults:
            break
    assert faults == []
    expect(page.locator(".lab")).to_have_count(len(LABS))
    lab = wake(page, "tokenizer_lab")
    lab.get_by_label("Your text").fill("The fox")
    expect(lab.locator("[aria-label=Tokens] button")).to_have_count(2)


def test_a_picture_takes_the_colors_of_the_pages_theme(page: Page, served: str) -> None:
    page.goto(f"{served}/book/labs.html")
    canvas = wake(page, "attention_lab").locator("canvas").first
    painted = "canvas => new Promise((go) => requestAnimationFrame(() => go(canvas.toDataURL())))"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    light = canvas.evaluate(painted)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert canvas.evaluate(painted) != light
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert canvas.evaluate(painted) == light


def test_labs_start_offline_even_if_they_were_never_in_view(page: Page, served: str) -> None:
    open_requests: set[str] = set()
    page.on("request", lambda request: open_requests.add(request.url))
    page.on("requestfinished", lambda request: open_requests.discard(request.url))
    with page.expect_event("requestfinished", lambda request: "parameters.mjs" in request.url):  # of the last lab
        page.goto(f"{served}/book/labs.html")
    while open_requests:
        page.wait_for_timeout(50)
    assert page.locator("[data-lab][data-alive]").count() < len(LABS)
    page.context.set_offline(True)
    for name in LABS:
        wake(page, name)
    lab = wake(page, "tokenizer_lab")
    own = lab.locator("[aria-label=Tokens] button").count()
    lab.get_by_label("GPT-2").check()
    expect(lab.locator("[aria-label=Tokens] button")).not_to_have_count(own)
    lab = wake(page, "chat")
    lab.get_by_role("button", name="Send").click()
    expect(lab.locator(".lab-assistant")).to_contain_text("Tuck")
    lab = wake(page, "playground")
    lab.get_by_role("button", name="A rain song for").click()
    expect(lab.locator(".lab-sample .lab-text")).to_contain_text("A rain song for ")
    wait_for_text(lab)


def test_in_data_saver_mode_no_model_is_fetched_before_a_lab_is_in_view(page: Page, served: str) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served}/chapters/09_training.html", wait_until="networkidle")
    assert not [url for url in asked if "worker.mjs" in url]
    wake(page, "training_replay")
    assert [url for url in asked if "worker.mjs" in url]


LINK = "The link has no setting that this lab knows, so it changes nothing."


def copied_link(page: Page, lab: Locator) -> str:
    """The link that the lab's button copies."""
    lab.get_by_role("button", name="Copy link").click()
    expect(lab.locator(".lab-link")).to_contain_text("Copied.")
    link: str = page.evaluate("navigator.clipboard.readText()")
    return link


def test_a_link_opens_a_lab_in_the_state_it_was_copied_in(page: Page, served: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab = open_lab(page, served, "playground")
    assert copied_link(page, lab) == f"{served}/book/labs.html#lab=playground-1"
    lab.get_by_label("Your prompt").fill("Listen & <b>well</b> # 🥞")
    for label, value in (("Maximum length", 20), ("Samples", 2), ("Temperature", 0.5)):
        drag(lab, label, value)
    lab.get_by_role("button", name="Write").click()
    wait_for_text(lab)
    texts = lab.locator(".lab-sample .lab-text").all_text_contents()
    link = copied_link(page, lab)
    next_token = wake(page, "next_token_lab")
    next_token.get_by_role("button", name="Take").click()
    expect(next_token.locator("mark")).to_have_count(1)
    other_link = copied_link(page, next_token)

    page.goto("about:blank")
    page.goto(link)
    lab = wake(page, "playground")
    expect(lab.locator(".lab-sample")).to_have_count(2)
    wait_for_text(lab)
    assert lab.locator(".lab-sample .lab-text").all_text_contents() == texts
    assert lab.get_by_label("Your prompt").input_value() == "Listen & <b>well</b> # 🥞"
    assert copied_link(page, lab) == link
    page.goto(other_link)  # in a page that is open already
    next_token = page.locator('[data-lab="next_token_lab"][data-alive]')
    expect(next_token.locator("mark")).to_have_count(1)
    expect(next_token).to_be_in_viewport()

    lab.get_by_label("Your prompt").fill("x" * 9000)
    lab.get_by_role("button", name="Copy link").click()
    expect(lab.locator(".lab-link")).to_contain_text("This is too long for a link: it would have 9,0")
    hostile = "samples=1e9&top_k=-1&prompt=5&length=null&texts=[1]&__proto__={}&constructor=1&el=1&seed"
    for fields in (hostile, f"prompt=%22{'y' * 9000}%22"):
        page.goto(f"{served}/book/labs.html#lab=playground-1&{fields}")
        expect(lab.locator(".lab-link")).to_contain_text(LINK)
        assert lab.get_by_label("Your prompt").input_value() == "x" * 9000
    page.goto(f"{served}/book/labs.html#lab=nothing-1&prompt=5")
    page.goto(link)
    expect(lab.get_by_label("Your prompt")).to_have_value("Listen & <b>well</b> # 🥞")
    expect(lab.locator(".lab-link")).not_to_contain_text(LINK)


def opened(browser: Browser, url: str, prepare: Any) -> Page:
    """A page that may log errors, because `prepare` makes something go missing."""
    page = browser.new_page()
    prepare(page)
    page.goto(url)
    return page


def abort(route: Route) -> None:
    route.abort()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda page: page.route("**/model.safetensors", abort), "Could not reach"),
        (
            lambda page: page.route("**/model.safetensors", lambda r: r.fulfill(status=404)),
            "Could not load tiny-world/model.safetensors (404",
        ),
        (lambda page: page.route("**/model.safetensors", lambda r: r.fulfill(body="x" * 50)), "truncated"),
        (lambda page: page.add_init_script("delete window.Worker"), "does not support web workers"),
        (lambda page: page.route("**/worker.mjs", abort), "The engine stopped"),
    ],
    ids=["unreachable", "missing", "broken", "no workers", "no engine"],
)
def test_a_lab_that_cannot_run_says_so_and_keeps_its_drawing(
    browser: Browser, served: str, prepare: Any, message: str
) -> None:
    page = opened(browser, f"{served}/book/labs.html", prepare)
    lab = page.locator('[data-lab="next_token_lab"]')
    lab.scroll_into_view_if_needed()
    expect(lab.locator(".lab-note")).to_contain_text("you see a static example")
    expect(lab.locator(".lab-note")).to_contain_text(message)
    expect(lab.locator(".lab-bars li")).to_have_count(12)
    page.close()


def test_a_page_opened_as_a_file_tells_how_to_serve_the_book(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "book/labs.html").as_uri(), lambda page: None)
    expect(page.locator('[data-lab="playground"] .lab-note')).to_contain_text("Run `make book` to serve the book")
    page.close()


def test_memory_does_not_grow_over_a_thousand_texts(browser: Browser, served: str) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/labs.html")
    page.evaluate(
        """() => {
          const worker = new Worker("/_static/worker.mjs", { type: "module" });
          const settings = { temperature: 0.8, top_k: null, top_p: null };
          window.write = (seed) => new Promise((done) => {
            worker.onmessage = ({ data }) => { if (data.done) done(); };
            worker.postMessage({ id: seed, call: "generate", prompt: "Once", seed, length: 3, settings });
          });
        }"""
    )

    def used() -> int:
        """Bytes used by the page and its worker: the least of three, because uncollected garbage only adds."""
        measure = "performance.measureUserAgentSpecificMemory().then(({ bytes }) => bytes)"
        return min(int(page.evaluate(measure)) for _ in range(3))

    page.evaluate("(async () => { for (let i = 0; i < 100; i++) await write(i); })()")
    early = used()
    page.evaluate("(async () => { for (let i = 100; i < 1000; i++) await write(i); })()")
    assert used() - early < 1e6
    page.close()
