/** Playground: the model writes, as many samples as wanted, each token in the colour of how sure the model was. */
import {
  bind,
  button,
  connect,
  enable,
  field,
  h,
  messageLine,
  percent,
  quoted,
  samplingSliders,
  settingsOf,
  slider,
  textField,
} from "./ui.mjs";

const PROMPTS = [
  "Once upon a time",
  "The future of AI is",
  "The secret to happiness is",
  "A rain song for",
  "Question: Who likes to",
  "Listen well.",
];

function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const output = h("div", { class: "lab-samples" });
  let calls = []; // what is being written

  async function write() {
    stop();
    tell(null);
    const [prompt, seed, samples] = ["prompt", "seed", "samples"].map((trait) => model.get(trait));
    const cards = Array.from({ length: samples }, (_, i) => card(prompt, seed + i));
    output.replaceChildren(...cards.map(({ shown }) => shown));
    running(true);
    const began = performance.now();
    const mine = (calls = cards.map(({ add }, i) =>
      ask("generate", { prompt, seed: seed + i, settings: settingsOf(model), length: model.get("length") }, add),
    ));
    try {
      const done = await Promise.all(mine.map((call, i) => call.then((result) => (cards[i].finish(result), result))));
      if (mine !== calls) return; // the next one has begun
      const tokens = done.reduce((n, result) => n + result.tokens, 0);
      const seconds = (performance.now() - began) / 1000;
      speed.textContent = `${tokens} tokens in ${seconds.toFixed(1)} s: ${Math.round(tokens / Math.max(seconds, 1e-3))} a second.`;
      model.set(
        "texts",
        cards.map(({ text }) => text()),
      );
      model.save_changes();
    } catch (error) {
      if (mine === calls) tell(error);
    }
    if (mine !== calls) return;
    calls = [];
    running(false);
  }

  const stop = () => calls.forEach((call) => call.cancel()); // what is written so far stays

  /** A sample that grows. */
  function card(prompt, seed) {
    const words = h("p", { class: "lab-text", dir: "auto" }, prompt);
    const note = h("span", { class: "lab-small" }, `seed ${seed}`);
    const text = () => words.textContent;
    const copy = button("Copy", async () => {
      const done = await navigator.clipboard?.writeText(text()).then(
        () => true,
        () => false,
      );
      copy.textContent = done ? "Copied" : "Your browser does not allow it";
      setTimeout(() => {
        copy.textContent = "Copy";
      }, 1500);
    });
    return {
      shown: h("article", { class: "lab-sample" }, words, h("div", { class: "lab-row" }, note, copy)),
      text,
      add: ({ text: piece, p }) =>
        piece &&
        words.append(
          h(
            "span",
            { class: "lab-sure", style: `--doubt:${(1 - p).toFixed(3)}`, title: `${quoted(piece)}: ${percent(p)}` },
            piece,
          ),
        ),
      finish: ({ tokens }) => {
        note.textContent = `seed ${seed} · ${tokens} tokens`;
      },
    };
  }

  const go = button("Write", write, { class: "lab-main" });
  const halt = button("Stop", stop);
  const speed = h("span", { class: "lab-small", role: "status" });
  const running = (is) => {
    enable(halt, is);
    output.setAttribute("aria-busy", String(is));
  };
  const seed = h("input", { type: "number", min: 0, max: 2 ** 31 - 1, step: 1 });
  const readSeed = () => Math.min(2 ** 31 - 1, Math.max(0, Math.trunc(Number(seed.value)) || 0));
  const saveSeed = bind(
    model,
    "seed",
    readSeed,
    (value) => {
      seed.value = value;
    },
    () => {},
  );
  seed.addEventListener("change", saveSeed);
  const other = button("Another seed", () => {
    model.set("seed", crypto.getRandomValues(new Uint16Array(1))[0]);
    model.save_changes();
    write();
  });
  const suggest = (prompt) =>
    button(
      prompt,
      () => {
        model.set("prompt", prompt);
        model.save_changes();
        write();
      },
      { class: "lab-suggestion" },
    );
  model.on("msg:custom", ({ write: asked }) => {
    if (asked) write();
  }); // lab.write() in a notebook
  running(false);
  el.className = "lab";
  el.append(
    textField(model, "prompt", "Your prompt", () => {}),
    h("div", { class: "lab-row" }, PROMPTS.map(suggest)),
    h("div", { class: "lab-row" }, go, halt, other, speed),
    line,
    output,
    h(
      "p",
      { class: "lab-small" },
      "The colour of a word says how sure the model was: ",
      ...[
        ["certain", 0],
        ["so-so", 0.5],
        ["a surprise", 1],
      ].flatMap(([name, doubt]) => [h("span", { class: "lab-sure", style: `--doubt:${doubt}` }, name), " "]),
      "(point at one for its probability).",
    ),
    h(
      "div",
      { class: "lab-sliders" },
      samplingSliders(model, () => {}),
      slider(
        model,
        "length",
        "At most",
        [10, 300, 10],
        () => {},
        (n) => `${n} tokens`,
      ),
      slider(model, "samples", "Samples side by side", [1, 4, 1], () => {}),
      field("Seed: the same one, the same text", seed),
    ),
  );
  if (model.inPage) write(); // so that there is a text to look at, as in the drawn example
  return stop;
}

export default { needs: ["describe"], render };
