/** Attention lab: who looks at whom, in every head; and what the model says without one. */
import {
  bind,
  button,
  connect,
  enable,
  field,
  h,
  heatMap,
  latest,
  messageLine,
  percent,
  quoted,
  roving,
  svg,
  textField,
  visible,
} from "./ui.mjs";

const MOST = 32; // tokens: more would be too small to see
const ROW = 20; // pixels a token

const short = (name, length) => (name.length > length ? `${name.slice(0, length - 1)}…` : name);

async function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const heads = h("div", { class: "lab-heads", role: "group", "aria-label": "All heads; press one to see it large" });
  const picture = h("div", { class: "lab-picture" });
  const words = h("p", { role: "status" });
  const said = h("p");
  const notice = h("p", { class: "lab-small" });
  const follow = h("input", { type: "range", min: 0, step: 1 });
  let shape = null;
  let answer = null;
  let whole = null; // what the model says with all its heads

  const stopAt = roving(heads, () => shape.n_head);
  const chosen = () => [Math.min(model.get("layer"), shape.n_layer - 1), Math.min(model.get("head"), shape.n_head - 1)];
  const key = (layer, head) => `${layer}.${head}`;
  const isOff = (layer, head) => model.get("without").some(([l, n]) => key(l, n) === key(layer, head));
  /** How much token t looks at token s. */
  const weight = (layer, head, t, s) =>
    answer.weights[layer][(head * answer.tokens.length + t) * answer.tokens.length + s];

  const refresh = latest(async () => {
    shape ??= await ask("describe");
    const asked = { text: model.get("text"), most: MOST };
    whole = await ask("attention", { ...asked, without: [] });
    answer = model.get("without").length ? await ask("attention", { ...asked, without: model.get("without") }) : whole;
    const { tokens, left_out } = answer;
    notice.textContent = left_out ? `Only the first ${MOST} tokens are shown; ${left_out} are left out.` : "";
    follow.max = tokens.length - 1;
    write(model.get("token"));
    drawHeads();
    draw();
    const list = ({ next }) =>
      next
        .slice(0, 5)
        .map(({ text, p }) => `${quoted(text)} ${percent(p)}`)
        .join(", ");
    said.textContent =
      answer === whole
        ? `The model would go on with ${list(whole)}.`
        : `With all heads: ${list(whole)}. Without those switched off: ${list(answer)}.`;
  }, tell);

  /** Small multiples: a picture of each head, darker where a token looks. */
  function drawHeads() {
    const T = answer.tokens.length;
    const active = [...heads.children].indexOf(document.activeElement);
    heads.style.setProperty("--heads", shape.n_head);
    heads.replaceChildren(
      ...answer.weights.flatMap((_, layer) =>
        Array.from({ length: shape.n_head }, (_, head) => {
          const canvas = heatMap(T, T, (t, s) => weight(layer, head, t, s));
          const off = isOff(layer, head);
          return h(
            "button",
            {
              type: "button",
              class: off ? "lab-head lab-off" : "lab-head",
              "aria-label": `Layer ${layer}, head ${head}${off ? ", switched off" : ""}`,
              "aria-pressed": String(key(layer, head) === key(...chosen())),
              onclick: () => choose(layer, head),
            },
            canvas,
          );
        }),
      ),
    );
    const [layer, head] = chosen();
    stopAt(layer * shape.n_head + head);
    if (active >= 0) heads.children[active].focus();
  }

  function choose(layer, head) {
    model.set("layer", layer);
    model.set("head", head);
    model.save_changes();
  }

  /** The head in large: on the left arcs from the token that is followed, on the right the whole table. */
  function draw() {
    if (!answer) return;
    const { tokens } = answer;
    const T = tokens.length;
    const [layer, head] = chosen();
    const token = Number(follow.value);
    const width = Math.max(280, Math.min(picture.clientWidth || 640, 720));
    const [arcs, names] = [width < 480 ? 48 : 90, width < 480 ? 84 : 110];
    const cell = Math.min(ROW, (width - arcs - names) / T);
    const middle = (t) => (t + 0.5) * ROW;
    const lines = tokens.slice(0, token + 1).map((_, s) => {
      const reach = Math.min(arcs - 6, 10 + 4 * (token - s));
      const from = arcs - 2;
      return svg("path", {
        class: "lab-arc",
        d: `M${from},${middle(token)}C${from - reach},${middle(token)} ${from - reach},${middle(s)} ${from},${middle(s)}`,
        "stroke-width": 7 * weight(layer, head, token, s),
      });
    });
    const rows = tokens.map(({ text }, t) =>
      svg(
        "g",
        { class: t === token ? "lab-followed" : "", onpointerenter: () => go(t), onclick: () => go(t) },
        svg("rect", { x: 0, y: t * ROW, width: arcs + names - 6, height: ROW, class: "lab-hit" }),
        svg("rect", {
          x: arcs,
          y: t * ROW + 1,
          width: names - 6,
          height: ROW - 2,
          rx: 3,
          class: "lab-name-back",
          "fill-opacity": t <= token ? 0.4 * weight(layer, head, token, t) : 0,
        }),
        svg("text", { x: arcs + 4, y: t * ROW + 14 }, short(visible(text), width < 480 ? 10 : 14)),
        tokens
          .slice(0, t + 1)
          .map((_, s) =>
            svg("rect", {
              x: arcs + names + s * cell,
              y: t * ROW,
              width: cell,
              height: ROW,
              class: "lab-cell",
              "fill-opacity": weight(layer, head, t, s).toFixed(3),
            }),
          ),
      ),
    );
    picture.replaceChildren(
      svg(
        "svg",
        { width, height: T * ROW, viewBox: `0 0 ${width} ${T * ROW}`, class: "lab-attention", "aria-hidden": "true" },
        rows,
        lines,
      ),
    );
    const best = tokens
      .slice(0, token + 1)
      .map(({ text }, s) => [text, weight(layer, head, token, s)])
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3);
    words.textContent = `Layer ${layer}, head ${head}${isOff(layer, head) ? " (switched off)" : ""}: ${quoted(tokens[token].text)} looks at ${best.map(([text, w]) => `${quoted(text)} ${percent(w)}`).join(", ")}.`;
    follow.setAttribute("aria-valuetext", quoted(tokens[token].text));
    toggle.textContent = isOff(layer, head) ? "Switch this head on" : "Switch this head off";
    enable(all, model.get("without").length > 0);
  }

  function go(token) {
    if (token === Number(follow.value)) return;
    follow.value = token;
    saveToken();
  }
  function switchOff(heads) {
    model.set("without", heads);
    model.save_changes();
  }
  const toggle = button("Switch this head off", () => {
    const [layer, head] = chosen();
    const others = model.get("without").filter(([l, n]) => key(l, n) !== key(layer, head));
    switchOff(isOff(layer, head) ? others : [...others, [layer, head]]);
  });
  const all = button("All heads on", () => switchOff([]));
  const write = (token) => {
    follow.value = token < 0 ? follow.max : Math.min(token, follow.max);
  };
  const saveToken = bind(model, "token", () => Number(follow.value), write, draw);
  follow.addEventListener("input", saveToken);
  ["layer", "head"].forEach((trait) =>
    model.on(`change:${trait}`, () => {
      if (answer) {
        drawHeads();
        draw();
      }
    }),
  );
  bind(
    model,
    "without",
    () => model.get("without"),
    () => {},
    refresh,
  );
  const resized = new ResizeObserver(draw);
  resized.observe(picture);
  el.className = "lab";
  el.append(
    textField(model, "text", "Your sentence", refresh),
    notice,
    heads,
    h("div", { class: "lab-row" }, field("Token to follow", follow), toggle, all),
    words,
    picture,
    said,
    line,
  );
  await refresh();
  return () => resized.disconnect();
}

export default { needs: ["describe"], render };
