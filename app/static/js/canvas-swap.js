// Only what changed is drawn: an edit tells the marks of what the page has, and the answer brings the other parts and, where
// anything has moved, where everything stands. Parts that stay keep the keyboard, what is typed in them and their place.
import { graph } from "./canvas-edit.js";
import { redraw } from "./canvas-fold.js";

const parts = () => [...graph().querySelectorAll("[data-mark]")];

/** What the page shows, for the server to tell what is different. */
export const shown = () => ({
  has: parts().map((part) => part.dataset.mark).join(" "),
  plan: graph().dataset.plan,
  panel: document.querySelector("#panel [data-sheet]")?.dataset.mark ?? "",
});

// Before the other modules look at what an answer brought.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
  const at = tasks.findIndex(({ fragment }) => fragment?.querySelector?.("#canvas-news"));
  if (at < 0) return;
  const [{ fragment }] = tasks.splice(at, 1);
  if (!draw(fragment.querySelector("#canvas-news"))) redraw({ whole: true });
});

// Returns false when what came does not fit what is there.
function draw(news) {
  const canvas = graph();
  if (news.hasAttribute("data-editable") !== canvas.hasAttribute("data-editable")) return false;
  const focused = canvas.contains(document.activeElement) ? document.activeElement.id : "";
  const fresh = new Map([...news.querySelectorAll("[data-mark]")].map((part) => [part.id, part]));
  for (const step of canvas.querySelectorAll(".step.is-new")) step.classList.remove("is-new");
  for (const [id, part] of fresh) {
    const old = document.getElementById(id);
    if (!old) continue;
    keepTyped(old, part);
    old.replaceWith(part);
  }
  const { revision, width, height, plan, places } = news.dataset;
  if (places !== undefined && !arrange(canvas, places.split("\n"), fresh)) return false;
  Object.assign(canvas.dataset, { revision, width, height, plan });
  const edges = canvas.querySelector(".edges");
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) edges.setAttribute(name, value);
  if (focused && !canvas.contains(document.activeElement)) document.getElementById(focused)?.focus({ preventScroll: true });
  return true;
}

// Each line is the id of a part and the classes that place it, in the order of the page.
function arrange(canvas, lines, fresh) {
  const places = new Map(lines.map((line) => line.split(" ")).map(([id, ...at]) => [id, at.filter(Boolean)]));
  for (const part of parts()) if (!places.has(part.id) && !isTyped(part)) part.remove();
  const edges = canvas.querySelector(".edges");
  let before = edges;
  for (const [id, at] of places) {
    const part = document.getElementById(id) ?? fresh.get(id);
    if (!part) return false;
    if (id.startsWith("edge-")) {
      if (part.parentNode !== edges) edges.append(part);
      continue;
    }
    place(part, at);
    if (before.nextElementSibling !== part) before.after(part);
    before = part;
  }
  return true;
}

function place(part, at) {
  if (part.dataset.at === at.join(" ")) return;
  part.classList.remove(...part.dataset.at.split(" ").filter(Boolean));
  part.classList.add(...at);
  part.dataset.at = at.join(" ");
}

// What is being written in a note stays, whatever becomes of the note meanwhile.
const writtenIn = (part) => (part.contains(document.activeElement) ? part.querySelector("textarea:focus") : null);

function isTyped(part) {
  const field = writtenIn(part);
  return Boolean(field) && field.value !== field.defaultValue;
}

function keepTyped(old, part) {
  const [field, fresh] = [writtenIn(old), part.querySelector("textarea")];
  if (!field || !fresh) return;
  fresh.value = field.value;
  fresh.setSelectionRange(field.selectionStart, field.selectionEnd);
}
