/* What every page does: its colors, its menus, and the boxes in it that scroll. */
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  /** @param {string} mode "auto", "light", or "dark" */
  const setMode = (mode) => {
    localStorage.setItem("mode", mode);
    root.dataset.mode = mode;
    root.dataset.theme = mode === "auto" ? (system.matches ? "dark" : "light") : mode;
    document.querySelector(".theme-switch-button")?.setAttribute("aria-label", `Color mode: ${mode}`);
    const paper = getComputedStyle(root).getPropertyValue("--paper"); // for the browser's own bars
    document.querySelector("meta[name=theme-color]")?.setAttribute("content", paper);
  };
  system.addEventListener("change", () => root.dataset.mode === "auto" && setMode("auto"));

  /** Make a box that scrolls reachable by keyboard. */
  const markScrolling = () => {
    const boxes = "pre, .pst-scrollable-table-container, .cell_output > .output, div.math";
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    }
  };

  /** An output counts as a table if at least two of its lines have columns that are two or more spaces apart. */
  const markTables = () => {
    for (const output of document.querySelectorAll(".cell_output pre")) {
      const inColumns = output.textContent?.split("\n").filter((line) => /\S {2,}\S/.test(line)) ?? [];
      if (inColumns.length >= 2) output.classList.add("printed-table");
    }
  };

  const addCopyButtons = () => {
    for (const block of document.querySelectorAll("div.highlight")) {
      if (block.closest(".cell_output")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copybtn";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        const code = block.querySelector("pre")?.textContent ?? "";
        await navigator.clipboard.writeText(code.replace(/^\$ /gm, "").trimEnd());
        button.classList.add("success");
        button.textContent = "Copied";
        setTimeout(() => {
          button.classList.remove("success");
          button.textContent = "Copy";
        }, 2000);
      });
      block.append(button);
    }
  };

  const connectMenus = () => {
    const contents = document.getElementById("contents");
    const current = contents?.querySelector("a.current");
    const show = () => current instanceof HTMLElement && contents && (contents.scrollTop = current.offsetTop - 160);
    show();
    contents?.addEventListener("toggle", show);
    contents?.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.closest("a") && contents.matches(":popover-open")) contents.hidePopover();
    });
    document.querySelector(".menu .print")?.addEventListener("click", () => {
      document.getElementById("run-menu")?.hidePopover();
      print();
    });
    document.querySelector(".theme-switch-button")?.addEventListener("click", () => {
      const modes = ["auto", "light", "dark"];
      setMode(modes[(modes.indexOf(root.dataset.mode ?? "auto") + 1) % 3]);
    });
    const dialog = document.getElementById("pst-search-dialog");
    if (!(dialog instanceof HTMLDialogElement)) return;
    const search = () => {
      if (!dialog.open) dialog.showModal();
    };
    document.querySelector(".search-button")?.addEventListener("click", search);
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
    addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      search();
    });
  };

  /** Mark the section that is being read in the contents. */
  const followSections = () => {
    const links = new Map();
    for (const link of document.querySelectorAll(".contents .current .toctree-l2 > a")) {
      const section = document.getElementById(decodeURIComponent(link.getAttribute("href")?.split("#")[1] ?? ""));
      if (section) links.set(section, link);
    }
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) links.get(target).setAttribute("aria-current", "location");
          else links.get(target).removeAttribute("aria-current");
        }
      },
      { rootMargin: "-15% 0px -80% 0px" },
    );
    for (const section of links.keys()) seen.observe(section);
  };

  addEventListener("DOMContentLoaded", () => {
    setMode(localStorage.getItem("mode") ?? "auto");
    markTables();
    addCopyButtons();
    connectMenus();
    markScrolling();
    followSections();
    addEventListener("resize", markScrolling);
    document.fonts.ready.then(markScrolling);
  });
})();
