// What a campaign says: merge tags go into the subjects of its variants, and an empty one shows the subject of the template
// that then stands for it.
import { picker } from "./merge-tags.js";

const variants = document.querySelector("#variants");
const form = variants.closest("form");

function subjects() {
  return [...variants.querySelectorAll("[data-merge]")];
}

function show() {
  for (const field of subjects()) {
    const own = field.form.elements[field.name.replace(/subject$/, "email_template_id")];
    const chosen = [own, field.form.elements.email_template_id].find((select) => select?.value);
    field.placeholder = chosen?.selectedOptions[0]?.dataset.subject ?? "";
  }
}

picker(form, () => subjects().find((field) => !field.closest("[hidden]")) ?? subjects()[0]);
form.addEventListener("change", show);
document.addEventListener("htmx:after:swap", show);
show();
