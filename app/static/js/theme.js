// Light or dark: the system's choice until the reader makes one, which is kept in localStorage.
// A classic script in the head, so that the page is never painted in the wrong one.
(() => {
  const KEY = "fairway-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the system decides
    }
  }

  function apply() {
    root.dataset.bsTheme = chosen() ?? (system.matches ? "dark" : "light");
  }

  function choose(theme) {
    try {
      // Choosing what the system says anyway means: follow the system again.
      if (theme === (system.matches ? "dark" : "light")) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      root.dataset.bsTheme = theme;
      return;
    }
    apply();
  }

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === KEY && apply());
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-theme-toggle]")) choose(root.dataset.bsTheme === "dark" ? "light" : "dark");
  });
})();
