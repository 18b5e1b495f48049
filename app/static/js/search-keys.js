// "/" goes to the page's search field, or to the page that has one ([data-search-home]).
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  const field = document.querySelector("main input[type=search]");
  const home = document.querySelector("[data-search-home]");
  if (!field && !home) return;
  event.preventDefault();
  if (!field) {
    location.assign(`${home.href}#search`);
    return;
  }
  field.focus();
  field.select();
});
