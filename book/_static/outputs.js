/* A printed table keeps its lines, and scrolls where the page is too narrow; a story wraps. Columns are set apart by spaces. */
document.addEventListener("DOMContentLoaded", () => {
  for (const output of document.querySelectorAll(".cell_output pre")) {
    const inColumns = output.textContent.split("\n").filter((line) => /\S {2,}\S/.test(line));
    if (inColumns.length < 2) continue;
    output.classList.add("printed-table");
    output.tabIndex = 0; // for the arrow keys
  }
});
