// [data-first-hit="#results"] around a filter bar: Enter opens the first hit of what was typed, arrows walk the hits.
const bar = document.querySelector("[data-first-hit]");
const results = document.querySelector(bar.dataset.firstHit);
const search = bar.querySelector("input[type=search]");
let opening = false;

const hits = () => [...results.querySelectorAll("[data-hit]")];
const isCurrent = () => results.querySelector("[data-results-for]")?.dataset.resultsFor === search.value.trim();

function openFirst() {
  if (!opening || !isCurrent()) return;
  opening = false;
  hits()[0]?.click();
}

search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !search.value.trim()) return;
  opening = true;
  if (!isCurrent()) return; // the form asks now, and the answer opens its first hit
  event.preventDefault();
  openFirst();
});
search.addEventListener("input", () => (opening = false));
document.addEventListener("htmx:after:swap", openFirst);
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const at = hits().indexOf(event.target);
  if (!step || (at < 0 && event.target !== search)) return;
  event.preventDefault();
  if (at + step < 0) search.focus();
  else hits()[at + step]?.focus();
});
if (location.hash === "#search" || search.value || matchMedia("(pointer: fine)").matches) search.focus();
