// Choosing several steps: Ctrl- or Shift-click, a frame drawn with Shift held, Space, Shift and the arrows, a whole branch.
import { swallowClick } from "./canvas-drag.js";
import { editable, graph, slots, stepOf } from "./canvas-edit.js";

const board = document.getElementById("board");
const bar = document.getElementById("pick-bar");
const keys = new Set();

/** The keys of the chosen steps, from top to bottom. */
export const picked = () => steps().map(keyOf).filter((key) => keys.has(key));
/** What an act is about: the chosen steps, else the step that has the keyboard, else the one that is open. */
export function meant() {
  if (keys.size) return picked();
  const step = document.activeElement?.closest?.(".step") ?? graph().querySelector(".step.is-selected");
  return step?.hasAttribute("data-movable") ? [keyOf(step)] : [];
}
/** Several steps in words. */
export const wordsFor = (some) => (some.length === 1 ? stepOf(some[0]).dataset.label : `${some.length} steps`);
/** Whether what is put behind these steps would have a way to be reached. */
export const goesOn = (some) => ends(some).length > 0;
/** The places by which people leave these steps. */
export const ends = (some) => slots().filter(({ dataset: { after, to } }) => some.includes(after) && !some.includes(to));

const steps = () => [...graph().querySelectorAll(".step")];
const keyOf = (step) => step.dataset.key;

/** Choose these steps and no others. */
export function pick(some) {
  keys.clear();
  for (const key of some) if (stepOf(key)?.hasAttribute("data-movable")) keys.add(key);
  show();
}

/** Choose a step besides, or no longer. */
export function toggle(key) {
  pick(keys.has(key) ? [...keys].filter((one) => one !== key) : [...keys, key]);
}

export const extend = (...some) => pick([...keys, ...some]);
export const pickAll = () => pick(steps().map(keyOf));

/** Choose a step and all that only it leads to. */
export function pickBranch(key) {
  const reach = (from, but) => {
    const found = new Set();
    const ahead = from.filter((one) => one !== but);
    while (ahead.length) {
      const one = ahead.pop();
      if (found.has(one) || !stepOf(one)) continue;
      found.add(one);
      ahead.push(...stepOf(one).dataset.down.split(" ").filter((to) => to && to !== but));
    }
    return found;
  };
  const others = reach(steps().map(keyOf).slice(0, 1), key);
  pick([...reach([key])].filter((one) => !others.has(one)));
}

function show() {
  for (const step of steps()) step.classList.toggle("is-picked", keys.has(keyOf(step)));
  for (const key of keys) if (!stepOf(key)) keys.delete(key);
  if (!bar) return;
  bar.hidden = !keys.size;
  bar.querySelector("[data-pick-count]").textContent = keys.size === 1 ? "1 step chosen" : `${keys.size} steps chosen`;
}

// What an edit brought is chosen, if it was several; what it took away is chosen no longer.
let revision = graph().dataset.revision;
document.addEventListener("htmx:after:swap", () => {
  if (graph().dataset.revision !== revision) {
    revision = graph().dataset.revision;
    const fresh = [...graph().querySelectorAll(".step.is-new")].map(keyOf);
    if (fresh.length > 1) return pick(fresh);
  }
  show();
});

// A click with Ctrl or Shift on a step chooses it; any other click chooses nothing.
document.addEventListener(
  "click",
  (event) => {
    const step = event.target.closest(".step");
    if (step && editable() && (event.shiftKey || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      toggle(keyOf(step));
      step.querySelector(".step-main").focus({ preventScroll: true });
    } else if (keys.size && board.contains(event.target) && !event.target.closest(".step-tools, .slot")) pick([]);
  },
  { capture: true },
);

// A frame: drawn on the ground with Shift held.
let frame = null;
board.addEventListener(
  "pointerdown",
  (event) => {
    if (!event.shiftKey || event.button || !editable() || event.target.closest(".step, .slot, a, button, .note")) return;
    event.preventDefault();
    event.stopPropagation();
    frame = { x: event.clientX, y: event.clientY, before: [...keys], box: document.createElement("div") };
    frame.box.className = "pick-frame";
    document.body.append(frame.box);
  },
  { capture: true },
);
addEventListener("pointermove", (event) => {
  if (!frame) return;
  const [left, right] = [frame.x, event.clientX].sort((one, two) => one - two);
  const [top, bottom] = [frame.y, event.clientY].sort((one, two) => one - two);
  Object.assign(frame.box.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  const inside = (step) => {
    const box = step.getBoundingClientRect();
    return box.left < right && box.right > left && box.top < bottom && box.bottom > top;
  };
  pick([...frame.before, ...steps().filter(inside).map(keyOf)]);
});
addEventListener("pointerup", () => {
  if (!frame) return;
  frame.box.remove();
  frame = null;
  swallowClick();
});
