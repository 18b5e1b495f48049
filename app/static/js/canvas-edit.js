// Changes of the graph: each is one POST that names the revision it was made on; the answer is what is different then.
import { openStepKey } from "./canvas-panel.js";
import { allowLeaving, unsaved } from "./canvas-save.js";
import { shown } from "./canvas-swap.js";
import { toast } from "./toast.js";

export const graph = () => document.getElementById("canvas");
export const editable = () => graph().hasAttribute("data-editable");
export const stepOf = (key) => document.getElementById(`step-${key}`);
export const slots = () => [...graph().querySelectorAll("[data-slot]")];

const WRITTEN = "textarea, input:not([type=checkbox], [type=radio], [type=button], [type=submit]), [contenteditable], dialog";
/** Whether something is written there, so that the keys that undo, copy and paste are about that and not about the canvas. */
export const written = (element) => element.closest?.(WRITTEN);

let last = Promise.resolve();
let waiting = 0;

/** Whether an edit has not been answered yet, or waits for its turn. */
export const editing = () => waiting > 0 || acting();

/** Do something after all earlier edits have been answered, so that each is made on the revision it is meant for. */
export function enqueue(what) {
  waiting += 1;
  last = last.then(what).catch(() => undefined).finally(() => (waiting -= 1));
  return last;
}

const turns = [];
let acts = 0;
let latest = null;

/** Whether an act on the canvas has not been answered yet, so that what is pressed waits for its turn (canvas-turns.js). */
export const acting = () => acts > 0 || turns.length > 0;

/** Whether what `inTurn` was given still waits. */
export const inTurns = (what) => turns.includes(what);

/** Do something once all acts before it have been answered, by what the page shows then; returns what waits. */
export function inTurn(what) {
  turns.push(what);
  goOn();
  return what;
}

function goOn() {
  while (!acts && turns.length) turns.shift()();
}

/** Forget what waits for its turn, and say so. */
export function dropTurns(message = "What you pressed after it was not done either.") {
  if (turns.length) toast({ message, tone: "warning" });
  turns.length = 0;
}

/** Let what is pressed meanwhile wait for what is on its way; it is not done where `answered` comes to nothing true. */
export function underWay(answered) {
  acts += 1;
  for (const button of document.querySelectorAll("#undo:disabled, #redo:disabled")) {
    button.disabled = false; // what is on its way can be undone
    button.dataset.early = ""; // goes with the answer, which says what can be
  }
  // Who waits for the answer looks at it first.
  const seen = answered.catch(() => undefined).then((done) => new Promise((go) => setTimeout(go, 0, done)));
  latest = seen.then((done) => {
    acts -= 1;
    for (const button of document.querySelectorAll("[data-early]")) {
      button.disabled = true;
      delete button.dataset.early;
    }
    if (!done) dropTurns("What you pressed meanwhile was not done, for what came before it was not.");
    goOn();
  });
  return answered;
}

/** Wait until nothing that was pressed is on its way, or waits for its turn. */
export async function rested() {
  while (acting()) await latest;
}

/** Send one edit, after what is typed in the panel was saved. */
export function edit(act, values = {}) {
  if (!editable()) return Promise.resolve();
  const now = () => enqueue(() => post(act, values));
  return underWay(unsaved() ? allowLeaving(now) : now());
}

async function post(act, values) {
  const at = graph();
  const focused = [document.activeElement?.id, above(document.activeElement?.closest?.(".step"))].filter(Boolean);
  const done = await send(at.dataset[act], { open: openStepKey(), ...shown(), ...values, revision: at.dataset.revision });
  settle(focused);
  return done;
}

/** Send what is answered with the canvas; returns whether it was done. */
export async function send(url, values) {
  const answer = {};
  await htmx.ajax("POST", url, { source: graph(), target: graph(), swap: "outerMorph", values, answer });
  return answer.status === 200 && !answer.refused;
}

// Returns the id of what can have the keyboard of the step above one.
function above(step) {
  const leads = ({ dataset: { down } }) => down.split(" ").includes(step.dataset.key);
  return step && [...graph().querySelectorAll(".step")].find(leads)?.querySelector(".step-main").id;
}

// What the answer made anew takes the keyboard; what vanished gives it to the step above.
function settle(focused) {
  const fresh = graph().querySelector(".step.is-new .step-main");
  if (fresh) {
    fresh.focus({ preventScroll: true });
    fresh.closest(".step").scrollIntoView({ block: "nearest", inline: "nearest", behavior: "smooth" });
  } else if (!document.activeElement || document.activeElement === document.body) {
    const there = focused.map((id) => document.getElementById(id)).find(Boolean);
    const back = there ?? graph().querySelector(".is-selected .step-main, .step-main");
    back?.focus({ preventScroll: true });
  }
}

export const insert = (type, slot) => edit("insert", { type, after: slot.dataset.after, exit: slot.dataset.exit });
export const move = (keys, slot) => edit("move", { key: keys.join(" "), after: slot.dataset.after, exit: slot.dataset.exit });
export const connect = (slot, target) => edit("connect", { source: slot.dataset.after, exit: slot.dataset.exit, target });
export const remove = (keys, how = {}) => edit("remove", { key: keys.join(" "), ...how });
export const pasteAt = ({ clip, copy }, slot) =>
  edit("paste", { clip, ...(copy && { copy }), after: slot.dataset.after, exit: slot.dataset.exit });
export const undo = () => edit("undo");
export const redo = () => edit("redo");

// A toast that offers to undo an act goes with the next one: the act may be undone by then, and is not the last one.
document.addEventListener("htmx:after:swap", () => {
  for (const offer of document.querySelectorAll("[data-toast-undo]:not([hidden])")) {
    const made = new URL(offer.action).searchParams.get("revision");
    if (made !== null && Number(made) < Number(graph().dataset.revision)) offer.closest("[data-toast]").remove();
  }
});

// The panel's own acts are forms of one button; here they become edits of the canvas.
document.addEventListener("submit", (event) => {
  const act = event.target.dataset.editForm;
  if (!act) return;
  event.preventDefault();
  const { csrf_token: _, revision: __, ...values } = Object.fromEntries(new FormData(event.target));
  edit(act, values);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-edit]");
  if (!button) return;
  event.preventDefault();
  const { edit: act, key } = button.dataset;
  edit(act, key ? { key } : {});
});
