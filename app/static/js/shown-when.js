// [data-shown-when="kind: CHOICE LIST"]: stands on the page only while the form's control `kind` has one of the values,
// of boxes while one with such a value is ticked.

function chosen(control) {
  // Of one name may also be the group that the boxes stand in.
  const named = control instanceof RadioNodeList ? [...control] : [control];
  const boxes = named.filter((one) => one.type === "checkbox");
  return boxes.length ? boxes.filter((box) => box.checked).map((box) => box.value) : [control.value];
}

function show() {
  for (const part of document.querySelectorAll("[data-shown-when]")) {
    const [name, values] = part.dataset.shownWhen.split(":");
    const wanted = values.trim().split(/\s+/);
    part.hidden = !chosen(part.closest("form").elements[name.trim()]).some((value) => wanted.includes(value));
  }
}

document.addEventListener("change", show);
document.addEventListener("htmx:after:swap", show);
show();
