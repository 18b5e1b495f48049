// Carrying: a kind from the palette, or a step of the canvas, on its way to one of the places that light up.
// The pointer (canvas-drag.js) and the keyboard (canvas-keys.js) both carry; a place is chosen by drop, click or Enter.
import { graph, insert, move, pasteAt, slots, stepOf } from "./canvas-edit.js";
import { goesOn, wordsFor } from "./canvas-select.js";

const builder = document.querySelector(".builder");
const note = document.getElementById("carry-note");
let load = null;
let origin = null;

export const carried = () => load;
export const legal = () => slots().filter((slot) => slot.classList.contains("is-legal"));

/** The load of several steps; one moves with all that only it leads to. */
export const several = (keys) =>
  keys.length === 1 ? { key: keys[0], label: wordsFor(keys) } : { keys, label: wordsFor(keys), goesOn: goesOn(keys) };

/** Whether nothing can follow a step of that kind. */
export const isClosed = (type) => document.querySelector(`.palette-item[data-kind="${type}"]`)?.hasAttribute("data-closed");

const accepts = (slot) => {
  if (load.keys || load.clip) {
    const { after, to } = slot.dataset;
    const there = load.keys && (load.keys.includes(after) || load.keys.includes(to));
    return !there && (load.goesOn || slot.classList.contains("is-open"));
  }
  const open = slot.classList.contains("is-open");
  if (!load.key) return open || !isClosed(load.type);
  const { block, stuck, closed } = stepOf(load.key).dataset;
  const { after, to } = slot.dataset;
  if (stuck !== undefined || (block ?? load.key).split(" ").includes(after) || to === load.key) return false;
  return open || closed === undefined;
};

/** Pick up `{type, label}`, `{key, label}`, `several(keys)` or a clip `{clip, label, goesOn}`; every place that accepts it lights up. False when there is none. */
export function pickUp(what, { byHand = false } = {}) {
  putBack();
  load = what;
  origin = document.activeElement;
  const places = light();
  if (!places.length) {
    load = null;
    say(`There is no other place for “${what.label}”.`);
    setTimeout(() => !load && (note.hidden = true), 4000);
    return false;
  }
  builder.classList.add("carrying");
  document.querySelector(`.palette-item[data-kind="${load.type}"]`)?.setAttribute("aria-pressed", "true");
  if (byHand) return true; // the places say enough
  const count = places.length === 1 ? "1 place" : `${places.length} places`;
  say(`Choose a place for “${load.label}”: ${count}. Escape cancels.`);
  nearest(places).focus();
  return true;
}

function light() {
  const places = slots().filter(accepts);
  for (const slot of places) slot.classList.add("is-legal");
  for (const key of load.keys ?? [load.key]) stepOf(key)?.classList.add("is-carried");
  return places;
}
// An answer may draw the canvas anew while something is carried.
document.addEventListener("htmx:after:swap", () => load && light());

function nearest(places) {
  const step = stepOf(load.keys?.[0] ?? load.key);
  if (!step) return places[places.length - 1];
  const at = step.getBoundingClientRect();
  const far = (slot) => {
    const box = slot.getBoundingClientRect();
    return Math.hypot(box.x - at.x, box.y - at.y);
  };
  return places.reduce((best, slot) => (far(slot) < far(best) ? slot : best));
}

/** Put the load down on `slot`. */
export function putDown(slot) {
  const what = load;
  putBack({ focus: false });
  if (!what || !slot) return;
  const keys = what.keys ?? (what.key ? [what.key] : []);
  if (keys.length) {
    stepOf(keys[0])?.querySelector(".step-main").focus({ preventScroll: true });
    move(keys, slot);
  } else if (what.clip) pasteAt(what, slot);
  else insert(what.type, slot);
}

/** Forget the load; nothing changes. */
export function putBack({ focus = true } = {}) {
  if (!load) return;
  load = null;
  builder.classList.remove("carrying");
  for (const slot of slots()) slot.classList.remove("is-legal", "is-hot");
  for (const step of graph().querySelectorAll(".is-carried")) step.classList.remove("is-carried");
  for (const item of document.querySelectorAll(".palette-item[aria-pressed]")) item.removeAttribute("aria-pressed");
  note.hidden = true;
  if (focus && origin?.isConnected) origin.focus({ preventScroll: true });
  origin = null;
}

function say(text) {
  note.querySelector("span").textContent = text;
  note.hidden = false;
}

note.querySelector("button").addEventListener("click", () => putBack());
