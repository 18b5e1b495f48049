// The view of the board: zoom by buttons, keys, Ctrl-wheel and pinch; pan by dragging the ground. Kept while the tab lives.
const board = document.getElementById("board");
const stage = document.getElementById("stage");
const level = document.querySelector("[data-zoom-level]");
const KEEP = `fairway-view:${location.pathname}`;
const [LEAST, MOST] = [0.1, 1.6];
const list = matchMedia("(max-width: 767.98px)"); // there the canvas is a list, which scrolls by itself
let zoom = 1;

/** Zoom to `to`, keeping the point (x, y) of the window where it is. */
function setZoom(to, x, y) {
  const next = Math.min(MOST, Math.max(LEAST, to));
  const field = board.getBoundingClientRect();
  const [px, py] = [(x ?? field.left + field.width / 2) - field.left, (y ?? field.top + field.height / 2) - field.top];
  const [cx, cy] = [(board.scrollLeft + px) / zoom, (board.scrollTop + py) / zoom];
  zoom = next;
  stage.style.zoom = String(zoom);
  board.scrollTo(cx * zoom - px, cy * zoom - py);
  level.textContent = `${Math.round(zoom * 100)} %`;
  keep();
}

function fit() {
  const graph = document.getElementById("canvas");
  const field = board.getBoundingClientRect();
  const [width, height] = [Number(graph.dataset.width), Number(graph.dataset.height)];
  setZoom(Math.min(1, field.width / width, field.height / height));
  board.scrollTo((board.scrollWidth - field.width) / 2, 0);
}

function keep() {
  if (list.matches) return;
  try {
    sessionStorage.setItem(KEEP, JSON.stringify([zoom, board.scrollLeft, board.scrollTop]));
  } catch {
    // storage is switched off: the view starts afresh each time
  }
}

function start() {
  if (list.matches) return;
  try {
    const [kept, left, top] = JSON.parse(sessionStorage.getItem(KEEP));
    setZoom(kept);
    board.scrollTo(left, top);
    if (inView().length) return;
  } catch {
    // nothing is kept
  }
  const graph = document.getElementById("canvas");
  if (Number(graph.dataset.width) > board.clientWidth) setZoom(Math.max(0.6, board.clientWidth / Number(graph.dataset.width)));
  board.scrollTo((board.scrollWidth - board.clientWidth) / 2, 0);
}
list.addEventListener("change", start);

document.addEventListener("click", (event) => {
  const how = event.target.closest("[data-zoom]")?.dataset.zoom;
  if (how === "in") setZoom(zoom * 1.2);
  if (how === "out") setZoom(zoom / 1.2);
  if (how === "fit") fit();
  if (how === "one") setZoom(1);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog, [popover]")) return;
  if (event.key === "-" || event.key === "_") setZoom(zoom / 1.2);
  else if (event.key === "=" || (event.key === "+" && !event.target.closest(".step"))) setZoom(zoom * 1.2);
  else if (event.key === "0") setZoom(1);
  else if (event.key.toLowerCase() === "f") fit();
  else return;
  event.preventDefault();
});

board.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey) return; // a plain wheel scrolls; a pinch on a touchpad comes with ctrlKey
    event.preventDefault();
    setZoom(zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  },
  { passive: false },
);

// Two fingers on a screen.
let pinch = null;
const spread = ([one, two]) => Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
board.addEventListener("touchstart", (event) => {
  pinch = event.touches.length === 2 ? { spread: spread(event.touches), zoom } : null;
});
board.addEventListener(
  "touchmove",
  (event) => {
    if (!pinch || event.touches.length !== 2) return;
    event.preventDefault();
    const [one, two] = event.touches;
    setZoom((pinch.zoom * spread(event.touches)) / pinch.spread, (one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2);
  },
  { passive: false },
);
board.addEventListener("touchend", () => (pinch = null));

// Dragging the ground pans; a finger scrolls by itself.
let pan = null;
board.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" || event.button > 1 || event.target.closest(".step, .slot, .note, a, button")) return;
  if (event.offsetX > board.clientWidth * 2 || event.target === board && event.offsetX >= board.clientWidth) return; // its scrollbar
  pan = { x: event.clientX, y: event.clientY, left: board.scrollLeft, top: board.scrollTop };
  board.classList.add("panning");
  event.preventDefault();
});
addEventListener("pointermove", (event) => {
  if (pan) board.scrollTo(pan.left - (event.clientX - pan.x), pan.top - (event.clientY - pan.y));
});
addEventListener("pointerup", () => {
  if (!pan) return;
  pan = null;
  board.classList.remove("panning");
  keep();
});
board.addEventListener("scrollend", keep);

// What somebody looks at stays where it is when an answer moves the steps: the step that has the keyboard or is open, else
// the one nearest to the middle.
let held = [];

function inView() {
  const field = board.getBoundingClientRect();
  const [x, y] = [field.left + field.width / 2, field.top + field.height / 2];
  const meant = document.activeElement?.closest?.(".step") ?? stage.querySelector(".step.is-selected");
  const seen = [];
  for (const step of stage.querySelectorAll(".step")) {
    const { left, right, top, bottom } = step.getBoundingClientRect();
    if (right < field.left || left > field.right || bottom < field.top || top > field.bottom) continue;
    seen.push({ id: step.id, left, top, far: step === meant ? -1 : Math.hypot(left - x, top - y) });
  }
  return seen.sort((one, other) => one.far - other.far);
}

// Before the canvas is drawn.
document.addEventListener("htmx:before:swap", () => (held = inView()), { capture: true });
document.addEventListener("htmx:after:swap", () => {
  const was = held.find(({ id }) => document.getElementById(id));
  if (!was) return;
  const box = document.getElementById(was.id).getBoundingClientRect();
  const [left, top] = [box.left - was.left, box.top - was.top];
  if (Math.abs(left) > 1 || Math.abs(top) > 1) board.scrollBy({ left, top, behavior: "instant" });
});

start();
