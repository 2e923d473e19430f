/*
 * What the theme's menus of a narrow screen lack: it takes the focus from their buttons when they are pressed, so that a
 * closed menu could not give it back; and a menu stays open above the place of the page that was chosen in it.
 */
document.addEventListener("DOMContentLoaded", () => {
  for (const side of ["primary", "secondary"]) {
    const menu = document.getElementById(`pst-${side}-sidebar-modal`);
    menu?.addEventListener("close", () => document.querySelector(`.${side}-toggle`).focus({ preventScroll: true }));
    menu?.addEventListener("click", ({ target }) => target.closest("a[href^='#']") && menu.close());
  }
});
