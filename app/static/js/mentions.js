// textarea[data-mentions="#datalist"]: after an @ the colleagues that fit are offered; arrows choose, Enter or Tab takes.
let open = null; // { field, list, at, found, chosen }
let number = 0;

const colleagues = (field) =>
  [...(document.querySelector(field.dataset.mentions)?.options ?? [])].map((one) => ({ handle: one.value, name: one.label }));

function close() {
  if (!open) return;
  open.field.removeAttribute("aria-activedescendant");
  open.field.removeAttribute("aria-controls");
  open.list.remove();
  open = null;
}

function asked(field) {
  const before = field.value.slice(0, field.selectionStart);
  const found = /(^|[^\w@.])@([^@\n]{0,40})$/u.exec(before);
  return found && { at: before.length - found[2].length, words: found[2].toLowerCase() };
}

function fits({ handle, name }, words) {
  const known = [handle, name, ...name.split(" ")].map((one) => one.toLowerCase());
  return known.some((one) => one.startsWith(words));
}

function offer(field) {
  const question = asked(field);
  const found = question ? colleagues(field).filter((one) => fits(one, question.words)).slice(0, 8) : [];
  close();
  const whole = found.length === 1 && found[0].handle.toLowerCase() === question.words;
  if (!found.length || whole) return;
  const list = document.createElement("ul");
  list.className = "mention-list";
  list.id = `mention-list-${++number}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Colleagues");
  found.forEach((one, at) => {
    const item = document.createElement("li");
    item.id = `${list.id}-${at}`;
    item.setAttribute("role", "option");
    item.textContent = one.name;
    if (one.handle !== one.name) item.append(Object.assign(document.createElement("small"), { textContent: ` ${one.handle}` }));
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      take(at);
    });
    list.append(item);
  });
  field.insertAdjacentElement("afterend", list);
  open = { field, list, at: question.at, found, chosen: 0 };
  field.setAttribute("aria-controls", list.id);
  choose(0);
}

function choose(at) {
  const items = [...open.list.children];
  open.chosen = (at + items.length) % items.length;
  items.forEach((item, one) => item.setAttribute("aria-selected", String(one === open.chosen)));
  items[open.chosen].scrollIntoView({ block: "nearest" });
  open.field.setAttribute("aria-activedescendant", items[open.chosen].id);
}

function take(at) {
  const { field, at: start, found } = open;
  close();
  field.setRangeText(`${found[at].handle} `, start, field.selectionStart, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("input", (event) => {
  if (event.target.matches("textarea[data-mentions]")) offer(event.target);
});
document.addEventListener("keydown", (event) => {
  if (!open || event.target !== open.field) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose(open.chosen + step);
  else if (event.key === "Enter" || event.key === "Tab") take(open.chosen);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
});
document.addEventListener("focusout", (event) => {
  if (open && event.target === open.field) close();
});
