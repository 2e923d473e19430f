/* Explain why labs do not run in pages opened as files and in very old browsers. Neither loads modules, so this is a
   classic script, in the JavaScript of those browsers. */
document.addEventListener("DOMContentLoaded", function () {
  var isFile = location.protocol === "file:";
  if (!isFile && "noModule" in HTMLScriptElement.prototype) return;
  document.querySelectorAll("[data-lab]").forEach(function (place) {
    var note = document.createElement("p");
    note.className = "lab-note";
    note.textContent = isFile
      ? "Labs can’t run in a page opened as a file, so you see a static example. Run `make book` to serve the book."
      : "This browser is too old to run the lab, so you see a static example.";
    place.insertBefore(note, place.firstChild);
  });
});
