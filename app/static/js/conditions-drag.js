// Dragging a row of conditions by its handle, with mouse, pen or finger: a line shows where it would go.
const THRESHOLD = 5;
let drag = null;

/** Let rows be dragged; `act` does the move on the builder, and is told by which handle. */
export function dragging(act) {
  document.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest?.("[data-conditions] [data-drag]");
    if (!handle || event.button) return;
    const row = handle.closest("[data-row]");
    drag = { handle, row, builder: handle.closest("[data-conditions]"), id: event.pointerId, y: event.clientY, line: null, place: null };
    handle.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    if (!drag.line && Math.abs(event.clientY - drag.y) < THRESHOLD) return;
    event.preventDefault();
    start();
    drag.place = nearest(event.clientX, event.clientY);
    show(drag.place);
  });
  document.addEventListener("pointerup", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const { builder, handle, row, place } = drag;
    stop();
    if (place) act(builder, `${builder.dataset.conditions}:move:${row.dataset.row}:${place.group.dataset.group}:${place.index}`, handle);
  });
  document.addEventListener("pointercancel", stop);
  document.addEventListener("keydown", (event) => event.key === "Escape" && drag && stop());
}

function start() {
  if (drag.line) return;
  drag.line = document.createElement("div");
  drag.line.className = "conditions-drop";
  drag.builder.append(drag.line);
  drag.row.classList.add("is-carried");
}

function stop() {
  drag?.line?.remove();
  drag?.row.classList.remove("is-carried");
  drag = null;
}

const rowsOf = (group) => [...group.children].filter((child) => child.dataset.row !== undefined);
// Conditions on an event stay with it, and those on people outside.
const homeOf = (element) => element.parentElement.closest(".conditions-where, [data-conditions]");

function nearest(x, y) {
  const home = homeOf(drag.row);
  const groups = [...drag.builder.querySelectorAll("[data-group]")].filter((one) => !drag.row.contains(one) && homeOf(one) === home);
  const places = groups.flatMap((group) => {
    const rows = rowsOf(group);
    const box = group.getBoundingClientRect();
    return [...rows, null].map((row, index) => {
      const before = row?.getBoundingClientRect();
      const after = rows[index - 1]?.getBoundingClientRect();
      const at = before && after ? (before.top + after.bottom) / 2 : before ? before.top - 4 : after ? after.bottom + 4 : box.top + 8;
      return { group, index, at, left: box.left, width: box.width, depth: box.left };
    });
  });
  // Of places at one height the innermost group under the pointer counts.
  const inside = places.filter((place) => x >= place.left || place.depth === Math.min(...places.map((one) => one.depth)));
  return inside.sort((one, two) => Math.abs(one.at - y) - Math.abs(two.at - y) || two.depth - one.depth)[0] ?? null;
}

function show(place) {
  if (!place) return;
  const base = drag.builder.getBoundingClientRect();
  Object.assign(drag.line.style, {
    top: `${place.at - base.top}px`,
    left: `${place.left - base.left + 8}px`,
    width: `${place.width - 16}px`,
  });
}
