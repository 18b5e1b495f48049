// The keyboard on the canvas. Arrows follow the graph; Enter opens; Delete removes; M moves; Tab and Enter choose a place.
import { carried, legal, pickUp, putBack, putDown, several } from "./canvas-carry.js";
import { duplicate } from "./canvas-clip.js";
import { editable, graph, redo, remove, stepOf, undo, written } from "./canvas-edit.js";
import { fold } from "./canvas-fold.js";
import { openKinds, openStepMenu } from "./canvas-menu.js";
import { addNote } from "./canvas-notes.js";
import { extend, meant, pick, pickAll, pickBranch, picked, toggle } from "./canvas-select.js";

const typing = (element) => element?.closest?.("input, select, textarea, [contenteditable], dialog, [popover]");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if (carried()) return carrying(event);
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (!editable() || written(event.target) || event.target.closest?.("[popover]")) return;
    if (letter === "z") act(event, event.shiftKey ? redo : undo);
    else if (letter === "y") act(event, redo);
    else if (typing(event.target)) return;
    else if (letter === "a") act(event, pickAll);
    else if (letter === "d") act(event, duplicate);
    return;
  }
  if (event.key === " " && event.target.matches?.("[data-slot]")) return act(event, () => event.target.click());
  if (picked().length && !typing(event.target)) {
    if (event.key === "Escape") return act(event, () => pick([]));
    if (event.key === "Delete" || event.key === "Backspace") return act(event, () => remove(meant()));
    if (letter === "m") return act(event, () => pickUp(several(meant())));
  }
  const step = event.target.closest?.(".step");
  if (step && !event.ctrlKey && !event.metaKey && !event.altKey) onStep(event, step, letter);
});

function act(event, what) {
  event.preventDefault();
  what();
}

function onStep(event, step, letter) {
  const { key } = step.dataset;
  if (event.key.startsWith("Arrow") && event.shiftKey && editable()) return act(event, () => reach(step, event.key.slice(5)));
  if (event.key.startsWith("Arrow")) return act(event, () => focusStep(neighbour(step, event.key.slice(5))));
  if (event.key === "Home") return act(event, () => focusStep(graph().querySelector(".step")));
  if (event.key === "End") return act(event, () => focusStep([...graph().querySelectorAll(".step")].pop()));
  if (letter === "c") return act(event, () => fold(key));
  if (!editable()) return;
  if (letter === "n") return act(event, () => addNote(key));
  if ((event.key === "Delete" || event.key === "Backspace") && step.hasAttribute("data-movable")) return act(event, () => remove([key]));
  if (letter === "m" && step.hasAttribute("data-movable")) return act(event, () => pickUp(several([key])));
  if (event.key === " " && event.target.matches(".step-main")) return act(event, () => toggle(key));
  if (letter === "b") return act(event, () => pickBranch(key));
  if (event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) return act(event, () => openStepMenu(step));
  if (event.key === "+" || letter === "a") {
    const slot = graph().querySelector(`[data-slot][data-after="${CSS.escape(key)}"]`);
    if (slot) act(event, () => openKinds(slot));
  }
}

function carrying(event) {
  if (event.key === "Escape") return act(event, putBack);
  const places = legal();
  const here = places.indexOf(document.activeElement);
  const go = (by) => {
    const slot = places[(Math.max(here, by > 0 ? -1 : 0) + by + places.length) % places.length];
    slot.focus({ preventScroll: true });
    slot.scrollIntoView({ block: "center", inline: "center", behavior: "smooth" });
  };
  if (event.key === "Tab") return act(event, () => go(event.shiftKey ? -1 : 1));
  if (event.key === "ArrowDown" || event.key === "ArrowRight") return act(event, () => go(1));
  if (event.key === "ArrowUp" || event.key === "ArrowLeft") return act(event, () => go(-1));
  if ((event.key === "Enter" || event.key === " ") && here >= 0) act(event, () => putDown(places[here]));
}

const below = (step) => step.dataset.down.split(" ").filter(Boolean).map(stepOf).filter(Boolean);
const above = (step) => [...graph().querySelectorAll(".step")].filter((other) => below(other).includes(step));

function neighbour(step, way) {
  if (way === "Down") return below(step)[0];
  if (way === "Up") return above(step)[0];
  const at = step.getBoundingClientRect();
  const sign = way === "Right" ? 1 : -1;
  const beside = [...graph().querySelectorAll(".step")]
    .map((other) => ({ other, box: other.getBoundingClientRect() }))
    .filter(({ box }) => sign * (box.left + box.width / 2 - at.left - at.width / 2) > 8)
    .map(({ other, box }) => ({ other, far: Math.abs(box.top - at.top) * 3 + Math.abs(box.left - at.left) }));
  return beside.sort((one, two) => one.far - two.far)[0]?.other;
}

// Shift and an arrow take the neighbour along.
function reach(step, way) {
  const next = neighbour(step, way);
  if (!next) return;
  extend(step.dataset.key, next.dataset.key);
  focusStep(next);
}

function focusStep(step) {
  if (!step) return;
  step.querySelector(".step-main").focus({ preventScroll: true });
  step.scrollIntoView({ block: "nearest", inline: "nearest" });
}
