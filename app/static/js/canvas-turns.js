// Fast hands lose nothing: what is pressed on the canvas while an act is under way waits for its turn, and then does what it
// does on the page as it is by then.
import { acting, dropTurns, inTurn, written } from "./canvas-edit.js";
import { signedOut } from "./canvas-server.js";
import { toast } from "./toast.js";

const NAMED = ["Enter", "Escape", "Delete", "Backspace", "Tab", "Home", "End", "ContextMenu", "F10"];
const WITH_CTRL = ["z", "y", "a", "d"]; // copying, cutting and pasting are events of their own (canvas-clip.js)
const CONTROLS = "a, button, .step";
const APART = ".step-counts, [target], .zoom button:not([data-add-note])"; // what no act has to do with
let replaying = false;
let byHand = false; // while the pointer goes down or up: what has the keyboard then was chosen by hand
let chosen = 0; // how often it was

const writes = (element) => element.matches?.("input, textarea, select, [contenteditable]");
const keeps = ({ target, key, ctrlKey, metaKey }) =>
  writes(target) && (written(target) || !(ctrlKey || metaKey) || !["z", "y"].includes(key.toLowerCase()));
const onCanvas = (element) => element.closest(".builder, .kind-menu");
const ofCanvas = (element) => onCanvas(element) || element === document.body || element.closest("#bar-end [data-edit], [data-edit-form]");

document.addEventListener("keydown", (event) => {
  if (replaying || !acting() || event.isComposing || !ofCanvas(event.target) || keeps(event) || !means(event)) return;
  stop(event);
  if (event.repeat) return; // a key that is held down means no more than one act
  const { key, code, shiftKey, ctrlKey, metaKey } = event;
  const there = finder(event.target);
  inKeyTurn(() => press(there, { key, code, shiftKey, ctrlKey, metaKey }));
}, { capture: true });

/** Do in its turn what is about what has the keyboard then; not if the reader gives it to something else before. Returns what waits. */
export function inKeyTurn(what) {
  if (signedOut()) return null;
  const then = chosen;
  return inTurn(() => {
    if (then === chosen) return replay(what);
    toast({ message: "What you pressed was not done, for you went on elsewhere before its turn came.", tone: "warning" });
    return dropTurns();
  });
}

function waits(element) {
  const control = element.closest(CONTROLS);
  return control && ofCanvas(control) && !control.closest(APART);
}

// A click that waits gives the keyboard to nothing until its turn comes; nor does one on the ground.
document.addEventListener("mousedown", (event) => {
  if (acting() && !writes(event.target) && (waits(event.target) || event.target.closest("#board"))) event.preventDefault();
}, { capture: true });
for (const hand of ["pointerdown", "mousedown", "pointerup"]) {
  document.addEventListener(hand, () => {
    byHand = true;
    setTimeout(() => (byHand = false));
  }, { capture: true });
}
for (const change of ["focusin", "focusout"]) {
  document.addEventListener(change, () => {
    if (byHand && !replaying && acting()) chosen += 1;
  }, { capture: true });
}

document.addEventListener("click", (event) => {
  const target = event.target.closest(CONTROLS);
  if (replaying || !acting() || !waits(event.target)) return;
  stop(event);
  if (signedOut()) return;
  const { shiftKey, ctrlKey, metaKey, detail } = event;
  const there = finder(target);
  inTurn(() => {
    const found = there();
    if (found) return replay(() => click(found, { shiftKey, ctrlKey, metaKey }));
    if (detail > 1) return undefined;
    toast({ message: "What you pressed is not there any more.", tone: "warning" });
    return dropTurns(); // the keys after it were meant for that
  });
}, { capture: true });

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

function replay(what) {
  replaying = true;
  try {
    what();
  } finally {
    replaying = false;
  }
}

// Keys of the browser itself are none of these.
function means({ key, ctrlKey, metaKey, altKey }) {
  if (altKey) return false;
  if (ctrlKey || metaKey) return WITH_CTRL.includes(key.toLowerCase());
  return key.length === 1 || key.startsWith("Arrow") || NAMED.includes(key);
}

// Returns what finds an element that an answer may have drawn anew.
function finder(element) {
  const { id } = element.closest("[id]") ?? {};
  const looks = (one) => `${one.tagName} ${one.ariaLabel} ${one.textContent}`;
  const like = looks(element);
  return () => {
    if (element.isConnected) return element;
    const fresh = id && document.getElementById(id);
    if (!fresh || element.id === id) return fresh || null;
    return [...fresh.querySelectorAll(CONTROLS)].find((one) => looks(one) === like) ?? null;
  };
}

function click(found, keys) {
  (found.matches(".step") ? found.querySelector(".step-main") : found).focus({ preventScroll: true });
  found.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...keys }));
}

// What has the keyboard by then is pressed on, with what the browser itself would do.
function press(there, keys) {
  const here = document.activeElement;
  const target = here !== document.body && ofCanvas(here) ? here : (there() ?? document.body);
  if (!target.dispatchEvent(new KeyboardEvent("keydown", { ...keys, bubbles: true, cancelable: true })) || keys.ctrlKey || keys.metaKey) return;
  const { activeElement: at } = document;
  if (keys.key === "Tab") tab(keys.shiftKey ? -1 : 1);
  else if (writes(at) && onCanvas(at)) write(keys.key);
  else if (at.matches("a[href], button") && ["Enter", " "].includes(keys.key)) at.click();
}

function write(key) {
  if (key.length === 1) document.execCommand("insertText", false, key);
  else if (key === "Enter") document.execCommand("insertLineBreak");
  else if (key === "Backspace") document.execCommand("delete");
}

function tab(by) {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")];
  const stops = all.filter((one) => one === document.activeElement || (one.tabIndex >= 0 && !one.disabled && one.checkVisibility()));
  stops.at((stops.indexOf(document.activeElement) + by) % stops.length)?.focus();
}
