/**
 * The one place of a page where the reader chooses the model that its labs use: Tiny World, OpenAI's GPT-2, or a model
 * of their own. Each lab shows the choice in a line that opens this panel, and takes a model that is dropped on it.
 *
 * @import { Answer, Ask, Given, Model, ModelCallTypes, ModelId, Source, Using } from "../types.d.ts"
 */
import { filesOf, picked } from "./dropped_files.mjs";
import { button, connect, h, messageLine } from "./ui.mjs";

/** The files that OpenAI published, at their newest version since 2024. */
const PUBLISHED = {
  base: "https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e/",
  size: 548105171,
  sha256: "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
};

/**
 * Where GPT-2 comes from. A page can name a mirror: <meta name="gpt2-source" content='{"base": "https://…/"}'>.
 * @returns {Source}
 */
function source() {
  const meta = document.querySelector('meta[name="gpt2-source"]');
  const found = { ...PUBLISHED, ...JSON.parse(meta?.getAttribute("content") ?? "{}") };
  return { ...found, base: new URL(found.base, document.baseURI).href };
}

/** @param {number} n */
const megabytes = (n) => `${Math.round(n / 1e6).toLocaleString("en")} MB`;
/** @param {number} n */
const millions = (n) =>
  n < 1e6 ? n.toLocaleString("en") : `${Number((n / 1e6).toPrecision(n < 1e7 ? 2 : 3))} million`;

/** @param {Using} using */
function nameOf({ id, name, parameters, bits }) {
  const names = { "tiny-world": "Tiny World", gpt2: "OpenAI’s GPT-2", yours: name };
  const size = parameters === undefined ? "" : `, ${millions(parameters)} parameters`;
  return `${names[id]}${size}${bits === 8 ? " in 8 bits" : ""}`;
}

/** @param {Model} model */
export function modelsPanel(model) {
  const ask = /** @type {Ask<ModelCallTypes>} */ (/** @type {unknown} */ (connect(model)));
  const { line, tell } = messageLine();
  /** @type {Using | undefined} */
  let using;
  /** @type {string | null} */
  let yours = null; // the name of the reader's model, if the browser keeps one
  let arrived = 0; // bytes of GPT-2
  /** @type {Answer<unknown> | null} */
  let downloading = null;
  let opening = ""; // what is being opened
  /** @type {HTMLElement[]} */
  const chips = [];

  const bar = h("progress", { max: 1, "aria-label": "Download of GPT-2" });
  const amount = h("span", { class: "lab-small" });
  const sections = h("div");
  const close = button("Close", () => dialog.close());
  const title = h("h2", { class: "lab-title", id: "lab-models-title" }, "Which model do the labs use?");
  const dialog = h("dialog", { class: "lab lab-models", "aria-labelledby": title.id });
  dialog.append(title, sections, line, h("div", { class: "lab-row" }, close));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // a click outside of it
  });

  /**
   * Do something about the models, then ask what has become of them.
   * @param {() => Promise<unknown>} work
   */
  async function attempt(work) {
    tell(null);
    try {
      tell(await work());
    } catch (error) {
      tell(error);
    }
    opening = "";
    downloading = null;
    await refresh().catch(tell);
  }

  async function refresh() {
    const { problem, ...found } = await ask("models", { source: source() });
    ({ using, yours, arrived } = found);
    if (problem && !line.textContent) tell(problem);
    draw();
  }

  /**
   * @param {ModelId} id
   * @param {string} what
   */
  const use = (id, what) =>
    attempt(async () => {
      opening = what;
      draw();
      await ask("use", { which: id });
    });

  /** @param {ModelId} id */
  const remove = (id) => attempt(async () => void (await ask("remove", { which: id })));

  const fetchGPT2 = () =>
    attempt(async () => {
      navigator.storage?.persist?.().catch(() => {}); // asks the browser not to make room by removing the model
      const call = ask("fetch", { source: source() }, (bytes) => {
        arrived = bytes;
        showProgress();
      });
      downloading = call;
      draw();
      await call;
    });

  /** @param {Given[] | Promise<Given[]>} given */
  const open = (given) =>
    attempt(async () => {
      opening = "your model";
      draw();
      const files = await given;
      if (!files.length) return null;
      const { isKept } = await ask("open", { files });
      if (isKept) return dialog.close();
      return "Your model is in use, but the browser has no room to keep it: after a reload, open it again.";
    });

  function showProgress() {
    const { size } = source();
    bar.value = arrived / size;
    amount.textContent = `${Math.floor((100 * arrived) / size)}% of ${megabytes(size)}`;
    chips.forEach(label);
  }

  /** @param {HTMLElement} chip */
  function label(chip) {
    const percent = Math.floor((100 * arrived) / source().size);
    const doing = downloading ? ` (downloading GPT-2: ${percent}%)` : opening ? ` (opening ${opening} …)` : "";
    chip.textContent = `Model: ${using ? nameOf(using) : "…"}${doing}`;
  }

  /**
   * One of the models.
   * @param {ModelId} id
   * @param {string} name
   * @param {string} about
   * @param {(HTMLElement | false)[]} controls
   */
  function section(id, name, about, controls) {
    const isUsed = using?.id === id;
    const mark = isUsed ? [" ", h("span", { class: "lab-used" }, "in use")] : [];
    const row = h(
      "div",
      { class: "lab-row" },
      controls.filter((control) => control !== false),
    );
    return h("section", { class: "lab-model" }, h("h3", {}, name, mark), h("p", { class: "lab-small" }, about), row);
  }

  const input = (/** @type {object} */ attributes) => {
    const field = h("input", { type: "file", hidden: true, multiple: true, ...attributes });
    field.addEventListener("change", () => {
      const files = picked(field.files);
      field.value = ""; // so that the same folder can be chosen again
      open(files);
    });
    return field;
  };
  const [folderInput, filesInput] = [input({ webkitdirectory: true }), input({})];
  dialog.append(folderInput, filesInput);

  function draw() {
    const { base, size } = source();
    const isBusy = opening !== "" || downloading !== null;
    /** @type {(text: string, onclick: () => unknown, isMain?: boolean) => HTMLElement} */
    const make = (text, onclick, isMain = false) =>
      button(text, () => void onclick(), { class: isMain ? "lab-main" : "", "aria-disabled": String(isBusy) });
    const isHere = arrived === size;
    const focused = document.activeElement?.textContent;
    sections.replaceChildren(
      section(
        "tiny-world",
        "Tiny World",
        "The course’s own small model. It comes with the page and knows only its own world.",
        [using?.id !== "tiny-world" && make("Use Tiny World", () => use("tiny-world", "Tiny World"), true)],
      ),
      section(
        "gpt2",
        "OpenAI’s GPT-2",
        isHere
          ? "The smallest of four, with 124 million parameters, in 8 bits. This browser keeps it: no network is needed."
          : `The smallest of four, with 124 million parameters, trained on web pages. Getting it downloads ` +
              `${megabytes(size)} from ${new URL(base).host}, once. The browser then keeps ${megabytes(size / 4.1)}.`,
        downloading
          ? [bar, amount, button("Cancel", () => downloading?.cancel())]
          : isHere
            ? [
                using?.id !== "gpt2" && make("Use GPT-2", () => use("gpt2", "GPT-2"), true),
                make("Remove GPT-2", () => remove("gpt2")),
              ]
            : [
                make(arrived ? `Resume at ${Math.floor((100 * arrived) / size)}%` : "Download GPT-2", fetchGPT2, true),
                arrived > 0 && make("Remove what has arrived", () => remove("gpt2")),
              ],
      ),
      section(
        "yours",
        yours ? `Yours: ${yours}` : "Yours",
        "The folder of any GPT-2, as training saves it: drop it here or on a lab, as it is or as a zip file. " +
          "It stays on this computer: nothing is sent.",
        [
          yours !== null && using?.id !== "yours" && make(`Use ${yours}`, () => use("yours", yours ?? ""), true),
          make("Choose a folder", () => folderInput.click()),
          make("Choose files", () => filesInput.click()),
          yours !== null && make(`Remove ${yours}`, () => remove("yours")),
        ],
      ),
    );
    sections.setAttribute("aria-busy", String(isBusy));
    if (opening) tell(`Opening ${opening} …`);
    showProgress();
    [...sections.querySelectorAll("button")].find(({ textContent }) => textContent === focused)?.focus();
  }

  function show() {
    if (dialog.open) return;
    if (!dialog.isConnected) document.body.append(dialog);
    draw();
    dialog.showModal();
    if (!downloading && !opening) refresh().catch(tell);
  }

  /**
   * Take a model that is dropped on an element.
   * @param {HTMLElement} place
   */
  function takeDrops(place) {
    const isFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    place.addEventListener("dragover", (event) => {
      if (!isFile(event)) return; // dragging a text into a field stays possible
      event.preventDefault();
      event.stopPropagation();
      place.classList.add("lab-dropping");
    });
    place.addEventListener("dragleave", (event) => {
      if (!place.contains(/** @type {Node | null} */ (event.relatedTarget))) place.classList.remove("lab-dropping");
    });
    place.addEventListener("drop", (event) => {
      if (!isFile(event) || !event.dataTransfer) return;
      event.preventDefault();
      event.stopPropagation();
      place.classList.remove("lab-dropping");
      const files = filesOf(event.dataTransfer);
      show();
      if (opening || downloading) tell("Wait until the other model is ready, then drop this one again.");
      else open(files);
    });
  }
  takeDrops(dialog);
  takeDrops(document.documentElement); // else a browser leaves the page and shows a file that just misses a lab

  return {
    takeDrops,
    /** A line that names the model in use and opens the panel. */
    chip() {
      const made = button("", show, { class: "lab-model-name", "aria-haspopup": "dialog" });
      chips.push(made);
      label(made);
      return made;
    },
    /** @param {Using} model */
    setUsing(model) {
      using = { ...(model.version === using?.version ? using : {}), ...model };
      chips.forEach(label);
    },
  };
}
