// form[data-filter]: an empty filter says nothing, so it stays out of the request and of the address; the order of the
// list, which may have changed since the form was drawn, stays as it is.
document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (!target.matches("form[data-filter]")) return;
  const body = ctx.request.body;
  const sort = new URLSearchParams(location.search).get("sort");
  if (sort) body.set("sort", sort);
  for (const [name, value] of [...body]) if (value === "") body.delete(name);
});
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-filter]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
