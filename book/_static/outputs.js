/*
 * Mark printed tables, so that they scroll on narrow screens. Other output, such as a story, wraps. An output counts as
 * a table if at least two of its lines have columns that are two or more spaces apart.
 */
document.addEventListener("DOMContentLoaded", () => {
  for (const output of document.querySelectorAll(".cell_output pre")) {
    const inColumns = output.textContent?.split("\n").filter((line) => /\S {2,}\S/.test(line)) ?? [];
    if (inColumns.length < 2) continue;
    output.classList.add("printed-table");
    output.setAttribute("tabindex", "0"); // so that the arrow keys can scroll it
  }
});
