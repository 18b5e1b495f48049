// [data-shown-when="kind: CHOICE LIST"]: stands on the page only while the form's control `kind` has one of the values,
// of boxes while one with such a value is ticked ("2+": while two or more are). A radio button that is hidden gives way to
// the first of its name that is not.

function chosen(control) {
  // Of one name may also be the group that the boxes stand in.
  const named = control instanceof RadioNodeList ? [...control] : [control];
  const boxes = named.filter((one) => one.type === "checkbox");
  return boxes.length ? boxes.filter((box) => box.checked).map((box) => box.value) : [control.value];
}

function holds(form, said) {
  const [name, values] = said.split(":");
  const wanted = values.trim().split(/\s+/);
  const found = chosen(form.elements[name.trim()]);
  return wanted.includes("2+") ? found.length > 1 : found.some((value) => wanted.includes(value));
}

function show() {
  for (const part of document.querySelectorAll("[data-shown-when]")) {
    part.hidden = !holds(part.closest("form"), part.dataset.shownWhen);
    const radio = part.hidden && part.querySelector("input[type=radio]:checked");
    const others = radio && part.matches("label") ? [...radio.form.elements[radio.name]] : [];
    const next = others.find((one) => one.type === "radio" && !one.closest("[hidden]"));
    // What hangs on the other choice may stand before it.
    if (next) {
      next.checked = true;
      return show();
    }
  }
}

document.addEventListener("change", show);
document.addEventListener("htmx:after:swap", show);
show();
