// Notes stuck on the canvas: written in place, dragged by their grip or moved by its arrow keys, coloured, removed.
import { edit, editable, graph, stepOf } from "./canvas-edit.js";
import { lastWord } from "./canvas-save.js";
import { token } from "./canvas-server.js";

const [WIDTH, STEP, PAUSE] = [256, 20, 1000];
let drag = null;
let later = null;

function place() {
  for (const note of graph().querySelectorAll(".note")) {
    if (note === drag?.note) continue;
    note.style.left = `${note.dataset.left}px`;
    note.style.top = `${note.dataset.top}px`;
    grow(note.querySelector("textarea"));
  }
}

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function said(note) {
  const { noteId: id, step, colour, x, y } = note.dataset;
  return { id, step, colour, x, y, text: note.querySelector("textarea").value, sitting };
}

function save(note, values = {}) {
  clearTimeout(pause);
  return edit("note", { ...said(note), ...values });
}

/** Stick a note beside a step (the TRIGGER by default) and write in it. */
export async function addNote(key) {
  if (!editable()) return;
  const before = new Set([...graph().querySelectorAll(".note")].map((note) => note.id));
  const step = stepOf(key) ?? graph().querySelector(".step");
  await edit("note", { id: "", text: "", step: step.dataset.key, x: WIDTH / 2 + STEP, y: 0 });
  const made = [...graph().querySelectorAll(".note")].find((note) => !before.has(note.id));
  made?.querySelector("textarea").focus();
}

function shift(note, dx, dy) {
  for (const [name, by] of [["x", dx], ["y", dy], ["left", dx], ["top", dy]]) note.dataset[name] = Math.round(Number(note.dataset[name]) + by);
  note.style.left = `${note.dataset.left}px`;
  note.style.top = `${note.dataset.top}px`;
}

document.addEventListener("change", (event) => {
  const note = event.target.closest(".note");
  if (note && editable()) save(note);
});
// What is written is saved in a while too; in one go at a note it is one entry to undo.
let sitting = "";
let pause = null;
document.addEventListener("focusin", ({ target }) => {
  if (target.matches(".note textarea") && !sitting.startsWith(target.id)) sitting = `${target.id}-${Date.now()}`;
});
document.addEventListener("focusout", ({ target }) => {
  if (target.matches(".note textarea") && target.isConnected) sitting = "";
});
document.addEventListener("input", (event) => {
  const note = event.target.closest(".note");
  if (!note) return;
  grow(event.target);
  clearTimeout(pause);
  pause = setTimeout(() => {
    const at = document.getElementById(note.id); // an answer may have drawn it anew
    if (at) save(at);
  }, PAUSE);
});

addEventListener("pagehide", () => {
  if (!editable()) return;
  for (const note of graph().querySelectorAll(".note")) {
    const { value, defaultValue } = note.querySelector("textarea");
    if (value !== defaultValue) lastWord(graph().dataset.note, new URLSearchParams({ ...said(note), csrf_token: token() }));
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-add-note]")) return void addNote(graph().querySelector(".step.is-selected")?.dataset.key);
  const note = event.target.closest(".note");
  const colour = event.target.closest("[data-note-colour]")?.dataset.noteColour;
  if (note && colour) save(note, { colour });
  if (note && event.target.closest("[data-note-remove]")) edit("unnote", { id: note.dataset.noteId });
});

document.addEventListener("keydown", (event) => {
  const note = event.target.closest?.(".note");
  if (!note || !editable()) return;
  if (event.key === "Escape") note.querySelector(".note-grip").focus();
  if (!event.target.matches(".note-grip")) return;
  const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if (event.key === "Delete" || event.key === "Backspace") edit("unnote", { id: note.dataset.noteId });
  else if (by) {
    shift(note, ...by);
    clearTimeout(later);
    later = setTimeout(() => save(note), 600);
  } else return;
  event.preventDefault();
  event.stopPropagation();
});

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".note-grip");
  if (!grip || event.button || !editable()) return;
  event.preventDefault();
  grip.focus();
  drag = { note: grip.closest(".note"), x: event.clientX, y: event.clientY, moved: false };
  grip.setPointerCapture(event.pointerId);
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const scale = graph().getBoundingClientRect().width / Number(graph().dataset.width);
  shift(drag.note, (event.clientX - drag.x) / scale, (event.clientY - drag.y) / scale);
  Object.assign(drag, { x: event.clientX, y: event.clientY, moved: true });
});
addEventListener("pointerup", () => {
  const { note, moved } = drag ?? {};
  drag = null;
  if (moved) save(note);
});

document.addEventListener("htmx:after:swap", place);
place();
