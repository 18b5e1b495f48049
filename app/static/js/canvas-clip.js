// Copy, cut, paste and duplicate. Steps lie on the system's clipboard as text, so they go from tab to tab and from journey
// to journey; the menus, which may not read that clipboard, have the same text from the browser's storage.
import { carried, pickUp } from "./canvas-carry.js";
import { acting, editable, graph, inTurns, pasteAt, remove, slots, stepOf, written } from "./canvas-edit.js";
import { unsaved, whenSaved } from "./canvas-save.js";
import { ends, goesOn, meant, picked, wordsFor } from "./canvas-select.js";
import { inKeyTurn } from "./canvas-turns.js";
import { toast } from "./toast.js";

const KEEP = "fairway-clip";
const elsewhere = (event) => written(event.target) || !getSelection().isCollapsed;

const textOf = (keys) =>
  JSON.stringify({
    fairway: "steps",
    journey: graph().dataset.journey,
    goes_on: goesOn(keys),
    steps: keys.map((key) => JSON.parse(stepOf(key).dataset.clip)),
  });

function keep(text) {
  try {
    localStorage.setItem(KEEP, text);
  } catch {
    // storage is switched off: pasting by the menu then finds nothing
  }
}

function kept() {
  try {
    return localStorage.getItem(KEEP) ?? "";
  } catch {
    return "";
  }
}

document.addEventListener("copy", (event) => onCopy(event, false));
document.addEventListener("cut", (event) => onCopy(event, true));

// Of a fork that is cut, its branches go along, as when it is moved.
function withBranches(keys) {
  const { block } = (keys.length === 1 && stepOf(keys[0])?.dataset) || {};
  return block ? block.split(" ").filter((key) => stepOf(key)) : keys;
}

let taken = ""; // what was copied in its turn, for what is pasted in a later one
let copying = null; // the turn of the copying that was pressed last
let handing = null; // what a copying that was not asked for by keys puts on the system's clipboard

function onCopy(event, cuts) {
  if (handing !== null) {
    event.preventDefault();
    event.clipboardData.setData("text/plain", handing);
    handing = null;
    return;
  }
  if (elsewhere(event)) return;
  if (acting()) {
    event.preventDefault();
    copying = inKeyTurn(() => (taken = take(cuts) ?? ""));
  } else take(cuts, event);
}

// Copies or cuts what is meant, for the event of a key or without one; returns its text.
function take(cuts, event) {
  const keys = cuts ? withBranches(meant()) : meant();
  if (!keys.length || (cuts && !editable())) return undefined;
  event?.preventDefault();
  // A clipboard takes nothing later on: it is asked for again.
  if (unsaved()) return void whenSaved(cuts ? cut : copy, cuts ? "Cut" : "Copy");
  const text = textOf(keys);
  keep(text);
  if (event) event.clipboardData.setData("text/plain", text);
  const handed = event || handOver(text);
  if (!handed) toast({ message: "Your browser let nothing be put on its clipboard. Paste by the menu of a step, not by keys.", tone: "warning" });
  if (cuts) remove(keys, { cut: "1" });
  else if (handed) toast({ message: `Copied “${wordsFor(keys)}”. Paste puts it here or into another journey.` });
  return text;
}

// A browser allows it only shortly after a press; returns whether it did.
function handOver(text) {
  handing = text;
  document.execCommand("copy");
  const handed = handing === null;
  handing = null;
  return handed;
}

document.addEventListener("paste", (event) => {
  if (!editable() || elsewhere(event)) return;
  event.preventDefault();
  const text = event.clipboardData.getData("text/plain");
  if (!acting()) return void paste(text);
  const after = inTurns(copying);
  inKeyTurn(() => paste(after ? taken : text));
});

/** Copy what is chosen, as Ctrl C does. */
export const copy = () => take(false);
export const cut = () => take(true);
export const pasteKept = () => paste(kept());

/** Put the steps of `text` after the step that is meant, or let the reader choose a place. */
export function paste(text) {
  let clip = null;
  try {
    clip = JSON.parse(text);
  } catch {
    // said below
  }
  const count = clip?.steps?.filter?.((step) => step?.type !== "TRIGGER").length;
  if (!count) return toast({ message: "There are no copied steps on the clipboard.", tone: "warning" });
  bring({ clip: text, goesOn: clip.goes_on !== false, label: count === 1 ? "1 step" : `${count} steps` }, here());
  return undefined;
}

/** Put a copy of the meant steps behind them, or let the reader choose a place. */
export function duplicate() {
  const keys = meant();
  const now = () => bring({ clip: textOf(keys), goesOn: goesOn(keys), label: wordsFor(keys), copy: "1" }, ends(keys));
  if (keys.length) whenSaved(now, "Duplicate");
}

// The places behind the step that was chosen last or has the keyboard; a place itself when that has it.
function here() {
  const active = document.activeElement;
  if (active?.matches?.("[data-slot]")) return [active];
  const key = picked().pop() ?? active?.closest?.(".step")?.dataset.key ?? graph().querySelector(".step.is-selected")?.dataset.key;
  return slots().filter((slot) => slot.dataset.after === key);
}

function bring(load, places) {
  const [place] = places.filter((slot) => load.goesOn || slot.classList.contains("is-open"));
  if (place && places.length === 1 && !carried()) pasteAt(load, place);
  else pickUp(load);
}
