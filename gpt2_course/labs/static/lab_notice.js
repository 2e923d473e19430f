/* A classic script, because it must also run where modules do not: pages opened as files, and very old browsers. */
document.addEventListener("DOMContentLoaded", function () {
  var isFile = location.protocol === "file:";
  if (!isFile && "noModule" in HTMLScriptElement.prototype) return;
  document.querySelectorAll("[data-lab]").forEach(function (place) {
    var note = document.createElement("p");
    note.className = "lab-note";
    note.textContent = isFile
      ? "A page opened as a file cannot run its labs, so you see a drawn example: `make book` serves the book."
      : "This browser is too old to run the lab, so you see a drawn example.";
    place.insertBefore(note, place.firstChild);
  });
});
