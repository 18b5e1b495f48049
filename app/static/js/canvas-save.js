// Settings of a step save themselves: shortly after the last key, at once where something was chosen, and before the panel is
// left. The form stays as it is meanwhile; what is wrong is said beside the fields once a field is left.
import { ask } from "./confirm.js";
import { enhance, plain } from "./combobox.js";
import { enqueue, graph } from "./canvas-edit.js";
import { redraw } from "./canvas-fold.js";
import { formOf } from "./canvas-leave.js";
import { openStepKey } from "./canvas-panel.js";
import { pressed, signedOut } from "./canvas-server.js";
import { shown } from "./canvas-swap.js";
import { toast } from "./toast.js";

const panel = document.getElementById("panel");
const [PAUSE, AGAIN] = [700, 5000];
let timer = null;
let dirty = false; // something is in the form that was not sent yet
let draws = false; // what is wrong is to be said
let asked = false; // saving was asked for
let drawing = false;
let replaced = false; // the panel is another one
let failed = false;
let sending = 0;
let redrawn = null; // while another form is on its way: what is kept once it is there

const form = () => panel.querySelector("form[data-step-form]");
const gone = () => panel.querySelector("[data-gone]");
/** Whether what is typed can't be saved as it is: somebody else changed the step, or the server refused it. */
const stuck = () => failed || Boolean(form()?.matches("[data-conflict], [data-refused]"));
/** Whether something typed is not saved yet. */
export const unsaved = () => dirty || sending > 0 || redrawn !== null || (Boolean(form()) && stuck());

function say(words) {
  const status = document.getElementById("step-saved");
  if (status) status.textContent = words;
}

function touch(wait) {
  dirty = true;
  form()?.removeAttribute("data-refused");
  clearTimeout(timer);
  timer = setTimeout(flush, wait);
}

/** Send what is not saved yet, and return when it has been answered. */
export function flush() {
  clearTimeout(timer);
  if (!dirty || !form() || form().matches("[data-conflict]")) return enqueue(() => undefined);
  say("Saving…");
  return enqueue(save);
}

/** Save until nothing is left to be saved; returns false where it can't be. */
export async function settled() {
  const had = form();
  do {
    await redrawn?.promise;
    await flush();
  } while (form() && (dirty || redrawn) && !stuck());
  return !(form() && stuck()) && !(had && gone());
}

/** Do something with what is saved: at once, or after saving it. */
export const whenSaved = (what, words) => (unsaved() ? settled().then((saved) => (saved ? what() : notDone(words))) : what());

/** Say beside the form that something was not done, since what is typed is not saved. */
export function notDone(words) {
  const place = document.getElementById("step-held");
  const told = `“${words}” was not done, for what you changed in this step is not saved.`;
  if (!place) return toast({ message: told, tone: "warning" });
  place.textContent = told;
  place.scrollIntoView({ block: "center" });
  return undefined;
}

async function save() {
  await redrawn?.promise;
  const from = form();
  if (!dirty || !from || from.matches("[data-conflict]")) return;
  const values = { act: "save", open: openStepKey(), revision: graph().dataset.revision, ...shown() };
  if (draws && (asked || !isBusy(from))) {
    values.told = from.dataset.told;
    draws = false;
  }
  [dirty, asked, failed] = [false, false, false];
  sending += 1;
  const answer = {};
  await htmx.ajax("POST", from.action, { source: from, target: graph(), swap: "outerMorph", values, answer }).catch(() => undefined);
  sending -= 1;
  settle(answer.status);
}

// The form is not drawn again under somebody's hands, nor with a secret on it that is shown once.
const isBusy = (from) =>
  pressed() || from.querySelector(".ts-wrapper.focus, .conditions-menu[open], [data-fresh-secret]") || from.querySelector("[data-conditions]:focus-within");

function settle(status) {
  if (status === 200) {
    const { mark, missing, said: words } = document.getElementById("step-state")?.dataset ?? {};
    const sheet = panel.querySelector("[data-sheet]");
    if (mark && sheet) sheet.dataset.mark = mark;
    for (const id of ["step-refused", "step-held"]) document.getElementById(id)?.replaceChildren();
    if (!dirty) say(words ?? (missing ? "Saved. Something is still missing." : "Saved."));
  } else if (status === 422) say("Not saved.");
  else if (!status || status >= 500 || status === 429) {
    [dirty, failed] = [true, true];
    say("Not saved. Fairway tries again in a moment.");
    timer = setTimeout(flush, AGAIN);
  } else {
    failed = true;
    say("Not saved.");
    if (status === 404) redraw();
  }
}

/** Run `then` once all is saved, or the reader agreed to lose what can't be. */
export async function allowLeaving(then) {
  if (!(await settled())) {
    const title = "Leave without saving?";
    const text = "What you changed in the settings of this step is not saved.";
    if (!(await ask({ title, text, label: "Don’t save", tone: "danger" }))) return undefined;
    forget();
  }
  return then();
}
/** Whether leaving would have to ask. */
allowLeaving.asks = () => Boolean(form()) && stuck();

function forget() {
  clearTimeout(timer);
  [dirty, failed] = [false, false];
  form()?.removeAttribute("data-conflict");
  form()?.removeAttribute("data-refused");
}

// Another form is on its way: with a row more, for another event. What is typed meanwhile is typed into it.
const redraws = ({ sourceElement: from, answer }) => !answer && from.closest("form[data-step-form]") && !from.matches(".conditions-preview");
const typedIn = (from) => {
  const fields = [...from.querySelectorAll(":is(input, select, textarea)[id][name]:not([type=hidden])")];
  return new Map(fields.filter((one) => !one.closest("[data-conditions]")).map((one) => [one.id, one.checked ? "on" : one.value]));
};
let coming = 0;

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!redraws(ctx)) return;
  ctx.typed = typedIn(form());
  coming += 1;
  redrawn ??= Promise.withResolvers();
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!ctx.typed) return;
  coming -= 1;
  if (coming) return;
  redrawn.resolve();
  redrawn = null;
});

function typeAgain(typed) {
  for (const [id, value] of typed) {
    const field = document.getElementById(id);
    if (field?.tomselect) field.tomselect.setValue(value, true);
    else if (field?.matches("[type=checkbox], [type=radio]")) field.checked = value === "on";
    else if (field) field.value = value;
  }
}

const mine = (element) => element.closest?.("form[data-step-form]");
panel.addEventListener("input", ({ target }) => mine(target) && !target.closest("[data-conditions]") && touch(PAUSE));
panel.addEventListener("change", ({ target }) => {
  // What draws the form again comes back changed, and is saved then.
  if (!mine(target) || target.closest("[data-conditions], [hx-post]:not(form)")) return;
  draws = true;
  touch(0);
});
panel.addEventListener("conditions:changed", ({ target }) => mine(target) && !drawing && touch(PAUSE));
panel.addEventListener("focusout", ({ target, relatedTarget }) => {
  const builder = target.closest("[data-conditions]");
  if (!mine(target) || !(dirty || draws) || builder?.contains(relatedTarget)) return;
  draws = true;
  touch(0);
});
for (const event of ["pointerup", "pointercancel"]) addEventListener(event, () => draws && form() && touch(0), { capture: true });

// Saving is asked for by Enter.
document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches("form[data-step-form]")) return;
    const act = event.submitter?.value ?? "save";
    if (act.startsWith("save:")) forget(); // the button's own answer to what was asked is all that is to be sent
    if (act !== "save") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    forget();
    [dirty, draws, asked] = [true, true, true];
    flush();
  },
  { capture: true },
);

document.addEventListener("click", (event) => event.target.closest("[data-panel-theirs]") && forget(), { capture: true });

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  if (ctx.typed && form()) ctx.since = [...typedIn(form())].filter(([id, value]) => value !== ctx.typed.get(id));
  const whole = tasks.findIndex(({ target }) => target === panel);
  if (whole >= 0 && form() && !fits(tasks[whole])) tasks.splice(whole, 1);
  else if (whole >= 0) replaced = true;
  const part = tasks.findIndex(({ target, type }) => target?.id === "step-form" && type === "partial");
  if (part >= 0 && (dirty || pressed())) {
    tasks.splice(part, 1);
    draws = true;
  } else if (part >= 0) {
    plain(tasks[part].target);
    drawing = true; // conditions count their people anew after it
  }
});

// What is being typed is not drawn over. Of an answer that refuses it, why is taken over; another panel takes its place once
// it is on its way to be saved.
function fits({ fragment, type }) {
  const asked = type === "main";
  const sheet = fragment.querySelector("[data-sheet]");
  // What was typed into a step that is gone stays until it is closed, or another step is opened.
  if (gone() && !asked && !sheet?.dataset.sheet && !fragment.querySelector("[data-gone]")) return false;
  if (sheet?.dataset.sheet !== openStepKey()) {
    if (dirty && !stuck()) rescue(form());
    failed = false;
    return true;
  }
  const refused = fragment.querySelector("form:is([data-conflict], [data-refused])");
  if (!refused) return !(dirty || sending);
  for (const id of ["step-refused", "step-state"]) {
    const [there, told] = [form(), refused].map((from) => from.querySelector(`#${id}`));
    if (!there.isEqualNode(told)) there.replaceWith(told); // a button that is being pressed stays
  }
  for (const name of ["data-conflict", "data-refused"]) form().toggleAttribute(name, refused.hasAttribute(name));
  document.getElementById("step-refused").scrollIntoView({ block: "center" });
  return false;
}

function rescue(from) {
  const [action, body] = [from.action, said(from)];
  forget();
  sayAgain(action, body);
}

// What is refused comes back in its form. A form that is open, and older than what is said, is drawn anew.
function sayAgain(action, body) {
  return enqueue(() => {
    const values = { open: openStepKey(), told: "again", ...shown() };
    const from = formOf(action, body);
    const sent = htmx.ajax("POST", action, { source: from, target: graph(), swap: "outerMorph", values });
    return sent.finally(() => from.remove());
  });
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  // A field that is taken away while it has the keyboard says that it changed.
  if (replaced) {
    clearTimeout(timer);
    [dirty, draws, replaced] = [false, false, false];
  }
  if (!form()) return;
  enhance(form());
  typeAgain(ctx.since ?? []);
  if (drawing) for (const builder of form().querySelectorAll("[data-conditions]")) builder.dispatchEvent(new CustomEvent("conditions:changed", { bubbles: true }));
  drawing = false;
  if (!form().hasAttribute("data-changed") || stuck()) return;
  form().removeAttribute("data-changed");
  touch(0);
});

addEventListener("visibilitychange", () => document.hidden && flush());
addEventListener("beforeunload", (event) => {
  if (allowLeaving.asks() || (unsaved() && signedOut())) event.preventDefault();
  else if (unsaved() && form()) lastWord(form().action, said(form()));
});

// The last word before the page goes outlives it. The next page of this tab says it again, for it may be there sooner. A page
// that comes later than that would say it against what others did since.
const LAST = "fairway-unsaved";
const SOON = 30_000;
function said(from) {
  const body = new URLSearchParams(new FormData(from));
  body.set("act", "save");
  return body;
}

/** Send what is not saved as the page goes. */
export function lastWord(action, body) {
  fetch(action, { method: "POST", body, keepalive: true, headers: { "HX-Request": "true" } }).catch(() => undefined);
  try {
    const words = JSON.parse(sessionStorage.getItem(LAST)) ?? {};
    words[`${action} ${body.get("id") ?? ""}`] = [action, `${body}`, Date.now()];
    sessionStorage.setItem(LAST, JSON.stringify(words));
  } catch {
    // storage is switched off, or full: what was sent has to do
  }
}

// Once all parts of the canvas are there.
addEventListener("DOMContentLoaded", () => {
  try {
    const words = JSON.parse(sessionStorage.getItem(LAST)) ?? {};
    sessionStorage.removeItem(LAST);
    for (const [url, body, at] of Object.values(words)) if (Date.now() - at < SOON) sayAgain(url, new URLSearchParams(body));
  } catch {
    // as above
  }
});
