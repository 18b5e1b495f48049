// Searching: a step by its name, kind or words ("/" or Ctrl F); kinds in the palette and in the menu of kinds.
import { graph, stepOf } from "./canvas-edit.js";

const box = document.getElementById("find");
const field = box.querySelector("input");
const list = box.querySelector("ul");
let hits = [];
let at = 0;

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const has = (text, words) => words.every((word) => text.includes(word));
const wordsIn = (text) => plain(text).split(/\s+/).filter(Boolean);
const lettersIn = (text) => plain(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** Bring a step into view and mark it for a moment. */
export function goTo(key) {
  const step = stepOf(key);
  if (!step) return;
  step.scrollIntoView({ block: "center", inline: "center" });
  step.querySelector(".step-main").focus({ preventScroll: true });
  step.classList.remove("is-found");
  requestAnimationFrame(() => step.classList.add("is-found"));
}

export function openFind() {
  box.showPopover();
  field.select();
  find();
}

function find() {
  const words = wordsIn(field.value);
  const text = (step) => plain(`${step.dataset.label} ${step.dataset.kind} ${step.querySelector(".step-words").textContent}`);
  const all = [...graph().querySelectorAll(".step")];
  hits = words.length ? all.filter((step) => has(text(step), words)) : [];
  at = 0;
  for (const step of all) step.classList.toggle("is-hit", hits.includes(step));
  show();
  if (words.length) box.querySelector("p").textContent = hits.length === 1 ? "1 step" : hits.length ? `${hits.length} steps` : "No step fits.";
  else box.querySelector("p").textContent = "By name, kind, template or any words on the card.";
}

function show() {
  list.replaceChildren(
    ...hits.slice(0, 30).map((step, index) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const name = document.createElement("b");
      const words = document.createElement("small");
      name.textContent = step.dataset.label;
      words.textContent = step.querySelector(".step-words").textContent;
      button.type = "button";
      button.tabIndex = -1;
      button.dataset.find = step.dataset.key;
      button.classList.toggle("is-hot", index === at);
      button.append(name, words);
      item.append(button);
      return item;
    }),
  );
}

function jump(key) {
  box.hidePopover();
  goTo(key);
}

field.addEventListener("input", find);
field.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by && hits.length) {
    at = (at + by + Math.min(hits.length, 30)) % Math.min(hits.length, 30);
    show();
    list.children[at].scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && hits.length) jump(hits[at].dataset.key);
  else if (event.key === "Escape") box.hidePopover(); // a search field would only empty itself
  else return;
  event.preventDefault();
});
list.addEventListener("click", (event) => {
  const key = event.target.closest("[data-find]")?.dataset.find;
  if (key) jump(key);
});
box.addEventListener("toggle", (event) => {
  if (event.newState === "closed") for (const step of graph().querySelectorAll(".is-hit")) step.classList.remove("is-hit");
});
document.addEventListener("animationend", (event) => event.target.classList.remove("is-found"));

document.addEventListener(
  "keydown",
  (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
    const find = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "f";
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing;
    if (!slash && !(find && !event.target.closest("dialog, #panel"))) return;
    event.preventDefault();
    openFind();
  },
  { capture: true },
);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-find]")) openFind();
  const go = event.target.closest("[data-go]")?.dataset.go;
  if (go) goTo(go);
});

// A list of kinds is narrowed by what is typed above it.
for (const search of document.querySelectorAll("[data-kind-search]")) {
  const scope = search.closest(".palette, .kind-menu");
  const items = () => [...scope.querySelectorAll("[data-kind]:not(.kind-icon)")];
  const narrow = () => {
    // From the beginnings of words: "end" is no "Send".
    const words = lettersIn(search.value).map((word) => ` ${word}`);
    const told = (item) => [...item.querySelectorAll("b, small")].map((part) => part.textContent).join(" ");
    for (const item of items()) item.classList.toggle("is-out", !has(` ${lettersIn(told(item)).join(" ")}`, words));
  };
  search.addEventListener("input", narrow);
  search.addEventListener("keydown", (event) => {
    const fitting = items().filter((item) => !item.matches(".is-out, [hidden]"));
    // Enter takes what is called so before what only speaks of it.
    const called = (item) => plain(item.querySelector("b").textContent).startsWith(plain(search.value).trim());
    const first = fitting.find(called) ?? fitting[0];
    if (event.key === "Enter" && first) first.click();
    else if (event.key === "Escape" && search.value) {
      search.value = "";
      narrow();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // As it opens: what is typed at once is not taken away again.
  scope.addEventListener("beforetoggle", () => {
    search.value = "";
    narrow();
  });
}
