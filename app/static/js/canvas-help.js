// The list of keys: "?" opens it.
const keys = document.getElementById("keys");

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  event.preventDefault();
  keys.showModal();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) keys.showModal();
  if (event.target === keys || event.target.closest("[data-close-keys]")) keys.close();
});
