// Copy, cut, paste and duplicate. Steps lie on the system's clipboard as text, so they go from tab to tab and from journey
// to journey; the menus, which may not read that clipboard, have the same text from the browser's storage.
import { carried, pickUp } from "./canvas-carry.js";
import { acting, editable, graph, pasteAt, remove, slots, stepOf } from "./canvas-edit.js";
import { unsaved, whenSaved } from "./canvas-save.js";
import { ends, goesOn, meant, picked, wordsFor } from "./canvas-select.js";
import { toast } from "./toast.js";
import { inKeyTurn } from "./canvas-turns.js";

const KEEP = "fairway-clip";
let asked = false; // copying was asked for by a menu: wherever the caret stands
const elsewhere = (event) =>
  !asked && (event.target.closest?.("input, textarea, select, [contenteditable], dialog, #panel") || !getSelection().isCollapsed);

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

let coming = false; // something is copied in its turn, and pasted after it

function onCopy(event, cuts) {
  if (!asked && acting() && !elsewhere(event)) {
    event.preventDefault();
    coming = true;
    return inKeyTurn(() => {
      coming = false;
      ask(cuts ? "cut" : "copy");
    });
  }
  const keys = cuts ? withBranches(meant()) : meant();
  if (!keys.length || elsewhere(event) || (cuts && !editable())) return undefined;
  event.preventDefault();
  // A clipboard takes nothing later on: it is asked for again.
  if (unsaved()) return void whenSaved(cuts ? cut : copy, cuts ? "Cut" : "Copy");
  const text = textOf(keys);
  event.clipboardData.setData("text/plain", text);
  keep(text);
  if (cuts) return remove(keys, { cut: "1" });
  return toast({ message: `Copied “${wordsFor(keys)}”. Paste puts it here or into another journey.` });
}

document.addEventListener("paste", (event) => {
  if (!editable() || elsewhere(event)) return;
  event.preventDefault();
  const text = event.clipboardData.getData("text/plain");
  if (!acting()) return paste(text);
  return inKeyTurn(coming ? pasteKept : () => paste(text));
});

/** Copy what is chosen, as Ctrl C does. */
export const copy = () => ask("copy");
export const cut = () => ask("cut");
export const pasteKept = () => paste(kept());

function ask(act) {
  asked = true;
  document.execCommand(act);
  asked = false;
}

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
