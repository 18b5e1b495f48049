// The menus of the canvas: which kind of step goes here, and what can be done with a step. One native popover each.
import { carried, pickUp, putDown, several } from "./canvas-carry.js";
import { copy, cut, duplicate, pasteKept } from "./canvas-clip.js";
import { connect, editable, insert, remove, stepOf } from "./canvas-edit.js";
import { openStep } from "./canvas-panel.js";
import { meant, pick, pickBranch, toggle } from "./canvas-select.js";

const kinds = document.getElementById("kind-menu");
const tools = document.getElementById("step-menu");
let opener = null;

/** Open the menu of kinds for a place. */
export function openKinds(slot) {
  const open = slot.classList.contains("is-open");
  for (const button of kinds.querySelectorAll("button[data-kind]")) button.hidden = button.hasAttribute("data-closed") && !open;
  kinds.querySelector("h2").textContent = slot.dataset.label;
  offerJoins(slot.dataset.joins.split(" ").filter(Boolean));
  kinds.querySelector("[data-part]").hidden = !slot.hasAttribute("data-meets");
  show(kinds, slot);
}

// An open end can also lead on to a step of another branch.
function offerJoins(keys) {
  for (const old of kinds.querySelectorAll("[data-join]")) old.remove();
  kinds.querySelector("[data-joins-head]").hidden = !keys.length;
  for (const key of keys) {
    const step = stepOf(key);
    const button = kinds.querySelector("[data-join-item]").content.firstElementChild.cloneNode(true);
    button.dataset.join = key;
    button.querySelector("b").textContent = step.dataset.label;
    button.querySelector("small").textContent = step.querySelector(".step-words").textContent;
    kinds.append(button);
  }
}

/** Open the menu of a step. */
export function openStepMenu(step) {
  const exits = JSON.parse(step.dataset.exits);
  const movable = editable() && step.hasAttribute("data-movable");
  for (const old of tools.querySelectorAll("[data-keep]")) old.remove();
  for (const item of tools.querySelectorAll("[data-needs-movable]")) {
    item.hidden = !movable || (item.dataset.stepAct === "remove" && exits.length > 1);
  }
  if (movable && exits.length > 1) offerKeeping(exits);
  show(tools, step.querySelector(".step-more") ?? step);
}

// Of a step with several ways on one can be kept.
function offerKeeping(exits) {
  for (const [exit, label] of exits) {
    const button = tools.querySelector("[data-keep-item]").content.firstElementChild.cloneNode(true);
    button.dataset.keep = exit;
    button.querySelector("b").textContent = label;
    tools.append(button);
  }
}

function show(menu, from) {
  opener = from;
  menu.showPopover();
  const at = from.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - width / 2), innerWidth - width - 8);
  const under = at.bottom + 6 + height < innerHeight;
  const top = under ? at.bottom + 6 : Math.max(8, at.top - height - 6);
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
  from.setAttribute("aria-expanded", "true");
  menu.querySelector("button:not([hidden])")?.focus();
}

for (const menu of [kinds, tools]) {
  if (!menu) continue;
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    opener?.removeAttribute("aria-expanded");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) opener?.focus?.({ preventScroll: true });
  });
  menu.addEventListener("keydown", (event) => {
    const buttons = [...menu.querySelectorAll("button")].filter((button) => button.checkVisibility());
    const here = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here < 0 ? -1 : here - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Tab") menu.hidePopover();
    // Whatever is typed searches.
    if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) menu.querySelector("[data-kind-search]")?.focus();
    const inText = event.target.matches("input") && (event.key === "Home" || event.key === "End");
    if (to === undefined || inText || !buttons.length) return;
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length].focus();
  });
}

kinds?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-kind], [data-join], [data-part]");
  if (!button) return;
  const slot = opener;
  kinds.hidePopover();
  if (button.hasAttribute("data-part")) connect(slot, "");
  else if (button.dataset.join) connect(slot, button.dataset.join);
  else insert(button.dataset.kind, slot);
});

tools?.addEventListener("click", (event) => {
  const item = event.target.closest("[data-step-act]");
  if (!item) return;
  const { stepAct: act, keep } = item.dataset;
  const step = opener.closest(".step");
  tools.hidePopover();
  const { key } = step.dataset;
  const only = (what) => {
    pick([key]);
    what();
  };
  const acts = {
    open: () => openStep(step),
    move: () => pickUp(several([key])),
    remove: () => remove([key], { keep: keep ?? "" }),
    pick: () => toggle(key),
    branch: () => pickBranch(key),
    copy: () => only(copy),
    cut: () => only(cut),
    duplicate: () => only(duplicate),
    paste: () => {
      step.querySelector(".step-main").focus({ preventScroll: true });
      pick([]);
      pasteKept();
    },
  };
  acts[act]();
});

// The bar of the chosen steps.
document.getElementById("pick-bar")?.addEventListener("click", (event) => {
  const act = event.target.closest("[data-pick-act]")?.dataset.pickAct;
  const acts = { copy, cut, duplicate, move: () => pickUp(several(meant())), remove: () => remove(meant()), clear: () => pick([]) };
  acts[act]?.();
});

document.addEventListener("click", (event) => {
  const slot = event.target.closest("[data-slot]");
  if (slot) {
    event.preventDefault();
    if (carried()) putDown(slot);
    else openKinds(slot);
    return;
  }
  const more = event.target.closest(".step-more");
  if (more) {
    openStepMenu(more.closest(".step"));
    return;
  }
  const item = event.target.closest(".palette-item[data-kind]");
  if (item) pickUp({ type: item.dataset.kind, label: item.dataset.label });
});
