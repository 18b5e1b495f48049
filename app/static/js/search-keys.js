// "/" goes to the search of everybody ([data-search-home]) where a page names one, else to the page's own search field.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  const field = document.querySelector("main input[type=search]");
  const home = document.querySelector("[data-search-home]");
  if (!field && !home) return;
  event.preventDefault();
  if (home) {
    location.assign(`${home.href}#search`);
    return;
  }
  field.focus();
  field.select();
});
