// [data-shown-when="kind: CHOICE LIST"]: stands on the page only while the form's control `kind` has one of the values,
// of boxes while one with such a value is ticked.
const parts = [...document.querySelectorAll("[data-shown-when]")].map((part) => {
  const [name, values] = part.dataset.shownWhen.split(":");
  return { part, control: part.closest("form").elements[name.trim()], values: values.trim().split(/\s+/) };
});

function chosen(control) {
  // Of one name may also be the group that the boxes stand in.
  const named = control instanceof RadioNodeList ? [...control] : [control];
  const boxes = named.filter((one) => one.type === "checkbox");
  return boxes.length ? boxes.filter((box) => box.checked).map((box) => box.value) : [control.value];
}

function show() {
  for (const { part, control, values } of parts) part.hidden = !chosen(control).some((value) => values.includes(value));
}

document.addEventListener("change", show);
show();
