/*
 * Two fixes for the theme's menus on narrow screens. The theme takes the focus from a menu's button, so a closing menu
 * cannot give it back. And a menu stays open after a click on a link to a section of the same page.
 */
document.addEventListener("DOMContentLoaded", () => {
  for (const side of ["primary", "secondary"]) {
    const menu = document.getElementById(`pst-${side}-sidebar-modal`);
    if (!(menu instanceof HTMLDialogElement)) continue;
    menu.addEventListener("close", () => {
      const toggle = document.querySelector(`.${side}-toggle`);
      if (toggle instanceof HTMLElement) toggle.focus({ preventScroll: true });
    });
    menu.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.closest("a[href^='#']")) menu.close();
    });
  }
});
