// The side panel: opens a step, closes on Escape, and keeps a comment that was begun.
import { allowLeaving, flush } from "./canvas-save.js";

const panel = document.getElementById("panel");
let coming = null; // the panel that is to be opened, until it is there

// Who loads the answer to a form anew asks for what is so by then, and sends nothing once more.
history.replaceState(history.state, "", location.href);

/** Open the panel of a step card. */
export function openStep(step) {
  return openPanel(step.querySelector(".step-main").href);
}

function openPanel(href, { focus = true } = {}) {
  const [url, setting] = href.split("#");
  const opening = { left: false };
  coming = focus ? opening : null;
  return allowLeaving(async () => {
    if (opening.left) return;
    await htmx.ajax("GET", url, { source: panel, target: panel, swap: "innerHTML", headers: { "HX-Panel": "true" }, opening });
    if (opening.left) return;
    history.replaceState(history.state, "", url);
    mark();
    if (focus) (fieldOf(setting) ?? panel.querySelector(".sheet-body a, .sheet-head a"))?.focus();
  });
}

/** Return the key of the step the panel is about, or "". */
export const openStepKey = () => panel.querySelector("[data-sheet]")?.dataset.sheet ?? "";

// Returns the field of the setting that a link named, else the first one of the panel.
function fieldOf(setting) {
  const named = (setting && document.getElementById(setting)?.closest(".field")) || panel;
  return [named, panel]
    .flatMap((part) => [...part.querySelectorAll(".sheet-body :is(input:not([type=hidden]), select, textarea)")])
    .find((field) => field.offsetParent);
}

// Which step the panel is about is shown on the canvas.
function mark() {
  const key = openStepKey();
  for (const step of document.querySelectorAll(".step")) {
    const selected = step.dataset.key === key;
    step.classList.toggle("is-selected", selected);
    if (selected) step.querySelector(".step-main").setAttribute("aria-current", "true");
    else step.querySelector(".step-main").removeAttribute("aria-current");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const back = link.hasAttribute("data-panel-close") ? openStepKey() : null;
  openPanel(link.href, { focus: back === null }).then(() => {
    if (back) document.querySelector(`#step-${CSS.escape(back)} .step-main`)?.focus({ preventScroll: true });
  });
});

document.addEventListener("htmx:after:request", (event) => {
  const { opening } = event.detail.ctx;
  if (opening?.left) event.preventDefault();
  else if (opening === coming) coming = null;
});
document.addEventListener("htmx:after:swap", () => {
  mark();
  recall();
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && panel.contains(event.target)) {
    event.preventDefault();
    if (event.target.matches("#comment-body")) event.target.form.requestSubmit();
    else flush();
  }
  // Who goes on before the panel is there keeps the keyboard on the canvas.
  if (event.key === "Escape" && coming && !panel.contains(event.target)) coming.left = true;
  if (event.key === "Escape" && panel.contains(event.target) && !event.target.closest(".ts-wrapper")) {
    panel.querySelector("[data-panel-close]")?.click();
  }
});

// A comment that was begun stays with its step, in this tab, until it is sent or emptied.
const place = () => `fairway-comment:${location.pathname.split("/steps/")[0]}:${openStepKey()}`;

panel.addEventListener("input", ({ target }) => target.matches("#comment-body") && keep(target.value));
document.addEventListener("submit", ({ target }) => target.matches(".comment-form") && keep(""), { capture: true });

function keep(words) {
  try {
    if (words) sessionStorage.setItem(place(), words);
    else sessionStorage.removeItem(place());
  } catch {
    // storage is switched off: a comment is kept as long as the panel stands
  }
}

function recall() {
  const field = panel.querySelector("#comment-body");
  if (!field || field.value) return;
  try {
    field.value = sessionStorage.getItem(place()) ?? "";
  } catch {
    // as above
  }
}
recall();
