// form[data-guard]: leaving with unsaved changes (or with data-changed) asks first, and a refused form starts at what is
// wrong. What stands in [data-unguarded] is not saved, and counts for nothing.
const saving = new WeakSet();

function changed(form) {
  return form.hasAttribute("data-changed") || [...form.elements].some((field) => {
    if (!field.name || field.type === "hidden" || field.closest("[data-unguarded]")) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.dataset.touched;
    return "defaultValue" in field && field.value !== field.defaultValue;
  });
}

document.addEventListener("change", (event) => {
  // A select without a selected option still shows its first: only a choice counts as a change.
  if (event.target.options) event.target.dataset.touched = "true";
});
document.addEventListener("submit", (event) => saving.add(event.target));
document.addEventListener("htmx:finally:request", (event) => saving.delete(event.detail.ctx.sourceElement));

addEventListener("beforeunload", (event) => {
  const forms = [...document.querySelectorAll("form[data-guard]")];
  if (forms.some((form) => !saving.has(form) && changed(form))) event.preventDefault();
});

document.querySelector("[data-error-summary]")?.focus();
htmx.onLoad((element) => element.querySelector?.("[data-error-summary]")?.focus());
