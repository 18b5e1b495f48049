// Dragging with mouse, pen or finger: a palette kind becomes a new step, a step moves. A finger must rest a moment first,
// so that it can still scroll.
import { carried, legal, pickUp, putBack, putDown, several } from "./canvas-carry.js";
import { editable, slots } from "./canvas-edit.js";
import { picked } from "./canvas-select.js";

const THRESHOLD = 6;
const REST = 320;
const REACH = 96; // pixels around a place within which a drop counts
const EDGE = 56;
const board = document.getElementById("board");
let drag = null;

function loadOf({ dataset: { key, kind, label } }) {
  if (!key) return { type: kind, label };
  return picked().includes(key) ? several(picked()) : { key, label };
}

document.addEventListener("pointerdown", (event) => {
  if (event.button || event.shiftKey || drag || !editable()) return;
  const source = event.target.closest(".palette-item[data-kind], .step[data-movable]");
  if (!source || event.target.closest(".step-tools, .step-counts a")) return;
  drag = { source, id: event.pointerId, x: event.clientX, y: event.clientY, ghost: null };
  if (event.pointerType === "touch") {
    drag.timer = setTimeout(() => drag && !drag.ghost && start(drag.x, drag.y), REST);
  }
});

document.addEventListener("pointermove", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  const far = Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > THRESHOLD;
  if (!drag.ghost) {
    if (!far) return;
    if (event.pointerType === "touch") return stop(); // it scrolls
    if (!start(event.clientX, event.clientY)) return;
  }
  follow(event.clientX, event.clientY);
});

document.addEventListener("pointerup", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  const { ghost, hot } = drag;
  stop();
  if (!ghost) return;
  swallowClick();
  if (hot?.isConnected) putDown(hot);
  else putBack();
});
document.addEventListener("pointercancel", () => {
  if (drag?.ghost) putBack();
  stop();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !drag?.ghost) return;
  stop();
  putBack();
  swallowClick();
});
// Once a finger carries, the page must not scroll under it.
document.addEventListener("touchmove", (event) => drag?.ghost && event.preventDefault(), { passive: false });
document.addEventListener("dragstart", (event) => event.target.closest?.(".palette-item, .step") && event.preventDefault());
document.addEventListener("contextmenu", (event) => drag?.ghost && event.preventDefault());

function start(x, y) {
  const load = loadOf(drag.source);
  if (!pickUp(load, { byHand: true })) {
    stop();
    return false;
  }
  const ghost = document.createElement("div");
  ghost.className = "kind-ghost";
  ghost.dataset.kind = drag.source.dataset.kind;
  ghost.append(drag.source.querySelector(".kind-icon").cloneNode(true), load.label);
  document.body.append(ghost);
  document.body.classList.add("is-dragging");
  drag.ghost = ghost;
  follow(x, y);
  drag.roll = setInterval(roll, 16);
  return true;
}

function follow(x, y) {
  drag.at = { x, y };
  drag.ghost.style.transform = `translate(${x + 14}px, ${y + 10}px)`;
  drag.hot = nearest(x, y);
  for (const slot of slots()) slot.classList.toggle("is-hot", slot === drag.hot);
}

function nearest(x, y) {
  const field = board.getBoundingClientRect();
  if (x < field.left || x > field.right || y < field.top || y > field.bottom) return null;
  let best = null;
  let reach = REACH;
  for (const slot of legal()) {
    const box = slot.getBoundingClientRect();
    const dx = Math.max(box.left - x, 0, x - box.right);
    const dy = Math.max(box.top - y, 0, y - box.bottom);
    const far = Math.hypot(dx, dy);
    if (far < reach) [best, reach] = [slot, far];
  }
  return best;
}

// Near the edge of the board, the board comes along; but not for what is only just coming in from the palette.
function roll() {
  if (!carried()) return;
  const field = board.getBoundingClientRect();
  const { x, y } = drag.at;
  const push = (at, low, high) => (at < low + EDGE && at > low ? -9 : at > high - EDGE && at < high ? 9 : 0);
  const [dx, dy] = [push(x, field.left, field.right), push(y, field.top, field.bottom)];
  if (!dx && !dy) drag.inside ||= x > field.left;
  if (!drag.inside || (!dx && !dy)) return;
  board.scrollBy(dx, dy);
  follow(x, y);
}

function stop() {
  clearTimeout(drag?.timer);
  clearInterval(drag?.roll);
  drag?.ghost?.remove();
  document.body.classList.remove("is-dragging");
  drag = null;
}

// The click that ends a drag is no click on what lies under it.
export function swallowClick() {
  const swallow = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
}
