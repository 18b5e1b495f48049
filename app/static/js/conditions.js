// [data-conditions]: the form for conditions. Every act posts the whole form and draws the builder as it then is;
// without scripts the same buttons post the page's own form.
import { dragging } from "./conditions-drag.js";
import { enhance, plain } from "./combobox.js";

const builderOf = (element) => element.closest?.("[data-conditions]");
const changed = (builder) => builder.dispatchEvent(new CustomEvent("conditions:changed", { bubbles: true }));

// One act after another: each is made on what the last one drew.
let last = Promise.resolve();

/** Do an act of the form, and draw it again. */
export function act(builder, value) {
  last = last.then(() => draw(document.getElementById(builder.id), value)).catch(() => undefined);
  return last;
}

async function draw(builder, value) {
  if (!builder) return;
  builder.closest("form")?.setAttribute("data-changed", "");
  sent = said(builder);
  await htmx.ajax("POST", builder.dataset.draw, { source: builder, target: builder, swap: "outerMorph", values: { act: value } });
}

// What is said in a form's inputs, by their ids.
const inputs = (builder) => [...builder.querySelectorAll(":is(input, select, textarea)[id][name]")];
const said = (builder) => new Map(inputs(builder).map((one) => [one.id, one.multiple ? [...one.selectedOptions].map((option) => option.value) : one.value]));
const drawn = (event) => (event.detail.ctx?.sourceElement?.matches?.("[data-conditions]") ? event.detail.ctx.sourceElement : null);
let sent = new Map();
let since = [];
let kept = null;
let stay = null; // what was moved by the keyboard or dragged keeps it: its handle

document.addEventListener("htmx:before:swap", (event) => {
  const builder = drawn(event);
  if (!builder) return;
  // What was said while the answer was on its way is said again afterwards.
  since = [...said(builder)].filter(([id, value]) => String(value) !== String(sent.get(id)));
  const active = document.activeElement;
  kept = builder.contains(active) ? (active.closest(".ts-wrapper")?.previousElementSibling.id ?? active.id) : null;
  // What Tom Select put beside its selects is not in the answer; it comes anew after the morph, within the same frame.
  plain(builder);
});
document.addEventListener("htmx:after:swap", (event) => {
  const builder = drawn(event) && document.getElementById(drawn(event).id);
  if (!builder) return;
  const again = since.filter(([id, value]) => say(document.getElementById(id), value));
  enhance(builder);
  focus(stay || builder.dataset.focus || kept, !stay && Boolean(builder.dataset.focus));
  stay = null;
  builder.removeAttribute("data-focus");
  if (again.some(([id]) => document.getElementById(id).matches("[data-redraw]"))) act(builder, `${builder.dataset.conditions}:redraw`);
  else changed(builder);
});

function say(input, value) {
  if (!input) return false;
  if (!input.multiple) {
    input.value = value;
    return input.value === value;
  }
  for (const one of value) {
    if (![...input.options].some((option) => option.value === one)) input.add(new Option(one, one));
  }
  for (const option of input.options) option.selected = value.includes(option.value);
  return true;
}

function focus(id, fresh) {
  const element = id && document.getElementById(id);
  if (!element) return;
  const box = element.tomselect;
  if (!box) return element.focus();
  // Focused, not opened: what was chosen is chosen.
  box.ignoreFocus = !fresh;
  box.focus_node.focus();
  box.ignoreFocus = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-conditions] button[name=act]");
  if (!button) return closeMenus(event.target);
  event.preventDefault();
  act(builderOf(button), button.value);
});

// A menu closes when something else is clicked, or on Escape.
function closeMenus(target) {
  for (const menu of document.querySelectorAll(".conditions-menu[open]")) if (!menu.contains(target)) menu.open = false;
}

document.addEventListener("change", (event) => {
  const builder = builderOf(event.target);
  if (builder) {
    builder.closest("form")?.setAttribute("data-changed", "");
    if (event.target.matches("[data-redraw]")) act(builder, `${builder.dataset.conditions}:redraw`);
    else changed(builder);
  } else if (event.target.name === "club_id") {
    event.target.form?.querySelectorAll("[data-conditions]").forEach(changed);
  }
});
document.addEventListener("input", (event) => {
  const builder = builderOf(event.target);
  if (builder && event.target.matches("input, textarea")) changed(builder);
});

const MOVES = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "out", ArrowRight: "into" };
// Before what else listens: Escape in a menu closes the menu alone.
document.addEventListener("keydown", (event) => {
  const builder = builderOf(event.target);
  if (!builder || event.defaultPrevented) return;
  const menu = event.target.closest(".conditions-menu");
  if (menu?.open && inMenu(event, menu)) return event.preventDefault();
  // A select opens on Alt and an arrow, and in a text they move the caret.
  const move = event.altKey && !event.ctrlKey && !event.metaKey && MOVES[event.key];
  const row = event.target.closest("[data-row]");
  if (!move || !row || builder.matches(".is-fixed") || event.target.closest("select, input, textarea, .ts-wrapper, .ts-dropdown")) return;
  event.preventDefault();
  carry(builder, `${builder.dataset.conditions}:${move}:${row.dataset.row}`, event.target.id);
}, true);

// The answer would give the keyboard to the row's menu, in which a move is made without Alt and arrows.
function carry(builder, value, id) {
  last = last.then(() => (stay = id));
  act(builder, value);
}

function inMenu(event, menu) {
  const items = [...menu.querySelectorAll(".dropdown-item")];
  const here = items.indexOf(document.activeElement);
  const go = { ArrowDown: here + 1, ArrowUp: here < 0 ? -1 : here - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
  } else if (go === undefined || event.altKey) return false;
  else items.at(go % items.length)?.focus();
  return true;
}

dragging((builder, value, handle) => carry(builder, value, handle.id));
