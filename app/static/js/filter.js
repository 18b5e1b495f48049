// form[data-filter]: an empty filter says nothing, so it stays out of the request and of the address; the order of the
// list, which may have changed since the form was drawn, stays as it is.
//
// What was typed is asked for while it is typed. Whoever then goes on to the list by Tab leaves the field, which is a
// `change` as well: asked for again, the answer would take the row away from under the keyboard.
const asked = new WeakMap();

document.addEventListener("htmx:config:request", (event) => {
  const { target: form, detail: { ctx } } = event;
  if (!form.matches("form[data-filter]")) return;
  const body = ctx.request.body;
  const sort = new URLSearchParams(location.search).get("sort");
  if (sort) body.set("sort", sort);
  for (const [name, value] of [...body]) if (value === "") body.delete(name);
  const question = new URLSearchParams(body).toString();
  if (ctx.sourceEvent.type !== "submit" && asked.get(form) === question) event.preventDefault();
  asked.set(form, question);
});
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-filter]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
