// The side panel: opens a step, keeps what was typed until it is saved or given up, closes on Escape.
import { ask } from "./confirm.js";

const panel = document.getElementById("panel");
let touched = false;

const form = () => panel.querySelector("form[data-step-form]");
const isDirty = () => Boolean(form()) && (touched || form().hasAttribute("data-changed"));

/** Run `then` now, or once the reader agreed to lose what was typed. */
export async function allowLeaving(then) {
  if (isDirty()) {
    const title = "Leave without saving?";
    const text = "What you changed in the settings of this step is not saved yet.";
    if (!(await ask({ title, text, label: "Don’t save", tone: "danger" }))) return undefined;
    forget();
  }
  return then();
}
allowLeaving.now = () => !isDirty();

function forget() {
  touched = false;
  form()?.removeAttribute("data-changed");
}

/** Open the panel of a step card. */
export function openStep(step) {
  return openPanel(step.querySelector(".step-main").href);
}

function openPanel(url, { focus = true } = {}) {
  return allowLeaving(async () => {
    await htmx.ajax("GET", url, { source: panel, target: panel, swap: "innerHTML", headers: { "HX-Panel": "true" } });
    history.replaceState(history.state, "", url);
    mark();
    if (focus) firstField()?.focus();
  });
}

/** Draw the panel of the open step anew, if one is open. */
export async function reopen() {
  const step = document.getElementById(`step-${openStepKey()}`);
  if (step) await openPanel(step.querySelector(".step-main").href, { focus: false });
}

/** Return the key of the step the panel is about, or "". */
export const openStepKey = () => panel.querySelector("[data-sheet]")?.dataset.sheet ?? "";

const firstField = () =>
  [...panel.querySelectorAll(".sheet-body :is(input:not([type=hidden]), select, textarea)")].find((field) => field.offsetParent) ??
  panel.querySelector(".sheet-body a, .sheet-head a");

// Which step the panel is about is shown on the canvas.
function mark() {
  const key = panel.querySelector("[data-sheet]")?.dataset.sheet;
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
  const back = link.hasAttribute("data-panel-close") ? panel.querySelector("[data-sheet]")?.dataset.sheet : null;
  openPanel(link.href, { focus: back === null }).then(() => {
    if (back) document.querySelector(`#step-${CSS.escape(back)} .step-main`)?.focus({ preventScroll: true });
  });
});

panel.addEventListener("input", (event) => {
  if (event.target.closest("form[data-step-form]")) touched = true;
});
// An answer of the server that brings a form brings its own idea of what is unsaved (data-changed on the form).
let shown = form();
document.addEventListener("htmx:after:swap", () => {
  if (form() !== shown) touched = false;
  shown = form();
  mark();
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && panel.contains(event.target)) {
    event.preventDefault();
    form()?.requestSubmit();
  }
  if (event.key === "Escape" && panel.contains(event.target) && !event.target.closest(".ts-wrapper")) {
    panel.querySelector("[data-panel-close]")?.click();
  }
});

addEventListener("beforeunload", (event) => isDirty() && event.preventDefault());
