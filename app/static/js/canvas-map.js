// The small map: all steps as blocks, what is in view as a frame; a click or drag goes there.
import { graph } from "./canvas-edit.js";

const SVG = "http://www.w3.org/2000/svg";
const board = document.getElementById("board");
const stage = document.getElementById("stage");
const map = document.getElementById("map");
const picture = map.querySelector("svg");
const HIDE = "fairway-map-hidden";

const scale = () => graph().getBoundingClientRect().width / Number(graph().dataset.width);

function draw() {
  const { width, height } = graph().dataset;
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.replaceChildren(
    ...[...graph().querySelectorAll(".step, .note")].map((one) => {
      const block = rect(one.offsetLeft, one.offsetTop, one.offsetWidth, one.offsetHeight);
      block.setAttribute("class", `${one.matches(".has-problem") ? "has-problem " : ""}${one.matches(".is-selected") ? "is-selected" : ""}`);
      return block;
    }),
    Object.assign(rect(0, 0, 0, 0), { id: "map-view" }),
  );
  frame();
}

function rect(x, y, width, height) {
  const made = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x, y, width, height, rx: 12 })) made.setAttribute(name, value);
  return made;
}

function frame() {
  const [field, ground, by] = [board.getBoundingClientRect(), graph().getBoundingClientRect(), scale()];
  const small = ground.width <= field.width && ground.height <= field.height;
  map.hidden = small || hidden();
  const view = document.getElementById("map-view");
  const at = { x: (field.left - ground.left) / by, y: (field.top - ground.top) / by, width: field.width / by, height: field.height / by };
  for (const [name, value] of Object.entries(at)) view?.setAttribute(name, value);
}

function hidden() {
  try {
    return localStorage.getItem(HIDE) === "1";
  } catch {
    return false;
  }
}

function go(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
  const [ground, field, by] = [graph().getBoundingClientRect(), board.getBoundingClientRect(), scale()];
  board.scrollBy(ground.left + point.x * by - field.left - field.width / 2, ground.top + point.y * by - field.top - field.height / 2);
}

let held = false;
picture.addEventListener("pointerdown", (event) => {
  held = true;
  picture.setPointerCapture(event.pointerId);
  go(event);
});
picture.addEventListener("pointermove", (event) => held && go(event));
picture.addEventListener("pointerup", () => (held = false));

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-toggle-map]")) return;
  try {
    localStorage.setItem(HIDE, hidden() ? "0" : "1");
  } catch {
    // storage is switched off: the map stays
  }
  frame();
});

let asked = 0;
const soon = (what) => {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(what);
};
board.addEventListener("scroll", () => soon(frame), { passive: true });
new ResizeObserver(() => soon(draw)).observe(stage);
document.addEventListener("htmx:after:swap", () => soon(draw));
draw();
