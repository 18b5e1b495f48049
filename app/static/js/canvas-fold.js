// Folding: which steps hide their branches is a cookie of this journey's pages, so that the server draws what is shown.
import { enqueue, graph, send, stepOf, underWay } from "./canvas-edit.js";
import { openStepKey } from "./canvas-panel.js";
import { shown } from "./canvas-swap.js";

const YEAR = 365 * 24 * 3600;

const folded = () => (document.cookie.match(/(?:^|; )fold=([^;]*)/)?.[1] ?? "").split(".").filter(Boolean);

/** Fold the branches of a step away, or unfold them. */
export async function fold(key) {
  const step = stepOf(key);
  if (!step?.querySelector("[data-fold]")) return;
  const hides = step.querySelector("[data-fold]").getAttribute("aria-expanded") === "true";
  const keys = folded().filter((one) => one !== key);
  if (hides) keys.push(key);
  document.cookie = `fold=${keys.slice(-60).join(".")}; path=${graph().dataset.here}; max-age=${YEAR}; samesite=lax`;
  await underWay(redraw());
  stepOf(key)?.querySelector(".step-main").focus({ preventScroll: true });
}

/** Draw the canvas as it is at the server, after all edits so far; `whole`: with what the page has already. */
export function redraw({ whole = false } = {}) {
  return enqueue(() => send(graph().dataset.canvas, { open: openStepKey(), ...(!whole && shown()) }));
}

document.addEventListener("click", (event) => {
  const key = event.target.closest("[data-fold]")?.dataset.fold;
  if (key) fold(key);
});
