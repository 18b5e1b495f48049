// Joining: an open end is dragged onto a later step of another branch, which its path then goes on with.
import { connect, editable, graph, stepOf } from "./canvas-edit.js";
import { swallowClick } from "./canvas-drag.js";

const THRESHOLD = 6;
let join = null;

document.addEventListener("pointerdown", (event) => {
  const slot = event.target.closest(".slot.is-open");
  if (event.button || !slot || !editable() || event.pointerType === "touch" || !slot.dataset.joins) return;
  join = { slot, x: event.clientX, y: event.clientY, line: null, over: null };
});

document.addEventListener("pointermove", (event) => {
  if (!join) return;
  if (!join.line) {
    if (Math.hypot(event.clientX - join.x, event.clientY - join.y) <= THRESHOLD) return;
    start();
  }
  const step = document.elementFromPoint(event.clientX, event.clientY)?.closest(".step.is-joinable") ?? null;
  join.over?.classList.remove("is-hot");
  step?.classList.add("is-hot");
  join.over = step;
  draw(event.clientX, event.clientY);
});

document.addEventListener("pointerup", () => {
  if (!join) return;
  const { slot, over, line } = join;
  stop();
  if (!line) return;
  swallowClick();
  if (over) connect(slot, over.dataset.key);
});
document.addEventListener("pointercancel", stop);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !join?.line) return;
  stop();
  swallowClick();
});

function start() {
  join.line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  join.line.setAttribute("class", "is-joining");
  graph().querySelector(".edges").append(join.line);
  document.body.classList.add("is-joining");
  for (const key of join.slot.dataset.joins.split(" ")) stepOf(key)?.classList.add("is-joinable");
}

// From the foot of the open end to the pointer, in the pixels of the graph.
function draw(x, y) {
  const field = graph().getBoundingClientRect();
  const scale = field.width / Number(graph().dataset.width);
  const from = join.slot.getBoundingClientRect();
  const [x1, y1] = [(from.left + from.width / 2 - field.left) / scale, (from.bottom - field.top) / scale];
  const [x2, y2] = [(x - field.left) / scale, (y - field.top) / scale];
  const bend = Math.max(30, Math.abs(y2 - y1) / 2);
  join.line.setAttribute("d", `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`);
}

function stop() {
  join?.line?.remove();
  document.body.classList.remove("is-joining");
  for (const step of graph().querySelectorAll(".is-joinable")) step.classList.remove("is-joinable", "is-hot");
  join = null;
}
