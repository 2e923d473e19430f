/* A chapter's quiz: the first answer to each question is noted, and the review asks it again. */
import { element, note, recall, remember } from "./memory.mjs";

/** Each question of the quiz with its answers, read from the page, where they also work without scripts. */
function questions() {
  return [...document.querySelectorAll(".quiz > p")].map((asked) => {
    const answers = [];
    for (let next = asked.nextElementSibling; next?.matches("details"); next = next.nextElementSibling)
      answers.push(/** @type {HTMLDetailsElement} */ (next));
    return { question: asked.textContent?.replace(/^\d+\. /, "") ?? "", answers };
  });
}

export function connect() {
  const all = questions();
  const score = element("p", { class: "quiz-score", role: "status" });
  document.querySelector(".quiz")?.append(score);
  let isStored = true;
  const show = () => {
    const { answered } = recall();
    const first = all.flatMap(({ question }) => answered.get(question)?.first ?? []);
    const right = first.filter(Boolean).length;
    const review = element("a", { href: new URL("../book/progress.html", import.meta.url).href }, "Review");
    if (!isStored)
      score.replaceChildren("Your answers are not kept, because this browser does not let the page store anything.");
    else if (first.length)
      score.replaceChildren(
        `${first.length} of ${all.length} questions answered, ${right} right at the first try. `,
        review,
        " asks them again later.",
      );
  };
  /** @type {(answer: HTMLDetailsElement) => boolean} */
  const isRight = (answer) => answer.querySelector("p")?.textContent?.startsWith("✓") ?? false;
  /** @type {(question: string, right: boolean) => void} */
  const keep = (question, right) => {
    if (recall().answered.has(question)) return;
    isStored = remember((memory) => note(memory, question, right));
    show();
  };
  for (const { question, answers } of all) {
    // A page may be answered before this script has come: then which was pressed first is not known, so all count.
    const early = answers.filter(({ open }) => open);
    if (early.length) keep(question, early.every(isRight));
    for (const answer of answers) {
      answer.classList.toggle("right", isRight(answer));
      answer.querySelector("summary")?.addEventListener("click", () => {
        if (!answer.open) keep(question, isRight(answer));
      });
    }
  }
  show();
}
