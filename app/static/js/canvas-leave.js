// What leaves the page, or acts on the journey, waits until all that was typed is saved, and goes on as it was pressed. What
// was pressed is kept as data, for the bar may be drawn anew while it waits.
import { editing, graph, rested } from "./canvas-edit.js";
import { allowLeaving, flush, notDone, settled, unsaved } from "./canvas-save.js";
import { token } from "./canvas-server.js";

let held = false;

/** Put a form into the page that sends what is given, once it is submitted: it waits for nothing more. */
export function formOf(action, entries, { dataset = {}, method = "post" } = {}) {
  const form = document.createElement("form");
  Object.assign(form, { action, method, hidden: true });
  Object.assign(form.dataset, dataset, { ready: "" });
  for (const [name, value] of entries) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value: name === "csrf_token" ? token() : value });
    form.append(field);
  }
  document.body.append(form);
  return form;
}

const leaves = (form) => !form.matches("[data-ready], [data-step-form], [data-edit-form], [hx-post], [hx-get], [method=dialog], [target]");
const waits = () => unsaved() || editing();

async function hold(go) {
  if (held) return;
  held = true;
  const bar = document.getElementById("bar-end");
  bar.ariaBusy = "true";
  try {
    await go();
  } finally {
    held = false;
    bar.ariaBusy = null;
  }
}

// Before all others: the dialog that asks is asked by what is sent in the end.
addEventListener(
  "submit",
  (event) => {
    const { target: form, submitter } = event;
    if (!leaves(form) || !waits()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const more = { dataset: { ...form.dataset }, method: form.getAttribute("method") ?? "get" };
    const [action, entries] = [form.getAttribute("action"), new FormData(form, submitter)];
    const words = submitter?.textContent.trim() || "That";
    const ofCanvas = Boolean(form.closest("#bar-end"));
    hold(async () => {
      do {
        await rested();
        if (!(await settled())) return notDone(words);
      } while (editing()); // something was changed meanwhile
      // What was typed is part of what the canvas shows by now, as others see it.
      if (ofCanvas && entries.has("revision")) entries.set("revision", graph().dataset.revision);
      return formOf(action, entries, more).requestSubmit();
    });
  },
  { capture: true },
);

// After all others: what opens here is theirs.
addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (event.defaultPrevented || !link || link.getAttribute("href").startsWith("#") || !waits()) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button || link.target) return void flush();
  event.preventDefault();
  const { href } = link;
  hold(async () => {
    await rested();
    return allowLeaving(() => location.assign(href));
  });
});
