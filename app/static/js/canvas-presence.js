// Who else has the journey open. A pulse tells the server which step is open here and brings who is where, the live
// numbers, how many comments are open, and whether somebody changed the journey. Nobody is kept out: a step somebody else
// has open says so.
import { carried } from "./canvas-carry.js";
import { editing, graph, stepOf } from "./canvas-edit.js";
import { redraw } from "./canvas-fold.js";
import { openStepKey } from "./canvas-panel.js";
import { unsaved } from "./canvas-save.js";
import { toast } from "./toast.js";

const pulse = () => document.getElementById("pulse");
const present = () => [...pulse().querySelectorAll("[data-present]")].map(({ dataset }) => ({ key: dataset.present, name: dataset.name }));

const list = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);

function mark() {
  for (const old of document.querySelectorAll(".step-present, .sheet-present")) old.remove();
  const others = present();
  for (const key of new Set(others.map((one) => one.key))) {
    const some = others.filter((one) => one.key === key);
    const names = list(some.map(({ name }) => name));
    const step = key && stepOf(key);
    if (step) step.append(said("span", "step-present", names));
    if (key && key === openStepKey()) {
      const words = `${names} ${some.length > 1 ? "are" : "is"} editing this step too. Nothing is overwritten without asking.`;
      document.querySelector("#panel .sheet-head")?.after(said("p", "sheet-present", words));
    }
  }
}

function said(tag, name, words) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = words;
  return made;
}

async function beat() {
  try {
    if (!document.hidden) await ask();
  } finally {
    setTimeout(beat, Number(pulse().dataset.every) * 1000);
  }
}

async function ask() {
  const { pulse: url } = pulse().dataset;
  // Who looks at a list of people does not change the step.
  const open = document.querySelector("#panel form[data-step-form]") ? openStepKey() : "";
  await htmx.ajax("POST", url, { source: pulse(), target: pulse(), swap: "outerHTML", values: { open } });
  talk(JSON.parse(pulse().dataset.talks));
  await follow();
}

// How many comments are open on each step.
function talk(open) {
  for (const step of graph().querySelectorAll(".step")) {
    const count = open[step.dataset.key] ?? 0;
    const chip = step.querySelector(".step-talk");
    chip.hidden = !count;
    chip.querySelector("[data-talk]").textContent = count;
  }
}

// Somebody changed the journey: show it as it is, but for what is being typed or carried here.
async function follow() {
  if (Number(pulse().dataset.revision) <= Number(graph().dataset.revision) || carried() || editing() || unsaved()) return;
  await redraw();
  toast({ message: "Somebody else changed this journey. Here is how it is now." });
}

document.addEventListener("htmx:after:swap", mark);
setTimeout(beat, 800);
