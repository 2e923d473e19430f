/*
 * Runs in a page of the built book, whose scripts did not run: takes its text for the EPUB and the PDF.
 *
 * What needs a browser becomes what paper can show: a lab its drawing and a link, a tab a heading. Hints, solutions, and
 * the answers of the quiz are moved to the end of the book. All ids get the page's name in front, because the PDF is one
 * document; a link within the book becomes "book:PAGE#ID", which takealong.py turns into what its format needs.
 */
(home) => {
  const SHORT = 14; // lines; paper does not break shorter code across pages
  const article = document.querySelector("article");
  const here = new URL(location.href);
  const pageOf = (url) => url.pathname.slice(new URL(home).pathname.length).replace(/\.html$/, "");
  const nameOf = (page) => page.replace(/\W+/g, "-");
  const page = pageOf(here);
  const prefix = `${nameOf(page)}--`;
  const make = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };
  const inner = (element) => [...element.childNodes];

  // ---- what is only for readers at a screen -----------------------------------------------------------------------
  const gone = ".headerlink, .tag_setup, script, noscript, input, button, .lab-field, .toctree-wrapper, .exercise-card";
  for (const element of article.querySelectorAll(gone)) element.remove();
  const wall = article.querySelector(".brick-wall"); // on the front page, with a button and a sentence about it
  if (wall)
    for (const element of [article.querySelector("p:has(> a:only-child)"), wall.nextElementSibling, wall])
      element.remove();
  for (const cell of article.querySelectorAll(".cell_output")) if (!cell.children.length) cell.remove();
  for (const label of article.querySelectorAll(".sd-tab-label"))
    label.replaceWith(make("p", "tab-name", label.textContent.trim()));
  const interactive = (text) => {
    const link = make("a", "", `${text} in the book on the web`);
    link.href = here.href;
    return make("p", "only-on-the-web", link);
  };
  for (const lab of article.querySelectorAll("[data-lab]")) {
    const drawing = make("div", "lab-drawing", ...inner(lab));
    lab.replaceWith(drawing);
    drawing.after(interactive("Try this lab"));
  }
  for (const view of article.querySelectorAll("[id^=bertviz]")) {
    const output = view.closest(".output") ?? view;
    if (output.isConnected) output.replaceWith(interactive("See this view"));
  }

  for (const code of article.querySelectorAll("pre"))
    if (code.textContent.split("\n").length <= SHORT) code.classList.add("short");

  // ---- hints, solutions, answers ----------------------------------------------------------------------------------
  const title = article.querySelector("h1");
  const solutions = make("section", "solutions");
  const seeThere = (id, text, back) => {
    const link = make("a", "", text);
    link.setAttribute("href", `book:solutions#${prefix}${id}`);
    const place = make("p", "see-there", link);
    place.id = back;
    return place;
  };
  let count = 0;
  const moved = (heading, text, where) => {
    const id = `solution-${++count}`;
    const back = make("a", "", heading);
    back.setAttribute("href", `book:${page}#${prefix}${id}-back`);
    const entry = make("section", "solution-entry", make("h3", "", back));
    entry.id = prefix + id;
    where(seeThere(id, text, `${id}-back`));
    solutions.append(entry);
    return entry;
  };
  const exercises = new Map();
  for (const details of article.querySelectorAll("details:not(.answer, .admonition)")) {
    if (!/\b(hint|Solution|answer)\b/.test(details.querySelector("summary").textContent)) continue;
    const section = details.closest("section");
    if (!exercises.has(section)) {
      const heading = section.querySelector("h2, h3, h4")?.textContent ?? title.textContent;
      exercises.set(
        section,
        moved(heading, "Hints and solution", (link) => details.before(link)),
      );
    }
    const [summary, ...text] = inner(details);
    exercises.get(section).append(make("p", "hint-name", summary.textContent), ...text);
    details.remove();
  }
  for (const quiz of article.querySelectorAll(".quiz")) {
    const entry = moved("Quiz", "Answers", (link) => quiz.append(link));
    let options;
    for (const child of [...quiz.children]) {
      if (child.matches("p:not(.see-there)")) {
        options = make("ol", "options");
        options.type = "a";
        child.after(options);
        entry.append(make("p", "", ...inner(child.cloneNode(true))), make("ol", "options"));
        entry.lastElementChild.type = "a";
      } else if (child.matches("details")) {
        const [summary, ...reason] = inner(child);
        options.append(make("li", "", ...inner(summary)));
        entry.lastElementChild.append(make("li", "", ...reason));
        child.remove();
      }
    }
  }
  for (const details of [...article.querySelectorAll("details")]) {
    const [summary, ...text] = inner(details).filter((node) => node.nodeType !== Node.TEXT_NODE);
    const shows = summary.querySelector(".collapsed"); // of a folded cell: "Show the comparison"
    const title = shows?.textContent.replace(/^Show (.)/, (_, first) => first.toUpperCase()) ?? summary.textContent;
    details.replaceWith(make("div", "folded", make("p", "folded-title", title), ...text));
  }

  // ---- ids, links, styles -----------------------------------------------------------------------------------------
  const parts = [article, solutions];
  const all = parts.flatMap((part) => [...part.querySelectorAll("*")]);
  const references = ["aria-labelledby", "aria-describedby", "aria-controls", "for"];
  const drawings = parts.flatMap((part) => [...part.querySelectorAll("svg")]);
  for (const element of all) {
    const svg = drawings.indexOf(element.closest("svg")); // drawings of one page may use the same ids
    const mine = svg < 0 ? prefix : `${prefix}svg${svg}-`;
    if (element.id && !element.id.startsWith(prefix)) element.id = mine + element.id;
    for (const { name, value } of [...element.attributes]) {
      if (/^(data-|on|tabindex$)/.test(name) || value === "doc-biblioentry") element.removeAttribute(name);
      else if (value.includes("url(#")) element.setAttribute(name, value.replaceAll("url(#", `url(#${mine}`));
      else if (references.includes(name))
        element.setAttribute(
          name,
          value.replace(/\S+/g, (id) => mine + id),
        );
      else if (name.endsWith("href") && value.startsWith("#")) element.setAttribute(name, `#${mine}${value.slice(1)}`);
      else if (element.localName === "a" && name.endsWith("href") && !value.startsWith("book:")) {
        const url = new URL(value, here);
        if (!url.href.startsWith(home)) continue;
        const target = pageOf(url);
        const anchor = url.hash.slice(1);
        element.setAttribute(name, `book:${target}#${anchor ? `${nameOf(target)}--${anchor}` : ""}`);
      }
    }
  }
  for (const style of article.querySelectorAll("style")) {
    const svg = style.closest("svg");
    if (svg && style.textContent.includes("stroke-linejoin")) svg.classList.add("figure"); // matplotlib's only rule
    style.remove();
  }
  article.id = nameOf(page);
  const xhtml = (element) => new XMLSerializer().serializeToString(element);
  return {
    title: title.textContent.trim(),
    body: xhtml(make("article", "", ...inner(article))),
    solutions: solutions.children.length ? xhtml(solutions) : "",
  };
};
