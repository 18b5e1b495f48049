// [data-shown-when="kind: CHOICE LIST"]: stands on the page only while the form's control `kind` has one of the values.
const parts = [...document.querySelectorAll("[data-shown-when]")].map((part) => {
  const [name, values] = part.dataset.shownWhen.split(":");
  return { part, control: part.closest("form").elements[name.trim()], values: values.trim().split(/\s+/) };
});

function show() {
  for (const { part, control, values } of parts) part.hidden = !values.includes(control.value);
}

document.addEventListener("change", show);
show();
